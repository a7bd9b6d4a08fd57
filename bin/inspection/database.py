"""Reading an account or container database without touching it.

    file.db ──sqlite, read only──▶ info row, sync points ──▶ lines ──▶ exit 0

Rows that wait in the .pending file beside it are not counted yet, and the tool says so. Nothing is
written, so it may be used on a database in service.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from ...common.cluster import DEFAULT_DIRECTORY, ClusterConf
from ...common.errors import ApusError, Corrupt, Missing
from .placement import place_lines
from .told import database_lines, sync_lines


def run(kind: str, argv: Sequence[str] | None) -> int:
    """Print what the database says."""
    parser = argparse.ArgumentParser(prog=f"apus-{kind}-info", description=f"Show a {kind} database.")
    parser.add_argument("database", metavar=f"{kind.upper()}_DB_FILE")
    parser.add_argument("-d", "--swift-dir", default=DEFAULT_DIRECTORY, help="folder of swift.conf and rings")
    parser.add_argument("--drop-prefixes", action="store_true", help="shorten the names of metadata")
    parser.add_argument("-s", "--sync", action="store_true", help="show how far other copies have come")
    parser.add_argument("-v", "--verbose", action="store_true", help="accepted for the stock tool's sake")
    options = parser.parse_args(argv)
    try:
        for line in _lines(kind, options):
            print(line)
    except (ApusError, sqlite3.Error, OSError) as problem:
        print(f"apus-{kind}-info: {problem}", file=sys.stderr)
        return 1
    return 0


def _lines(kind: str, options: argparse.Namespace) -> Iterator[str]:
    path = os.path.abspath(options.database)
    if not path.endswith(".db") or not os.path.exists(path):
        raise Missing("DB file doesn't exist")
    with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        row = _info(database, kind, path)
        cluster = _cluster(options.swift_dir)
        account, container = str(row["account"]), str(row.get("container"))
        names = (account, container) if kind == "container" else (account,)
        path_hash = cluster.salt.path_hash(*names) if cluster else None
        policies = {policy.index: policy.name for policy in cluster.policies.all} if cluster else {}
        yield from database_lines(kind, row, path_hash, policies, drop_prefixes=options.drop_prefixes)
        if options.sync:
            for title in ("Incoming", "Outgoing"):
                yield from sync_lines(title, _syncs(database, title.lower()))
    if Path(f"{path}.pending").exists() and os.path.getsize(f"{path}.pending"):
        yield "Some rows still wait in the .pending file and are not counted here."
    if path_hash is not None:
        yield from place_lines(options.swift_dir, kind, names, path_hash)


def _info(database: sqlite3.Connection, kind: str, path: str) -> dict[str, object]:
    try:
        row = database.execute(f"SELECT * FROM {kind}_stat").fetchone()  # noqa: S608 - one of two constants
    except sqlite3.DatabaseError as problem:
        raise Corrupt(f'Does not appear to be a DB of type "{kind}": {path}') from problem
    if row is None:
        raise Corrupt(f"{path} has no information row")
    return {"storage_policy_index": 0, **dict(row)}


def _syncs(database: sqlite3.Connection, direction: str) -> list[dict[str, object]]:
    query = f"SELECT remote_id, sync_point, updated_at FROM {direction}_sync"  # noqa: S608 - two constants
    return [dict(row) for row in database.execute(query)]


def _cluster(folder: str) -> ClusterConf | None:
    try:
        return ClusterConf.load(folder)
    except ApusError:
        return None
