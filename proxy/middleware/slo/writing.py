"""PUT of a static large object: from the client's manifest to the stored one.

    client's JSON ──▶ asked() ──▶ a HEAD of each object, several at a time ──▶ judged ──▶ stored JSON ──▶ PUT
                        400            troubles: 400, all of them named                      ETag: 422

What is stored carries the large object's size and ETag as system metadata, for reads, and as the row's
override, for listings. With `heartbeat=on` the answer begins before the segments are looked at, and says in
its body how it went.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from hashlib import md5
from io import BytesIO
from urllib.parse import quote

from webob.exc import status_map

from ....common.concurrency import Crew
from ....common.conditions import normalized
from ....common.config import true_value
from ....common.errors import ApusError, Refused
from ....common.http.answer import Answer, status_line
from ....common.http.wsgi import Environ, WSGIApp, from_wsgi
from ..inner import Reply, ask, call, path_of
from ..slow_answers import SEPARATOR, Errors, beating, document, form_for
from . import manifest
from .manifest import Flawed, Stored, Wanted
from .reading import ETAG, MARK, SIZE, is_manifest

TOO_SMALL = "Too small; each segment must be at least 1 byte."
OVERRIDE = "HTTP_X_OBJECT_SYSMETA_CONTAINER_UPDATE_OVERRIDE_ETAG"
KNOWN_SEGMENTS = "apus.slo_known_segments"
"""Answers to HEADs of segments, by their paths, of a filter that has looked at all of them: nobody asks
again, and how many there may be is that filter's affair."""
_KNOWN_BYTES_MAX = 32 << 20  # Ten thousand segments with names as long as names may be.


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a manifest is held to."""

    segments_max: int
    bytes_max: int
    concurrency: int
    heartbeat_seconds: float


class Troubled(ApusError):
    """Segments are not what the manifest says."""

    def __init__(self, errors: Errors) -> None:
        super().__init__(f"{len(errors)} segments")
        self.errors = errors


class Writing:
    """One PUT of a manifest."""

    def __init__(self, slo: WSGIApp, app: WSGIApp, environ: Environ, limits: Limits) -> None:
        self._slo = slo
        self._app = app
        self._environ = environ
        self._limits = limits
        _, _, account, self._name = from_wsgi(environ["PATH_INFO"]).split("/", 3)
        self._account = account
        self._form = form_for(environ)

    def answer(self, *, heartbeat: bool) -> Answer:
        """Return the answer; Refused with 4xx for a request that cannot be one."""
        wanted = manifest.asked(self._document(), itself=self._name)
        count = sum(isinstance(segment, Wanted) for segment in wanted)
        if count > self._limits.segments_max and KNOWN_SEGMENTS not in self._environ:
            raise Refused(f"Number of object-backed segments must be <= {self._limits.segments_max}", 413)
        if heartbeat:
            return Answer(202, {"Content-Type": self._form}, self._beats(wanted))
        try:
            reply = self._stored(wanted)
        except Troubled as trouble:
            text = document(self._form, {}, trouble.errors, root="upload")
            return Answer(400, {"Content-Type": self._form}, text)
        return reply.answer()

    def _document(self) -> bytes:
        """Return the body, which must not be longer than a manifest may be."""
        environ = self._environ
        limit = _KNOWN_BYTES_MAX if KNOWN_SEGMENTS in environ else self._limits.bytes_max
        length = environ.get("CONTENT_LENGTH")
        chunked = (environ.get("HTTP_TRANSFER_ENCODING") or "").strip().lower() == "chunked"
        if not length and not chunked:
            raise Refused("Missing Content-Length header.", 411)
        too_long = Refused(f"Manifest File > {limit} bytes", 413)
        if not chunked and length and length.isdigit() and int(length) > limit:
            raise too_long
        pieces: list[bytes] = []
        left = limit + 1
        while left > 0 and (piece := environ["wsgi.input"].read(left)):
            pieces.append(piece)
            left -= len(piece)
        if left <= 0:
            raise too_long
        return b"".join(pieces)

    def _beats(self, wanted: Sequence[Wanted | bytes]) -> Iterator[bytes]:
        """Yield white space while there is something to wait for, then what came of it."""
        yield b" "
        yield from beating(
            lambda: SEPARATOR + self._outcome(wanted), form=None, every_seconds=self._limits.heartbeat_seconds
        )

    def _outcome(self, wanted: Sequence[Wanted | bytes]) -> bytes:
        errors: Errors = ()
        try:
            reply = self._stored(wanted)
        except Troubled as trouble:
            errors = trouble.errors
            facts = _refusal(400)
        except Refused as refusal:
            facts = _refusal(refusal.status)
        else:
            facts = {"Response Status": status_line(reply.status)}
            if reply.is_good:
                facts["Etag"] = reply.headers["etag"]
                facts["Last Modified"] = reply.headers.get("last-modified", "")
            facts["Response Body"] = reply.read().decode("utf-8", "replace")
        return document(self._form, facts, errors, root="upload")

    def _stored(self, wanted: Sequence[Wanted | bytes]) -> Reply:
        """Return what became of the manifest, whose segments have been looked at."""
        segments = self._looked_at(wanted)
        etag = manifest.etag_of(segments)
        told = self._environ.get("HTTP_ETAG")
        if told and normalized(told).lower() != etag:
            raise Refused(f"The ETag of the segments together is {etag}, not {told}.\n", 422)
        size = manifest.size_of(segments)
        environ = _storing(self._environ, manifest.document_of(segments), etag=etag, size=size)
        reply = call(self._app, environ)
        if reply.is_good:
            reply.headers["etag"] = f'"{etag}"'
        return reply

    def _looked_at(self, wanted: Sequence[Wanted | bytes]) -> list[Stored]:
        """Return the segments as they are stored; Troubled when some are not what the client says."""
        paths = list(dict.fromkeys(each.path for each in wanted if isinstance(each, Wanted)))
        heads = dict(zip(paths, Crew(self._limits.concurrency).map(self._head, paths), strict=True))
        segments: list[Stored] = []
        errors: list[tuple[str, str]] = []
        for index, each in enumerate(wanted):
            if isinstance(each, bytes):
                segments.append(Stored(data=each))
                continue
            try:
                segments.append(_judged(each, heads[each.path], is_last=index == len(wanted) - 1))
            except _Unlike as unlike:
                errors += [(quote(each.given), sentence) for sentence in unlike.sentences]
        if errors:
            raise Troubled(errors)
        return segments

    def _head(self, path: str) -> Reply:
        """Ask for a segment through this very filter: a sub-manifest answers for what it stands for."""
        known: Reply | None = self._environ.get(KNOWN_SEGMENTS, {}).get(path)
        if known is not None:
            return known
        reply = ask(self._slo, self._environ, "HEAD", path_of(self._environ, self._account, path))
        reply.close()
        return reply


class _Unlike(ApusError):
    """A segment is not what the client says."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__(", ".join(sentences))
        self.sentences = sentences


def _judged(wanted: Wanted, head: Reply, *, is_last: bool) -> Stored:
    """Return the segment as it is stored, or raise what is wrong with it."""
    if not head.is_good:
        raise _Unlike([status_line(head.status)])
    size, etag = int(head.headers["content-length"]), normalized(head.headers["etag"])
    sentences = []
    span = None
    length = size
    if wanted.range is not None:
        try:
            span = manifest.resolved(wanted.range, size)
        except Flawed as flaw:
            sentences.append(str(flaw))
        length = span[1] - span[0] if span else size
    if length < 1 and not is_last:
        sentences.append(TOO_SMALL)
    if wanted.size is not None and wanted.size != size:
        sentences.append("Size Mismatch")
    if wanted.etag is not None and normalized(wanted.etag).lower() != etag.lower():
        sentences.append("Etag Mismatch")
    if sentences:
        raise _Unlike(sentences)
    return Stored(
        path=wanted.path,
        size=size,
        etag=etag,
        content_type=head.headers.get("content-type", "").partition(";")[0].strip(),
        modified=parsedate_to_datetime(head.headers["last-modified"]).strftime("%Y-%m-%dT%H:%M:%S.%f"),
        span=span,
        is_manifest=is_manifest(list(head.headers.items())),
    )


def _refusal(status: int) -> dict[str, str]:
    """Return what is told of a refusal, in the words of WebOb, which stock's clients and tests compare."""
    line = status_line(status)
    return {
        "Response Status": line,
        "Response Body": f"{line.partition(' ')[2]}\n{status_map[status].explanation}",
    }


def _storing(environ: Environ, document: bytes, *, etag: str, size: int) -> Environ:
    """Return the client's request as the PUT of what is stored."""
    environ = dict(environ)
    manifest_etag = md5(document, usedforsecurity=False).hexdigest()
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["wsgi.input"] = BytesIO(document)
    environ["CONTENT_LENGTH"] = str(len(document))
    environ["HTTP_ETAG"] = manifest_etag
    for name, value in ((ETAG, etag), (SIZE, str(size)), (MARK, "True")):
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    # Another filter may have set the row's ETag already; its parameters stay.
    earlier, semicolon, parameters = environ.get(OVERRIDE, "").partition(";")
    environ[OVERRIDE] = f"{(earlier or manifest_etag) + semicolon + parameters}; slo_etag={etag}"
    environ["CONTENT_TYPE"] = f"{_content_type(environ)};swift_bytes={size}"
    environ["swift.content_type_overridden"] = True
    return environ


def _content_type(environ: Environ) -> str:
    """Return the client's type, or one guessed from the name."""
    given: str = environ.get("CONTENT_TYPE") or ""
    if any(parameter.strip().startswith("swift_") for parameter in given.split(";")[1:]):
        raise Refused("Invalid Content-Type, swift_* is not a valid parameter name.")
    if not given or true_value(environ.pop("HTTP_X_DETECT_CONTENT_TYPE", "")):
        return mimetypes.guess_type(from_wsgi(environ["PATH_INFO"]))[0] or "application/octet-stream"
    return given
