"""Backups as Cinder's Swift driver lays them out, read: so that those of another cloud restore here.

    PREFIX_metadata (JSON) ──▶ parse_metadata() ──▶ ChunkedBackup(chunks=…, parent_id=…)
    [full, increment, increment] ──▶ overlay() ──▶ [Extent], gapless order, the newest data of each byte
    PREFIX-00001 … ──▶ decode() ──▶ the chunk's bytes, decompressed, length and MD5 checked

The layout: objects `PREFIX-%05d`, each compressed alone; `PREFIX_metadata` lists them with offset, length,
the compression's name and the MD5 of the raw bytes; PREFIX is `volume_VOLUME/STAMP/az_ZONE_backup_BACKUP`. An
increment holds only changed extents and names its parent. No store here: who calls fetches the objects.
"""

from __future__ import annotations

import bz2
import hashlib
import heapq
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import zstandard

from ...common.errors import Corrupt, Refused

VERSIONS = frozenset(("1.0.0",))
CHUNK_BYTES_MAX = (
    1024 * 1024 * 1024
)  # Twenty times the driver's default; a listed length beyond it is no chunk.
SWIFT_SERVICES = frozenset(
    (
        "cinder.backup.drivers.swift",
        "cinder.backup.drivers.swift.SwiftBackupDriver",
        "cinder.backup.services.swift",
    )
)
"""What an exported record names as its service when its data lie in this layout."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One object of a backup: which bytes of the volume it holds, and how."""

    name: str
    offset: int
    length: int
    compression: str
    md5: str

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class ChunkedBackup:
    """What PREFIX_metadata says."""

    backup_id: str
    volume_id: str
    parent_id: str | None
    chunks: tuple[Chunk, ...]
    volume_meta: dict[str, Any]

    @property
    def end(self) -> int:
        """The first byte after all that it holds."""
        return max((chunk.end for chunk in self.chunks), default=0)


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of the volume's bytes and the chunk that has them."""

    offset: int
    length: int
    chunk: Chunk


def metadata_name(prefix: str) -> str:
    """Return the name of the object that describes the backup."""
    return f"{prefix}_metadata"


def volume_prefix(prefix: str) -> str:
    """Return what the names of all backups of the same volume begin with."""
    return prefix.split("/", 1)[0] + "/"


def prefix_of(names: Sequence[str], backup_id: str) -> str | None:
    """Return the prefix of a backup by the names in its container, None where it is not there."""
    ending = metadata_name(f"_backup_{backup_id}")
    found = [name for name in names if name.endswith(ending)]
    return found[0].removesuffix("_metadata") if found else None


def parse_metadata(body: bytes) -> ChunkedBackup:
    """Read PREFIX_metadata.

    Raises:
        Refused: it is of a version of the layout that is not known here.
        Corrupt: it is not what the driver writes.
    """
    try:
        document = orjson.loads(body)
        version = document["version"]
        chunks = tuple(_chunk(name, facts) for entry in document["objects"] for name, facts in entry.items())
        parent = document.get("parent_id")
        backup = ChunkedBackup(
            backup_id=str(document["backup_id"]),
            volume_id=str(document["volume_id"]),
            parent_id=None if parent is None else str(parent),
            chunks=chunks,
            volume_meta=_volume_meta(document.get("volume_meta")),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as problem:
        raise Corrupt(f"The backup's metadata cannot be read: {problem}.") from problem
    if version not in VERSIONS:
        raise Refused(f"The backup's layout has version {version}; known: {', '.join(sorted(VERSIONS))}.")
    return backup


def _chunk(name: str, facts: dict[str, Any]) -> Chunk:
    chunk = Chunk(
        str(name),
        int(facts["offset"]),
        int(facts["length"]),
        str(facts.get("compression") or "none").lower(),
        str(facts["md5"]),
    )
    if chunk.offset < 0 or not 0 <= chunk.length <= CHUNK_BYTES_MAX:
        raise ValueError(f"{name} holds {chunk.length} bytes from {chunk.offset}")
    return chunk


def _volume_meta(given: object) -> dict[str, Any]:
    """Return the volume's own metadata, which the driver keeps as JSON in JSON."""
    if not given:
        return {}
    document = orjson.loads(given) if isinstance(given, str) else given
    if not isinstance(document, dict):
        raise TypeError("volume_meta is no object")
    return document


def decode(chunk: Chunk, body: bytes) -> bytes:
    """Return the raw bytes of a chunk's object; never more of them than its metadata says.

    Raises:
        Refused: the compression is not known here.
        Corrupt: the object is not what was written.
    """
    raw = _decompressed(chunk, body)
    if len(raw) != chunk.length:
        raise Corrupt(f"{chunk.name} holds {len(raw)} bytes or more, not {chunk.length}.")
    if hashlib.md5(raw, usedforsecurity=False).hexdigest() != chunk.md5:
        raise Corrupt(f"{chunk.name} has another MD5 than its backup says.")
    return raw


def _decompressed(chunk: Chunk, body: bytes) -> bytes:
    most = chunk.length + 1  # One more than there may be shows that there is more, and no bomb goes off.
    try:
        match chunk.compression:
            case "none" | "off" | "no":
                return body
            case "zlib" | "gzip":
                return zlib.decompressobj().decompress(body, most)
            case "bz2" | "bzip2":
                return bz2.BZ2Decompressor().decompress(body, most)
            case "zstd":
                with zstandard.ZstdDecompressor().stream_reader(body) as reader:
                    return reader.read(most)
    except (zlib.error, OSError, EOFError, ValueError, zstandard.ZstdError) as problem:
        raise Corrupt(f"{chunk.name} cannot be decompressed: {problem}.") from problem
    raise Refused(f"{chunk.name} is compressed by {chunk.compression!r}, which is not known here.")


def overlay(layers: Sequence[ChunkedBackup]) -> list[Extent]:
    """Return, in the order of the volume, which chunk has each byte: the last layer that holds it.

    Bytes that no layer holds are in no extent; they were never written.
    """
    starts = sorted(
        (chunk.offset, -age, place, chunk)
        for age, layer in enumerate(layers)
        for place, chunk in enumerate(layer.chunks)
        if chunk.length
    )  # fmt: skip
    extents: list[Extent] = []
    active: list[tuple[int, int, int, Chunk]] = []  # (-age, -place, offset, chunk): the newest first.
    at, upcoming = 0, 0
    while upcoming < len(starts) or active:
        if not active:
            at = max(at, starts[upcoming][0])
        while upcoming < len(starts) and starts[upcoming][0] <= at:
            offset, age, place, chunk = starts[upcoming]
            heapq.heappush(active, (age, -place, offset, chunk))
            upcoming += 1
        while active and active[0][3].end <= at:
            heapq.heappop(active)
        if not active:
            continue
        chunk = active[0][3]
        end = chunk.end if upcoming == len(starts) else min(chunk.end, starts[upcoming][0])
        _append(extents, Extent(at, end - at, chunk))
        at = end
    return extents


def _append(extents: list[Extent], extent: Extent) -> None:
    """Add a run, joined to the one before it where both come out of the same chunk."""
    assert extent.length > 0
    if (
        extents
        and extents[-1].chunk is extent.chunk
        and extents[-1].offset + extents[-1].length == extent.offset
    ):
        last = extents.pop()
        extent = Extent(last.offset, last.length + extent.length, extent.chunk)
    extents.append(extent)


def windows(extents: Sequence[Extent], *, size: int, window: int) -> Iterator[tuple[int, int, list[Extent]]]:
    """Yield (offset, length, extents within) of each part of the volume, so that zeros between them are seen.

    Raises:
        Corrupt: an extent lies beyond the volume's end.
    """
    assert window > 0
    if extents and extents[-1].offset + extents[-1].length > size:
        raise Corrupt(f"The backup holds bytes beyond the {size} of its volume.")
    place = 0
    for offset in range(0, size, window):
        length = min(window, size - offset)
        inside: list[Extent] = []
        while place < len(extents) and extents[place].offset < offset + length:
            extent = extents[place]
            begin, end = max(extent.offset, offset), min(extent.offset + extent.length, offset + length)
            if begin < end:
                inside.append(Extent(begin, end - begin, extent.chunk))
            if extent.offset + extent.length > offset + length:
                break
            place += 1
        yield offset, length, inside
