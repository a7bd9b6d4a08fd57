"""The disks of a host's machines: maps in the store, attached by the host's block server.

    place "<project>/<map>" ──▶ root() ──▶ a map of the server's own ──▶ block server ──▶ NBD socket
    snapshot() ──▶ what is written is committed, and kept once more for the image: nothing is copied, nobody
    stops

A server's disk never rests on a map that someone else may remove: it gets a root of its own first, in the
project
of the server. Blocks are shared, so that costs as much as the map's pages do.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from ....common.errors import Missing, Refused
from ...block.config import BlockConfig
from ...block.control import ask
from ...block.copying import copied
from ...block.project import Project
from ...block.stream import resized
from ...store.interface import Store
from ..domain import Disk
from .driver import DriverFailed

GIB = 1 << 30
OURS = "apus-block"


class Disks(Protocol):
    """Gives machines their disks."""

    def root(self, server_id: str, project_id: str, place: str, size_gib: int, device: str) -> Disk:
        """Return the server's own disk, made from the place if it is not there."""
        ...

    def volume(self, volume_id: str, connection: Mapping[str, Any], device: str) -> Disk:
        """Return a volume's disk."""
        ...

    def snapshot(self, server_id: str, project_id: str, map_id: str) -> str:
        """Keep what the server's disk is now under this id; return its place."""
        ...

    def commit_volume(self, volume_id: str, connection: Mapping[str, Any]) -> dict[str, Any] | None:
        """Keep what was written to a volume; return what the volume service must hear, None for nothing."""
        ...

    def release(self, name: str, *, discard: bool) -> None:
        """Let go of a disk; what was not committed is lost only where told so."""
        ...

    def forget(self, server_id: str, project_id: str) -> None:
        """Remove every map that was the server's own."""
        ...


def root_name(server_id: str) -> str:
    """Return the block server's name for the server's own disk."""
    return f"server-{server_id}"


def volume_name(volume_id: str) -> str:
    """Return the block server's name for a volume's disk."""
    return f"volume-{volume_id}"


class BlockDisks:
    """Disks by the block server of this host."""

    def __init__(self, store: Store, control: Path, config: BlockConfig) -> None:
        self._store = store
        self._control = control
        self._config = config

    def root(self, server_id: str, project_id: str, place: str, size_gib: int, device: str) -> Disk:
        """Return the server's own disk, made from the place if it is not there."""
        name = root_name(server_id)
        try:
            status = ask(self._control, do="status", disk=name)
        except Missing:
            own = self._own_root(server_id, project_id, place, size_gib)
            status = ask(self._control, do="attach", disk=name, project_id=project_id, map_id=own)
        return Disk(device=device, socket=status["socket"], export=name, boot_order=1, serial=server_id)

    def _own_root(self, server_id: str, project_id: str, place: str, size_gib: int) -> str:
        """Make a root of the server's own for the content at the place, as large as the flavor says."""
        owner, _, map_id = place.partition("/")
        if not owner or not map_id:
            raise Refused(f"{place!r} is no place of a disk")
        source = Project.open(self._store, owner, self._config).maps
        target = Project.open(self._store, project_id, self._config).maps
        own = f"server-{server_id}-{uuid.uuid4().hex[:8]}"
        disk = source.load(map_id)
        if owner != project_id:
            disk = copied(source, disk, target, map_id=f"{own}-copy")
        size = max(disk.size, size_gib * GIB)
        with target.writing() as writing:
            writing.save(resized(target, writing, disk, size) if size != disk.size else disk, own)
        if owner != project_id:
            target.delete(disk.map_id)
        return own

    def volume(self, volume_id: str, connection: Mapping[str, Any], device: str) -> Disk:
        """Return a volume's disk: a map that we serve, or what another server of disks serves already."""
        kind, data = connection.get("driver_volume_type"), connection.get("data") or {}
        if kind == OURS:
            writable = data.get("access_mode", "rw") == "rw"
            status = ask(
                self._control,
                do="attach",
                disk=volume_name(volume_id),
                project_id=data["project_id"],
                map_id=data["map_id"],
                is_writable=writable,
            )
            return Disk(
                device=device,
                socket=status["socket"],
                export=volume_name(volume_id),
                serial=volume_id,
                read_only=not writable,
            )
        if kind == "nbd" and data.get("socket"):
            return Disk(device=device, socket=data["socket"], export=data.get("export", ""), serial=volume_id)
        raise DriverFailed(f"volume {volume_id}: disks of the kind {kind!r} cannot be attached here")

    def snapshot(self, server_id: str, project_id: str, map_id: str) -> str:
        """Commit the server's disk onto a new map of its own, and keep that once more under this id.

        What was kept so for an earlier picture goes: the image service has a root of its own since.
        """
        own = f"server-{server_id}-{uuid.uuid4().hex[:8]}"
        done = ask(self._control, do="commit", disk=root_name(server_id), map_id=own)
        maps = Project.open(self._store, project_id, self._config).maps
        with maps.writing() as writing:
            writing.save(maps.load(done["map_id"]), map_id)
        kept = {done["map_id"], map_id, f"server-{server_id}-left"}
        for each in list(maps.list()):
            if each.startswith(f"server-{server_id}-") and each not in kept:
                maps.delete(each)
        return f"{project_id}/{map_id}"

    def commit_volume(self, volume_id: str, connection: Mapping[str, Any]) -> dict[str, Any] | None:
        """Commit a volume's disk; None where nothing was written, or where it is no map of ours."""
        if connection.get("driver_volume_type") != OURS:
            return None
        name, data = volume_name(volume_id), connection["data"]
        try:
            status = ask(self._control, do="status", disk=name)
        except Missing:
            return None
        if not status["changed_blocks"]:
            return None
        done = ask(self._control, do="commit", disk=name, map_id=f"{name}-{uuid.uuid4().hex[:8]}")
        return {"lease": data["lease"], "base_map_id": done["base_map_id"], "map_id": done["map_id"]}

    def release(self, name: str, *, discard: bool) -> None:
        """Detach a disk; one that is not attached is fine."""
        ask(self._control, do="detach", disk=name, discard=discard)

    def forget(self, server_id: str, project_id: str) -> None:
        """Remove every map that was the server's own; the blocks go with the next sweep."""
        maps = Project.open(self._store, project_id, self._config).maps
        for map_id in list(maps.list()):
            if map_id.startswith(f"server-{server_id}-"):
                maps.delete(map_id)


class NoDisks:
    """The disks of machines that are not there."""

    def root(self, server_id: str, project_id: str, place: str, size_gib: int, device: str) -> Disk:
        """Return a disk that nobody opens."""
        del project_id, place, size_gib
        return Disk(device=device, path=f"/nonexistent/{server_id}")

    def volume(self, volume_id: str, connection: Mapping[str, Any], device: str) -> Disk:
        """Return a disk that nobody opens."""
        del connection
        return Disk(device=device, path=f"/nonexistent/{volume_id}")

    def snapshot(self, server_id: str, project_id: str, map_id: str) -> str:
        """Return a place that nobody reads."""
        del server_id
        return f"{project_id}/{map_id}"

    def commit_volume(self, volume_id: str, connection: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return that nothing was written."""
        del volume_id, connection
        return None

    def release(self, name: str, *, discard: bool) -> None:
        """Do nothing."""

    def forget(self, server_id: str, project_id: str) -> None:
        """Do nothing."""
