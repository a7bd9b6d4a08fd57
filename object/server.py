"""The object server: the objects of one node's devices, over HTTP as stock Swift's.

    /device/partition/account/container/object   PUT GET HEAD POST DELETE
    /device/partition[/suffixes]                 REPLICATE
    ObjectServer ──▶ reading, writing, changing, comparing ──▶ Answer

Errors are translated to statuses here and nowhere else.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from ..common import concurrency, logs
from ..common.cluster import ClusterConf
from ..common.cluster_secret import credentials
from ..common.config import parse
from ..common.errors import ApusError, Missing, OutOfSpace, Refused
from ..common.http.answer import Answer
from ..common.http.client import Pool, PoolConfig
from ..common.http.errors import BadFraming, ClientDisconnect, ClientTimeout
from ..common.http.request import Request
from ..common.http.wsgi import Environ, StartResponse, WSGIApp
from ..common.recon import server_header
from ..common.register import METHOD
from .changing import delete, post
from .comparing import replicate
from .container_update import ContainerUpdates
from .context import Context
from .files.device import Devices, Reserve, translate
from .files.store import FileStore
from .reading import get
from .register.serving import register
from .request_metadata import environ_key
from .settings import ObjectSettings
from .writing import put

log = logging.getLogger(__name__)

Handler = Callable[[Context, Request], Answer]
VERBS: Mapping[str, Handler] = {
    "GET": get,
    "HEAD": get,
    "PUT": put,
    "POST": post,
    "DELETE": delete,
    METHOD: register,
}
_RESERVED = frozenset(("content-length", "deleted", "etag"))


class ObjectServer:
    """A WSGI application that serves the objects of one node."""

    def __init__(self, options: Mapping[str, str], cluster: ClusterConf | None = None) -> None:
        settings = parse(ObjectSettings, options)
        self.context = make_context(settings, cluster or ClusterConf.load(settings.swift_dir))
        self._logs_requests = settings.log_requests
        self._handlers = dict(VERBS)
        if settings.replication_server:
            self._handlers["REPLICATE"] = replicate

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        begun = time.monotonic()
        logs.transaction_id.set(environ.get("HTTP_X_TRANS_ID", "-"))
        request = Request(environ)
        answer = self._answer(request)
        if self._logs_requests:
            fields = {
                "method": request.method,
                "path": request.path,
                "status": answer.status,
                "seconds": round(time.monotonic() - begun, 6),
            }
            log.info("request", extra=fields)
        return answer(environ, start_response)

    def _answer(self, request: Request) -> Answer:
        handler = self._handlers.get(request.method)
        if handler is None:
            allow = {"Allow": ", ".join(sorted((*self._handlers, "OPTIONS")))}
            if request.method == "OPTIONS":
                return Answer(200, {**allow, "Server": server_header("object")})
            return Answer(405, allow)
        try:
            return handler(self.context, request)
        except ApusError as problem:
            return translated(problem)
        except OSError as problem:
            meaning = translate(problem)
            if meaning is None:
                raise
            log.error("device failed", extra={"path": request.path, "problem": str(problem)})
            return translated(meaning)
        except concurrency.Timeout as problem:
            log.warning("timed out", extra={"method": request.method, "path": request.path})
            return Answer.text(503, f"timed out: {problem}")


def make_context(settings: ObjectSettings, cluster: ClusterConf) -> Context:
    """Build the parts of a server."""
    pool = Pool(
        PoolConfig(
            connect_timeout_seconds=settings.conn_timeout, response_timeout_seconds=settings.node_timeout
        ),
        default_headers=credentials(cluster.secret),
    )
    allowed = [name for name in settings.allowed_headers if name.lower() not in _RESERVED]
    return Context(
        settings=settings,
        cluster=cluster,
        devices=Devices(settings.devices, mount_check=settings.mount_check),
        store=FileStore(Reserve.parse(settings.fallocate_reserve)),
        updates=ContainerUpdates(
            pool,
            cluster.salt,
            timeout_seconds=min(settings.container_update_timeout, settings.node_timeout),
            divisor_seconds=settings.expiring_objects_container_divisor,
        ),
        allowed_keys=frozenset(environ_key(name) for name in allowed),
        allowed_names=frozenset(name.lower() for name in allowed),
    )


def translated(problem: ApusError) -> Answer:
    """Return the answer that an error means to the client."""
    if isinstance(problem, (Refused, BadFraming)):
        return Answer.text(problem.status, str(problem))
    for kind, status in (
        (Missing, 404),
        (OutOfSpace, 507),
        (ClientDisconnect, 499),
        (ClientTimeout, 408),
    ):
        if isinstance(problem, kind):
            return Answer.text(status, str(problem))
    return Answer.text(503, str(problem))


def app_factory(global_options: Mapping[str, str], **options: str) -> WSGIApp:
    """Make the server, for PasteDeploy: `use = egg:apus#object`."""
    return ObjectServer({**global_options, **options})
