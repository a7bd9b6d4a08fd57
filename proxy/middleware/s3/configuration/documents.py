"""How a bucket keeps the documents that its owner gives it: as system metadata of its container.

    "lifecycle", text ──packed()──▶ {X-Container-Sysmeta-S3api-Lifecycle: 2:5f3a…:eJx…, …-Lifecycle-1: …}
    container's facts ──unpacked()──▶ text, or None

There they reach every proxy with what it knows of the container anyway, and cost nobody a request. A document
is compressed and cut into pieces that fit a header line; the first one says how many there are, and their
sum, so that a half of one document is never taken for another. Pure.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping

from .text_memory import remembered

PREFIX = "X-Container-Sysmeta-S3api-"
_INFO_PREFIX = "s3api-"
PIECE_MAX = 6000  # A header line has 8192 bytes at most.
PIECES_MAX = 16
TEXT_BYTES_MAX = 1 << 20  # AWS's longest document is a lifecycle of 1000 rules.
_CHARACTERS_MAX = 8 << 20  # As they are kept: compressed, most to a tenth.


class TooLong(ValueError):
    """The document does not fit into a container's metadata."""


class Torn(ValueError):
    """What is kept is no whole document."""


def packed(name: str, text: str, kept: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that make a document a container's; `kept` is its system metadata as they are.

    Raises:
        TooLong: when even compressed it has too many bytes.
    """
    squeezed = zlib.compress(text.encode("utf-8", "surrogateescape"), 9)
    data = base64.b64encode(squeezed).decode("ascii")
    pieces = [data[at : at + PIECE_MAX] for at in range(0, len(data), PIECE_MAX)]
    if len(pieces) > PIECES_MAX:
        raise TooLong(f"the document has {len(squeezed)} bytes when compressed")
    headers = _erased(name, kept)
    headers[PREFIX + name] = f"{len(pieces)}:{zlib.crc32(squeezed):08x}:{pieces[0]}"
    headers.update((f"{PREFIX}{name}-{at}", piece) for at, piece in enumerate(pieces[1:], 1))
    return headers


def erased(name: str, kept: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that take a document away from a container."""
    return {PREFIX + name: "", **_erased(name, kept)}


def _erased(name: str, kept: Mapping[str, str]) -> dict[str, str]:
    start = f"{_INFO_PREFIX}{name}-"
    surplus = [key for key in kept if key.startswith(start) and key[len(start) :].isdigit()]
    return {f"{PREFIX}{key.removeprefix(_INFO_PREFIX)}": "" for key in surplus}


def unpacked(name: str, kept: Mapping[str, str]) -> str | None:
    """Return a document of a container, None where it has none.

    Raises:
        Torn: when its pieces don't belong together.
    """
    first = kept.get(_INFO_PREFIX + name)
    if not first:
        return None
    count = first.partition(":")[0]
    if not (count.isascii() and count.isdigit() and 1 <= int(count) <= PIECES_MAX):
        raise Torn(f"the {name} of the container is none")
    return _text(first, *(kept.get(f"{_INFO_PREFIX}{name}-{at}", "") for at in range(1, int(count))))


@remembered(_CHARACTERS_MAX)
def _text(first: str, *more: str) -> str:
    _, checksum, piece = [*first.split(":", 2), "", ""][:3]
    try:
        squeezed = base64.b64decode(piece + "".join(more), validate=True)
        if f"{zlib.crc32(squeezed):08x}" != checksum:
            raise Torn("the pieces of the document don't belong together")
        inflating = zlib.decompressobj()
        data = inflating.decompress(squeezed, TEXT_BYTES_MAX)
        if not inflating.eof:
            raise Torn("the document is too long, or cut off")
        return data.decode("utf-8", "surrogateescape")
    except (binascii.Error, zlib.error, UnicodeDecodeError) as problem:
        raise Torn(str(problem)) from problem
