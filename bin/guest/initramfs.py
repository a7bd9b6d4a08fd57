"""The first file system of a Linux kernel: an archive in the format newc, and the modules that go into it.

{path: Entry} ──▶ archive() ──▶ bytes for the kernel        module, its kin ──▶ load_order() ──▶ paths
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, a folder or a link, with its mode."""

    mode: int
    data: bytes = b""


def file_of(data: bytes, *, executable: bool = False) -> Entry:
    """Return a file."""
    return Entry(stat.S_IFREG | (0o755 if executable else 0o644), data)


FOLDER = Entry(stat.S_IFDIR | 0o755)


def link_to(target: str) -> Entry:
    """Return a symbolic link."""
    return Entry(stat.S_IFLNK | 0o777, target.encode())


def archive(entries: Mapping[str, Entry]) -> bytes:
    """Return the archive (newc: text headers of 110 bytes, everything aligned to four)."""
    pieces: list[bytes] = []
    for number, (path, entry) in enumerate([*sorted(entries.items()), ("TRAILER!!!", Entry(0))], 1):
        name = path.encode() + b"\0"
        links = 2 if stat.S_ISDIR(entry.mode) else 1
        fields = (number, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, 0, 0, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        pieces += [head, bytes(-len(head) % 4), entry.data, bytes(-len(entry.data) % 4)]
    return b"".join(pieces)


def needs(module: bytes) -> list[str]:
    """Return the names of the modules that a module needs, as it says itself."""
    found = _DEPENDS.search(module)
    return [name.decode() for name in found[1].split(b",") if name] if found else []


def load_order(folder: Path, names: Iterable[str]) -> list[Path]:
    """Return the files of these modules and of all that they need, each after what it needs.

    A name that no file has is in the kernel itself, and passed over.
    """
    files = {path.stem.replace("-", "_"): path for path in folder.rglob("*.ko")}
    order: list[Path] = []

    def add(name: str) -> None:
        path = files.get(name.replace("-", "_"))
        if path is None or path in order:
            return
        for needed in needs(path.read_bytes()):
            add(needed)
        order.append(path)

    for name in names:
        add(name)
    return order
