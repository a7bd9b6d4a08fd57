"""apus-block-sweeper CONF [--once]: remove blocks that no disk has, of every project in the account.

    CONF [block-sweeper] ──▶ BlockSweeper ── each pass, each project: as many steps as can be made now

A project that is being written to is left for the next pass. One sweeper for an account is enough; a second
one does no harm.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..common.config import parse, setting
from ..common.daemon import Daemon, run
from ..common.errors import ApusError
from ..compute.block.config import BlockConfig
from ..compute.block.naming import projects_in
from ..compute.block.project import Project
from ..compute.block.sweeping import Progress, Sweeper
from ..compute.store.account import Account
from ..compute.store.config import StoreConfig
from ..compute.store.interface import Store

log = logging.getLogger(__name__)

SECTION = "block-sweeper"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSweeperConfig:
    """When blocks are swept."""

    interval: float = setting(600.0, help="Seconds from the start of one pass to the next.", minimum=0)


class BlockSweeper(Daemon):
    """Sweeps all projects of an account, pass after pass."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self.interval_seconds = parse(BlockSweeperConfig, options).interval
        self._store: Store = Account(parse(StoreConfig, options))
        self._config = parse(BlockConfig, options)

    def run_once(self) -> None:
        """Go through all projects; one that fails is logged, and the others are swept."""
        failures = []
        for project_id in projects_in(self._store):
            try:
                swept(Project.open(self._store, project_id, self._config))
            except ApusError as problem:
                log.exception("project not swept", extra={"project": project_id})
                failures.append(problem)
        if failures:
            raise failures[0]


def swept(project: Project) -> Progress:
    """Make the steps that can be made now and return the last one's outcome, with all that was deleted."""
    sweeper = Sweeper(project.maps)
    deleted = 0
    while True:
        progress = sweeper.step()
        deleted += progress.deleted
        if progress.is_waiting or progress.is_done:
            return Progress(
                progress.phase, progress.is_waiting, progress.garbage, deleted, progress.bytes_kept
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop, or for one pass."""
    return run(BlockSweeper, SECTION, argv)


if __name__ == "__main__":
    sys.exit(main())
