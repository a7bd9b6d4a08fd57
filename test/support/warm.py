"""Programs of Python that start at once, for what they import was imported before.

    run("apus.bin.aio:main", "bin/apus-aio", ["up"]) ──▶ this process's parent of all runs of that program
        parent: imports the program, then forks a child for each order ──▶ exit status, output

A test suite starts the same few programs hundreds of times, and most of what they use is the import of their
libraries. The child is what `python PROGRAM` would be by then: a process of its own, with its own arguments,
environment, folder and files, that ends as others do. Who sends it signals of its own starts the real thing.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, NoReturn

_ORDER_BYTES_MAX = 1 << 17
_FILES = 4  # Of an order: standard input, output and error, and where to write how it ended.


@dataclass(frozen=True, slots=True)
class Child:
    """A program that was started."""

    pid: int
    ended: BinaryIO

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code, negative for a signal; TimeoutError while it runs on."""
        heard = select.poll()  # select() itself takes no descriptor above 1023.
        heard.register(self.ended, select.POLLIN)
        if not heard.poll(None if timeout is None else timeout * 1000):
            raise TimeoutError(f"process {self.pid} is not over after {timeout} s")
        with self.ended:
            return int(self.ended.readline() or -signal.SIGKILL)


class Parent:
    """The parent of all runs of one program, in one Python."""

    def __init__(self, entry: str, python: str, preloaded: Sequence[str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * _ORDER_BYTES_MAX)
        self._socket = ours
        with theirs:
            self._process = subprocess.Popen(
                [python, "-P", __file__, entry, str(theirs.fileno()), *preloaded],
                env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        atexit.register(self.close)

    def start(
        self, argv: Sequence[str], environment: Mapping[str, str], cwd: str, files: Sequence[int]
    ) -> Child:
        """Have it fork; the files are the child's standard ones, and it leads a session of its own."""
        order = {"argv": list(argv), "environment": dict(environment), "cwd": cwd}
        hears, tells = os.pipe()
        try:
            socket.send_fds(self._socket, [json.dumps(order).encode()], [*files, tells])
        finally:
            os.close(tells)
        ended = os.fdopen(hears, "rb")
        return Child(int(ended.readline()), ended)

    def close(self) -> None:
        """End it; what runs lives on."""
        atexit.unregister(self.close)
        self._socket.shutdown(socket.SHUT_RDWR)  # Closing says nothing where a forked process has it, too.
        self._socket.close()
        self._process.wait()


@lru_cache
def parent_of(entry: str, python: str = sys.executable, preloaded: tuple[str, ...] = ()) -> Parent:
    """Return the one parent of a program ("module:function") that this process has."""
    return Parent(entry, python, preloaded)


def run(
    entry: str,
    program: str,
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    cwd: str | os.PathLike[str] | None = None,
    text: str = "",
    timeout: float,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with a text to read from its standard input, as subprocess.run does.

    Raises:
        TimeoutError: when it takes too long; it is killed then.
    """
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as wept:
        told.write(text.encode())
        told.seek(0)
        files = [told.fileno(), said.fileno(), wept.fileno()]
        child = parent_of(entry).start([program, *words], environment, os.fspath(cwd or os.getcwd()), files)
        try:
            code = child.wait(timeout)
        except TimeoutError:
            os.kill(child.pid, signal.SIGKILL)
            raise
        return subprocess.CompletedProcess([program, *words], code, _all_of(said), _all_of(wept))


def _all_of(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="surrogateescape").replace("\r\n", "\n")


def _main() -> NoReturn:
    """Be the parent: fork for each order, tell how each child ended, leave when nobody can order any more."""
    entry, descriptor, *preloaded = sys.argv[1:]
    module, _, name = entry.partition(":")
    program: Callable[[], object] = getattr(importlib.import_module(module), name)
    for other in preloaded:
        importlib.import_module(other)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if _serve(socket.socket(fileno=int(descriptor))):
        sys.exit(program())  # type: ignore[arg-type]  # what an entry point returns is for exit to understand
    os._exit(0)


def _serve(orders: socket.socket) -> bool:
    """Return True in a child, and False when there will be no more orders."""
    hears, tells = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(tells)
    running: dict[int, int] = {}
    heard = select.poll()
    heard.register(orders.fileno(), select.POLLIN)
    heard.register(hears, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in heard.poll()}
        if hears in ready:
            os.read(hears, 4096)
            _bury(running)
        if orders.fileno() not in ready:
            continue
        message, files, _, _ = socket.recv_fds(orders, _ORDER_BYTES_MAX, _FILES)
        if not message:
            return False
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            for foreign in (orders.detach(), hears, tells, files[-1], *running.values()):
                os.close(foreign)
            _become(json.loads(message), files)
            return True
        _tell(files[-1], pid)
        running[pid] = files[-1]
        for file in files[:-1]:
            os.close(file)


def _bury(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        file = running.pop(pid)
        _tell(file, os.waitstatus_to_exitcode(status))
        os.close(file)


def _tell(file: int, number: int) -> None:
    try:
        os.write(file, f"{number}\n".encode())
    except BrokenPipeError:
        pass  # Nobody wants to know.


def _become(order: dict[str, Any], files: Sequence[int]) -> None:
    """Take over what a process of its own would have been started with."""
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    for file in files[:3]:
        os.close(file)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    sys.argv[:] = order["argv"]
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["cwd"])


if __name__ == "__main__":
    _main()
