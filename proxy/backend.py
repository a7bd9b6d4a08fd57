"""One question to one storage server, and what is remembered when it goes wrong.

    Candidate + request ──▶ Backend.ask() ──▶ Response (its body unread)   or None: try another one

None stands for everything that another replica may do better: no connection, no answer in time, any
5xx. A device that keeps failing is given a rest; one without its disk at once. One without space is
left alone by uploads only: what it holds can be read and deleted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from ..common.errors import Unavailable
from ..common.http.client import Asked, Pool, Response, Sendable
from ..ring.device import Device
from .error_limit import ErrorLimit
from .nodes import Candidate, candidates

log = logging.getLogger(__name__)

INSUFFICIENT_STORAGE = 507
TOO_MANY_REQUESTS = 529
"""A device that is spared (filter backend_ratelimit) is not ill: the next one is asked, nothing counted."""
SMALL_UPLOAD = 1 << 20
"""A device that has no room even for this has no room; for a larger body it may just be too small."""


@dataclass(slots=True, kw_only=True)
class Question:
    """What all replicas of one thing are asked.

    Made for every request, so not frozen: that would cost three times as much.
    """

    method: str
    path: str
    partition: int
    timeout_seconds: float
    query: str = ""
    body: bytes = b""

    def target(self, device: Device) -> str:
        """Return the request target on one device."""
        target = f"/{device.device}/{self.partition}{self.path}"
        return f"{target}?{self.query}" if self.query else target


class Backend:
    """The storage servers as one worker sees them."""

    def __init__(
        self,
        pool: Pool,
        limits: ErrorLimit,
        *,
        timing_expiry_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pool = pool
        self._limits = limits
        self._full = replace(limits)
        self._clock = clock
        self._timing_expiry_seconds = timing_expiry_seconds
        self._timings: dict[str, tuple[float, float]] = {}

    def ask(self, question: Question, candidate: Candidate, headers: Sendable) -> Response | None:
        """Ask one device; a late or failing one is counted."""
        device = candidate.device
        began = self._clock() if self._timing_expiry_seconds is not None else 0.0
        try:
            response = self.pool.request(
                (device.ip, device.port),
                question.method,
                question.target(device),
                headers,
                question.body,
                timeout_seconds=question.timeout_seconds,
            )
        except Unavailable as problem:
            self.failed(device, question.method, str(problem))
            return None
        if self._timing_expiry_seconds is not None:
            self._time(device, began)
        if response.status >= 500:
            self.refused(device, question.method, response, length=len(question.body))
            return None
        return response

    def judged(self, question: Question, candidate: Candidate, asked: Asked) -> Response | None:
        """Return the answer to what was begun; what is late or failing is counted, as in `ask()`."""
        response = asked.response
        if response is None:
            self.failed(candidate.device, question.method, str(asked.problem))
        elif response.status >= 500:
            self.refused(candidate.device, question.method, response, length=len(question.body))
        else:
            return response
        return None

    def begin(
        self,
        question: Question,
        candidate: Candidate,
        headers: Sendable,
        heard: Callable[[Asked], None],
    ) -> bool:
        """Ask one device without waiting; False when only `ask()` can do it."""
        device = candidate.device
        if self._timing_expiry_seconds is not None:
            return False
        path = f"/{device.device}/{question.partition}{question.path}"
        asked = self.pool.begin(
            (device.ip, device.port),
            question.method,
            f"{path}?{question.query}" if question.query else path,
            headers,
            question.body,
            timeout_seconds=question.timeout_seconds,
            heard=heard,
        )
        return asked is not None

    def refused(self, device: Device, method: str, response: Response, *, length: int = 0) -> None:
        """Count and discard an answer that says the device can't serve a body of that length."""
        if response.status == TOO_MANY_REQUESTS:
            log.info("device has too many requests", extra={"device": device.device, "method": method})
        elif response.status != INSUFFICIENT_STORAGE:
            self.failed(device, method, f"status {response.status}")
        elif method != "PUT" or length <= SMALL_UPLOAD:
            limits = self._full if method == "PUT" else self._limits
            limits.limit(_key(device), self._clock())
            log.error(
                "device is full or unmounted and left alone for a while",
                extra={"device": device.device, "ip": device.ip, "port": device.port, "method": method},
            )
        try:
            response.drain()
        except Unavailable:
            pass  # Its connection is closed; that it failed has been counted.

    def failed(self, device: Device, method: str, problem: str) -> None:
        """Count a failure; too many and the device is left alone for a while."""
        rested = self._limits.count(_key(device), self._clock())
        log.warning(
            "device left alone for a while after many failures" if rested else "storage server failed",
            extra={
                "device": device.device,
                "ip": device.ip,
                "port": device.port,
                "method": method,
                "problem": problem,
            },
        )

    @property
    def is_at_ease(self) -> bool:
        """Whether no device has failed lately, nor said that it has no room."""
        return not (self._limits.records or self._full.records)

    def is_limited(self, device: Device) -> bool:
        """Tell whether the device is being left alone."""
        return bool(self._limits.records) and self._limits.is_limited(_key(device), self._clock())

    def is_limited_for_uploads(self, device: Device) -> bool:
        """Tell whether the device is being left alone, or has no room."""
        if self._limits.records and self.is_limited(device):
            return True
        return bool(self._full.records) and self._full.is_limited(_key(device), self._clock())

    def candidates(
        self, ordered: Iterable[Candidate], count: int, *, uploading: bool = False
    ) -> Iterator[Candidate]:
        """Yield the devices that one request may try."""
        is_limited = self.is_limited_for_uploads if uploading else self.is_limited
        return candidates(ordered, count=count, is_limited=is_limited)

    def timings(self) -> dict[str, float]:
        """Return how fast each address answered lately."""
        now = self._clock()
        return {ip: took for ip, (took, expires) in self._timings.items() if expires > now}

    def _time(self, device: Device, began: float) -> None:
        now = self._clock()
        assert self._timing_expiry_seconds is not None
        # Rounded to a millisecond, so that equals stay shuffled.
        self._timings[device.ip] = (round(now - began, 3), now + self._timing_expiry_seconds)


def _key(device: Device) -> tuple[str, int, str]:
    return (device.ip, device.port, device.device)
