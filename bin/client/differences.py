"""What a folder and a container must exchange: the plan of a sync.

    entries here, entries there ──▶ compare() ──▶ Plan: copy, doubtful, remove, clashes
    size and mtime of either           ──▶ same_by_mtime() ──▶ True, False, or None where they cannot tell

It does not know which side is the folder: `source` is copied to `target`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

MTIME_NANOSECONDS_APART_MAX = 2_000  # X-Object-Meta-Mtime has six decimals.


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or object, or a folder or its marker; mtime is None where nobody told it (yet)."""

    size: int
    is_folder: bool = False
    mtime: int | None = None
    etag: str = ""
    name: str = ""

    @property
    def size_is_certain(self) -> bool:
        """Listings give 0 bytes for a dynamic large object."""
        return self.size > 0 or self.mtime is not None


@dataclass(slots=True)
class Plan:
    """What to do, by relative path."""

    copy: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    clashes: list[str] = field(default_factory=list)


def compare(
    source: Mapping[str, Entry], target: Mapping[str, Entry], *, delete: bool, spared: Collection[str] = ()
) -> Plan:
    """Return the plan; `doubtful` paths have one size on both sides, and need a closer look.

    What is spared, and what lies below it, is not removed: the source has something there that is not copied.
    """
    plan = Plan()
    folders = {parent for path, entry in source.items() for parent in _parents(path)}
    for path in sorted(source):
        ours, theirs = source[path], target.get(path)
        if ours.is_folder and path in folders:
            continue  # What lies in it makes it.
        if not ours.is_folder and path in folders:
            plan.clashes.append(path)
        elif theirs is None or ours.is_folder != theirs.is_folder:
            plan.copy.append(path)
        elif ours.is_folder:
            plan.same.append(path)
        elif ours.size != theirs.size and ours.size_is_certain and theirs.size_is_certain:
            plan.copy.append(path)
        else:
            plan.doubtful.append(path)
    if delete:
        wanted, kept = folders | source.keys(), set(spared)
        extra = (path for path in target if path not in wanted)
        plan.remove = sorted(
            (path for path in extra if kept.isdisjoint((path, *_parents(path)))), reverse=True
        )
    return plan


def same_by_mtime(size: int, mtime: int | None, other_size: int, other_mtime: int | None) -> bool | None:
    """Return whether size and modification time say that two are the same; None where they cannot tell."""
    if size != other_size:
        return False
    if mtime is None or other_mtime is None:
        return None
    return abs(mtime - other_mtime) < MTIME_NANOSECONDS_APART_MAX


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
