"""How many copies of everything the disks of a cluster hold, counted on the disks themselves.

    AllInOne ──▶ count_copies() ──▶ Count(objects, below, above, stale_handoffs)

It looks at file names only, and asks the ring where each should be: independent of replicator and survey.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters import AllInOne

from apus.ring.table import Ring


@dataclass(frozen=True, slots=True)
class Count:
    """Objects whose newest file is data, and how their copies are spread."""

    objects: int
    below: int
    above: int
    stale_handoffs: int


def count_copies(cluster: AllInOne, datadir: str = "objects") -> Count:
    """Count the copies of every object on every device."""
    ring = Ring.load(cluster.home / "etc" / "object.ring.gz")
    copies: Counter[str] = Counter()
    deleted: set[str] = set()
    newest: dict[str, str] = {}
    handoffs = 0
    for device in cluster.status()["devices"]:
        for folder in _hash_folders(Path(device["path"], datadir)):
            held = _newest_file(folder)
            if held is None:
                continue
            partition = int(folder.parent.parent.name)
            if device["device"] not in {each.device for each in ring.primaries(partition)}:
                handoffs += 1
            else:
                _add(folder.name, held, copies, newest, deleted)
    wanted = int(ring.replica_count)
    kept = [name for name in newest if name not in deleted]
    return Count(
        objects=len(kept),
        below=sum(copies[name] < wanted for name in kept),
        above=sum(copies[name] > wanted for name in kept),
        stale_handoffs=handoffs,
    )


def survey(cluster: AllInOne) -> dict[str, Any]:
    """What apus-survey says, which asks the object servers."""
    program = Path(sys.executable).with_name("apus-survey")
    done = subprocess.run(
        [program, "--swift-dir", cluster.home / "etc", "--json"], capture_output=True, text=True, check=False
    )
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def _hash_folders(objects: Path) -> Iterator[Path]:
    for partition in _entries(objects):
        for suffix in _entries(partition):
            yield from _entries(suffix)


def _entries(folder: Path) -> list[Path]:
    """What is in the folder; nothing where a daemon has just removed it, or where it is a file."""
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _newest_file(folder: Path) -> str | None:
    files = [file.name for file in _entries(folder) if file.suffix in (".data", ".ts")]
    return max(files, default=None)


def _add(name: str, held: str, copies: Counter[str], newest: dict[str, str], deleted: set[str]) -> None:
    if held < newest.get(name, ""):
        return
    if held > newest.get(name, ""):
        newest[name] = held
        copies[name] = 0
        (deleted.add if held.endswith(".ts") else deleted.discard)(name)
    copies[name] += 1
