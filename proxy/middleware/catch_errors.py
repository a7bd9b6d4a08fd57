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

from ...common.config import parse, setting
from ...common.http.answer import Answer
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
        stamp = [("X-Trans-Id", name), ("X-Openstack-Request-Id", name)]

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, *stamp], exc_info)

        try:
            return self.app(environ, start)
        except Exception:  # noqa: BLE001 - the last stand: any bug below must become a 500 with an id.
            log.exception("request failed unexpectedly")
            return _sorry(environ, start_response, stamp)


def _sorry(environ: Environ, start_response: StartResponse, stamp: list[tuple[str, str]]) -> Iterable[bytes]:
    """Answer 500, replacing whatever was announced before."""

    def start(status: str, headers: list[tuple[str, str]]) -> Any:
        return start_response(status, [*headers, *stamp], sys.exc_info())

    return Answer(500, {"Content-Type": "text/plain"}, b"An error occurred")(environ, start)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], CatchErrors]:
    """PasteDeploy's entry: `use = egg:apus#catch_errors`."""
    config = parse(CatchErrorsConfig, {**global_conf, **local_conf})
    return lambda app: CatchErrors(app, config)
