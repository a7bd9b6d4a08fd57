"""The outermost filter: names every request, and turns what nobody expected into a 500.

    request ──▶ transaction id ──▶ pipeline ──▶ answer + X-Trans-Id, X-Openstack-Request-Id
                                     └─ unexpected exception ──▶ logged with traceback, 500 with the same id

That an answer has as many bytes as its Content-Length says is the HTTP engine's check: it ends the
connection when they differ, in either direction.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import getrandbits
from typing import Any
from urllib.parse import quote

from ...common.concurrency import Timeout
from ...common.config import parse, setting
from ...common.http.answer import Answer
from ...common.http.errors import BadFraming, ClientDisconnect, ClientTimeout
from ...common.http.wsgi import Environ, StartResponse, WSGIApp
from ...common.logs import transaction_id

log = logging.getLogger(__name__)

RANDOM_BITS = 84  # 21 hexadecimal digits: ids do not repeat within one second in any cluster's life.
EXTRA_CHARACTERS_MAX = 32  # A client may add its own id to ours; longer ones would fill the logs.


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchErrorsConfig:
    """The filter's settings."""

    trans_id_suffix: str = setting("", help="Ends every transaction id; tells clusters apart in shared logs.")


def new_transaction_id(moment: float, suffix: str) -> str:
    """Return an id in Swift's form: tx, 21 random digits, the second in hexadecimal, a suffix."""
    return f"tx{getrandbits(RANDOM_BITS):021x}-{int(moment):010x}{suffix}"


class CatchErrors:
    """Wraps the whole pipeline."""

    def __init__(self, app: WSGIApp, config: CatchErrorsConfig) -> None:
        self.app = app
        self.suffix = config.trans_id_suffix
        self.quoted_suffix = quote(config.trans_id_suffix)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        extra = environ.get("HTTP_X_TRANS_ID_EXTRA")
        suffix = quote(f"{self.suffix}-{extra[:EXTRA_CHARACTERS_MAX]}") if extra else self.quoted_suffix
        name = new_transaction_id(time.time(), suffix)
        environ["swift.trans_id"] = name
        transaction_id.set(name)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            stamped = [*headers, ("X-Trans-Id", name), ("X-Openstack-Request-Id", name)]
            return start_response(status, stamped, exc_info)

        try:
            return self.app(environ, start)
        except ClientDisconnect:
            raise  # Nobody is left to answer: the engine ends the connection.
        except (ClientTimeout, BadFraming) as problem:
            answer = Answer.text(getattr(problem, "status", 408), str(problem), {"Connection": "close"})
            return _replace(answer, environ, start)
        except (Exception, Timeout):  # noqa: BLE001 - the last stand: any bug below must become a 500.
            log.exception("request failed unexpectedly")
            answer = Answer(500, {"Content-Type": "text/plain"}, b"An error occurred")
            return _replace(answer, environ, start)


def _replace(answer: Answer, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Give this answer instead of whatever the pipeline had announced before it failed."""
    problem = sys.exc_info()
    return answer(environ, lambda status, headers: start_response(status, headers, problem))


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], CatchErrors]:
    """PasteDeploy's entry: `use = egg:apus#catch_errors`."""
    config = parse(CatchErrorsConfig, {**global_conf, **local_conf})
    return lambda app: CatchErrors(app, config)
