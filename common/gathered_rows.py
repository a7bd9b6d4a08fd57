"""Rows of many objects in one request, as an Apus object server brings them to an Apus container server.

    [line(row), …] ──▶ message() ──UPDATE /gathered-rows──▶ told() ──▶ each row, as if it had come alone
    statuses_in() ◀──────── X-Apus-Row-Statuses: 201,204 ◀── statuses_line()

A line holds what the request for one row holds: verb, path and the headers that say something of the row, as
WSGI strings. The message is a JSON array of such arrays. Whoever takes it says so in its answer to each row
that comes alone; others refuse it harmlessly, for its path names no container. What rows mean is not known
here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import orjson

from .errors import Refused
from .http.wsgi import Environ

METHOD = "UPDATE"
PATH = "/gathered-rows"
STATUSES = "X-Apus-Row-Statuses"
TAKEN_HEADER = "X-Apus-Takes"
TAKEN = "gathered-rows"
ALONE = 0
"""Stands for a status: nothing was done, because somebody would have had to wait; send this row alone."""
ROWS_MAX = 64
"""One writer's wait is as long as that for all of them; and a hundredth of a millisecond each adds up."""
LINE_BYTES_MAX = 8192
"""Longer ones travel alone: a name of 1,024 bytes, with the usual values, is far from it."""
MESSAGE_BYTES_MAX = ROWS_MAX * (LINE_BYTES_MAX + 1) + 1

_SAYING = (
    "X-Timestamp",
    "X-Backend-Storage-Policy-Index",
    "X-Size",
    "X-Content-Type",
    "X-Etag",
    "X-Content-Type-Timestamp",
    "X-Meta-Timestamp",
    "X-Trans-Id",
)
_are_names = frozenset(_SAYING).issuperset
_KEYS = ("REQUEST_METHOD", "PATH_INFO", *(f"HTTP_{name.upper().replace('-', '_')}" for name in _SAYING))
_VERBS = ("PUT", "DELETE")
_are_lists = frozenset((list,)).issuperset
_are_texts = frozenset((str, type(None))).issuperset
_are_values = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch  # What a header's line could hold.
_is_path = re.compile(r"/[\x00-\xff]+").fullmatch
_are_statuses = re.compile(r"[0-9]{1,3}(?:,[0-9]{1,3})*", re.ASCII).fullmatch


class Told(NamedTuple):
    """What a line says: WSGI strings, None for a header that the request did not have."""

    verb: str
    path: str
    timestamp: str | None
    policy_index: str | None
    size: str | None
    content_type: str | None
    etag: str | None
    content_type_timestamp: str | None
    meta_timestamp: str | None
    transaction_id: str | None

    def environ(self) -> Environ:
        """Return the environ of the row's own request; what that lacks is None."""
        return dict(zip(_KEYS, self, strict=True))


def line(verb: str, path: str, headers: Mapping[str, str]) -> bytes | None:
    """Return a row's part of a message; None where it says something that has no place there."""
    if verb not in _VERBS or not _are_names(headers):
        return None
    written = orjson.dumps([verb, path, *map(headers.get, _SAYING)])
    return written if len(written) <= LINE_BYTES_MAX else None


def message(lines: Sequence[bytes]) -> bytes:
    """Return the request's body."""
    assert 0 < len(lines) <= ROWS_MAX
    return b"[%b]" % b",".join(lines)


def told(body: bytes) -> list[Told]:
    """Return what is said of each row; raise Refused if malformed."""
    try:
        rows: Any = orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise Refused(f"the rows are not JSON: {problem}") from problem
    if type(rows) is not list or not 0 < len(rows) <= ROWS_MAX:
        raise Refused(f"expected 1 to {ROWS_MAX} rows")
    if not _are_lists(map(type, rows)) or not _are_texts(map(type, chain.from_iterable(rows))):
        raise Refused("a row is an array of texts")
    # JSON has control characters only behind a backslash: where there is none, none is to be looked for.
    is_plain = b"\\" not in body and b"\x7f" not in body and body.isascii()
    try:
        said = list(map(Told._make, rows))
    except TypeError as problem:
        raise Refused(f"a row has {len(_KEYS)} fields") from problem
    for row in said:
        if row.verb not in _VERBS or row.path is None or not _is_path(row.path):
            raise Refused("a row with a verb or path that it cannot have")
        if not is_plain and not _are_values("".join([value for value in row[2:] if value is not None])):
            raise Refused("a row with a value that it cannot have")
    return said


def statuses_line(statuses: Iterable[int]) -> str:
    """Return the header of the answer: one status for each row, in order."""
    return ",".join(map(str, statuses))


def statuses_in(text: str | None, count: int) -> list[int] | None:
    """Return the statuses of so many rows; None when the header says nothing of the kind."""
    if text is None or not _are_statuses(text):
        return None
    statuses = [int(status) for status in text.split(",")]
    return statuses if len(statuses) == count else None
