"""One disk served by NBD over a unix socket, to any number of connections.

    DiskServer(disk, name, path).start() ──▶ accept ──▶ a thread for each connection
        what is in the local file is answered there and then; what must be made durable, by a crew; what must
        be fetched, by another one, so that nobody waits for the store but who wants something of it

Real threads: the time goes into system calls and hashing, which let the others run. Answers may come in
another order than the requests, as the protocol allows.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ....common.errors import ApusError
from ..disk import FULL, Disk
from . import wire
from .handshake import Export, Outcome, answered
from .wire import Command, Errno

log = logging.getLogger(__name__)

CREW = 4
"""Requests of one disk that wait for the local disk at a time."""
FETCHERS = 8
"""Requests of one disk that wait for the store at a time."""
LISTEN_BACKLOG = 16
ACCEPT_PAUSE_SECONDS = 0.1
"""Before the next client is let in, where one could not be."""


class Gone(ApusError):
    """The client has closed the connection."""


class DiskServer:
    """Serves one disk until it is stopped."""

    def __init__(self, disk: Disk, name: str, path: Path) -> None:
        self.disk = disk
        self.name = name
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._crews = Crews(
            ThreadPoolExecutor(CREW, f"nbd-{name}"), ThreadPoolExecutor(FETCHERS, f"nbd-fetch-{name}")
        )
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._is_stopping = False

    @property
    def connections(self) -> int:
        """How many clients there are."""
        return len(self._connections)

    def start(self) -> None:
        """Listen at the path, for nobody but our own user, and serve from now on."""
        self.path.unlink(missing_ok=True)
        self.disk.be_patient()
        self._listener.bind(str(self.path))
        self.path.chmod(0o600)
        self._listener.listen(LISTEN_BACKLOG)
        self._run(self._accept)

    def stop(self) -> None:
        """End all connections; requests that are being served are finished, unless the store is away.

        Those whose turn has not come are dropped: nobody was told that they were done.
        """
        self._is_stopping = True
        self.disk.be_short()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for crew in (self._crews.durable, self._crews.fetching):
            crew.shutdown(wait=True, cancel_futures=True)
        self.path.unlink(missing_ok=True)

    def _run(self, work: object, *arguments: object) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=arguments, name=f"nbd-{self.name}", daemon=True)
        self._threads = [known for known in self._threads if known.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._is_stopping:
            try:
                connection, _ = self._listener.accept()
            except OSError as problem:
                if not self._is_stopping:  # The client has gone already, or too many files are open.
                    log.warning("a client was not let in", extra={"disk": self.name, "why": str(problem)})
                    time.sleep(ACCEPT_PAUSE_SECONDS)
                continue
            with self._lock:
                if self._is_stopping:  # Whoever stops us has not seen this one.
                    connection.close()
                    return
                self._connections.add(connection)
            self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                if _negotiate(connection, self._export()):
                    Conversation(connection, self.disk, self._crews).run()
        except (Gone, OSError):
            pass
        except wire.Broken as problem:
            log.warning("a client of a disk speaks no NBD", extra={"disk": self.name, "why": str(problem)})
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _export(self) -> Export:
        return Export(self.name, self.disk.size, self.disk.is_writable)


def _negotiate(connection: socket.socket, export: Export) -> bool:
    """Answer options; True when the client wants the disk."""
    connection.sendall(wire.greeting())
    padding = not wire.client_flags(bytes(_exactly(connection, wire.CLIENT_FLAGS_BYTES)))
    while True:
        asked = wire.option(bytes(_exactly(connection, wire.OPTION_BYTES)))
        data = bytes(_exactly(connection, asked.length))
        step = answered(asked.kind, data, export, padding=padding)
        connection.sendall(step.reply)
        if step.outcome is not Outcome.MORE:
            return step.outcome is Outcome.GO


@dataclass(frozen=True, slots=True)
class Crews:
    """Who does what can't be done at once."""

    durable: ThreadPoolExecutor
    fetching: ThreadPoolExecutor


class Conversation:
    """The requests of one connection."""

    def __init__(self, connection: socket.socket, disk: Disk, crews: Crews) -> None:
        self._connection, self._disk, self._crews = connection, disk, crews
        self._sending = threading.Lock()

    def run(self) -> None:
        """Serve until the client has had enough.

        Raises:
            Gone, OSError: it went without a word.
            Broken: it said what has no meaning.
        """
        while True:
            asked = wire.request(bytes(_exactly(self._connection, wire.REQUEST_BYTES)))
            payload = _exactly(self._connection, asked.payload_length)
            if asked.kind == Command.DISCONNECT:
                return
            refused = self._refused(asked)
            if refused:
                self._send(wire.simple_reply(asked.cookie, refused))
            elif self._is_quick(asked):
                self._answer(asked, payload)
            else:
                crew = self._crews.durable if self._is_here(asked) else self._crews.fetching
                crew.submit(self._answer_apart, asked, payload)

    def _is_quick(self, asked: wire.Request) -> bool:
        if asked.flags & wire.FUA:
            return False
        return asked.kind in (Command.READ, Command.WRITE) and self._is_here(asked)

    def _is_here(self, asked: wire.Request) -> bool:
        """Whether it can be done without the store."""
        if not asked.length:
            return True
        if asked.kind == Command.WRITE:
            return self._disk.is_writable_here(asked.offset, asked.length)
        return self._disk.is_here(asked.offset, asked.length)

    def _refused(self, asked: wire.Request) -> Errno:
        """Return why a request is not served, OK when it is."""
        if asked.kind not in FLAGS:
            return Errno.INVALID
        if asked.flags & ~FLAGS[asked.kind]:
            return Errno.INVALID
        if asked.kind == Command.FLUSH:
            return Errno.INVALID if asked.offset or asked.length else Errno.OK
        is_reading = asked.kind == Command.READ
        if not is_reading and not self._disk.is_writable:
            return Errno.PERM
        if asked.offset + asked.length > self._disk.size:
            return Errno.INVALID if is_reading else Errno.NO_SPACE
        too_long = is_reading and asked.length > wire.REQUEST_LENGTH_MAX
        return Errno.INVALID if too_long or not asked.length else Errno.OK

    def _answer_apart(self, asked: wire.Request, payload: bytes | bytearray) -> None:
        try:
            self._answer(asked, payload)
        except OSError:  # The client is gone; the one who reads from it finds out.
            self._break_off()
        except Exception:  # noqa: BLE001 - a client that is never answered would wait for ever.
            log.exception("request on a disk failed")
            self._break_off()

    def _break_off(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, asked: wire.Request, payload: bytes | bytearray) -> None:
        if asked.kind == Command.READ:
            with self._disk.using(asked.offset, asked.length):  # Till it is sent: it must not be evicted.
                if self._disk.is_here(asked.offset, asked.length) or self._is_done(asked, payload):
                    self._send_data(asked)
        elif self._is_done(asked, payload):
            self._send(wire.simple_reply(asked.cookie))

    def _is_done(self, asked: wire.Request, payload: bytes | bytearray) -> bool:
        """Do what is asked; when that fails, send why and return False."""
        try:
            self._do(asked, payload)
        except ApusError as problem:
            log.warning("request on a disk failed", extra={"why": str(problem), "offset": asked.offset})
            self._send(wire.simple_reply(asked.cookie, Errno.IO))
            return False
        except OSError as problem:
            is_full = problem.errno in FULL
            if is_full:
                log.warning("no room is left for disks on this host: a guest is told so")
            else:
                log.exception("the local file of a disk failed")
            self._send(wire.simple_reply(asked.cookie, Errno.NO_SPACE if is_full else Errno.IO))
            return False
        return True

    def _do(self, asked: wire.Request, payload: bytes | bytearray) -> None:
        disk = self._disk
        if asked.kind == Command.READ:
            disk.ensure(asked.offset, asked.length)
        elif asked.kind == Command.WRITE:
            disk.write(asked.offset, payload)
        elif asked.kind == Command.WRITE_ZEROES:
            disk.write_zeros(asked.offset, asked.length)
        elif asked.kind == Command.TRIM:
            disk.trim(asked.offset, asked.length)
        if asked.kind == Command.FLUSH or (asked.flags & wire.FUA and asked.kind != Command.READ):
            disk.flush()

    def _send(self, data: bytes) -> None:
        with self._sending:
            self._connection.sendall(data)

    def _send_data(self, asked: wire.Request) -> None:
        """Send a reply with the disk's bytes, from the local file to the socket."""
        at, end = asked.offset, asked.offset + asked.length
        with self._sending:
            self._connection.sendall(wire.simple_reply(asked.cookie), socket.MSG_MORE)
            while at < end:
                sent = os.sendfile(self._connection.fileno(), self._disk.descriptor, at, end - at)
                if not sent:
                    raise OSError(errno.EIO, "the local file is shorter than the disk")
                at += sent


FLAGS = {int(kind): flags for kind, flags in wire.FLAGS_KNOWN.items()}


def _exactly(connection: socket.socket, length: int) -> bytearray:
    """Return so many bytes of the connection.

    Raises:
        Gone: it ended before.
    """
    data = bytearray(length)
    view, at = memoryview(data), 0
    while at < length:
        got = connection.recv_into(view[at:])
        if not got:
            raise Gone("the client has closed the connection")
        at += got
    return data
