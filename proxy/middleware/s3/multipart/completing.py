"""An object made of the parts of an upload.

    POST ?uploadId ──▶ claim ──HEAD of every part──▶ judged ──▶ manifest at the key ──▶ parts that it does not
                                                                   name, and what stands for the upload, go
    asked again ──▶ the object is there, of the same parts: the same answer

Each step can be done again, so whoever asks again after a crash finishes what was begun; of several who ask
at the same time one does the work, and the others wait for it. What takes longer than heartbeat_seconds is
answered with 200 and white space, and its document tells how it went.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .....common.concurrency import Crew, sleep
from .....common.errors import ApusError
from .....common.http.answer import Answer
from ...inner import Reply
from ...slo.writing import KNOWN_SEGMENTS
from ...slow_answers import beating
from .. import at_rest, checksums, customer_keys, customer_parts, metadata, replaced
from ..errors import S3Error
from ..markup import Element, element, render
from ..notification.meaning import means
from ..objects import write_conditions, write_refusal
from ..request import Request
from . import aborting, assembly, checks, claims, finished, uploads
from .assembly import Held, Named
from .checks import Checksum, Wanted
from .names import Upload

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 8 << 20  # Ten thousand parts, each with all that clients say of one.
OVERRIDE = "x-object-sysmeta-container-update-override-etag"
_CREW = 16
_BATCH = 500  # Some seconds of work, after which the claim is said again.
_WAIT_SECONDS = 120.0  # Longer than a claim is valid of which nobody takes care any more.
_POLL_SECONDS = 0.5


def serve(request: Request) -> Answer:
    """Serve CompleteMultipartUpload."""
    upload = uploads.asked_for(request)
    parts = assembly.named(request.xml("CompleteMultipartUpload", BODY_BYTES_MAX), upload.upload_id)
    completion = Completion(request, upload, parts)
    seconds = request.config.heartbeat_seconds
    pieces = beating(completion.document, form="application/xml", every_seconds=seconds)
    first = next(pieces)
    if completion.error is not None:
        raise completion.error
    if completion.made is not None:
        return Answer(200, {**uploads.XML, **completion.made.headers}, first)
    return Answer(200, dict(uploads.XML), _begun(first, pieces))


def _begun(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what has been taken of the pieces already, and the others."""
    yield first
    yield from rest


@dataclass(frozen=True, slots=True)
class Made:
    """What is told of the object."""

    etag: str
    checksum: Checksum
    version_id: str | None = None
    encryption: Mapping[str, str] = field(default_factory=dict)
    """The header that tells that the store has encrypted it."""

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of the answer, if there is still time for any."""
        version = {} if self.version_id is None else {metadata.VERSION: self.version_id}
        return {**version, **self.encryption}

    def document(self, request: Request, upload: Upload) -> Element:
        """Return the document."""
        return element(
            "CompleteMultipartUploadResult",
            element("Location", uploads.location(request)),
            element("Bucket", upload.bucket),
            element("Key", upload.key),
            element("ETag", f'"{self.etag}"'),
            *checks.elements(self.checksum),
        )


class Completion:
    """One request to complete an upload, and what has come of it."""

    def __init__(self, request: Request, upload: Upload, parts: list[Named]) -> None:
        self._request = request
        self._upload = upload
        self._parts = parts
        self._etag = assembly.etag_of(parts)
        self._wanted = Wanted.of(request)
        self._conditions = write_conditions(request)
        self.made: Made | None = None
        self.error: S3Error | None = None

    def document(self) -> bytes:
        """Complete the upload; return the document that tells how it went, without an XML declaration."""
        request = self._request
        try:
            self.made = self._run()
            return _bare(render(self.made.document(request, self._upload)))
        except S3Error as error:
            self.error = error
        except ApusError as problem:
            log.info("completion failed", extra={"path": request.resource, "problem": str(problem)})
            self.error = S3Error("ServiceUnavailable")
        except Exception:  # noqa: BLE001 - the status line may be gone: only the document can tell
            log.exception("completion failed", extra={"path": request.resource})
            self.error = S3Error("InternalError")
        return _bare(self.error.document(request.request_id, request.resource))

    def _run(self) -> Made:
        request, upload = self._request, self._upload
        means(request.environ, "ObjectCreated:CompleteMultipartUpload")
        until = time.monotonic() + _WAIT_SECONDS
        while uploads.look_for(request, upload) is not None:
            claim = claims.take(request, upload)
            if claim is not None:
                try:
                    marker = uploads.look_for(request, upload)
                    if marker is not None:
                        return self._completed(claim, marker)
                finally:
                    claim.release()
            elif time.monotonic() > until:
                raise S3Error("OperationAborted", UploadId=upload.upload_id)
            else:
                sleep(_POLL_SECONDS)
        return self._repeated()

    def _repeated(self) -> Made:
        """Return what has been made already, if it is what is asked for."""
        done = finished.search(self._request, self._upload, self._etag)
        if done is not None:
            claims.forget(self._request, self._upload)  # Of somebody who died at the very end.
            return self._told(done)
        uploads.find(self._request, self._upload)  # Nothing stands for it any more: this says so.
        raise uploads.no_such(self._upload.upload_id)

    def _told(self, done: finished.Finished) -> Made:
        said = _encryption(done.headers)
        return Made(done.etag, checksums.stored(done.headers), done.version_id, said)

    def _completed(self, claim: claims.Claim, marker: Mapping[str, str]) -> Made:
        request, upload = self._request, self._upload
        done = finished.search(request, upload, self._etag)
        if done is not None:  # Somebody died after this, or in the middle of it.
            if done.is_unreached:
                finished.reach(request, upload, done)
            made = self._told(done)
        elif finished.found(request, upload) is not None:
            raise uploads.no_such(upload.upload_id)  # It has been completed of other parts.
        else:
            made = self._assembled(claim, marker)
        aborting.end(request, upload, keep={part.number for part in self._parts})
        return made

    def _assembled(self, claim: claims.Claim, marker: Mapping[str, str]) -> Made:
        request, upload = self._request, self._upload
        if float(marker.get("x-timestamp", "0")) > time.time():
            # A proxy whose clock is ahead of ours wrote it: what stands for the upload could not be removed.
            raise S3Error("ServiceUnavailable")
        if customer_keys.asked(request.environ) is not None:
            customer_parts.required(request.environ, marker)
        heads = self._heads(claim)
        held = {number: _held(head) for number, head in heads.items() if head.is_good}
        assembly.judge(self._parts, held, upload.upload_id, part_bytes_min=request.config.min_segment_size)
        checksum = self._wanted.checksum(marker, self._parts, held)
        headers = {
            **uploads.lock_of(request),
            **uploads.object_headers(upload, marker),
            **checks.stored(checksum),
            **self._conditions,
            metadata.ETAG: self._etag,
            OVERRIDE: f"; s3_etag={self._etag}",
        }
        forget = replaced.before(request)
        claim.require()
        reply = self._stored(headers, heads, held)
        if forget is not None and reply.status == 201:  # 202 says that something later is there.
            forget()
        version_id = reply.headers.get("x-object-version-id")
        return Made(self._etag, checksum, version_id, _encryption(marker))

    def _heads(self, claim: claims.Claim) -> dict[int, Reply]:
        """Return what the store says of the parts, by their numbers."""
        heads: dict[int, Reply] = {}
        crew = Crew(_CREW)
        for begin in range(0, len(self._parts), _BATCH):
            numbers = [part.number for part in self._parts[begin : begin + _BATCH]]
            heads.update(zip(numbers, crew.map(self._head, numbers), strict=True))
            claim.renew()
        return heads

    def _head(self, number: int) -> Reply:
        reply = self._request.ask("HEAD", self._upload.container, self._upload.part(number), trusted=True)
        reply.close()
        if not reply.is_good and reply.status != 404:
            raise S3Error("ServiceUnavailable")
        return reply

    def _stored(
        self, headers: Mapping[str, str], heads: Mapping[int, Reply], held: Mapping[int, Held]
    ) -> Reply:
        """Write the manifest; return the answer of the store."""
        request, upload = self._request, self._upload
        request.environ[KNOWN_SEGMENTS] = {
            f"{upload.container}/{upload.part(number)}": head for number, head in heads.items()
        }
        try:
            reply = request.ask(
                "PUT",
                upload.bucket,
                upload.key,
                headers=headers,
                query={"multipart-manifest": "put"},
                body=assembly.manifest_of(upload, self._parts, held),
            )
        finally:
            del request.environ[KNOWN_SEGMENTS]
        if not reply.is_good:
            passed = str(reply.status), list(reply.headers.items()), reply.body
            raise write_refusal(request, passed, is_conditional=bool(self._conditions))
        reply.read()
        return reply


def _encryption(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what an answer says of encryption by the store, by the headers of an upload or its object."""
    return {} if customer_keys.SEALED in headers else at_rest.answer()


def _held(head: Reply) -> Held:
    return Held(
        int(head.headers["content-length"]), head.headers["etag"].strip('"'), checksums.stored(head.headers)
    )


def _bare(document: bytes) -> bytes:
    """Return a document without the declaration, which is sent before there is one."""
    return document.partition(b"?>\n")[2]
