"""Ceph's RADOS Gateway as a peer: one monitor, one manager, three OSDs and radosgw, from Debian's packages.

    Rgw(folder) ──▶ conf, keys, stores of its own ──▶ daemons in the foreground, without systemd ──▶ Swift API

Data is kept three times, on three BlueStore OSDs in plain files, and acknowledged when all have it.
Authentication between the daemons is on, as it is by default. `make install-rgw` installs the packages.
"""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from clusters import free_port_block
from stock import await_port

from .load import Unfit
from .peer import Endpoint, Role

PROGRAMS = (
    "ceph",
    "ceph-authtool",
    "ceph-mgr",
    "ceph-mon",
    "ceph-osd",
    "monmaptool",
    "radosgw",
    "radosgw-admin",
)
OSDS = 3
OSD_BYTES = 16 << 30  # Sparse.
PLACEMENT_GROUPS = {
    ".rgw.root": 8,
    "default.rgw.log": 8,
    "default.rgw.control": 8,
    "default.rgw.meta": 8,
    "default.rgw.buckets.index": 32,
    "default.rgw.buckets.data": 64,
    "default.rgw.buckets.non-ec": 8,
}
USER, KEY = "test:tester", "testing"
PATIENCE_SECONDS = 180
COMMAND_SECONDS = 60
FILLERS = 16
# Small answers wait 40 ms for the client's acknowledgement unless tcp_nodelay is set. The three long times
# let the cluster be stopped while its peer is measured, and not take itself for dead when it goes on.
CONF = """[global]
osd heartbeat grace = 3600
mon mgr beacon grace = 3600
osd client watch timeout = 3600
fsid = {fsid}
mon initial members = a
mon host = [v2:127.0.0.1:{port}/0,v1:127.0.0.1:{v1_port}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = {home}/keyring
run dir = {home}
admin socket = {home}/$name.asok
log file = {home}/$name.log
crash dir = {home}
osd crush chooseleaf type = 0
osd pool default size = 3
osd pool default min size = 2
osd pool default pg autoscale mode = off
mon max pg per osd = 1000
mon warn on pool no redundancy = false
ms bind ipv6 = false

[mon]
mon data = {home}/mon
mon data avail crit = 0
mon cluster log to file = false

[mgr]
mgr data = {home}/mgr
mgr initial modules =

[osd]
osd data = {home}/osd.$id
osd objectstore = bluestore
bluestore block create = true
bluestore block size = {osd_bytes}

[client.rgw.a]
rgw data = {home}/rgw
rgw frontends = beast endpoint=127.0.0.1:{rgw_port} tcp_nodelay=1
rgw swift account in url = true
rgw enable usage log = false
rgw max listing results = 10000
"""


def missing() -> list[str]:
    """Which of Ceph's programs are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


class Rgw:
    """One cluster of Ceph's daemons."""

    name = "rgw"
    title = "Ceph RGW, 3 OSDs"

    def __init__(self, folder: Path) -> None:
        if programs := missing():
            raise Unfit(f"not installed: {', '.join(programs)}; run: make install-rgw")
        self._home = folder / self.name
        self._first_port = free_port_block(3)
        self._running: dict[Role, list[subprocess.Popen[bytes]]] = {}

    def start(self) -> None:
        """Make the cluster, start its daemons, and wait until the gateway answers."""
        for place in ("mon", "mgr", "rgw", *(f"osd.{number}" for number in range(OSDS))):
            (self._home / place).mkdir(parents=True)
        self._start_monitor()
        self._start_manager()
        for number in range(OSDS):
            self._start_osd(number)
        _await("all OSDs up", lambda: self._ask("osd", "stat")["num_up_osds"] == OSDS)
        for pool, groups in PLACEMENT_GROUPS.items():
            self._ceph("osd", "pool", "create", pool, str(groups), str(groups), "replicated")
            self._ceph("osd", "pool", "application", "enable", pool, "rgw")
        _await("all placement groups clean", self._is_clean)
        self._run(Role.PROXY, "radosgw", "-n", "client.rgw.a")
        await_port(self._rgw_port)
        self._make_user()

    def stop(self) -> None:
        """End the daemons, the gateway first, and remove their stores."""
        for processes in reversed(list(self._running.values())):
            for process in processes:
                process.kill()  # Nothing of it is kept, so nothing need be put in order.
            for process in processes:
                process.wait()
        self._running = {}
        shutil.rmtree(self._home, ignore_errors=True)

    def endpoint(self) -> Endpoint:
        """Log in by Swift's first protocol of authentication."""
        connection = http.client.HTTPConnection("127.0.0.1", self._rgw_port, timeout=60)
        try:
            connection.request("GET", "/auth/1.0", headers={"X-Auth-User": USER, "X-Auth-Key": KEY})
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        url, token = answer.headers["X-Storage-Url"], answer.headers["X-Auth-Token"]
        if url is None or token is None:
            raise Unfit(f"RGW answered {answer.status} to the log-in")
        return Endpoint("127.0.0.1", self._rgw_port, urlsplit(url).path.rstrip("/"), token)

    def pids(self) -> Mapping[Role, Sequence[int]]:
        """The gateway is the proxy, the OSDs keep the objects, the rest is in the background."""
        return {role: [process.pid for process in running] for role, running in self._running.items()}

    def fill(self, container: str, names: Sequence[str]) -> None:
        """Store empty objects: there is no other way to have them listed."""
        endpoint = self.endpoint()
        with ThreadPoolExecutor(FILLERS) as crew:
            for failed in crew.map(
                lambda begin: _put_all(endpoint, container, names[begin::FILLERS]), range(FILLERS)
            ):
                if failed:
                    raise Unfit(f"filling a container of RGW: {failed}")

    @property
    def _rgw_port(self) -> int:
        return self._first_port + 2

    def _start_monitor(self) -> None:
        port, fsid, keyring = self._first_port, str(uuid.uuid4()), str(self._home / "keyring")
        text = CONF.format(
            home=self._home,
            fsid=fsid,
            port=port,
            v1_port=port + 1,
            rgw_port=self._rgw_port,
            osd_bytes=OSD_BYTES,
        )
        self._conf.write_text(text)
        caps = [word for part in ("mon", "osd", "mgr", "mds") for word in ("--cap", part, "allow *")]
        _tool("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", *caps[:3])
        _tool("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", *caps)
        monmap = str(self._home / "monmap")
        address = f"[v2:127.0.0.1:{port},v1:127.0.0.1:{port + 1}]"
        _tool("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, monmap)
        conf = ("-c", str(self._conf))
        _tool("ceph-mon", *conf, "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self._run(Role.DAEMONS, "ceph-mon", "-i", "a")
        await_port(port)
        _await("the monitor", lambda: bool(self._ask("mon", "stat")))

    def _start_manager(self) -> None:
        self._add_key("mgr.a", mon="allow profile mgr", osd="allow *", mds="allow *")
        self._add_key("client.rgw.a", mon="allow rw", osd="allow rwx", mgr="allow rw")
        self._run(Role.DAEMONS, "ceph-mgr", "-i", "a")

    def _start_osd(self, number: int) -> None:
        id_ = str(uuid.uuid4())
        self._ceph("osd", "new", id_, str(number))
        self._add_key(f"osd.{number}", mon="allow profile osd", mgr="allow profile osd", osd="allow *")
        conf = ("-c", str(self._conf))
        _tool("ceph-osd", *conf, "-i", str(number), "--mkfs", "--osd-uuid", id_)
        self._run(Role.OBJECT, "ceph-osd", "-i", str(number))

    def _add_key(self, name: str, **caps: str) -> None:
        words = [word for pair in caps.items() for word in pair]
        path = self._home / "key"
        path.write_text(self._ceph("auth", "get-or-create", name, *words))
        _tool("ceph-authtool", str(self._home / "keyring"), "--import-keyring", str(path))

    def _make_user(self) -> None:
        account = USER.partition(":")[0]
        admin = ("radosgw-admin", "-c", str(self._conf), "-n", "client.admin")
        _tool(
            *admin, "user", "create", f"--uid={account}", f"--display-name={account}", "--max-buckets=100000"
        )
        _tool(*admin, "subuser", "create", f"--uid={account}", f"--subuser={USER}", "--access=full")
        _tool(*admin, "key", "create", f"--subuser={USER}", "--key-type=swift", f"--secret-key={KEY}")

    def _is_clean(self) -> bool:
        state = self._ask("pg", "stat")
        summary = state.get("pg_summary", state)
        clean = sum(each["num"] for each in summary["num_pg_by_state"] if each["name"] == "active+clean")
        # The manager may have made a pool of its own.
        return bool(clean == summary["num_pgs"] >= sum(PLACEMENT_GROUPS.values()))

    @property
    def _conf(self) -> Path:
        return self._home / "ceph.conf"

    def _ceph(self, *words: str) -> str:
        return _tool("ceph", "-c", str(self._conf), "--connect-timeout", "20", *words)

    def _ask(self, *words: str) -> Any:
        return json.loads(self._ceph(*words, "-f", "json"))

    def _run(self, role: Role, program: str, *words: str) -> None:
        with (self._home / "daemons.log").open("ab") as log:
            process = subprocess.Popen(
                [program, "-f", "-c", str(self._conf), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.setdefault(role, []).append(process)


def _tool(*command: str) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise Unfit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr[-1000:]}")
    return done.stdout


def _await(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise Unfit(f"waited {PATIENCE_SECONDS} s for {what}")
        time.sleep(0.5)


def _put_all(endpoint: Endpoint, container: str, names: Sequence[str]) -> str:
    """Store empty objects over one connection; return what went wrong, "" for nothing."""
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=60)
    try:
        for name in names:
            path = f"{endpoint.path}/{quote(container)}/{quote(name)}"
            connection.request(
                "PUT", path, b"", {"X-Auth-Token": endpoint.token, "Content-Type": "application/octet-stream"}
            )
            answer = connection.getresponse()
            answer.read()
            if answer.status != 201:
                return f"{answer.status} {answer.reason}"
    finally:
        connection.close()
    return ""
