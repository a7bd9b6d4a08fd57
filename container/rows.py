"""One object as its container's listing knows it, and which of two reports about it is right.

    report + what is known ──▶ joined() ──▶ the row to keep

An object's data, its content type and its metadata change at different moments; a row keeps the newest of
each, all three moments encoded in its one timestamp column. `joined` takes the greater of each part, equal
moments being decided by content, so that reports may come in any order, any number of times, by any way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..common.timestamp import ZERO, Timestamp, decode_triple, encode_triple

_SIZE_PARAMETER = re.compile(r"\s*;\s*swift_bytes=([^;]*)")
_three_moments = re.compile(r"([0-9]{10}\.[0-9]{5})([+-][0-9a-f]+)([+-][0-9a-f]+)").fullmatch
_is_one_moment = re.compile(r"[0-9]{10}\.[0-9]{5}").fullmatch
DELETED_CONTENT_TYPE = "application/deleted"
DELETED_ETAG = "noetag"


class ObjectRow(NamedTuple):
    """A row of the object table, in the order of its columns; `created_at` holds the three moments.

    Of each change three are made in two forms, and a tuple is made in a third of a dataclass's time.
    """

    name: str
    created_at: str
    size: int
    content_type: str
    etag: str
    deleted: int
    policy_index: int

    @property
    def key(self) -> tuple[str, int]:
        """What makes two rows the same object."""
        return self.name, self.policy_index


def tombstone(name: str, timestamp: str, policy_index: int) -> ObjectRow:
    """Return the row that says an object was deleted."""
    return ObjectRow(name, timestamp, 0, DELETED_CONTENT_TYPE, DELETED_ETAG, 1, policy_index)


def from_entry(entry: tuple[Any, ...]) -> ObjectRow:
    """Return the row in a pending entry of any release: later ones added policy and the extra moments."""
    if type(entry) is ObjectRow:
        return entry
    if len(entry) == 9 and entry[7] is entry[8] is None and type(entry[2]) is type(entry[5]) is int:
        return ObjectRow._make(entry[:7])  # What nearly all are, made in a third of the time.
    name, created_at, size, content_type, etag, deleted = entry[:6]
    policy_index = entry[6] if len(entry) > 6 else 0
    content_type_at = entry[7] if len(entry) > 7 else None
    meta_at = entry[8] if len(entry) > 8 else None
    row = ObjectRow(
        name, created_at, int(size or 0), content_type, etag, int(deleted or 0), int(policy_index or 0)
    )
    return with_moments(row, content_type_at, meta_at)


def from_item(item: Mapping[str, Any]) -> ObjectRow:
    """Return the row that another replica sent, in stock Swift's keys."""
    row = ObjectRow(
        str(item["name"]),
        str(item["created_at"]),
        int(item["size"] or 0),
        str(item["content_type"]),
        str(item["etag"]),
        int(item["deleted"] or 0),
        int(item.get("storage_policy_index") or 0),
    )
    return with_moments(row, item.get("ctype_timestamp"), item.get("meta_timestamp"))


def entry_of(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the row in its pending form, as stock Swift reads it."""
    return (*row, None, None)


def with_moments(row: ObjectRow, content_type_at: str | None, meta_at: str | None) -> ObjectRow:
    """Put moments of a later POST into the row's timestamp; metadata is never older than the content type."""
    if not content_type_at and not meta_at:
        return row
    data, content_type, meta = decode_triple(row.created_at)
    if content_type_at:
        content_type = meta = Timestamp.parse(content_type_at)
    if meta_at:
        meta = Timestamp.parse(meta_at)
    return row._replace(created_at=encode_triple(data, content_type, meta))


def joined(ours: ObjectRow, theirs: ObjectRow) -> ObjectRow:
    """Return the row that holds the newest of each part of two rows of one object."""
    assert ours.key == theirs.key
    if ours == theirs:
        return ours
    if is_all_newer(ours, theirs):
        return theirs
    if is_all_newer(theirs, ours):
        return ours
    our_data, our_content_type, our_meta = moments_of(ours.created_at)
    their_data, their_content_type, their_meta = moments_of(theirs.created_at)
    our_type, our_bytes = split_size(ours.content_type)
    their_type, their_bytes = split_size(theirs.content_type)
    data_at, deleted, etag, size, listed = max(
        (our_data, ours.deleted, ours.etag, ours.size, our_bytes),
        (their_data, theirs.deleted, theirs.etag, theirs.size, their_bytes),
    )
    content_type_at, content_type = max((our_content_type, our_type), (their_content_type, their_type))
    created_at = encode_triple(data_at, content_type_at, max(our_meta, their_meta))
    if listed:
        content_type = f"{content_type};swift_bytes={listed}"
    return ObjectRow(ours.name, created_at, size, content_type, etag, deleted, ours.policy_index)


def is_all_newer(row: ObjectRow, other: ObjectRow) -> bool:
    """Whether the other one plainly outdates the row: of one moment, behind all moments of the row.

    So it is with nearly all that comes, and telling it takes a tenth of what weighing each part takes.
    """
    moment = other.created_at
    if not _is_one_moment(moment) or "swift_bytes=" in other.content_type:
        return False
    earlier = row.created_at
    if _is_one_moment(earlier):
        return earlier < moment
    match = _three_moments(earlier)
    if match is None:
        return False
    to_content_type = int(match[2], 16)
    to_meta = to_content_type + int(match[3], 16)
    return _ticks(match[1]) + max(0, to_content_type, to_meta) < _ticks(moment)


def _ticks(moment: str) -> int:
    return int(moment.replace(".", ""))


def moments_of(created_at: str) -> tuple[Timestamp, Timestamp, Timestamp]:
    """Return a row's three moments; one that cannot be read loses against any other."""
    try:
        return decode_triple(created_at)
    except ValueError:
        return ZERO, ZERO, ZERO


def split_size(content_type: str) -> tuple[str, str]:
    """Return a content type without its swift_bytes parameter, and that: a large object's true size."""
    if "swift_bytes=" not in content_type:
        return content_type, ""
    sizes = _SIZE_PARAMETER.findall(content_type)
    return _SIZE_PARAMETER.sub("", content_type), (sizes[-1].strip() if sizes else "")
