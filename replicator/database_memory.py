"""Which databases need no look in this pass, because nothing has changed since all their replicas agreed.

    signature() ──▶ a database's files as they are       before it is read
    Memory.due(…) ──▶ those to meet partners about        all that changed, and some of the others by turns
    Memory.agreed(…), .doubt()                            what a meeting showed

A replica that changes is seen by its own node, so a database whose files here are as they were before a
meeting in which every partner had all of it is best left alone; an idle cluster with many containers then
rests. What that would not show is a partner that lost its replica. So each pass meets some of the unchanged
all the same, those first that have waited longest, and the first one found missing, or on a device that is
not mounted, makes all of them due.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

MET_MIN = 50
"""Unchanged databases that every pass meets, where there are so many: a small cluster leaves none out."""
TURNS_MAX = 10
"""Passes after which every unchanged database has had its turn."""
SETTLED_NANOSECONDS = 2_000_000_000
"""Files changed more recently may change again within the same tick of the file system's clock."""
Signature = int
"""A hash of names, inodes, sizes and moments: a number, as a node may hold a million databases."""


class _Agreement(NamedTuple):
    signature: Signature
    turn: int


@dataclass(slots=True)
class Memory:
    """What one replicator knows of its last passes; a restarted one looks at everything once."""

    _agreed: dict[str, _Agreement] = field(default_factory=dict)
    _turn: int = 0
    _doubtful: bool = False

    def due(self, found: Mapping[str, Signature | None]) -> set[str]:
        """Begin a pass over the databases found, by path; return those to be met in it."""
        if self._doubtful:
            self._agreed, self._doubtful = {}, False
        self._turn += 1
        self._agreed = {
            path: agreement
            for path, agreement in self._agreed.items()
            if path in found and agreement.signature == found[path]
        }
        waiting = sorted(self._agreed, key=lambda path: (self._agreed[path].turn, path))
        turns = max(MET_MIN, -(-len(waiting) // TURNS_MAX))
        for path in waiting[:turns]:
            del self._agreed[path]  # Until it has agreed again.
        return found.keys() - self._agreed.keys()

    def agreed(self, path: str, signature: Signature | None) -> None:
        """Remember that every partner has all that was in the files of that signature."""
        if signature is not None:
            self._agreed[path] = _Agreement(signature, self._turn)

    def doubt(self) -> None:
        """Meet everything in the next pass: a partner has lost what it should have, or the ring is new."""
        self._doubtful = True


def signature(path: str, now_nanoseconds: int) -> Signature | None:
    """Return what tells whether a database has changed; None where that cannot be told yet."""
    files = []
    try:
        for entry in os.scandir(os.path.dirname(path)):
            if not entry.name.startswith(".lock"):
                stat = entry.stat()
                files.append((entry.name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    except FileNotFoundError:
        return None
    if any(file[3] > now_nanoseconds - SETTLED_NANOSECONDS for file in files):
        return None
    return hash(tuple(sorted(files)))
