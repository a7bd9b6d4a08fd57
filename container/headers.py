"""What a container server tells of a container in headers.

    ContainerInfo (or None) ──▶ backend_headers() ──▶ X-Backend-*, always, and X-Container-* of one that lives

Pure: timestamps in the database come in several forms and leave in one.
"""

from __future__ import annotations

from ..common.timestamp import ZERO, Timestamp
from .broker import ContainerInfo

SAVED = frozenset(("x-container-read", "x-container-write", "x-container-sync-key", "x-container-sync-to"))
_PREFIXES = ("x-container-meta-", "x-container-sysmeta-")


def is_kept(name: str) -> bool:
    """Whether a header (lower case) is kept with the container."""
    return name in SAVED or any(name.startswith(prefix) and name != prefix for prefix in _PREFIXES)


def backend_headers(info: ContainerInfo | None, *, deleted: bool) -> dict[str, str]:
    """Return the headers of any answer about the container."""
    if info is None:
        zero = ZERO.internal
        return _moments(zero, zero, zero, zero) | {"X-Backend-Storage-Policy-Index": "0"}
    headers = _moments(info.created_at, info.put_timestamp, info.delete_timestamp, info.status_changed_at)
    headers["X-Backend-Storage-Policy-Index"] = str(info.storage_policy_index)
    if not deleted:
        headers |= {
            "X-Container-Object-Count": str(info.object_count),
            "X-Container-Bytes-Used": str(info.bytes_used),
            "X-Timestamp": Timestamp.parse(info.created_at).normal,
            "X-PUT-Timestamp": Timestamp.parse(info.put_timestamp).normal,
            "X-Backend-Sharding-State": "unsharded",
            "X-Backend-Row-Hash": info.hash,
            "Last-Modified": Timestamp.parse(info.put_timestamp).http_date,
        }
    return headers


def _moments(created_at: str, put: str, delete: str, status_changed_at: str) -> dict[str, str]:
    return {
        "X-Backend-Timestamp": Timestamp.parse(created_at).internal,
        "X-Backend-PUT-Timestamp": Timestamp.parse(put).internal,
        "X-Backend-DELETE-Timestamp": Timestamp.parse(delete).internal,
        "X-Backend-Status-Changed-At": Timestamp.parse(status_changed_at).internal,
    }
