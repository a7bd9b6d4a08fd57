"""A webhook under test, and the notifier that calls it.

    Webhook ◀──POST── apus-container-notifier ◀── log ◀── proxy
        └ .events: what was told so far     .answers: how it answers from now on

Its section in the cluster's notification-targets.conf comes and goes with it.
"""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from clusters import AllInOne

from apus.proxy.middleware.s3.notification.rules import arn_of
from apus.proxy.middleware.s3.notification.targets import FILE

SECRET = "between us"
DEADLINE_SECONDS = 180


@dataclass(slots=True)
class Message:
    """What came in one POST."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def record(self) -> Any:
        """The event that it tells of."""
        (record,) = json.loads(self.body)["Records"]
        return record


@dataclass(eq=False)
class Webhook:
    """A receiver of events."""

    name: str
    messages: list[Message] = field(default_factory=list)
    """All that came, taken or not."""
    taken: list[Message] = field(default_factory=list)
    answer: Callable[[Message], int] = lambda _message: 200
    """Returns the status to answer with; 0 hangs up without one."""

    @property
    def arn(self) -> str:
        """What configurations call it."""
        return arn_of(self.name)

    @property
    def events(self) -> list[tuple[str, str]]:
        """Name and key of each event that was taken, in their order."""
        return [
            (record["eventName"], record["s3"]["object"]["key"])
            for record in (message.record for message in self.taken)
        ]

    def hear(self, message: Message) -> int:
        """Take a message; return the status."""
        self.messages.append(message)
        status = self.answer(message)
        if status // 100 == 2:
            self.taken.append(message)
        return status


@contextmanager
def webhook(cluster: AllInOne, **options: str) -> Iterator[Webhook]:
    """A webhook that the cluster knows as a target, as long as it is needed."""
    hook = Webhook(f"hook-{uuid.uuid4().hex[:8]}")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = hook.hear(Message(dict(self.headers), body))
            if status:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    said = {"url": f"http://127.0.0.1:{server.server_port}/hook?a=b", "secret": SECRET, **options}
    try:
        with _target(cluster.home / "etc" / FILE, hook.name, said):
            yield hook
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _target(path: Path, name: str, options: Mapping[str, str]) -> Iterator[None]:
    def write(change: Callable[[configparser.ConfigParser], object]) -> None:
        conf = configparser.ConfigParser(interpolation=None)
        conf.read(path)
        change(conf)
        if not conf.sections():
            path.unlink()  # Where there is a file, `apus-aio up` starts a notifier.
            return
        fresh = path.with_suffix(".new")
        with fresh.open("w") as file:
            conf.write(file)
        fresh.rename(path)

    write(lambda conf: conf.read_dict({name: options}))
    try:
        yield
    finally:
        write(lambda conf: conf.remove_section(name))


@dataclass(frozen=True, slots=True)
class Notifier:
    """The daemon, with a conf of its own."""

    conf: Path

    @property
    def command(self) -> list[str]:
        """How it is started."""
        return [sys.executable, "-m", "apus.bin.container_notifier", str(self.conf)]

    def once(self) -> str:
        """Let it make one pass; return what it logged."""
        done = subprocess.run(
            [*self.command, "--once"], capture_output=True, text=True, timeout=600, check=True
        )
        return done.stdout + done.stderr

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Let it run."""
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def notifier(cluster: AllInOne, folder: Path, **options: str) -> Notifier:
    """Return the daemon of a cluster; intents are looked after at once, what fails is tried again soon."""
    said = {
        "swift_dir": str(cluster.home / "etc"),
        "recon_cache_path": str(folder),
        "interval": "0.2",
        "settle_seconds": "0",
        "retry_seconds": "0.1",
        "retry_seconds_max": "0.5",
        **options,
    }
    conf = folder / f"notifier-{uuid.uuid4().hex[:8]}.conf"
    lines = "\n".join(f"{key} = {value}" for key, value in said.items())
    conf.write_text(f"[container-notifier]\n{lines}\n")
    return Notifier(conf)


def until(holds: Callable[[], object]) -> None:
    """Wait for something."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)
