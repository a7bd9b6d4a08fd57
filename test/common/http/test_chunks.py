"""Laws of reading chunked bodies."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.http.chunks import EXTENSION_BYTES_MAX, Chunks
from apus.common.http.errors import BadFraming

pieces_of_data = st.lists(st.binary(min_size=1, max_size=40), max_size=8)
extensions = st.sampled_from([b"", b";x", b'; name="value"', b" ;a=b;c"])
trailers = st.sampled_from([b"", b"A: b\r\n", b"A: b\r\nC: d\r\n"])


def encoded(pieces: list[bytes], extension: bytes = b"", trailer: bytes = b"") -> bytes:
    """The chunked form of the pieces."""
    chunks = [b"%X%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces]
    return b"".join(chunks) + b"0" + extension + b"\r\n" + trailer + b"\r\n"


def split(data: bytes, places: list[int]) -> list[bytes]:
    """The data cut at the given places."""
    cuts = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    return [data[left:right] for left, right in itertools.pairwise(cuts)]


def decode(arrivals: list[bytes], limit: int) -> tuple[bytes, bytes]:
    """Data and leftover of what arrives in these portions."""
    chunks, data, waiting = Chunks(), b"", list(arrivals)
    while True:
        piece = chunks.take(limit)
        if piece is None:
            chunks.feed(waiting.pop(0))
        elif piece:
            assert len(piece) <= limit
            data += piece
        else:
            return data, chunks.leftover + b"".join(waiting)


@given(
    pieces_of_data,
    extensions,
    trailers,
    st.binary(max_size=20),
    st.lists(st.integers(0, 400)),
    st.integers(1, 50),
)
def test_any_chunking_in_any_split_is_the_data(
    pieces: list[bytes], extension: bytes, trailer: bytes, behind: bytes, places: list[int], limit: int
) -> None:
    """However the body is chunked and however it arrives: the data, and what came behind, to the byte."""
    whole = encoded(pieces, extension, trailer) + behind
    assert decode(split(whole, places), limit) == (b"".join(pieces), behind)


@given(pieces_of_data, st.lists(st.integers(0, 400)))
def test_data_may_be_received_past_the_reader(pieces: list[bytes], places: list[int]) -> None:
    """Taking `room` bytes from the wire directly and reporting them gives the same data."""
    wire, data, chunks = encoded(pieces), b"", Chunks()
    sizes = [place % 7 + 1 for place in places]
    while True:
        room = chunks.room
        if room:
            count = min(room, sizes.pop() if sizes else 5)
            data, wire = data + wire[:count], wire[count:]
            chunks.received(count)
            continue
        piece = chunks.take(100)
        if piece is None:
            chunks.feed(wire[:1])
            wire = wire[1:]
        elif piece:
            data += piece
        else:
            break
    assert data == b"".join(pieces)


@given(pieces_of_data, st.integers(0, 400))
def test_a_body_without_its_last_chunk_never_ends(pieces: list[bytes], cut: int) -> None:
    """No proper prefix of a chunked body is taken for a whole one."""
    whole = encoded(pieces)
    chunks = Chunks(whole[: min(cut, len(whole) - 1)])
    while piece := chunks.take(10):
        pass
    assert piece is None
    assert not chunks.finished


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b" 1\r\na\r\n",
        b"1 \r\na\r\n",
        b"1\na\n0\n\n",
        b"1\r\nab\r\n",
        b"1\r\na\n0\r\n\r\n",
        b"1\r\na\r0\r\n\r\n",
        b"1;\0\r\na\r\n",
        b"1;a\nb\r\n",
        b"f" * 16 + b"\r\n",
        b"0\r\nno trailer\r\n\r\n",
        b"0\r\nA: b\n\r\n",
        b"0\r\n folded\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * 127 + b"\r\n",
        b"1;" + b"e" * 9000,
        b"1;" + b"e" * 9000 + b"\r\n",
        (b"1;" + b"e" * 1000 + b"\r\na\r\n") * (EXTENSION_BYTES_MAX // 1000 + 1),
        b"0\r\nA: " + b"b" * 9000,
    ],
)
def test_what_is_no_chunked_body_is_refused(body: bytes) -> None:
    """Sizes are plain hexadecimal, lines end with CRLF, extensions and trailers are bounded."""
    with pytest.raises(BadFraming):
        decode([body, b""], 10)


def test_many_small_chunks_take_linear_time() -> None:
    """A megabyte of one-byte chunks is read without copying the rest of the buffer for each of them."""
    chunks, count = Chunks(b"1\r\na\r\n" * 200_000 + b"0\r\n\r\n"), 0
    while chunks.take(10):
        count += 1
    assert count == 200_000
