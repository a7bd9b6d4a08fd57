"""A project's maps: loaded, listed and deleted by id, and written by whoever has a `Writing`.

    maps.load(id) ──▶ DiskMap        with maps.writing() as writing:
    maps.delete(id), maps.list()         digest = writing.put(data)
                                         disk = writing.save(DiskMap.empty(…).with_changes({0: digest}))

Deleting a map removes no block; the sweep does, when no other map has it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from ...common.errors import Corrupt, Missing
from ..store.interface import Store
from . import root
from .blocks import BlockStore
from .config import BlockConfig
from .map import PAGE_BYTES, DiskMap
from .naming import ROOTS, checked_id, maps_container
from .writing import Writing


class MapStore:
    """The maps of one project."""

    def __init__(
        self,
        blocks: BlockStore,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.blocks = blocks
        self.store: Store = blocks.store
        self.config: BlockConfig = blocks.config
        self.container = maps_container(blocks.project_id)
        self.clock, self.sleep = clock, sleep

    def load(self, map_id: str) -> DiskMap:
        """Return a map; its pages come when they are asked for.

        Raises:
            Missing: there is no such map.
            Corrupt: no replica has it as it was written.
        """
        name = f"{ROOTS}{checked_id(map_id)}"
        for attempt in range(self.config.block_read_attempts):
            body = self.store.read(self.container, name, newest=attempt % 2 == 1)
            try:
                return root.read(body, map_id, self.load_page)
            except Corrupt:
                if attempt == self.config.block_read_attempts - 1:
                    raise
        raise AssertionError("the last attempt returned or raised")

    def load_page(self, digest: bytes) -> bytes:
        """Return the entries of a page."""
        entries = self.blocks.get(digest)
        if len(entries) != PAGE_BYTES:
            raise Corrupt(f"{digest.hex()} is no page of a map: it has {len(entries)} bytes")
        return entries

    def exists(self, map_id: str) -> bool:
        """Whether there is such a map, by the newest answer of all replicas."""
        try:
            self.store.head(self.container, f"{ROOTS}{checked_id(map_id)}", newest=True)
        except Missing:
            return False
        return True

    def delete(self, map_id: str) -> bool:
        """Remove a map; False when there was none. Every other map stays whole."""
        return self.store.delete(self.container, f"{ROOTS}{checked_id(map_id)}")

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield in order the ids of all maps that begin so."""
        for row in self.store.names(self.container, prefix=f"{ROOTS}{prefix}"):
            yield row.name.removeprefix(ROOTS)

    def writing(self) -> Writing:
        """Return what one may write with, as a context: whatever is put in it stays until its end."""
        return Writing(self)
