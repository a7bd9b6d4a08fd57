"""Laws of a server as a service: start, signals, workers, exit codes; told from outside its process."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

APPLICATION = """
import os
from apus.common import concurrency

def app_factory(global_conf, **local_conf):
    if "refuse" in local_conf:
        raise ValueError("refuse is set")

    def app(environ, start_response):
        body = str(os.getpid()).encode()
        if environ["PATH_INFO"] == "/slow":
            with open(local_conf["begun"], "w") as handle:
                handle.write("x")
            while not os.path.exists(local_conf["go_on"]):
                concurrency.sleep(0.01)
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    return app
"""
PROGRAM = """
import sys
from apus.common import concurrency
concurrency.patch()
from apus.common.http.service import run_server
sys.exit(run_server(sys.argv[1:], "test-server"))
"""
CONF = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = {workers}

[pipeline:main]
pipeline = healthcheck test-server

[filter:healthcheck]
use = egg:apus#healthcheck

[app:test-server]
paste.app_factory = served_application:app_factory
begun = {here}/begun
go_on = {here}/go_on
{more}
"""
PATIENCE_SECONDS = 120


def is_readable(handle: int) -> bool:
    """Whether something comes before patience ends; select() knows no descriptor above 1023."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(PATIENCE_SECONDS * 1000))


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Service:
    """A server program and how to talk to it."""

    def __init__(self, folder: Path, workers: int, more: str = "") -> None:
        self.port = free_port()
        self.folder = folder
        (folder / "served_application.py").write_text(APPLICATION)
        conf = folder / "test.conf"
        conf.write_text(CONF.format(port=self.port, workers=workers, here=folder, more=more))
        self.command = [sys.executable, "-c", PROGRAM, str(conf)]
        self.environ = {**os.environ, "PYTHONPATH": str(folder)}
        self.process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start it, wait until it says that it is ready, and see that it has gone in the end."""
        reading, writing = os.pipe()
        command = [*self.command, "--ready-fd", str(writing)]
        process = subprocess.Popen(command, env=self.environ, pass_fds=[writing], stderr=subprocess.PIPE)
        os.close(writing)
        try:
            assert is_readable(reading)
            assert os.read(reading, 10) == b"\n"
            yield process
        finally:
            os.close(reading)
            process.terminate()
            process.communicate(timeout=PATIENCE_SECONDS)

    def failure(self, *arguments: str) -> tuple[int, str]:
        """Exit code and message of a start that is expected to fail."""
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.environ,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return done.returncode, done.stderr.decode()

    def connect(self) -> socket.socket:
        """A connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)

    def ask(self, path: str = "/") -> bytes:
        """The body of its answer: the process id of a worker."""
        with self.connect() as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
            return everything(sock).partition(b"\r\n\r\n")[2]


def everything(sock: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def accepts(port: int) -> bool:
    """Whether anybody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS).close()
    except ConnectionError:
        return False
    return True


def gone(pid: int) -> bool:
    """Wait until the process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with contextlib.closing(os.fdopen(descriptor, "rb", buffering=0)) as handle:
        return is_readable(handle.fileno())


@pytest.mark.parametrize(
    ("workers", "number"),
    [(0, signal.SIGTERM), (0, signal.SIGHUP), (1, signal.SIGINT), (2, signal.SIGTERM), (2, signal.SIGHUP)],
)
def test_it_serves_when_it_says_so_and_ends_on_a_signal(tmp_path: Path, workers: int, number: int) -> None:
    """Ready means ready; SIGTERM, SIGHUP and SIGINT all end it with 0, and its workers with it."""
    service = Service(tmp_path, workers)
    with service.running() as process:
        assert service.ask("/healthcheck") == b"OK"
        pid = int(service.ask())
        assert (pid == process.pid) == (workers == 0)
        process.send_signal(number)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert gone(pid)
        assert process.stderr is not None
        log = process.stderr.read().decode()
        assert " started " in log
        assert " stopped" in log


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    """Another one serves, and the service goes on."""
    service = Service(tmp_path, 1)
    with service.running() as process:
        killed = set()
        for _ in range(2):
            pid = int(service.ask())
            assert pid not in killed
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
            assert gone(pid)
        assert process.poll() is None


def test_workers_do_not_outlive_their_foreman(tmp_path: Path) -> None:
    """A foreman killed without a word takes its workers along, and the port is free."""
    service = Service(tmp_path, 2)
    with service.running() as process:
        pid = int(service.ask())
        process.kill()
        process.wait()
        assert gone(pid)
    with service.running():
        assert int(service.ask()) != pid


@pytest.mark.parametrize("workers", [0, 1])
def test_a_graceful_stop_finishes_the_request_under_way(tmp_path: Path, workers: int) -> None:
    """SIGHUP: no new connection, the old one is answered, then the process ends."""
    service = Service(tmp_path, workers)
    with service.running() as process, service.connect() as busy, service.connect() as idle:
        busy.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
        while not (tmp_path / "begun").exists():
            assert process.poll() is None
        process.send_signal(signal.SIGHUP)
        assert idle.recv(10) == b""
        while accepts(service.port):
            assert process.poll() is None
        (tmp_path / "go_on").touch()
        assert b"Connection: close" in everything(busy)
        assert process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stop_at_once_waits_for_nobody(tmp_path: Path, workers: int) -> None:
    """SIGTERM ends requests under way too."""
    service = Service(tmp_path, workers)
    with service.running() as process, service.connect() as busy:
        busy.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
        while not (tmp_path / "begun").exists():
            assert process.poll() is None
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0
        assert everything(busy) == b""


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    """Exit code 1 and a sentence with the address."""
    service = Service(tmp_path, 1)
    with service.running():
        code, message = service.failure()
        assert code == 1
        assert f"127.0.0.1:{service.port}: the port is in use" in message


@pytest.mark.parametrize(
    ("workers", "wrong", "right", "sentence"),
    [
        (2, "served_application:app_factory", "served_application:nothing", "nothing"),
        (1, "served_application:", "no_such_module:", "no_such_module"),
        (0, "egg:apus#healthcheck", "egg:apus#no_such_filter", "no_such_filter"),
        (1, "begun =", "refuse =", "refuse is set"),
        (0, "begun =", "refuse =", "refuse is set"),
        (1, "bind_port =", "bind_port = x", "bind_port"),
        (1, "workers = ", "workers = many ", "workers"),
        (1, "[pipeline:main]", "[pipeline:other]", "main"),
        (1, "[DEFAULT]", "nonsense", "not a configuration file"),
        (1, "[DEFAULT]", "[DEFAULT]\nclient_timeout = -1", "client_timeout"),
    ],
)
def test_a_wrong_configuration_is_said(
    tmp_path: Path, workers: int, wrong: str, right: str, sentence: str
) -> None:
    """Exit code 2 and a sentence that names what is wrong; nothing is left running."""
    service = Service(tmp_path, workers)
    conf = tmp_path / "test.conf"
    assert wrong in conf.read_text()
    conf.write_text(conf.read_text().replace(wrong, right))
    code, message = service.failure()
    assert code == 2, message
    assert sentence in message
    assert "Traceback" not in message


def test_a_missing_configuration_is_said(tmp_path: Path) -> None:
    """Exit code 2."""
    service = Service(tmp_path, 1)
    (tmp_path / "test.conf").unlink()
    code, message = service.failure()
    assert (code, "No such file" in message) == (2, True)


def test_the_pid_file_holds_the_foreman(tmp_path: Path) -> None:
    """Who is to be signalled."""
    service = Service(tmp_path, 1)
    service.command += ["--pid-file", str(tmp_path / "pid")]
    with service.running() as process:
        assert (tmp_path / "pid").read_text() == f"{process.pid}\n"


def test_the_service_manager_is_told(tmp_path: Path) -> None:
    """READY=1 when requests are served, STOPPING=1 when they are no more."""
    service = Service(tmp_path, 1)
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        manager.settimeout(PATIENCE_SECONDS)
        service.environ["NOTIFY_SOCKET"] = name
        with service.running() as process:
            assert manager.recv(100) == f"READY=1\nMAINPID={process.pid}".encode()
            process.terminate()
            assert manager.recv(100) == b"STOPPING=1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_privileges_are_dropped() -> None:
    """Requests are served by the user of the configuration."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others.
        os.chmod(name, 0o755)
        _drop_privileges(Path(name))


def _drop_privileges(folder: Path) -> None:
    service = Service(folder, 1, more="user = nobody")
    with service.running():
        pid = int(service.ask())
        uids = next(
            line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Uid")
        )
        assert set(uids.split()[1:]) == {"65534"}
    conf = folder / "test.conf"
    conf.write_text(conf.read_text().replace("user = nobody", "user = nobody-of-that-name"))
    code, message = service.failure()
    assert (code, "no such user" in message) == (2, True)
