"""Which process a pid file means: its number together with when it started.

    pid file "123 4567" ──▶ Identity ──▶ alive? signal it, wait for its end

A pid alone may have been given to somebody else's process since; a process that started at another
moment is never signalled. It knows nothing of roles.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, for as long as it lives and never after."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The process that has this number now, or None; a zombie is nobody."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @classmethod
    def from_file(cls, path: Path) -> Identity | None:
        """The living process that the pid file means, or None."""
        try:
            pid, started = path.read_text().split()
            recorded = cls(int(pid), int(started))
        except (OSError, ValueError):
            return None
        return recorded if recorded.alive else None

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return Identity.of(self.pid) == self

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens where it has ended."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive:
                signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)


def family(leaders: Iterable[Identity]) -> list[Identity]:
    """The leaders and every process of their process groups: a server's workers with it."""
    groups = {leader.pid for leader in leaders if leader.alive}
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) in groups and fields[0] not in "ZX":
            found.append(Identity(int(folder.name), int(fields[19])))
    return found


def await_end(identities: Iterable[Identity], timeout_seconds: float) -> list[Identity]:
    """Wait until all of them have ended; return those that still live after the timeout."""
    handles: dict[int, Identity] = {}
    poll = select.poll()
    for identity in identities:
        try:
            handle = os.pidfd_open(identity.pid)
        except ProcessLookupError:
            continue
        if identity.alive:
            handles[handle] = identity
            poll.register(handle, select.POLLIN)
        else:
            os.close(handle)
    try:
        while handles:
            ended = poll.poll(timeout_seconds * 1000)
            if not ended:
                break
            for handle, _ in ended:
                poll.unregister(handle)
                os.close(handle)
                del handles[handle]
        return list(handles.values())
    finally:
        for handle in handles:
            os.close(handle)
