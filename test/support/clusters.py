"""All-in-one clusters for tests: each in a folder and on ports of its own, gone when the test is.

    AllInOne(home, port).up() ──▶ .store, .status(), .kill("node2"), .once("object-replicator") …

Everything goes through `bin/apus-aio`'s program, as a person's would; what a test does to processes itself, it
does by pid.
"""

from __future__ import annotations

import configparser
import json
import os
import random
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import warm
from processes import kill_and_wait
from store import Store
from turns import share_of_ports

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = ROOT / "bin" / "apus-aio"
FIRST_PORT, LAST_PORT = 12000, 31000  # Below the kernel's ephemeral ports, which clients are given.
COMMAND_TIMEOUT_SECONDS = 600


class CommandFailed(AssertionError):
    """apus-aio exited with another code than it should have."""


@dataclass(frozen=True, slots=True)
class AllInOne:
    """One cluster."""

    home: Path
    port: int
    nodes: int = 4
    workers: int = 1
    background: bool = False
    agents: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """What apus-aio reads."""
        return {
            **os.environ,
            "APUS_HOME": str(self.home),
            "APUS_PORT": str(self.port),
            "APUS_WORKERS": str(self.workers),
            "APUS_AGENTS": "auto" if self.agents else "none",
        }

    def restart_proxy(self, last_filters: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Kill the proxy and start it again, with these filters right before the proxy itself."""
        if last_filters is not None:
            conf = configparser.RawConfigParser()
            conf.optionxform = str  # type: ignore[assignment,method-assign]  # option names keep their case
            path = self.home / "proxy" / "etc" / "proxy-server.conf"
            conf.read(path)
            conf["pipeline:main"]["pipeline"] = with_filters(conf["pipeline:main"]["pipeline"], last_filters)
            for name, options in last_filters.items():
                conf[f"filter:{name}"] = {"use": f"egg:apus#{name}", **options}
            with path.open("w") as file:
                conf.write(file)
        for pid in self.pids("proxy-server"):
            kill_and_wait(pid)
        self.run("up")

    @property
    def store(self) -> Store:
        """The cluster as its users see it."""
        return Store(f"http://127.0.0.1:{self.port}")

    def run(
        self, *words: str, codes: tuple[int, ...] = (0,), variables: Mapping[str, str] | None = None
    ) -> str:
        """Run apus-aio; return what it printed."""
        done = warm.run(
            "apus.bin.aio:main",
            str(COMMAND),
            words,
            environment={**self.environment, **(variables or {})},
            timeout=COMMAND_TIMEOUT_SECONDS,
        )
        if done.returncode not in codes:
            raise CommandFailed(
                f"apus-aio {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout + done.stderr

    def up(self) -> AllInOne:
        """Bring it up."""
        exists = (self.home / "cluster.json").exists()
        shape = {
            "APUS_NODES": str(self.nodes),
            "APUS_DAEMONS": "background" if self.background else "once",
        }
        self.run("up", variables={} if exists else shape)
        return self

    def down(self) -> None:
        """Take it down."""
        self.run("down")

    def status(self) -> dict[str, Any]:
        """What `status --json` says."""
        facts: dict[str, Any] = json.loads(self.run("status", "--json", codes=(0, 1, 3)))
        return facts

    def kill(self, node: str) -> None:
        """SIGKILL every process of the node."""
        self.run("kill", node)

    def start(self, node: str) -> None:
        """Start the node again."""
        self.run("start", node)

    def wipe(self, device: str) -> None:
        """Swap the device for an empty one."""
        self.run("wipe", device)

    def once(self, *daemons: str) -> None:
        """Run daemons once on all live nodes."""
        self.run("once", *daemons)

    def pids(self, role: str, node: str | None = None) -> list[int]:
        """The processes of that role (of that node)."""
        return [
            process["pid"]
            for process in self.status()["processes"]
            if process["role"] == role and node in (None, process["node"])
        ]


@contextmanager
def all_in_one(
    home: Path, *, nodes: int = 4, workers: int = 1, background: bool = False, agents: bool = False
) -> Iterator[AllInOne]:
    """A cluster that is up, and down again afterwards.

    Its daemons run when a test says so, with `once`; in the background only where the test is about that. A
    cloud in it has services alone, unless it is to have agents: then guests run on this machine.
    """
    cluster = AllInOne(home, free_port_block(10 * (nodes + 4)), nodes, workers, background, agents)
    try:
        yield cluster.up()
    finally:
        if (home / "cluster.json").exists():
            cluster.down()


def with_filters(pipeline: str, last: Iterable[str]) -> str:
    """Return the pipeline with these filters right before the proxy."""
    *others, app = [name for name in pipeline.split() if name not in last]
    return " ".join((*others, *last, app))


class Ports:
    """This process's ports, given away in turn, so that what is down for a while finds its own free again."""

    def __init__(self) -> None:
        self.first, self.last = share_of_ports(FIRST_PORT, LAST_PORT)
        self.next = random.Random(os.urandom(8)).randrange(self.first, self.last)

    def take(self, length: int) -> int:
        """Return the first of that many consecutive ports on which nobody listens."""
        for _ in range(self.last - self.first):
            begin = self.next if self.next + length <= self.last else self.first
            taken = [port for port in range(begin, begin + length) if not _is_free(port)]
            self.next = taken[-1] + 1 if taken else begin + length
            if not taken:
                return begin
        raise AssertionError(f"no {length} consecutive free ports between {self.first} and {self.last}")


free_port_block = Ports().take


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
