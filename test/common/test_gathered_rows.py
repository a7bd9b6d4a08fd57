"""The laws of many rows in one message."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common import gathered_rows
from apus.common.errors import Refused
from apus.common.gathered_rows import LINE_BYTES_MAX, MESSAGE_BYTES_MAX, ROWS_MAX

PATHS = st.text(st.characters(max_codepoint=255), min_size=1, max_size=30).map(lambda text: f"/{text}")
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=9)
VALUES = VALUES.filter(lambda text: not any("\x7f" <= letter < "\x80" for letter in text))
NAMES = st.sampled_from(["X-Timestamp", "X-Size", "X-Content-Type", "X-Etag", "X-Trans-Id"])
HEADERS = st.dictionaries(NAMES, VALUES)
ROWS = st.tuples(st.sampled_from(["PUT", "DELETE"]), PATHS, HEADERS)
GOLDEN = (
    b'[["PUT","/d1/7/a/c/o","1700000000.00000","0","5","text/plain","e",null,null,"tx1"],'
    b'["DELETE","/d2/8/a/c/\xc3\xa9","1700000001.00000","1",null,null,null,null,null,"tx2"]]'
)


def golden_lines() -> list[bytes | None]:
    put = {"X-Size": "5", "X-Content-Type": "text/plain", "X-Etag": "e", "X-Trans-Id": "tx1"}
    put |= {"X-Timestamp": "1700000000.00000", "X-Backend-Storage-Policy-Index": "0"}
    gone = {"X-Timestamp": "1700000001.00000", "X-Backend-Storage-Policy-Index": "1", "X-Trans-Id": "tx2"}
    return [
        gathered_rows.line("PUT", "/d1/7/a/c/o", put),
        gathered_rows.line("DELETE", "/d2/8/a/c/é", gone),
    ]


def test_the_message_stays_as_it_is() -> None:
    """Servers of two releases work side by side."""
    assert gathered_rows.message([line for line in golden_lines() if line]) == GOLDEN
    first, second = (told.environ() for told in gathered_rows.told(GOLDEN))
    assert first["PATH_INFO"] == "/d1/7/a/c/o"
    assert first["HTTP_X_SIZE"] == "5"
    assert first["HTTP_X_META_TIMESTAMP"] is None
    assert (second["REQUEST_METHOD"], second["HTTP_X_TRANS_ID"]) == ("DELETE", "tx2")


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_what_was_gathered_comes_out(rows: list[tuple[str, str, dict[str, str]]]) -> None:
    """Any bytes in a path, any that a header may hold, in order."""
    lines = [gathered_rows.line(verb, path, headers) for verb, path, headers in rows]
    told = gathered_rows.told(gathered_rows.message([line for line in lines if line]))
    for environ, (verb, path, headers) in zip((each.environ() for each in told), rows, strict=True):
        assert (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == (verb, path)
        for name in ("X-Timestamp", "X-Size", "X-Content-Type", "X-Etag", "X-Trans-Id"):
            assert environ[f"HTTP_{name.upper().replace('-', '_')}"] == headers.get(name)


@given(st.binary(max_size=60) | st.integers(0, len(GOLDEN)).map(lambda end: GOLDEN[:end]))
def test_any_bytes_are_rows_or_refused(message: bytes) -> None:
    """Nothing else comes of them, whatever they are."""
    try:
        told = gathered_rows.told(message)
    except Refused:
        return
    assert all(each.verb in ("PUT", "DELETE") for each in told)


@given(st.integers(0, 9), st.sampled_from([5, [], {}, True, "a\nb", "a\0b", "\u0100", "a\x7f"]))
def test_a_field_that_cannot_be_is_refused(place: int, value: Any) -> None:
    """Wrong types, control characters in values, letters that stand for no byte."""
    row = json.loads(GOLDEN)[0]
    row[place] = value
    with pytest.raises(Refused):
        gathered_rows.told(orjson.dumps([row]))


@pytest.mark.parametrize("message", [b"", b"[]", b"{}", b"null", b"[[]]", b"[1]", b'[["PUT","/a"]]'])
def test_other_forms_are_refused(message: bytes) -> None:
    """An array of whole rows, at least one."""
    with pytest.raises(Refused):
        gathered_rows.told(message)


def test_everything_is_bounded() -> None:
    """Rows in a message, bytes in a row."""
    row = json.loads(GOLDEN)[0]
    assert len(gathered_rows.told(orjson.dumps([row] * ROWS_MAX))) == ROWS_MAX
    with pytest.raises(Refused):
        gathered_rows.told(orjson.dumps([row] * (ROWS_MAX + 1)))
    assert gathered_rows.line("PUT", "/" + "x" * LINE_BYTES_MAX, {}) is None
    assert len(gathered_rows.message([b"x" * LINE_BYTES_MAX] * ROWS_MAX)) <= MESSAGE_BYTES_MAX


def test_what_has_no_place_in_a_row_goes_alone() -> None:
    """Verbs and headers that nobody thought of must not get lost on the way."""
    assert gathered_rows.line("POST", "/d/1/a/c/o", {}) is None
    assert gathered_rows.line("PUT", "/d/1/a/c/o", {"X-Backend-Auto-Create": "yes"}) is None


@given(st.lists(st.integers(0, 999), min_size=1, max_size=ROWS_MAX))
def test_statuses_come_out(statuses: list[int]) -> None:
    """One for each row, or none is believed."""
    text = gathered_rows.statuses_line(statuses)
    assert gathered_rows.statuses_in(text, len(statuses)) == statuses
    assert gathered_rows.statuses_in(text, len(statuses) + 1) is None


@pytest.mark.parametrize("text", [None, "", "201,", "2010", "-1", "201, 204", "２０１", "201\n"])
def test_other_statuses_are_none(text: str | None) -> None:
    """Whoever says that did not take the rows."""
    assert gathered_rows.statuses_in(text, 1) is None
