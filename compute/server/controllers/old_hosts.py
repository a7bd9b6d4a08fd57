"""Hosts as clients of before 2.43 and 2.53 ask for them: os-hosts, and hypervisors by a part of their name.

GET os-hosts, os-hypervisors/PART/search, /PART/servers, /ID/uptime ──▶ the hosts of the catalogue
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import update
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, NotFound, NotImplementedYet
from ...api.reply import answer
from ...api.routing import served
from .. import fleet, tables
from ..records import Host, Server
from ..world import World
from .rim import minor, until

LAST_OF_HOSTS, LAST_OF_NAMES, LAST_OF_UPTIME = 42, 52, 87
_DISABLED = {"enable": False, "disable": True}


class OldHostController:
    """Serves os-hosts, and what os-hypervisors no longer has."""

    def __init__(self, world: World) -> None:
        self._world = world

    @served("GET HEAD", "/v2.1/os-hosts")
    def index(self, call: Call) -> Response:
        """List the hosts, of one zone where it is named."""
        until(call, LAST_OF_HOSTS)
        call.require("admin")
        with self._world.catalogue.read() as connection:
            hosts, zones = fleet.hosts_of(connection), fleet.zone_of_hosts(connection)
        zone = call.query.get("zone")
        written = [
            {"host_name": host.name, "service": "compute", "zone": zones.get(host.name, fleet.DEFAULT_ZONE)}
            for host in hosts
        ]
        return answer(200, {"hosts": [each for each in written if not zone or each["zone"] == zone]})

    @served("GET HEAD", "/v2.1/os-hosts/{name}")
    def show(self, call: Call, name: str) -> Response:
        """Show what a host has, what of it is promised, and to which project."""
        until(call, LAST_OF_HOSTS)
        call.require("admin")
        with self._world.catalogue.read() as connection:
            host = fleet.host_named(connection, name)
            placed = fleet.used_of_hosts(connection).get(name, [])
        facts = host.resources
        total = {"cpu": facts["vcpus"], "memory_mb": facts["memory_mib"], "disk_gb": facts["disk_gib"]}
        used = _promised(placed)
        rows = {"(total)": total, "(used_now)": used, "(used_max)": used}
        for project in sorted({server.project_id for server in placed}):
            rows[project] = _promised([server for server in placed if server.project_id == project])
        resources = [{"resource": {"host": name, "project": who, **row}} for who, row in rows.items()]
        return answer(200, {"host": resources})

    @served("PUT", "/v2.1/os-hosts/{name}")
    def change(self, call: Call, name: str) -> Response:
        """Enable or disable it for new servers."""
        until(call, LAST_OF_HOSTS)
        call.require("admin")
        asked = call.json()
        given = {member: asked[member] for member in ("status", "maintenance_mode") if member in asked}
        if not given or set(asked) != set(given) or not set(map(str, given.values())) <= set(_DISABLED):
            raise BadRequest("status and maintenance_mode must be enable or disable, one of them given.")
        with self._world.catalogue.write() as connection:
            fleet.host_named(connection, name)
            if "maintenance_mode" in given:
                raise NotImplementedYet("Servers are not moved by a mode of their host: migrate them.")
            table = tables.hosts
            disabled = _DISABLED[given["status"]]
            connection.execute(update(table).where(table.c.name == name).values(disabled=disabled))
        return answer(200, {"host": name, "status": "disabled" if disabled else "enabled"})

    @served("GET HEAD", "/v2.1/os-hosts/{name}/{action}")
    def power(self, call: Call, name: str, action: str) -> Response:
        """Refuse: hosts are not switched on and off from here."""
        until(call, LAST_OF_HOSTS)
        call.require("admin")
        if action not in ("startup", "shutdown", "reboot"):
            raise NotFound("The resource could not be found.")
        with self._world.catalogue.read() as connection:
            fleet.host_named(connection, name)
        raise NotImplementedYet("Hosts are not switched on or off by this service.")

    @served("GET HEAD", "/v2.1/os-hypervisors/{part}/search")
    def search(self, call: Call, part: str) -> Response:
        """List the hypervisors with this in their name."""
        written = [_short(number, host, is_up=self._is_up(host)) for number, host in self._like(call, part)]
        return answer(200, {"hypervisors": written})

    @served("GET HEAD", "/v2.1/os-hypervisors/{part}/servers")
    def servers(self, call: Call, part: str) -> Response:
        """List them with their servers."""
        found = self._like(call, part)
        with self._world.catalogue.read() as connection:
            placed = fleet.used_of_hosts(connection)
        written = []
        for number, host in found:
            document = _short(number, host, is_up=self._is_up(host))
            servers = placed.get(host.name, [])
            if servers:
                document["servers"] = [
                    {"uuid": server.id, "name": server.instance_name} for server in servers
                ]
            written.append(document)
        return answer(200, {"hypervisors": written})

    @served("GET HEAD", "/v2.1/os-hypervisors/{hypervisor_id}/uptime")
    def uptime(self, call: Call, hypervisor_id: str) -> Response:
        """Show how long a host has been up, in its own words."""
        until(call, LAST_OF_UPTIME)
        call.require("admin")
        with self._world.catalogue.read() as connection:
            hosts = fleet.hosts_of(connection)
        for place, host in enumerate(hosts):
            if hypervisor_id == (host.hypervisor_id if minor(call) > LAST_OF_NAMES else str(place + 1)):
                document = _short(place + 1, host, is_up=self._is_up(host))
                if minor(call) > LAST_OF_NAMES:
                    document["id"] = host.hypervisor_id
                return answer(200, {"hypervisor": {**document, "uptime": host.resources.get("uptime") or ""}})
        raise NotFound(f"Hypervisor with ID '{hypervisor_id}' could not be found.")

    def _like(self, call: Call, part: str) -> list[tuple[int, Host]]:
        until(call, LAST_OF_NAMES)
        call.require("admin")
        with self._world.catalogue.read() as connection:
            hosts = fleet.hosts_of(connection)
        found = [(number, host) for number, host in enumerate(hosts, 1) if part in host.name]
        if not found:
            raise NotFound(f"No hypervisor matching '{part}' could be found.")
        return found

    def _is_up(self, host: Host) -> bool:
        return host.is_up(self._world.clock(), self._world.settings.silence_seconds)


def _short(number: int, host: Host, *, is_up: bool) -> dict[str, Any]:
    return {
        "id": number,
        "hypervisor_hostname": host.name,
        "state": "up" if is_up else "down",
        "status": "disabled" if host.disabled else "enabled",
    }


def _promised(servers: list[Server]) -> dict[str, int]:
    amounts: Counter[str] = Counter(cpu=0, memory_mb=0, disk_gb=0)
    for server in servers:
        flavor = server.flavor
        amounts.update(
            cpu=flavor["vcpus"], memory_mb=flavor["ram"], disk_gb=flavor["disk"] + flavor["ephemeral"]
        )
    return dict(amounts)
