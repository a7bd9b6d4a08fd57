"""Running a WSGI server as a service: configuration, port, privileges, processes, signals.

    CONF ──▶ settings ──▶ listener ──▶ privileges ──┬─ workers = 0 ──▶ serve here
                                                    └─ workers > 0 ──▶ Foreman ──fork──▶ serve in each
    serve: PasteDeploy pipeline ──▶ HttpServer; SIGTERM ends at once, SIGHUP after the requests under way

Exit codes: 0 stopped on request, 1 failed (port in use, worker failed), 2 the configuration is wrong.
It does not know what is served: that is the pipeline in CONF.
"""

from __future__ import annotations

import argparse
import errno
import gc
import grp
import logging
import os
import pwd
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from paste.deploy import loadapp

from .. import concurrency, durability, endings, logs, metrics
from ..config import parse, read_ini
from ..errors import ApusError, Refused
from ..notice import announce_ready, announce_stopping
from ..signals import SignalPipe
from ..workers import EXIT_CONF, EXIT_FAILED, READY, Errand, Foreman, worker_count
from .head import HEADERS_MAX, INNER_HEADERS_MAX
from .server import HttpServer
from .settings import ServerConfig, ServerOptions
from .wsgi import WSGIApp

log = logging.getLogger(__name__)

SERVING = metrics.gauge("apus_serving_processes", "Processes of this server that accept requests.")


def run_server(argv: Sequence[str] | None, default_section: str) -> int:
    """Serve what CONF describes until a signal comes; return the exit code."""
    arguments = _parser(default_section).parse_args(argv)
    try:
        options = _options(arguments.conf, default_section)
        if arguments.verbose:
            options["log_level"] = "DEBUG"
        settings = parse(ServerOptions, options)
        faces_clients = default_section == "proxy-server"
        config = ServerConfig.parse(options, headers_max=HEADERS_MAX if faces_clients else INNER_HEADERS_MAX)
        count = worker_count(settings.workers)
        logs.configure(options, default_section)
        listener = bind(settings)
    except Refused as problem:
        return _complain(default_section, problem, EXIT_CONF)
    except OSError as problem:
        return _complain(default_section, problem, EXIT_FAILED)
    metrics.begin()
    service = _Service(arguments, settings, config, listener, default_section)
    return service.run(count)


def load_app(conf_path: str | Path, **local_conf: str) -> WSGIApp:
    """Return the pipeline that the file describes.

    Raises:
        Refused: saying what is wrong with the file.
    """
    path = os.path.abspath(conf_path)
    try:
        app: WSGIApp = loadapp(f"config:{path}", global_conf=local_conf)
    except (LookupError, ImportError, AttributeError, ValueError) as problem:
        log.debug("the pipeline cannot be loaded", exc_info=True)
        raise Refused(f"{path} cannot be loaded: {type(problem).__name__}: {problem}") from problem
    return app


def bind(settings: ServerOptions) -> socket.socket:
    """Return a listening socket; raise OSError with a sentence when the address cannot be had."""
    address = (settings.bind_ip, settings.bind_port)
    family = socket.AF_INET6 if ":" in settings.bind_ip else socket.AF_INET
    sock: socket.socket = concurrency.original("socket").socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(settings.backlog)
    except OSError as problem:
        sock.close()
        reason = "the port is in use" if problem.errno == errno.EADDRINUSE else problem.strerror
        raise OSError(problem.errno, f"cannot listen on {address[0]}:{address[1]}: {reason}") from problem
    return sock


def drop_privileges(user: str) -> None:
    """Become that user, for good; does nothing for whoever is not root."""
    if not user or os.geteuid() != 0:
        return
    try:
        entry = pwd.getpwnam(user)
    except KeyError as problem:
        raise Refused(f"user = {user!r}: there is no such user") from problem
    os.setgroups([group.gr_gid for group in grp.getgrall() if user in group.gr_mem])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ["HOME"] = entry.pw_dir


class _Service:
    """One server program."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        settings: ServerOptions,
        config: ServerConfig,
        listener: socket.socket,
        name: str,
    ) -> None:
        self._arguments = arguments
        self._settings = settings
        self._config = config
        self._listener = listener
        self._name = name
        self._ready_fd: int | None = arguments.ready_fd  # None once it has been used and closed.

    def run(self, count: int) -> int:
        """Serve here, or in so many workers."""
        if self._arguments.pid_file:
            Path(self._arguments.pid_file).write_text(f"{os.getpid()}\n")
        try:
            if count:
                # A listener that nobody accepts from must not stay open behind the workers' backs.
                closing = self._listener.close
                return Foreman(self._work, count, on_ready=self._say_ready, on_stopping=closing).run()
            drop_privileges(self._settings.user)
            return self._serve(self._say_ready)
        except Refused as problem:
            return _complain(self._name, problem, EXIT_CONF)
        finally:
            log.info("stopped")

    def _say_ready(self) -> None:
        ip, port = self._listener.getsockname()[:2]
        log.info("started", extra={"ip": ip, "port": port})
        announce_ready(self._ready_fd)
        self._ready_fd = None

    def _work(self, errand: Errand) -> int:
        """Be a worker."""
        if self._ready_fd is not None:
            os.close(self._ready_fd)  # The foreman's to write to; whoever reads it may wait for its end.
        try:
            concurrency.start_afresh()
            drop_privileges(self._settings.user)
            concurrency.spawn(_end_with, errand.lifeline)
            return self._serve(lambda: errand.report(READY))
        except ApusError as problem:
            errand.report(f"{self._name}: {problem}".encode())
            return EXIT_CONF

    def _serve(self, on_ready: Callable[[], None]) -> int:
        durability.share_rounds()
        app = load_app(self._arguments.conf)
        # What is there now stays: 30,000 objects that a full collection need not look at, for 10 ms, again.
        gc.collect()
        gc.freeze()
        SERVING.labels().set(1)
        server = HttpServer(app, self._config)
        signals = SignalPipe(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        concurrency.spawn(_heed, signals, server)
        concurrency.spawn(on_ready)  # Its turn comes when the server accepts.
        server.serve(self._listener)
        endings.settle()
        return 0


def _heed(signals: SignalPipe, server: HttpServer) -> None:
    """Do what signals say."""
    while True:
        concurrency.wait_readable(signals.descriptor)
        for number in signals.read():
            announce_stopping()
            server.stop(graceful=number == signal.SIGHUP)


def _end_with(lifeline: int) -> None:
    """End this process when the foreman has ended without having said so."""
    concurrency.wait_readable(lifeline)
    log.error("the foreman died")
    os._exit(EXIT_FAILED)


def _options(conf: str, section: str) -> dict[str, str]:
    """Return what concerns the server itself: the section of its application, with the defaults."""
    sections = read_ini(conf)
    return dict(sections.get(f"app:{section}") or sections.get(section) or sections["DEFAULT"])


def _complain(name: str, problem: Any, code: int) -> int:
    text = problem.strerror if isinstance(problem, OSError) else problem
    print(f"{name}: {text}", file=sys.stderr)
    return code


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"apus-{name}", description=f"Run the {name} of one node.")
    parser.add_argument("conf", help="configuration file")
    parser.add_argument("--verbose", "-v", action="store_true", help="log more")
    parser.add_argument("--pid-file", default="", help="write the process id to this file")
    parser.add_argument(
        "--ready-fd",
        type=int,
        metavar="N",
        help="write a newline to this descriptor when requests are served",
    )
    return parser
