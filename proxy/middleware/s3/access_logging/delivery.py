"""From the spool to the buckets: lines become objects.

    every so many seconds, or when a file is full, or at the end ──▶ Courier.deliver()
        batch ──for each place──▶ PUT of one object ──2xx──▶ its lines are done
                                                   ├─ 404 ──▶ the bucket is gone, and so are they
                                                   └─ else ──▶ they stay, until they are too old

It asks the rest of the pipeline, in the name of the account; a policy may deny it (leave.py). An object has
the same name however often it is tried, so that nothing is told twice. It does not know requests.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .....common import concurrency, metrics
from .....common.errors import ApusError
from .....common.http.wsgi import Environ, WSGIApp
from ...inner import ask
from . import leave
from .destination import Place, object_name
from .spool import Batch, Spool

log = logging.getLogger(__name__)

LINES = metrics.counter(
    "apus_s3_access_log_lines_total", "Lines of buckets' access logs, by what became of them.", "outcome"
)
VERSION = "v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often it is tried, and for how long."""

    every_seconds: float
    keep_seconds: float


class Courier:
    """Writes one worker's lines to their buckets, and those that another one has left."""

    def __init__(self, app: WSGIApp, spool: Spool, patience: Patience) -> None:
        self._app = app
        self._spool = spool
        self._patience = patience
        self._is_due = concurrency.Event()
        self._is_at_work = False

    def start(self) -> bool:
        """Go to work from time to time; return False when it does already."""
        if self._is_at_work:
            return False
        self._is_at_work = True
        concurrency.spawn(self._work)
        return True

    def hurry(self) -> None:
        """Go to work now."""
        self._is_due.set()

    def _work(self) -> None:
        while True:
            self._is_due.wait(self._patience.every_seconds)
            self._is_due.clear()
            try:
                self.deliver()
            except Exception:  # noqa: BLE001 - it must go on: what could not be done now may be done later
                log.exception("access logs could not be delivered")

    def deliver(self) -> None:
        """Write all that is there to its buckets."""
        self._spool.close_current()
        for batch in self._spool.batches():
            self._deliver(batch)

    def _deliver(self, batch: Batch) -> None:
        now = time.time()
        lines = batch.lines()
        done = {where for where in lines if self._is_done(batch, where, lines[where])}
        rest = {where: lines[where] for where in lines if where not in done}
        if not rest:
            batch.remove()
        elif now - batch.begun > self._patience.keep_seconds:
            count = sum(map(len, rest.values()))
            LINES.labels("given_up").inc(count)
            log.warning("lines of access logs are given up", extra={"lines": count, "batch": batch.name})
            batch.remove()
        elif done:
            batch.keep(rest)

    def _is_done(self, batch: Batch, where: Place, lines: Sequence[str]) -> bool:
        """Write an object; return whether there is nothing more to be done for its lines."""
        name = object_name(where, batch.begun, batch.name)
        environ = _environ(batch.name)
        try:
            if leave.is_denied(self._app, environ, where, name):
                log.info("an access log waits", extra={"bucket": where.target, "problem": "its policy"})
                return False
            reply = ask(
                self._app,
                environ,
                "PUT",
                f"/{VERSION}/{where.account}/{where.target}/{name}",
                headers={"Content-Type": "text/plain"},
                body="".join(f"{line}\n" for line in lines).encode("ascii"),
                trusted=True,
            )
            reply.read()
            status = reply.status
        except ApusError as problem:
            log.info("an access log waits", extra={"bucket": where.target, "problem": str(problem)})
            return False
        if reply.is_good:
            LINES.labels("delivered").inc(len(lines))
            return True
        log.info("an access log waits", extra={"bucket": where.target, "status": status})
        if status == 404:
            LINES.labels("given_up").inc(len(lines))
        return status == 404


def _environ(batch: str) -> Environ:
    """Return what there is of a request that no client has sent."""
    return {
        "PATH_INFO": f"/{VERSION}",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "0",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "swift.source": "S3LOG",
        "swift.trans_id": f"tx{batch}",
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multiprocess": True,
        "wsgi.multithread": True,
        "wsgi.run_once": False,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
    }
