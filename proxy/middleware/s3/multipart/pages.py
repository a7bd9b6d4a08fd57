"""Pages of uploads and of parts, cut from rows of a listing.

    rows, as they are stored ──▶ uploads_page(rows, UploadsWanted) ──▶ UploadsPage
                             ──▶ parts_page(rows, …)               ──▶ PartsPage

Uploads come in the order of their rows' names: keys in order, but for a key that another one begins with. The
markers of a page name the last upload that was looked at, so that whoever follows them misses none. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter

from .names import Upload, number_of, upload_of


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a listing."""

    name: str
    size: int
    etag: str
    modified: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadsWanted:
    """Which uploads a client wants to see."""

    bucket: str
    prefix: str = ""
    delimiter: str = ""
    key_marker: str = ""
    upload_id_marker: str = ""
    count_max: int = 1000

    @property
    def start(self) -> str:
        """The name after which rows are of interest."""
        if self.key_marker and self.upload_id_marker:
            return f"{self.key_marker}/{self.upload_id_marker}"
        return self.key_marker


@dataclass(frozen=True, slots=True)
class UploadsPage:
    """What is shown of them."""

    uploads: list[tuple[Upload, str]]
    """Each with the moment at which it began."""
    prefixes: list[str]
    last: Upload | None
    """What the next page follows on; None where this is the last page."""


@dataclass(frozen=True, slots=True)
class PartsPage:
    """Parts in the order of their numbers."""

    parts: list[tuple[int, Row]]
    is_truncated: bool

    def last(self, marker: int) -> int:
        """Return the number that the next page follows on."""
        return self.parts[-1][0] if self.parts else marker


def uploads_page(rows: Iterable[Row], wanted: UploadsWanted) -> UploadsPage:
    """Return the first page of what is wanted; of `rows` no more is taken than that needs."""
    uploads: list[tuple[Upload, str]] = []
    prefixes: list[str] = []
    # The prefix that the last page ended in has been shown on it.
    shown = {_common_prefix(wanted.key_marker, wanted)} if wanted.upload_id_marker else set()
    last: Upload | None = None
    if wanted.count_max == 0:
        return UploadsPage(uploads, prefixes, None)
    for row in rows:
        upload = upload_of(wanted.bucket, row.name)
        if upload is None or not _is_wanted(upload, wanted):
            continue
        prefix = _common_prefix(upload.key, wanted)
        if prefix is None or prefix not in shown:
            if len(uploads) + len(prefixes) == wanted.count_max:
                return UploadsPage(uploads, prefixes, last)
            if prefix is None:
                uploads.append((upload, row.modified))
            else:
                prefixes.append(prefix)
                shown.add(prefix)
        last = upload
    return UploadsPage(uploads, prefixes, None)


def _is_wanted(upload: Upload, wanted: UploadsWanted) -> bool:
    if not upload.key.startswith(wanted.prefix):
        return False
    if wanted.upload_id_marker and wanted.key_marker:
        return upload.name > wanted.start
    return not wanted.key_marker or upload.key > wanted.key_marker


def _common_prefix(key: str, wanted: UploadsWanted) -> str | None:
    if not wanted.delimiter:
        return None
    end = key.find(wanted.delimiter, len(wanted.prefix))
    return None if end < 0 else key[: end + len(wanted.delimiter)]


def parts_page(rows: Iterable[Row], upload: Upload, *, marker: int, count_max: int) -> PartsPage:
    """Return the parts that follow on the number `marker`; rows come in the order of their names."""
    numbered = ((number_of(upload, row.name), row) for row in rows)
    parts = [(number, row) for number, row in numbered if number is not None and number > marker]
    parts.sort(key=itemgetter(0))
    return PartsPage(parts[:count_max], len(parts) > count_max)
