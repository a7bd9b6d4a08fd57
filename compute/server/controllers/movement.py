"""Actions that move a server or change its size: resize, migrate, evacuate, live migration.

resize ──▶ a host is chosen ──▶ the old host commits the disk ──▶ the new one starts from it ──▶
VERIFY_RESIZE
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, insert, update
from webob import Response

from ....common.errors import Missing
from ...api.call import Call
from ...api.faults import BadRequest
from ...api.reply import answer, empty
from .. import fleet, tables
from ..ordering import disk_config_of, reference_of
from ..quotas import check, limits_of
from ..records import Server
from ..states import VmState, begin
from ..world import World
from .rim import minor, since
from .wishes import undertake


class Movement:
    """The actions that move servers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def actions(self) -> Mapping[str, Callable[[Call, Server, Any], Response]]:
        """Return the actions by their name in the request."""
        return {
            "resize": self.resize,
            "migrate": self.migrate,
            "confirmResize": self.confirm,
            "revertResize": self.revert,
            "os-migrateLive": self.live,
            "evacuate": self.evacuate,
        }

    def resize(self, call: Call, server: Server, argument: Any) -> Response:
        """Give it another flavor, on any host."""
        asked = argument if isinstance(argument, dict) else {}
        wanted = reference_of(str(asked.get("flavorRef") or ""))
        with self._world.catalogue.read() as connection:
            try:
                flavor = fleet.flavor_of(connection, wanted, None if call.is_admin else call.project_id)
            except Missing as problem:
                raise BadRequest(f"Flavor {wanted} could not be found.") from problem
            if flavor.id == server.flavor["id"]:
                raise BadRequest("When resizing, instances must change flavor!")
            if server.image_id and flavor.disk < server.flavor["disk"]:
                raise BadRequest("Resize to a smaller disk is not possible: the disk would be cut.")
            limits = limits_of(fleet.own_limits(connection, server.project_id))
            more = {
                "cores": flavor.vcpus - server.flavor["vcpus"], "ram": flavor.ram - server.flavor["ram"],
            }  # fmt: skip
            check(limits, fleet.used_by(connection, server.project_id), more)
        values = {"disk_config": disk_config} if (disk_config := disk_config_of(asked)) else {}
        self._move(call, server, "resize", {"flavor": flavor.picture()}, flavor.name, **values)
        return empty(202)

    def migrate(self, call: Call, server: Server, argument: Any) -> Response:
        """Move it to another host, cold."""
        call.require("admin")
        task: dict[str, Any] = {"avoid": [server.host]}
        if isinstance(argument, dict) and argument.get("host"):
            since(call, 56)
            task["host"] = argument["host"]
        self._move(call, server, "migrate", task, server.flavor["name"])
        return empty(202)

    def _move(
        self, call: Call, server: Server, action: str, task: Mapping[str, Any], flavor: str, **values: Any
    ) -> None:
        task = {**task, "move": uuid.uuid4().hex[:8], **staying_off(server)}
        undertake(self._world, call, server, action, action, task=task, **values)
        kind = "resize" if action == "resize" else "migration"
        with self._world.catalogue.write() as connection:
            add_migration(connection, call, server, kind, flavor, self._world.clock())

    def confirm(self, call: Call, server: Server, argument: Any) -> Response:
        """Keep the new size; the old host forgets the server."""
        del argument
        task = _as_before(server)
        undertake(self._world, call, server, "confirmResize", "confirmResize", before_resize=None, task=task)
        self._settle(server, "confirmed")
        return empty(204)

    def revert(self, call: Call, server: Server, argument: Any) -> Response:
        """Go back to the old size and host, with the disk as it was when it was resized."""
        del argument
        before = server.before_resize or {}
        if before.get("host", server.host) != server.host:  # First the volumes must be let go of there.
            undertake(
                self._world,
                call,
                server,
                "revertResize",
                "revertResize",
                task={"leaving": True, **_as_before(server)},
            )
            self._settle(server, "reverted")
            return empty(202)
        values = {name: before[name] for name in ("flavor", "host", "zone", "map_id") if name in before}
        values["task"] = _as_before(server)
        undertake(self._world, call, server, "revertResize", "revertResize", before_resize=None, **values)
        self._settle(server, "reverted")
        return empty(202)

    def _settle(self, server: Server, status: str) -> None:
        with self._world.catalogue.write() as connection:
            set_migration(connection, server.id, status, self._world.clock())

    def live(self, call: Call, server: Server, argument: Any) -> Response:
        """Move it while it runs."""
        call.require("admin")
        asked = argument if isinstance(argument, dict) else {}
        begin("os-migrateLive", server.standing, server_id=server.id, is_admin=True)
        with self._world.catalogue.read() as connection:
            hosts = fleet.host_states(connection, self._world.clock(), self._world.settings.silence_seconds)
        if asked.get("host") == server.host:
            raise BadRequest(f"Unable to migrate instance ({server.id}) to current host ({server.host}).")
        wanted = server.wanted(host=asked.get("host") or None, avoided_hosts=frozenset({str(server.host)}))
        target = self._world.choose_host(hosts, wanted)
        task = {"target": target.name, "target_zone": target.zone, "move": uuid.uuid4().hex[:8]}
        undertake(self._world, call, server, "os-migrateLive", "live-migration", task=task)
        with self._world.catalogue.write() as connection:
            add_migration(
                connection,
                call,
                server,
                "live-migration",
                server.flavor["name"],
                self._world.clock(),
                target.name,
            )
        return empty(202)

    def evacuate(self, call: Call, server: Server, argument: Any) -> Response:
        """Start it elsewhere from what its disk was when it was last committed; its host must be down."""
        call.require("admin")
        asked = argument if isinstance(argument, dict) else {}
        with self._world.catalogue.read() as connection:
            host = fleet.host_named(connection, str(server.host))
        if host.is_up(self._world.clock(), self._world.settings.silence_seconds):
            raise BadRequest(f"Compute service of {server.host} is still in use.")
        task = {"evacuate": True, "avoid": [server.host], "host": asked.get("host"), **staying_off(server)}
        undertake(self._world, call, server, "evacuate", "evacuate", task=task)
        with self._world.catalogue.write() as connection:
            add_migration(connection, call, server, "evacuation", server.flavor["name"], self._world.clock())
        return empty(200) if minor(call) >= 14 else answer(200, {"adminPass": server.admin_password})


def staying_off(server: Server) -> dict[str, bool]:
    """Return what the task of a server that is stopped says: it is not to run when it has ended."""
    return {"stays_off": True} if server.vm_state == VmState.STOPPED else {}


def _as_before(server: Server) -> dict[str, bool]:
    """Return the same for a server that was resized while it was stopped."""
    return {"stays_off": True} if (server.before_resize or {}).get("stays_off") else {}


def add_migration(
    connection: Connection,
    call: Call,
    server: Server,
    kind: str,
    flavor: str,
    now: float,
    target: str | None = None,
) -> None:
    """Note that a server moves."""
    connection.execute(
        insert(tables.migrations).values(
            uuid=str(uuid.uuid4()),
            server_id=server.id,
            project_id=server.project_id,
            user_id=call.identity.user_id,
            kind=kind,
            status="running" if kind == "live-migration" else "migrating",
            source=server.host,
            target=target,
            old_flavor=server.flavor["name"],
            new_flavor=flavor,
            created_at=now,
            updated_at=now,
        )
    )


def set_migration(
    connection: Connection, server_id: str, status: str, now: float, target: str | None = None
) -> None:
    """Note how the server's latest move stands."""
    table = tables.migrations
    newest = connection.execute(
        table.select().where(table.c.server_id == server_id).order_by(table.c.id.desc()).limit(1)
    ).first()
    if newest is not None:
        values: dict[str, Any] = {"status": status, "updated_at": now}
        if target:
            values["target"] = target
        connection.execute(update(table).where(table.c.id == newest.id).values(**values))
