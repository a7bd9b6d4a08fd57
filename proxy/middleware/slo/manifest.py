"""The manifest of a static large object, as clients write it and as it is stored.

    client's JSON ──asked()──▶ Wanted, data … ──▶ (segments are looked at) ──▶ Stored rows ──▶ stored JSON
    stored JSON ──stored()──▶ Stored rows ──▶ etag_of(), size_of(), raw()

The stored form is stock Swift's, field by field, so that either may read what the other has written.
Pure: it asks no server and reads no clock.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Any

from ....common.config import true_value
from ....common.errors import Corrupt, Refused
from ....common.ranges import Span, choose

_OPTIONAL = {"data": frozenset[str](), "path": frozenset(("range", "etag", "size_bytes"))}
_RANGE = re.compile(r"(\d+)-(\d+)", re.ASCII)
_SIZE_PARAMETER = re.compile(r";\s*swift_bytes=(\d+)", re.ASCII)


class Flawed(ValueError):
    """An entry of a manifest that cannot be used; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An object, or a range of it, that a client names as a segment, with what it says about it."""

    given: str
    """Its path as the client wrote it."""
    size: int | None = None
    etag: str | None = None
    range: str | None = None
    """What would follow `bytes=`: one range."""

    @property
    def path(self) -> str:
        """Container and object, without a slash before them."""
        return self.given.lstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A segment as it is stored: an object of that size and ETag, or bytes of the manifest's own."""

    path: str = ""
    """Container and object, without a slash before them."""
    size: int = 0
    etag: str = ""
    content_type: str = ""
    modified: str = ""
    span: Span | None = None
    is_manifest: bool = False
    data: bytes | None = None

    @property
    def start(self) -> int:
        """Where in the object the segment begins."""
        return self.span[0] if self.span else 0

    @property
    def length(self) -> int:
        """How many bytes of the large object it is."""
        if self.data is not None:
            return len(self.data)
        return self.span[1] - self.span[0] if self.span else self.size

    @property
    def mark(self) -> str:
        """What it contributes to the large object's ETag."""
        if self.data is not None:
            return md5(self.data, usedforsecurity=False).hexdigest()
        return f"{self.etag}:{_written(self.span)};" if self.span else self.etag

    def row(self) -> dict[str, Any]:
        """Return it as it stands in the stored document."""
        if self.data is not None:
            return {"data": base64.b64encode(self.data).decode("ascii")}
        row: dict[str, Any] = {
            "name": f"/{self.path}",
            "bytes": self.size,
            "hash": self.etag,
            "content_type": self.content_type,
            "last_modified": self.modified,
        }
        if self.span:
            row["range"] = _written(self.span)
        if self.is_manifest:
            row["sub_slo"] = True
        return row


def asked(document: bytes, *, itself: str) -> list[Wanted | bytes]:
    """Return the segments that a client's manifest names; `itself` is the manifest's container and object.

    Raises:
        Refused: 400, with a line for each flaw.
    """
    try:
        entries = json.loads(document)
    except (ValueError, RecursionError) as problem:
        raise Refused("Manifest must be valid JSON.\n") from problem
    if not isinstance(entries, list):
        raise Refused("Manifest must be a list.\n")
    segments: list[Wanted | bytes] = []
    flaws = []
    for index, entry in enumerate(entries):
        try:
            segments.append(_segment(entry, is_last=index == len(entries) - 1, itself=itself))
        except Flawed as flaw:
            flaws.append(f"Index {index}: {flaw}\n")
    if entries and all(isinstance(entry, dict) and "data" in entry for entry in entries):
        flaws.append("Inline data segments require at least one object-backed segment.\n")
    if flaws:
        raise Refused("".join(flaws))
    return segments


def _segment(entry: object, *, is_last: bool, itself: str) -> Wanted | bytes:
    if not isinstance(entry, dict):
        raise Flawed("not a JSON object")
    kind = next((kind for kind in _OPTIONAL if kind in entry), None)
    if kind is None:
        raise Flawed('expected keys to include one of "data" or "path"')
    foreign = sorted(entry.keys() - _OPTIONAL[kind] - {kind})
    if foreign:
        raise Flawed(f"extraneous keys {', '.join(map(json.dumps, foreign))}")
    return _inline(entry["data"]) if kind == "data" else _wanted(entry, is_last=is_last, itself=itself)


def _inline(text: object) -> bytes:
    try:
        if not isinstance(text, str):
            raise TypeError
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as problem:
        raise Flawed("data must be valid base64") from problem
    if not data:
        raise Flawed("too small; each segment must be at least 1 byte.")
    return data


def _wanted(entry: dict[str, Any], *, is_last: bool, itself: str) -> Wanted:
    path, etag = entry["path"], entry.get("etag")
    if not isinstance(path, str):
        raise Flawed('"path" must be a string')
    if etag is not None and not isinstance(etag, str):
        raise Flawed('"etag" must be a string or null (if provided)')
    if "/" not in path.strip("/"):
        raise Flawed("path does not refer to an object. Path must be of the form /container/object.")
    try:
        path.encode("utf-8")
    except UnicodeError as problem:
        raise Flawed('"path" must be valid UTF-8') from problem
    size = _size(entry.get("size_bytes"))
    if size is not None and size < 1 and not is_last:
        raise Flawed("too small; each segment must be at least 1 byte.")
    if path.lstrip("/") == itself:
        raise Flawed("manifest must not include itself as a segment")
    return Wanted(given=path, size=size, etag=etag, range=_range(entry.get("range"), size))


def _size(given: object) -> int | None:
    if given is None:
        return None
    try:
        return int(given)  # type: ignore[call-overload, no-any-return]  # what does not suit is refused
    except (TypeError, ValueError, OverflowError) as problem:
        raise Flawed("invalid size_bytes") from problem


def _range(given: object, size: int | None) -> str | None:
    if not given:
        return None
    header = f"bytes={given}"
    # Of an object that is longer than any, so that only what makes no sense of any object is refused here.
    if choose(header, 1 << 62) is None:
        raise Flawed("invalid range")
    if "," in header:
        raise Flawed("multiple ranges (only one allowed)")
    if size is not None and not choose(header, size):
        raise Flawed("unsatisfiable range")
    return str(given)


def resolved(text: str, size: int) -> Span | None:
    """Return the bytes that a range means in an object; None when that is none, or the whole object.

    Raises:
        Flawed: when the object has no such bytes.
    """
    spans = choose(f"bytes={text}", size)
    if not spans:
        raise Flawed("Unsatisfiable Range")
    return None if spans == [(0, size)] else spans[0]


def document_of(segments: Sequence[Stored]) -> bytes:
    """Return the document that is stored."""
    return json.dumps([segment.row() for segment in segments]).encode("ascii")


def stored(document: bytes) -> list[Stored]:
    """Return the segments of a stored document; Corrupt when it is none."""
    try:
        return [_read(row) for row in json.loads(document)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise Corrupt("what is stored is not the manifest of a static large object") from problem


def _read(row: dict[str, Any]) -> Stored:
    if "data" in row:
        return Stored(data=base64.b64decode(row["data"]))
    span = None
    if row.get("range") is not None:
        first, last = map(int, _RANGE.fullmatch(row["range"]).groups())  # type: ignore[union-attr]
        span = (first, last + 1)
    is_manifest = true_value(str(row.get("sub_slo", "")))
    content_type = row.get("content_type") or ""
    # Old manifests say how long a sub-manifest's document is, and in its type how long what it stands for.
    longer = _SIZE_PARAMETER.search(content_type) if is_manifest else None
    return Stored(
        path=row["name"].lstrip("/"),
        size=int(longer[1] if longer else row["bytes"]),
        etag=row["hash"],
        content_type=content_type,
        modified=row.get("last_modified") or "",
        span=span,
        is_manifest=is_manifest,
    )


def etag_of(segments: Sequence[Stored]) -> str:
    """Return the large object's ETag."""
    marks = "".join(segment.mark for segment in segments)
    return md5(marks.encode("ascii"), usedforsecurity=False).hexdigest()


def size_of(segments: Sequence[Stored]) -> int:
    """Return how long the large object is."""
    return sum(segment.length for segment in segments)


def raw(document: bytes) -> bytes:
    """Return a stored document in the form in which a client may PUT it again."""
    rows = []
    for segment in stored(document):
        row = segment.row()
        if segment.data is None:
            row = {"path": row["name"], "size_bytes": row["bytes"], "etag": row["hash"]}
            if segment.span:
                row["range"] = _written(segment.span)
        rows.append(row)
    return json.dumps(rows, sort_keys=True).encode("ascii")


def _written(span: Span | None) -> str:
    assert span is not None
    return f"{span[0]}-{span[1] - 1}"
