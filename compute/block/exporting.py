"""A disk as one plain object: a static large object over the same blocks, a raw image for any client.

    export(maps, disk, container, name)         manifest at container/name; no block is copied
    remove_export(maps, container, name)        the manifest and what was made for it; no block goes

    manifest ──▶ up to 1,000 segments ──▶ blocks, pieces of zeros/<length>
             └─▶ up to 1,000 manifests of them, and so on; runs of nothing share one

An export keeps its blocks by a root of its own. **It must be removed by `remove_export`**, or by a plain
DELETE: `multipart-manifest=delete`, which some clients use unasked, would take the project's blocks along.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import orjson

from ...common.errors import Missing
from .map import DiskMap
from .maps import MapStore
from .naming import ROOTS, block_name

SEGMENTS_MAX = 1000
"""Stock Swift's limit when it isn't set otherwise."""
EXPORTS = "exports/"


@dataclass(frozen=True, slots=True)
class Segment:
    """One line of a manifest."""

    path: str
    size: int
    """Bytes that it contributes."""
    etag: str = ""
    whole_size: int = 0
    """Bytes of the object, where only the first `size` of them are meant."""

    def document(self) -> dict[str, Any]:
        """Return it as a manifest has it."""
        found: dict[str, Any] = {"path": self.path, "size_bytes": self.whole_size or self.size}
        if self.etag:
            found["etag"] = self.etag
        if self.whole_size and self.whole_size != self.size:
            found["range"] = f"0-{self.size - 1}"
        return found


def export(maps: MapStore, disk: DiskMap, container: str, name: str) -> int:
    """Make the object, replacing one that this made before, and return how many segments it has.

    Raises:
        Missing: a block isn't there.
        Refused: the store has no static large objects, or not for this container.
    """
    key = _key(container, name)
    remove_export(maps, container, name)
    with maps.writing() as writing:
        disk = writing.save(replace(disk, parent=disk.map_id or disk.parent), f"export-{key}")
    if not disk.size:
        maps.store.put(container, name, b"")
        return 0
    limit = _segments_max(maps)
    segments = list(_segments(maps, disk))
    count, level = len(segments), 0
    while len(segments) > limit:
        segments = _gathered(maps, segments, limit, f"{EXPORTS}{key}/{level}/")
        level += 1
    _put_manifest(maps, container, name, segments)
    return count


def remove_export(maps: MapStore, container: str, name: str) -> None:
    """Remove the object and all that was made for it; harmless when there is none."""
    key = _key(container, name)
    maps.store.delete(container, name)
    for row in list(maps.store.names(maps.container, prefix=f"{EXPORTS}{key}/")):
        maps.store.delete(maps.container, row.name)
    maps.store.delete(maps.container, f"{ROOTS}export-{key}")


def _key(container: str, name: str) -> str:
    return sha256(f"{container}/{name}".encode()).hexdigest()[:32]


def _segments_max(maps: MapStore) -> int:
    told = maps.store.capabilities().get("slo", {}).get("max_manifest_segments", SEGMENTS_MAX)
    return min(SEGMENTS_MAX, int(str(told)))


def _segments(maps: MapStore, disk: DiskMap) -> Iterator[Segment]:
    """Yield what the disk consists of, zeros for what blocks don't have."""
    kept = _kept(maps, {digest for _, digest in disk.blocks()})
    zeros = _zeros(maps, disk.block_size) if _has_gaps(disk, kept) else None
    for index in range(disk.block_count):
        length = disk.length_of(index)
        digest = disk.digest(index)
        if digest is not None:
            whole, etag = kept[digest]
            used = min(whole, length)
            path = f"/{maps.blocks.container}/{block_name(digest)}"
            yield Segment(path, used, etag, whole)
            length -= used
        if length:
            assert zeros is not None
            yield replace(zeros, size=length)


def _has_gaps(disk: DiskMap, kept: dict[bytes, tuple[int, str]]) -> bool:
    for index in range(disk.block_count):
        digest = disk.digest(index)
        if digest is None or kept[digest][0] < disk.length_of(index):
            return True
    return False


def _kept(maps: MapStore, digests: set[bytes]) -> dict[bytes, tuple[int, str]]:
    """Return length and ETag of each block."""

    def ask(digest: bytes) -> tuple[int, str]:
        headers = maps.store.head(maps.blocks.container, block_name(digest))
        return int(headers["content-length"]), headers["etag"].strip('"')

    wanted = sorted(digests)
    with ThreadPoolExecutor(2 * maps.config.block_uploads, "block-head") as pool:
        return dict(zip(wanted, pool.map(ask, wanted), strict=True))


def _zeros(maps: MapStore, length: int) -> Segment:
    """Return the object of zeros of which segments use a beginning; made when it isn't there."""
    container, name = maps.blocks.container, f"zeros/{length}"
    try:
        headers = maps.store.head(container, name)
    except Missing:
        maps.store.put(container, name, bytes(length))
        headers = maps.store.head(container, name)
    return Segment(f"/{container}/{name}", length, headers["etag"].strip('"'), length)


def _gathered(maps: MapStore, segments: list[Segment], limit: int, prefix: str) -> list[Segment]:
    """Return manifests of up to `limit` segments each; equal ones are kept once."""
    made: dict[bytes, Segment] = {}
    found = []
    for at in range(0, len(segments), limit):
        part = segments[at : at + limit]
        body = _manifest(part)
        if body not in made:
            name = f"{prefix}{at // limit:08d}"
            _put_manifest(maps, maps.container, name, part)
            made[body] = Segment(f"/{maps.container}/{name}", sum(segment.size for segment in part))
        found.append(made[body])
    return found


def _put_manifest(maps: MapStore, container: str, name: str, segments: list[Segment]) -> None:
    maps.store.put(container, name, _manifest(segments), query="multipart-manifest=put")


def _manifest(segments: list[Segment]) -> bytes:
    return orjson.dumps([segment.document() for segment in segments])
