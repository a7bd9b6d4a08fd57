"""Passwords that guests make themselves, encrypted with the server's public key, for who has the private one.

guest: POST openstack/latest/password ──▶ kept, once ──▶ GET …/os-server-password, nova get-password KEY
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Conflict
from ...api.reply import answer, empty
from ...api.routing import served
from .. import fleet, tables
from ..records import Server
from ..world import World
from .rim import scope_of

# As long as Nova lets it be.
PASSWORD_BYTES_MAX = 1020


class GuestPasswordController:
    """Serves os-server-password."""

    def __init__(self, world: World) -> None:
        self._world = world

    @served("GET HEAD", "/v2.1/servers/{server_id}/os-server-password")
    def show(self, call: Call, server_id: str) -> Response:
        """Show what the guest has left; a guest that has left nothing has an empty one."""
        with self._world.catalogue.read() as connection:
            server = fleet.server_of(connection, server_id, scope_of(call))
            return answer(200, {"password": password_of(connection, server)})

    @served("DELETE", "/v2.1/servers/{server_id}/os-server-password")
    def clear(self, call: Call, server_id: str) -> Response:
        """Forget it, so that the guest can leave another."""
        table = tables.guest_passwords

        def write(connection: Connection) -> None:
            server = fleet.server_of(connection, server_id, scope_of(call))
            connection.execute(delete(table).where(table.c.server_id == server.id))

        self._world.catalogue.transaction(write)
        return empty(204)


def password_of(connection: Connection, server: Server) -> str:
    """Return what the guest has left, "" for nothing."""
    table = tables.guest_passwords
    found = connection.execute(select(table.c.password).where(table.c.server_id == server.id)).scalar()
    return str(found or "")


def leave_password(world: World, server: Server, body: bytes) -> None:
    """Keep what a guest sends.

    Raises:
        BadRequest: it is too long, or no text.
        Conflict: there is one already.
    """
    if len(body) > PASSWORD_BYTES_MAX or not body.isascii():
        raise BadRequest(f"A password is a text of up to {PASSWORD_BYTES_MAX} bytes.")

    def write(connection: Connection) -> None:
        if password_of(connection, server):
            raise Conflict("A password has been left already.")
        connection.execute(insert(tables.guest_passwords).values(server_id=server.id, password=body.decode()))

    world.catalogue.transaction(write)
