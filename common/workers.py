"""Worker processes of one server: forked, watched, replaced.

    foreman ──fork──▶ worker ──"ready" or what went wrong──▶ foreman
        │ worker dies ──▶ another is forked, after a pause when it had died young
        │ SIGTERM: all end now     SIGHUP: all finish their requests, then end
        ▼
    foreman dies ──▶ its lifeline closes ──▶ workers end too

The foreman runs nothing but this loop: no hub, no application. It does not know what the workers do.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from .concurrency import original
from .errors import Refused
from .notice import announce_stopping
from .signals import SignalPipe, read_now

log = logging.getLogger(__name__)
_select = original("select")

EXIT_FAILED = 1
EXIT_CONF = 2
READY = b"ready"
_HEEDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
YOUNG_SECONDS = 2.0  # A worker that dies younger than this is likely to do so again.
PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 10.0  # With workers that were told to end at once; then they are killed.


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a worker is given by its foreman."""

    report: Callable[[bytes], None]
    lifeline: int  # Readable when the foreman is dead.


@dataclass(slots=True, kw_only=True)
class _Worker:
    pid: int
    reports: int  # The descriptor on which it tells how its start went.
    born: float
    ready: bool = False
    told: bytes = b""

    def listen(self) -> None:
        """Take note of what it tells."""
        if not self.ready:
            try:
                self.told += read_now(self.reports)
            except BlockingIOError:
                return
            self.ready = self.told == READY


class Foreman:
    """Keeps a number of workers alive until it is told to stop."""

    def __init__(
        self,
        work: Callable[[Errand], int],
        count: int,
        *,
        on_ready: Callable[[], None],
        on_stopping: Callable[[], None],
    ) -> None:
        assert count > 0
        self._work = work
        self._count = count
        self._on_ready = on_ready
        self._on_stopping = on_stopping
        self._workers: dict[int, _Worker] = {}
        self._lifeline = os.pipe2(os.O_CLOEXEC)
        self._signals = SignalPipe(*_HEEDED)
        self._stopping = False
        self._announced = False
        self._kill_at: float | None = None
        self._failure: int | None = None

    def run(self) -> int:
        """Fork the workers and watch them; return the exit code."""
        for _ in range(self._count):
            self._fork()
        fork_at = 0.0
        while self._workers or not self._stopping:
            missing = 0 if self._stopping else self._count - len(self._workers)
            now = time.monotonic()
            if missing and now >= fork_at:
                for _ in range(missing):
                    self._fork()
                missing = 0
            self._wait(self._patience(now, fork_at if missing else None))
            for number in self._signals.read():
                self._heed(number)
            self._hear()
            if self._reap():
                fork_at = time.monotonic() + PAUSE_SECONDS
        return self._failure or 0

    def _fork(self) -> None:
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal must not come while the child still has our handlers: it would be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            self._be_worker(writing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
        os.close(writing)
        self._workers[pid] = _Worker(pid=pid, reports=reading, born=time.monotonic())

    def _be_worker(self, report: int) -> None:
        """Work in the forked child, and never return into the parent's code."""
        code = EXIT_FAILED
        try:
            for number in _HEEDED:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
            self._signals.close()
            os.close(self._lifeline[1])
            for worker in self._workers.values():
                os.close(worker.reports)
            os.environ.pop("NOTIFY_SOCKET", None)  # Only the foreman speaks for the service.
            code = self._work(Errand(report=lambda told: _write(report, told), lifeline=self._lifeline[0]))
        except BaseException:  # noqa: BLE001 - the process ends here; the traceback must not be lost
            log.exception("a worker failed")
        finally:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _wait(self, seconds: float | None) -> None:
        poll = _select.poll()  # Not the green one: there is no hub here.
        poll.register(self._signals.descriptor, _select.POLLIN)
        for worker in self._workers.values():
            if not worker.ready:
                poll.register(worker.reports, _select.POLLIN)
        poll.poll(None if seconds is None else int(seconds * 1000) + 1)

    def _patience(self, now: float, fork_at: float | None) -> float | None:
        """Return for how long nothing is to be done; kill those whose time is up."""
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            for worker in self._workers.values():
                log.warning("a worker does not end and is killed", extra={"worker": worker.pid})
                _send(worker.pid, signal.SIGKILL)
        moments = [moment - now for moment in (self._kill_at, fork_at) if moment is not None]
        return max(0.0, min(moments)) if moments else None

    def _heed(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stop(signal.SIGTERM)
        elif number == signal.SIGHUP:
            self._stop(signal.SIGHUP)

    def _stop(self, how: signal.Signals) -> None:
        if not self._stopping:
            self._on_stopping()
            announce_stopping()
            log.info("stopping", extra={"how": how.name})
        self._stopping = True
        if how == signal.SIGTERM and self._kill_at is None:
            self._kill_at = time.monotonic() + PATIENCE_SECONDS
        for worker in self._workers.values():
            _send(worker.pid, how)

    def _hear(self) -> None:
        """Take note of what new workers tell."""
        for worker in self._workers.values():
            worker.listen()
        if not self._announced and sum(worker.ready for worker in self._workers.values()) == self._count:
            self._announced = True
            self._on_ready()

    def _reap(self) -> bool:
        """Bury the dead; return whether one of them had died young."""
        young = False
        while self._workers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            worker = self._workers.pop(pid, None)
            if worker is None:
                continue
            worker.listen()  # Its last words may have come just now.
            os.close(worker.reports)
            code = os.waitstatus_to_exitcode(status)
            if not self._stopping:
                young |= time.monotonic() - worker.born < YOUNG_SECONDS
                self._mourn(worker, code)
        return young

    def _mourn(self, worker: _Worker, code: int) -> None:
        if worker.ready or self._announced:
            log.warning("a worker died and is replaced", extra={"worker": worker.pid, "exit_code": code})
            return
        self._failure = code if code > 0 else EXIT_FAILED
        told = (
            worker.told.decode("utf-8", "replace") or f"a worker ended with code {code} before it was ready"
        )
        print(told, file=sys.stderr)
        self._stop(signal.SIGTERM)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _write(descriptor: int, data: bytes) -> None:
    with open(descriptor, "wb", buffering=0) as pipe:
        pipe.write(data)


def worker_count(text: str) -> int:
    """Return how many workers `auto` or a number means."""
    if text.strip().lower() == "auto":
        return len(os.sched_getaffinity(0))
    try:
        count = int(text)
    except ValueError:
        count = -1
    if count < 0:
        raise Refused(f"workers = {text!r}: expected auto or a number from 0")
    return count
