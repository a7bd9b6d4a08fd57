"""What a chunked backup costs by its driver's rules."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bench.cinder import BLOCK_BYTES, CHUNK_BYTES, HASH_LINE_BYTES, incremental

SIZE = 4 * CHUNK_BYTES
HASHES = SIZE // BLOCK_BYTES * HASH_LINE_BYTES
RANGES = st.lists(
    st.tuples(st.integers(0, SIZE - 1), st.integers(1, 3 * BLOCK_BYTES)).map(
        lambda drawn: (drawn[0], min(drawn[1], SIZE - drawn[0]))
    ),
    max_size=6,
)


def test_nothing_changed_is_read_all_the_same() -> None:
    """The whole volume is read and all hashes are fetched and stored; no data is."""
    cost = incremental(SIZE, [])
    assert (cost.read, cost.fetched, cost.sent, cost.objects) == (SIZE, HASHES, HASHES, 2)


def test_a_run_is_cut_where_a_chunk_ends() -> None:
    """Blocks side by side are one object, unless they are of two chunks."""
    edge = CHUNK_BYTES - BLOCK_BYTES
    assert incremental(SIZE, [(0, 2 * BLOCK_BYTES)]).objects == 3
    assert incremental(SIZE, [(edge, 2 * BLOCK_BYTES)]).objects == 4


@given(RANGES)
def test_what_is_sent_covers_what_changed_and_little_more(changed: list[tuple[int, int]]) -> None:
    """At least the changed bytes go over the wire, at most whole blocks around each range."""
    cost = incremental(SIZE, changed)
    touched = {at // BLOCK_BYTES for offset, length in changed for at in (offset, offset + length - 1)}
    assert len(touched) * BLOCK_BYTES <= cost.sent - HASHES
    most = sum(length // BLOCK_BYTES + 2 for _, length in changed)
    assert cost.sent - HASHES <= most * (BLOCK_BYTES + 330)


def test_a_line_of_hashes_is_as_long_as_json_makes_it() -> None:
    """An indented list of hashes has that many bytes for each."""

    def written(count: int) -> int:
        return len(json.dumps({"sha256s": ["a" * 64] * count}, indent=2))

    assert written(11) - written(10) == HASH_LINE_BYTES
