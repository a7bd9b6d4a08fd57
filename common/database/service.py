"""What account and container servers do alike with a request before and after its own handler.

    WSGI ──▶ DatabaseService ──▶ handler of the verb ──▶ Answer ──▶ one log line
                  └── device mounted? room left? name valid? ── errors of the storage to statuses

The verbs themselves are the subclasses'. `mount_check` and `fallocate_reserve` mean what they mean to stock
Swift.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote_plus

from .. import concurrency, logs
from ..cluster import DEFAULT_DIRECTORY, ClusterConf
from ..config import parse, setting, true_value
from ..errors import ApusError, Corrupt, Missing, OutOfSpace, Refused, Unavailable
from ..http.answer import Answer
from ..http.request import Request
from ..http.wsgi import Environ, StartResponse, from_wsgi, to_wsgi
from ..recon import server_header
from ..timestamp import Timestamp

log = logging.getLogger(__name__)

OBJECT_DEPTH = 5  # device, partition, account, container, object; only an object's name holds slashes.
RESERVED = "\0"
AUTO_CREATE_PREFIX = "."
BODY_MAX = 256 << 20  # A batch of rows from a replicator; whole databases come in their own way.
_DEVICE_FAILURES = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENODEV))
Handler = Callable[[Request], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Settings of an account or container server."""

    devices: str = setting("/srv/node", help="Folder that holds the devices' mount points.")
    mount_check: bool = setting(True, help="Refuse (507) what is for a device that is not mounted.")  # noqa: FBT003
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of swift.conf and the rings.")
    fallocate_reserve: str = setting(
        "1%", help="Space to leave free on each device, bytes or percent; beyond it writes are refused (507)."
    )
    replication_server: bool = setting(
        True,  # noqa: FBT003
        help="Answer replicators too; false where they have a server of their own.",
    )
    log_requests: bool = setting(
        False,  # noqa: FBT003
        help="Log a line for each request; the proxy logs what clients ask in any case.",
    )
    open_databases: int = setting(64, help="Databases kept open between requests.", minimum=1)
    lock_timeout: float = setting(10.0, help="Seconds to wait for a database that others use.", minimum=0)
    node_timeout: float = setting(3.0, help="Seconds to wait for an answer of another server.", minimum=0)
    conn_timeout: float = setting(0.5, help="Seconds to wait for a connection to another server.", minimum=0)


class DatabaseService:
    """A WSGI application that dispatches verbs to methods, and translates errors once."""

    kind: ClassVar[str]
    verbs: ClassVar[Mapping[str, str]] = {}
    settings: ServiceSettings

    def __init__(self, options: Mapping[str, str], cluster: ClusterConf | None = None) -> None:
        self.settings = parse(ServiceSettings, options)
        self.cluster = cluster or ClusterConf.load(self.settings.swift_dir)
        self._policy_indexes = {str(policy.index): policy.index for policy in self.cluster.policies.all}
        self._reserve = _reserve(self.settings.fallocate_reserve)
        self._handlers: dict[str, Handler] = {
            verb: getattr(self, name)
            for verb, name in self.verbs.items()
            if self.settings.replication_server or verb != "REPLICATE"
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        begun = time.monotonic()
        request = Request(environ)
        logs.transaction_id.set(environ.get("HTTP_X_TRANS_ID", "-"))
        answer = self._answer(request)
        if self.settings.log_requests:
            seconds = round(time.monotonic() - begun, 6)
            fields = {
                "method": request.method,
                "path": request.path,
                "status": answer.status,
                "seconds": seconds,
            }
            log.info("request", extra=fields)
        return answer(environ, start_response)

    def _answer(self, request: Request) -> Answer:
        handler = self._handlers.get(request.method)
        if handler is None:
            if request.method == "OPTIONS":
                allow = ", ".join(sorted((*self._handlers, "OPTIONS")))
                return Answer(200, {"Allow": allow, "Server": server_header(self.kind)})
            return Answer(405, {"Allow": ", ".join(sorted(self._handlers))})
        try:
            return handler(request)
        except ApusError as problem:
            return translated(problem)
        except OSError as problem:
            if problem.errno not in _DEVICE_FAILURES:
                raise
            return translated(OutOfSpace(f"{problem.filename}: {problem.strerror}"))
        except concurrency.Timeout as problem:
            log.warning("timed out", extra={"method": request.method, "path": request.path})
            return Answer.text(503, f"timed out: {problem}")

    def placement(self, request: Request, minimum: int, maximum: int) -> list[str | None]:
        """Return device, partition and names from the path.

        Raises:
            Refused: when it is malformed, or mixes the cluster's own names with users' names.
        """
        if not _is_text(request.path):
            raise Refused("Invalid UTF8 or contains NULL", 412)
        try:
            parts = request.split_path(minimum, maximum, rest_with_last=maximum == OBJECT_DEPTH)
        except Refused as problem:
            raise Refused(str(problem)) from problem
        if not re.fullmatch(r"[0-9]{1,10}", str(parts[1])):
            raise Refused(f"Invalid partition: {parts[1]}")
        if parts[0] in (".", "..") or quote_plus(str(parts[0])) != parts[0]:
            raise Refused(f"Invalid device: {parts[0]}")
        _check_reserved(parts[2:])
        return parts

    def device(self, name: str, *, writing: bool) -> str:
        """Return the device's folder.

        Raises:
            OutOfSpace: when it is not mounted, or `writing` and it is full.
        """
        path = os.path.join(self.settings.devices, name)
        usable = os.path.ismount(path) if self.settings.mount_check else os.path.isdir(path)
        if not usable:
            raise OutOfSpace(f"{name} is not mounted")
        if writing and not self._has_room(path):
            raise OutOfSpace(f"{name} is full")
        return path

    def _has_room(self, path: str) -> bool:
        """Whether a device leaves more free than its reserve; one that is not there does not."""
        amount, is_percent = self._reserve
        try:
            status = os.statvfs(path)
        except OSError:
            return False
        free = status.f_bavail * status.f_frsize
        if is_percent:
            total = status.f_blocks * status.f_frsize
            return not total or free * 100 / total >= amount
        return free >= amount

    def policy_index(self, request: Request) -> int | None:
        """Return X-Backend-Storage-Policy-Index; raise Refused when there is no such policy."""
        text = request.environ.get("HTTP_X_BACKEND_STORAGE_POLICY_INDEX")
        if text is None:
            return None
        known = self._policy_indexes.get(text)
        if known is not None:
            return known
        if not text.isascii() or not text.isdigit() or self.cluster.policies.by_index(int(text)) is None:
            raise Refused(f"Invalid X-Backend-Storage-Policy-Index {text!r}")
        return int(text)


def object_in(path: str) -> str:
    """Return the object's name in a path, "" where there is none."""
    pieces = path.split("/", OBJECT_DEPTH)
    return pieces[OBJECT_DEPTH] if len(pieces) > OBJECT_DEPTH else ""


def flag(request: Request, header: str) -> bool:
    """Whether a header says yes."""
    value = request.header(header)
    return value is not None and true_value(value)


def limit(request: Request, maximum: int) -> int:
    """Return `?limit=`, or the maximum; raise Refused (412) above it."""
    text = request.query.get("limit", "")
    if not text.isascii() or not text.isdigit():
        return maximum
    if int(text) > maximum:
        raise Refused(f"Maximum limit is {maximum}", 412)
    return int(text)


def parameter(request: Request, name: str) -> str:
    """Return a query parameter or ""; raise Refused when it is not UTF-8."""
    value = request.query.get(name, "")
    if not _is_text(value):
        raise Refused(f'"{name}" parameter not valid UTF-8')
    return value


def saved_metadata(
    request: Request, wanted: Callable[[str], bool], timestamp: Timestamp
) -> dict[str, tuple[str, str]]:
    """Return the request's headers that are kept in the database, as text with their moment."""
    return {
        from_wsgi(name): (from_wsgi(value), timestamp.internal)
        for name, value in request.headers()
        if wanted(name.lower())
    }


def wire_headers(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return kept metadata as headers of an answer."""
    return {to_wsgi(name): to_wsgi(value) for name, value in items}


def body_of(request: Request, bytes_max: int) -> bytes:
    """Return the request's whole body; raise Refused when it is longer."""
    body: bytes = request.body.read(bytes_max + 1)
    if len(body) > bytes_max:
        raise Refused("the body is too large", 413)
    return body


def json_of(request: Request) -> object:
    """Return the value in the request's body.

    Raises:
        Refused: when there is none, or far too much.
    """
    body = body_of(request, BODY_MAX)
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise Refused(f"the body is not JSON: {problem}") from problem
    return value


def translated(problem: ApusError) -> Answer:
    """Return the answer that an error means to whoever asked."""
    if isinstance(problem, Refused):
        return Answer.text(problem.status, str(problem))
    if isinstance(problem, Missing):
        return Answer(404)
    if isinstance(problem, OutOfSpace):
        log.warning("device cannot take it", extra={"problem": str(problem)})
        return Answer.text(507, str(problem))
    if isinstance(problem, (Unavailable, Corrupt)):
        log.warning("cannot serve now", extra={"problem": str(problem)})
        return Answer.text(503, str(problem))
    raise problem


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _check_reserved(names: list[str | None]) -> None:
    """Only the cluster's own names hold a NUL, and begin with it; objects are of their container's sort."""
    account, container, obj = (*names, None, None, None)[:3]
    for kind, name in (("account", account), ("container", container)):
        if name and RESERVED in name and not name.startswith(RESERVED):
            raise Refused(f"Invalid reserved-namespace {kind}")
    if not obj or (account and account.startswith(AUTO_CREATE_PREFIX)):
        return
    if RESERVED in obj and not obj.startswith(RESERVED):
        raise Refused("Invalid reserved-namespace object")
    if str(container).startswith(RESERVED) and not obj.startswith(RESERVED):
        raise Refused("Invalid user-namespace object in reserved-namespace container")
    if obj.startswith(RESERVED) and not str(container).startswith(RESERVED):
        raise Refused("Invalid reserved-namespace object in user-namespace container")


def _reserve(text: str) -> tuple[float, bool]:
    """Read `fallocate_reserve`: a number of bytes, or a percentage of the device."""
    number, is_percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        amount = float(number)
    except ValueError as problem:
        raise Refused(f"fallocate_reserve = {text!r}: expected bytes or a percentage") from problem
    if amount < 0 or (is_percent and amount > 100):
        raise Refused(f"fallocate_reserve = {text!r}: out of range")
    return amount, is_percent
