"""A pass over all databases of a node that puts unreadable ones into quarantine.

    databases() ──▶ audit(path) ──▶ passed | failed ──▶ figures for recon

SQLite checks every page's structure; what else must be true of an account's or a container's counts, the
daemon that uses this knows.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from .. import recon_cache
from ..config import parse, setting
from ..daemon import Daemon
from ..errors import ApusError, Missing
from .layout import databases, paced, usable_devices

log = logging.getLogger(__name__)

REPORT_SECONDS = 3600.0  # As stock: figures of a long pass are left once an hour.


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditorSettings:
    """Settings of an account or container auditor."""

    devices: str = setting("/srv/node", help="Folder that holds the devices' mount points.")
    mount_check: bool = setting(True, help="Skip devices that are not mounted.")  # noqa: FBT003
    interval: float = setting(1800.0, help="Seconds from the start of one pass to the next.", minimum=0)
    accounts_per_second: float = setting(200.0, help="Account databases audited a second at most.")
    containers_per_second: float = setting(200.0, help="Container databases audited a second at most.")
    recon_cache_path: str = setting(
        recon_cache.DEFAULT_DIRECTORY, help="Folder where figures are left for /recon."
    )


@dataclass(slots=True)
class Tally:
    """What a pass has found since it was last reported."""

    since: float = field(default_factory=time.time)
    passed: int = 0
    failed: int = 0


class Auditor(Daemon):
    """The pass; subclasses say what one database must fulfil."""

    kind: str

    def __init__(self, options: Mapping[str, str]) -> None:
        self.settings = parse(AuditorSettings, options)
        self.interval_seconds = self.settings.interval
        self._tally = Tally()

    @abstractmethod
    def audit(self, path: str) -> None:
        """Return when the database at `path` is right; raise what is wrong with it."""

    def run_once(self) -> None:
        """Audit every database once."""
        begun = time.monotonic()
        settings = self.settings
        per_second: float = getattr(settings, f"{self.kind}s_per_second")
        for device in usable_devices(settings.devices, mount_check=settings.mount_check):
            for location in paced(databases(settings.devices, device, f"{self.kind}s"), per_second):
                self._judge(location.path)
                if time.time() - self._tally.since >= REPORT_SECONDS:
                    self._report()
        self._report()
        self._leave({f"{self.kind}_auditor_pass_completed": time.monotonic() - begun})

    def _judge(self, path: str) -> None:
        try:
            self.audit(path)
        except Missing:
            return  # It was removed, rightly, since we saw it.
        except ApusError as problem:
            self._tally.failed += 1
            log.error("audit failed", extra={"path": path, "problem": str(problem)})
        else:
            self._tally.passed += 1

    def _report(self) -> None:
        tally, self._tally = self._tally, Tally()
        log.info("audited", extra={"passed": tally.passed, "failed": tally.failed})
        self._leave(
            {
                f"{self.kind}_audits_since": tally.since,
                f"{self.kind}_audits_passed": tally.passed,
                f"{self.kind}_audits_failed": tally.failed,
            }
        )

    def _leave(self, figures: Mapping[str, object]) -> None:
        leave_figures(self.settings.recon_cache_path, self.kind, figures)


def leave_figures(directory: str, kind: str, figures: Mapping[str, object]) -> None:
    """Leave figures for recon; a pass does not fail because nobody can read how it went."""
    try:
        recon_cache.leave(directory, kind, figures)
    except OSError as problem:
        log.warning("recon figures not left", extra={"path": directory, "problem": str(problem)})
