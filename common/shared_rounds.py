"""This process's line to the program that makes rounds of syncfs for everybody on a file system.

    open_line(device) ──▶ connected ──▶ Line      ask(), rest(), answers()
                      └──▶ nobody there: take the name, start the program, connect

The name is in the abstract socket namespace and holds user and device number; whoever takes it first
starts the program and hands it the listening socket, so requests can be sent before the program runs.
A name that another user took is not trusted. Nothing here waits: a program that takes no more guests is no
program. It does not know what is done when the line breaks.
"""

from __future__ import annotations

import os
import sys
from socket import socket

from . import commit_rounds
from .commit_rounds import ANSWER, IDLE, OPENED, SYNC, peer_user
from .concurrency import original

NAME = (
    "apus-rounds-1"  # With the form of what is said: an upgrade must not talk to the program from before it.
)
_BACKLOG = 1024
_READ_BYTES = 4096
_ATTEMPTS = 10
_socket = original("socket")
_programs: list[int] = []  # Process ids of those that this process started.


class Broken(OSError):
    """The program at the other end has gone: what was asked may or may not have been done."""


class Line:
    """A connection to the rounds of one file system."""

    def __init__(self, path: str) -> None:
        """Connect; raise OSError where that cannot be."""
        self._connection = _connected(f"\0{NAME}-{os.geteuid()}-{os.stat(path).st_dev}")
        self.descriptor: int = self._connection.fileno()

    def open(self, device: int) -> None:
        """Say that writes begin, and hand over an open directory of the device."""
        self._send(OPENED, device)

    def ask(self) -> None:
        """Ask for a round that begins after this moment."""
        self._send(SYNC)

    def rest(self) -> None:
        """Say that nothing is being written."""
        self._send(IDLE)

    def answers(self) -> list[tuple[int, int]]:
        """Return what came in: (how many more requests are served, errno or 0).

        Raises:
            Broken: when the other end has gone.
        """
        try:
            data = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return []
        except OSError as problem:
            raise Broken(*problem.args) from problem
        if not data or len(data) % ANSWER.size:
            raise Broken("the line ended")
        return list(ANSWER.iter_unpack(data))

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _send(self, word: bytes, device: int | None = None) -> None:
        try:
            if device is None:
                self._connection.send(word)
            else:
                _socket.send_fds(self._connection, [word], [device])
        except OSError as problem:
            raise Broken(*problem.args) from problem


def _connected(name: str) -> socket:
    for _ in range(_ATTEMPTS):
        connection: socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        connection.settimeout(0)
        try:
            try:
                connection.connect(name)
            except ConnectionRefusedError:
                _start(name)
                continue
            if peer_user(connection) != os.geteuid():
                raise PermissionError(f"another user has taken {name!r}")
        except BaseException:
            connection.close()
            raise
        return connection
    raise ConnectionRefusedError("the rounds' program ends again and again")


def _start(name: str) -> None:
    """Take the name and start the program behind it, unless somebody is quicker."""
    _programs[:] = [program for program in _programs if not _has_ended(program)]
    with _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM) as listener:
        try:
            listener.bind(name)
        except OSError:
            return  # Taken in this moment.
        listener.listen(_BACKLOG)
        # Isolated and without site: it needs nothing but the standard library, and starts in 15 ms.
        command = [sys.executable, "-I", "-S", commit_rounds.__file__, "0"]
        # It outlives who starts it, whose output may be a pipe that somebody reads to its end.
        nowhere = [(os.POSIX_SPAWN_OPEN, output, os.devnull, os.O_WRONLY, 0) for output in (1, 2)]
        actions = [(os.POSIX_SPAWN_DUP2, listener.fileno(), 0), *nowhere]
        _programs.append(
            os.posix_spawn(sys.executable, command, os.environ, file_actions=actions, setsid=True)
        )


def _has_ended(program: int) -> bool:
    """Whether a program of ours has ended; its exit code is collected then."""
    try:
        return os.waitpid(program, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True  # It was started by the process that forked this one.
