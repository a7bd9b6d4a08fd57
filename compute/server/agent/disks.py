"""The disks of a host's machines: maps in the store, attached by the host's block server.

    place "<project>/<map>" ──▶ root() ──▶ a map of the server's own ──▶ block server ──▶ NBD socket
    snapshot() ──▶ what is written is committed, and kept once more for the image: nothing is copied, nobody
    stops      a volume's connection ──▶ volume() ──▶ the same, its map made by the volume service

A server's disk never rests on a map that someone else may remove: it gets a root of its own first, in the
project
of the server. Blocks are shared, so that costs as much as the map's pages do.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from ....common.errors import Missing, Refused, Unavailable
from ...block.config import BlockConfig
from ...block.control import ask
from ...block.copying import copied
from ...block.project import Project
from ...block.reading import read_range
from ...block.stream import resized, write_stream
from ...store.interface import Store
from ..domain import Disk
from .driver import DriverFailed

GIB = 1 << 30
OURS = "apus-block"


class Unopened(Unavailable):
    """The disk is here, and cannot be opened now."""


class Disks(Protocol):
    """Gives machines their disks."""

    def root(self, server_id: str, project_id: str, place: str, size_gib: int, device: str) -> Disk:
        """Return the server's own disk, made from the place if it is not there."""
        ...

    def own(self, server_id: str, project_id: str) -> str:
        """Return the place of the map that the server's own disk rests on; "" where it is not attached."""
        ...

    def volume(self, volume_id: str, connection: Mapping[str, Any], device: str) -> Disk:
        """Return a volume's disk."""
        ...

    def snapshot(
        self, server_id: str, project_id: str, map_id: str, kept: Collection[str]
    ) -> tuple[str, str]:
        """Keep what the server's disk is now under this id; return its place, and the disk's own.

        kept: places of maps of the server that stay besides.
        """
        ...

    def keep(self, project_id: str, map_id: str, file: Path) -> str:
        """Keep a file under this id; return its place."""
        ...

    def fetch(self, place: str, file: Path) -> None:
        """Write what is kept at the place into a file."""
        ...

    def standing(self, name: str) -> Mapping[str, Any] | None:
        """Return the map that a disk rests on and how many blocks differ from it; None: not attached."""
        ...

    def crowded(self) -> set[str]:
        """Return the names of disks of which too much is only here: committed, it may go from the host."""
        ...

    def commit(self, name: str, map_id: str) -> str:
        """Make the disk as it is now a map, on which it rests from then on; return the map's id."""
        ...

    def tidy(self, project_id: str, prefix: str, kept: str) -> None:
        """Remove the maps that begin so, but the one that is kept."""
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


def server_of(name: str) -> str | None:
    """Return whose own disk has the name; None for other disks."""
    return name.removeprefix("server-") if name.startswith("server-") else None


def volume_name(volume_id: str, connection: Mapping[str, Any]) -> str:
    """Return the block server's name for a volume's disk: another one under each lease.

    What was left here under a lease that has ended is never taken for the volume of today.
    """
    data = connection.get("data") or {}
    mark = data.get("lease") or f"read-only/{data.get('map_id')}"
    return f"{volume_prefix(volume_id)}{hashlib.sha256(mark.encode()).hexdigest()[:8]}"


def volume_prefix(volume_id: str) -> str:
    """Return how the names of a volume's disks begin, and the ids of the maps that hosts make of it."""
    return f"volume-{volume_id}-"


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

    def own(self, server_id: str, project_id: str) -> str:
        """Return the place of the map that the server's own disk rests on; "" where it is not attached."""
        found = self.standing(root_name(server_id))
        return f"{project_id}/{found['map_id']}" if found else ""

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
            name = volume_name(volume_id, connection)
            status = ask(
                self._control,
                do="attach",
                disk=name,
                project_id=data["project_id"],
                map_id=data["map_id"],
                is_writable=writable,
            )
            return Disk(
                device=device,
                socket=status["socket"],
                export=name,
                serial=volume_id,
                read_only=not writable,
            )
        if kind == "nbd" and data.get("socket"):
            return Disk(device=device, socket=data["socket"], export=data.get("export", ""), serial=volume_id)
        raise DriverFailed(f"volume {volume_id}: disks of the kind {kind!r} cannot be attached here")

    def snapshot(
        self, server_id: str, project_id: str, map_id: str, kept: Collection[str]
    ) -> tuple[str, str]:
        """Commit the server's disk onto a new map of its own, and keep that once more under this id.

        What was kept so for an earlier picture goes: the image service has a root of its own since. A disk
        that is not here any more was kept before it was released.
        """
        maps = Project.open(self._store, project_id, self._config).maps
        if self.standing(root_name(server_id)) is None and maps.exists(map_id):
            return f"{project_id}/{map_id}", f"{project_id}/{map_id}"
        own = f"server-{server_id}-{uuid.uuid4().hex[:8]}"
        done = ask(self._control, do="commit", disk=root_name(server_id), map_id=own)
        with maps.writing() as writing:
            writing.save(maps.load(done["map_id"]), map_id)
        staying = {done["map_id"], map_id, *(place.partition("/")[2] for place in kept)}
        for each in list(maps.list(f"server-{server_id}-")):
            if each not in staying:
                maps.delete(each)
        return f"{project_id}/{map_id}", f"{project_id}/{done['map_id']}"

    def keep(self, project_id: str, map_id: str, file: Path) -> str:
        """Keep a file, in blocks as a disk is."""
        maps = Project.open(self._store, project_id, self._config).maps
        with open(file, "rb") as data:
            write_stream(maps, iter(lambda: data.read(maps.config.block_size), b""), map_id=map_id)
        return f"{project_id}/{map_id}"

    def fetch(self, place: str, file: Path) -> None:
        """Write the file; each block is verified."""
        project_id, _, map_id = place.partition("/")
        maps = Project.open(self._store, project_id, self._config).maps
        disk = maps.load(map_id)
        with open(file, "wb") as data:
            data.writelines(read_range(maps, disk, 0, disk.size))

    def standing(self, name: str) -> Mapping[str, Any] | None:
        """Return what the block server knows of a disk; raise Unopened for one that it cannot open now."""
        try:
            return ask(self._control, do="status", disk=name)
        except Missing:
            broken = ask(self._control, do="list")["broken"]
            if name in broken:
                raise Unopened(f"the disk {name} cannot be opened: {broken[name]}") from None
            return None

    def crowded(self) -> set[str]:
        """Return the names of disks of which too much is only here: committed, it may go from the host."""
        return {disk["disk"] for disk in ask(self._control, do="list")["disks"] if disk["commit_wanted"]}

    def commit(self, name: str, map_id: str) -> str:
        """Send what has changed; the guest goes on writing meanwhile."""
        return str(ask(self._control, do="commit", disk=name, map_id=map_id)["map_id"])

    def tidy(self, project_id: str, prefix: str, kept: str) -> None:
        """Remove maps that commits made which nobody heard of."""
        maps = Project.open(self._store, project_id, self._config).maps
        for map_id in list(maps.list(prefix)):
            if map_id != kept:
                maps.delete(map_id)

    def release(self, name: str, *, discard: bool) -> None:
        """Detach a disk; one that is not attached is fine."""
        ask(self._control, do="detach", disk=name, discard=discard)

    def forget(self, server_id: str, project_id: str) -> None:
        """Remove every map that was the server's own; the blocks go with the next sweep."""
        self.tidy(project_id, f"server-{server_id}-", kept="")


class NoDisks:
    """The disks of machines that are not there: nobody writes, so they stay what they were made from."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}

    def root(self, server_id: str, project_id: str, place: str, size_gib: int, device: str) -> Disk:
        """Return a disk that nobody opens."""
        del project_id, size_gib
        self._places.setdefault(server_id, place)  # Nobody writes: a picture of it has the same, and may go.
        return Disk(device=device, path=f"/nonexistent/{server_id}")

    def own(self, server_id: str, project_id: str) -> str:
        """Return what the disk was first made from."""
        del project_id
        return self._places.get(server_id, "")

    def volume(self, volume_id: str, connection: Mapping[str, Any], device: str) -> Disk:
        """Return a disk that nobody opens."""
        del connection
        return Disk(device=device, path=f"/nonexistent/{volume_id}")

    def snapshot(
        self, server_id: str, project_id: str, map_id: str, kept: Collection[str]
    ) -> tuple[str, str]:
        """Return what the disk was made from."""
        del kept
        place = self._places.get(server_id, f"{project_id}/{map_id}")
        return place, place

    def keep(self, project_id: str, map_id: str, file: Path) -> str:
        """Return a place that nobody reads."""
        del file
        return f"{project_id}/{map_id}"

    def fetch(self, place: str, file: Path) -> None:
        """Write an empty file."""
        del place
        file.touch()

    def standing(self, name: str) -> Mapping[str, Any] | None:
        """Return that no disk is attached."""
        del name
        return None

    def crowded(self) -> set[str]:
        """Return none: nothing is here."""
        return set()

    def commit(self, name: str, map_id: str) -> str:
        """Return the map that nobody reads."""
        del name
        return map_id

    def tidy(self, project_id: str, prefix: str, kept: str) -> None:
        """Do nothing."""

    def release(self, name: str, *, discard: bool) -> None:
        """Do nothing."""

    def forget(self, server_id: str, project_id: str) -> None:
        """Do nothing."""
