"""A ring that follows its file: the rim between a ring, which never changes, and a cluster that does.

    account.ring.gz ──stat every few seconds──▶ WatchedRing.current ──▶ Ring

A new file that can't be read is reported once and the old ring stays: a half-distributed file must not
stop a server that works.
"""

from __future__ import annotations

import logging
import os
import time

from ..common.errors import Corrupt
from .table import Ring

log = logging.getLogger(__name__)


class WatchedRing:
    """Gives the newest good ring of one file."""

    def __init__(self, path: str | os.PathLike[str], check_every_seconds: float = 15.0) -> None:
        """Load the ring; the first load may fail, and then the caller should not start."""
        self.path = os.fspath(path)
        self._check_every_seconds = check_every_seconds
        self._ring = Ring.load(self.path)
        self._mtime = self._ring.mtime
        self._check_at = time.monotonic() + check_every_seconds

    @property
    def current(self) -> Ring:
        """The ring to use for this request; keep it in a variable while you work on one partition."""
        if time.monotonic() >= self._check_at:
            self._check_at = time.monotonic() + self._check_every_seconds
            self._reload_when_changed()
        return self._ring

    def _reload_when_changed(self) -> None:
        try:
            mtime = os.stat(self.path).st_mtime
            if mtime == self._mtime:
                return
            self._mtime = mtime
            self._ring = Ring.load(self.path)
        except (OSError, Corrupt) as error:
            log.warning("ring file unusable, old ring kept", extra={"path": self.path, "error": str(error)})
