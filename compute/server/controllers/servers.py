"""Servers: lists, one, changes of its name and the like, and its end.

GET /servers[/detail]?status=&name=&… ──▶ a page        PUT ──▶ changed        DELETE ──▶ deleting
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from webob import Response

from ....common.errors import Missing
from ...api.call import Call
from ...api.faults import BadRequest, Fault
from ...api.paging import Page, next_link
from ...api.reply import answer, empty
from ...api.routing import served
from ...api.times import seconds_of
from .. import fleet, tables
from ..ordering import changes_of, hostname_of
from ..records import Server
from ..states import begin, states_of
from ..views import server as view
from ..views.server import Shown
from ..world import World, record_action
from .rim import api_url, form_of, minor, scope_of, text

_SAME = (
    *("created_at", "updated_at", "name", "vm_state", "host", "key_name", "task_state", "power_state"),
    *("launched_at", "hostname", "user_id", "project_id", "launch_index"),
)
_SORTABLE = {
    **{name: name for name in _SAME},
    "uuid": "id",
    "display_name": "name",
    "status": "vm_state",
    "availability_zone": "zone",
    "image_ref": "image_id",
}


def shown_of(world: World, servers: Sequence[Server], *, hosts: bool, floating: bool = True) -> list[Shown]:
    """Return servers with all that stands beside them."""
    ids = [server.id for server in servers]
    statuses: dict[str, str] = {}
    with world.catalogue.read() as connection:
        devices = fleet.devices_of(connection, ids)
        interfaces = fleet.interfaces_of(connection, ids)
        if hosts:
            now, silence = world.clock(), world.settings.silence_seconds
            for host in fleet.hosts_of(connection):
                up = "UP" if host.is_up(now, silence) else "DOWN"
                statuses[host.name] = "MAINTENANCE" if host.disabled else up
    leads: dict[str, dict[str, list[str]]] = {}
    for project in {server.project_id for server in servers if interfaces[server.id]} if floating else ():
        try:
            leads[project] = world.networks.floating(project)
        except (Fault, Missing):
            leads[project] = {}
    return [
        Shown(
            server=server,
            devices=devices[server.id],
            interfaces=interfaces[server.id],
            floating=leads.get(server.project_id, {}),
            host_status=statuses.get(server.host or "", ""),
        )
        for server in servers
    ]


class ServerController:
    """Serves /servers but for POST and actions."""

    def __init__(self, world: World) -> None:
        self._world = world

    @served("GET HEAD", "/v2.1/servers")
    def index(self, call: Call) -> Response:
        """List ids and names."""
        servers, links = self._page(call)
        written = [view.reference(server, api_url(call)) for server in servers]
        return answer(200, {"servers": written, **links})

    @served("GET HEAD", "/v2.1/servers/detail")
    def detail(self, call: Call) -> Response:
        """List whole servers."""
        servers, links = self._page(call)
        form = form_of(call)
        shown = shown_of(self._world, servers, hosts=call.is_admin)
        return answer(200, {"servers": [view.document(each, form) for each in shown], **links})

    def _page(self, call: Call) -> tuple[list[Server], dict[str, Any]]:
        page = Page.of(call)
        found = [server for server in self._found(call) if _matches(server, call)]
        key = call.query.get("sort_key", "created_at")
        if key not in _SORTABLE:
            raise BadRequest(f"sort_key={key!r} is no column of a server")
        column = _SORTABLE[key]
        backwards = call.query.get("sort_dir", "desc") == "desc"
        found.sort(
            key=lambda s: (getattr(s, column) is not None, getattr(s, column), s.id), reverse=backwards
        )
        shown, more = page.cut(found, lambda server: server.id)
        links: dict[str, Any] = {}
        if more and shown:
            links["servers_links"] = [{"rel": "next", "href": next_link(call, shown[-1].id)}]
        return shown, links

    def _found(self, call: Call) -> list[Server]:
        """Return the project's servers, or all for an administrator who says so; by address where asked."""
        query, table = call.query, tables.servers
        statement = select(table)
        everyone = call.is_admin and query.get("all_tenants", "0").lower() in ("1", "true", "")
        if not everyone:
            statement = statement.where(table.c.project_id == call.project_id)
        elif query.get("project_id") or query.get("tenant_id"):
            wanted = query.get("project_id") or query.get("tenant_id")
            statement = statement.where(table.c.project_id == wanted)
        if not (call.is_admin and query.get("deleted", "").lower() in ("1", "true")) and not (
            "changes-since" in query or (query.get("status", "").upper() == "DELETED" and call.is_admin)
        ):
            statement = statement.where(table.c.terminated_at.is_(None))
        elif "changes-since" not in query:
            statement = statement.where(table.c.terminated_at.is_not(None))
        with self._world.catalogue.read() as connection:
            servers = [Server.of(row) for row in connection.execute(statement)]
            if query.get("ip") or query.get("ip6"):
                servers = _by_address(connection, servers, query)
        return servers

    @served("GET HEAD", "/v2.1/servers/{server_id}")
    def show(self, call: Call, server_id: str) -> Response:
        """Show one."""
        with self._world.catalogue.read() as connection:
            server = fleet.server_of(connection, server_id, scope_of(call))
        shown = shown_of(self._world, [server], hosts=call.is_admin)
        return answer(200, {"server": view.document(shown[0], form_of(call), alone=True)})

    @served("PUT", "/v2.1/servers/{server_id}")
    def change(self, call: Call, server_id: str) -> Response:
        """Change name, description, host name or access addresses."""
        asked = call.member("server")
        values: dict[str, Any] = {}
        if "name" in asked:
            values["name"] = text(asked, "name")
        for member, column, version in (
            ("description", "description", 19), ("hostname", "hostname", 90),
        ):  # fmt: skip
            if member in asked:
                if minor(call) < version:
                    raise BadRequest(f"{member} is not taken before microversion 2.{version}.")
                values[column] = asked[member]
        if "hostname" in values:
            values["hostname"] = hostname_of(asked["hostname"], minor(call))
        values |= changes_of(asked)
        with self._world.catalogue.write() as connection:
            server = fleet.server_of(connection, server_id, scope_of(call))
            fleet.change(connection, server, self._world.clock(), **values)
            server = fleet.server_of(connection, server_id)
        shown = shown_of(self._world, [server], hosts=call.is_admin)
        return answer(200, {"server": view.changed(shown[0], form_of(call))})

    @served("DELETE", "/v2.1/servers/{server_id}")
    def remove(self, call: Call, server_id: str) -> Response:
        """Have it deleted; a second request meanwhile changes nothing."""
        end(self._world, call, server_id)
        return empty(204)


def end(world: World, call: Call, server_id: str) -> None:
    """Begin a server's deletion; where its host is down the service does it without."""

    def write(connection: Any) -> None:
        server = fleet.server_of(connection, server_id, scope_of(call))
        if server.task_state == "deleting":
            return
        task = begin("delete", server.standing, server_id=server.id, is_admin=call.is_admin)
        now = world.clock()
        values: dict[str, Any] = {"task_state": task}
        if server.host is not None:
            host = fleet.host_named(connection, server.host)
            if not host.is_up(now, world.settings.silence_seconds):
                values["host"] = None
        fleet.change(connection, server, now, **values)
        record_action(
            connection,
            server_id=server.id,
            action="delete",
            request_id=call.request_id,
            user_id=call.identity.user_id,
            project_id=call.identity.project_id or "",
            now=now,
        )

    world.catalogue.transaction(write)
    world.wake(server_id)


def _matches(server: Server, call: Call) -> bool:
    """Whether the server is what the query's filters ask."""
    query = call.query
    for name, column in (("flavor", server.flavor["id"]), ("image", server.image_id)):
        if query.get(name) and query[name].rstrip("/").rsplit("/", 1)[-1] != column:
            return False
    for name, value in (
        ("uuid", server.id), ("user_id", server.user_id), ("key_name", server.key_name),
        ("reservation_id", server.reservation_id), ("availability_zone", server.zone),
        ("vm_state", server.vm_state), ("task_state", server.task_state), ("hostname", server.hostname),
        ("description", server.description),
    ):  # fmt: skip
        if name in query and query[name] != (value or ""):
            return False
    if call.is_admin and query.get("host") and query["host"] != server.host:
        return False
    if query.get("name") and not _pattern(query["name"]).search(server.name):
        return False
    return _matches_state(server, call) and _matches_tags(server, query)


def _matches_state(server: Server, call: Call) -> bool:
    statuses = [value for value in call.request.GET.getall("status") if value]
    if statuses:
        known = [status for status in statuses if states_of(status)]
        if server.status not in [status.upper() for status in known]:
            return False
    if "changes-since" in call.query:
        try:
            since = seconds_of(call.query["changes-since"])
        except ValueError as problem:
            raise BadRequest("changes-since is no time") from problem
        if server.updated_at < since:
            return False
    locked = call.query.get("locked")
    return locked is None or minor(call) < 73 or bool(server.locked_by) == (locked.lower() in ("1", "true"))


def _matches_tags(server: Server, query: Mapping[str, str]) -> bool:
    have = set(server.tags)
    asked = {name: set(query[name].split(",")) for name in ("tags", "tags-any", "not-tags", "not-tags-any")
             if query.get(name)}  # fmt: skip
    return (
        asked.get("tags", set()) <= have
        and ("tags-any" not in asked or bool(asked["tags-any"] & have))
        and ("not-tags" not in asked or not asked["not-tags"] <= have)
        and not asked.get("not-tags-any", set()) & have
    )


def _pattern(expression: str) -> re.Pattern[str]:
    """Return the expression compiled; one that is none, or is long, is taken as plain text."""
    try:
        return re.compile(expression if len(expression) <= 64 else re.escape(expression), re.IGNORECASE)
    except re.error:
        return re.compile(re.escape(expression), re.IGNORECASE)


def _by_address(connection: Any, servers: list[Server], query: Mapping[str, str]) -> list[Server]:
    interfaces = fleet.interfaces_of(connection, [server.id for server in servers])
    kept = []
    for server in servers:
        addresses = [entry for port in interfaces[server.id] for entry in port.addresses]
        if all(
            any(entry.get("version", 4) == version and _pattern(query[name]).search(entry["address"])
                for entry in addresses)
            for name, version in (("ip", 4), ("ip6", 6))
            if query.get(name)
        ):  # fmt: skip
            kept.append(server)
    return kept
