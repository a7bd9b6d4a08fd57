"""A listing as JSON is the same whether SQLite writes it or we do."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apus.common import listing_format
from apus.common.database.listing import Query
from apus.common.timestamp import Timestamp
from apus.container import listing
from apus.container.broker import ContainerBroker
from apus.container.rows import ObjectRow

ticks = st.integers(0, 9_999_999_999_99999)
moments = st.one_of(
    ticks.map(lambda at: Timestamp(at).internal),
    st.builds(lambda at, offset: Timestamp(at, offset).short, ticks, st.integers(1, 99)),
    st.builds(lambda at, more: f"{Timestamp(at).normal}+{more:x}+0", ticks, st.integers(0, 10**6)),
    st.text("0.x", max_size=18).filter(lambda text: len(text) != 16),
)
names = st.one_of(st.text("ab/é\n\"\\'\x01\x1f\x7f\u2028😀", min_size=1, max_size=5), st.just("\0reserved"))
types = st.one_of(
    st.sampled_from(
        ["text/plain", "", 'a/"b\\', "text/html;charset=utf-8", "a/b; swift_bytes=77", 'a; b="; c"', "é;x=y"]
    ),
    st.text(max_size=8).filter(lambda text: "\0" not in text and text.isprintable()),
)
rows = st.builds(
    ObjectRow,
    names,
    moments,
    st.integers(0, 2**62),
    types,
    st.text('0a"é', max_size=4),
    st.just(0),
    st.just(0),
)
queries = st.builds(
    Query,
    limit=st.integers(0, 9),
    marker=st.text("ab/", max_size=2),
    end_marker=st.text("ab/", max_size=2),
    prefix=st.text("ab/é", max_size=2),
    delimiter=st.sampled_from(["", "", "/", "a"]),
    path=st.sampled_from([None, None, None, "", "a"]),
    reverse=st.booleans(),
    reserved=st.booleans(),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(reports=[], query=Query(limit=5))
@given(st.lists(rows, max_size=8), queries)
def test_sqlite_and_we_write_the_same(reports: list[ObjectRow], query: Query) -> None:
    """Byte for byte: whatever names, types and moments the rows have, however they are asked for."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "d1", "containers", "1", "abc", "0abc", "0abc.db")
        broker = ContainerBroker(str(path))
        broker.initialize("a", "c", put_timestamp="1", policy_index=0, now=Timestamp.of(1))
        broker.merge_rows(reports)
        expected = listing_format.json_body(listing.entries(broker.listing(query, 0)))
        assert broker.json_listing(query, 0) == expected
        broker.close()
