"""Hosts as operators see them: hypervisors, services, migrations; and what everyone sees: zones.

hosts in the catalogue ──▶ os-hypervisors, os-services, os-availability-zone    PUT os-services ──▶ disabled
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, select, update
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Conflict, NotFound
from ...api.paging import Page, next_link
from ...api.reply import answer, empty
from ...api.routing import served
from ...api.times import plain
from .. import fleet, tables
from ..records import Host, Server
from ..views.migration import facts_of
from ..world import World
from .rim import minor, truth, until


class HostController:
    """Serves os-hypervisors, os-services, os-availability-zone and os-migrations."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _is_up(self, host: Host) -> bool:
        return host.is_up(self._world.clock(), self._world.settings.silence_seconds)

    def _hosts(self) -> tuple[list[Host], dict[str, list[Server]]]:
        with self._world.catalogue.read() as connection:
            return fleet.hosts_of(connection), fleet.used_of_hosts(connection)

    @served("GET HEAD", "/v2.1/os-hypervisors")
    def index(self, call: Call) -> Response:
        """List hypervisors."""
        return self._hypervisors(call, full=False)

    @served("GET HEAD", "/v2.1/os-hypervisors/detail")
    def detail(self, call: Call) -> Response:
        """List whole hypervisors."""
        return self._hypervisors(call, full=True)

    def _hypervisors(self, call: Call, *, full: bool) -> Response:
        call.require("admin")
        known, placed = self._hosts()
        hosts = known
        pattern = call.query.get("hypervisor_hostname_pattern")
        if pattern:
            hosts = [host for host in hosts if pattern in host.name]
            if not hosts:
                raise NotFound(f"No hypervisor matching '{pattern}' could be found.")
        document: dict[str, Any] = {}
        places = {host.name: place for place, host in enumerate(known)}
        if minor(call) >= 33:
            hosts, more = Page.of(call).cut(hosts, lambda host: host.hypervisor_id)
            if more and hosts:
                link = next_link(call, hosts[-1].hypervisor_id)
                document["hypervisors_links"] = [{"rel": "next", "href": link}]
        with_servers = call.query.get("with_servers", "").lower() in ("true", "1")
        written = [
            self._hypervisor(
                call,
                host,
                placed.get(host.name, []),
                full=full,
                servers=with_servers,
                place=places[host.name],
            )
            for host in hosts
        ]
        return answer(200, {"hypervisors": written, **document})

    @served("GET HEAD", "/v2.1/os-hypervisors/{hypervisor_id}")
    def hypervisor(self, call: Call, hypervisor_id: str) -> Response:
        """Show one."""
        call.require("admin")
        hosts, placed = self._hosts()
        for place, host in enumerate(hosts):
            if hypervisor_id == (host.hypervisor_id if minor(call) >= 53 else str(place + 1)):
                servers = call.query.get("with_servers", "").lower() in ("true", "1") or minor(call) >= 88
                written = self._hypervisor(
                    call, host, placed.get(host.name, []), full=True, servers=servers, place=place
                )
                return answer(200, {"hypervisor": written})
        raise NotFound(f"Hypervisor with ID '{hypervisor_id}' could not be found.")

    @served("GET HEAD", "/v2.1/os-hypervisors/statistics")
    def statistics(self, call: Call) -> Response:
        """Show sums over all hypervisors, up to 2.87."""
        until(call, 87)
        call.require("admin")
        hosts, placed = self._hosts()
        each = [_amounts(host, placed.get(host.name, [])) for host in hosts]
        sums = {name: sum(amounts[name] for amounts in each) for name in _amounts(None, [])}
        return answer(200, {"hypervisor_statistics": {"count": len(hosts), **sums}})

    def _hypervisor(
        self,
        call: Call,
        host: Host,
        placed: list[Server],
        *,
        full: bool,
        servers: bool = False,
        place: int = 0,
    ) -> dict[str, Any]:
        """Return a hypervisor: numbered up to 2.52; without amounts since 2.88, which are the scheduler's."""
        written: dict[str, Any] = {
            "id": host.hypervisor_id if minor(call) >= 53 else place + 1,
            "hypervisor_hostname": host.name,
            "state": "up" if self._is_up(host) else "down",
            "status": "disabled" if host.disabled else "enabled",
        }
        if servers and placed and minor(call) >= 53:
            written["servers"] = [{"uuid": server.id, "name": server.instance_name} for server in placed]
        if not full:
            return written
        written |= {
            "host_ip": host.resources.get("address", "127.0.0.1"),
            "hypervisor_type": host.resources["hypervisor_type"],
            "hypervisor_version": host.resources.get("hypervisor_version", 0),
            "service": {"id": host.service_id, "host": host.name, "disabled_reason": host.disabled_reason},
        }
        if minor(call) < 53:
            written["service"]["id"] = place + 1
        if minor(call) >= 88:
            return written | {"uptime": host.resources.get("uptime")}
        processor: Any = {"arch": "x86_64", "model": "", "vendor": "", "features": [], "topology": {}}
        return written | _amounts(host, placed) | {"cpu_info": processor if minor(call) >= 28 else "{}"}

    @served("GET HEAD", "/v2.1/os-services")
    def services(self, call: Call) -> Response:
        """List the services: one on each host."""
        call.require("admin")
        with self._world.catalogue.read() as connection:
            hosts, zones = fleet.hosts_of(connection), fleet.zone_of_hosts(connection)
        query = call.query
        written = [
            self._service(call, host, place, zones.get(host.name, fleet.DEFAULT_ZONE))
            for place, host in enumerate(hosts)
            if query.get("host", host.name) == host.name
            and query.get("binary", "nova-compute") == "nova-compute"
        ]
        return answer(200, {"services": written})

    def _service(self, call: Call, host: Host, place: int, zone: str) -> dict[str, Any]:
        written: dict[str, Any] = {
            "id": host.service_id if minor(call) >= 53 else place + 1,
            "binary": "nova-compute",
            "host": host.name,
            "zone": zone,
            "status": "disabled" if host.disabled else "enabled",
            "state": "up" if self._is_up(host) else "down",
            "updated_at": plain(host.heard_at),
            "disabled_reason": host.disabled_reason,
        }
        if minor(call) >= 11:
            written["forced_down"] = host.forced_down
        return written

    @served("PUT", "/v2.1/os-services/{service_id}")
    def change_service(self, call: Call, service_id: str) -> Response:
        """Enable, disable, or say that it is down (by id since 2.53; before, by a verb in the path)."""
        call.require("admin")
        asked = call.json()
        values: dict[str, Any] = {}
        if minor(call) >= 53:
            if asked.get("status") not in (None, "enabled", "disabled"):
                raise BadRequest("status must be enabled or disabled")
            if "status" in asked:
                values["disabled"] = asked["status"] == "disabled"
        elif service_id in ("enable", "disable", "disable-log-reason"):
            values["disabled"] = service_id != "enable"
        elif service_id != "force-down":
            raise NotFound(f"There is no {service_id} of services.")
        if values:
            values["disabled_reason"] = asked.get("disabled_reason") if values["disabled"] else None
        if "forced_down" in asked:
            values["forced_down"] = truth(asked, "forced_down", default=False)
        if not values:
            raise BadRequest("Nothing is asked to be changed.")
        with self._world.catalogue.write() as connection:
            host = self._host(connection, call, service_id, asked)
            table = tables.hosts
            connection.execute(update(table).where(table.c.name == host.name).values(**values))
            changed = fleet.host_named(connection, host.name)
            zone = fleet.zone_of_hosts(connection).get(host.name, fleet.DEFAULT_ZONE)
        return answer(200, {"service": self._service(call, changed, 0, zone)})

    def _host(self, connection: Connection, call: Call, service_id: str, asked: dict[str, Any]) -> Host:
        for host in fleet.hosts_of(connection):
            if host.service_id == service_id or (minor(call) < 53 and host.name == asked.get("host")):
                return host
        raise NotFound(f"Service {service_id} not found.")

    @served("DELETE", "/v2.1/os-services/{service_id}")
    def remove_service(self, call: Call, service_id: str) -> Response:
        """Forget a host that has no servers; its agent, if it lives, brings it back."""
        call.require("admin")
        with self._world.catalogue.write() as connection:
            host = self._host(connection, call, service_id, {})
            if fleet.on_host(connection, host.name):
                raise Conflict(f"Host {host.name} has servers.")
            connection.execute(delete(tables.hosts).where(tables.hosts.c.name == host.name))
        return empty(204)

    @served("GET HEAD", "/v2.1/os-availability-zone")
    def zones(self, call: Call) -> Response:
        """List the zones."""
        del call
        return answer(200, {"availabilityZoneInfo": self._zones(detailed=False)})

    @served("GET HEAD", "/v2.1/os-availability-zone/detail")
    def zones_detail(self, call: Call) -> Response:
        """List the zones and their hosts."""
        call.require("admin")
        return answer(200, {"availabilityZoneInfo": self._zones(detailed=True)})

    def _zones(self, *, detailed: bool) -> list[dict[str, Any]]:
        with self._world.catalogue.read() as connection:
            hosts, named = fleet.hosts_of(connection), fleet.zone_of_hosts(connection)
        by_zone: dict[str, list[Host]] = {}
        for host in hosts:
            by_zone.setdefault(named.get(host.name, fleet.DEFAULT_ZONE), []).append(host)
        zones = []
        for zone, members in sorted(by_zone.items()):
            entry: dict[str, Any] = {
                "zoneName": zone,
                "zoneState": {"available": any(not host.disabled for host in members)},
                "hosts": None,
            }
            if detailed:
                entry["hosts"] = {
                    host.name: {
                        "nova-compute": {
                            "active": not host.disabled,
                            "available": self._is_up(host),
                            "updated_at": plain(host.heard_at),
                        }
                    }
                    for host in members
                }
            zones.append(entry)
        return zones

    @served("GET HEAD", "/v2.1/os-migrations")
    def migrations(self, call: Call) -> Response:
        """List moves of servers."""
        call.require("admin")
        query, table = call.query, tables.migrations
        statement = select(table).order_by(table.c.id.desc())
        filters = {
            "instance_uuid": table.c.server_id,
            "status": table.c.status,
            "migration_type": table.c.kind,
            "source_compute": table.c.source,
            "host": table.c.source,
        }
        for name, column in filters.items():
            if query.get(name):
                statement = statement.where(column == query[name])
        with self._world.catalogue.read() as connection:
            rows = list(connection.execute(statement))
        return answer(200, {"migrations": [_migration(row, call) for row in rows]})


def _amounts(host: Host | None, servers: list[Server]) -> dict[str, int]:
    """Return the amounts of a hypervisor, in the words of microversions up to 2.87."""
    facts = host.resources if host else {"vcpus": 0, "memory_mib": 0, "disk_gib": 0}
    memory = sum(server.flavor["ram"] for server in servers)
    disk = sum(server.flavor["disk"] + server.flavor["ephemeral"] for server in servers)
    return {
        "vcpus": facts["vcpus"],
        "vcpus_used": sum(server.flavor["vcpus"] for server in servers),
        "memory_mb": facts["memory_mib"],
        "memory_mb_used": memory,
        "free_ram_mb": facts["memory_mib"] - memory,
        "local_gb": facts["disk_gib"],
        "local_gb_used": disk,
        "free_disk_gb": facts["disk_gib"] - disk,
        "disk_available_least": facts["disk_gib"] - disk,
        "current_workload": sum(server.task_state is not None for server in servers),
        "running_vms": len(servers),
    }


def _migration(row: Any, call: Call) -> dict[str, Any]:
    written = {
        **facts_of(row, minor(call)),
        "instance_uuid": row.server_id,
        "old_instance_type_id": None,  # Clients read a number here, and flavors have none.
        "new_instance_type_id": None,
    }
    if minor(call) >= 23:
        written["migration_type"] = row.kind
    return written
