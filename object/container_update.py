"""Telling containers what happened to their objects: at once where that works, through the queue where not.

    PUT, POST, DELETE with X-Container-Host: … ──send()──▶ container servers ──2xx──▶ True
                                                    └──anything else──▶ async_pending, False
    X-Delete-At ──queue_expiry()──▶ a row in .expiring_objects, the same way

The object's answer waits for this, because a listing is to agree with what was acknowledged; but not longer
than container_update_timeout. What is not delivered by then is durable in async_pending before the answer.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from ..common import gathered_rows
from ..common.concurrency import spawn
from ..common.config import true_value
from ..common.errors import Unavailable
from ..common.gathered_rows import ALONE
from ..common.hashing import HashSalt
from ..common.http.client import Address, Pool
from ..common.http.request import Request
from ..common.http.response import Response
from ..common.http.wsgi import from_wsgi, to_wsgi
from ..common.policies import Policy
from ..common.timestamp import Timestamp
from . import async_pending, expiry
from .async_pending import Place
from .gathered_updates import GatheredUpdates

log = logging.getLogger(__name__)

OVERRIDE_PREFIXES = ("x-backend-container-update-override-", "x-object-sysmeta-container-update-override-")
MOVED = 301
_is_plain = re.compile(r"[A-Za-z0-9_.~/-]+").fullmatch  # What stays as it is when quoted.


class Row(NamedTuple):
    """Whose row is to change, and where an update for it waits if it must."""

    device_path: str
    policy: Policy
    account: str
    container: str
    obj: str


class Goal(NamedTuple):
    """One container replica, as the proxy named it; without an address the update goes to the queue."""

    address: tuple[str, int] | None
    device: str
    partition: str


class Update(NamedTuple):
    """A change of a row, what its line says of it, and the request that made it."""

    verb: str
    row: Row
    headers: dict[str, str]
    cause: Request
    container_path: str | None = None
    database_state: str | None = None

    def headers_alone(self) -> dict[str, str]:
        """Return the headers of a request for this row alone: with what only stock Swift's logs want."""
        referer = f"{self.cause.method} {_quoted(self.cause.path)}"
        return {**self.headers, "Referer": referer, "User-Agent": "object-server"}


class ContainerUpdates:
    """Sends updates for one object server."""

    def __init__(self, pool: Pool, salt: HashSalt, *, timeout_seconds: float, divisor_seconds: int) -> None:
        self._pool = pool
        self._gathered = GatheredUpdates(pool, timeout_seconds=timeout_seconds)
        self._salt = salt
        self._timeout_seconds = timeout_seconds
        self._divisor_seconds = divisor_seconds

    def send(self, verb: str, row: Row, request: Request, headers: dict[str, str]) -> bool | None:
        """Bring a change to the containers that the request names.

        Returns True when all of them took it, False when some is in the queue, None when none was named.
        """
        goals = goals_of(request, "HTTP_X_CONTAINER")
        if not goals:
            return None
        environ = request.environ
        said = {
            **headers,
            "X-Backend-Storage-Policy-Index": str(row.policy.index),
            "X-Trans-Id": environ.get("HTTP_X_TRANS_ID") or "-",
        }
        state = environ.get("HTTP_X_CONTAINER_ROOT_DB_STATE")
        return self._deliver(Update(verb, row, said, request, _container_path(request), state), goals)

    def queue_expiry(
        self, verb: str, delete_at: int, row: Row, request: Request, more: Mapping[str, str]
    ) -> None:
        """Enter an object into the expirer's queue (PUT), or take it out (DELETE)."""
        if true_value(request.header("X-Backend-Replication") or "false"):
            return
        task = expiry.Task(delete_at, row.account, row.container, row.obj)
        container = expiry.queue_container(task, self._salt, self._divisor_seconds)
        headers = {
            "X-Timestamp": request.timestamp().internal,
            "X-Backend-Storage-Policy-Index": "0",
            "X-Trans-Id": request.environ.get("HTTP_X_TRANS_ID") or "-",
        }
        goals: tuple[Goal, ...] = (Goal(None, "", ""),)
        if verb == "PUT":
            if request.header("X-Delete-At-Host") is None:
                return  # Enough other replicas were told to do it.
            container = request.header("X-Delete-At-Container") or container
            goals = goals_of(request, "HTTP_X_DELETE_AT") or goals
            headers["X-Size"] = "0"
            headers["X-Content-Type"] = expiry.TASK_CONTENT_TYPE
            headers["X-Etag"] = expiry.EMPTY_ETAG
            headers.update(more)
        elif not true_value(request.header("X-Backend-Clean-Expiring-Object-Queue") or "true"):
            return
        queued = Row(row.device_path, row.policy, expiry.ACCOUNT, container, expiry.queue_name(task))
        self._deliver(Update(verb, queued, headers, request), goals)

    def _deliver(self, update: Update, goals: tuple[Goal, ...]) -> bool:
        if len(goals) == 1:
            return self._deliver_one(update, goals[0])
        tasks = [spawn(self._deliver_one, update, goal) for goal in goals]
        delivered = [task.wait() for task in tasks]  # All are waited for, whatever the first one says.
        return all(delivered)

    def _deliver_one(self, update: Update, goal: Goal) -> bool:
        redirected = None
        if goal.address is not None:
            try:
                status, redirected = self._tell(goal.address, update, goal)
            except Unavailable as problem:
                log.warning("container update queued", extra={"goal": goal.address, "problem": str(problem)})
            else:
                if status // 100 == 2:
                    return True
                log.info("container update queued", extra={"goal": goal.address, "status": status})
        self._save(update, redirected)
        return False

    def _tell(self, address: Address, update: Update, goal: Goal) -> tuple[int, str | None]:
        """Return a container server's status, and where it sends the update instead."""
        begun = time.monotonic()
        path = _path(update, goal)
        line = gathered_rows.line(update.verb, to_wsgi(path), update.headers)
        if line is not None:
            status = self._gathered.tell(address, goal.device, line)
            if status not in (ALONE, MOVED):  # Only the answer to a row alone says whereto it has moved.
                return status, None
        left = self._timeout_seconds - (time.monotonic() - begun)
        response = self._pool.request(
            address, update.verb, _quoted(path), update.headers_alone(), timeout_seconds=max(0.0, left)
        )
        response.read()
        self._gathered.heed(address, goal.device, response)
        return response.status, redirection(response)[0] if response.status == MOVED else None

    def _save(self, update: Update, redirected: str | None) -> None:
        row = update.row
        saved: dict[str, Any] = {
            "op": update.verb,
            "account": row.account,
            "container": row.container,
            "obj": row.obj,
            "headers": update.headers_alone(),
            "db_state": update.database_state,
        }
        if container_path := redirected or update.container_path:
            saved["container_path"] = container_path
        headers = update.headers
        moment = Timestamp.parse(headers.get("X-Meta-Timestamp") or headers["X-Timestamp"])
        place = place_of(row.device_path, row.policy)
        path_hash = self._salt.path_hash(row.account, row.container, row.obj)
        async_pending.save(place, path_hash, moment, saved)


def place_of(device_path: str, policy: Policy) -> Place:
    """Return where a policy's updates wait on a device."""
    return Place(f"{device_path}/{policy.async_directory}", f"{device_path}/{policy.tmp_directory}")


def goals_of(request: Request, prefix: str) -> tuple[Goal, ...]:
    """Return the replicas that a request's `PREFIX_HOST`, `_DEVICE` and `_PARTITION` headers name."""
    environ = request.environ
    partition = environ.get(f"{prefix}_PARTITION")
    if not partition:
        return ()
    return _goals(environ.get(f"{prefix}_HOST", ""), environ.get(f"{prefix}_DEVICE", ""), partition)


@lru_cache(maxsize=4096)  # There are as many as containers that are written to, times their replicas.
def _goals(hosts: str, devices: str, partition: str) -> tuple[Goal, ...]:
    pairs = list(zip(hosts.split(","), devices.split(","), strict=False))
    if hosts.count(",") != devices.count(","):
        fields = {"hosts": hosts, "devices": devices}
        log.error("a request names as many hosts as devices, or nothing", extra=fields)
        return ()
    return tuple(
        Goal(address, device.strip(), partition)
        for host, device in pairs
        if (address := _address(host.strip())) and device.strip()
    )


def overridden(row: dict[str, str], *sources: Mapping[str, str]) -> dict[str, str]:
    """Return a row's headers with what middleware wants listings to show instead, in order of precedence."""
    changed = dict(row)
    for prefix in OVERRIDE_PREFIXES:
        for source in sources:
            for key, value in source.items():
                if key.lower().startswith(prefix):
                    changed["X-" + key[len(prefix) :].title()] = value
    return changed


def redirection(response: Response) -> tuple[str | None, str]:
    """Return (account/container, moment) where a sharded container sends an update; (None, "") if unclear."""
    location = response.headers.get("Location") or ""
    if true_value(response.headers.get("X-Backend-Location-Is-Quoted") or "false"):
        location = unquote(location)
    pieces = urlsplit(location).path.strip("/").split("/", 2)
    moment = response.headers.get("X-Backend-Redirect-Timestamp") or ""
    return ("/".join(pieces[:2]), moment) if len(pieces) >= 2 and all(pieces[:2]) and moment else (None, "")


def _address(host: str) -> tuple[str, int] | None:
    name, colon, port = host.rpartition(":")
    return (name.strip("[]"), int(port)) if colon and name and port.isdigit() else None


def _path(update: Update, goal: Goal) -> str:
    row = update.row
    container = update.container_path or f"{row.account}/{row.container}"
    return f"/{goal.device}/{goal.partition}/{container}/{row.obj}"


def _quoted(path: str) -> str:
    return path if _is_plain(path) else quote(path, errors="surrogateescape")


def _container_path(request: Request) -> str | None:
    quoted = request.environ.get("HTTP_X_BACKEND_QUOTED_CONTAINER_PATH")
    path = unquote(quoted) if quoted else request.environ.get("HTTP_X_BACKEND_CONTAINER_PATH")
    if not path:
        return None
    path = from_wsgi(path)
    pieces = path.split("/")
    if len(pieces) != 2 or not all(pieces):
        log.error("X-Backend-Container-Path is not account/container", extra={"path": path})
        return None
    return path
