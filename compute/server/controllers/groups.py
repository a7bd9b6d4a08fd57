"""Server groups: servers that shall be, or shall not be, on one host.

POST {"server_group": {"name", "policy"}} ──▶ a group; servers join it by the hint `group` when they are made
"""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, NotFound
from ...api.paging import Page
from ...api.reply import answer, empty
from ...api.routing import served
from .. import fleet, tables
from ..quotas import check, limits_of
from ..world import World
from .rim import minor, text, whole

POLICIES = ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity")


class GroupController:
    """Serves /os-server-groups."""

    def __init__(self, world: World) -> None:
        self._world = world

    @served("GET HEAD", "/v2.1/os-server-groups")
    def index(self, call: Call) -> Response:
        """List the project's groups."""
        table = tables.server_groups
        query = select(table).order_by(table.c.created_at, table.c.id)
        if not (call.is_admin and "all_projects" in call.query):
            query = query.where(table.c.project_id == call.project_id)
        with self._world.catalogue.read() as connection:
            rows, _ = Page.of(call).cut(list(connection.execute(query)), lambda row: str(row.id))
            written = [self._written(connection, row, call) for row in rows]
        return answer(200, {"server_groups": written})

    def _row(self, connection: Connection, call: Call, group_id: str) -> Any:
        table = tables.server_groups
        row = connection.execute(select(table).where(table.c.id == group_id)).first()
        if row is None or not (call.is_admin or row.project_id == call.project_id):
            raise NotFound(f"Instance group {group_id} could not be found.")
        return row

    @served("GET HEAD", "/v2.1/os-server-groups/{group_id}")
    def show(self, call: Call, group_id: str) -> Response:
        """Show one."""
        with self._world.catalogue.read() as connection:
            written = self._written(connection, self._row(connection, call, group_id), call)
        return answer(200, {"server_group": written})

    @served("POST", "/v2.1/os-server-groups")
    def create(self, call: Call) -> Response:
        """Make one."""
        asked = call.member("server_group")
        name = text(asked, "name")
        policy, most = self._policy(call, asked)
        project, group_id = call.project_id, str(uuid.uuid4())

        def write(connection: Connection) -> dict[str, Any]:
            limits = limits_of(fleet.own_limits(connection, project))
            check(limits, fleet.used_by(connection, project), {"server_groups": 1})
            values = {
                "id": group_id,
                "project_id": project,
                "user_id": call.identity.user_id,
                "name": name,
                "policy": policy,
                "max_server_per_host": most,
                "created_at": self._world.clock(),
            }
            connection.execute(insert(tables.server_groups).values(**values))
            return self._written(connection, self._row(connection, call, group_id), call)

        return answer(200, {"server_group": self._world.catalogue.transaction(write)})

    def _policy(self, call: Call, asked: dict[str, Any]) -> tuple[str, int | None]:
        """Return policy and rule: one in a list up to 2.63, one word and rules since."""
        if minor(call) < 64:
            policies = asked.get("policies")
            if not isinstance(policies, list) or len(policies) != 1 or policies[0] not in POLICIES:
                raise BadRequest(f"policies must be a list of one of {', '.join(POLICIES)}")
            return str(policies[0]), None
        policy = asked.get("policy")
        if policy not in POLICIES:
            raise BadRequest(f"policy must be one of {', '.join(POLICIES)}")
        rules = asked.get("rules") or {}
        if not isinstance(rules, dict) or set(rules) - {"max_server_per_host"}:
            raise BadRequest("The one rule is max_server_per_host.")
        if not rules:
            return str(policy), None
        if policy != "anti-affinity":
            raise BadRequest("Only anti-affinity policy supports rules.")
        return str(policy), whole(rules, "max_server_per_host", least=1)

    def _written(self, connection: Connection, row: Any, call: Call) -> dict[str, Any]:
        servers = tables.servers
        members = connection.execute(
            select(servers.c.id).where(servers.c.group_id == row.id, servers.c.terminated_at.is_(None))
        )
        written: dict[str, Any] = {"id": row.id, "name": row.name, "members": [each.id for each in members]}
        if minor(call) >= 13:
            written |= {"project_id": row.project_id, "user_id": row.user_id}
        if minor(call) < 64:
            return written | {"policies": [row.policy], "metadata": {}}
        rules = {"max_server_per_host": row.max_server_per_host} if row.max_server_per_host else {}
        return written | {"policy": row.policy, "rules": rules}

    @served("DELETE", "/v2.1/os-server-groups/{group_id}")
    def remove(self, call: Call, group_id: str) -> Response:
        """Remove one; its servers stay."""
        with self._world.catalogue.write() as connection:
            row = self._row(connection, call, group_id)
            connection.execute(
                update(tables.servers).where(tables.servers.c.group_id == row.id).values(group_id=None)
            )
            connection.execute(delete(tables.server_groups).where(tables.server_groups.c.id == row.id))
        return empty(204)
