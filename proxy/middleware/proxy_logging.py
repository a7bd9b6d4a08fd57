"""One line in the access log, and one count in the metrics, for every request.

    request ──▶ noted ──▶ pipeline ──▶ answer ──▶ body counted ──▶ line: fields of Swift's access log
                                                              └──▶ metrics by resource, method, status, policy

The fields have the names of OpenStack Swift's default log_msg_template; what has no value is left out, and
the transaction id is on every line anyway. Tokens and signatures are cut to a harmless length. The status
is 499 where the client left, 500 where the pipeline failed, and else what was sent, unless a filter has put
another into `swift.proxy_logging_status`.

It may stand in a pipeline twice; a request is logged once, by the outermost that it meets.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote_plus

from ...common import metrics
from ...common.config import parse, setting
from ...common.constraints import API_VERSIONS
from ...common.http.answer import BODILESS
from ...common.http.errors import ClientDisconnect
from ...common.http.transfer import CountedBody
from ...common.http.wsgi import Environ, StartResponse, WSGIApp
from ...common.logs import frequent, value_text

log = logging.getLogger(__name__)

SENSITIVE_HEADERS = frozenset({"X-Auth-Token", "X-Storage-Token", "X-Service-Token", "Authorization"})
SENSITIVE_PARAMETERS = frozenset(
    {"temp_url_sig", "signature", "swiftinfo_sig", "x-amz-signature", "x-amz-security-token"}
)
RESOURCES = ("account", "container", "object")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "COPY", "OPTIONS"})
KINDS_MAX = 1024  # Methods are known, but a filter may answer with any status.
DISCONNECTED = 499
FAILED = 500
_CLIENT_LEFT = (ClientDisconnect, GeneratorExit, OSError)

REQUESTS = metrics.counter(
    "apus_proxy_requests_total",
    "Requests answered, by what they were about.",
    "resource",
    "method",
    "status",
    "policy",
)
SECONDS = metrics.histogram(
    "apus_proxy_request_seconds", "From a request's head to its answer's last byte.", "resource", "method"
)
FIRST_BYTE_SECONDS = metrics.histogram(
    "apus_proxy_first_byte_seconds", "From a request's head to its answer's head.", "resource", "method"
)
RECEIVED = metrics.counter(
    "apus_proxy_received_bytes_total", "Bytes of request bodies read.", "resource", "method"
)
SENT = metrics.counter("apus_proxy_sent_bytes_total", "Bytes of answer bodies sent.", "resource", "method")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyLoggingConfig:
    """The filter's settings."""

    reveal_sensitive_prefix: int = setting(
        16, help="Characters of a token or signature that may be logged.", minimum=0
    )
    access_log_headers: bool = setting(False, help="Log the request's headers too.")  # noqa: FBT003
    access_log_headers_only: tuple[str, ...] = setting(
        (), help="Of the headers, log only these; empty logs all."
    )


@dataclass(frozen=True, slots=True)
class Cells:
    """The metric cells of one kind of request and outcome."""

    requests: metrics.Counter
    seconds: metrics.Histogram
    first_byte_seconds: metrics.Histogram
    received: metrics.Counter
    sent: metrics.Counter


class Exchange:
    """One request and what has become of it so far."""

    __slots__ = (
        "_answer",
        "begun",
        "bytes_received",
        "bytes_sent",
        "ended",
        "environ",
        "filter",
        "first_byte",
        "headers",
        "method",
        "outcome",
        "policy",
        "query",
        "status",
    )

    def __init__(self, owner: ProxyLogging, environ: Environ, start_response: StartResponse) -> None:
        self.filter = owner
        self.environ = environ
        self._answer = start_response
        self.begun = self.first_byte = time.time()
        self.query = environ.get("QUERY_STRING")  # As sent: filters further on may rewrite it.
        self.status = 0
        self.headers: Iterable[tuple[str, str]] = ()

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Note the answer's head, and pass it on."""
        self.first_byte = time.time()
        self.status = int(status[:3])
        self.headers = headers
        return self._answer(status, headers, exc_info)

    def finish(self, bytes_sent: int, problem: BaseException | None) -> None:
        """Log and count; called once, when the last byte is gone or will never go."""
        environ = self.environ
        outcome = environ.get("swift.proxy_logging_status") or self.status
        if problem is not None:
            outcome = DISCONNECTED if isinstance(problem, _CLIENT_LEFT) else FAILED
        elif bytes_sent < self._promised():
            outcome = DISCONNECTED
        self.outcome: int = outcome
        self.bytes_sent = bytes_sent
        self.bytes_received = int(getattr(environ["wsgi.input"], "bytes_read", 0))  # As far as it can tell.
        self.method: str = environ.get("swift.orig_req_method") or environ["REQUEST_METHOD"]
        self.policy = environ.get("apus.policy_index") or _policy_index(self.headers)
        self.ended = time.time()
        self.filter.count(self)
        frequent(log, "request", self.fields, self.text)

    def _promised(self) -> int:
        """Return how many bytes of body the answer announced."""
        if self.environ["REQUEST_METHOD"] == "HEAD" or self.status in BODILESS:
            return 0
        for name, value in self.headers:
            if name == "Content-Length":
                return int(value) if value.isdigit() else 0
        return 0

    def fields(self) -> dict[str, object]:
        """Return what the line says."""
        environ, config = self.environ, self.filter.config
        remote = environ.get("REMOTE_ADDR", "-")
        fields: dict[str, object] = {
            "remote_addr": remote,
            "method": self.method,
            "path": shown_path(environ, self.query, config.reveal_sensitive_prefix),
            "protocol": environ.get("SERVER_PROTOCOL", "-"),
            "status_int": self.outcome,
            "bytes_recvd": self.bytes_received,
            "bytes_sent": self.bytes_sent,
            # Cut to so many digits: round() and writing what it returns cost four times as much.
            "request_time": int((self.ended - self.begun) * 1e4) / 1e4,
            "start_time": int(self.begun * 1e6) / 1e6,
            "end_time": int(self.ended * 1e6) / 1e6,
            "client_ip": remote,
        }
        if not environ.keys().isdisjoint(_OPTIONAL):
            _add_optional(fields, environ, config.reveal_sensitive_prefix)
        if self.policy:
            fields["policy_index"] = self.policy
        if config.access_log_headers:
            fields["headers"] = self.filter.headers_of(environ)
        return fields

    def text(self) -> str | None:
        """Return the same as text, where nothing is in it that is seldom: 15,000 instructions, not 62,000."""
        environ, config = self.environ, self.filter.config
        if self.query or config.access_log_headers or not environ.keys().isdisjoint(_SELDOM):
            return None
        get, method = environ.get, self.method
        remote, path = get("REMOTE_ADDR", "-"), get("RAW_PATH_INFO", "")
        protocol = get("SERVER_PROTOCOL", "-")
        if not (remote and path and _is_plain(f"{remote}{method}{path}{protocol}")):
            return None
        user = get("swift.access_logging")
        more = _more(
            get("HTTP_X_AUTH_TOKEN"),
            get("HTTP_USER_AGENT"),
            user.get("user_id", "-") if user else None,
            self.policy,
            config.reveal_sensitive_prefix,
        )
        return (
            f" remote_addr={remote} method={method} path={path} protocol={protocol} status_int={self.outcome}"
            f" bytes_recvd={self.bytes_received} bytes_sent={self.bytes_sent}"
            f" request_time={short_time(self.ended - self.begun)} start_time={exact_time(self.begun)}"
            f" end_time={exact_time(self.ended)} client_ip={remote}{more}"
        )


@lru_cache(maxsize=1024)
def _more(token: str | None, agent: str | None, user: str | None, policy: str, shown: int) -> str:
    """Return the end of a line: the same for all requests that somebody makes with one program."""
    more = ""
    if token:
        more = f" auth_token={value_text(_harmless(token, shown))}"
    if agent:
        more += f" user_agent={value_text(agent)}"
    if user is not None:
        more += f" access_user_id={value_text(user)}"
    if policy:
        more += f" policy_index={value_text(policy)}"
    return more


_SHORT_TIMES = [repr(ticks / 1e4) for ticks in range(2000)]


def short_time(seconds: float) -> str:
    """Return `repr(int(seconds * 1e4) / 1e4)`: nearly every request takes less than a fifth of a second."""
    ticks = int(seconds * 1e4)
    return _SHORT_TIMES[ticks] if 0 <= ticks < len(_SHORT_TIMES) else repr(ticks / 1e4)


def exact_time(moment: float) -> str:
    """Return `repr(int(moment * 1e6) / 1e6)` of a moment in this century, at a third of what that costs."""
    digits = str(int(moment * 1e6))
    text = f"{digits[:-6]}.{digits[-6:]}"
    if text[-1] != "0":
        return text
    text = text.rstrip("0")
    return f"{text}0" if text[-1] == "." else text


class ProxyLogging:
    """The filter."""

    def __init__(self, app: WSGIApp, config: ProxyLoggingConfig) -> None:
        self.app = app
        self.config = config
        self.header_names = frozenset(name.title() for name in config.access_log_headers_only)
        self._cells: dict[tuple[str, str, int, str], Cells] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if "swift.proxy_access_log_made" in environ:
            return self.app(environ, start_response)
        environ["swift.proxy_access_log_made"] = True
        exchange = Exchange(self, environ, start_response)
        try:
            body = self.app(environ, exchange.start)
        except BaseException as problem:
            exchange.finish(0, problem)
            raise
        if type(body) is list:
            exchange.finish(sum(map(len, body)), None)
            return body
        return CountedBody(body, exchange.finish)

    def count(self, exchange: Exchange) -> None:
        """Count the request."""
        kind = (_resource(exchange.environ), exchange.method, exchange.outcome, exchange.policy)
        cells = self._cells.get(kind) or self._new_cells(*kind)
        cells.requests.inc()
        cells.seconds.observe(exchange.ended - exchange.begun)
        cells.first_byte_seconds.observe(exchange.first_byte - exchange.begun)
        if exchange.bytes_sent:
            cells.sent.inc(exchange.bytes_sent)
        if exchange.bytes_received:
            cells.received.inc(exchange.bytes_received)

    def _new_cells(self, resource: str, method: str, status: int, policy: str) -> Cells:
        """Return the cells of one kind of request and outcome, and keep them."""
        known = method if method in METHODS else "BAD_METHOD"
        cells = Cells(
            REQUESTS.labels(resource, known, str(status), policy if resource == "object" else ""),
            SECONDS.labels(resource, known),
            FIRST_BYTE_SECONDS.labels(resource, known),
            RECEIVED.labels(resource, known),
            SENT.labels(resource, known),
        )
        if known is method and len(self._cells) < KINDS_MAX:
            self._cells[resource, method, status, policy] = cells
        return cells

    def headers_of(self, environ: Environ) -> str:
        """Return the request's headers that shall be logged, one a line."""
        titled = (
            (key[5:].replace("_", "-").title(), value) for key, value in environ.items() if key[:5] == "HTTP_"
        )
        wanted = (
            (name, value) for name, value in titled if not self.header_names or name in self.header_names
        )
        shown = self.config.reveal_sensitive_prefix
        return "\n".join(
            f"{name}: {_harmless(value, shown) if name in SENSITIVE_HEADERS else value}"
            for name, value in wanted
        )


_FROM_ENVIRON = (
    ("referer", "HTTP_REFERER"),
    ("user_agent", "HTTP_USER_AGENT"),
    ("client_etag", "HTTP_ETAG"),
    ("source", "swift.source"),
)


_OPTIONAL = frozenset(
    (
        "HTTP_X_CLUSTER_CLIENT_IP",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_AUTH_TOKEN",
        "swift.log_info",
        "swift.access_logging",
        *(key for _, key in _FROM_ENVIRON),
    )
)


# These make a line that is put together field by field.
_SELDOM = _OPTIONAL - {"HTTP_X_AUTH_TOKEN", "HTTP_USER_AGENT", "swift.access_logging"}
_is_plain = re.compile(r"[!#-<>-~]+").fullmatch  # What a value may hold to stand in a line as it is.


def _add_optional(fields: dict[str, object], environ: Environ, shown: int) -> None:
    """Add the fields that have a value only now and then."""
    get = environ.get
    client = get("HTTP_X_CLUSTER_CLIENT_IP") or get("HTTP_X_FORWARDED_FOR")
    if client:
        fields["client_ip"] = client.partition(",")[0].strip()
    token = get("HTTP_X_AUTH_TOKEN")
    if token:
        fields["auth_token"] = _harmless(token, shown)
    for field, key in _FROM_ENVIRON:
        value = get(key)
        if value:
            fields[field] = value
    if "referer" in fields:  # A page that came by a temporary URL names that with every request it makes.
        page, mark, query = environ["HTTP_REFERER"].partition("?")
        fields["referer"] = page + mark + _query(query, shown)
    log_info = get("swift.log_info")
    if log_info:
        fields["log_info"] = ",".join(log_info)
    user = get("swift.access_logging")
    if user:
        fields["access_user_id"] = user.get("user_id", "-")


def _harmless(secret: str, shown: int) -> str:
    """Return what may be logged of a secret."""
    return secret if len(secret) <= shown else f"{secret[:shown]}..."


def shown_path(environ: Environ, query: str | None, shown: int) -> str:
    """Return the path and query as sent, without secrets."""
    path: str = environ.get("RAW_PATH_INFO") or quote(environ["PATH_INFO"].encode("latin-1"))
    return f"{path}?{_query(query, shown)}" if query else path


def _query(query: str, shown: int) -> str:
    pairs = [pair.partition("=") for pair in query.split("&")]
    return "&".join(
        f"{key}{equals}{_harmless(value, shown) if _is_sensitive(key) else value}"
        for key, equals, value in pairs
    )


def _is_sensitive(key: str) -> bool:
    return unquote_plus(key).lower() in SENSITIVE_PARAMETERS


def _resource(environ: Environ) -> str:
    """Return what kind of thing the request is about."""
    parts = (environ.get("swift.backend_path") or environ["PATH_INFO"]).split("/", 4)
    if len(parts) > 2 and parts[1] in API_VERSIONS:
        depth = len(parts) - 1 - parts.count("")  # Before the first slash there is nothing.
        if depth:
            return RESOURCES[depth - 1]
    return str(environ.get("swift.source") or "other")


def _policy_index(headers: Iterable[tuple[str, str]]) -> str:
    """Return the storage policy that the answer names."""
    for name, value in headers:
        if name == "X-Backend-Storage-Policy-Index":
            return value
    return ""


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], ProxyLogging]:
    """PasteDeploy's entry: `use = egg:apus#proxy_logging`."""
    config = parse(ProxyLoggingConfig, {**global_conf, **local_conf})
    return lambda app: ProxyLogging(app, config)
