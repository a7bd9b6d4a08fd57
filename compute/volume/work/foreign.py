"""A backup that Cinder's Swift driver made, taken in: its chunks become blocks, its chain one map.

    record ──▶ PREFIX_metadata of it and of each parent ──▶ overlay ──▶ chunks in the volume's order ──▶ map

After it the backup here stands alone: neither the chunks nor the chain are needed any more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from ....common.errors import Corrupt, Missing, Refused
from ...store.interface import Store
from ..chunk_layout import (
    Chunk,
    ChunkedBackup,
    Extent,
    decode,
    metadata_name,
    overlay,
    parse_metadata,
    prefix_of,
    volume_prefix,
    windows,
)
from ..disks import GIB, Place
from ..jobs import Job, Work
from ..office import Office
from ..tables import backups
from .copies import backup_failed, offer_backup
from .ending import still

CHAIN_MAX = 1000  # Longer than anybody lets increments grow; a chain that goes round ends here.
CHUNKS_KEPT = 4  # Decompressed and in memory; extents of an increment alternate between few chunks.


def _take_in(office: Office, job: Job) -> None:
    row = still(office, backups, job.resource_id, "creating")
    if row is None:
        return
    reader = ChunkReader(office.disks.store, job.state["container"])
    layers = reader.chain(job.state["prefix"])
    size, place = row["size"] * GIB, Place(row["map_project"], job.state["map_id"])
    office.disks.write(place, reader.disk(layers, size=size, window=office.disks.block_size), size)
    added = office.disks.added(place, None)
    job.state["object_count"], job.state["bytes_added"] = added.blocks, added.bytes


class ChunkReader:
    """Reads backups out of one container."""

    def __init__(self, store: Store, container: str) -> None:
        self._store = store
        self._container = container
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def chain(self, prefix: str) -> list[ChunkedBackup]:
        """Return the backup and all that it is an increment of, the full one first.

        Raises:
            Missing: one of them is not in the container.
            Corrupt: one of them cannot be read.
            Refused: the chain does not end.
        """
        names: list[str] | None = None
        layers: list[ChunkedBackup] = []
        while len(layers) < CHAIN_MAX:
            layers.insert(0, parse_metadata(self._read(metadata_name(prefix))))
            parent_id = layers[0].parent_id
            if parent_id is None:
                return layers
            if names is None:
                listed = self._store.names(self._container, prefix=volume_prefix(prefix))
                names = [entry.name for entry in listed if entry.name.endswith("_metadata")]
            parent = prefix_of(names, parent_id)
            if parent is None:
                raise Missing(f"The backup {parent_id}, which this one is an increment of, is not there.")
            prefix = parent
        raise Refused(f"The chain of increments has more than {CHAIN_MAX} backups.")

    def disk(self, layers: Sequence[ChunkedBackup], *, size: int, window: int) -> Iterator[bytes]:
        """Yield the whole disk, a window at a time; what no backup holds is zero."""
        for offset, length, inside in windows(overlay(layers), size=size, window=window):
            yield self._window(offset, length, inside) if inside else bytes(length)

    def _window(self, offset: int, length: int, inside: Sequence[Extent]) -> bytes:
        data = bytearray(length)
        for extent in inside:
            raw = self._chunk(extent.chunk)
            begin = extent.offset - extent.chunk.offset
            at = extent.offset - offset
            data[at : at + extent.length] = raw[begin : begin + extent.length]
        return bytes(data)

    def _chunk(self, chunk: Chunk) -> bytes:
        raw = self._kept.get(chunk.name)
        if raw is None:
            raw = self._decoded(chunk)
            while len(self._kept) >= CHUNKS_KEPT:
                self._kept.popitem(last=False)
            self._kept[chunk.name] = raw
        return raw

    def _decoded(self, chunk: Chunk) -> bytes:
        """Return a chunk's bytes; of a damaged one another replica is asked before giving up."""
        try:
            return decode(chunk, self._read(chunk.name))
        except Corrupt:
            return decode(chunk, self._store.read(self._container, chunk.name, newest=True))

    def _read(self, name: str) -> bytes:
        try:
            return self._store.read(self._container, name)
        except Missing as problem:
            raise Missing(f"{self._container}/{name} is not there.") from problem


def _adopt(office: Office, job: Job) -> None:
    """Copy the map that a record of our own kind names."""
    row = still(office, backups, job.resource_id, "creating")
    if row is None:
        return
    place = Place(row["map_project"], job.state["map_id"])
    office.disks.copy(Place(*job.state["source"]), to=place)
    added = office.disks.added(place, None)
    job.state["object_count"], job.state["bytes_added"] = added.blocks, added.bytes


FOREIGN_WORK = {
    "import backup": Work((_take_in, offer_backup), backup_failed),
    "adopt backup": Work((_adopt, offer_backup), backup_failed),
}
