"""Parts of an object that is overwritten or deleted: nothing names them any more.

    manifest ──parts_of()──▶ Parts ──▶ the object is replaced, or goes ──forget()──▶ the expirer's queue

S3's clients don't know of parts once an upload is complete, so nobody else would remove them. They go a while
after the object (parts_kept_seconds), that a download which has begun may end, and only after it: an object
that is still there has its parts. Whoever dies in between leaves them to the sweep for orphans
(multipart/orphans.py). Only parts of the same key's own uploads go; what somebody has put together through
the other API keeps its segments here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from ....common.concurrency import Crew, spawn
from ....common.errors import Unavailable
from ....common.timestamp import TICKS_PER_SECOND, now
from ...info import ContainerInfo
from ..slo.deleting import ONE_BYTE, queue_behind
from ..slo.reading import is_manifest
from .names import segments_of
from .request import Request

log = logging.getLogger(__name__)

MANIFEST_BYTES_MAX = 32 << 20
"""Ten thousand parts, their names of 1024 bytes, in letters of which JSON makes twice as many."""
_CREW = 8
_AWAITED_MAX = 500
"""To queue ten thousand takes ten seconds; whoever dies over it leaves them to the sweep."""
_AS_STORED = {"multipart-manifest": "get", "symlink": "get"}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the manifest of a key names."""

    own: list[str]
    """Names, in the container of the bucket's parts, of what is of the key's own uploads."""
    others: list[str]
    """CONTAINER/NAME of what else it names."""


def parts_of(request: Request, key: str, query: Mapping[str, str] | None = None) -> Parts | None:
    """Return the parts of what a key, or a version of it, stands for; None where that is no manifest."""
    assert request.bucket is not None
    headers = {**ONE_BYTE, "X-Newest": "true"}
    asked = {**_AS_STORED, **(query or {})}
    reply = request.ask("GET", request.bucket, key, query=asked, headers=headers, trusted=True)
    if not reply.is_good or not is_manifest(list(reply.headers.items())):
        reply.close()
        return None
    return own_parts(request.bucket, key, reply.read(MANIFEST_BYTES_MAX))


def own_parts(bucket: str, key: str, document: bytes) -> Parts:
    """Return which of the segments of a manifest are parts of this key's uploads."""
    prefix = f"{segments_of(bucket)}/"
    paths = [each["name"].removeprefix("/") for each in orjson.loads(document) if "name" in each]
    own = [
        path
        for path in paths
        if path.startswith(f"{prefix}{key}/") and path.count("/") == prefix.count("/") + key.count("/") + 2
    ]
    mine = set(own)
    others = [path for path in paths if path not in mine]
    return Parts([path.removeprefix(prefix) for path in own], others)


def keeps_archive(info: ContainerInfo) -> bool:
    """Tell whether what is replaced in a container lives on elsewhere, as the older versions of Swift do."""
    return bool(info.sysmeta.get("versions-location") or info.versions_location)


def forget(request: Request, names: list[str]) -> None:
    """Have parts deleted, for a client that does not wait longer than it must."""
    if len(names) <= _AWAITED_MAX:
        put_into_queue(request, names)
    else:
        spawn(put_into_queue, request, names)


def put_into_queue(request: Request, names: list[str]) -> None:
    """Have parts deleted; what cannot be queued is told, for the request itself is done.

    While something stands for an upload, it may be completed once more, of the same parts: they stay.
    """
    assert request.bucket is not None
    container = segments_of(request.bucket)
    uploads = {name.rpartition("/")[0] for name in names}
    ended = {upload for upload in uploads if _is_gone(request, container, upload)}
    names = [name for name in names if name.rpartition("/")[0] in ended]
    if not names:
        return
    queue = queue_behind(request.app)
    kept_ticks = int(request.config.parts_kept_seconds * TICKS_PER_SECOND)
    try:
        if queue is None:
            for reply in Crew(_CREW).map(
                lambda name: request.ask("DELETE", container, name, trusted=True), names
            ):
                reply.close()
        else:
            queue(request.account, container, names, now().later(kept_ticks))
    except Unavailable:
        fields = {"container": container, "first": names[0], "count": len(names)}
        log.warning("parts not queued for deletion: left to the sweep for orphans", extra=fields)


def _is_gone(request: Request, container: str, upload: str) -> bool:
    reply = request.ask("HEAD", container, upload, headers={"X-Newest": "true"}, trusted=True)
    reply.close()
    return reply.status == 404
