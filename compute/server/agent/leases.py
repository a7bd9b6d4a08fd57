"""What a host's guests have written to volumes, handed over to the volume service.

    service.leases() ──▶ somebody waits for a commit ──▶ hand_over(): the block server commits,
    a volume leaves the host ──▶ let_go(): hand_over(), release it       and the service hears of it

The guest is not stopped: a commit is the disk as it was at one moment, as after a power cut. The volume
service says which map it has; where the block server is further, because somebody was killed between a commit
and its report, that is told first. So no map is made that the service never hears of, and nothing is told
twice with another meaning. Which disks are in use by whom is kept as names in the servers' folders.
"""

from __future__ import annotations

import collections
import logging
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....common.errors import ApusError
from .disks import OURS, Disks, Unopened, volume_name, volume_prefix
from .service_client import ServiceClient

log = logging.getLogger(__name__)

MARKS = "volumes"
"""The folder, in a server's own, with a file for each disk of a volume that it has."""


class Leases:
    """The volumes that guests of this host write to."""

    def __init__(self, service: ServiceClient, disks: Disks, folder: Path) -> None:
        self._service = service
        self._disks = disks
        self._folder = folder
        self._locks: dict[str, threading.Lock] = collections.defaultdict(threading.Lock)

    def are_there(self) -> bool:
        """Whether any guest of this host has a volume."""
        return any(self._folder.glob(f"*/{MARKS}/*"))

    def newest(self, volume_id: str, connection: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the connection with the map that the volume has now: commits have moved it since then.

        A disk that is here already needs no map, so machines start while the volume service is away.
        """
        if self._is_here(volume_name(volume_id, connection)):
            return connection
        lease = self._lease(volume_id, connection)
        if lease is None:
            return connection
        return {**connection, "data": {**connection["data"], "map_id": lease["map_id"]}}

    def note(self, server_id: str, volume_id: str, connection: Mapping[str, Any]) -> None:
        """Remember that the server uses the disk, before it does."""
        if connection.get("driver_volume_type") == OURS:
            marks = self._folder / server_id / MARKS
            marks.mkdir(mode=0o700, parents=True, exist_ok=True)
            (marks / volume_name(volume_id, connection)).touch()

    def answer(self) -> None:
        """Commit each volume for whose newest state somebody waits, or whose changes take too much room here.

        What fails is tried at the next look.
        """
        crowded = self._disks.crowded()
        for lease in self._service.leases():
            if (
                lease["commit_wanted"] is None
                and volume_name(lease["volume_id"], {"data": lease}) not in crowded
            ):
                continue
            try:
                self.hand_over(lease["volume_id"], {"data": lease})
            except ApusError as problem:
                log.warning(
                    "a volume was not committed", extra={"volume": lease["volume_id"], "reason": str(problem)}
                )

    def hand_over(self, volume_id: str, connection: Mapping[str, Any]) -> bool:
        """Let the volume service have the disk as it is; False when the lease has ended, and nobody wants it.

        Raises:
            Unavailable: the store, the block server or the service does not answer.
            Refused: the volume service does not take it.
        """
        name, data = volume_name(volume_id, connection), connection.get("data") or {}
        if connection.get("driver_volume_type", OURS) != OURS or data.get("access_mode") == "ro":
            return True
        with self._locks[name]:
            lease = self._lease(volume_id, connection)
            if lease is None:
                return False
            base, wanted = str(lease["map_id"]), lease["commit_wanted"]
            standing = self._disks.standing(name)
            if standing is not None and standing["map_id"] != base:  # A commit that was not reported.
                self._tell(lease, base, str(standing["map_id"]), None)
                base = str(standing["map_id"])
            made = base
            if standing is not None and standing["changed_blocks"]:
                made = self._disks.commit(name, f"{volume_prefix(volume_id)}{uuid.uuid4().hex[:8]}")
            if made != base or wanted is not None:
                self._tell(lease, base, made, wanted)
        return True

    def let_go(self, server_id: str, volume_id: str, connection: Mapping[str, Any]) -> None:
        """Hand over what the server wrote, and release the disk, if no other server here has it.

        Under a lease that has ended nothing can be handed over: it was ended by force, for good.
        """
        name = volume_name(volume_id, connection)
        if connection.get("driver_volume_type") != OURS:
            return
        is_ours = self.hand_over(volume_id, connection)
        if not is_ours:
            log.warning("a volume's lease has ended; what was not committed is lost", extra={"disk": name})
        mark = self._folder / server_id / MARKS / name
        if self._is_used(name, but=server_id):
            mark.unlink(missing_ok=True)
            return
        self._disks.release(name, discard=not is_ours)
        if is_ours and (lease := self._lease(volume_id, connection)) is not None:
            self._disks.tidy(lease["project_id"], volume_prefix(volume_id), kept=lease["map_id"])
        mark.unlink(missing_ok=True)

    def abandon(self, server_id: str) -> None:
        """Discard the disks of a server that is elsewhere for certain: their leases have ended."""
        for mark in list((self._folder / server_id / MARKS).glob("*")):
            if not self._is_used(mark.name, but=server_id):
                self._disks.release(mark.name, discard=True)
            mark.unlink()

    def _is_here(self, name: str) -> bool:
        try:
            return self._disks.standing(name) is not None
        except Unopened:  # Its files are here; whoever attaches it will open them, or hear why not.
            return True

    def _is_used(self, name: str, *, but: str) -> bool:
        """Whether another server here has the disk."""
        return any(mark.parent.parent.name != but for mark in self._folder.glob(f"*/{MARKS}/{name}"))

    def _lease(self, volume_id: str, connection: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the living lease that a connection was made under; None: it has ended, or never was."""
        data = connection.get("data") or {}
        if not data.get("lease"):
            return None
        for lease in self._service.leases():
            if lease["volume_id"] == volume_id and lease["lease"] == data["lease"]:
                return lease
        return None

    def _tell(self, lease: Mapping[str, Any], base: str, made: str, answers: float | None) -> None:
        facts = {"lease": lease["lease"], "base_map_id": base, "map_id": made, "answers": answers}
        self._service.commit(lease["volume_project_id"], lease["volume_id"], facts)
