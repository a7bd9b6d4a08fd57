r"""What a listing of a container with versions shows, from the rows of it and of its hidden container.

    rows of c, rows of \0versions\0c ──▶ current()   c's rows, links shown as what they lead to
                                    └──▶ Merge.rows()  ?versions: every version, which of them is the latest

Both listings are asked for as many rows as the client wants, from the same place on: the first so many of
both together are then the first so many there are. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ....common.config import true_value
from ....common.errors import Refused
from ....common.timestamp import Timestamp
from ..named_paths import decoded
from .copies import DELETE_MARKER_TYPE
from .names import RESERVED, after_versions, is_version_id, version_name, version_of, versions_prefix

Row = dict[str, Any]
NULL = "null"
_LINKED = ("symlink_path", "symlink_etag", "symlink_bytes")
_FIRST, _LAST = -1, 1 << 60
"""Where version null and subdirs stand among the versions of a name, which are ordered by their moments."""


# --- the current objects -----------------------------------------------------------------------


def current(rows: Iterable[Row], *, hidden: str, container: str) -> list[Row]:
    """Return a container's rows; a link to a version has the size, hash and id of that."""
    return [_seen_through(row, hidden, container) for row in rows]


def _seen_through(row: Row, hidden: str, container: str) -> Row:
    linked = version_linked(row, hidden)
    if linked is None:
        return row
    name, version_id = linked
    account = row["symlink_path"].split("/", 3)[2]
    path = quote(f"{container}/{name}", errors="surrogateescape")
    others = {key: value for key, value in row.items() if key not in _LINKED}
    _, *pairs = row["hash"].split(";")
    return {
        **others,
        "bytes": row["symlink_bytes"],
        "hash": ";".join((row["symlink_etag"], *pairs)),
        "symlink_path": f"/v1/{account}/{path}?version-id={version_id}",
        "version_symlink": True,
    }


def version_linked(row: Row, hidden: str) -> tuple[str, str] | None:
    """Return object name and id of the version that a row is a link to."""
    if not all(key in row for key in _LINKED):
        return None
    pieces = decoded(row["symlink_path"]).split("/", 4)
    return version_of(pieces[4]) if len(pieces) == 5 and pieces[3] == hidden else None


# --- all versions ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks of a listing of versions."""

    marker: str | None
    version_marker: str | None
    end_marker: str
    prefix: str
    delimiter: str
    reverse: bool
    limit: int

    @classmethod
    def of(cls, query: Mapping[str, str], *, limit_max: int) -> Asked:
        """Read a query.

        Raises:
            Refused: where it makes no sense.
        """
        marker, version_marker = query.get("marker"), query.get("version_marker")
        if version_marker is not None:
            if marker is None:
                raise Refused("version_marker param requires marker")
            if version_marker != NULL and not is_version_id(version_marker):
                raise Refused("invalid version_marker param")
        delimiter = query.get("delimiter", "")
        if set(delimiter) & set(f"0123456789.{RESERVED}"):  # They stand in the names of versions.
            raise Refused("invalid delimiter param")
        limit = query.get("limit", "")
        return cls(
            marker=marker or None,
            version_marker=version_marker if marker else None,
            end_marker=query.get("end_marker", ""),
            prefix=query.get("prefix", ""),
            delimiter=delimiter,
            reverse=true_value(query.get("reverse", "")),
            limit=min(int(limit), limit_max) if limit.isdigit() else limit_max,
        )

    @property
    def is_within_name(self) -> bool:
        """Whether it begins among the versions of the marker's name."""
        return self.version_marker is not None

    def hidden_query(self) -> dict[str, str]:
        """Return the query for the rows of the hidden container, which begin where the client's do."""
        return {
            "format": "json",
            "limit": str(self.limit),
            "prefix": RESERVED + self.prefix if self.prefix else "",
            "marker": self._hidden_marker(),
            "end_marker": _bound(self.end_marker, after=self.reverse) if self.end_marker else "",
            "delimiter": self.delimiter,
            "reverse": "on" if self.reverse else "",
        }

    def _hidden_marker(self) -> str:
        if self.marker is None:
            return ""
        beyond = self.marker[len(self.prefix) :] if self.marker.startswith(self.prefix) else ""
        if self.delimiter and self.delimiter in beyond:
            return RESERVED + self.marker  # A subdir: it must be recognised as the one seen before.
        if self.version_marker is None:
            return _bound(self.marker, after=not self.reverse)
        if self.version_marker == NULL:
            return versions_prefix(self.marker)  # Version null stands before all that have a moment.
        return version_name(self.marker, self.version_marker)


def _bound(name: str, *, after: bool) -> str:
    return after_versions(name) if after else versions_prefix(name)


@dataclass(slots=True)
class Merge:
    """Rows of both containers, on their way to become one listing."""

    hidden: str
    asked: Asked
    primary: Sequence[Row]
    versions: Sequence[Row]
    known: Row | None = None
    """The container's row of the marker's name, where the page begins among its versions."""
    newest: Mapping[str, str] = field(default_factory=dict)
    """By name the id of the newest version, where a page may not show that, if it is a delete marker."""

    def doubtful_names(self) -> list[str]:
        """Return names whose newest version may lie on another page."""
        names = [self.asked.marker] if self.asked.is_within_name else []
        if self.asked.reverse and self.versions and len(self.versions) >= self.asked.limit:
            version = version_of(self.versions[-1].get("name", ""))
            if version is not None:
                names.append(version[0])
        return [name for name in dict.fromkeys(names) if name and name not in self._links()[0]]

    def rows(self) -> list[Row]:
        """Return the page."""
        latest, links = self._links()
        ordered: list[tuple[str, int, Row]] = []
        subdirs = {row["subdir"] for row in self.primary if "subdir" in row}
        seen: set[tuple[str, str]] = set()
        deleted = self._newest_markers()
        for row in self.versions:
            if "subdir" in row:
                subdirs.add(row["subdir"].split(RESERVED)[1])
                continue
            version = version_of(row["name"])
            if version is None:
                continue
            name, version_id = version
            is_latest = latest.get(name, deleted.get(name)) == version_id
            shown = {**row, "name": name, "version_id": version_id, "is_latest": is_latest}
            ordered.append((name, -_ticks(version_id), shown))
            seen.add(version)
        for row in self._null_rows():
            ordered.append((row["name"], -_LAST, {**row, "version_id": NULL, "is_latest": True}))
        for version, row in links.items():
            if version not in seen:  # A version that is gone, or has not got its row yet.
                ordered.append((version[0], -_ticks(version[1]), _of_link(row, *version)))
        ordered += [(subdir, _FIRST, {"subdir": subdir}) for subdir in subdirs]
        ordered.sort(key=lambda each: each[:2], reverse=self.asked.reverse)
        return [row for _, _, row in ordered[: self.asked.limit]]

    def _links(self) -> tuple[dict[str, str], dict[tuple[str, str], Row]]:
        """Return the current version's id of each name, and the rows that are links to a version."""
        latest: dict[str, str] = {}
        links: dict[tuple[str, str], Row] = {}
        for row in (*self.primary, *((self.known,) if self.known else ())):
            if "name" not in row:
                continue
            version = version_linked(row, self.hidden)
            latest[row["name"]] = version[1] if version else NULL
            if version and row is not self.known:
                links[version] = row
        return latest, links

    def _null_rows(self) -> list[Row]:
        """Return the rows of objects that are no versions, as far as they belong to the page."""
        rows = [row for row in self.primary if "name" in row and version_linked(row, self.hidden) is None]
        is_ahead = self.asked.reverse and self.asked.version_marker not in (None, NULL)
        if self.known and is_ahead and version_linked(self.known, self.hidden) is None:
            rows.append(self.known)
        return rows

    def _newest_markers(self) -> dict[str, str]:
        """Return the newest version's id by name, where that is a delete marker."""
        newest: dict[str, tuple[str, str]] = {}
        for row in self.versions:
            version = version_of(row.get("name", ""))
            if version is not None and version[1] > newest.get(version[0], ("",))[0]:
                newest[version[0]] = version[1], row["content_type"]
        found = {
            name: version_id for name, (version_id, kind) in newest.items() if kind == DELETE_MARKER_TYPE
        }
        return {**found, **self.newest}


def _of_link(row: Row, name: str, version_id: str) -> Row:
    return {
        "name": name,
        "is_latest": True,
        "version_id": version_id,
        "content_type": row["content_type"],
        "bytes": row["symlink_bytes"],
        "hash": row["symlink_etag"],
        "last_modified": row["last_modified"],
    }


def _ticks(version_id: str) -> int:
    return Timestamp.parse(version_id).ticks
