"""Limits, quota sets and usage.

GET /limits ──▶ limits and what is used        os-quota-sets ──▶ shown and set
os-simple-tenant-usage
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, select
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Forbidden
from ...api.reply import answer, empty
from ...api.routing import served
from ...api.times import plain, seconds_of
from .. import fleet, tables
from ..quotas import DEFAULTS, NETWORK_WORDS, limits_of
from ..records import Server
from ..world import World
from .rim import minor, whole

CLASS = "class:default"
_FILES = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")


class QuotaController:
    """Serves limits, os-quota-sets, os-quota-class-sets and os-simple-tenant-usage."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _limits(self, connection: Connection, project_id: str) -> dict[str, int]:
        return limits_of(fleet.own_limits(connection, project_id), fleet.own_limits(connection, CLASS))

    @served("GET HEAD", "/v2.1/limits")
    def limits(self, call: Call) -> Response:
        """Show the project's limits and what it uses of them."""
        project = call.project_id
        if call.is_admin:
            project = call.query.get("tenant_id", project)
        with self._world.catalogue.read() as connection:
            limits, used = self._limits(connection, project), fleet.used_by(connection, project)
        absolute = {
            "maxTotalInstances": limits["instances"],
            "maxTotalCores": limits["cores"],
            "maxTotalRAMSize": limits["ram"],
            "maxTotalKeypairs": limits["key_pairs"],
            "maxServerMeta": limits["metadata_items"],
            "maxServerGroups": limits["server_groups"],
            "maxServerGroupMembers": limits["server_group_members"],
            "totalInstancesUsed": used["instances"],
            "totalCoresUsed": used["cores"],
            "totalRAMUsed": used["ram"],
            "totalServerGroupsUsed": used["server_groups"],
        }
        if minor(call) < 57:
            absolute |= {
                "maxPersonality": limits["injected_files"],
                "maxPersonalitySize": limits["injected_file_content_bytes"],
            }
        if minor(call) < 39:
            absolute["maxImageMeta"] = limits["metadata_items"]
        if minor(call) < 36:
            names = ("maxTotalFloatingIps", "maxSecurityGroups", "maxSecurityGroupRules")
            absolute |= dict.fromkeys(names, -1)
            absolute |= dict.fromkeys(("totalFloatingIpsUsed", "totalSecurityGroupsUsed"), 0)
        return answer(200, {"limits": {"rate": [], "absolute": absolute}})

    def _check_reach(self, call: Call, project_id: str) -> None:
        if not call.is_admin and project_id != call.project_id:
            raise Forbidden("Policy doesn't allow os_compute_api:os-quota-sets:show to be performed.")

    def _written(self, limits: Mapping[str, Any], call: Call) -> dict[str, Any]:
        written = dict(limits)
        if minor(call) >= 57:
            written = {name: value for name, value in written.items() if name not in _FILES}
        if minor(call) >= 36:
            written = {name: value for name, value in written.items() if name not in NETWORK_WORDS}
        return written

    @served("GET HEAD", "/v2.1/os-quota-sets/{project_id}")
    def show(self, call: Call, project_id: str) -> Response:
        """Show a project's limits."""
        self._check_reach(call, project_id)
        with self._world.catalogue.read() as connection:
            limits = self._limits(connection, project_id)
        return answer(200, {"quota_set": {"id": project_id, **self._written(limits, call)}})

    @served("GET HEAD", "/v2.1/os-quota-sets/{project_id}/detail")
    def detail(self, call: Call, project_id: str) -> Response:
        """Show a project's limits and what it uses."""
        self._check_reach(call, project_id)
        with self._world.catalogue.read() as connection:
            limits, used = self._limits(connection, project_id), fleet.used_by(connection, project_id)
        detailed = {
            name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
            for name, limit in self._written(limits, call).items()
        }
        return answer(200, {"quota_set": {"id": project_id, **detailed}})

    @served("GET HEAD", "/v2.1/os-quota-sets/{project_id}/defaults")
    def defaults(self, call: Call, project_id: str) -> Response:
        """Show the limits of a project for which none were set."""
        with self._world.catalogue.read() as connection:
            limits = limits_of({}, fleet.own_limits(connection, CLASS))
        return answer(200, {"quota_set": {"id": project_id, **self._written(limits, call)}})

    def _amounts(self, asked: Mapping[str, Any]) -> dict[str, int]:
        ignored = {"tenant_id", "id", "force", "class_name"}
        unknown = [name for name in asked if name not in DEFAULTS and name not in ignored]
        if unknown:
            raise BadRequest(f"There is no such resource: {', '.join(unknown)}")
        return {name: whole(dict(asked), name, least=-1) for name in asked if name in DEFAULTS}

    @served("PUT", "/v2.1/os-quota-sets/{project_id}")
    def change(self, call: Call, project_id: str) -> Response:
        """Set a project's limits; not below what it uses, but by force."""
        call.require("admin")
        document = call.member("quota_set")
        asked = self._amounts(document)
        forced = str(document.get("force", "")).lower() in ("true", "1")
        with self._world.catalogue.write() as connection:
            used = fleet.used_by(connection, project_id)
            short = [name for name, limit in asked.items() if 0 <= limit < used.get(name, 0)]
            if short and not forced:
                raise BadRequest(f"Quota limit for {', '.join(short)} must be at least what is used already.")
            fleet.set_limits(connection, project_id, asked)
            limits = self._limits(connection, project_id)
        return answer(200, {"quota_set": self._written(limits, call)})

    @served("DELETE", "/v2.1/os-quota-sets/{project_id}")
    def reset(self, call: Call, project_id: str) -> Response:
        """Go back to the defaults."""
        call.require("admin")
        with self._world.catalogue.write() as connection:
            connection.execute(delete(tables.quotas).where(tables.quotas.c.owner == project_id))
        return empty(202)

    @served("GET HEAD", "/v2.1/os-quota-class-sets/{name}")
    def show_class(self, call: Call, name: str) -> Response:
        """Show the limits of a class; `default` is everyone's."""
        call.require("admin")
        with self._world.catalogue.read() as connection:
            limits = limits_of({}, fleet.own_limits(connection, f"class:{name}"))
        return answer(200, {"quota_class_set": {"id": name, **self._written(limits, call)}})

    @served("PUT", "/v2.1/os-quota-class-sets/{name}")
    def change_class(self, call: Call, name: str) -> Response:
        """Set the limits of a class."""
        call.require("admin")
        asked = self._amounts(call.member("quota_class_set"))
        with self._world.catalogue.write() as connection:
            fleet.set_limits(connection, f"class:{name}", asked)
            limits = limits_of({}, fleet.own_limits(connection, f"class:{name}"))
        return answer(200, {"quota_class_set": self._written(limits, call)})

    @served("GET HEAD", "/v2.1/os-simple-tenant-usage")
    def usages(self, call: Call) -> Response:
        """Show what every project used in a time."""
        call.require("admin")
        with self._world.catalogue.read() as connection:
            servers = [Server.of(row) for row in connection.execute(select(tables.servers))]
        projects = sorted({server.project_id for server in servers})
        detailed = call.query.get("detailed") == "1"
        found = [
            self._usage(call, project, [s for s in servers if s.project_id == project], detailed=detailed)
            for project in projects
        ]
        return answer(200, {"tenant_usages": [usage for usage in found if usage]})

    @served("GET HEAD", "/v2.1/os-simple-tenant-usage/{project_id}")
    def usage(self, call: Call, project_id: str) -> Response:
        """Show what a project used in a time."""
        self._check_reach(call, project_id)
        query = select(tables.servers).where(tables.servers.c.project_id == project_id)
        with self._world.catalogue.read() as connection:
            servers = [Server.of(row) for row in connection.execute(query)]
        return answer(200, {"tenant_usage": self._usage(call, project_id, servers, detailed=True)})

    def _usage(self, call: Call, project: str, servers: list[Server], *, detailed: bool) -> dict[str, Any]:
        now = self._world.clock()
        try:
            start = seconds_of(call.query["start"]) if call.query.get("start") else now - 28 * 86400
            stop = seconds_of(call.query["end"]) if call.query.get("end") else now
        except ValueError as problem:
            raise BadRequest("start or end is no time") from problem
        if start > stop:
            raise BadRequest("Invalid start time. The start time cannot occur after the end time.")
        entries = [entry for server in servers if (entry := _entry(server, start, stop, now))]
        if not entries:
            return {}
        total: dict[str, Any] = {
            "tenant_id": project,
            "start": plain(start),
            "stop": plain(stop),
            "total_hours": sum(entry["hours"] for entry in entries),
        }
        for name, member in (("vcpus", "vcpus"), ("memory_mb", "memory_mb"), ("local_gb", "local_gb")):
            total[f"total_{name}_usage"] = sum(entry[member] * entry["hours"] for entry in entries)
        if detailed:
            total["server_usages"] = entries
        return total


def _entry(server: Server, start: float, stop: float, now: float) -> dict[str, Any] | None:
    """Return what one server used between two times; None where it was not there."""
    begun = server.launched_at or server.created_at
    ended = server.terminated_at or now
    seconds = min(stop, ended) - max(start, begun)
    if seconds <= 0:
        return None
    return {
        "instance_id": server.id,
        "name": server.name,
        "tenant_id": server.project_id,
        "flavor": server.flavor["name"],
        "hours": seconds / 3600,
        "vcpus": server.flavor["vcpus"],
        "memory_mb": server.flavor["ram"],
        "local_gb": server.flavor["disk"] + server.flavor["ephemeral"],
        "started_at": plain(begun),
        "ended_at": plain(server.terminated_at),
        "state": "terminated" if server.terminated_at else server.vm_state,
        "uptime": int(ended - begun),
    }
