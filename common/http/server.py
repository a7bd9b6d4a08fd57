"""The server: accepts connections and gives each a green thread.

    listener ──accept──▶ Wire ──▶ Connection.serve() in a green thread of its own
    stop() ──▶ no more accepting; idle connections end, busy ones finish their request; serve() returns

It does not know what is served, nor how many processes share the listener.
"""

from __future__ import annotations

import _socket
import errno
import logging
import os
import socket
import sys

from .. import concurrency
from .connection import Connection
from .settings import ServerConfig
from .wire import Wire, leave_unpaced
from .wsgi import Environ, WSGIApp

__all__ = ["HttpServer", "ServerConfig"]

log = logging.getLogger(__name__)

_ENDED = frozenset((errno.EBADF, errno.EINVAL, errno.ENOTSOCK))
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class HttpServer:
    """Serves one WSGI application on one listener."""

    def __init__(self, app: WSGIApp, config: ServerConfig = ServerConfig()) -> None:  # noqa: B008 - frozen
        self._app = app
        self._config = config
        self._places = concurrency.Semaphore(config.connections_max)
        self._connections: dict[Connection, concurrency.Task[None]] = {}
        self._acceptor: concurrency.Task[None] | None = None
        self._stopping = False
        self._all_gone = concurrency.Event()

    def serve(self, listener: socket.socket) -> None:
        """Serve until `stop()`; return when the last connection has ended. The listener is closed."""
        os.set_blocking(listener.fileno(), False)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # Accepted sockets inherit it.
        self._acceptor = concurrency.spawn(self._accept_for_ever, listener)
        try:
            if self._stopping:
                self._acceptor.kill()
            self._acceptor.wait()
        except concurrency.Killed:
            pass
        finally:
            listener.close()
        while self._connections:
            self._all_gone.clear()
            self._all_gone.wait()

    def stop(self, *, graceful: bool = True) -> None:
        """Stop accepting; let requests under way finish, or not. It does not wait."""
        self._stopping = True
        for connection, task in list(self._connections.items()):
            if graceful:
                connection.stop()
            else:
                concurrency.spawn(task.kill)
        if self._acceptor is not None:
            concurrency.spawn(self._acceptor.kill)

    def _accept_for_ever(self, listener: socket.socket) -> None:
        base = _base_environ(listener)
        raw = _socket.socket(fileno=os.dup(listener.fileno()))
        try:
            while True:
                self._places.acquire()
                accepted = self._accept_one(raw)
                if accepted is None:
                    return
                self._begin(
                    _socket.socket(listener.family, socket.SOCK_STREAM, 0, accepted[0]), accepted[1], base
                )
        finally:
            raw.close()

    def _accept_one(self, listener: _socket.socket) -> tuple[int, tuple[str, int]] | None:
        """Return the descriptor and peer of the next connection; None when the listener has ended."""
        while True:
            try:
                descriptor, address = listener._accept()  # type: ignore[attr-defined]  # what socket.accept is made of
                return descriptor, address[:2]
            except BlockingIOError:
                concurrency.wait_readable(listener.fileno())
            except OSError as problem:
                if problem.errno in _ENDED:
                    return None
                if problem.errno in _EXHAUSTED:
                    log.warning("cannot accept connections", extra={"problem": str(problem)})
                    concurrency.sleep(0.1)  # Until some connection ends there is nothing to be done.

    def _begin(self, sock: _socket.socket, address: tuple[str, int], base: Environ) -> None:
        environ = {**base, "REMOTE_ADDR": address[0], "REMOTE_PORT": str(address[1])}
        leave_unpaced(sock, address[0])
        connection = Connection(Wire(sock), environ, self._app, self._config)
        connection.stopping = self._stopping
        self._connections[connection] = concurrency.Task(connection.serve, lambda _: self._end(connection))

    def _end(self, connection: Connection) -> None:
        connection.close()
        del self._connections[connection]
        self._places.release()
        if not self._connections:
            self._all_gone.set()


def _base_environ(listener: socket.socket) -> Environ:
    """Return what is the same for all requests."""
    name = listener.getsockname()
    return {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SCRIPT_NAME": "",
        "SERVER_NAME": str(name[0]),
        "SERVER_PORT": str(name[1]),
    }
