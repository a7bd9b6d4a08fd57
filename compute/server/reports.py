"""What an agent says of a server, and what follows from it.

    {"task": "spawning", "ok": true} ──▶ Reports.ended() ──▶ the next state of the server
    {"power": 4}                     ──▶ Reports.seen()
    {"device": id, "state": …}       ──▶ Reports.device()        {"interface": id, "state": …} ──▶
    .interface()

A report on a task that does not stand any more is a late one, and changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, update

from ...common.errors import ApusError
from . import fleet, tables
from .conductor import Conductor
from .controllers.movement import set_migration
from .records import BlockDevice, Server
from .states import Power, Task, VmState, finish, observed
from .world import World, fault_of, record_event

log = logging.getLogger(__name__)

# Tasks after which a machine runs, but for one that is to stay off.
_BEGINNINGS = (
    *(Task.REBUILD_SPAWNING, Task.RESIZE_FINISHING, Task.RESIZE_CONFIRMING, Task.RESIZE_REVERTING),
)


class Reports:
    """Hears the agents."""

    def __init__(self, world: World, conductor: Conductor) -> None:
        self._world = world
        self._conductor = conductor

    def _server(self, server_id: str, host: str) -> Server | None:
        """Return the server if it is on that host, None where the host has nothing to say about it."""
        with self._world.catalogue.read() as connection:
            server = fleet.server_of(connection, server_id)
        return server if server.host == host else None

    def seen(self, server_id: str, host: str, power: Power) -> None:
        """Note the power state that the host sees."""

        def write(connection: Connection) -> None:
            server = fleet.server_of(connection, server_id)
            after = observed(server.standing, power)
            if server.host == host and after != server.standing:
                now = self._world.clock()
                fleet.change(connection, server, now, vm_state=after.vm, power_state=int(after.power))

        self._world.catalogue.transaction(write)

    def ended(self, server_id: str, host: str, report: Mapping[str, Any]) -> None:
        """Go on after a task, well ended or not."""
        server = self._server(server_id, host)
        task = Task(str(report["task"]))
        if server is None or server.task_state != task:
            return
        started = server.updated_at
        failure = "" if report.get("ok") else str(report.get("message") or "the host gives no reason")
        values: dict[str, Any] = {}
        if not failure:
            try:
                values = self._follow(server, task, report)
            except ApusError as problem:
                failure = str(problem)
        if task is Task.DELETING and not failure:
            self._conductor.bury(server)
            return
        self._write(server, task, values, failure=failure, started=started)
        if task is Task.SNAPSHOT_UPLOADING and not failure:
            self._drop_surplus(server)
        if task is Task.SPAWNING and server.shelved_image and "map_id" in values:
            self._conductor.drop_picture(server.id, values["map_id"])

    def _follow(self, server: Server, task: Task, report: Mapping[str, Any]) -> dict[str, Any]:
        """Do elsewhere what the task's end asks for; return what to write beside the state."""
        world, now = self._world, self._world.clock()
        if task in (Task.SPAWNING, Task.REBUILD_SPAWNING):
            begun = {"launched_at": now, "fault": None, "before_resize": None}
            own = server.shelved_image and task is Task.SPAWNING and report.get("disk")
            return {**begun, "map_id": own} if own else begun
        if task in (Task.SNAPSHOT, Task.BACKUP):
            disk = {"map_id": report["disk"]} if report.get("disk") else {}
            return {"task": {**server.task, "map": report["map"]}, **disk}
        if task is Task.SNAPSHOT_UPLOADING:
            world.images.fill(server.task["image_id"], server.task["map"])
        if task is Task.SHELVING and "image_id" in server.task:
            world.images.fill(server.task["image_id"], report["map"])
            image_id = server.task["image_id"]
            return {"map_id": world.images.map_of(image_id) or report["map"], "shelved_image": image_id}
        if task is Task.OFFLOADING:
            self._reserve_all(server)
            return {"host": None}
        if task is Task.RESIZE_MIGRATING:
            return self._move(server, report)
        if task is Task.MIGRATING and not server.task.get("arriving"):
            self._conductor.move(server, server.task["target"])
            facts = {"map_id": report.get("map") or server.map_id}
            task_facts = {**server.task, "arriving": True, "memory": report["memory"]}
            return _going_on(server, server.task["target"], server.task["target_zone"], task_facts, facts)
        if task is Task.RESIZE_REVERTING and server.task.get("leaving"):
            before = server.before_resize or {}
            self._conductor.move(server, before["host"])
            facts = {"flavor": before["flavor"], "map_id": before["map_id"], "before_resize": None}
            return _going_on(server, before["host"], before["zone"], _still(server), facts)
        return {}

    def _move(self, server: Server, report: Mapping[str, Any]) -> dict[str, Any]:
        """Let the target host go on where the source has stopped."""
        target = server.task["target"]
        if target != server.host:
            self._conductor.move(server, target)
        before = {
            "flavor": dict(server.flavor),
            "host": server.host,
            "zone": server.zone,
            "map_id": report.get("map") or server.map_id,  # As it was when the guest had stopped.
            **_still(server),
        }
        return {
            "before_resize": before,
            "flavor": server.task.get("flavor") or dict(server.flavor),
            "host": target,
            "zone": server.task["target_zone"],
            "map_id": report.get("map") or server.map_id,
            "task": _still(server),
        }

    def _reserve_all(self, server: Server) -> None:
        """Take the volumes from the host, and keep them for the server; one that was to go, goes."""
        with self._world.catalogue.read() as connection:
            devices = fleet.devices_of(connection, [server.id])[server.id]
        for device in devices:
            if device.volume_id and device.state != "detaching":
                self._conductor.reserve(server, device)
            else:
                self._conductor.unplug(server, device)

    def _drop_surplus(self, server: Server) -> None:
        for image_id in server.task.get("surplus", ()):
            self._world.images.discard(image_id)

    def _write(
        self, server: Server, task: Task, values: dict[str, Any], *, failure: str, started: float
    ) -> None:
        now = self._world.clock()

        def write(connection: Connection) -> None:
            current = fleet.server_of(connection, server.id)
            if current.task_state != task:
                return
            after = finish(task, current.standing, failed=bool(failure))
            written = {
                "vm_state": after.vm,
                "task_state": after.task,
                "power_state": int(after.power),
                **values,
            }
            if not failure and task in _BEGINNINGS and server.task.get("stays_off"):
                written["power_state"] = int(Power.SHUTDOWN)
                if after.vm is VmState.ACTIVE:
                    written["vm_state"] = VmState.STOPPED
            goes_on = written["task_state"] == task
            if written["task_state"] is None:
                written["task"] = {}
            if failure and current.task.get("arriving"):  # Nothing of it runs any more where it was.
                written |= {"vm_state": VmState.ERROR, "power_state": int(Power.NONE)}
            if failure and written["vm_state"] is VmState.ERROR:
                written["fault"] = fault_of(failure, now)
            if task is Task.SHELVING and not failure:
                written["task_state"] = Task.OFFLOADING
            fleet.change(connection, current, now, **written)
            event = f"compute_{task}".replace("-", "_")
            record_event(
                connection, server.id, event, started_at=started, now=now, host=server.host, failure=failure
            )
            status = _migration_status(task, failed=bool(failure))
            if status and not goes_on:
                set_migration(connection, server.id, status, now, server.task.get("target"))

        self._world.catalogue.transaction(write)
        if failure:
            log.warning(
                "a server's task failed", extra={"server": server.id, "task": str(task), "reason": failure}
            )

    def device(self, server_id: str, host: str, report: Mapping[str, Any]) -> None:
        """Note that a volume is plugged, or is not any more."""
        server = self._server(server_id, host)
        if server is None:
            return
        with self._world.catalogue.read() as connection:
            devices = fleet.devices_of(connection, [server.id])[server.id]
        device = next((each for each in devices if each.id == report["device"]), None)
        if device is None:
            return
        if report["state"] == "attached":
            self._plugged(server, device)
        elif report["state"] in ("detached", "failed"):
            self._unplugged(server, device, str(report.get("message") or ""))

    def _plugged(self, server: Server, device: BlockDevice) -> None:
        if device.attachment_id:
            self._world.volumes.attached(server.project_id, device.attachment_id)
        table = tables.block_devices
        with self._world.catalogue.write() as connection:
            connection.execute(update(table).where(table.c.id == device.id).values(state="attached"))
            fleet.call_hosts(connection, [server.host])

    def _unplugged(self, server: Server, device: BlockDevice, failure: str) -> None:
        self._conductor.unplug(server, device)
        now, table = self._world.clock(), tables.block_devices
        event = "compute_attach_volume" if failure else "compute_detach_volume"
        with self._world.catalogue.write() as connection:
            connection.execute(delete(table).where(table.c.id == device.id))
            record_event(
                connection, server.id, event, started_at=now, now=now, host=server.host, failure=failure
            )
            fleet.call_hosts(connection, [server.host])

    def interface(self, server_id: str, host: str, report: Mapping[str, Any]) -> None:
        """Note that a port is plugged, or is not any more."""
        server = self._server(server_id, host)
        if server is None:
            return
        table = tables.interfaces
        with self._world.catalogue.read() as connection:
            ports = fleet.interfaces_of(connection, [server.id])[server.id]
        port = next((each for each in ports if each.port_id == report["interface"]), None)
        if port is None:
            return
        gone = report["state"] != "attached"
        if gone:
            self._conductor.let_go(port)
        with self._world.catalogue.write() as connection:
            where = table.c.port_id == port.port_id
            if gone:
                connection.execute(delete(table).where(where))
            else:
                connection.execute(update(table).where(where).values(state="attached"))
            fleet.call_hosts(connection, [server.host])


def _still(server: Server) -> dict[str, bool]:
    """Return what keeps a server that is stopped from running where it goes."""
    return {"stays_off": True} if server.task.get("stays_off") else {}


def _going_on(
    server: Server, host: str, zone: str, task: Mapping[str, Any], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what to write for a task of two hosts that the first one has done its part of."""
    stays = {name: getattr(server, name) for name in ("vm_state", "power_state", "task_state")}
    return {**stays, **facts, "host": host, "zone": zone, "task": dict(task)}


def _migration_status(task: Task, *, failed: bool) -> str | None:
    """Return the word for a move whose task has ended."""
    if task not in (Task.RESIZE_MIGRATING, Task.RESIZE_FINISHING, Task.MIGRATING):
        return None
    if failed:
        return "error"
    return {Task.RESIZE_MIGRATING: "post-migrating", Task.RESIZE_FINISHING: "finished"}.get(task, "completed")
