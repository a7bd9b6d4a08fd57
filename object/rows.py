"""What a container is told of an object that is there.

    stored object, its newest metadata ──▶ row_of() ──▶ the headers of its row
    DELETE ──tell_gone()──▶ containers ◀──tell_again()── repeated PUT

Whoever carried out a request may have been killed before it told of that. The request comes again with its
own timestamp, changes nothing, and its row is told now: one that is told twice is one row.
"""

from __future__ import annotations

from functools import lru_cache

from ..common.http.request import Request
from ..common.timestamp import Timestamp
from .container_update import OVERRIDE_PREFIXES, overridden
from .context import Context, Target
from .files.store import StoredObject

LISTED = "X-Backend-Listing-Updated"
_UNKNOWN_AGAIN = "HTTP_X_BACKEND_CONTAINER_UPDATE_OVERRIDE_"
"""What makes a row say something that is not kept with its object."""


def row_of(stored: StoredObject, moment: Timestamp, type_of: str, type_moment: Timestamp) -> dict[str, str]:
    """Return the headers of an object's row, whose metadata and whose type have moments of their own."""
    if type_moment != stored.data_timestamp:
        type_of += _listed_bytes(stored.data_metadata.get("Content-Type", ""))
    headers = {
        "X-Size": stored.metadata["Content-Length"],
        "X-Content-Type": type_of,
        "X-Timestamp": stored.data_timestamp.internal,
        "X-Content-Type-Timestamp": type_moment.internal,
        "X-Meta-Timestamp": moment.internal,
        "X-Etag": stored.metadata["ETag"],
    }
    for name, key in (
        ("X-Etag", "X-Object-Sysmeta-Ec-Etag"),
        ("X-Size", "X-Object-Sysmeta-Ec-Content-Length"),
    ):
        if key in stored.metadata:
            headers[name] = stored.metadata[key]
    return overridden(headers, stored.metadata) if any(map(_is_override, stored.metadata)) else headers


def tell_again(context: Context, request: Request, target: Target, stored: StoredObject) -> dict[str, str]:
    """Tell the row of what a repeated PUT finds to be there; return what its answer says of that."""
    if any(key.startswith(_UNKNOWN_AGAIN) for key in request.environ):
        return {}
    type_of = stored.metadata.get("Content-Type", "application/octet-stream")
    row = row_of(stored, stored.timestamp, type_of, stored.content_type_timestamp)
    return listed(context.updates.send("PUT", target.row, request, row))


def tell_gone(context: Context, request: Request, target: Target, moment: Timestamp) -> dict[str, str]:
    """Tell the row of a tombstone; return what the DELETE's answer says of that."""
    return listed(context.updates.send("DELETE", target.row, request, {"X-Timestamp": moment.internal}))


def listed(told: bool | None) -> dict[str, str]:  # noqa: FBT001 - what `ContainerUpdates.send` returns
    """Return the header that says whether containers have a row; nothing where none was named."""
    return {} if told is None else {LISTED: "true" if told else "false"}


@lru_cache(maxsize=4096)  # Clients choose names, but the same ones again and again.
def _is_override(key: str) -> bool:
    return key.lower().startswith(OVERRIDE_PREFIXES)


def _listed_bytes(content_type: str) -> str:
    """Return the parameter by which a large object's manifest says how much it stands for."""
    for parameter in content_type.split(";")[1:]:
        if parameter.strip().startswith("swift_bytes="):
            return f";{parameter.strip()}"
    return ""
