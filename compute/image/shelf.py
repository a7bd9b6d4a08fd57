"""An image's data in the store: a map of blocks in its project, and the record beside it.

    pieces ──▶ bring() ──▶ Brought(size, md5, sha512) and a saved map        read() ──▶ pieces
    map, declared format ──▶ inspect() ──▶ virtual size, or Refused

What is brought is measured and hashed as it passes; no more than a few blocks are in memory. It knows nothing
of the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import md5, sha512

from ..api.faults import OverLimit
from ..block.config import BlockConfig
from ..block.copying import copied
from ..block.map import DiskMap
from ..block.project import Project
from ..block.reading import read_range
from ..block.stream import write_stream
from ..store.interface import Store
from .image import Image, Member, attempt_map_id
from .inspection import Probe, judge
from .record import KIND, record_of


@dataclass(frozen=True, slots=True)
class Brought:
    """What is known of data once it is in the store; sums are None where nobody saw all of it."""

    size: int
    checksum: str | None = None
    os_hash_value: str | None = None


class Shelf:
    """Where the data of all projects' images is."""

    def __init__(self, store: Store, config: BlockConfig) -> None:
        self.store = store
        self._config = config

    def project(self, project_id: str) -> Project:
        """Return a project's part of the store."""
        return Project.open(self.store, project_id, self._config)

    def bring(
        self,
        image: Image,
        pieces: Iterable[bytes],
        *,
        size: int | None,
        size_max: int | None,
        passing: Callable[[], None],
    ) -> Brought:
        """Keep the data under the image's map; `passing` is called for each piece and may raise.

        Raises:
            Refused: it has not the size that was announced.
            OverLimit: it is longer than allowed.
        """
        sums = _Sums(size_max)
        write_stream(
            self.project(image.map_project).maps, sums.taken(pieces, passing), size=size, map_id=image.map_id
        )
        return Brought(sums.size, sums.md5.hexdigest(), sums.sha512.hexdigest())

    def adopt(self, image: Image, project_id: str, map_id: str) -> Brought:
        """Keep what another map holds as the image's data, without moving it within a project.

        Raises:
            Missing: there is no such map.
        """
        source, target = self.project(project_id).maps, self.project(image.map_project).maps
        disk = source.load(map_id)
        if project_id == image.map_project:
            with target.writing() as writing:
                writing.save(disk, image.map_id)
        else:
            copied(source, disk, target, map_id=image.map_id)
        return Brought(disk.size)

    def inspect(self, image: Image, *, virtual_size_max: int) -> int:
        """Return the bytes of disk that the image's data makes; `judge` says what is refused."""
        assert image.disk_format is not None
        maps = self.project(image.map_project).maps
        disk = maps.load(image.map_id)

        def fetch(start: int, length: int) -> bytes:
            return b"".join(read_range(maps, disk, start, length))

        probe = Probe(disk.size, fetch)
        return judge(image.disk_format, probe, virtual_size_max=virtual_size_max).virtual_size

    def map_of(self, image: Image) -> DiskMap:
        """Return the map of an image's data; raises Missing where there is none."""
        return self.project(image.map_project).maps.load(image.map_id)

    def read(self, image: Image, disk: DiskMap, start: int, length: int) -> Iterator[bytes]:
        """Yield a range of an image's data."""
        return read_range(self.project(image.map_project).maps, disk, start, length)

    def note(self, image: Image, members: Sequence[Member]) -> None:
        """Keep what is known of the image beside its map, under the map's name."""
        self.project(image.map_project).records.put(KIND, image.map_id, record_of(image, members))

    def drop(self, image: Image) -> None:
        """Remove maps and records of all attempts to bring the image's data; blocks go by the sweep."""
        if not image.map_project:
            return
        project = self.project(image.map_project)
        for attempt in range(1, image.attempt + 1):
            map_id = attempt_map_id(image.id, attempt)
            project.maps.delete(map_id)
            project.records.delete(KIND, map_id)


class _Sums:
    """Counts and hashes what passes."""

    def __init__(self, size_max: int | None) -> None:
        self.size = 0
        self.md5 = md5(usedforsecurity=False)
        self.sha512 = sha512()
        self._size_max = size_max

    def taken(self, pieces: Iterable[bytes], passing: Callable[[], None]) -> Iterator[bytes]:
        for piece in pieces:
            self.size += len(piece)
            if self._size_max is not None and self.size > self._size_max:
                raise OverLimit(f"The image is larger than the {self._size_max} bytes that are allowed.")
            self.md5.update(piece)
            self.sha512.update(piece)
            passing()
            yield piece
