"""What every part of the service works with: catalogue, other services, the scheduler's choice, the clock.

    record_action(…), record_event(…) ──▶ the entry that `openstack server event list` shows

Made once at start, handed down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert, select, update

from ..catalogue import Catalogue
from . import tables
from .images import ImageClient
from .networks import NetworkClient
from .scheduling import Filter, HostState, Wanted, Weigher, choose
from .settings import ServerConfig
from .volumes import VolumeClient


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The service's surroundings."""

    catalogue: Catalogue
    images: ImageClient
    networks: NetworkClient
    volumes: VolumeClient
    settings: ServerConfig
    filters: tuple[tuple[str, Filter], ...]
    weighers: tuple[tuple[float, Weigher], ...]
    clock: Callable[[], float] = time.time
    wake: Callable[[str], None] = field(default=lambda _server_id: None)

    def choose_host(self, hosts: list[HostState], wanted: Wanted) -> HostState:
        """Return the best host; raise NoValidHost."""
        return choose(hosts, wanted, self.filters, self.weighers)


def record_action(
    connection: Connection,
    *,
    server_id: str,
    action: str,
    request_id: str,
    user_id: str,
    project_id: str,
    now: float,
) -> None:
    """Note that somebody asked for something to be done to the server."""
    connection.execute(
        insert(tables.actions).values(
            server_id=server_id,
            action=action,
            request_id=request_id,
            user_id=user_id,
            project_id=project_id,
            started_at=now,
            updated_at=now,
        )
    )


def record_event(
    connection: Connection,
    server_id: str,
    event: str,
    *,
    started_at: float,
    now: float,
    host: str | None = None,
    failure: str = "",
) -> None:
    """Note a step of the server's latest action, and how it ended."""
    table = tables.actions
    newest = connection.execute(
        select(table.c.id).where(table.c.server_id == server_id).order_by(table.c.id.desc()).limit(1)
    ).scalar()
    if newest is None:
        return
    connection.execute(
        insert(tables.events).values(
            action_id=newest,
            event=event,
            host=host,
            started_at=started_at,
            finished_at=now,
            result="Error" if failure else "Success",
            details=failure or None,
        )
    )
    values: dict[str, Any] = {"updated_at": now}
    if failure:
        values["message"] = "Error"
    connection.execute(update(table).where(table.c.id == newest).values(**values))


def fault_of(sentence: str, now: float, code: int = 500) -> Mapping[str, Any]:
    """Return what a server in error says of the reason."""
    return {"code": code, "message": sentence[:255], "created": now}
