"""Volumes and interfaces of servers, attached and detached while they live.

POST os-volume_attachments ──▶ reserved at the volume service ──▶ a row `attaching` ──▶ the agent plugs it
POST os-interface          ──▶ a port                         ──▶ a row `attaching` ──▶ the agent plugs it
"""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Connection, insert, update
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Conflict, Fault, Forbidden, NotFound
from ...api.reply import answer, empty
from ...api.routing import served
from .. import fleet, tables
from ..conductor import Conductor
from ..domain import device_name
from ..records import BlockDevice, Interface, Server
from ..states import begin
from ..world import World
from .rim import minor, scope_of, since, truth
from .wishes import record

DEVICES_MAX = 26


class DeviceController:
    """Serves os-volume_attachments and os-interface."""

    def __init__(self, world: World, conductor: Conductor) -> None:
        self._world = world
        self._conductor = conductor

    def _server(self, call: Call, server_id: str, action: str = "") -> Server:
        with self._world.catalogue.read() as connection:
            server = fleet.server_of(connection, server_id, scope_of(call))
        if action:
            begin(action, server.standing, server_id=server.id, is_admin=call.is_admin)
        return server

    def _devices(self, server: Server) -> list[BlockDevice]:
        with self._world.catalogue.read() as connection:
            return fleet.devices_of(connection, [server.id])[server.id]

    def _interfaces(self, server: Server) -> list[Interface]:
        with self._world.catalogue.read() as connection:
            return fleet.interfaces_of(connection, [server.id])[server.id]

    @served("GET HEAD", "/v2.1/servers/{server_id}/os-volume_attachments")
    def volumes(self, call: Call, server_id: str) -> Response:
        """List the volumes of a server."""
        found = [device for device in self._devices(self._server(call, server_id)) if device.volume_id]
        return answer(200, {"volumeAttachments": [_attachment(device, minor(call)) for device in found]})

    @served("GET HEAD", "/v2.1/servers/{server_id}/os-volume_attachments/{volume_id}")
    def volume(self, call: Call, server_id: str, volume_id: str) -> Response:
        """Show one."""
        device = self._device(self._server(call, server_id), volume_id)
        return answer(200, {"volumeAttachment": _attachment(device, minor(call))})

    def _device(self, server: Server, volume_id: str) -> BlockDevice:
        for device in self._devices(server):
            if device.volume_id == volume_id:
                return device
        raise NotFound(f"Instance {server.id} is not attached to volume {volume_id}")

    @served("POST", "/v2.1/servers/{server_id}/os-volume_attachments")
    def attach_volume(self, call: Call, server_id: str) -> Response:
        """Attach a volume that the caller may see and that is free."""
        asked = call.member("volumeAttachment")
        volume_id = str(asked.get("volumeId") or "")
        server = self._server(call, server_id, "attach_volume")
        devices = self._devices(server)
        if any(device.volume_id == volume_id for device in devices):
            raise BadRequest(f"volume {volume_id} already attached")
        if len(devices) + 1 >= DEVICES_MAX:
            raise BadRequest(f"A server has at most {DEVICES_MAX} disks.")
        try:
            volume = self._world.volumes.show(server.project_id, volume_id, call.token)
        except Fault as problem:
            raise NotFound(f"Volume {volume_id} could not be found.") from problem
        if volume["status"] != "available" and not volume.get("multiattach"):
            raise BadRequest(
                f"volume {volume_id} status must be 'available'. Currently in '{volume['status']}'"
            )
        device = BlockDevice(
            id=str(uuid.uuid4()),
            server_id=server.id,
            position=max((device.position for device in devices), default=-1) + 1,
            device=_free_name(server, devices),
            boot_index=None,
            source="volume",
            source_id=volume_id,
            size_gib=volume.get("size"),
            volume_type=None,
            volume_id=volume_id,
            attachment_id=None,
            connection=None,
            state="wanted",
            tag=asked.get("tag") if minor(call) >= 49 else None,
            delete_on_termination=truth(asked, "delete_on_termination", default=False)
            if minor(call) >= 79
            else False,
            created_at=self._world.clock(),
        )
        values = {name: getattr(device, name) for name in BlockDevice.__dataclass_fields__}
        with self._world.catalogue.write() as connection:
            connection.execute(insert(tables.block_devices).values(**values))
            record(connection, call, server, "attach_volume", self._world.clock())
        give = self._conductor.reserve if server.host is None else self._conductor.attach
        try:
            give(server, device)
        except Exception:
            self._forget(device)
            raise
        return answer(200, {"volumeAttachment": _attachment(device, minor(call))})

    def _forget(self, device: BlockDevice) -> None:
        with self._world.catalogue.write() as connection:
            connection.execute(tables.block_devices.delete().where(tables.block_devices.c.id == device.id))

    @served("PUT", "/v2.1/servers/{server_id}/os-volume_attachments/{volume_id}")
    def change_volume(self, call: Call, server_id: str, volume_id: str) -> Response:
        """Say whether the volume goes with the server (since 2.85)."""
        since(call, 85)
        asked = call.member("volumeAttachment")
        if asked.get("volumeId", volume_id) != volume_id:
            raise Conflict("Volumes are not swapped; detach the one and attach the other.")
        device = self._device(self._server(call, server_id), volume_id)
        kept = truth(asked, "delete_on_termination", default=device.delete_on_termination)
        with self._world.catalogue.write() as connection:
            self._mark(connection, device, delete_on_termination=kept)
        return empty(202)

    def _mark(self, connection: Connection, device: BlockDevice, **values: Any) -> None:
        table = tables.block_devices
        connection.execute(update(table).where(table.c.id == device.id).values(**values))

    @served("DELETE", "/v2.1/servers/{server_id}/os-volume_attachments/{volume_id}")
    def detach_volume(self, call: Call, server_id: str, volume_id: str) -> Response:
        """Detach a volume; the one that the server runs from stays."""
        server = self._server(call, server_id, "detach_volume")
        device = self._device(server, volume_id)
        if not server.image_id and device.boot_index == 0:
            raise Forbidden("Cannot detach a root device volume")
        with self._world.catalogue.write() as connection:
            self._mark(connection, device, state="detaching")
            fleet.call_hosts(connection, [server.host])
            record(connection, call, server, "detach_volume", self._world.clock())
        if server.host is None:
            if device.attachment_id:
                self._world.volumes.detach(server.project_id, device.attachment_id)
            self._forget(device)
        return empty(202)

    @served("GET HEAD", "/v2.1/servers/{server_id}/os-interface")
    def interfaces(self, call: Call, server_id: str) -> Response:
        """List the ports of a server."""
        found = self._interfaces(self._server(call, server_id))
        return answer(200, {"interfaceAttachments": [_interface(each, minor(call)) for each in found]})

    @served("GET HEAD", "/v2.1/servers/{server_id}/os-interface/{port_id}")
    def interface(self, call: Call, server_id: str, port_id: str) -> Response:
        """Show one."""
        found = self._port(self._server(call, server_id), port_id)
        return answer(200, {"interfaceAttachment": _interface(found, minor(call))})

    def _port(self, server: Server, port_id: str) -> Interface:
        for interface in self._interfaces(server):
            if interface.port_id == port_id:
                return interface
        raise NotFound(f"Port id {port_id} could not be found.")

    @served("POST", "/v2.1/servers/{server_id}/os-interface")
    def attach_interface(self, call: Call, server_id: str) -> Response:
        """Attach a port, or a new port on a network; without either, on the project's one network."""
        asked = call.json().get("interfaceAttachment") or {}
        server = self._server(call, server_id, "attach_interface")
        networks = self._world.networks
        port_id, network_id = asked.get("port_id"), asked.get("net_id")
        if port_id and network_id:
            raise BadRequest("Both net_id and port_id are given; one says enough.")
        try:
            if port_id:
                if networks.port(port_id, call.token).device_id:
                    raise Conflict(f"Port {port_id} is still in use.")
            elif network_id:
                networks.network(network_id, call.token)
            else:
                found = networks.networks(call.token, server.project_id)
                if len(found) != 1:
                    raise BadRequest("Say which network: the project has not exactly one.")
                network_id = found[0]["id"]
        except Fault as problem:
            if problem.status == 404:
                raise BadRequest(f"Network or port not found: {problem.message}") from problem
            raise
        fixed = next(iter(asked.get("fixed_ips") or [{}])).get("ip_address")
        wish = {"port": port_id, "network": network_id, "fixed_ip": fixed}
        wish["tag"] = asked.get("tag") if minor(call) >= 49 else None
        interface = self._conductor.add_port(
            server, wish, len(self._interfaces(server)), "attaching" if server.host else "attached"
        )
        with self._world.catalogue.write() as connection:
            record(connection, call, server, "attach_interface", self._world.clock())
        return answer(200, {"interfaceAttachment": _interface(interface, minor(call))})

    @served("DELETE", "/v2.1/servers/{server_id}/os-interface/{port_id}")
    def detach_interface(self, call: Call, server_id: str, port_id: str) -> Response:
        """Detach a port."""
        server = self._server(call, server_id, "detach_interface")
        interface = self._port(server, port_id)
        table = tables.interfaces
        with self._world.catalogue.write() as connection:
            connection.execute(update(table).where(table.c.port_id == port_id).values(state="detaching"))
            fleet.call_hosts(connection, [server.host])
            record(connection, call, server, "detach_interface", self._world.clock())
        if server.host is None:
            self._conductor.let_go(interface)
            with self._world.catalogue.write() as connection:
                connection.execute(table.delete().where(table.c.port_id == port_id))
        return empty(202)

    @served("GET HEAD", "/v2.1/servers/{server_id}/os-security-groups")
    def groups(self, call: Call, server_id: str) -> Response:
        """List the security groups of a server."""
        server = self._server(call, server_id)
        ids = self._world.networks.security_groups(server.security_groups, server.project_id, call.token)
        written = [
            {"id": group_id, "name": name, "description": "", "tenant_id": server.project_id, "rules": []}
            for group_id, name in zip(ids, server.security_groups, strict=True)
        ]
        return answer(200, {"security_groups": written})


def _free_name(server: Server, devices: list[BlockDevice]) -> str:
    taken = {device.device for device in devices} | ({device_name(0)} if server.image_id else set())
    return next(name for name in map(device_name, range(DEVICES_MAX + 1)) if name not in taken)


def _attachment(device: BlockDevice, minor_version: int) -> dict[str, Any]:
    """Return the attachment: since 2.89 with ids of its own and without `id`."""
    document: dict[str, Any] = {
        "device": f"/dev/{device.device}",
        "serverId": device.server_id,
        "volumeId": device.volume_id,
    }
    if minor_version < 89:
        document["id"] = device.volume_id
    else:
        document |= {"attachment_id": device.attachment_id, "bdm_uuid": device.id}
    if minor_version >= 70:
        document["tag"] = device.tag
    if minor_version >= 79:
        document["delete_on_termination"] = device.delete_on_termination
    return document


def _interface(interface: Interface, minor_version: int) -> dict[str, Any]:
    document: dict[str, Any] = {
        "port_id": interface.port_id,
        "net_id": interface.network_id,
        "mac_addr": interface.mac,
        "port_state": "ACTIVE",
        "fixed_ips": [
            {"ip_address": entry["address"], "subnet_id": entry.get("subnet_id")}
            for entry in interface.addresses
        ],
    }
    if minor_version >= 70:
        document["tag"] = interface.tag
    return document
