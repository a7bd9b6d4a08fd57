"""Stock OpenStack Swift as a peer: one server of each kind over four devices, memcached, and a proxy.

    Stock(folder, venv, FULL or LEAN) ──▶ rings and confs in the folder ──▶ programs of the environment

Servers only: stock's daemons would wake up when nobody looks. Settings are stock's defaults, one worker each;
log lines go to a file by the way of the system log's protocol, as an operator would have it.
"""

from __future__ import annotations

import getpass
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clusters import ROOT, free_port_block
from stock import await_port
from store import Store

from . import filling
from .peer import Endpoint, Role

DEVICES = ("d1", "d2", "d3", "d4")
PART_POWER = 10
REPLICAS = 3
KINDS = ("object", "container", "account")
_LAUNCHER = ROOT / "test" / "support" / "stock_launch.py"
_TERMINATE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A proxy pipeline worth comparing with."""

    name: str
    title: str
    filters: str


FULL = Pipeline(
    "stock",
    "full pipeline",
    "catch_errors gatekeeper healthcheck"
    " proxy_logging memcache listing_formats etag_quoter container_sync bulk"
    " tempurl ratelimit crossdomain s3api tempauth staticweb copy container_quotas account_quotas slo dlo"
    " versioned_writes symlink proxy_logging",
)
LEAN = Pipeline("stock-lean", "lean pipeline", "catch_errors healthcheck memcache tempauth")
SINK = """
import os, socket, sys
place = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
place.bind(sys.argv[1])
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
while True:
    os.write(log, place.recv(65536) + b"\\n")
"""


class Stock:
    """One cluster of stock's programs."""

    def __init__(self, folder: Path, venv: Path, pipeline: Pipeline = FULL) -> None:
        self.name = pipeline.name
        self.title = f"stock Swift, {pipeline.title}"
        self._pipeline = pipeline
        self._venv = venv
        self._home = folder / pipeline.name
        self._port = free_port_block(10)
        self._running: dict[Role, list[subprocess.Popen[bytes]]] = {}

    def start(self) -> None:
        """Make rings and confs, start the programs, and wait until every port answers."""
        for device in DEVICES:
            (self._devices / device).mkdir(parents=True)
        self._write_rings()
        self._write_confs()
        log_socket, log = self._home / "log.socket", self._home / "swift.log"
        self._run(Role.DAEMONS, [sys.executable, "-c", SINK, str(log_socket), str(log)])
        memcached = shutil.which("memcached")
        assert memcached, "memcached is missing; run: .ci/install test"
        cache = ["-u", getpass.getuser(), "-l", "127.0.0.1", "-p", str(self._port_of("cache")), "-U", "0"]
        self._run(Role.CACHE, [memcached, *cache, "-m", "256", "-c", "4096"])
        for kind in (*KINDS, "proxy"):
            conf = self._home / f"{kind}-server.conf"
            program = self._venv / "bin" / f"swift-{kind}-server"
            python = str(self._venv / "bin" / "python")
            self._run(
                Role(kind), [python, str(_LAUNCHER), str(self._home / "swift.conf"), str(program), str(conf)]
            )
        for place in ("cache", *KINDS, "proxy"):
            await_port(self._port_of(place))

    def stop(self) -> None:
        """End the programs and remove the folder."""
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
        shutil.rmtree(self._home, ignore_errors=True)

    def endpoint(self) -> Endpoint:
        """Where it is."""
        path, token = Store(f"http://127.0.0.1:{self._port}").login("test:tester")
        return Endpoint("127.0.0.1", self._port, path, token)

    def pids(self) -> Mapping[Role, Sequence[int]]:
        """Those that were started; the harness finds their workers."""
        return {role: [process.pid for process in processes] for role, processes in self._running.items()}

    def fill(self, container: str, names: Sequence[str]) -> None:
        """Write the rows into the container's databases; their format is ours too."""
        account = self.endpoint().path.rpartition("/")[2]
        filling.fill([self._devices / device for device in DEVICES], account, container, names)

    @property
    def _devices(self) -> Path:
        return self._home / "devices"

    def _port_of(self, place: str) -> int:
        return self._port + ("proxy", *KINDS, "cache").index(place)

    def _run(self, role: Role, command: Sequence[str]) -> None:
        with (self._home / f"{role}.out").open("ab") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self._running.setdefault(role, []).append(process)

    def _write_rings(self) -> None:
        for kind in KINDS:
            builder = str(self._home / f"{kind}.builder")
            self._builder(builder, "create", str(PART_POWER), str(REPLICAS), "1")
            for zone, device in enumerate(DEVICES, 1):
                place = f"r1z{zone}-127.0.0.1:{self._port_of(kind)}/{device}"
                self._builder(builder, "add", place, "1")
            self._builder(builder, "rebalance", "--seed", "1")

    def _builder(self, *words: str) -> None:
        done = subprocess.run(
            [str(self._venv / "bin" / "swift-ring-builder"), *words], capture_output=True, check=False
        )
        assert done.returncode in (0, 1), done.stdout  # 1 is a warning: it did what it was told.

    def _write_confs(self) -> None:
        (self._home / "swift.conf").write_text(
            "[swift-hash]\nswift_hash_path_suffix = bench\n\n[storage-policy:0]\nname = gold\ndefault = yes\n"
        )
        for kind in KINDS:
            filters = ("healthcheck", "recon", "backend_ratelimit")
            text = [
                *self._default(self._port_of(kind)),
                f"devices = {self._devices}",
                "mount_check = false",
                f"recon_cache_path = {self._home}",
                f"[pipeline:main]\npipeline = {' '.join(filters)} {kind}-server",
                f"[app:{kind}-server]\nuse = egg:swift#{kind}",
                *(f"[filter:{name}]\nuse = egg:swift#{name}" for name in filters),
            ]
            (self._home / f"{kind}-server.conf").write_text("\n".join(text) + "\n")
        (self._home / "proxy-server.conf").write_text("\n".join(self._proxy_conf()) + "\n")

    def _default(self, port: int) -> list[str]:
        return [
            "[DEFAULT]",
            "bind_ip = 127.0.0.1",
            f"bind_port = {port}",
            "workers = 1",
            f"user = {getpass.getuser()}",
            f"swift_dir = {self._home}",
            f"log_address = {self._home}/log.socket",
        ]

    def _proxy_conf(self) -> list[str]:
        options = {
            "memcache": [f"memcache_servers = 127.0.0.1:{self._port_of('cache')}"],
            "tempauth": ["reseller_prefix = AUTH", "user_test_tester = testing .admin"],
            "versioned_writes": ["allow_versioned_writes = true", "allow_object_versioning = true"],
        }
        return [
            *self._default(self._port_of("proxy")),
            f"[pipeline:main]\npipeline = {self._pipeline.filters} proxy-server",
            "[app:proxy-server]",
            "use = egg:swift#proxy",
            "account_autocreate = true",
            "allow_account_management = true",
            *(
                "\n".join([f"[filter:{name}]", f"use = egg:swift#{name}", *options.get(name, [])])
                for name in dict.fromkeys(self._pipeline.filters.split())
            ),
        ]


def is_installed(venv: Path) -> bool:
    """Whether stock's programs are there."""
    return (venv / "bin" / "swift-proxy-server").exists()
