"""Stock OpenStack Swift's programs in the place of ours, on the same rings, ports and disks.

    AllInOne ──▶ StockPrograms.replace_node("node3") ──▶ kill ours, start theirs over the same device
             ──▶ .replace_proxy(), .give_back(…)     ──▶ and the other way round

They come from a virtual environment of their own (APUS_STOCK_VENV, made by `.ci/install stock`).
"""

from __future__ import annotations

import configparser
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pytest
import warm
from clusters import ROOT, AllInOne, free_port_block
from processes import kill_and_wait
from store import Store

KINDS = ("account", "container", "object")
START_TIMEOUT_SECONDS = 180
END_TIMEOUT_SECONDS = 60
PRELOADED = (
    "swift.account.server",
    "swift.container.server",
    "swift.obj.server",
    "swift.proxy.server",
    "swift.common.middleware.recon",
)
FORGETFUL = {"recheck_account_existence": "-10", "recheck_container_existence": "-10"}
"""Lives that memcached takes to be over; 0 would be an endless one, and so would be a tenth of -1."""
PROXY_FILTERS: Mapping[str, Mapping[str, str]] = {
    "catch_errors": {},
    "gatekeeper": {},
    "healthcheck": {},
    "proxy_logging": {},
    "memcache": {},
    "etag_quoter": {},
    "listing_formats": {},
    "container_sync": {},
    "bulk": {},
    "tempurl": {},
    "formpost": {},
    "tempauth": {"reseller_prefix": "AUTH"},
    "staticweb": {},
    "copy": {},
    "container_quotas": {},
    "account_quotas": {},
    "slo": {},
    "dlo": {},
    "versioned_writes": {"allow_versioned_writes": "true", "allow_object_versioning": "true"},
    "symlink": {},
}
"""Stock's filters by the names of their code, in stock's order: those of our default pipeline."""
Filters = Mapping[str, Mapping[str, str]]


def stock_venv() -> Path:
    """The virtual environment that stock Swift is installed in; skips the test where there is none."""
    venv = Path(os.environ.get("APUS_STOCK_VENV", ROOT / ".venv-stock"))
    if not (venv / "bin" / "swift-proxy-server").exists():
        pytest.skip(f"stock OpenStack Swift is not installed in {venv}; run: .ci/install stock")
    return venv


@dataclass(slots=True)
class StockPrograms:
    """The stock programs that run in one cluster; ours have been ended where they do."""

    cluster: AllInOne
    venv: Path
    running: dict[str, list[subprocess.Popen[bytes] | warm.Child]] = field(default_factory=dict)

    def replace_node(self, node: str) -> None:
        """End our processes of the node and serve its device with stock's three servers."""
        self.cluster.kill(node)
        ports = [self._start_server(node, kind) for kind in KINDS]
        for port in ports:
            await_port(port)

    def give_back_node(self, node: str) -> None:
        """The other way round."""
        self.end(node)
        self.cluster.start(node)

    def replace_proxy(self, last_filters: Filters | None = None) -> None:
        """End our proxy and serve its port with stock's, these filters of its right before the proxy."""
        for pid in self.cluster.pids("proxy-server"):
            kill_and_wait(pid)
        self._start_proxy("proxy", self.cluster.port, last_filters or {})

    def add_proxy(self, last_filters: Filters | None = None, *, forgets: bool = False) -> Store:
        """Start a proxy of stock's beside those that run; one that forgets looks everything up anew.

        The filters stand right before the proxy, but for s3api, which is right before tempauth.
        """
        port = free_port_block(1)
        self._start_proxy(f"proxy-{port}", port, last_filters or {}, FORGETFUL if forgets else {})
        return Store(f"http://127.0.0.1:{port}", "stock")

    def give_back_proxy(self) -> None:
        """The other way round."""
        self.end("proxy")
        self.cluster.run("up")

    def end(self, place: str) -> None:
        """End the stock programs of a node, or of the proxy."""
        for process in self.running.pop(place, []):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(END_TIMEOUT_SECONDS)

    def run_once(self, node: str, program: str, kind: str) -> str:
        """Run a stock daemon once on the node; what it said."""
        path = self._server_conf(node, kind)
        done = subprocess.run(
            [str(self.venv / "bin" / "python"), *self._launcher(program), str(path), "once", "-v"],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def _start_proxy(
        self, place: str, port: int, last_filters: Filters, options: Mapping[str, str] | None = None
    ) -> None:
        folder = self.cluster.home / "proxy" / "etc"
        ours = _ini(folder / "proxy-server.conf")
        users = {name: value for name, value in ours["filter:tempauth"].items() if name.startswith("user_")}
        told = {
            "memcache": {"memcache_servers": f"127.0.0.1:{self._start_memcached(place)}"},
            "tempauth": users,
        }
        filters = _in_order(last_filters)
        sections = {
            "DEFAULT": {**self._common(ours["DEFAULT"]), "bind_port": str(port), "workers": "0"},
            "pipeline:main": {"pipeline": " ".join((*filters, "proxy-server"))},
            "app:proxy-server": {
                "use": "egg:swift#proxy",
                "account_autocreate": "true",
                "allow_account_management": "true",
                **(options or {}),
            },
            **{
                f"filter:{name}": {"use": f"egg:swift#{name}", **filters[name], **told.get(name, {})}
                for name in filters
            },
        }
        path = folder / f"stock-{place}.conf"
        _write(path, sections)
        self._launch(place, "swift-proxy-server", path)
        await_port(port)

    def _start_server(self, node: str, kind: str) -> int:
        path = self._server_conf(node, kind)
        self._launch(node, f"swift-{kind}-server", path)
        return int(_ini(path)["DEFAULT"]["bind_port"])

    def _server_conf(self, node: str, kind: str) -> Path:
        folder = self.cluster.home / node / "etc"
        ours = _ini(folder / f"{kind}-server.conf")
        sections = {
            "DEFAULT": {**self._common(ours["DEFAULT"]), "disable_fallocate": "true", "workers": "0"},
            "pipeline:main": {"pipeline": f"healthcheck recon {kind}-server"},
            f"app:{kind}-server": {"use": f"egg:swift#{kind}"},
            "filter:healthcheck": {"use": "egg:swift#healthcheck"},
            "filter:recon": {"use": "egg:swift#recon"},
            **{f"{kind}-{name}": {} for name in ("replicator", "auditor", "updater", "sync")},
        }
        path = folder / f"stock-{kind}-server.conf"
        _write(path, sections)
        return path

    def _common(self, ours: dict[str, str]) -> dict[str, str]:
        kept = ("bind_ip", "bind_port", "swift_dir", "devices", "mount_check", "recon_cache_path")
        return {
            **{name: ours[name] for name in kept if name in ours},
            "user": getpass.getuser(),
            "log_address": "/dev/null",
        }

    def _start_memcached(self, place: str) -> int:
        program = shutil.which("memcached")
        if program is None:
            pytest.skip("memcached is missing; run: .ci/install test")
        port = free_port_block(1)
        command = [program, "-u", getpass.getuser(), "-l", "127.0.0.1", "-p", str(port), "-U", "0"]
        with self._log(place) as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        self.running.setdefault(place, []).append(process)
        await_port(port)
        return port

    def _launch(self, place: str, program: str, conf: Path) -> None:
        parent = warm.parent_of("stock_launch:main", str(self.venv / "bin" / "python"), PRELOADED)
        argv = [*self._launcher(program), str(conf)]
        with self._log(place) as output, open(os.devnull, "rb") as nothing:
            files = [nothing.fileno(), output.fileno(), output.fileno()]
            process = parent.start(argv, os.environ, os.getcwd(), files)
        self.running.setdefault(place, []).append(process)

    def _launcher(self, program: str) -> list[str]:
        launcher = str(Path(__file__).with_name("stock_launch.py"))
        return [launcher, str(self.cluster.home / "etc" / "swift.conf"), str(self.venv / "bin" / program)]

    def _log(self, place: str) -> BinaryIO:
        return (self.cluster.home / f"stock-{place}.log").open("ab")


@contextmanager
def stock_programs(cluster: AllInOne) -> Iterator[StockPrograms]:
    """Stock's programs for the cluster, ended afterwards."""
    programs = StockPrograms(cluster, stock_venv())
    try:
        yield programs
    finally:
        for place in list(programs.running):
            programs.end(place)


def await_port(port: int) -> None:
    """Return when somebody answers there."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nobody answers on port {port} after {START_TIMEOUT_SECONDS} s")


def _in_order(last: Filters) -> dict[str, Mapping[str, str]]:
    """Return all filters of a proxy of stock's, in the order of its pipeline."""
    made: dict[str, Mapping[str, str]] = {}
    for name, options in PROXY_FILTERS.items():
        if name == "tempauth" and "s3api" in last:
            made["s3api"] = last["s3api"]
        made[name] = options
    return {**made, **last}


def _ini(path: Path) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # option names keep their case
    parser.read(path)
    sections = {name: dict(parser.items(name)) for name in parser.sections()}
    return {**sections, "DEFAULT": dict(parser.defaults())}


def _write(path: Path, sections: dict[str, dict[str, str]]) -> None:
    blocks = [
        "\n".join([f"[{section}]", *(f"{name} = {value}" for name, value in options.items())])
        for section, options in sections.items()
    ]
    path.write_text("\n\n".join(blocks) + "\n")
