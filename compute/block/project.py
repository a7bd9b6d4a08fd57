"""All of one project in the store: its blocks, maps and records, opened together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from ..store.interface import Store
from .blocks import BlockStore
from .config import BlockConfig
from .maps import MapStore
from .records import Records


@dataclass(frozen=True, slots=True)
class Project:
    """A project's part of the account; cheap to open, and threads may share it."""

    blocks: BlockStore
    maps: MapStore
    records: Records

    @classmethod
    def open(
        cls,
        store: Store,
        project_id: str,
        config: BlockConfig | None = None,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Self:
        """Return the project; the store is asked nothing, and containers are made when written to."""
        blocks = BlockStore(store, project_id, config)
        return cls(blocks, MapStore(blocks, clock=clock, sleep=sleep), Records(store, project_id))
