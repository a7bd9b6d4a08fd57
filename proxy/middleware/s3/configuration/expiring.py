"""Doing what a bucket's lifecycle says is due.

    Sweep(request, rules, now).run() ──listing──▶ what is due ──▶ deleted, as a client would ──▶ Done: counts
                                                            └──▶ with dry_run only counted and logged

An object that is overwritten while this looks at it stays: just before it is deleted it must still be the one
that was listed, and it is deleted under the condition of its ETag. Whoever dies in between has left nothing
half done: the next pass finds what is due still. What a lock keeps is kept. Which buckets there are, and
when, is bin/lifecycle.py's affair.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

import orjson

from ...versioned_writes.copies import DELETE_MARKER_TYPE
from .. import metadata, objects, tagging, times, versioning
from ..errors import S3Error, from_swift
from ..multipart import aborting
from ..multipart.names import Upload, behind_parts, upload_of
from ..names import segments_of
from ..notification.meaning import means
from ..request import Request
from .lifecycle import (
    Current,
    Noncurrent,
    Rule,
    Verdict,
    is_noncurrent_due,
    is_upload_due,
    needs_tags,
    verdict_on_current,
)

log = logging.getLogger(__name__)

PAGE = 1000
_ROUNDING_SECONDS = 1e-5  # Moments have five digits behind the point, which a float cannot hold exactly.
Row = Mapping[str, Any]


@dataclass(slots=True)
class Done:
    """What was done, or would be."""

    looked_at: int = 0
    expired: int = 0
    noncurrent: int = 0
    markers: int = 0
    uploads: int = 0
    orphans: int = 0
    locked: int = 0
    changed: int = 0
    failures: int = 0

    def add(self, other: Done) -> None:
        """Count another one's, too."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


class Sweep:
    """One pass over one bucket; `request` is one that may do everything in it."""

    def __init__(self, request: Request, rules: Sequence[Rule], now: float, *, dry_run: bool = False) -> None:
        self._request = request
        means(request.environ, "LifecycleExpiration")
        self._rules = [rule for rule in rules if rule.is_enabled]
        self._now = now
        self._dry_run = dry_run
        self._has_versions = versioning.has_versions(request.container())
        self.done = Done()

    def run(self) -> Done:
        """Look at everything once."""
        if any(_is_about_objects(rule) for rule in self._rules):
            for name, rows in groupby(self._rows(), key=lambda row: str(row["name"])):
                self.done.looked_at += 1
                self._look_at(name, list(rows))
        if any(rule.abort_days is not None for rule in self._rules):
            for upload, begun in self._uploads():
                if is_upload_due(self._rules, upload.key, begun, self._now):
                    self._abort(upload)
        return self.done

    # --- objects and versions ------------------------------------------------------------------

    def _rows(self) -> Iterator[Row]:
        """Yield the rows of the bucket's listing: of a name the newest version first."""
        query = {"format": "json", "limit": str(PAGE)}
        if self._has_versions:
            query["versions"] = ""
        while True:
            page = self._page(self._request.bucket, query)
            yield from page
            if len(page) < PAGE:
                return
            query["marker"] = page[-1]["name"]
            if self._has_versions:
                query["version_marker"] = page[-1].get("version_id") or versioning.NULL

    def _page(self, container: str | None, query: Mapping[str, str]) -> list[Row]:
        headers = {"Accept": "application/json"}
        reply = self._request.ask("GET", container, query=query, headers=headers)
        said = reply.read()
        if reply.status == 404 and container != self._request.bucket:
            return []  # A bucket that never had an upload.
        if not reply.is_good:
            raise from_swift(reply.status, self._request, reply.headers)
        rows: list[Row] = orjson.loads(said or b"[]")
        return [row for row in rows if "name" in row]

    def _look_at(self, name: str, rows: list[Row]) -> None:
        """Do what is due for the versions of one object."""
        newest = rows[0]
        current = Current(
            name=name,
            size=newest["bytes"],
            modified=_seconds(newest),
            tags=self._tags(newest),
            is_marker=newest["content_type"] == DELETE_MARKER_TYPE,
            is_only=len(rows) == 1,
        )
        for at, row in enumerate(rows[1:]):
            version = Noncurrent(
                name=name,
                size=row["bytes"],
                superseded=_seconds(rows[at]),
                newer=at,
                tags=self._tags(row),
            )
            if is_noncurrent_due(self._rules, version, self._now):
                self._remove("noncurrent", name, row["version_id"])
        verdict = verdict_on_current(self._rules, current, self._now)
        if verdict is Verdict.EXPIRE:
            self._remove("expired", name, None, listed=newest)
        elif verdict is Verdict.REMOVE_MARKER:
            self._remove("markers", name, newest["version_id"])

    def _tags(self, row: Row) -> Mapping[str, str]:
        """Return the tags of a version; they cost a HEAD where a rule wants to know them."""
        if not needs_tags(self._rules, row["name"], row["bytes"]):
            return {}
        query = {"version-id": row["version_id"]} if self._has_versions and row.get("version_id") else None
        reply = self._request.ask("HEAD", self._request.bucket, row["name"], query=query)
        reply.close()
        return dict(tagging.read(reply.headers.get("x-object-transient-sysmeta-s3api-tagging", "")))

    def _remove(self, what: str, name: str, version_id: str | None, *, listed: Row | None = None) -> None:
        extra = {"object": name, "version": version_id}
        if self._dry_run:
            log.info("lifecycle would delete", extra={"bucket": self._request.bucket, **extra})
            self._count(what)
            return
        try:
            conditions = None if listed is None else self._conditions(listed)
            versioning.remove(self._request, name, version_id, conditions)
        except S3Error as problem:
            self._note(problem, extra)
        else:
            self._count(what)

    def _conditions(self, listed: Row) -> Mapping[str, str] | None:
        """Return what must hold for a name that it is deleted; None where nobody would judge it.

        A deletion that is dated back to the object would be as safe from overwriting. But its tombstone may
        be older than reclaim_age: it is forgotten at once, and a replica that was away brings the object
        back.

        Raises:
            S3Error: where the name no longer stands for what was listed.
        """
        reply = self._request.ask("HEAD", self._request.bucket, listed["name"], headers={"X-Newest": "true"})
        reply.close()
        if not reply.is_good:
            raise from_swift(reply.status, self._request, reply.headers)
        version_id = reply.headers.get("x-object-version-id")
        if version_id is not None:
            is_same = version_id == listed.get("version_id")
        else:
            is_same = float(reply.headers["x-timestamp"]) <= _seconds(listed) + _ROUNDING_SECONDS
        if not is_same:
            raise S3Error("PreconditionFailed")
        if not objects.judges_conditions():
            return None
        said, _ = metadata.shown(reply.headers.items())
        return objects.matching(said["ETag"])

    # --- uploads -------------------------------------------------------------------------------

    def _uploads(self) -> Iterator[tuple[Upload, float]]:
        """Yield the uploads that are under way, and when each began."""
        bucket = self._request.bucket
        assert bucket is not None
        query = {"format": "json", "limit": str(PAGE)}
        while True:
            page = self._page(segments_of(bucket), query)
            for row in page:
                upload = upload_of(bucket, row["name"])
                if upload is not None:
                    yield upload, _seconds(row)
            if len(page) < PAGE:
                return
            last: str = page[-1]["name"]
            query["marker"] = behind_parts(last) or last

    def _abort(self, upload: Upload) -> None:
        extra = {"object": upload.key, "upload": upload.upload_id}
        if self._dry_run:
            log.info("lifecycle would abort", extra={"bucket": upload.bucket, **extra})
            self._count("uploads")
            return
        try:
            aborting.abort(self._request, upload)
        except S3Error as problem:
            self._note(problem, extra)
        else:
            self._count("uploads")

    # --- counts --------------------------------------------------------------------------------

    def _count(self, what: str) -> None:
        setattr(self.done, what, getattr(self.done, what) + 1)

    def _note(self, problem: S3Error, extra: Mapping[str, str | None]) -> None:
        """Count what could not be done; the next pass tries again."""
        if problem.code == "AccessDenied":
            self.done.locked += 1
        elif problem.code in ("NoSuchKey", "NoSuchUpload", "OperationAborted", "PreconditionFailed"):
            self.done.changed += 1
        else:
            self.done.failures += 1
            log.warning(
                "lifecycle could not delete",
                extra={"bucket": self._request.bucket, "problem": str(problem), **extra},
            )


def _is_about_objects(rule: Rule) -> bool:
    return (
        rule.days is not None or rule.date is not None or rule.markers_go or rule.noncurrent_days is not None
    )


def _seconds(row: Row) -> float:
    return times.seconds_of_listing(row["last_modified"])
