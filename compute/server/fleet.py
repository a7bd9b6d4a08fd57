"""The fleet in the catalogue: servers with their disks and ports, hosts, and what is told to whom.

    handlers, conductor, agents' reports ──▶ functions on one Connection ──▶ tables

Each function is one small statement or two of a transaction that the caller holds; none waits for anything
else.
Whatever an agent must see bumps its host's `sequence`, which the agent's long poll watches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from ...common.errors import Missing
from . import tables
from .records import BlockDevice, Flavor, Host, Interface, Server
from .scheduling import Aggregate, HostState
from .states import Task, VmState

DEFAULT_ZONE = "nova"
CLASS_PREFIX = "class:"


def server_of(connection: Connection, server_id: str, project_id: str | None = None) -> Server:
    """Return a server that is not deleted; of that project, where one is given.

    Raises:
        Missing: there is none, or it is another project's.
    """
    query = select(tables.servers).where(
        tables.servers.c.id == server_id, tables.servers.c.terminated_at.is_(None)
    )
    if project_id is not None:
        query = query.where(tables.servers.c.project_id == project_id)
    row = connection.execute(query).first()
    if row is None:
        raise Missing(f"Instance {server_id} could not be found.")
    return Server.of(row)


def change(connection: Connection, server: Server, now: float, **values: Any) -> None:
    """Write these columns of the server, and tell the agents of its host, before and after."""
    connection.execute(
        update(tables.servers).where(tables.servers.c.id == server.id).values(updated_at=now, **values)
    )
    call_hosts(connection, {server.host, values.get("host")})


def call_hosts(connection: Connection, names: Iterable[str | None]) -> None:
    """Let the agents of these hosts look again."""
    for name in sorted({name for name in names if name}):
        connection.execute(
            update(tables.hosts)
            .where(tables.hosts.c.name == name)
            .values(sequence=tables.hosts.c.sequence + 1)
        )


def devices_of(connection: Connection, server_ids: Iterable[str]) -> dict[str, list[BlockDevice]]:
    """Return the disks of servers, in their order."""
    wanted = list(server_ids)
    found: dict[str, list[BlockDevice]] = {server_id: [] for server_id in wanted}
    table = tables.block_devices
    query = select(table).where(table.c.server_id.in_(wanted)).order_by(table.c.position)
    for row in connection.execute(query):
        found[row.server_id].append(BlockDevice.of(row))
    return found


def interfaces_of(connection: Connection, server_ids: Iterable[str]) -> dict[str, list[Interface]]:
    """Return the ports of servers, in their order."""
    wanted = list(server_ids)
    found: dict[str, list[Interface]] = {server_id: [] for server_id in wanted}
    table = tables.interfaces
    query = select(table).where(table.c.server_id.in_(wanted)).order_by(table.c.position)
    for row in connection.execute(query):
        found[row.server_id].append(Interface.of(row))
    return found


def flavor_of(connection: Connection, flavor_id: str, project_id: str | None = None) -> Flavor:
    """Return a flavor; where a project is given, only one that it may use.

    Raises:
        Missing: there is none for it.
    """
    row = connection.execute(select(tables.flavors).where(tables.flavors.c.id == flavor_id)).first()
    if row is None:
        raise Missing(f"Flavor {flavor_id} could not be found.")
    flavor = Flavor.of(row)
    if project_id is not None and not flavor.is_public and project_id not in flavor.projects:
        raise Missing(f"Flavor {flavor_id} could not be found.")
    return flavor


def hosts_of(connection: Connection) -> list[Host]:
    """Return every host, by name."""
    return [Host.of(row) for row in connection.execute(select(tables.hosts).order_by(tables.hosts.c.name))]


def host_named(connection: Connection, name: str) -> Host:
    """Return a host; raise Missing for an unknown one."""
    row = connection.execute(select(tables.hosts).where(tables.hosts.c.name == name)).first()
    if row is None:
        raise Missing(f"Compute host {name} could not be found.")
    return Host.of(row)


def zone_of_hosts(connection: Connection) -> dict[str, str]:
    """Return the availability zone of each host that an aggregate puts into one."""
    zones: dict[str, str] = {}
    for row in connection.execute(select(tables.aggregates).order_by(tables.aggregates.c.id)):
        zone = row.metadata.get("availability_zone")
        if zone:
            zones.update(dict.fromkeys(row.hosts, zone))
    return zones


def used_of_hosts(connection: Connection) -> dict[str, list[Server]]:
    """Return the servers that stand on, or are promised to, each host."""
    table = tables.servers
    query = select(table).where(
        table.c.terminated_at.is_(None), table.c.host.is_not(None), table.c.vm_state != VmState.OFFLOADED
    )
    placed: dict[str, list[Server]] = {}
    for row in connection.execute(query):
        server = Server.of(row)
        placed.setdefault(str(server.host), []).append(server)
        target = server.task.get("target") or (server.before_resize or {}).get("host")
        if target and target != server.host:
            placed.setdefault(target, []).append(server)
    return placed


def host_states(connection: Connection, now: float, silence_seconds: float) -> list[HostState]:
    """Return every host as the scheduler sees it."""
    placed = used_of_hosts(connection)
    zones = zone_of_hosts(connection)
    groups = list(connection.execute(select(tables.aggregates)))
    states: list[HostState] = []
    for host in hosts_of(connection):
        servers = placed.get(host.name, [])
        facts = host.resources
        states.append(
            HostState(
                name=host.name,
                up=host.is_up(now, silence_seconds),
                enabled=not host.disabled,
                vcpus=facts["vcpus"],
                memory_mib=facts["memory_mib"],
                disk_gib=facts["disk_gib"],
                vcpus_used=sum(server.flavor["vcpus"] for server in servers),
                memory_mib_used=sum(server.flavor["ram"] for server in servers),
                disk_gib_used=sum(server.flavor["disk"] + server.flavor["ephemeral"] for server in servers),
                building=sum(server.task_state == Task.SPAWNING for server in servers),
                servers=frozenset(server.id for server in servers),
                zone=zones.get(host.name, DEFAULT_ZONE),
                hypervisor_type=facts["hypervisor_type"],
                aggregates=tuple(
                    Aggregate(name=row.name, metadata=row.metadata)
                    for row in groups
                    if host.name in row.hosts
                ),
            )
        )
    return states


def used_by(connection: Connection, project_id: str) -> dict[str, int]:
    """Return how many servers, processors and MiB of memory the project has."""
    table = tables.servers
    query = select(table.c.flavor).where(table.c.project_id == project_id, table.c.terminated_at.is_(None))
    flavors = [row.flavor for row in connection.execute(query)]
    groups = connection.execute(
        select(func.count())
        .select_from(tables.server_groups)
        .where(tables.server_groups.c.project_id == project_id)
    ).scalar_one()
    return {
        "instances": len(flavors),
        "cores": sum(flavor["vcpus"] for flavor in flavors),
        "ram": sum(flavor["ram"] for flavor in flavors),
        "server_groups": groups,
    }


def own_limits(connection: Connection, owner: str) -> dict[str, int]:
    """Return the limits that were set for a project, or for `class:<name>`."""
    query = select(tables.quotas).where(tables.quotas.c.owner == owner)
    return {row.resource: row.amount for row in connection.execute(query)}


def set_limits(connection: Connection, owner: str, limits: Mapping[str, int]) -> None:
    """Set these limits of the owner."""
    for resource, amount in limits.items():
        connection.execute(
            delete(tables.quotas).where(tables.quotas.c.owner == owner, tables.quotas.c.resource == resource)
        )
        connection.execute(insert(tables.quotas).values(owner=owner, resource=resource, amount=amount))


def on_host(connection: Connection, host: str) -> list[Server]:
    """Return the servers that the agent of this host has to see to."""
    table = tables.servers
    query = select(table).where(table.c.terminated_at.is_(None), table.c.host == host).order_by(table.c.id)
    return [Server.of(row) for row in connection.execute(query)]


def in_service_tasks(connection: Connection, tasks: Iterable[Task]) -> list[str]:
    """Return the ids of servers whose task is the service's to do, and of hostless ones to be deleted."""
    table = tables.servers
    homeless = and_(table.c.task_state == Task.DELETING, table.c.host.is_(None))
    query = select(table.c.id).where(
        table.c.terminated_at.is_(None), or_(table.c.task_state.in_([*tasks]), homeless)
    )
    return [row.id for row in connection.execute(query)]
