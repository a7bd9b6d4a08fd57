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
from . import request_keys
from .files.metadata import Metadata
from .request_keys import Keys, Named

USER, SYSTEM, TRANSIENT = "x-object-meta-", "x-object-sysmeta-", "x-object-transient-sysmeta-"
# What every object has and an answer says in its own way; known without a call, which six of them add up.
_IN_EVERY_OBJECT = frozenset(("X-Timestamp", "Content-Type", "Content-Length", "ETag", "name"))
_OURS = frozenset(("content-length", "etag", "deleted", "name", "x-timestamp", "content-type"))


def kept(request: Request, keys: Named) -> Metadata:
    """Return what a PUT, or a POST, asks to keep: under these keys, and what a replicator names."""
    environ = request.environ
    found: Metadata = {name: environ[key] for key, name in keys}
    replicated = environ.get("HTTP_X_BACKEND_REPLICATION_HEADERS")
    for name in replicated.split() if replicated else ():
        value = request.header(name)
        if value is not None and name.lower() not in _OURS:
            found[title(environ_key(name))] = value
    return found


def check(request: Request, keys: Keys, limits: Constraints) -> None:
    """Refuse user metadata beyond the limits, and headers that are too long."""
    environ, most = request.environ, limits.max_header_size
    if len("".join(map(environ.__getitem__, keys.headers))) > most:  # Nearly never: all of them are shorter.
        for key in keys.headers:
            if len(environ[key]) > most:
                raise Refused(f"Header value too long: {title(key)[: limits.max_meta_name_length]}")
    if keys.user:
        check_metadata([(key[len(request_keys.USER) :], environ[key]) for key in keys.user], limits)


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
    return {key: value for key, value in metadata.items() if _is_system(key)}


@lru_cache(maxsize=4096)  # Clients choose names, but the same ones again and again.
def _is_system(key: str) -> bool:
    return key.lower().startswith(SYSTEM)
