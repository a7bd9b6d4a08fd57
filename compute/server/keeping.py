"""What is known of servers, written down beside their disks, so that a lost catalogue can be made again.

    catalogue ──▶ Keeper.turn() ──▶ <project>-records/servers/ID, where that says something else
    rebuild(catalogue, store) ──▶ rows of servers, disks and ports that are not there

A turn follows what has changed, a few seconds later, and asks the store for nothing that it knows. Only a
server that the catalogue knows as deleted loses its record: an empty catalogue removes nothing. It does not
know hosts: what a server's machine does is seen when its host is heard again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select
from sqlalchemy.exc import IntegrityError

from ...common.errors import Corrupt
from ..api.faults import BadRequest
from ..block.records import Records, body_of, projects
from ..catalogue import Catalogue
from ..store.interface import Store
from . import fleet, tables
from .records import Server
from .states import Power, VmState

log = logging.getLogger(__name__)

KIND = "servers"
_PASSING: Mapping[str, Any] = {
    "task": {},
    "task_state": None,
    "power_state": int(Power.NONE),
    "updated_at": None,
    "terminated_at": None,
    "fault": None,
    "admin_password": None,
}
"""What no record says, for it is over or nobody's business; and what a server has instead."""

Documents = dict[str, dict[str, Any]]


class Keeper:
    """Keeps the records."""

    def __init__(self, catalogue: Catalogue, store: Store) -> None:
        self._catalogue = catalogue
        self._store = store
        self._kept: dict[str, dict[str, str]] | None = None  # by project and server: MD5 of the record
        self._seen: tuple[object, ...] | None = None

    def turn(self) -> None:
        """Write the records that are not true any more, remove those of deleted servers.

        Raises:
            Unavailable, Refused: by the store; the next turn begins again where this one ended.
        """
        with self._catalogue.read() as connection:
            seen = _fingerprint(connection)
            if seen == self._seen:
                return
            wanted = _documents(connection)
        if self._kept is None:
            self._kept = {project: _listed(self._store, project) for project in projects(self._store)}
        for project_id, documents in wanted.items():
            self._write(project_id, documents)
        for project_id, kept in self._kept.items():
            self._remove(project_id, kept, set(kept) - set(wanted.get(project_id, ())))
        self._seen = seen

    def _write(self, project_id: str, documents: Documents) -> None:
        assert self._kept is not None
        kept = self._kept.setdefault(project_id, {})
        for server_id, document in documents.items():
            digest = _digest(document)
            if kept.get(server_id) != digest:
                Records(self._store, project_id).put(KIND, server_id, document)
                kept[server_id] = digest

    def _remove(self, project_id: str, kept: dict[str, str], candidates: Iterable[str]) -> None:
        """Remove the records of those among them that were deleted, or are another project's by now."""
        for server_id in sorted(candidates):
            with self._catalogue.read() as connection:
                known = connection.execute(
                    select(tables.servers.c.id).where(tables.servers.c.id == server_id)
                ).first()
            if known is not None:
                Records(self._store, project_id).delete(KIND, server_id)
                del kept[server_id]


def rebuild(catalogue: Catalogue, store: Store) -> int:
    """Add the servers that the store knows and the catalogue does not; return how many.

    A server is what it was, without anything that was being done to it; its power state is nobody's guess
    until its host is heard.
    """
    added = 0
    for project_id in projects(store):
        for name, document in Records(store, project_id).list(KIND):
            try:
                added += catalogue.transaction(partial(_add, document=document))
            except (KeyError, TypeError, ValueError, Corrupt, BadRequest, IntegrityError) as problem:
                log.error("record of a server not readable", extra={"record": name, "why": str(problem)})
    return added


def _add(connection: Connection, *, document: Mapping[str, Any]) -> bool:
    """Add one server with its disks and ports, unless it is there; False when it was."""
    server, devices, ports = document["server"], document["devices"], document["interfaces"]
    if connection.execute(select(tables.servers.c.id).where(tables.servers.c.id == server["id"])).first():
        return False
    facts = {**server, **_PASSING, "updated_at": server["created_at"]}
    connection.execute(insert(tables.servers).values(**_columns(tables.servers, facts)))
    for table, entries in ((tables.block_devices, devices), (tables.interfaces, ports)):
        (key,) = table.primary_key
        for entry in entries:
            columns = _columns(table, entry)
            if connection.execute(select(key).where(key == columns[key.name])).first():
                log.error(
                    "a part of a server is another's",
                    extra={"server": server["id"], "part": columns[key.name]},
                )
                continue  # Records of two servers are of two moments.
            connection.execute(insert(table).values(**columns))
    return True


def _columns(table: Table, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the table has a column for; raise Corrupt where a column finds nothing."""
    missing = [column.name for column in table.c if column.name not in facts and not column.nullable]
    if missing:
        raise Corrupt(f"it does not say {', '.join(missing)}")
    return {column.name: facts.get(column.name) for column in table.c}


def _fingerprint(connection: Connection) -> tuple[object, ...]:
    """Return what is another one after every change that a record would show."""
    servers, hosts = tables.servers.c, tables.hosts.c
    queries = (
        select(func.max(servers.updated_at), func.count(servers.id)),
        select(func.sum(hosts.sequence)),
        select(func.count(tables.block_devices.c.id)),
        select(func.count(tables.interfaces.c.port_id)),
    )
    return tuple(tuple(row) for query in queries for row in connection.execute(query))


def _documents(connection: Connection) -> dict[str, Documents]:
    """Return the records of all servers that have been built, by project and id."""
    table = tables.servers
    query = select(table).where(table.c.terminated_at.is_(None), table.c.vm_state != VmState.BUILDING)
    servers = [Server.of(row) for row in connection.execute(query)]
    found: dict[str, Documents] = {}
    for some in _hundreds(servers):
        ids = [server.id for server in some]
        devices, ports = fleet.devices_of(connection, ids), fleet.interfaces_of(connection, ids)
        for server in some:
            facts = {name: value for name, value in asdict(server).items() if name not in _PASSING}
            found.setdefault(server.project_id, {})[server.id] = {
                "format": 1,
                "server": facts,
                "devices": [asdict(device) for device in devices[server.id]],
                "interfaces": [asdict(port) for port in ports[server.id]],
            }
    return found


def _hundreds(servers: list[Server]) -> Iterator[list[Server]]:
    """Cut the list, since databases bound the number of a query's parameters."""
    for begin in range(0, len(servers), 100):
        yield servers[begin : begin + 100]


def _listed(store: Store, project_id: str) -> dict[str, str]:
    """Return the project's records by id, with their MD5 as the store has it."""
    prefix = f"{KIND}/"
    rows = store.names(Records(store, project_id).container, prefix=prefix)
    return {row.name.removeprefix(prefix): row.etag.strip('"') for row in rows}


def _digest(document: Mapping[str, Any]) -> str:
    """Return the MD5 of the record as `Records` writes it."""
    return hashlib.md5(body_of(document), usedforsecurity=False).hexdigest()
