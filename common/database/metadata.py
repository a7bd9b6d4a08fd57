"""Metadata of an account or container: each item has its own timestamp, and the newest one counts.

    stored + updates ──▶ merged() ──▶ what is stored next   (an empty value is a deletion, kept until reclaim)
    JSON text of the database ──▶ read() / written()

Values are text; the form is stock Swift's: {"X-Container-Meta-Color": ["blue", "1700000000.00000"]}.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

from ..constraints import Constraints
from ..errors import Corrupt, Refused

Metadata = dict[str, tuple[str, str]]
_USER_PREFIXES = ("x-account-meta-", "x-container-meta-")


def read(text: str | None) -> Metadata:
    """Return the metadata in a database's column."""
    if not text:
        return {}
    try:
        items = json.loads(text).items()
        return {str(name): (str(pair[0]), str(pair[1])) for name, pair in items}
    except (ValueError, AttributeError, TypeError, LookupError) as problem:
        raise Corrupt(f"metadata is not readable: {problem}") from problem


def written(metadata: Mapping[str, tuple[str, str]]) -> str:
    """Return the text that holds the metadata; the inverse of `read`."""
    return json.dumps(metadata)


def merged(stored: Mapping[str, tuple[str, str]], updates: Mapping[str, tuple[str, str]]) -> Metadata:
    """Return the stored items with every newer update applied; of two at one moment the greater value."""
    result = dict(stored)
    for name, (value, timestamp) in updates.items():
        known = result.get(name)
        if known is None or (timestamp, value) > (known[1], known[0]):
            result[name] = (value, timestamp)
    return result


def erased(stored: Mapping[str, tuple[str, str]], timestamp: str, *, kept: Collection[str] = ()) -> Metadata:
    """Return updates that delete every item at `timestamp` but those named in `kept` (lower case)."""
    return {name: ("", timestamp) for name in stored if name.lower() not in kept}


def without_old_deletions(stored: Mapping[str, tuple[str, str]], before: str) -> Metadata:
    """Return the items but those that were deleted before a moment (a normal timestamp)."""
    return {name: item for name, item in stored.items() if item[0] or item[1] >= before}


def visible(stored: Mapping[str, tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Yield name and value of the items that are not deleted."""
    return ((name, value) for name, (value, _) in stored.items() if value)


def check(metadata: Mapping[str, tuple[str, str]], limits: Constraints) -> None:
    """Refuse user metadata whose sum breaks the limits; single items were judged by the proxy."""
    items = []
    for name, (value, _) in metadata.items():
        _check_text(name, value)
        prefix = next((prefix for prefix in _USER_PREFIXES if name.lower().startswith(prefix)), None)
        if value and prefix:
            items.append((name[len(prefix) :], value))
    count, size = len(items), sum(len(name.encode()) + len(value.encode()) for name, value in items)
    if count > limits.max_meta_count:
        raise Refused(f"Too many metadata items; max {limits.max_meta_count}")
    if size > limits.max_meta_overall_size:
        raise Refused(f"Total metadata too large; max {limits.max_meta_overall_size}")


def _check_text(name: str, value: str) -> None:
    try:
        (name + value).encode("utf-8")
    except UnicodeEncodeError as problem:
        raise Refused("Metadata must be valid UTF-8") from problem
