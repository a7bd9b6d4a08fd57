"""Which headers of a request are kept with an object, and which of an object's metadata are answered.

    request headers ──kept()──▶ {"X-Object-Meta-Colour": …, "Content-Encoding": …}
    metadata ──shown()──▶ answer headers

Kept are users' metadata, the cluster's (sysmeta, on PUT only), transient sysmeta, the headers the settings
allow, and those that a replicator names. Values stay as they came, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from ..common.constraints import Constraints, check_metadata
from ..common.errors import Refused
from ..common.http.request import Request, title
from .files.metadata import Metadata

USER, SYSTEM, TRANSIENT = "x-object-meta-", "x-object-sysmeta-", "x-object-transient-sysmeta-"
_KEYS = {
    USER: "HTTP_X_OBJECT_META_",
    SYSTEM: "HTTP_X_OBJECT_SYSMETA_",
    TRANSIENT: "HTTP_X_OBJECT_TRANSIENT_SYSMETA_",
}
_ON_PUT = (_KEYS[USER], _KEYS[SYSTEM], _KEYS[TRANSIENT])
_ON_POST = (_KEYS[USER], _KEYS[TRANSIENT])
# What every object has and an answer says in its own way; known without a call, which six of them add up.
_IN_EVERY_OBJECT = frozenset(("X-Timestamp", "Content-Type", "Content-Length", "ETag", "name"))
_OURS = frozenset(("content-length", "etag", "deleted", "name", "x-timestamp", "content-type"))


def kept(request: Request, allowed: frozenset[str], *, on_put: bool) -> Metadata:
    """Return what a PUT, or a POST, asks to keep."""
    prefixes = _ON_PUT if on_put else _ON_POST
    found: Metadata = {
        title(key): value
        for key, value in request.environ.items()
        if key in allowed or key.startswith(prefixes)
    }
    replicated = request.environ.get("HTTP_X_BACKEND_REPLICATION_HEADERS")
    for name in replicated.split() if replicated else ():
        value = request.header(name)
        if value is not None and name.lower() not in _OURS:
            found[title(environ_key(name))] = value
    return found


def check(request: Request, limits: Constraints) -> None:
    """Refuse user metadata beyond the limits, and headers that are too long."""
    prefix = _KEYS[USER]
    items = []
    for key, value in request.environ.items():
        if key.startswith("HTTP_"):
            if len(value) > limits.max_header_size:
                raise Refused(f"Header value too long: {title(key)[: limits.max_meta_name_length]}")
            if key.startswith(prefix):
                items.append((key[len(prefix) :], value))
    if items:
        check_metadata(items, limits)


def environ_key(name: str) -> str:
    """Return where WSGI keeps a header."""
    return "HTTP_" + name.upper().replace("-", "_")


def shown(metadata: Mapping[str, str], allowed_names: frozenset[str]) -> dict[str, str]:
    """Return the metadata that an answer carries as headers."""
    return {
        key: value
        for key, value in metadata.items()
        if key not in _IN_EVERY_OBJECT and _is_shown(key, allowed_names)
    }


@lru_cache(maxsize=4096)
def _is_shown(key: str, allowed_names: frozenset[str]) -> bool:
    lower = key.lower()
    return lower.startswith((USER, SYSTEM, TRANSIENT)) or lower in allowed_names


def system_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the cluster's own metadata of an object."""
    return {key: value for key, value in metadata.items() if key.lower().startswith(SYSTEM)}
