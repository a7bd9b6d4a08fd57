"""The disks attached to one host: each in a folder of its own, each served by NBD on a socket of its own.

    HostDisks(store, folder) ── attach, detach, commit, resize, status
        <folder>/disks/<name>/…      local files (local.py)         <folder>/sockets/<name>     NBD

Started again after whatever end, it serves the disks that it finds under the same sockets, and a client that
reconnects goes on with what it had been told was written. The room that disks take is bounded: what the store
has too goes, the longest unused first. What no commit has sent stays, and a disk with much of that says so.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...common.errors import ApusError, Missing, Refused
from ..store.interface import Store
from .config import BlockConfig
from .disk import Disk
from .local import read_identity
from .naming import checked_id
from .nbd.server import DiskServer
from .project import Project

log = logging.getLogger(__name__)

ROOM_SECONDS = 1.0
"""Between looks at how much room the disks take."""
RETRY_SECONDS = 2.0
"""Between attempts to open disks whose store didn't answer at the start."""
SOCKET_PATH_BYTES_MAX = 107
"""Linux' limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much room the disks of a host may take."""

    bytes_max: int = 0
    """In all, 0 for no bound; more only for changes that no commit has sent."""
    bytes_free: int = 0
    """To be left to others in the file system."""


class HostDisks:
    """All disks of a host."""

    def __init__(
        self, store: Store, folder: Path, config: BlockConfig | None = None, room: Room | None = None
    ) -> None:
        self._store = store
        self._room = room or Room()
        self._config = config or BlockConfig()
        self._disks_folder = folder / "disks"
        self._sockets_folder = folder / "sockets"
        for each in (self._disks_folder, self._sockets_folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._servers: dict[str, DiskServer] = {}
        self._busy: set[str] = set()
        self._broken: dict[str, str] = {}
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._own = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def start(self) -> None:
        """Serve the disks that are there from before; one that can't be opened is kept, and tried again.

        Raises:
            Refused: another process serves the folder.
        """
        try:
            fcntl.flock(self._own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise Refused("another block server has this state folder") from problem
        for folder in sorted(self._disks_folder.iterdir()):
            if not (folder / "disk.json").exists():
                shutil.rmtree(folder)  # Attaching it was interrupted before anybody was told.
                continue
            try:
                self._reopen(folder.name)
            except (ApusError, OSError) as problem:
                self._broken[folder.name] = str(problem)
                log.error("disk not served", extra={"disk": folder.name, "why": str(problem)})
        for work in (self._retry, self._keep_room):
            self._threads.append(threading.Thread(target=work, name=f"block{work.__name__}", daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        """End all clients and let go of the files; the disks stay attached for the next start."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        with self._lock:
            servers, self._servers = list(self._servers.values()), {}
        for server in servers:
            server.stop()
            server.disk.close()
        os.close(self._own)

    def attach(self, name: str, project_id: str, map_id: str, *, is_writable: bool = True) -> dict[str, Any]:
        """Serve a map's disk and return its status; attached already under that name, it is as good.

        Raises:
            Missing: there is no such map.
            Refused: another disk has that name.
        """
        if len(str(self._socket(name)).encode()) > SOCKET_PATH_BYTES_MAX:
            raise Refused("the path of the socket would be too long")
        with self._alone(name):
            if name in self._broken:
                self._reopen(name)
            server = self._servers.get(name)
            if server is None:
                shutil.rmtree(self._folder(name), ignore_errors=True)  # Of an attempt that was cut off.
                maps = self._project(project_id).maps
                try:
                    disk = Disk.attach(maps, self._folder(name), map_id, is_writable=is_writable)
                except BaseException:  # Else the next start would serve what nobody knows of.
                    shutil.rmtree(self._folder(name), ignore_errors=True)
                    raise
                server = self._serve(name, disk)
            elif (server.disk.project_id, server.disk.is_writable) != (project_id, is_writable):
                raise Refused(f"{name} is another disk", 409)
            return self._status(server)

    def detach(self, name: str, *, discard: bool = False) -> None:
        """Stop serving a disk and remove its local files; harmless when it isn't attached.

        Raises:
            Refused: it has changes that no commit has sent, and they are not to be discarded.
        """
        with self._alone(name):
            server = self._servers.get(name)
            if server is None:
                if name in self._broken and not discard:
                    raise Refused(f"{name} can't be opened, so its changes can't be sent", 409)
                shutil.rmtree(self._folder(name), ignore_errors=True)
                self._broken.pop(name, None)
                return
            server.stop()
            server.disk.settle()
            if server.disk.changed_blocks and not discard:
                self._serve(name, server.disk)
                raise Refused(f"{name} has changes: commit first", 409)
            del self._servers[name]
            server.disk.close()
            (self._folder(name) / "disk.json").unlink()  # First, so that nobody opens half a disk.
            shutil.rmtree(self._folder(name))

    def commit(self, name: str, map_id: str = "") -> dict[str, Any]:
        """Save what the disk is now as a map and return its id, and how many blocks had changed."""
        server = self._server(name)
        base = server.disk.map_id
        done = server.disk.commit(map_id)
        return {
            "map_id": done.map.map_id,
            "base_map_id": base,
            "size": done.map.size,
            "changed_blocks": done.changed,
            "bytes_read": done.bytes_read,
        }

    def resize(self, name: str, size: int) -> dict[str, Any]:
        """Make a disk larger and return its status; clients see it when they connect again."""
        server = self._server(name)
        server.disk.resize(size)
        return self._status(server)

    def status(self, name: str) -> dict[str, Any]:
        """Return what is known of one disk."""
        return self._status(self._server(name))

    def all(self) -> dict[str, Any]:
        """Return what is known of all disks."""
        with self._lock:
            servers = list(self._servers.values())
        return {"disks": [self._status(server) for server in servers], "broken": dict(self._broken)}

    def _retry(self) -> None:
        """Try again what couldn't be opened, until there is nothing more of it."""
        while self._broken and not self._stopping.wait(RETRY_SECONDS):
            for name in list(self._broken):
                try:
                    with self._alone(name):
                        if name in self._broken:
                            self._reopen(name)
                            log.info("disk served at last", extra={"disk": name})
                except (ApusError, OSError) as problem:
                    if name in self._broken:
                        self._broken[name] = str(problem)

    def _keep_room(self) -> None:
        """Look again and again that the disks take no more room than they may."""
        while not self._stopping.wait(ROOM_SECONDS):
            try:
                self.make_room()
            except Exception:  # noqa: BLE001 - the loop that keeps the host from being full
                log.exception("the room of disks can't be given back")

    def make_room(self) -> None:
        """Evict blocks that the store has too, where the disks take more room than they may."""
        with self._lock:
            servers = list(self._servers.values())
        excess = self._excess(servers)
        if excess <= 0:
            return
        for server in sorted(servers, key=lambda each: -each.disk.bytes_used):
            if excess > 0:
                excess -= server.disk.evict(excess)

    def _excess(self, servers: Sequence[DiskServer]) -> int:
        """Return how many bytes more are taken than may be."""
        bytes_max = self._room.bytes_max
        over = sum(server.disk.bytes_used for server in servers) - bytes_max if bytes_max else 0
        return max(over, self._room.bytes_free - shutil.disk_usage(self._disks_folder).free)

    def _reopen(self, name: str) -> None:
        project_id = read_identity(self._folder(name)).project_id
        self._serve(name, Disk(self._project(project_id).maps, self._folder(name)))
        self._broken.pop(name, None)

    def _serve(self, name: str, disk: Disk) -> DiskServer:
        server = DiskServer(disk, name, self._socket(name))
        server.start()
        with self._lock:
            self._servers[name] = server
        return server

    def _server(self, name: str) -> DiskServer:
        server = self._servers.get(checked_id(name))
        if server is None:
            raise Missing(f"no disk {name} is attached")
        return server

    def _status(self, server: DiskServer) -> dict[str, Any]:
        disk = server.disk
        changed_blocks = disk.changed_blocks
        changed_bytes = changed_blocks * disk.block_size
        free = shutil.disk_usage(self._disks_folder).free
        return {
            "disk": server.name,
            "socket": str(server.path),
            "project_id": disk.project_id,
            "map_id": disk.map_id,
            "size": disk.size,
            "is_writable": disk.is_writable,
            "changed_blocks": changed_blocks,
            "fetched_blocks": disk.fetched,
            "bytes_used": disk.bytes_used,
            "connections": server.connections,
            # Changes take half of all room, or half of what is left: only a commit makes them evictable.
            "commit_wanted": bool(
                changed_bytes
                and (
                    (self._room.bytes_max and 2 * changed_bytes > self._room.bytes_max)
                    or 2 * self._room.bytes_free > free
                )
            ),
        }

    def _alone(self, name: str) -> _Alone:
        return _Alone(self._lock, self._busy, checked_id(name))

    def _project(self, project_id: str) -> Project:
        return Project.open(self._store, project_id, self._config)

    def _folder(self, name: str) -> Path:
        return self._disks_folder / checked_id(name)

    def _socket(self, name: str) -> Path:
        return self._sockets_folder / checked_id(name)


class _Alone:
    """One change of a disk at a time; a second one is refused, not kept waiting."""

    def __init__(self, lock: threading.Lock, busy: set[str], name: str) -> None:
        self._lock, self._busy, self._name = lock, busy, name

    def __enter__(self) -> None:
        with self._lock:
            if self._name in self._busy:
                raise Refused(f"{self._name} is being attached or detached", 409)
            self._busy.add(self._name)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._busy.discard(self._name)
