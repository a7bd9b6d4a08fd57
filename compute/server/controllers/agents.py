"""What agents and network agents ask: who they are, what there is to do, how it went, what a guest may know.

    PUT /internal/hosts/H ──▶ heard        GET …/work?since=N&wait=30 ──▶ servers, when something changed
    POST …/servers/ID ──▶ reports.py       GET /internal/metadata/ID/… ──▶ documents.py
    GET …/leases, POST …/volumes/ID ──▶ the volume service, with the service's rights: a host has none

No token: a host speaks with its key (`keys.py`), a network agent with a mark on the server's id.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy import insert, select, update
from webob import Response

from ....common import concurrency
from ....common.errors import Missing
from ...api.call import Call
from ...api.faults import BadRequest, NotFound, Unauthorized
from ...api.reply import answer, empty, stream
from ...api.routing import served
from .. import fleet, tables
from ..documents import config_drive_files, ec2_document, openstack_document
from ..guests import guest_of
from ..keys import host_key, matches, metadata_mark
from ..records import BlockDevice, Interface, Server
from ..reports import Reports
from ..states import Power, Task
from ..world import World
from .guest_passwords import leave_password, password_of
from .rim import whole

KEY_HEADER = "X-Apus-Host-Key"
WAIT_SECONDS_MAX = 50
LOOK_SECONDS = 0.25


class AgentController:
    """Serves /internal."""

    def __init__(
        self, world: World, reports: Reports, sleep: Callable[[float], None] = concurrency.sleep
    ) -> None:
        self._world = world
        self._reports = reports
        self._sleep = sleep

    def _check(self, call: Call, host: str) -> None:
        secret = self._world.settings.agent_secret
        given = call.request.headers.get(KEY_HEADER, "")
        if not secret or not matches(given, host_key(secret, host)):
            raise Unauthorized("This host's key is needed.")

    @served("PUT", "/internal/hosts/{host}", open_to_all=True)
    def register(self, call: Call, host: str) -> Response:
        """Note that the host lives and what it has."""
        self._check(call, host)
        resources = call.member("resources")
        facts = {name: whole(resources, name) for name in ("vcpus", "memory_mib", "disk_gib")}
        resources = {**resources, **facts, "hypervisor_type": str(resources.get("hypervisor_type", "QEMU"))}
        now = self._world.clock()

        def write(connection: Any) -> None:
            heard = {"heard_at": now, "updated_at": now, "resources": resources}
            found = connection.execute(
                update(tables.hosts).where(tables.hosts.c.name == host).values(**heard)
            )
            if not found.rowcount:
                connection.execute(
                    insert(tables.hosts).values(
                        name=host,
                        service_id=str(uuid.uuid4()),
                        hypervisor_id=str(uuid.uuid4()),
                        disabled=False,
                        forced_down=False,
                        sequence=1,
                        **heard,
                    )
                )

        self._world.catalogue.transaction(write)
        return empty(204)

    @served("GET", "/internal/hosts/{host}/work", open_to_all=True)
    def work(self, call: Call, host: str) -> Response:
        """Return the host's servers, once there is something newer than the agent has seen."""
        self._check(call, host)
        since = whole(call.query, "since", least=-1, default=0)
        waited, patience = 0.0, min(whole(call.query, "wait", default=0), WAIT_SECONDS_MAX)
        while True:
            with self._world.catalogue.read() as connection:
                sequence = fleet.host_named(connection, host).sequence
            if sequence != since or waited >= patience:
                break
            self._sleep(LOOK_SECONDS)
            waited += LOOK_SECONDS
        with self._world.catalogue.write() as connection:
            connection.execute(
                update(tables.hosts).where(tables.hosts.c.name == host).values(heard_at=self._world.clock())
            )
        with self._world.catalogue.read() as connection:
            servers = fleet.on_host(connection, host)
            ids = [server.id for server in servers]
            devices, ports = fleet.devices_of(connection, ids), fleet.interfaces_of(connection, ids)
        written = [_order(server, devices[server.id], ports[server.id]) for server in servers]
        return answer(200, {"sequence": sequence, "servers": written})

    @served("POST", "/internal/hosts/{host}/servers/{server_id}", open_to_all=True)
    def report(self, call: Call, host: str, server_id: str) -> Response:
        """Take a report; one on a server that is gone changes nothing."""
        self._check(call, host)
        document = call.json()
        try:
            if "task" in document:
                self._reports.ended(server_id, host, document)
            elif "device" in document:
                self._reports.device(server_id, host, document)
            elif "interface" in document:
                self._reports.interface(server_id, host, document)
            elif "power" in document:
                self._reports.seen(server_id, host, Power(document["power"]))
        except Missing:
            pass
        except ValueError as problem:
            raise BadRequest(str(problem)) from problem
        return empty(204)

    @served("GET", "/internal/hosts/{host}/servers/{server_id}", open_to_all=True)
    def whereabouts(self, call: Call, host: str, server_id: str) -> Response:
        """Say whether a server is deleted or on another host; 404 for one of which nothing is known."""
        self._check(call, host)
        table = tables.servers
        with self._world.catalogue.read() as connection:
            row = connection.execute(
                select(table.c.host, table.c.terminated_at).where(table.c.id == server_id)
            ).first()
        if row is None:
            raise NotFound(f"Instance {server_id} could not be found.")
        return answer(200, {"elsewhere": row.terminated_at is not None or row.host != host})

    @served("GET", "/internal/hosts/{host}/leases", open_to_all=True)
    def leases(self, call: Call, host: str) -> Response:
        """Return the volumes that the host may write to, as the volume service lists them."""
        self._check(call, host)
        return answer(200, {"leases": self._world.volumes.leases(host)})

    @served("POST", "/internal/hosts/{host}/volumes/{volume_id}", open_to_all=True)
    def commit(self, call: Call, host: str, volume_id: str) -> Response:
        """Pass on what the host's guests have written to a volume; its lease says that the host may."""
        self._check(call, host)
        told = call.json("project_id", "commit")
        self._world.volumes.commit(str(told["project_id"]), volume_id, told["commit"])
        return empty(204)

    def _guest(self, call: Call, server_id: str) -> Server:
        """Return the server whose guest asks 169.254.169.254, if a network agent of ours passes it on."""
        secret = self._world.settings.metadata_secret
        headers = call.request.headers
        right = secret and matches(
            headers.get("X-Instance-ID-Signature", ""), metadata_mark(secret, server_id)
        )
        if not right or headers.get("X-Instance-ID") != server_id:
            raise Unauthorized("The request is not marked by a network agent of ours.")
        with self._world.catalogue.read() as connection:
            return fleet.server_of(connection, server_id, headers.get("X-Tenant-ID") or "")

    @served("POST", "/internal/metadata/{server_id}/openstack/{version}/password", open_to_all=True)
    def leave(self, call: Call, server_id: str, version: str) -> Response:
        """Keep the password that a guest has made."""
        del version
        leave_password(self._world, self._guest(call, server_id), call.request.body)
        return empty(200)

    @served("GET HEAD", "/internal/metadata/{server_id}/{path:path}", open_to_all=True)
    def metadata(self, call: Call, server_id: str, path: str) -> Response:
        """Return a document of the guest's own."""
        server = self._guest(call, server_id)
        with self._world.catalogue.read() as connection:
            ports = fleet.interfaces_of(connection, [server.id])[server.id]
            guest = guest_of(server, ports, password_of(connection, server))
        if path == "openstack" or path.startswith("openstack/"):
            document = openstack_document(guest, path.removeprefix("openstack"))
        else:
            document = ec2_document(guest, path)
        if document is None:
            raise NotFound("There is no such document.")
        kind = "application/json" if path.endswith(".json") else "text/plain"
        return stream(200, [document], len(document), content_type=kind)


def _order(server: Server, devices: list[BlockDevice], ports: list[Interface]) -> dict[str, Any]:
    """Return what the agent has to know of one server."""
    order: dict[str, Any] = {
        "id": server.id,
        "name": server.name,
        "instance_name": server.instance_name,
        "project_id": server.project_id,
        "vm_state": server.vm_state,
        "task_state": server.task_state,
        "task": dict(server.task),
        "power_state": server.power_state,
        "flavor": dict(server.flavor),
        "image_properties": dict(server.image_properties),
        "map": server.map_id if server.image_id else None,
        "kept": [place for place in (server.map_id, (server.before_resize or {}).get("map_id")) if place],
        "devices": [
            {
                "id": device.id,
                "device": device.device,
                "source": device.source,
                "size_gib": device.size_gib,
                "volume_id": device.volume_id,
                "connection": device.connection,
                "boot_index": device.boot_index,
                "state": device.state,
            }
            for device in devices
        ],
        "interfaces": [
            {"port_id": port.port_id, "mac": port.mac, "vif": dict(port.vif), "state": port.state}
            for port in ports
        ],
    }
    if server.config_drive:
        files = config_drive_files(guest_of(server, ports))
        order["config_drive"] = {name: base64.b64encode(data).decode() for name, data in files.items()}
    if server.task_state == Task.PASSWORD:
        order["admin_password"] = server.admin_password
    return order
