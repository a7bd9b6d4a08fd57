"""Maps in the block layer, as volumes, snapshots and backups use them: each has one of its own.

    copy(Place, to=Place) ──▶ the same disk under another id, maybe grown, maybe another project's
    write(Place, pieces) / read(Place)      delete(Place)      added(Place, before)

All of it may be done twice with the same outcome: ids are chosen before, and what is there already stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...common.errors import Missing, Refused
from ..block.config import BlockConfig
from ..block.copying import copied
from ..block.map import DiskMap
from ..block.project import Project
from ..block.reading import read_range
from ..block.stream import gathered, resized
from ..store.interface import Store

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Place:
    """Where a map is: in the containers of which project, under which id."""

    project_id: str
    map_id: str


@dataclass(frozen=True, slots=True)
class Added:
    """What a map has that the one before it has not."""

    blocks: int
    bytes: int


class Disks:
    """The block layer on one store account."""

    def __init__(self, store: Store, config: BlockConfig) -> None:
        self._store = store
        self._config = config

    @property
    def store(self) -> Store:
        """The account, for what lies in it besides maps."""
        return self._store

    @property
    def block_size(self) -> int:
        """Bytes of a block of new disks."""
        return self._config.block_size

    def make_empty(self, place: Place, size: int) -> None:
        """Make a disk of zeros."""
        maps = self._project(place.project_id).maps
        with maps.writing() as writing:
            writing.save(DiskMap.empty(size, self._config.block_size), place.map_id)

    def copy(self, place: Place, *, to: Place, size: int | None = None) -> None:
        """Make the same disk under another id, and with another size where one is given.

        Raises:
            Missing: there is no such map.
        """
        if to.project_id != place.project_id:
            self._copy_abroad(place, to=to, size=size)
            return
        maps = self._project(place.project_id).maps
        disk = maps.load(place.map_id)
        with maps.writing() as writing:
            grown = resized(maps, writing, disk, size) if size not in (None, disk.size) else disk
            writing.save(replace(grown, map_id="", parent=place.map_id), to.map_id)

    def _copy_abroad(self, place: Place, *, to: Place, size: int | None) -> None:
        """Copy blocks and map to another project; growing it is a second step under the final id."""
        source, target = self._project(place.project_id).maps, self._project(to.project_id).maps
        disk = source.load(place.map_id)
        if size in (None, disk.size):
            copied(source, disk, target, map_id=to.map_id)
            return
        halfway = f"{to.map_id}.whole"
        copied(source, disk, target, map_id=halfway)
        self.copy(Place(to.project_id, halfway), to=to, size=size)
        target.delete(halfway)

    def write(self, place: Place, pieces: Iterable[bytes], size: int) -> None:
        """Make a disk of so many bytes that begins with these; what lacks is zero, and costs nothing.

        Raises:
            Refused: there are more of them than that.
        """
        maps = self._project(place.project_id).maps
        with maps.writing() as writing:
            disk = gathered(maps, writing, _at_most(pieces, size))
            writing.save(resized(maps, writing, disk, size), place.map_id)

    def read(self, place: Place) -> Iterator[bytes]:
        """Yield the whole disk, verified."""
        maps = self._project(place.project_id).maps
        return read_range(maps, maps.load(place.map_id))

    def size(self, place: Place) -> int:
        """Return the disk's bytes; Missing where there is none."""
        return self._project(place.project_id).maps.load(place.map_id).size

    def exists(self, place: Place) -> bool:
        """Whether there is such a map."""
        return self._project(place.project_id).maps.exists(place.map_id)

    def delete(self, place: Place) -> None:
        """Remove a map, if it is there. Its blocks go with the next sweep, unless another map has them."""
        self._project(place.project_id).maps.delete(place.map_id)

    def added(self, place: Place, before: Place | None) -> Added:
        """Return what a disk has that another one has not: what an incremental backup costs."""
        disk = self._project(place.project_id).maps.load(place.map_id)
        count = sum(1 for index in self._changed(disk, before) if disk.digest(index) is not None)
        return Added(count, count * disk.block_size)

    def _changed(self, disk: DiskMap, before: Place | None) -> Iterator[int]:
        other: DiskMap | None = None
        if before is not None:
            try:
                other = self._project(before.project_id).maps.load(before.map_id)
            except Missing:
                other = None
        if other is None or other.block_size != disk.block_size:
            return (index for index, _digest in disk.blocks())
        return disk.differences(other)

    def record(self, project_id: str, kind: str, resource_id: str, facts: Mapping[str, Any]) -> None:
        """Write down beside the maps what the catalogue knows, for the day the catalogue is lost."""
        self._project(project_id).records.put(kind, resource_id, facts)

    def forget(self, project_id: str, kind: str, resource_id: str) -> None:
        """Remove such a record."""
        self._project(project_id).records.delete(kind, resource_id)

    def recorded(self, project_id: str, kind: str) -> Iterator[dict[str, Any]]:
        """Yield the records of a kind whose maps are there."""
        project = self._project(project_id)
        for _name, facts in project.records.list(kind):
            if isinstance(facts.get("map_id"), str) and project.maps.exists(facts["map_id"]):
                yield facts

    def _project(self, project_id: str) -> Project:
        return Project.open(self._store, project_id, self._config)


def _at_most(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    sent = 0
    for piece in pieces:
        sent += len(piece)
        if sent > size:
            raise Refused(f"The data are longer than the {size // GIB} GiB of the volume.")
        yield piece
