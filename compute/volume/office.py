"""What every part of the volume service works with: settings, catalogue, disks, images, jobs, the clock.

Office ◀── controllers (one request at a time), work (one job at a time)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from ..catalogue import Catalogue
from .back_end import NAME
from .disks import Disks
from .images import Images
from .jobs import Jobs
from .settings import VolumeConfig

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Office:
    """The service's means."""

    config: VolumeConfig
    catalogue: Catalogue
    disks: Disks
    images: Images
    jobs: Jobs[Office]
    clock: Callable[[], float]

    @property
    def back_end(self) -> str:
        """The one back end, as hosts are named: host@backend."""
        return f"{self.config.host}@{NAME}"

    @property
    def pool(self) -> str:
        """Its one pool: host@backend#pool."""
        return f"{self.back_end}#{NAME}"

    def written(self, work: Callable[[Connection], T]) -> T:
        """Run the work in a transaction, and have the jobs that it ordered begun."""
        outcome = self.catalogue.transaction(work)
        self.jobs.wake()
        return outcome
