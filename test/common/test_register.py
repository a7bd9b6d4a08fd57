"""Versions, records and promises as they travel and lie on disks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common import register
from apus.common.errors import Refused
from apus.common.register import ANCESTORS_MAX, Promise, Record, Version, Visible, ballot_after
from apus.common.timestamp import Timestamp

moments = st.integers(0, 10**14).map(Timestamp)
texts = st.text(max_size=20)
versions = st.builds(
    Version, texts, moments, texts, st.booleans(), st.lists(texts, max_size=ANCESTORS_MAX).map(tuple)
)
records = st.one_of(st.builds(Record, texts), st.builds(Record, texts, texts, versions))
promises = st.builds(
    Promise, st.booleans(), records, st.builds(Visible, moments, texts, st.booleans(), moments), moments
)


@given(versions, records, promises)
def test_what_is_encoded_is_decoded(version: Version, record: Record, promise: Promise) -> None:
    """In ASCII without line breaks, as headers must be."""
    text = register.encode_version(version) + register.encode_promise(promise)
    assert text.isascii()
    assert text.isprintable()
    assert register.decode_version(register.encode_version(version)) == version
    assert register.decode_record(register.encode_record(record)) == record
    assert register.decode_promise(register.encode_promise(promise)) == promise


@given(st.one_of(st.none(), st.text(), st.sampled_from(["{}", "[]", "null", '{"change":1}', "[" * 10000])))
def test_nonsense_is_refused(text: str | None) -> None:
    """Whatever comes, it is Refused and nothing else."""
    for decode in (register.decode_version, register.decode_promise, register.checked_ballot):
        with pytest.raises(Refused):
            decode(text)


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_the_next_ballot_is_higher(first: int, second: int) -> None:
    """Whatever the clocks say; and ballots sort as text."""
    low = ballot_after("", first, "zz")
    high = ballot_after(low, second, "00")
    assert high > low
    assert register.checked_ballot(high) == high
    assert int(high.partition("-")[0]) in (second, first + 1)


def test_a_version_knows_who_came_before() -> None:
    """As many as are kept; the latest last."""
    version = Version("c0", Timestamp(1), "e", exists=True)
    for number in range(1, 50):
        version = version.followed_by(f"c{number}", version.moment.later(1), None)
    assert version.lineage == tuple(f"c{number}" for number in range(49 - ANCESTORS_MAX, 50))
    assert not version.exists
