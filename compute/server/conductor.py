"""The steps that no host can do: choose one, make ports, attach volumes, and let go of both at the end.

    server in scheduling ──▶ networking ──▶ block_device_mapping ──▶ spawning (now the host's agent)
    any step fails ──▶ error with a fault; what was made for the server goes with the server

Each step reads the server anew, does its part outside of a transaction, and writes the next task only if
nobody
has changed the task meanwhile; so two processes may do the same step, and one that was killed is taken up by
another. Every part of a step that is done already is seen in the catalogue and not done twice.
"""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import delete, insert, update

from ...common.errors import ApusError, Missing, Refused
from ..api.faults import Fault
from . import fleet, tables
from .records import BlockDevice, Interface, Server
from .scheduling import Wanted
from .states import PARTIES, Party, Task, VmState, finish
from .world import World, fault_of, record_event

log = logging.getLogger(__name__)

SERVICE_TASKS = tuple(task for task, party in PARTIES.items() if party is Party.SERVICE)
STEPS_MAX = 10
_AFTER_PLACING = {
    Task.SCHEDULING: Task.NETWORKING,
    Task.UNSHELVING: Task.NETWORKING,
    Task.REBUILDING: Task.REBUILD_SPAWNING,
    Task.RESIZE_PREPARING: Task.RESIZE_MIGRATING,
}


class NotYet(ApusError):
    """What the step needs is still being made; the next sweep looks again."""


class Conductor:
    """Leads servers through the service's own tasks."""

    def __init__(self, world: World) -> None:
        self._world = world

    def sweep(self) -> None:
        """Take up every server that stands in a task of the service."""
        with self._world.catalogue.read() as connection:
            waiting = fleet.in_service_tasks(connection, SERVICE_TASKS)
        for server_id in waiting:
            self.lead(server_id)

    def lead(self, server_id: str) -> None:
        """Do what the service has to do for one server, until it is someone else's turn."""
        for _ in range(STEPS_MAX):
            try:
                with self._world.catalogue.read() as connection:
                    server = fleet.server_of(connection, server_id)
            except Missing:
                return
            task = server.standing.task
            if task is None or not (PARTIES[task] is Party.SERVICE or self._is_homeless(server)):
                return
            started = self._world.clock()
            try:
                self._step(server, task)
            except NotYet:
                return
            except ApusError as problem:
                self._fail(server, task, str(problem), started)
                return

    def _is_homeless(self, server: Server) -> bool:
        return server.task_state == Task.DELETING and server.host is None

    def _step(self, server: Server, task: Task) -> None:
        if task is Task.SCHEDULING or task in (Task.UNSHELVING, Task.REBUILDING, Task.RESIZE_PREPARING):
            self._place(server, task)
        elif task is Task.NETWORKING:
            self._make_ports(server)
        elif task is Task.BLOCK_DEVICES:
            self._attach_volumes(server)
        elif task is Task.DELETING:
            self.bury(server)

    def _place(self, server: Server, task: Task) -> None:
        """Choose a host and go on: a new server to its ports, a moved one to its old host's last work."""
        world, started = self._world, self._world.clock()
        if server.task.get("evacuate") and server.task.get("target"):
            self._evacuate(server, task)
            return

        def promise(connection: Any) -> None:
            current = fleet.server_of(connection, server.id)
            if current.task_state != task:
                return
            values: dict[str, Any] = {"task_state": _AFTER_PLACING[task]}
            if not _stays(current, task):
                hosts = fleet.host_states(connection, world.clock(), world.settings.silence_seconds)
                chosen = world.choose_host(hosts, self._wanted(connection, current))
                if task is Task.RESIZE_PREPARING:
                    values["task"] = {**current.task, "target": chosen.name, "target_zone": chosen.zone}
                elif current.task.get("evacuate"):
                    values["task"] = {**current.task, "target": chosen.name, "target_zone": chosen.zone}
                    values["task_state"] = task  # Ports and volumes come first.
                else:
                    values |= {"host": chosen.name, "zone": chosen.zone}
            fleet.change(connection, current, world.clock(), **values)
            event = "compute_schedule_instances"
            record_event(connection, server.id, event, started_at=started, now=world.clock())

        world.catalogue.transaction(promise)

    def _evacuate(self, server: Server, task: Task) -> None:
        """Take ports and volumes from a host that is down, then let the other one begin.

        What the old host has not committed is lost: it is without a lease from here on.
        """
        target = server.task["target"]
        self.move(server, target)

        def write(connection: Any) -> None:
            current = fleet.server_of(connection, server.id)
            if current.task_state == task and current.task.get("target") == target:
                values = {"host": target, "zone": server.task["target_zone"], "task": {}}
                fleet.change(
                    connection, current, self._world.clock(), task_state=Task.REBUILD_SPAWNING, **values
                )

        self._world.catalogue.transaction(write)

    def _wanted(self, connection: Any, server: Server) -> Wanted:
        flavor = server.task.get("flavor") or server.flavor
        picture = Server(**{**_fields(server), "flavor": flavor})
        more: dict[str, Any] = {"zone": server.pinned_zone, "host": server.task.get("host")}
        hints = server.hints
        for name in ("same_host", "different_host"):
            value = hints.get(name, [])
            more[name] = frozenset([value] if isinstance(value, str) else value)
        avoided = set(server.task.get("avoid", ()))
        more["avoided_hosts"] = frozenset(avoided)
        if server.group_id:
            more |= self._group(connection, server)
        return picture.wanted(**more)

    def _group(self, connection: Any, server: Server) -> dict[str, Any]:
        group = connection.execute(
            tables.server_groups.select().where(tables.server_groups.c.id == server.group_id)
        ).first()
        if group is None:
            return {}
        members = connection.execute(
            tables.servers.select().where(
                tables.servers.c.group_id == server.group_id,
                tables.servers.c.id != server.id,
                tables.servers.c.terminated_at.is_(None),
                tables.servers.c.host.is_not(None),
            )
        )
        return {
            "group_policy": group.policy,
            "group_hosts": tuple(row.host for row in members),
            "group_max_per_host": group.max_server_per_host or 1,
        }

    def _make_ports(self, server: Server) -> None:
        """Make or take the ports that were asked for; those that are there already are bound to the host."""
        world, started = self._world, self._world.clock()
        host, zone = str(server.host), server.zone or fleet.DEFAULT_ZONE
        with world.catalogue.read() as connection:
            have = fleet.interfaces_of(connection, [server.id])[server.id]
        for interface in have:
            port = world.networks.bind(interface.port_id, server_id=server.id, host=host, zone=zone)
            values = {"vif": dict(port.vif), "addresses": [dict(entry) for entry in port.addresses]}
            with world.catalogue.write() as connection:
                connection.execute(
                    update(tables.interfaces)
                    .where(tables.interfaces.c.port_id == interface.port_id)
                    .values(**values)
                )
        for position, asked in enumerate(server.requested_networks or []):
            if position >= len(have):
                self.add_port(server, asked, position)
        self._go_on(server, Task.NETWORKING, Task.BLOCK_DEVICES, "compute__do_build_networks", started)

    def add_port(
        self, server: Server, asked: dict[str, Any], position: int, state: str = "attached"
    ) -> Interface:
        """Make (or take, where one is named) one port for the server and write it down."""
        world = self._world
        host, zone = str(server.host or ""), server.zone or fleet.DEFAULT_ZONE
        if asked.get("port"):
            port = world.networks.bind(asked["port"], server_id=server.id, host=host, zone=zone)
        else:
            port = world.networks.make_port(
                network_id=asked["network"],
                project_id=server.project_id,
                server_id=server.id,
                host=host,
                zone=zone,
                security_groups=asked.get("security_groups", ()),
                fixed_ip=asked.get("fixed_ip"),
            )
        interface = Interface(
            port_id=port.id,
            server_id=server.id,
            position=position,
            network_id=port.network_id,
            network_name=port.network_name,
            mac=port.mac,
            addresses=[dict(entry) for entry in port.addresses],
            vif={**port.vif, "mtu": port.mtu},
            tag=asked.get("tag"),
            ours=not asked.get("port"),
            state=state,
        )
        with world.catalogue.write() as connection:
            connection.execute(insert(tables.interfaces).values(**_fields(interface)))
            fleet.call_hosts(connection, [server.host])
        return interface

    def _attach_volumes(self, server: Server) -> None:
        """Attach the volumes among the server's disks; a volume that is still being made is waited for."""
        world, started = self._world, self._world.clock()
        with world.catalogue.read() as connection:
            devices = fleet.devices_of(connection, [server.id])[server.id]
        for device in devices:
            if device.volume_id and device.state != "detaching":
                self.attach(server, device, state="attached")
        if server.image_id and not server.map_id:
            place = world.images.map_of(server.image_id)
            if not place:
                raise Refused(f"Image {server.image_id} has no data that a server could start from.")
            with world.catalogue.write() as connection:
                fleet.change(connection, server, world.clock(), map_id=place)
        self._go_on(
            server,
            Task.BLOCK_DEVICES,
            Task.SPAWNING,
            "compute_prep_block_device",
            started,
        )

    def attach(self, server: Server, device: BlockDevice, state: str = "attaching") -> None:
        """Have the volume service give the volume to the server's host; once, however often it is asked.

        Raises:
            NotYet: the volume is still being made.
            Refused: making it failed.
        """
        world = self._world
        if device.attachment_id and device.connection:
            if state == "attached":
                world.volumes.attached(server.project_id, device.attachment_id)
            return
        assert device.volume_id is not None
        status = world.volumes.show(server.project_id, device.volume_id).get("status")
        if status in ("creating", "downloading"):
            raise NotYet(f"volume {device.volume_id} is {status}")
        if status in ("error", "error_restoring"):
            raise Refused(f"volume {device.volume_id} is in status {status}")
        attachment_id, connection_info = world.volumes.attach(
            server.project_id, device.volume_id, server.id, str(server.host or ""), f"/dev/{device.device}"
        )
        with world.catalogue.write() as connection:
            connection.execute(
                update(tables.block_devices)
                .where(tables.block_devices.c.id == device.id)
                .values(attachment_id=attachment_id, connection=connection_info, state=state)
            )
            fleet.call_hosts(connection, [server.host])
        if state == "attached":  # It is there from the machine's start: no host says later that it came.
            world.volumes.attached(server.project_id, attachment_id)

    def move(self, server: Server, target: str) -> None:
        """Bind the server's ports and volumes to another host."""
        world = self._world
        with world.catalogue.read() as connection:
            devices = fleet.devices_of(connection, [server.id])[server.id]
            interfaces = fleet.interfaces_of(connection, [server.id])[server.id]
        for interface in interfaces:
            zone = server.zone or fleet.DEFAULT_ZONE
            world.networks.bind(interface.port_id, server_id=server.id, host=target, zone=zone)
        for device in devices:
            if device.volume_id:
                self.unplug(server, device)
                moved = Server(**{**_fields(server), "host": target})
                bare = BlockDevice(**{**_fields(device), "attachment_id": None, "connection": None})
                self.attach(moved, bare, state=device.state)

    def reserve(self, server: Server, device: BlockDevice) -> None:
        """Keep the volume for the server while no host has it; what a host had of it ends.

        The new attachment is there before the old one goes, so that nobody else takes the volume meanwhile.

        Raises:
            Fault: the volume service does not give it.
        """
        assert device.volume_id is not None
        volumes, table = self._world.volumes, tables.block_devices
        attachment_id = volumes.reserve(server.project_id, device.volume_id, server.id)
        if device.attachment_id and device.attachment_id != attachment_id:
            volumes.detach(server.project_id, device.attachment_id)
        with self._world.catalogue.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == device.id)
                .values(attachment_id=attachment_id, connection=None)
            )

    def unplug(self, server: Server, device: BlockDevice) -> None:
        """Say to the volume service that no host has the volume, and forget how it was connected."""
        if device.attachment_id:
            self._world.volumes.detach(server.project_id, device.attachment_id)
        with self._world.catalogue.write() as connection:
            connection.execute(
                update(tables.block_devices)
                .where(tables.block_devices.c.id == device.id)
                .values(attachment_id=None, connection=None)
            )

    def _go_on(self, server: Server, task: Task, following: Task, event: str, started: float) -> None:
        now = self._world.clock()

        def write(connection: Any) -> None:
            current = fleet.server_of(connection, server.id)
            if current.task_state == task:
                fleet.change(connection, current, now, task_state=following)
                record_event(connection, server.id, event, started_at=started, now=now, host=server.host)

        self._world.catalogue.transaction(write)

    def _fail(self, server: Server, task: Task, sentence: str, started: float) -> None:
        """Let the server say what went wrong."""
        now = self._world.clock()
        log.warning(
            "a server's task failed", extra={"server": server.id, "task": str(task), "reason": sentence}
        )

        def write(connection: Any) -> None:
            current = fleet.server_of(connection, server.id)
            if current.task_state != task or task is Task.DELETING:
                return
            after = finish(task, current.standing, failed=True)
            values: dict[str, Any] = {"vm_state": after.vm, "task_state": None, "task": {}}
            if after.vm is VmState.ERROR:
                values["fault"] = fault_of(sentence, now)
            fleet.change(connection, current, now, **values)
            record_event(
                connection, server.id, f"compute_{task}", started_at=started, now=now, failure=sentence
            )

        self._world.catalogue.transaction(write)

    def bury(self, server: Server) -> None:
        """Let go of all that the server had elsewhere, then forget it; each part may be gone already."""
        world = self._world
        with world.catalogue.read() as connection:
            devices = fleet.devices_of(connection, [server.id])[server.id]
            interfaces = fleet.interfaces_of(connection, [server.id])[server.id]
        for device in devices:
            if device.attachment_id:
                world.volumes.detach(server.project_id, device.attachment_id)
            if device.volume_id and device.delete_on_termination:
                world.volumes.remove(server.project_id, device.volume_id)
        for interface in interfaces:
            self.let_go(interface)
        if server.shelved_image:
            self._discard(server.shelved_image)
        now = world.clock()
        with world.catalogue.write() as connection:
            connection.execute(
                delete(tables.block_devices).where(tables.block_devices.c.server_id == server.id)
            )
            connection.execute(delete(tables.interfaces).where(tables.interfaces.c.server_id == server.id))
            record_event(
                connection, server.id, "compute_terminate_instance", started_at=server.updated_at, now=now
            )
            fleet.change(
                connection,
                server,
                now,
                vm_state=VmState.DELETED,
                task_state=None,
                task={},
                power_state=0,
                terminated_at=now,
            )

    def drop_picture(self, server_id: str, place: str) -> None:
        """Remove the picture that shelving made, if the server's disk is known to be the map at the place."""
        world = self._world
        with world.catalogue.read() as connection:
            server = fleet.server_of(connection, server_id)
        if not server.shelved_image or server.map_id != place:
            return
        self._discard(server.shelved_image)
        with world.catalogue.write() as connection:
            fleet.change(connection, server, world.clock(), shelved_image=None)

    def _discard(self, image_id: str) -> None:
        """Remove an image; one that is gone is fine, and one that its owner protects stays."""
        try:
            self._world.images.discard(image_id)
        except Fault as problem:
            if problem.status not in (403, 404):
                raise

    def let_go(self, interface: Interface) -> None:
        """Remove a port that was made for the server; give back one that was its owner's."""
        if interface.ours:
            self._world.networks.remove_port(interface.port_id)
        else:
            self._world.networks.release(interface.port_id)


def _stays(server: Server, task: Task) -> bool:
    """Whether the task is done where the server is."""
    if task is Task.REBUILDING:
        return not server.task.get("evacuate")
    return task is Task.UNSHELVING and server.vm_state == VmState.SHELVED and server.host is not None


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
