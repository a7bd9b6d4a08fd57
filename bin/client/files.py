"""Files of this machine: walked through, read in windows, written out of sight and then renamed.

walk(folder)  ──▶ Found: entries by relative path, and what was passed over and why
Window(file)  ──▶ read() with MD5 and progress on the way, rewound when a request is made again
Arrival(path) ──▶ write() … keep(): the file appears whole or not at all
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from ...common.errors import Corrupt
from .differences import Entry
from .names import Unfit, is_excluded, object_name
from .numbers import instant_read

PARTIAL = ".apus-partial-"  # What a killed download leaves is known by this, passed over and swept away.
PIECE_BYTES = 1 << 20

Advance = Callable[[int], None]


class Stopped(Exception):
    """The person at the keyboard wants no more; no failure of the file that was under way."""


@dataclass(slots=True)
class Found:
    """What a walk found."""

    entries: dict[str, Entry] = field(default_factory=dict)
    passed: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    partials: list[Path] = field(default_factory=list)


def walk(folder: Path, *, follow_links: bool, exclude: tuple[str, ...] = ()) -> Found:
    """Find everything below a folder."""
    found = Found()
    ahead: list[tuple[str, tuple[tuple[int, int], ...]]] = [
        ("", ())
    ]  # No recursion: paths go a thousand deep.
    while ahead:
        path, above = ahead.pop()
        here = folder / path
        try:
            facts = here.stat()
            children = sorted(os.scandir(here), key=lambda child: child.name)
        except OSError as problem:
            found.failed[path] = problem.strerror or str(problem)
            continue
        identity = (facts.st_dev, facts.st_ino)
        if identity in above:
            found.passed[path] = "a link to a folder that it lies in"
            continue
        for child in children:
            below = f"{path}/{child.name}" if path else child.name
            if child.name.startswith(PARTIAL):
                found.partials.append(Path(child.path))
            elif is_excluded(below, exclude):
                continue
            elif child.is_symlink() and not follow_links:
                found.passed[below] = "a symbolic link; --links follow takes what it leads to"
            else:
                _note(child, below, found)
                if below in found.entries and found.entries[below].is_folder:
                    ahead.append((below, (*above, identity)))
    return found


def _note(child: os.DirEntry[str], path: str, found: Found) -> None:
    try:
        object_name(path)
        facts = child.stat()
    except Unfit as problem:
        found.failed[path] = str(problem)
        return
    except OSError as problem:
        found.failed[path] = problem.strerror or str(problem)
        return
    if stat.S_ISDIR(facts.st_mode):
        found.entries[path] = Entry(0, is_folder=True, mtime=facts.st_mtime_ns)
    elif stat.S_ISREG(facts.st_mode):
        found.entries[path] = Entry(facts.st_size, mtime=facts.st_mtime_ns)
    else:
        found.passed[path] = "neither a file nor a folder"


class Window:
    """A stretch of an open file for one request's body: read once, or again from its start."""

    def __init__(self, file: BinaryIO, start: int, length: int, advance: Advance) -> None:
        self._file, self._start, self._length, self._advance = file, start, length, advance
        self._at = 0
        self._md5 = hashlib.md5()
        file.seek(start)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; Corrupt where the file has become shorter than it was."""
        left = self._length - self._at
        data = self._file.read(left if size < 0 else min(size, left))
        if not data and left:
            raise Corrupt("the file became shorter while it was read")
        self._at += len(data)
        self._md5.update(data)
        self._advance(len(data))
        return data

    def tell(self) -> int:
        """Return how far it was read."""
        return self._at

    def seek(self, position: int) -> None:
        """Begin again, for a request that is repeated."""
        assert position == 0, "a body is sent again from its start"
        self._advance(-self._at)
        self._at = 0
        self._md5 = hashlib.md5()
        self._file.seek(self._start)

    @property
    def etag(self) -> str:
        """The MD5 of what was read."""
        return self._md5.hexdigest()


def md5_of(file: BinaryIO, length: int, check: Callable[[], None] = lambda: None) -> str:
    """Return the MD5 of the next bytes of a file, fewer where it ends; `check` may raise between pieces."""
    md5 = hashlib.md5()
    while length > 0:
        data = file.read(min(PIECE_BYTES, length))
        if not data:
            break
        check()
        md5.update(data)
        length -= len(data)
    return md5.hexdigest()


def is_made_of(path: Path, pieces: list[tuple[str, int]], check: Callable[[], None] = lambda: None) -> bool:
    """Return whether the file is these (MD5, bytes) one after the other, and nothing more."""
    try:
        with path.open("rb") as file:
            return all(md5_of(file, length, check) == etag for etag, length in pieces) and not file.read(1)
    except OSError:
        return False


class Arrival:
    """A file that is being written beside its place, and takes it when whole."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._partial = place.with_name(f"{PARTIAL}{secrets.token_hex(8)}")
        self._file = self._partial.open("xb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._file.close()
        self._partial.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Append."""
        self._file.write(data)

    def keep(self, mtime: int | None) -> None:
        """Give it its time and its name; until here nobody sees it."""
        self._file.close()
        if mtime is not None:
            os.utime(self._partial, ns=(mtime, mtime))
        self._partial.replace(self._place)


def mtime_of(headers: dict[str, str]) -> int | None:
    """Return the modification time that an object's headers tell."""
    return instant_read(headers.get("x-object-meta-mtime"))


def link_above(folder: Path, path: str) -> str | None:
    """Return the first part of a relative path that is a symbolic link, which may lead elsewhere."""
    parts = path.split("/")
    heads: Iterator[str] = ("/".join(parts[:count]) for count in range(1, len(parts)))
    return next((head for head in heads if (folder / head).is_symlink()), None)
