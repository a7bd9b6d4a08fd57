"""The body of a request, held against all that was said of it.

    wsgi.input ──receive()──▶ wsgi.input that decodes `aws-chunked`, and raises at the body's end
                                  └ x-amz-content-sha256, x-amz-checksum-…, trailers, signatures of chunks

The end is where the last byte is read, before that byte is given away: who stores a body has not got it whole
and stores nothing. An empty body, which nobody reads, is judged at once. Content-MD5 is judged by who reads
the body: as an ETag by the store, of documents by Request.body().
"""

from __future__ import annotations

import hashlib
from typing import Any

from ....common.http.wsgi import Environ
from . import checksums
from .checksums import Announced, Digest
from .errors import S3Error
from .numbers import SIZE_MAX, whole
from .signed import OF_NOTHING, STREAMING, STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED, UNSIGNED, Signed
from .streaming import DecodedBody, Frames

_AWS_CHUNKED = "aws-chunked"


def receive(environ: Environ, signed: Signed) -> None:
    """Put what checks the body in the place of the body.

    Raises:
        S3Error: for what is said wrongly, and for what an empty body is not.
    """
    length = environ.get("CONTENT_LENGTH")
    if not length and "HTTP_TRANSFER_ENCODING" not in environ:
        if environ["REQUEST_METHOD"] not in ("PUT", "POST"):
            return
        if signed.payload != UNSIGNED and signed.payload.lower() != OF_NOTHING:
            raise S3Error("MissingContentLength")
        length = "0"
    announced = None if _is_about_another(environ) else checksums.announced(environ)
    payload = signed.payload
    if announced is None and length == "0" and payload.lower() == OF_NOTHING:
        return
    if payload in STREAMING:
        source = _decoded(environ, signed, announced)
    elif payload == UNSIGNED and announced is None:
        return
    else:
        if announced is not None and announced.value is None:
            raise S3Error("MalformedTrailerError", Hint="Only a body in chunks of aws-chunked has trailers.")
        source = environ["wsgi.input"]
    expected = None if payload == UNSIGNED or payload in STREAMING else payload
    body = CheckedBody(source, _length(environ), sha256=expected, announced=announced)
    if announced is not None:
        environ[checksums.RECEIVED] = announced
    environ["wsgi.input"] = body
    if body.left == 0:
        body.finish()


def _is_about_another(environ: Environ) -> bool:
    """Whether the request's checksum is that of the object that its parts become."""
    return environ["REQUEST_METHOD"] == "POST" and "uploadId=" in environ["QUERY_STRING"]


def _length(environ: Environ) -> int | None:
    if "HTTP_TRANSFER_ENCODING" in environ:
        return None
    length = environ.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isdigit() else None


def _decoded(environ: Environ, signed: Signed, announced: Announced | None) -> DecodedBody:
    """Return the data of a body in chunks, and have the environ say what is true of them."""
    length = whole(environ.get("HTTP_X_AMZ_DECODED_CONTENT_LENGTH", "").strip(), most=SIZE_MAX)
    if length is None:
        raise S3Error("MissingContentLength", Hint="The request lacks x-amz-decoded-content-length.")
    names = frozenset((announced.algorithm.header,)) if announced and announced.value is None else frozenset()
    if names and signed.payload not in (STREAMING_UNSIGNED, STREAMING_SIGNED_TRAILER):
        raise S3Error("InvalidRequest", "x-amz-content-sha256 says that there are no trailers.")
    frames = Frames(
        length,
        signer=signed.chunk_signer,
        announced=names,
        signs_trailers=signed.payload == STREAMING_SIGNED_TRAILER,
    )
    environ["CONTENT_LENGTH"] = str(length)
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    codings = [
        coding
        for coding in map(str.strip, environ.pop("HTTP_CONTENT_ENCODING", "").split(","))
        if coding and coding.lower() != _AWS_CHUNKED
    ]
    if codings:
        environ["HTTP_CONTENT_ENCODING"] = ", ".join(codings)
    return DecodedBody(environ["wsgi.input"], frames)


class CheckedBody:
    """A body on its way, in the place of `wsgi.input`."""

    __slots__ = ("_announced", "_digests", "_is_judged", "_sha256", "_source", "_taken", "left")

    def __init__(
        self, source: Any, length: int | None, *, sha256: str | None, announced: Announced | None
    ) -> None:
        self._source = source
        self._announced = announced
        self._sha256 = sha256
        self._taken = hashlib.sha256()
        self._digests: list[Digest] = [] if sha256 is None else [self._taken]
        if announced is not None:
            self._digests.append(announced.taken)
        self._is_judged = False
        self.left = length
        """How many bytes are still to be read; None where only the end will tell."""

    @property
    def bytes_read(self) -> int:
        """How many bytes the client has sent, as far as the input knows."""
        return int(getattr(self._source, "bytes_read", 0))

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, or all that are left when it is negative; none at the end.

        Raises:
            S3Error: in the place of the last bytes, when it is not the body that was announced.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(1 << 16), b""))
        left = self.left
        data: bytes = self._source.read(size if left is None else min(size, left)) if left != 0 else b""
        for digest in self._digests:
            digest.update(data)
        self._passed(len(data), at_end=not data and size > 0)
        return data

    def readinto(self, buffer: memoryview | bytearray) -> int:
        """Put the next bytes into a buffer; return how many, 0 at the end."""
        view = memoryview(buffer)
        if self.left is not None:
            view = view[: self.left]
        fill = getattr(self._source, "readinto", None)
        if fill is None:
            data = self._source.read(len(view))
            count = len(data)
            view[:count] = data
        else:
            count = fill(view) if view else 0
        passed = view[:count]
        for digest in self._digests:
            digest.update(passed)
        self._passed(count, at_end=not count)
        return count

    def readline(self, limit: int = -1) -> bytes:
        """Return the next line, byte for byte: nobody who is in a hurry reads lines of a signed body."""
        line = b""
        while (limit < 0 or len(line) < limit) and not line.endswith(b"\n"):
            byte = self.read(1)
            if not byte:
                break
            line += byte
        return line

    def _passed(self, count: int, *, at_end: bool) -> None:
        if self.left is None:
            if at_end:
                self.finish()
            return
        self.left -= count
        if not self.left:
            self.finish()
        elif at_end:
            raise S3Error("IncompleteBody")

    def finish(self) -> None:
        """Judge the body, once."""
        if self._is_judged:
            return
        self._is_judged = True
        decoded = self._source if isinstance(self._source, DecodedBody) else None
        if decoded is not None:
            decoded.finish()
        if self._sha256 is not None and self._taken.hexdigest() != self._sha256.lower():
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                ClientComputedContentSHA256=self._sha256,
                S3ComputedContentSHA256=self._taken.hexdigest(),
            )
        announced = self._announced
        if announced is not None:
            if announced.value is None:
                assert decoded is not None
                announced.take_trailer(decoded.trailers)
            announced.check()
