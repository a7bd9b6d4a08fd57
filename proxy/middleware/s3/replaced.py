"""What an upload leaves where it takes the place of a multipart one: parts that nothing names any more.

    before(request) ──▶ a manifest at the name? ──▶ its parts ──▶ after the upload: spent.forget()

Where the bucket has no uploads of several parts, and where what is replaced stays as a version, this costs a
look at what is remembered. Of several who replace the same object at once one may see what another one's
upload has put there only when it is too late: those parts are left to the sweep for orphans.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from ...info import container_info_at
from . import spent, versioning
from .names import SEGMENTS, segments_of
from .request import Request

_ABSENT_SECONDS = 10
"""How long a worker remembers that a bucket has no parts: asking before each upload costs too much."""
_ABSENT_MAX = 10_000


def before(request: Request) -> Callable[[], None] | None:
    """Return what is to be done once the request has replaced what its key stands for; None for nothing."""
    assert request.bucket is not None
    assert request.key is not None
    if request.bucket.endswith(SEGMENTS):
        return None
    if not request.is_plain and versioning.is_enabled(request.container()):
        return None
    if not _has_parts(request, segments_of(request.bucket)):
        return None
    if spent.keeps_archive(request.container()):
        return None
    parts = spent.parts_of(request, request.key)
    return partial(spent.forget, request, parts.own) if parts and parts.own else None


_absent: dict[tuple[str, str], float] = {}


def _has_parts(request: Request, container: str) -> bool:
    """Tell whether there is a container for the parts of the bucket's uploads."""
    moment, place = time.monotonic(), (request.account, container)
    if _absent.get(place, 0.0) > moment:
        return False
    if container_info_at(request.environ, request.app, *place).exists:
        return True
    if len(_absent) >= _ABSENT_MAX:
        _absent.clear()
    _absent[place] = moment + _ABSENT_SECONDS
    return False
