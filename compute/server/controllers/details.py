"""What hangs on a server: metadata, tags, addresses, the record of actions, consoles.

PUT /servers/{id}/metadata/{key} ──▶ the catalogue          os-getConsoleOutput ──▶ what the agent last
sent
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, NotFound
from ...api.paging import Page, next_link
from ...api.reply import answer, empty
from ...api.routing import served
from ...api.times import plain, seconds_of
from .. import fleet, tables
from ..ordering import TAGS_MAX, tags_of
from ..quotas import limits_of
from ..records import Server
from ..states import begin
from ..views.server import Shown, addresses
from ..world import World
from .rim import api_url, minor, pairs, scope_of, since


class DetailController:
    """Serves metadata, tags, ips and os-instance-actions."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _read(self, call: Call, server_id: str) -> Server:
        with self._world.catalogue.read() as connection:
            return fleet.server_of(connection, server_id, scope_of(call))

    @served("GET HEAD", "/v2.1/servers/{server_id}/metadata")
    def metadata(self, call: Call, server_id: str) -> Response:
        """Show the metadata."""
        return answer(200, {"metadata": dict(self._read(call, server_id).metadata)})

    @served("POST", "/v2.1/servers/{server_id}/metadata")
    def add_metadata(self, call: Call, server_id: str) -> Response:
        """Add to the metadata."""
        return self._set_metadata(call, server_id, call.member("metadata"), keep=True)

    @served("PUT", "/v2.1/servers/{server_id}/metadata")
    def replace_metadata(self, call: Call, server_id: str) -> Response:
        """Replace the metadata."""
        return self._set_metadata(call, server_id, call.member("metadata"), keep=False)

    def _set_metadata(self, call: Call, server_id: str, given: Mapping[str, Any], *, keep: bool) -> Response:
        def write(connection: Connection) -> dict[str, str]:
            server = fleet.server_of(connection, server_id, scope_of(call))
            begin("metadata", server.standing, server_id=server.id, is_admin=call.is_admin)
            most = limits_of(fleet.own_limits(connection, server.project_id))["metadata_items"]
            changed = pairs({**(server.metadata if keep else {}), **given}, most=most)
            fleet.change(connection, server, self._world.clock(), metadata=changed)
            return changed

        return answer(200, {"metadata": self._world.catalogue.transaction(write)})

    @served("GET HEAD", "/v2.1/servers/{server_id}/metadata/{key}")
    def item(self, call: Call, server_id: str, key: str) -> Response:
        """Show one item."""
        found = self._read(call, server_id).metadata
        if key not in found:
            raise NotFound("Metadata item was not found")
        return answer(200, {"meta": {key: found[key]}})

    @served("PUT", "/v2.1/servers/{server_id}/metadata/{key}")
    def set_item(self, call: Call, server_id: str, key: str) -> Response:
        """Set one item."""
        meta = call.member("meta")
        if list(meta) != [key]:
            raise BadRequest("Request body and URI mismatch")
        self._set_metadata(call, server_id, meta, keep=True)
        return answer(200, {"meta": meta})

    @served("DELETE", "/v2.1/servers/{server_id}/metadata/{key}")
    def remove_item(self, call: Call, server_id: str, key: str) -> Response:
        """Remove one item."""
        server = self._read(call, server_id)
        if key not in server.metadata:
            raise NotFound("Metadata item was not found")
        left = {name: value for name, value in server.metadata.items() if name != key}
        self._set_metadata(call, server_id, left, keep=False)
        return empty(204)

    @served("GET HEAD", "/v2.1/servers/{server_id}/tags")
    def tags(self, call: Call, server_id: str) -> Response:
        """List the tags."""
        since(call, 26)
        return answer(200, {"tags": list(self._read(call, server_id).tags)})

    def _set_tags(self, call: Call, server_id: str, tags: list[str]) -> None:
        tags_of(tags)
        with self._world.catalogue.write() as connection:
            server = fleet.server_of(connection, server_id, scope_of(call))
            fleet.change(connection, server, self._world.clock(), tags=tags)

    @served("PUT", "/v2.1/servers/{server_id}/tags")
    def replace_tags(self, call: Call, server_id: str) -> Response:
        """Replace the tags."""
        since(call, 26)
        tags = list(tags_of(call.json("tags")["tags"]))
        self._set_tags(call, server_id, tags)
        return answer(200, {"tags": tags})

    @served("DELETE", "/v2.1/servers/{server_id}/tags")
    def remove_tags(self, call: Call, server_id: str) -> Response:
        """Remove all tags."""
        since(call, 26)
        self._set_tags(call, server_id, [])
        return empty(204)

    @served("GET HEAD", "/v2.1/servers/{server_id}/tags/{tag}")
    def tag(self, call: Call, server_id: str, tag: str) -> Response:
        """Say whether it has the tag."""
        since(call, 26)
        if tag not in self._read(call, server_id).tags:
            raise NotFound(f"Server {server_id} has no tag '{tag}'")
        return empty(204)

    @served("PUT", "/v2.1/servers/{server_id}/tags/{tag}")
    def add_tag(self, call: Call, server_id: str, tag: str) -> Response:
        """Add a tag."""
        since(call, 26)
        have = self._read(call, server_id).tags
        if tag in have:
            return empty(204)
        if len(have) >= TAGS_MAX:
            raise BadRequest(f"The number of tags exceeded the per-server limit {TAGS_MAX}")
        self._set_tags(call, server_id, [*have, tag])
        return empty(201, {"Location": f"{api_url(call)}/servers/{server_id}/tags/{tag}"})

    @served("DELETE", "/v2.1/servers/{server_id}/tags/{tag}")
    def remove_tag(self, call: Call, server_id: str, tag: str) -> Response:
        """Remove a tag."""
        since(call, 26)
        have = self._read(call, server_id).tags
        if tag not in have:
            raise NotFound(f"Server {server_id} has no tag '{tag}'")
        self._set_tags(call, server_id, [name for name in have if name != tag])
        return empty(204)

    def _addresses(self, call: Call, server_id: str) -> dict[str, list[dict[str, Any]]]:
        server = self._read(call, server_id)
        with self._world.catalogue.read() as connection:
            ports = fleet.interfaces_of(connection, [server.id])[server.id]
        found = addresses(Shown(server=server, interfaces=ports))
        return {
            name: [{"addr": entry["addr"], "version": entry["version"]} for entry in entries]
            for name, entries in found.items()
        }

    @served("GET HEAD", "/v2.1/servers/{server_id}/ips")
    def ips(self, call: Call, server_id: str) -> Response:
        """List the addresses by network."""
        return answer(200, {"addresses": self._addresses(call, server_id)})

    @served("GET HEAD", "/v2.1/servers/{server_id}/ips/{network}")
    def ips_of(self, call: Call, server_id: str, network: str) -> Response:
        """List the addresses on one network."""
        found = self._addresses(call, server_id)
        if network not in found:
            raise NotFound("Instance does not have addresses on this network.")
        return answer(200, {network: found[network]})

    @served("GET HEAD", "/v2.1/servers/{server_id}/os-instance-actions")
    def actions(self, call: Call, server_id: str) -> Response:
        """List what was asked of the server, newest first."""
        self._check_reach(call, server_id)
        table = tables.actions
        with self._world.catalogue.read() as connection:
            rows = list(
                connection.execute(
                    select(table).where(table.c.server_id == server_id).order_by(table.c.id.desc())
                )
            )
        query, document = call.query, {}
        if minor(call) >= 58:
            try:
                rows = [row for row in rows if _within(row.updated_at, query)]
            except ValueError as problem:
                raise BadRequest("changes-since or changes-before is no time") from problem
            rows, more = Page.of(call).cut(rows, lambda row: str(row.request_id))
            if more and rows:
                link = next_link(call, str(rows[-1].request_id))
                document["links"] = [{"rel": "next", "href": link}]
        return answer(200, {"instanceActions": [_action(row, call) for row in rows], **document})

    def _check_reach(self, call: Call, server_id: str) -> None:
        """Let an owner see the record of a server that is deleted, too (since 2.21)."""
        if minor(call) < 21:
            self._read(call, server_id)
            return
        table = tables.servers
        with self._world.catalogue.read() as connection:
            row = connection.execute(select(table.c.project_id).where(table.c.id == server_id)).first()
        if row is None or not (call.is_admin or row.project_id == call.project_id):
            raise NotFound(f"Instance {server_id} could not be found.")

    @served("GET HEAD", "/v2.1/servers/{server_id}/os-instance-actions/{request_id}")
    def action(self, call: Call, server_id: str, request_id: str) -> Response:
        """Show one action with its events."""
        self._check_reach(call, server_id)
        table, events = tables.actions, tables.events
        with self._world.catalogue.read() as connection:
            row = connection.execute(
                select(table).where(table.c.server_id == server_id, table.c.request_id == request_id)
            ).first()
            if row is None:
                raise NotFound(f"Action {request_id} not found")
            found = list(
                connection.execute(select(events).where(events.c.action_id == row.id).order_by(events.c.id))
            )
        document = _action(row, call)
        document["events"] = [_event(event, call) for event in found]
        return answer(200, {"instanceAction": document})


def _within(updated_at: float, query: Mapping[str, str]) -> bool:
    since_time, before = query.get("changes-since"), query.get("changes-before")
    return (since_time is None or updated_at >= seconds_of(since_time)) and (
        before is None or updated_at <= seconds_of(before)
    )


def _action(row: Any, call: Call) -> dict[str, Any]:
    document = {
        "action": row.action,
        "instance_uuid": row.server_id,
        "request_id": row.request_id,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "start_time": plain(row.started_at),
        "message": row.message,
    }
    if minor(call) >= 58:
        document["updated_at"] = plain(row.updated_at)
    return document


def _event(row: Any, call: Call) -> dict[str, Any]:
    document = {
        "event": row.event,
        "start_time": plain(row.started_at),
        "finish_time": plain(row.finished_at),
        "result": row.result,
    }
    if call.is_admin:
        document["traceback"] = row.details
        document["host"] = row.host
    if minor(call) >= 62:
        document["hostId"] = ""
    if minor(call) >= 84:
        document["details"] = row.details
    return document
