"""Parts that belong to nothing: of uploads that have ended, and of which no object is made.

    rows of BUCKET+segments ──▶ Group(upload, parts) ──object made of it?──▶ healthy: one HEAD
                                       └ nothing stands for it, old enough ──▶ parts not in use go

Whoever dies between two steps may leave some, and so do two who replace the same object at once, and clients
of the other API who delete a manifest alone. Only what says itself that it is a part of just this upload
goes: a container of this name may hold what somebody has put there by the other API. What is younger than a
while is left alone, and so is a bucket whose replaced objects live on in an archive.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from .. import spent, times
from ..errors import S3Error, from_swift
from ..request import Request
from . import aborting, claims, finished, rows, uploads
from .names import Upload, number_of, upload_of
from .pages import Row

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Swept:
    """What was found."""

    uploads: int = 0
    """Uploads that were looked at."""
    removed: int = 0
    """Parts that went, or would have gone."""
    failures: int = 0


@dataclass(slots=True)
class Group:
    """What there is of one upload."""

    upload: Upload
    parts: list[Row] = field(default_factory=list)
    claim: Row | None = None

    @property
    def rows(self) -> list[Row]:
        """All of it."""
        return self.parts if self.claim is None else [*self.parts, self.claim]


def groups(bucket: str, found: Iterator[Row]) -> Iterator[Group]:
    """Yield what there is of each upload that has parts or a claim; what else is in the container is none."""
    for name, together in groupby(found, key=lambda row: row.name.rpartition("/")[0]):
        upload = upload_of(bucket, name)
        if upload is None:
            continue
        group = Group(upload)
        for row in together:
            if number_of(upload, row.name) is not None:
                group.parts.append(row)
            elif row.name == upload.claim:
                group.claim = row
        if group.rows:
            yield group


def sweep(request: Request, before: float, *, dry_run: bool = False) -> Swept:
    """Remove the orphans of a request's bucket that were written before a moment."""
    assert request.bucket is not None
    swept = Swept()
    info = request.container()
    if not info.exists and info.status != 404:
        raise from_swift(info.status or 503, request)
    if spent.keeps_archive(info):
        return swept
    if not info.exists and not dry_run:
        _abandon(request, before, swept)
    for group in groups(request.bucket, rows.of_all(request, request.bucket)):
        swept.uploads += 1
        if any(times.seconds_of_listing(row.modified) >= before for row in group.rows):
            continue
        try:
            swept.removed += _removed(request, group, dry_run=dry_run)
        except S3Error as problem:
            swept.failures += 1
            fields = {"bucket": request.bucket, "upload": group.upload.name, "problem": str(problem)}
            log.warning("parts that may be orphans stay", extra=fields)
    return swept


def _abandon(request: Request, before: float, swept: Swept) -> None:
    """End the uploads of a bucket that the other API has deleted, or that was half deleted."""
    assert request.bucket is not None
    for row in rows.of_uploads(request, request.bucket, prefix="", start=""):
        upload = upload_of(request.bucket, row.name)
        if upload is None or times.seconds_of_listing(row.modified) >= before:
            continue
        try:
            marker = uploads.look_for(request, upload)
            if marker is not None and uploads.HAS_TYPE in marker:
                aborting.abort(request, upload)
                swept.removed += 1
        except S3Error as problem:
            swept.failures += 1
            fields = {"bucket": request.bucket, "upload": upload.name, "problem": str(problem)}
            log.warning("an upload of no bucket stays", extra=fields)


def _removed(request: Request, group: Group, *, dry_run: bool) -> int:
    """Remove what belongs to nothing; return how much that was."""
    upload = group.upload
    made = finished.found(request, upload)
    if made is not None and group.claim is None and len(group.parts) <= _count_of(made.etag):
        return 0
    # In this order: an object that is made of the upload is there before what stands for that is gone.
    if uploads.look_for(request, upload) is not None:
        return 0
    keep = finished.numbers_in_use(request, upload)
    names = [row.name for row in group.rows if number_of(upload, row.name) not in keep]
    names = [name for name in names if _is_of(request, upload, name)]
    if names:
        fields = {"bucket": upload.bucket, "upload": upload.name, "parts": len(names)}
        log.info("orphans would go" if dry_run else "orphans go", extra=fields)
        if not dry_run:
            spent.put_into_queue(request, names)
    return len(names)


def _count_of(etag: str) -> int:
    """Return how many parts the ETag of an object tells of."""
    count = etag.rpartition("-")[2]
    return int(count) if count.isdigit() else 0


def _is_of(request: Request, upload: Upload, name: str) -> bool:
    """Tell whether an object says itself that it is a part, or the claim, of an upload."""
    reply = request.ask("HEAD", upload.container, name, trusted=True)
    reply.close()
    if name == upload.claim:
        return claims.is_one(reply.headers)
    return reply.headers.get(uploads.MARK) == upload.upload_id
