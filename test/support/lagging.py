"""What a listing may lack, and where the rows of what it lacks are: told by the proxy's log and the disks.

    AllInOne, container ──▶ announced()    names whose changes were acknowledged with X-Listing-Pending
    listing, names      ──▶ lacking()      those it lacks; an AssertionError tells all of any that it must not

It reads databases, pending files and queues itself, and asks no server.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from clusters import AllInOne

from apus.common import restricted_pickle
from apus.common.cluster import ClusterConf
from apus.common.database.pending import decode
from apus.common.hashing import storage_directory
from apus.ring.table import Ring

ACCOUNT = "AUTH_test"
_LAGS = re.compile(r' (\S+) acknowledged, but listings may lag .*\bpath=("(?:[^"\\]|\\.)*"|\S+)(.*)')


@dataclass(frozen=True, slots=True)
class Announcement:
    """A change whose answer said that listings may lack it for a while."""

    name: str
    transaction: str
    rows: str


def announced(cluster: AllInOne, container: str) -> dict[str, Announcement]:
    """Return the changes in a container that were acknowledged with X-Listing-Pending, by name."""
    start = f"/{ACCOUNT}/{container}/"
    found = {}
    log = cluster.home / "proxy" / "logs" / "proxy-server.log"
    for match in map(_LAGS.search, log.read_text(encoding="utf-8").splitlines()):
        if match is not None:
            path = unquote(json.loads(match[2]) if match[2].startswith('"') else match[2])
            if path.startswith(start):
                name = path.removeprefix(start)
                found[name] = Announcement(name, match[1], match[3].strip())
    return found


def lacking(cluster: AllInOne, container: str, names: Collection[str]) -> set[str]:
    """Return the names that a listing lacks, all of which were announced; nothing else is in it."""
    reply = cluster.store.client().get(container, format="json")
    shown = {row["name"] for row in reply.json()}
    assert not shown - set(names), f"{container} lists what nobody has stored"
    missing = set(names) - shown
    told = announced(cluster, container)
    story = [f"the listing said X-Listing-Pending: {reply.headers.get('x-listing-pending')}"]
    story += [line for name in sorted(missing - set(told)) for line in whereabouts(cluster, container, name)]
    assert missing <= set(told), "\n".join([f"{container} lacks names without having said so", *story])
    return missing


def whereabouts(cluster: AllInOne, container: str, name: str) -> Iterator[str]:
    """Yield what each replica of the container and each queue knows of a name, and what the proxy has said."""
    yield f"{container}/{name!r}: the proxy said {announced(cluster, container).get(name, 'nothing')}"
    home = home_of(cluster, container)
    for device in cluster.status()["devices"]:
        path = Path(device["path"])
        place = "primary" if path.name in home.primaries else "handoff"
        yield f"  {path.name} ({place}): {_known(path / home.database, name)}"
        yield from (f"  {path.name} has it queued: {file}" for file in _queued(path, container, name))


@dataclass(frozen=True, slots=True)
class Home:
    """Where a container is at home: the names of its devices, and the place of its database on each."""

    primaries: frozenset[str]
    database: str


def home_of(cluster: AllInOne, container: str) -> Home:
    """Return where the ring places a container."""
    salt = ClusterConf.load(cluster.home / "etc").salt
    ring = Ring.load(cluster.home / "etc" / "container.ring.gz")
    path_hash = salt.path_hash(ACCOUNT, container)
    partition = ring.partition(path_hash)
    folder = storage_directory("containers", partition, path_hash)
    primaries = frozenset(device.device for device in ring.primaries(partition))
    return Home(primaries, f"{folder}/{path_hash}.db")


def _known(database: Path, name: str) -> str:
    if not database.exists():
        return "no database"
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute(
            "SELECT created_at, deleted FROM object WHERE name = ? AND deleted IN (0, 1)", (name,)
        ).fetchall()
    waiting = database.with_name(f"{database.name}.pending")
    entries = decode(waiting.read_bytes())[0] if waiting.exists() else []
    pending = [entry[1] for entry in entries if entry[0] == name]
    return f"rows (timestamp, deleted) {rows}, in its pending file {pending}"


def _queued(device: Path, container: str, name: str) -> Iterator[Path]:
    for file in device.glob("async_pending*/*/*"):
        update = restricted_pickle.loads(file.read_bytes())
        if isinstance(update, dict) and (update["container"], update["obj"]) == (container, name):
            yield file
