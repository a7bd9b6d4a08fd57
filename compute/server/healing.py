"""Addresses of servers' ports, read anew from the network service: their owners change them there.

    an event of the network service ──▶ refresh(server, port)
    Healer.turn(), again and again ──▶ the next few servers ──▶ refresh(…) of each of their ports

A port that is gone stays with its server here: a network service that has lost its catalogue must not take
the interfaces of running machines away.
"""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from ...common.errors import Unavailable
from ..api.faults import Fault
from . import fleet, tables
from .records import Interface, Server
from .world import World

SERVERS_AT_ONCE = 20


class Healer:
    """Looks after the servers in turn."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._last = ""

    def turn(self) -> None:
        """Refresh the ports of the next few servers that are on a host and have nothing under way.

        Raises:
            Unavailable: the network service does not answer.
        """
        table = tables.servers
        query = (
            select(table)
            .where(table.c.terminated_at.is_(None), table.c.task_state.is_(None), table.c.host.is_not(None))
            .where(table.c.id > self._last)
            .order_by(table.c.id)
            .limit(SERVERS_AT_ONCE)
        )
        with self._world.catalogue.read() as connection:
            servers = [Server.of(row) for row in connection.execute(query)]
            ports = fleet.interfaces_of(connection, [server.id for server in servers])
        self._last = servers[-1].id if len(servers) == SERVERS_AT_ONCE else ""
        for server in servers:
            for port in ports[server.id]:
                if port.state == "attached":
                    refresh(self._world, server, port)


def refresh(world: World, server: Server, port: Interface) -> None:
    """Take over the addresses that the port has now.

    Raises:
        Unavailable: the network service does not answer.
    """
    try:
        found = world.networks.port(port.port_id)
    except Fault as problem:
        if problem.status != 404:
            raise Unavailable(problem.message) from problem
        return
    values = {"addresses": [dict(entry) for entry in found.addresses], "network_name": found.network_name}
    if values == {"addresses": port.addresses, "network_name": port.network_name}:
        return
    table = tables.interfaces

    def write(connection: Connection) -> None:
        connection.execute(update(table).where(table.c.port_id == port.port_id).values(**values))
        fleet.change(connection, server, world.clock())

    world.catalogue.transaction(write)
