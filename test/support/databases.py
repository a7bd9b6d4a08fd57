"""The databases that the cloud services can keep their catalogues in, started from what apt installed.

    with server("mariadb") as running: ──▶ running.url("image")     a database of that name, empty

PostgreSQL and MariaDB run as somebody who is not root, on a socket in a folder of their own, and keep nothing
durable. Test worlds ask catalogue_url(folder, service): a SQLite file, or, inside using(running), an empty
database there.
"""

from __future__ import annotations

import ctypes
import glob
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql
from pg8000.dbapi import Connection as Postgres
from sqlalchemy.engine import make_url

SERVERS = ("postgresql", "mariadb")
START_SECONDS = 60.0
KEPT_TABLES = ("alembic_version", "catalogue")
NOBODY = "nobody"
_PR_SET_PDEATHSIG = 1
_numbers = itertools.count(1)
_used: list[Running] = []


@dataclass
class Running:
    """A database server of ours."""

    kind: str
    folder: Path
    _taken: list[tuple[str, str, str]] = field(default_factory=list)
    _tables: dict[str, list[str]] = field(default_factory=dict)
    _free: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / (".s.PGSQL.5432" if self.kind == "postgresql" else "socket")

    def url(self, name: str) -> str:
        """Return the URL of a database by that name, which need not be there."""
        if self.kind == "postgresql":
            return f"postgresql+pg8000://apus@/{name}?unix_sock={self.socket}"
        return f"mysql+pymysql://apus@/{name}?unix_socket={self.socket}&ssl_disabled=true"

    def empty(self, service: str, collation: str = "utf8mb4_nopad_bin") -> str:
        """Return the URL of a database with nothing in it but, perhaps, a service's tables."""
        kept = self._free.get((service, collation), [])
        name = kept.pop() if kept else self._new(service, collation)
        self._taken.append((service, collation, name))
        return self.url(name)

    def _new(self, service: str, collation: str) -> str:
        name = f"{service}_{next(_numbers)}"
        kind = "" if self.kind == "postgresql" else f" COLLATE {collation}"
        self.run(f"CREATE DATABASE {name}{kind}")
        return name

    def run(self, *statements: str, database: str = "") -> list[tuple[Any, ...]]:
        """Run statements, each at once for good; return the rows that the last one finds."""
        if self.kind == "postgresql":
            connection: Any = Postgres("apus", database=database or "postgres", unix_sock=str(self.socket))
            connection.autocommit = True
        else:
            connection = pymysql.connect(
                unix_socket=str(self.socket),
                user="apus",
                database=database or None,
                autocommit=True,
                ssl_disabled=True,
            )
        try:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            connection.close()

    def taken(self) -> int:
        """Return how many databases empty() has given to those who use them still."""
        return len(self._taken)

    def clear(self, first: int = 0) -> None:
        """Empty the tables in all that empty() gave but the first ones, and cut off who is connected."""
        for service, collation, name in self._taken[first:]:
            self._clear(name)
            self._free.setdefault((service, collation), []).append(name)
        del self._taken[first:]

    def cut_off(self, url: str) -> None:
        """End all connections to a database."""
        name = make_url(url).database
        if self.kind == "postgresql":
            self.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            return
        for (number,) in self.run(f"SELECT id FROM information_schema.processlist WHERE db = '{name}'"):
            with suppress(pymysql.MySQLError):  # It has gone by itself.
                self.run(f"KILL {number}")

    def _clear(self, name: str) -> None:
        self.cut_off(self.url(name))
        if self.kind == "postgresql":
            find = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            loosen = "SET session_replication_role = replica"
        else:
            find = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{name}'"
            loosen = "SET foreign_key_checks = 0"
        if name not in self._tables:
            found = [table for (table,) in self.run(find, database=name)]
            self._tables[name] = [table for table in found if table not in KEPT_TABLES]
        if not self._tables[name]:
            return
        looks = (f"(SELECT '{table}' FROM {table} LIMIT 1)" for table in self._tables[name])
        used = [table for (table,) in self.run(" UNION ALL ".join(looks), database=name)]
        # Rows are deleted, for emptying a table as a whole takes ten times as long, however few there are.
        self.run(loosen, *(f"DELETE FROM {table}" for table in used), database=name)


def catalogue_url(folder: Path, service: str) -> str:
    """Return where a service of a test keeps its catalogue."""
    return _used[-1].empty(service) if _used else f"sqlite:///{folder}/{service}.db"


@contextmanager
def using(running: Running | None) -> Iterator[None]:
    """Let test worlds that are made meanwhile keep their catalogues there; None: in SQLite files."""
    if running is None:
        yield
        return
    _used.append(running)
    try:
        yield
    finally:
        _used.remove(running)
        running.clear()


@contextmanager
def server(kind: str) -> Iterator[Running]:
    """Start one, and stop it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="apus-db-"))  # A socket's path has 107 bytes at most.
    running = Running(kind, folder)
    if os.geteuid() == 0:
        shutil.chown(folder, NOBODY)
    process: subprocess.Popen[bytes] | None = None
    try:
        with (folder / "log").open("wb") as log:
            process = _started(running, _postgresql if kind == "postgresql" else _mariadb, log.fileno())
        _await(running, process)
        yield running
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT if kind == "postgresql" else signal.SIGTERM)
            process.wait(START_SECONDS)
        shutil.rmtree(folder)


def _started(
    running: Running, commands: Callable[[Path], list[list[str]]], log: int
) -> subprocess.Popen[bytes]:
    """Make its files and start it; it ends with this process, however that ends."""
    *preparations, command = commands(running.folder)
    user = NOBODY if os.geteuid() == 0 else None
    for preparation in preparations:
        subprocess.run(preparation, user=user, cwd=running.folder, check=True, stdout=log, stderr=log)

    def end_with_parent() -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return subprocess.Popen(
        command, user=user, cwd=running.folder, stdout=log, stderr=log, preexec_fn=end_with_parent
    )


def _await(running: Running, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            running.run("SELECT 1")
        except Exception:
            if process.poll() is not None or time.monotonic() > deadline:
                log = (running.folder / "log").read_text(errors="replace")
                raise AssertionError(f"{running.kind} does not start: {log[-3000:]}") from None
            time.sleep(0.05)
        else:
            return


def _program(kind: str, *patterns: str) -> str:
    for pattern in patterns:
        found = sorted(glob.glob(pattern))
        if found:
            return found[-1]
    raise AssertionError(f"{kind} is missing; run: .ci/install test")


def _postgresql(folder: Path) -> list[list[str]]:
    """Names are sorted as in a dictionary there, not by their bytes, as most servers do it that people have."""
    initdb, postgres = (
        _program("postgresql", f"/usr/lib/postgresql/*/bin/{name}") for name in ("initdb", "postgres")
    )
    data = str(folder / "data")
    quick = ["fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum=off"]
    small = [
        "shared_buffers=16MB",
        "max_connections=60",
        "listen_addresses=",
        f"unix_socket_directories={folder}",
    ]
    options = [word for setting in quick + small for word in ("-c", setting)]
    language = ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
    return [
        [initdb, "-D", data, "-U", "apus", "--auth=trust", "--no-sync", *language],
        [postgres, "-D", data, *options],
    ]


def _mariadb(folder: Path) -> list[list[str]]:
    """Without the tables in which a server keeps who may do what: nobody else can reach its socket."""
    mariadbd = _program("mariadb", "/usr/sbin/mariadbd")
    data = f"--datadir={folder}/data"
    quick = ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--sync-binlog=0"]
    small = ["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--key-buffer-size=64K"]
    apart = [
        "--skip-networking",
        f"--socket={folder}/socket",
        f"--pid-file={folder}/pid",
        f"--tmpdir={folder}",
    ]
    return [
        ["mkdir", f"{folder}/data"],
        [mariadbd, "--no-defaults", data, "--skip-grant-tables", *apart, *quick, *small],
    ]
