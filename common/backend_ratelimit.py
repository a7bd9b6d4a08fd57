"""How many requests a second a storage server does for each of its devices, altogether and by method.

    METHOD /DEVICE/PARTITION/… ──▶ Allowances ──▶ on, or 529: the proxy asks another replica

The limits stand in the filter's section, and over it in a file of its own, which is read again while the
server runs: a device in trouble is relieved without a restart. Each worker counts for itself.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import metrics
from .cluster import DEFAULT_DIRECTORY
from .config import parse, read_ini, setting
from .errors import Refused
from .http.answer import Answer
from .http.wsgi import Environ, StartResponse, WSGIApp

log = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "UPDATE", "REPLICATE")
SECTION = "backend_ratelimit"
CONF_FILE = "backend-ratelimit.conf"
DEVICES_MAX = 4096
"""More names than a node has devices are somebody's guesses."""
LIMITED = metrics.counter(
    "apus_backend_ratelimited_total", "Requests refused with 529 because their device had too many.", "method"
)
_PER_SECOND = " requests a second for each device; 0 is no limit."


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendRatelimitConfig:
    """The filter's settings; all but the first two may also stand in the file that is read again."""

    backend_ratelimit_conf_path: str = setting(
        "", help=f"File whose section [{SECTION}] counts over this one; {CONF_FILE} in swift_dir when empty."
    )
    config_reload_interval: float = setting(
        60.0, help="Seconds after which that file is read again; 0 never does.", minimum=0
    )
    requests_per_device_per_second: float = setting(0.0, help="All" + _PER_SECOND, minimum=0)
    requests_per_device_rate_buffer: float = setting(
        1.0, help="Seconds of unused rate that a device may catch up at once.", minimum=0
    )
    get_requests_per_device_per_second: float = setting(0.0, help="GET" + _PER_SECOND, minimum=0)
    head_requests_per_device_per_second: float = setting(0.0, help="HEAD" + _PER_SECOND, minimum=0)
    put_requests_per_device_per_second: float = setting(0.0, help="PUT" + _PER_SECOND, minimum=0)
    post_requests_per_device_per_second: float = setting(0.0, help="POST" + _PER_SECOND, minimum=0)
    delete_requests_per_device_per_second: float = setting(0.0, help="DELETE" + _PER_SECOND, minimum=0)
    update_requests_per_device_per_second: float = setting(0.0, help="UPDATE" + _PER_SECOND, minimum=0)
    replicate_requests_per_device_per_second: float = setting(0.0, help="REPLICATE" + _PER_SECOND, minimum=0)
    swift_dir: str = setting(DEFAULT_DIRECTORY, help="Folder of that file, where no path is given.")

    def rates(self) -> dict[str, float]:
        """Return the rate of each method that has one."""
        named = {method: f"{method.lower()}_requests_per_device_per_second" for method in METHODS}
        return {method: rate for method, name in named.items() if (rate := float(getattr(self, name))) > 0}

    @property
    def path(self) -> Path:
        """The file that is read again."""
        return Path(self.backend_ratelimit_conf_path or os.path.join(self.swift_dir, CONF_FILE))


@dataclass(slots=True)
class Allowance:
    """So many requests a second; who was idle may catch up by as much as the buffer."""

    rate: float
    buffer_seconds: float
    due: float
    """When the next request has its turn."""

    def is_due(self, now: float) -> bool:
        """Tell whether a request may go on now."""
        return self.rate <= 0 or max(self.due, now - self.buffer_seconds) <= now

    def take(self, now: float) -> None:
        """Count a request."""
        if self.rate > 0:
            self.due = max(self.due, now - self.buffer_seconds) + 1 / self.rate


class Allowances:
    """The allowances of all devices under one set of limits."""

    def __init__(self, config: BackendRatelimitConfig) -> None:
        self._rates = config.rates()
        self._rate = config.requests_per_device_per_second
        self._buffer = config.requests_per_device_rate_buffer
        self.limits_any = bool(self._rates or self._rate)
        self._devices: dict[str, dict[str, Allowance]] = {}

    def admit(self, device: str, method: str, now: float) -> bool:
        """Tell whether a request may go on, and count it if so."""
        allowances = self._devices.get(device)
        if allowances is None:
            if len(self._devices) >= DEVICES_MAX:
                self._devices.clear()
            rates = {"": self._rate, **self._rates}
            allowances = self._devices[device] = {
                name: Allowance(rate, self._buffer, now - self._buffer) for name, rate in rates.items()
            }
        concerned = [allowances[name] for name in ("", method) if name in allowances]
        if not all(allowance.is_due(now) for allowance in concerned):
            return False
        for allowance in concerned:
            allowance.take(now)
        return True


class BackendRatelimit:
    """The filter."""

    def __init__(
        self, app: WSGIApp, options: Mapping[str, str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.app = app
        self._options = options
        self._clock = clock
        self._config = parse(BackendRatelimitConfig, options)
        self._allowances = Allowances(self._config)
        self._reload_at = 0.0
        self._reload(clock())

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        now = self._clock()
        if now >= self._reload_at:
            self._reload(now)
        if self._allowances.limits_any and environ["REQUEST_METHOD"] in METHODS:
            pieces = environ["PATH_INFO"].split("/", 3)
            if len(pieces) > 2 and pieces[2].isdigit():
                method = environ["REQUEST_METHOD"]
                if not self._allowances.admit(pieces[1], method, now):
                    LIMITED.labels(method).inc()
                    return Answer.text(529, "This device has too many requests; ask another replica.")(
                        environ, start_response
                    )
        return self.app(environ, start_response)

    def _reload(self, now: float) -> None:
        """Take the file's limits, if they have changed; without a good file, those that hold stay."""
        seconds = self._config.config_reload_interval
        self._reload_at = now + seconds if seconds else float("inf")
        path = self._config.path
        if not path.exists():
            options: Mapping[str, str] = {}
        else:
            try:
                options = read_ini(path).get(SECTION, {})
            except Refused as problem:
                log.warning("rate limits are left as they are", extra={"problem": str(problem)})
                return
        try:
            config = parse(BackendRatelimitConfig, {**self._options, **options})
        except Refused as problem:
            log.warning("rate limits are left as they are", extra={"problem": str(problem)})
            return
        if config != self._config:
            log.info("rate limits have changed", extra={"path": str(path)})
            self._config, self._allowances = config, Allowances(config)


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[WSGIApp], BackendRatelimit]:
    """PasteDeploy's entry: `use = egg:apus#backend_ratelimit`."""
    options = {**global_conf, **local_conf}
    return lambda app: BackendRatelimit(app, options)
