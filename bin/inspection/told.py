"""Metadata as lines for people.

    object's metadata      ──▶ object_lines()
    database's row, syncs  ──▶ database_lines(), sync_lines()

The lines are those of stock Swift's tools, which operators grep. Pure: files and databases were read by
whoever calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...common.http.wsgi import from_wsgi
from ...common.timestamp import Timestamp

Row = Mapping[str, Any]
_MOMENTS = (
    ("Created at", "created_at"),
    ("Put Timestamp", "put_timestamp"),
    ("Delete Timestamp", "delete_timestamp"),
    ("Status Timestamp", "status_changed_at"),
)
_GROUPS = (
    ("System Metadata:", "x-object-sysmeta-"),
    ("Transient System Metadata:", "x-object-transient-sysmeta-"),
    ("User Metadata:", "x-object-meta-"),
)


def object_lines(stored: Mapping[str, str], path_hash: str | None, *, drop_prefixes: bool) -> Iterator[str]:
    """Yield what the metadata of a data file, .meta file or tombstone says."""
    left = {from_wsgi(key): from_wsgi(value) for key, value in stored.items() if key != "name"}
    path = stored.get("name", "")
    if path:
        account, container, name = path.lstrip("/").split("/", 2)
        yield f"Path: {path}"
        yield f"  Account: {account}"
        yield f"  Container: {container}"
        yield f"  Object: {name}"
        yield f"  Object hash: {path_hash or 'unknown, for want of swift.conf'}"
    else:
        yield "Path: Not found in metadata"
    yield f"Content-Type: {left.pop('Content-Type', 'Not found in metadata')}"
    moment = left.pop("X-Timestamp", None)
    yield f"Timestamp: {_moment(moment) if moment else 'Not found in metadata'}"
    for title, prefix in _GROUPS:
        group = {key: left.pop(key) for key in list(left) if key.lower().startswith(prefix)}
        yield from _group(title, group, len(prefix) if drop_prefixes else 0)
    yield from _group("Other Metadata:", left, 0)


def _group(title: str, entries: Mapping[str, str], cut: int) -> Iterator[str]:
    yield title
    if not entries:
        yield "  No metadata found"
    for key, value in sorted(entries.items()):
        yield f"  {key[cut:]}: {value}"


def database_lines(
    kind: str, row: Row, path_hash: str | None, policies: Mapping[int, str], *, drop_prefixes: bool
) -> Iterator[str]:
    """Yield what the info row of an account or container database says."""
    is_container = kind == "container"
    yield f"Path: /{row['account']}/{row['container']}" if is_container else f"Path: /{row['account']}"
    yield f"  Account: {row['account']}"
    if is_container:
        yield f"  Container: {row['container']}"
    yield f"  Deleted: {is_deleted(kind, row)}"
    yield f"  {kind.title()} Hash: {path_hash or 'unknown, for want of swift.conf'}"
    yield "Metadata:"
    for title, column in _MOMENTS:
        yield f"  {title}: {_moment(row[column])}"
    if not is_container:
        yield f"  Container Count: {row['container_count']}"
    yield f"  Object Count: {row['object_count']}"
    yield f"  Bytes Used: {row['bytes_used']}"
    if is_container:
        index = row["storage_policy_index"]
        yield f"  Storage Policy: {policies.get(index, 'Unknown')} ({index})"
        for name in ("Put Timestamp", "Delete Timestamp"):
            yield f"  Reported {name}: {_moment(row['reported_' + name.lower().replace(' ', '_')])}"
        yield f"  Reported Object Count: {row['reported_object_count']}"
        yield f"  Reported Bytes Used: {row['reported_bytes_used']}"
    yield f"  Chexor: {row['hash']}"
    yield f"  UUID: {row['id']}"
    for column in (name for name in row if name.startswith(f"x_{kind}_")):
        yield f"  {column.replace('_', '-').title()}: {row[column]}"
    yield from _metadata_lines(kind, row, drop_prefixes=drop_prefixes)


def is_deleted(kind: str, row: Row) -> bool:
    """Say whether the database stands for something that was deleted."""
    deleted = Timestamp.parse(row["delete_timestamp"]) > Timestamp.parse(row["put_timestamp"])
    if kind == "container":
        return deleted and not row["object_count"]
    return row["status"] == "DELETED" or (deleted and not row["container_count"])


def _metadata_lines(kind: str, row: Row, *, drop_prefixes: bool) -> Iterator[str]:
    stored = json.loads(row["metadata"] or "{}")
    left = {from_wsgi(key): from_wsgi(value) for key, (value, _) in stored.items()}
    for what, prefix in (("system", f"x-{kind}-sysmeta-"), ("user", f"x-{kind}-meta-")):
        group = {key: left.pop(key) for key in list(left) if key.lower().startswith(prefix)}
        if group:
            yield f"  {what.title()} Metadata:"
            cut = len(prefix) if drop_prefixes else 0
            yield from (f"    {key[cut:]}: {value}" for key, value in group.items())
        else:
            yield f"No {what} metadata found in db file"
    yield from (f"  {key}: {value}" for key, value in left.items())


def sync_lines(title: str, syncs: Sequence[Row]) -> Iterator[str]:
    """Yield how far a database has come with each other copy."""
    point_width = max([len(str(sync["sync_point"])) for sync in syncs] + [len("Sync Point")])
    remote_width = max([len(sync["remote_id"]) for sync in syncs] + [len("Remote ID")])
    yield f"{title} Syncs:"
    yield f"  {'Sync Point'.ljust(point_width)}\t{'Remote ID'.ljust(remote_width)}\tUpdated At"
    for sync in syncs:
        moment = _moment(str(sync["updated_at"]))
        point = str(sync["sync_point"]).ljust(point_width)
        yield f"  {point}\t{sync['remote_id'].ljust(remote_width)}\t{moment}"


def _moment(text: str) -> str:
    return f"{Timestamp.parse(text).isoformat} ({text})"
