"""The shape in which Apus and stock Swift are compared: one server of each kind over four devices.

    programs to run ──▶ Shape(folder, name) ──▶ rings and confs in the folder ──▶ processes ──▶ gone again

What an operator has on a machine with four disks, a proxy included, and the same processes, rings, devices
and settings on both sides; servers only, as daemons wake up when they like. It does not know whose programs
they are.
"""

from __future__ import annotations

import getpass
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from clusters import free_port_block
from stock import await_port
from store import Store

from . import accounting, filling
from .peer import Endpoint, Role

DEVICES = ("d1", "d2", "d3", "d4")
PART_POWER = 10
REPLICAS = 3
KINDS = ("object", "container", "account")
PLACES = ("proxy", *KINDS, "cache")
_TERMINATE_SECONDS = 10


class Shape(ABC):
    """One cluster; who derives from it says which programs and which pipelines."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.home = folder / name
        self.port = free_port_block(10)
        self._running: dict[Role, list[subprocess.Popen[bytes]]] = {}

    @abstractmethod
    def program(self, kind: str, conf: Path) -> Sequence[str]:
        """The command that serves what the conf describes."""

    @abstractmethod
    def builder(self) -> str:
        """The ring builder."""

    @abstractmethod
    def pipeline(self, kind: str) -> Sequence[str]:
        """The part of a server's conf that names its filters and its application."""

    def defaults(self) -> Sequence[str]:
        """More lines for the first section of every conf."""
        return ()

    def start(self) -> None:
        """Make rings and confs, start the programs, and wait until every port answers."""
        for device in DEVICES:
            (self.devices / device).mkdir(parents=True)
        self._write_rings()
        self._write_confs()
        self.start_helpers()
        for kind in (*KINDS, "proxy"):
            self.run(Role(kind), self.program(kind, self.home / f"{kind}-server.conf"))
        for kind in (*KINDS, "proxy"):
            await_port(self.port_of(kind))

    def start_helpers(self) -> None:
        """Start what the servers need beside them; nothing, unless a derived class has something."""
        return

    def stop(self) -> None:
        """End the programs and remove the folder."""
        accounting.wake(self.pids())  # Who is at rest would not hear of it, and its workers would be left.
        for processes in self._running.values():
            for process in processes:
                process.terminate()
        for processes in self._running.values():
            for process in processes:
                try:
                    process.wait(_TERMINATE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self._running = {}
        shutil.rmtree(self.home, ignore_errors=True)

    def endpoint(self) -> Endpoint:
        """Where it is."""
        path, token = Store(f"http://127.0.0.1:{self.port}").login("test:tester")
        return Endpoint("127.0.0.1", self.port, path, token)

    def pids(self) -> Mapping[Role, Sequence[int]]:
        """Those that were started; the harness finds their workers."""
        return {role: [process.pid for process in processes] for role, processes in self._running.items()}

    def fill(self, container: str, names: Sequence[str]) -> None:
        """Write the rows into the container's databases; their format is the same everywhere."""
        account = self.endpoint().path.rpartition("/")[2]
        filling.fill([self.devices / device for device in DEVICES], account, container, names)

    @property
    def devices(self) -> Path:
        """The folder of the devices."""
        return self.home / "devices"

    def port_of(self, place: str) -> int:
        """The port of a server, or of the cache."""
        return self.port + PLACES.index(place)

    def run(self, role: Role, command: Sequence[str]) -> None:
        """Start a program that ends with the cluster."""
        with (self.home / f"{role}.out").open("ab") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self._running.setdefault(role, []).append(process)

    def _write_rings(self) -> None:
        for kind in KINDS:
            builder = str(self.home / f"{kind}.builder")
            self._build(builder, "create", str(PART_POWER), str(REPLICAS), "1")
            for zone, device in enumerate(DEVICES, 1):
                self._build(builder, "add", f"r1z{zone}-127.0.0.1:{self.port_of(kind)}/{device}", "1")
            self._build(builder, "rebalance", "--seed", "1")

    def _build(self, *words: str) -> None:
        done = subprocess.run([self.builder(), *words], capture_output=True, check=False)
        assert done.returncode in (0, 1), done.stdout  # 1 is a warning: it did what it was told.

    def _write_confs(self) -> None:
        (self.home / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_suffix = bench\n\n[storage-policy:0]\nname = gold\ndefault = yes\n"
        )
        for kind in (*KINDS, "proxy"):
            text = [
                "[DEFAULT]",
                "bind_ip = 127.0.0.1",
                f"bind_port = {self.port_of(kind)}",
                "workers = 1",
                f"user = {getpass.getuser()}",
                f"swift_dir = {self.home}",
                *self.defaults(),
            ]
            if kind != "proxy":
                text += [
                    f"devices = {self.devices}",
                    "mount_check = false",
                    f"recon_cache_path = {self.home}",
                ]
            (self.home / f"{kind}-server.conf").write_text("\n".join([*text, *self.pipeline(kind)]) + "\n")


def sections(
    egg: str, kind: str, filters: Sequence[str], options: Mapping[str, Sequence[str]]
) -> Sequence[str]:
    """Return the pipeline of a server, its application and its filters, with the options of each."""
    app = "proxy-server" if kind == "proxy" else f"{kind}-server"
    return [
        f"[pipeline:main]\npipeline = {' '.join([*filters, app])}",
        f"[app:{app}]\nuse = egg:{egg}#{kind}",
        *options.get(app, ()),
        *(
            "\n".join([f"[filter:{name}]", f"use = egg:{egg}#{name}", *options.get(name, ())])
            for name in dict.fromkeys(filters)
        ),
    ]
