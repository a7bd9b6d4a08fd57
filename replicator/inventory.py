"""What a device says it holds of one partition, as two Apus nodes write it to each other.

    REPLICATE answer, JSON ──▶ decode() ──▶ hash → Version
    hash → Version, ours ──▶ encode() ──▶ JSON
    a folder's files ──▶ names.select() ──▶ version_of() ──▶ Version

    {"a83": {"…a83": {"data": "1700000000.00000", "meta": …, "ctype": …}, "…a83": {"ts": …}}}

Parts that are not newer than the data are left out of a `Version`, whoever writes them. Anything that is
not exactly of this form is refused as Corrupt: a half-understood inventory could remove a last copy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from ..common.errors import Corrupt
from ..common.timestamp import Timestamp
from ..object.files.names import Selection
from .plan import Version

_HASH = re.compile(r"[0-9a-f]{32}", re.ASCII)


def decode(document: bytes) -> dict[str, Version]:
    """Return hash → version; raise Corrupt when it is no inventory."""
    try:
        suffixes = orjson.loads(document)
    except orjson.JSONDecodeError as problem:
        raise Corrupt(f"an inventory that is no JSON: {problem}") from problem
    if not isinstance(suffixes, dict):
        raise Corrupt("an inventory that is no JSON object")
    found: dict[str, Version] = {}
    for suffix, hashes in suffixes.items():
        if not isinstance(hashes, dict):
            raise Corrupt(f"suffix {suffix!r} of an inventory is no JSON object")
        for digest, parts in hashes.items():
            if not _HASH.fullmatch(digest) or not digest.endswith(suffix):
                raise Corrupt(f"an inventory has {digest!r} under suffix {suffix!r}")
            found[digest] = _version(digest, parts)
    return found


def encode(inventory: Mapping[str, Version]) -> bytes:
    """Return the JSON form."""
    suffixes: dict[str, dict[str, dict[str, str]]] = {}
    for digest, version in inventory.items():
        suffixes.setdefault(digest[-3:], {})[digest] = _parts(version)
    return orjson.dumps(suffixes)


def version_of(selection: Selection) -> Version | None:
    """Return what the files of one folder make of the object; None where they say nothing."""
    if selection.tombstone is not None:
        return Version(tombstone=selection.tombstone.timestamp)
    if selection.data is None:
        return None
    return _living(
        selection.data.timestamp,
        meta=selection.meta.timestamp if selection.meta is not None else None,
        content_type=selection.content_type.content_type if selection.content_type is not None else None,
    )


def _living(data: Timestamp, *, meta: Timestamp | None, content_type: Timestamp | None) -> Version:
    return Version(
        data=data,
        meta=meta if meta is not None and meta > data else None,
        content_type=content_type if content_type is not None and content_type > data else None,
    )


def _version(digest: str, parts: Any) -> Version:
    if not isinstance(parts, dict) or ("data" in parts) == ("ts" in parts):
        raise Corrupt(f"an inventory says of {digest} neither data nor tombstone: {parts!r}")
    if "ts" in parts:
        return Version(tombstone=_moment(digest, parts["ts"]))
    meta, content_type = (
        _moment(digest, parts[name]) if parts.get(name) else None for name in ("meta", "ctype")
    )
    return _living(_moment(digest, parts["data"]), meta=meta, content_type=content_type)


def _moment(digest: str, text: Any) -> Timestamp:
    try:
        return Timestamp.parse(text)
    except (TypeError, ValueError) as problem:
        raise Corrupt(f"an inventory has {text!r} as a moment of {digest}") from problem


def _parts(version: Version) -> dict[str, str]:
    if version.tombstone is not None:
        return {"ts": version.tombstone.internal}
    moments = {"data": version.data, "meta": version.meta, "ctype": version.content_type}
    return {name: moment.internal for name, moment in moments.items() if moment is not None}
