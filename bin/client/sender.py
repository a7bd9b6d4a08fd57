"""A file on its way to the store: whole, or in segments, of which those that are there are not sent again.

Sending(path, name) ──▶ Sender.send() ──▶ segments in parallel ──▶ manifest ──▶ replaced segments go
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ...common.errors import Corrupt, Refused
from . import segmentation
from .differences import same_by_mtime
from .display import Display, Event
from .files import Advance, Window, md5_of, mtime_of
from .numbers import human, instant_written
from .sameness import is_identical, is_static, manifest_rows
from .segmentation import Cut, Segment, Upload
from .session import Session
from .troubles import KNOWN

FOLDER_TYPE = "application/directory"
SEGMENT_TYPE = "application/swiftclient-segment"
Rows = list[tuple[str, str, int]]  # (name, MD5, bytes) of segments, in their order
VERSIONED = ("x-versions-enabled", "x-versions-location", "x-history-location")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How files are sent."""

    container: str
    segment_container: str
    segment_bytes: int | None = None
    is_static: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    keeps_segments: bool = False
    only_changed: bool = False
    skips_identical: bool = False
    verifies: bool = True
    makes_containers: bool = True
    segment_threads: int = 10


@dataclass(frozen=True, slots=True)
class Sending:
    """One file or folder, and the name that it gets."""

    path: Path
    name: str
    size: int = 0
    is_folder: bool = False


class Sender:
    """Sends files to one container."""

    def __init__(self, session: Session, display: Display, settings: Settings) -> None:
        self._session, self._display, self._settings = session, display, settings
        self._limits = session.limits
        there = session.container_headers(settings.container) if settings.makes_containers else {}
        asked = {name.lower(): value for name, value in settings.headers.items()}.get("x-storage-policy", "")
        self._policy = (there or {}).get("x-storage-policy", asked)
        self._is_versioned = any(
            (there or {}).get(name, "").lower() not in ("", "false") for name in VERSIONED
        )
        if there is None:
            self._make(settings.container)
        self._has_segments = session.container_headers(settings.segment_container) is not None

    def _make(self, container: str) -> None:
        self._session.connection.put_container(
            container, {"X-Storage-Policy": self._policy} if self._policy else {}
        )

    def send(self, what: Sending) -> None:
        """Send one file, and tell how that went."""
        about = {"action": "upload", "container": self._settings.container, "object": what.name}
        try:
            event = self._mark(what) if what.is_folder else self._file(what)
        except KNOWN as problem:
            self._session.forget_connection()
            self._display.failed(problem, **about, path=str(what.path))
        else:
            self._display.tell(event)

    def _event(self, what: Sending, status: str, *, sent: int = 0, note: str = "") -> Event:
        return Event(
            action="upload", container=self._settings.container, object=what.name, path=str(what.path),
            bytes=what.size, sent=sent, status=status, note=note,
        )  # fmt: skip

    def _mark(self, what: Sending) -> Event:
        mtime = instant_written(what.path.stat().st_mtime)
        if self._settings.only_changed:
            headers = self._session.head(self._settings.container, what.name)
            if headers and headers.get("content-type") == FOLDER_TYPE and mtime_of(headers) is not None:
                return self._event(what, "skipped")
        self._session.connection.put_object(
            self._settings.container,
            what.name,
            b"",
            content_length=0,
            content_type=FOLDER_TYPE,
            headers={"X-Object-Meta-Mtime": mtime, **self._settings.headers},
        )
        return self._event(what, "done")

    def _file(self, what: Sending) -> Event:
        settings = self._settings
        looks = settings.only_changed or settings.skips_identical
        replaces = self._has_segments and not settings.keeps_segments
        old = self._session.head(settings.container, what.name) if looks or replaces else None
        with what.path.open("rb") as file:
            facts = os.fstat(file.fileno())
            ours = self._session, settings.container, what.name
            if old and settings.skips_identical and is_identical(*ours, old, what.path):
                return self._event(what, "skipped", note="identical")
            if old and settings.only_changed:
                told = int(old.get("content-length", -1)), mtime_of(old)
                if same_by_mtime(facts.st_size, facts.st_mtime_ns, *told):
                    return self._event(what, "skipped", note="unchanged")
            replaced = self._old_segments(what.name, old) if old and replaces else set()
            with self._display.moving(what.name, facts.st_size) as advance:
                event, kept = self._move(what, file, facts, advance)
        _refuse_changed(what.path, facts)
        self._remove(replaced - kept)
        return event

    def _move(
        self, what: Sending, file: BinaryIO, facts: os.stat_result, advance: Advance
    ) -> tuple[Event, set[str]]:
        settings = self._settings
        mtime = instant_written(facts.st_mtime)
        headers = {"X-Object-Meta-Mtime": mtime, **settings.headers}
        chosen = segmentation.segment_bytes(facts.st_size, settings.segment_bytes, self._limits)
        if chosen is None:
            self._put(settings.container, what.name, file, 0, facts.st_size, advance, headers=headers)
            return self._event(what, "done", sent=facts.st_size), set()
        is_static_object = settings.is_static and self._limits.has_slo
        cut = Cut(
            container=settings.segment_container, object_name=what.name, mtime=mtime, size=facts.st_size,
            segment_bytes=chosen, is_static=is_static_object,
        )  # fmt: skip
        rows, sent = self._segments(what.path, cut, advance)
        _refuse_changed(what.path, facts)  # Before what is whole in the store becomes a mixture.
        if is_static_object:
            self._put_static(what.name, rows, headers)
        else:
            self._put_dynamic(what.name, cut.prefix, headers)
        saved = sum(length for _name, _etag, length in rows) - sent
        note = f"{human(saved)} were there already" if saved else ""
        return self._event(what, "done", sent=sent, note=note), {name for name, _etag, _length in rows}

    def _segments(self, path: Path, cut: Cut, advance: Advance) -> tuple[Rows, int]:
        self._prepare_segment_container()
        there = {
            row["name"]: (row["hash"], row["bytes"])
            for row in self._session.listing(cut.container, prefix=cut.prefix)
        }

        def one(segment: Segment) -> tuple[str, str, int, bool]:
            etag, is_new = self._segment(path, cut, segment, there.get(segment.name), advance)
            return segment.name, etag, segment.length, is_new

        done = sorted(
            self._session.each("segments", one, cut.segments, threads=self._settings.segment_threads)
        )
        sent = sum(length for _name, _etag, length, is_new in done if is_new)
        return [row[:3] for row in done], sent

    def _segment(
        self, path: Path, cut: Cut, segment: Segment, there: tuple[str, int] | None, advance: Advance
    ) -> tuple[str, bool]:
        with path.open("rb") as file:
            if there and there[1] == segment.length:
                file.seek(segment.start)
                etag = md5_of(file, segment.length, self._session.check)
                if etag == there[0]:
                    advance(segment.length)
                    return etag, False
            etag = self._put(
                cut.container, segment.name, file, segment.start, segment.length, advance, kind=SEGMENT_TYPE
            )
            return etag, True

    def _put(
        self,
        container: str,
        name: str,
        file: BinaryIO,
        start: int,
        length: int,
        advance: Advance,
        *,
        headers: Mapping[str, str] | None = None,
        kind: str | None = None,
    ) -> str:
        def told(count: int) -> None:
            self._session.check()
            advance(count)

        window = Window(file, start, length, told)
        etag = self._session.connection.put_object(
            container,
            name,
            window if length else b"",
            content_length=length,
            headers=headers,
            content_type=kind,
        )
        if self._settings.verifies and etag and etag.strip('"') != window.etag:
            raise Corrupt(
                f"{name!r} arrived with the MD5 {etag}, was sent with {window.etag}: upload it again"
            )
        return window.etag

    def _put_static(self, name: str, rows: Rows, headers: Mapping[str, str]) -> None:
        self._session.connection.put_object(
            self._settings.container, name, segmentation.manifest(self._settings.segment_container, rows),
            query_string="multipart-manifest=put", headers=headers,
        )  # fmt: skip

    def _put_dynamic(self, name: str, prefix: str, headers: Mapping[str, str]) -> None:
        manifest = segmentation.dynamic_header(self._settings.segment_container, prefix)
        self._session.connection.put_object(
            self._settings.container, name, b"", headers={**headers, "X-Object-Manifest": manifest}
        )

    def stream(self, name: str, source: BinaryIO) -> None:
        """Send what a pipe gives, segment by segment; nothing of it can be taken up again."""
        settings = self._settings
        looks = self._has_segments and not settings.keeps_segments
        old = self._session.head(settings.container, name) if looks else None
        replaced = self._old_segments(name, old) if old else set()
        piece = settings.segment_bytes or segmentation.SEGMENT_BYTES
        mtime = instant_written(time.time())
        headers = {"X-Object-Meta-Mtime": mtime, **settings.headers}
        is_static_object = settings.is_static and self._limits.has_slo
        prefix = f"{name}/{'slo/' if is_static_object else ''}{mtime}/{piece}/"
        self._display.expect(0)
        with self._display.moving(name, 0) as advance:
            start = source.read(piece)
            size = len(start)
            if size < piece:
                self._put(settings.container, name, io.BytesIO(start), 0, size, advance, headers=headers)
            else:
                rows_max = self._limits.segments_max if is_static_object else None
                rows = self._stream_segments(start, source, prefix, rows_max, advance)
                size = sum(length for _name, _etag, length in rows)
                if is_static_object:
                    self._put_static(name, rows, headers)
                else:
                    self._put_dynamic(name, prefix, headers)
        self._remove(replaced)
        self._display.tell(
            Event(action="upload", container=settings.container, object=name, path="-", bytes=size, sent=size)
        )

    def _stream_segments(
        self, start: bytes, source: BinaryIO, prefix: str, rows_max: int | None, advance: Advance
    ) -> Rows:
        self._prepare_segment_container()
        piece, data = len(start), start
        rows: Rows = []
        try:
            while data:
                if len(rows) == rows_max:
                    most = human(rows_max * piece)
                    raise Refused(f"this store joins {rows_max} segments, {most} in all: use a larger -S")
                name = f"{prefix}{len(rows):08d}"
                etag = self._put(
                    self._settings.segment_container, name, io.BytesIO(data), 0, len(data), advance,
                    kind=SEGMENT_TYPE,
                )  # fmt: skip
                rows.append((name, etag, len(data)))
                data = source.read(piece)
        except KNOWN:  # What came out of a pipe does not come again: nobody can go on from here.
            self._remove({name for name, _etag, _length in rows})
            raise
        return rows

    def _prepare_segment_container(self) -> None:
        if self._settings.makes_containers and not self._has_segments:
            self._make(self._settings.segment_container)
            self._has_segments = True

    def _old_segments(self, name: str, old: Mapping[str, str]) -> set[str]:
        """The segments of what is replaced that only an upload under this name can have made."""
        if not is_static(old) or self._is_versioned:  # An older version still needs its segments.
            return set()
        place = f"/{self._settings.segment_container}/"
        rows = manifest_rows(self._session, self._settings.container, name)
        names = {row["name"].removeprefix(place) for row in rows if row["name"].startswith(place)}
        return {each for each in names if (upload := Upload.of(each)) and upload.object_name == name}

    def _remove(self, segments: set[str]) -> None:
        for name in sorted(segments):
            try:
                self._session.connection.delete_object(self._settings.segment_container, name)
            except KNOWN as problem:
                self._display.failed(
                    problem, action="delete", container=self._settings.segment_container, object=name
                )


def _refuse_changed(path: Path, facts: os.stat_result) -> None:
    """Raise Corrupt where the file is not the one that was opened, or was written to since."""
    now = path.stat()
    if (now.st_mtime_ns, now.st_size, now.st_ino) != (facts.st_mtime_ns, facts.st_size, facts.st_ino):
        raise Corrupt(f"{path} changed while it was read: upload it again")
