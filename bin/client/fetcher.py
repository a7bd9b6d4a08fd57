"""An object on its way to a file: checked while it comes, and visible only when whole.

Wanted(container, name, path) ──▶ Fetcher.fetch() ──▶ written beside its place, checked, renamed
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ...common.errors import Corrupt
from .display import Display, Event
from .files import PIECE_BYTES, Arrival, link_above, mtime_of
from .names import Unfit
from .sameness import is_identical, is_large
from .session import Session
from .troubles import KNOWN

FOLDER_TYPES = ("application/directory", "text/directory")


class Sink(Protocol):
    """What takes the bytes."""

    def write(self, data: bytes, /) -> object:
        """Take the next bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How objects are fetched."""

    headers: Mapping[str, str] = field(default_factory=dict)
    version_id: str | None = None
    skips_identical: bool = False
    verifies: bool = True
    writes: bool = True
    keeps_mtime: bool = True
    through_links: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object, and where it goes: below a folder, or to a path of its own."""

    container: str
    name: str
    folder: Path
    path: str

    @property
    def place(self) -> Path:
        """Where it goes."""
        return self.folder / self.path


class Fetcher:
    """Fetches objects into files."""

    def __init__(self, session: Session, display: Display, settings: Settings) -> None:
        self._session, self._display, self._settings = session, display, settings
        self._query = f"version-id={settings.version_id}" if settings.version_id else None

    def fetch(self, what: Wanted) -> None:
        """Fetch one object, and tell how that went."""
        about = {"action": "download", "container": what.container, "object": what.name}
        try:
            event = self._fetch(what)
        except KNOWN as problem:
            self._session.forget_connection()
            self._display.failed(problem, **about, path=str(what.place))
        else:
            self._display.tell(event)

    def _fetch(self, what: Wanted) -> Event:
        settings = self._settings
        if settings.skips_identical and what.place.is_file():
            there = self._session.head(what.container, what.name, query_string=self._query) or {}
            if there and is_identical(self._session, what.container, what.name, there, what.place):
                return self._event(what, int(there.get("content-length", 0)), "skipped", "identical")
        headers, body = self._get(what)
        size = int(headers.get("content-length", 0))
        if _is_folder(headers) and not size:
            if settings.writes:
                self._parent(what)
                what.place.mkdir(parents=True, exist_ok=True)
            return self._event(what, 0, "done", "folder")
        if not settings.writes:
            self._copy(what, headers, body, _Nowhere())
            return self._event(what, size, "done")
        self._parent(what)
        what.place.parent.mkdir(parents=True, exist_ok=True)
        with Arrival(what.place) as arrival:
            self._copy(what, headers, body, arrival)
            arrival.keep(mtime_of(headers) if settings.keeps_mtime else None)
        return self._event(what, size, "done")

    def _parent(self, what: Wanted) -> None:
        link = None if self._settings.through_links else link_above(what.folder, what.path)
        if link:
            raise Unfit(f"{link!r} is a symbolic link; nothing is written through it")

    def to_output(self, container: str, name: str) -> None:
        """Write one object to standard output."""
        what = Wanted(container, name, Path(), "-")
        headers, body = self._get(what)
        self._copy(what, headers, body, sys.stdout.buffer)
        sys.stdout.buffer.flush()

    def _get(self, what: Wanted) -> tuple[dict[str, str], Any]:
        headers, body = self._session.connection.get_object(
            what.container, what.name, resp_chunk_size=PIECE_BYTES,
            headers=dict(self._settings.headers), query_string=self._query,
        )  # fmt: skip
        return headers, body

    def _copy(self, what: Wanted, headers: dict[str, str], body: Any, sink: Sink) -> None:
        expected = int(headers["content-length"]) if "content-length" in headers else None
        md5 = hashlib.md5()
        came = 0
        with self._display.moving(what.name, expected or 0) as advance:
            for data in body:
                self._session.check()
                md5.update(data)
                came += len(data)
                sink.write(data)
                advance(len(data))
        if expected is not None and came != expected:
            raise Corrupt(f"{came} of {expected} bytes came: try again")
        etag = headers.get("etag", "").strip('"')
        is_part = "content-range" in headers or not self._settings.verifies or is_large(headers)
        if etag and not is_part and etag != md5.hexdigest():
            raise Corrupt(f"what came has the MD5 {md5.hexdigest()}, the store says {etag}: try again")

    def _event(self, what: Wanted, size: int, status: str, note: str = "") -> Event:
        return Event(
            action="download", container=what.container, object=what.name, path=str(what.place),
            bytes=size, status=status, note=note,
        )  # fmt: skip


class _Nowhere:
    """Takes bytes and forgets them."""

    def write(self, _data: bytes) -> None:
        """Forget them."""


def _is_folder(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").split(";")[0].strip().lower() in FOLDER_TYPES
