"""Names of uploads and parts are told apart, whatever keys are like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.multipart.names import (
    NUMBER_MAX,
    Upload,
    behind_parts,
    can_be_upload_id,
    number_of,
    upload_of,
)

KEYS = st.text(st.sampled_from("ab/0.é"), min_size=1, max_size=8)
IDS = st.text(st.sampled_from("aB3_-~"), min_size=1, max_size=8).filter(lambda text: not text.isdigit())
NUMBERS = st.integers(1, NUMBER_MAX)


@given(KEYS, IDS, NUMBERS)
def test_what_is_named_is_found(key: str, upload_id: str, number: int) -> None:
    """An upload is no part, and a part no upload."""
    upload = Upload("b", key, upload_id)
    assert upload.container == "b+segments"
    assert upload_of("b", upload.name) == upload
    assert number_of(upload, upload.part(number)) == number
    for part in (upload.part(number), upload.claim):
        assert upload_of("b", part) is None
    for other in (upload.name, upload.claim, upload.part(NUMBER_MAX + 1), f"{upload.prefix}01"):
        assert number_of(upload, other) is None


@given(KEYS, IDS, NUMBERS)
def test_what_is_behind_parts_skips_them_all_and_nothing_else(key: str, upload_id: str, number: int) -> None:
    """The next upload of the same key is still listed."""
    upload = Upload("b", key, upload_id)
    behind = behind_parts(upload.part(number))
    assert behind is not None
    assert behind > upload.part(99999)
    assert behind > upload.claim
    assert behind < Upload("b", key, upload_id + "a").name
    assert behind_parts(upload.name) is None


@pytest.mark.parametrize("text", ["", "1", "0123", "a/b", "a/1", "a\0"])
def test_what_is_no_upload_id(text: str) -> None:
    """What would make a part, or another key, of a name."""
    assert not can_be_upload_id(text)
