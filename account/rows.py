"""One container as its account's listing knows it, and which parts of two reports about it are right.

    report + what is known ──▶ merged() ──▶ the row to keep

The newest put and the newest deletion count; counts have no moment of their own, so the last report's stand,
until the container updater reports again. That is stock Swift's rule, and both write the same tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..common.timestamp import ZERO, Timestamp


@dataclass(frozen=True, slots=True)
class ContainerRow:
    """A row of the container table, in the order of its columns."""

    name: str
    put_timestamp: str
    delete_timestamp: str
    object_count: int
    bytes_used: int
    deleted: int
    policy_index: int

    def values(self) -> tuple[str, str, str, int, int, int, int]:
        """Return the columns' values, which are also its pending form."""
        return (
            self.name,
            self.put_timestamp,
            self.delete_timestamp,
            self.object_count,
            self.bytes_used,
            self.deleted,
            self.policy_index,
        )


def reported(
    name: str,
    *,
    put_timestamp: str,
    delete_timestamp: str,
    object_count: int,
    bytes_used: int,
    policy_index: int,
) -> ContainerRow:
    """Return the row for what a container says of itself; raise ValueError when a moment is malformed."""
    Timestamp.parse(put_timestamp)
    Timestamp.parse(delete_timestamp)
    row = ContainerRow(name, put_timestamp, delete_timestamp, object_count, bytes_used, 0, policy_index)
    return replace(row, deleted=_is_deleted(row))


def from_entry(entry: tuple[Any, ...]) -> ContainerRow:
    """Return the row in a pending entry of any release: later ones added the policy."""
    name, put_timestamp, delete_timestamp, object_count, bytes_used, deleted = entry[:6]
    policy_index = entry[6] if len(entry) > 6 else 0
    return ContainerRow(
        name,
        str(put_timestamp),
        str(delete_timestamp),
        int(object_count or 0),
        int(bytes_used or 0),
        int(deleted or 0),
        int(policy_index or 0),
    )


def from_item(item: Mapping[str, Any]) -> ContainerRow:
    """Return the row that another replica sent, in stock Swift's keys."""
    keys = ("name", "put_timestamp", "delete_timestamp", "object_count", "bytes_used", "deleted")
    return from_entry((*(item[key] for key in keys), item.get("storage_policy_index", 0)))


def merged(known: ContainerRow | None, report: ContainerRow) -> ContainerRow:
    """Return the row to keep when `report` comes in."""
    if known is None:
        return report
    row = replace(
        report,
        put_timestamp=_later(known.put_timestamp, report.put_timestamp),
        delete_timestamp=_later(known.delete_timestamp, report.delete_timestamp),
    )
    return replace(row, deleted=_is_deleted(row))


def _is_deleted(row: ContainerRow) -> int:
    later = _moment(row.delete_timestamp) > _moment(row.put_timestamp)
    return int(later and not row.object_count)


def _later(known: str, report: str) -> str:
    return known if _moment(known) > _moment(report) else report


def _moment(text: str) -> Timestamp:
    """Return the moment in a column; one that cannot be read loses against any other."""
    try:
        return Timestamp.parse(text)
    except ValueError:
        return ZERO
