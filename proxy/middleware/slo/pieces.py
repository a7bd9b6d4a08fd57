"""Which bytes of which objects make some bytes of a large object.

    segments of a manifest, spans ──▶ pieces_of() ──▶ Piece, Piece, inline bytes, Piece …
                                         └ fetch(path): the segments of a sub-manifest, only if one is touched

Lazy: a manifest of manifests is resolved while its bytes are on their way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote

from ....common.errors import Refused
from ....common.ranges import Multipart, Span
from ..segments import Piece
from .manifest import Stored

DEPTH_MAX = 10
"""Manifests within manifests, as in stock Swift: deeper trees multiply the work that one request causes."""

Fetch = Callable[[str], Sequence[Stored]]


def pieces_of(
    segments: Sequence[Stored], span: Span, fetch: Fetch, depth: int = 1
) -> Iterator[Piece | bytes]:
    """Yield the pieces of one span; Refused with 409 where manifests are nested too deep."""
    begin = 0
    for segment in segments:
        end = begin + segment.length
        if begin >= span[1]:
            return
        first, last = max(span[0], begin), min(span[1], end)
        if first < last:
            offset = segment.start - begin
            yield from _within(segment, (first + offset, last + offset), fetch, depth)
        begin = end


def _within(segment: Stored, span: Span, fetch: Fetch, depth: int) -> Iterator[Piece | bytes]:
    """Yield the pieces of a segment; the span counts from the beginning of its object."""
    if segment.data is not None:
        yield segment.data[slice(*span)]
    elif not segment.is_manifest:
        yield Piece(path=segment.path, size=segment.size, etag=segment.etag, span=span)
    elif depth >= DEPTH_MAX:
        name = quote(segment.path)
        raise Refused(f"The manifest {name} lies more than {DEPTH_MAX} manifests deep.\n", 409)
    else:
        yield from pieces_of(fetch(segment.path), span, fetch, depth + 1)


def framed_pieces(segments: Sequence[Stored], frame: Multipart, fetch: Fetch) -> Iterator[Piece | bytes]:
    """Yield the pieces of an answer to several ranges."""
    for span in frame.spans:
        yield frame.opening(span)
        yield from pieces_of(segments, span, fetch)
        yield b"\r\n"
    yield frame.closing
