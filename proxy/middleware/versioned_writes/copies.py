"""Whole copies of objects, made as they are: a manifest as a manifest, a link as a link.

    source(path) ──GET, newest──▶ Reply ──store(reply, path)──▶ PUT with the same body, headers and ETag

Nobody's leave is asked here: who may write into a versioned container may have its objects kept.
"""

from __future__ import annotations

from ....common.errors import Refused, Unavailable
from ....common.http.wsgi import Environ, WSGIApp
from ..inner import BodySource, Reply, ask, call, inner_environ

DELETE_MARKER_TYPE = "application/x-deleted;swift_versions_deleted=1"
RESERVED_NAMES = {"X-Backend-Allow-Reserved-Names": "true"}
_NOT_COPIED = frozenset(
    (
        "accept-ranges",
        "connection",
        "content-length",
        "content-location",
        "date",
        "last-modified",
        "server",
        "x-openstack-request-id",
        "x-timestamp",
        "x-trans-id",
    )
)
"""What an answer says of itself, and not of the object."""

_KNOWN = {f"x-symlink-target-{word}": f"x-object-sysmeta-symlink-target-{word}" for word in ("etag", "bytes")}
"""What a static link says is taken over unasked: it may lead to what is gone by now."""


def source(app: WSGIApp, environ: Environ, path: str, *, reserved: bool = False) -> Reply | None:
    """Return the newest copy of an object, itself where it is a link; None where there is none.

    Raises:
        Refused: with 412 when it is not to be had.
        Unavailable: when that can't be told.
    """
    headers = {"X-Newest": "true", **(RESERVED_NAMES if reserved else {})}
    reply = ask(app, environ, "GET", path, headers=headers, query={"symlink": "get"}, trusted=True)
    if reply.status == 404:
        reply.close()
        return None
    require_good(reply)
    return reply


def store(app: WSGIApp, environ: Environ, original: Reply, path: str, *, reserved: bool = False) -> Reply:
    """Put what a GET has answered under another name; the ETag makes sure that it is the same."""
    headers = {
        _KNOWN.get(name, name): value
        for name, value in original.headers.items()
        if name not in _NOT_COPIED and not name.startswith("x-backend-")
    }
    large_size = headers.get("x-object-sysmeta-slo-size")
    if large_size:
        headers["content-type"] = f"{headers.get('content-type', '')}; swift_bytes={large_size}"
    length = original.headers.get("content-length", "")
    putting = inner_environ(
        environ,
        "PUT",
        path,
        headers={**headers, **(RESERVED_NAMES if reserved else {})},
        body=BodySource(original.body),
        length=int(length) if length.isdigit() else None,
        trusted=True,
    )
    putting["swift.content_type_overridden"] = True
    try:
        reply = call(app, putting)
        reply.read()
    finally:
        original.close()
    return reply


def put_marker(app: WSGIApp, environ: Environ, path: str, headers: dict[str, str] | None = None) -> None:
    """Put a delete marker; its content type, which no client may choose, makes it one."""
    putting = inner_environ(
        environ, "PUT", path, headers={"Content-Type": DELETE_MARKER_TYPE, **(headers or {})}, trusted=True
    )
    putting["swift.content_type_overridden"] = True
    reply = call(app, putting)
    require_good(reply)
    reply.read()


def require_good(reply: Reply) -> None:
    """Let go of an answer that is no success and refuse the request that needed it.

    Raises:
        Refused: with 412 when what is missing or forbidden is the client's to put right.
        Unavailable: when it was the servers' fault; nothing has been overwritten yet.
    """
    if reply.is_good:
        return
    reply.close()
    if reply.status // 100 == 4:
        raise Refused("The versions of this object can't be kept: does the versions container exist?", 412)
    raise Unavailable("The versions of this object can't be reached; nothing was changed, try again.")
