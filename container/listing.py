"""Object rows as entries of a listing.

    (name, created_at, size, content_type, etag) ──▶ entry() ──▶ {"bytes": …, "hash": …, "name": …, …}
    Subdir ──▶ {"subdir": name}

A large object's row hides its true size in the content type (swift_bytes); the moment that is shown is that
of the last change of any part. This runs for each of ten thousand rows: nothing is made but the entry itself.
"""

from __future__ import annotations

import functools
import re
import time
from typing import Any

from ..common.database.listing import Subdir
from .rows import moments_of, split_size

Entry = dict[str, Any]
_PARAMETER = re.compile(
    r'\s*;\s*([^()<>@,;:"/\[\]?={}\s]+)\s*(?:=\s*([^()<>@,;:"/\[\]?={}\s]+|"(?:[^"\\]|\\.)*"))?'
)


def entries(rows: list[tuple[Any, ...] | Subdir]) -> list[Entry]:
    """Return what clients see of the rows."""
    return [{"subdir": row.name} if isinstance(row, Subdir) else entry(row) for row in rows]


def full_entries(rows: list[tuple[tuple[Any, ...] | Subdir, int]]) -> list[Entry]:
    """Return what our own proxies see: deleted rows too, each with its exact timestamps."""
    return [
        {"subdir": row.name, "deleted": deleted}
        if isinstance(row, Subdir)
        else entry(row) | {"deleted": deleted, "timestamp": row[1]}
        for row, deleted in rows
    ]


def entry(row: tuple[Any, ...]) -> Entry:
    """Return what clients see of one row."""
    name, created_at, size, content_type, etag = row
    if ";" in content_type:
        content_type, size = shown_type(content_type), shown_size(content_type, size)
    return {
        "bytes": size,
        "hash": etag,
        "name": name,
        "content_type": content_type,
        "last_modified": moment(created_at),
    }


def moment(created_at: str) -> str:
    """Return the time of the last change, as listings show it."""
    if len(created_at) != 16:
        return moments_of(created_at)[2].isoformat
    return f"{_second(created_at[:10])}.{created_at[11:]}0"


@functools.lru_cache(maxsize=4096)
def _second(digits: str) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(digits)))


@functools.lru_cache(maxsize=1024)
def _tidied(content_type: str) -> tuple[str, str]:
    """Return the type with its parameters in plain form, as stock lists it, and the swift_bytes."""
    bare, listed = split_size(content_type)
    kind, separator, rest = bare.partition(";")
    parameters = _PARAMETER.findall(separator + rest)
    return kind + "".join(f";{name.strip()}={value.strip()}" for name, value in parameters), listed


def shown_type(content_type: str) -> str:
    """Return a row's content type as listings show it."""
    return _tidied(content_type)[0]


def shown_size(content_type: str, size: int) -> int:
    """Return a row's size as listings show it: a large object's true one."""
    listed = _tidied(content_type)[1]
    return int(listed) if listed.isascii() and listed.isdigit() else size
