"""Conditional reads: who wins when several conditions are given, and how tags and dates compare."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.conditions import NONE, Conditions, from_headers, judge, judge_absent, matches, range_holds
from apus.common.timestamp import Timestamp

ETAG = "d41d8cd98f00b204e9800998ecf8427e"
MOMENT = Timestamp.parse("1700000000.00001")
BEFORE, SAME, AFTER = (Timestamp.of(1700000000 + shift).http_date for shift in (-10, 1, 10))


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        (NONE, None),
        (Conditions(if_match=ETAG), None),
        (Conditions(if_match="other"), 412),
        (Conditions(if_match="*"), None),
        (Conditions(if_none_match=ETAG), 304),
        (Conditions(if_none_match="*"), 304),
        (Conditions(if_none_match="other"), None),
        (Conditions(if_modified_since=BEFORE), None),
        (Conditions(if_modified_since=SAME), 304),
        (Conditions(if_modified_since=AFTER), 304),
        (Conditions(if_unmodified_since=BEFORE), 412),
        (Conditions(if_unmodified_since=SAME), None),
        (Conditions(if_match=ETAG, if_unmodified_since=BEFORE), None),
        (Conditions(if_none_match="other", if_modified_since=AFTER), None),
        (Conditions(if_match="other", if_none_match=ETAG), 412),
        (Conditions(if_modified_since="yesterday", if_unmodified_since="x"), None),
    ],
)
def test_precedence(conditions: Conditions, status: int | None) -> None:
    """Tags go before dates, and what must match before what must not."""
    assert judge(conditions, ETAG, MOMENT) == status


@given(
    st.sampled_from([ETAG, f'"{ETAG}"', f'W/"{ETAG}"', f' "{ETAG}" ']),
    st.lists(st.sampled_from(['"x"', "y", "W/z"])),
)
def test_tags_compare_without_dress(tag: str, others: list[str]) -> None:
    """Quotes, weakness and white space do not make another tag, anywhere in a list."""
    assert matches(",".join([*others, tag]), ETAG)
    assert not matches(",".join(others), ETAG)


@given(st.text(max_size=60))
def test_no_header_breaks_it(text: str) -> None:
    """Whatever a client sends, there is an answer."""
    judge(Conditions(text, text, text, text), ETAG, MOMENT)
    range_holds(text, ETAG, MOMENT)


def test_if_range() -> None:
    """A range counts when the reader's copy is of this object, by strong tag or exact date."""
    assert range_holds(None, ETAG, MOMENT)
    assert range_holds(f'"{ETAG}"', ETAG, MOMENT)
    assert range_holds(SAME, ETAG, MOMENT)
    assert not range_holds(AFTER, ETAG, MOMENT)
    assert not range_holds(f'W/"{ETAG}"', ETAG, MOMENT)
    assert not range_holds("other", ETAG, MOMENT)


def test_what_is_not_there() -> None:
    """`If-Match: *` asks that there be something; other conditions do not matter for nothing."""
    assert judge_absent(Conditions(if_match="*")) == 412
    assert judge_absent(Conditions(if_match=ETAG)) == 404
    assert judge_absent(NONE) == 404
    assert from_headers({}) is NONE
    assert from_headers({"HTTP_IF_MATCH": "x"}).if_match == "x"
