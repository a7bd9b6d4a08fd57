"""Uploads that come to nothing.

    DELETE ?uploadId ──▶ claim ──▶ is an object made of it? ──▶ parts, what stands for it, late parts

What stands for the upload goes after its parts: whoever dies in between has left something that can
be aborted again. Where somebody died over completing it, only what the object does not need goes.
"""

from __future__ import annotations

from collections.abc import Iterable

from .....common.concurrency import Crew
from .....common.http.answer import Answer
from ..errors import S3Error
from ..request import Request
from . import claims, finished, rows, uploads
from .names import Upload, number_of

_CREW = 8


def serve(request: Request) -> Answer:
    """Serve AbortMultipartUpload."""
    abort(request, uploads.asked_for(request))
    return Answer(204)


def abort(request: Request, upload: Upload) -> None:
    """End an upload and remove its parts.

    Raises:
        S3Error: NoSuchUpload; OperationAborted while it is being completed.
    """
    if uploads.look_for(request, upload) is None:
        clear(request, upload)
        uploads.find(request, upload)  # Nothing stands for it: this says so.
    claim = claims.take(request, upload)
    if claim is None:
        raise S3Error("OperationAborted", UploadId=upload.upload_id)
    try:
        keep = finished.numbers_in_use(request, upload)
        claim.require()
        end(request, upload, keep=keep)
    finally:
        claim.release()


def clear(request: Request, upload: Upload) -> None:
    """Remove what is left of an upload that has ended, of which somebody died before he was through."""
    left = [row.name for row in rows.of_parts(request, upload)]
    if left:
        keep = finished.numbers_in_use(request, upload)
        delete(request, upload, [name for name in left if number_of(upload, name) not in keep])


def end(request: Request, upload: Upload, *, keep: set[int]) -> None:
    """Remove the parts but those to keep, and what stands for the upload."""
    _remove_parts(request, upload, keep)
    delete(request, upload, [upload.name])
    # Whoever sent a part meanwhile either sees that the upload has gone, or is seen here.
    _remove_parts(request, upload, keep)


def _remove_parts(request: Request, upload: Upload, keep: set[int]) -> None:
    numbers = (number_of(upload, row.name) for row in rows.of_parts(request, upload))
    delete(request, upload, [upload.part(n) for n in numbers if n is not None and n not in keep])


def delete(request: Request, upload: Upload, names: Iterable[str]) -> None:
    """Delete objects beside the bucket; what is not there is deleted already.

    Raises:
        S3Error: when one cannot be; the others may be gone.
    """

    def removed(name: str) -> int:
        reply = request.ask("DELETE", upload.container, name)
        reply.close()
        return reply.status

    failed = [status for status in Crew(_CREW).map(removed, names) if status // 100 != 2 and status != 404]
    if failed:
        raise S3Error("AccessDenied" if failed[0] in (401, 403) else "ServiceUnavailable")
