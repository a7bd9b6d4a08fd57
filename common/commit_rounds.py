"""Rounds of syncfs for all processes that write to one file system; a small program of its own.

    process ──"sync"──▶ ┐                                  ┌──▶ so many of your requests are served
    process ──"sync"──▶ ├─ everything asked so far: syncfs ┤
    process ──"sync"──▶ ┘                                  └──▶ or it failed: told to everybody, asked or not

It runs for as long as somebody is connected, and does nothing but wait for requests, make a round, and
answer: while a round is under way the next requests gather in the sockets. `shared_rounds` starts it and
talks to it. It imports only the standard library's smallest modules, so that it starts in milliseconds.

What a page lost by the kernel means: each open description of a directory is told once of every loss since
it was opened. A process hands over a description that it opened before its first write; the first round
it asks for flushes that one too, so a loss from before it was introduced here is heard as well.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import sys
from collections.abc import Callable

OPENED, SYNC, IDLE = b"o", b"s", b"i"  # OPENED brings the device's open directory with it.
ANSWER = struct.Struct("=II")  # How many of this process's requests are served by this, errno or 0.
STARTING_MILLISECONDS = 10_000  # Who starts this connects at once, unless it was killed in between.
_READ_BYTES = 4096
_libc = ctypes.CDLL(None, use_errno=True)


def sync_filesystem(descriptor: int) -> None:
    """Write all dirty data of the file system that holds `descriptor`, and wait until it is there.

    Where the C library lacks syncfs all file systems are written, and failures go unreported.
    """
    syncfs = getattr(_libc, "syncfs", None)
    if syncfs is None:
        os.sync()
    elif syncfs(descriptor):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Guest:
    """One connected process."""

    __slots__ = ("asked", "connection", "fresh", "is_writing")

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.fresh: list[int] = []  # Descriptions that no round has flushed yet.
        self.is_writing = False
        self.asked = 0  # Requests that no round has served yet.


class Rounds:
    """The requests of all guests, and what serves them."""

    def __init__(self, listener: socket.socket, flush: Callable[[int], None] = sync_filesystem) -> None:
        self._listener = listener
        self._flush = flush
        self._guests: dict[int, Guest] = {}
        self._keeper = -1  # Flushed in every round, and open for as long as anybody writes.
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)
        listener.settimeout(0)

    def serve(self) -> None:
        """Make rounds until the last guest has left."""
        self._hear(STARTING_MILLISECONDS)
        while self._guests:
            self._hear(None)
            asked = [guest for guest in self._guests.values() if guest.asked]
            if asked:
                self._answer(asked, self._flushed(asked))

    def _hear(self, timeout_milliseconds: int | None) -> None:
        """Wait until somebody says something; take in what all have said, and who is new."""
        for descriptor, _ in self._poll.poll(timeout_milliseconds):
            if descriptor == self._listener.fileno():
                self._welcome()
            elif not self._heard(self._guests[descriptor]):
                self._part_with(self._guests[descriptor])

    def _welcome(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # It has left already.
        if peer_user(connection) != os.geteuid():
            connection.close()
            return
        connection.settimeout(0)
        self._guests[connection.fileno()] = Guest(connection)
        self._poll.register(connection, select.POLLIN)

    def _heard(self, guest: Guest) -> bool:
        """Take in what a guest says; return False when it has left."""
        try:
            words, descriptors, _, _ = socket.recv_fds(guest.connection, _READ_BYTES, 4)
        except OSError:
            return False
        guest.fresh += descriptors
        for word in words:
            if word == SYNC[0]:
                guest.asked += 1
            else:
                guest.is_writing = word == OPENED[0]
        if not guest.is_writing:
            self._let_go(guest)
        return bool(words)

    def _let_go(self, guest: Guest) -> None:
        """Keep nothing open for a guest that writes nothing: the device may have to be unmounted."""
        while guest.fresh:
            os.close(guest.fresh.pop())
        if self._keeper >= 0 and not any(other.is_writing for other in self._guests.values()):
            os.close(self._keeper)
            self._keeper = -1

    def _part_with(self, guest: Guest) -> None:
        guest.is_writing = False
        self._let_go(guest)
        self._poll.unregister(guest.connection)
        del self._guests[guest.connection.fileno()]
        guest.connection.close()

    def _flushed(self, guests: list[Guest]) -> int:
        """Make one round; return its errno, 0 when all went well."""
        fresh = [descriptor for guest in guests for descriptor in guest.fresh]
        for guest in guests:
            guest.fresh.clear()
        if self._keeper < 0 and fresh:
            self._keeper = fresh.pop()
        # Without either, all who asked have said since that they write nothing: they wait no longer.
        flushed = [*fresh, self._keeper] if self._keeper >= 0 else []
        outcome = 0
        for descriptor in flushed:
            try:
                self._flush(descriptor)
            except OSError as problem:
                outcome = problem.errno or outcome
        for descriptor in fresh:
            os.close(descriptor)
        return outcome

    def _answer(self, asked: list[Guest], outcome: int) -> None:
        """Tell those who asked; a failure is told to all, as the lost page may be anybody's."""
        for guest in list(self._guests.values()) if outcome else asked:
            served, guest.asked = guest.asked, 0
            try:
                guest.connection.send(ANSWER.pack(served, outcome))
            except OSError:
                self._part_with(guest)  # It has died, or reads no longer: it will see the end of the line.


def peer_user(connection: socket.socket) -> int:
    """Return the user id of whoever is at the other end of a local connection."""
    form = struct.Struct("=iII")
    _, user, _ = form.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, form.size))
    return int(user)


def main() -> None:
    """Serve on the listening socket whose descriptor is the first argument."""
    os.chdir("/")  # Not to keep a device from being unmounted by standing in it.
    Rounds(socket.socket(fileno=int(sys.argv[1]))).serve()


if __name__ == "__main__":
    main()
