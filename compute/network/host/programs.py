"""The dnsmasq of each network: started where it is wanted, told of changes, stopped where it is not.

    DhcpService ──▶ change() ──▶ nothing | reload (SIGHUP) | restart ──▶ Programs.keep()

They outlive the agent. One is known by its pid file and by its command line, which names that very file.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import time
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from ....common.errors import Unavailable
from .dhcp import DhcpService, kept_leases
from .observation import run

log = logging.getLogger(__name__)

END_SECONDS = 5.0


class Change(Enum):
    """What a running dnsmasq needs."""

    NOTHING = "nothing"
    RELOAD = "reload"
    RESTART = "restart"


def change(before: Mapping[str, str], after: Mapping[str, str], hosts_path: str) -> Change:
    """Return what a dnsmasq that read `before` needs to go by `after` (texts of files by path).

    An address that was taken from a MAC is only free for another one once its lease is out of dnsmasq's
    memory, so that a host's disappearance needs a restart. A file that dnsmasq has as its command is one of
    the files here.
    """
    if dict(before) == dict(after):
        return Change.NOTHING
    gone = set(before.get(hosts_path, "").splitlines()) - set(after[hosts_path].splitlines())
    same_command = all(before.get(path) == text for path, text in after.items() if path.endswith("/command"))
    return Change.RELOAD if before and same_command and not gone else Change.RESTART


class Programs:
    """All of this host's, in one folder: a folder for each network."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def stop_others(self, services: Mapping[str, DhcpService]) -> None:
        """End those of networks that want none here; before their namespaces go."""
        wanted = {service.owner_id for service in services.values()}
        for folder in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            if folder.name not in wanted:
                _stop(folder / "pid")
                shutil.rmtree(folder, ignore_errors=True)

    def keep(self, services: Mapping[str, DhcpService]) -> int:
        """Make all of them run as they shall; return how many could not be made to."""
        failed = 0
        for service in services.values():
            try:
                self._keep(service)
            except (Unavailable, OSError) as problem:
                failed += 1
                log.warning(
                    "a dnsmasq does not run",
                    extra={"owner": service.owner_id, "problem": str(problem)[:2000]},
                )
        return failed

    def _keep(self, service: DhcpService) -> None:
        folder = self._folder / service.owner_id
        hosts_path = f"{folder}/hosts"
        after = {**service.files, f"{folder}/command": "\n".join(service.command)}
        before = {path: text for path in after if (text := _read(path)) is not None}
        needed = change(before, after, hosts_path)
        pid = _running(Path(service.pid_path))
        if needed is Change.NOTHING and pid:
            return
        folder.mkdir(parents=True, exist_ok=True)
        if needed is Change.RELOAD and pid:
            _write(after)
            os.kill(pid, signal.SIGHUP)
            return
        _stop(Path(service.pid_path))
        _write(after)
        _write({service.lease_path: kept_leases(_read(service.lease_path) or "", after[hosts_path])})
        run(("ip", "netns", "exec", service.namespace, *service.command))


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text()
    except FileNotFoundError:
        return None


def _write(files: Mapping[str, str]) -> None:
    """The hosts last: a kill before leaves a difference that the next pass sees."""
    for path, text in sorted(files.items(), key=lambda item: item[0].endswith("/hosts")):
        if _read(path) != text:
            Path(path).write_text(text)


def _running(pid_path: Path) -> int | None:
    """Return the process of this pid file, None where it has ended and the number may be another's."""
    try:
        pid = int(pid_path.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if f"--pid-file={pid_path}".encode() in command.split(b"\0") else None


def _stop(pid_path: Path) -> None:
    pid = _running(pid_path)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + END_SECONDS
    while _running(pid_path) is not None:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline += END_SECONDS
        time.sleep(0.01)
