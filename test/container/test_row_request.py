"""The short way to a row says what the long one does."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.common.gathered_rows import Told
from apus.common.http.request import Request
from apus.container import row_request
from apus.container.rows import ObjectRow

moments = st.sampled_from(
    ["1700000000.12345", "5", "1700000000.12345_00000000000000ab", "１700000000.12345", "", "x"]
)
sizes = st.sampled_from(["0", "4096", " 7", "-1", "1_0", "٣", "9" * 18, "9" * 19, "9" * 5000, "", "x"])
values = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=9)
rows = st.builds(
    Told,
    verb=st.sampled_from(["PUT", "DELETE"]),
    path=st.just("/d/1/a/c/o"),
    timestamp=st.none() | moments,
    policy_index=st.just("1"),
    size=st.none() | sizes,
    content_type=st.none() | values,
    etag=st.none() | values,
    content_type_timestamp=st.none() | moments,
    meta_timestamp=st.none() | moments,
    transaction_id=st.none(),
)
PUT = Told("PUT", "/d/1/a/c/o", "1700000000.12345", "1", "4096", "text/plain", "e", None, None, "tx")
DELETE = Told("DELETE", "/d/1/a/c/o", "1700000000.12345", "1", None, None, None, None, None, "tx")


def in_full(told: Told) -> ObjectRow | None:
    request = Request(told.environ())
    ask = row_request.removed if told.verb == "DELETE" else row_request.reported
    try:
        return ask(request, "o", 1)
    except Refused:
        return None


@given(rows)
@example(PUT)
@example(DELETE)
def test_both_ways_lead_to_one_row(told: Told) -> None:
    """Whatever the line says, and however it says it."""
    row = row_request.plain(told, "o", 1)
    assert row is None or row == in_full(told)


def test_usual_rows_go_the_short_way() -> None:
    """Those that every PUT and DELETE of an object brings."""
    assert row_request.plain(PUT, "o", 1) is not None
    assert row_request.plain(DELETE, "o", 1) is not None
