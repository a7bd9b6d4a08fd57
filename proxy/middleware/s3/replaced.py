"""What an upload leaves where it takes the place of a multipart one: parts that nothing names any more.

    before(request) ──▶ a manifest at the name? ──▶ its parts ──▶ after the upload: to the expirer's queue

S3's clients don't know of parts once an upload is complete, so nobody else would remove them. They go an hour
later, that a download which has begun may end. Only parts of the same key's own uploads go; what somebody has
put together through the other API keeps its segments, as it does there. Where the bucket has no uploads of
several parts, and where what is replaced stays as a version, this costs a look at what is remembered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

import orjson

from ....common.errors import Unavailable
from ....common.http.wsgi import to_wsgi
from ....common.timestamp import TICKS_PER_SECOND, now
from ...info import get_container_info
from ..slo.deleting import ONE_BYTE, queue_behind
from ..slo.reading import is_manifest
from . import versioning
from .names import SEGMENTS
from .request import Request

log = logging.getLogger(__name__)

GRACE_SECONDS = 3600
_MANIFEST_BYTES_MAX = 16 << 20  # Ten thousand parts, their names of 1024 bytes.
_ABSENT_SECONDS = 10
"""How long a worker remembers that a bucket has no parts: asking before each upload costs too much."""
_ABSENT_MAX = 10_000
_AS_STORED = {"multipart-manifest": "get", "symlink": "get"}


def before(request: Request) -> Callable[[], None] | None:
    """Return what is to be done once the request has replaced what its key stands for; None for nothing."""
    assert request.bucket is not None
    assert request.key is not None
    if request.bucket.endswith(SEGMENTS) or versioning.is_enabled(request.container()):
        return None
    if not _has_parts(request, request.path(request.bucket + SEGMENTS)):
        return None
    headers = {**ONE_BYTE, "X-Newest": "true"}
    reply = request.ask("GET", request.bucket, request.key, query=_AS_STORED, headers=headers, trusted=True)
    if not reply.is_good or not is_manifest(list(reply.headers.items())):
        reply.close()
        return None
    names = _own_parts(request.bucket, request.key, reply.read(_MANIFEST_BYTES_MAX))
    return partial(_forget, request, names) if names else None


_absent: dict[str, float] = {}


def _has_parts(request: Request, path: str) -> bool:
    """Tell whether there is a container for the parts of the bucket's uploads."""
    moment = time.monotonic()
    if _absent.get(path, 0.0) > moment:
        return False
    if get_container_info({**request.environ, "PATH_INFO": to_wsgi(path)}, request.app).exists:
        return True
    if len(_absent) >= _ABSENT_MAX:
        _absent.clear()
    _absent[path] = moment + _ABSENT_SECONDS
    return False


def _own_parts(bucket: str, key: str, document: bytes) -> list[str]:
    """Return the names of the segments of a manifest that are parts of this key's uploads."""
    prefix = f"/{bucket}{SEGMENTS}/"
    paths = [each.get("name", "") for each in orjson.loads(document)]
    names = [path.removeprefix(prefix) for path in paths if path.startswith(f"{prefix}{key}/")]
    return [name for name in names if name.count("/") == key.count("/") + 2]


def _forget(request: Request, names: list[str]) -> None:
    """Have them deleted; what cannot be queued is told, for the upload itself is done.

    While something stands for an upload, it may be completed once more, of the same parts: they stay.
    """
    container = f"{request.bucket}{SEGMENTS}"
    uploads = {name.rpartition("/")[0] for name in names}
    ended = {upload for upload in uploads if _is_gone(request, container, upload)}
    names = [name for name in names if name.rpartition("/")[0] in ended]
    queue = queue_behind(request.app)
    try:
        if queue is None:
            for name in names:
                request.ask("DELETE", container, name, trusted=True).close()
        elif names:
            queue(request.account, container, names, now().later(GRACE_SECONDS * TICKS_PER_SECOND))
    except Unavailable:
        fields = {"container": container, "first": names[0], "count": len(names)}
        log.warning("parts of a replaced upload could not be queued for deletion", extra=fields)


def _is_gone(request: Request, container: str, upload: str) -> bool:
    reply = request.ask("HEAD", container, upload, headers={"X-Newest": "true"}, trusted=True)
    reply.close()
    return reply.status == 404
