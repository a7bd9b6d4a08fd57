"""Bodies in the coding aws-chunked: what is right, and each way to be wrong."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.signing.v4 import ALGORITHM, ChainedSigner, signature_of
from apus.proxy.middleware.s3.streaming import CHUNK_BYTES_MIN, DecodedBody, Frames

KEY, WHEN, SCOPE, SEED = b"k" * 32, "20261121T150000Z", "20261121/us-east-1/s3/aws4_request", "5" * 64
CRC = "x-amz-checksum-crc32"


def decoded(sent: bytes, length: int, *, piece: int = 1 << 16, **how: Any) -> tuple[bytes, DecodedBody]:
    """Read a body to its end, as one is read that is stored."""

    class Source:
        def __init__(self) -> None:
            self.inner = io.BytesIO(sent)

        def read(self, size: int) -> bytes:
            return self.inner.read(min(size, piece))

    body = DecodedBody(Source(), Frames(length, **how))
    data = b""
    while len(data) < length:
        more = body.read(length - len(data))
        assert more, "a body that is too short must raise"
        data += more
    body.finish()
    return data, body


def refused(sent: bytes, length: int, **how: Any) -> str:
    with pytest.raises(S3Error) as refusal:
        decoded(sent, length, **how)
    return refusal.value.code


def unsigned(*chunks: bytes, trailers: bytes = b"") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + trailers + b"\r\n"


class Signing:
    """Signs chunks as a client does."""

    def __init__(self) -> None:
        self.before = SEED

    def chunk(self, data: bytes) -> bytes:
        signature = self._signature(
            "PAYLOAD", f"{hashlib.sha256().hexdigest()}\n{hashlib.sha256(data).hexdigest()}"
        )
        head = b"%x;chunk-signature=%s\r\n" % (len(data), signature)
        return head + data + b"\r\n" if data else head

    def trailer(self, lines: bytes) -> bytes:
        return b"x-amz-trailer-signature:%s\r\n" % self._signature(
            "TRAILER", hashlib.sha256(lines).hexdigest()
        )

    def _signature(self, what: str, digests: str) -> bytes:
        self.before = signature_of(KEY, f"{ALGORITHM}-{what}\n{WHEN}\n{SCOPE}\n{self.before}\n{digests}")
        return self.before.encode()


def signer() -> ChainedSigner:
    return ChainedSigner(KEY, WHEN, SCOPE, SEED)


@settings(max_examples=100, deadline=None)
@given(
    tail=st.binary(max_size=40),
    full=st.integers(0, 3),
    piece=st.integers(1, 9000),
    signs=st.booleans(),
)
def test_any_body_comes_out_as_it_went_in(tail: bytes, full: int, piece: int, signs: bool) -> None:
    """However it is cut, by chunks and by the wire."""
    chunks = [bytes([65 + n]) * (CHUNK_BYTES_MIN + n) for n in range(full)] + ([tail] if tail else [])
    whole = b"".join(chunks)
    if signs:
        signing = Signing()
        sent = b"".join(map(signing.chunk, chunks)) + signing.chunk(b"") + b"\r\n"
        assert decoded(sent, len(whole), piece=piece, signer=signer())[0] == whole
    else:
        assert decoded(unsigned(*chunks), len(whole), piece=piece)[0] == whole


@pytest.mark.parametrize("name", [b"x-amz-checksum-crc32", b"X-Amz-Checksum-CRC32"])
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_trap_60_trailers_come_behind_the_data(name: bytes, piece: int) -> None:
    """Their names are in any case; what boto3 sends over TLS."""
    sent = unsigned(b"hello", trailers=name + b":NhCmhg==\r\n")
    data, body = decoded(sent, 5, piece=piece, announced=frozenset((CRC,)))
    assert (data, body.trailers) == (b"hello", {CRC: "NhCmhg=="})


def test_trap_60_trailers_are_signed() -> None:
    """Over their lines, after the last chunk."""
    lines = b"x-amz-checksum-crc32:NhCmhg==\n"
    signing = Signing()
    sent = signing.chunk(b"hello") + signing.chunk(b"") + lines[:-1] + b"\r\n"
    how: dict[str, Any] = {"announced": frozenset((CRC,)), "signs_trailers": True}
    right = sent + signing.trailer(lines) + b"\r\n"
    assert decoded(right, 5, signer=signer(), **how)[0] == b"hello"
    assert refused(right.replace(b"NhCm", b"NhCn"), 5, signer=signer(), **how) == "SignatureDoesNotMatch"
    assert refused(sent + b"\r\n", 5, signer=signer(), **how) == "IncompleteBody"


def test_trap_60_each_chunk_is_signed() -> None:
    """A changed byte, a changed order, a chunk without a signature: nothing is let through to its end."""
    signing = Signing()
    first, second = signing.chunk(b"a" * 8192), signing.chunk(b"b" * 8192)
    end = signing.chunk(b"") + b"\r\n"
    assert decoded(first + second + end, 16384, signer=signer())[0] == b"a" * 8192 + b"b" * 8192
    changed = (first + second + end).replace(b"ab", b"cb").replace(b"bbb\r\n", b"bbc\r\n")
    assert refused(changed, 16384, signer=signer()) == "SignatureDoesNotMatch"
    assert refused(second + first + end, 16384, signer=signer()) == "SignatureDoesNotMatch"
    assert refused(unsigned(b"hello"), 5, signer=signer()) == "IncompleteBody"
    forged_end = first + second + b"0;chunk-signature=" + b"0" * 64 + b"\r\n\r\n"
    assert refused(forged_end, 16384, signer=signer()) == "SignatureDoesNotMatch"


@given(st.integers(0, 52))
def test_trap_60_a_body_that_breaks_off_is_incomplete_and_ends(cut: int) -> None:
    """CVE-2026-49017: wherever it does; a reader must not wait for ever."""
    sent = unsigned(b"hello", trailers=b"x-amz-checksum-crc32:NhCmhg==\r\n")
    cut = min(cut, len(sent) - 3)  # The last empty line may be missing.
    assert refused(sent[:cut], 5, announced=frozenset((CRC,))) in ("IncompleteBody", "MalformedTrailerError")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n",
        b"g\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"4\r\nhello\r\n0\r\n\r\n",
        b"6\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhelloX\r\n0\r\n\r\n",
        b"0\r\n\r\n",
        b"5\r\nhello\r\n1\r\nx\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\r\nmore",
        b"5;other=1\r\nhello\r\n0\r\n\r\n",
        b"5;chunk-signature=1\r\nhello\r\n0\r\n\r\n",
        b"0" * 2000 + b"5\r\nhello\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\nhello",
    ],
)
@pytest.mark.parametrize("piece", [1, 1000])
def test_what_is_no_such_body_is_incomplete(sent: bytes, piece: int) -> None:
    """Not five bytes in chunks, and an end."""
    assert refused(sent, 5, piece=piece) in ("IncompleteBody", "InvalidChunkSizeError")


def test_trap_60_small_chunks_are_for_the_end() -> None:
    """Else frames would be most of a body."""
    small = unsigned(b"a" * (CHUNK_BYTES_MIN - 1), b"b")
    assert refused(small, CHUNK_BYTES_MIN) == "InvalidChunkSizeError"


@pytest.mark.parametrize(
    "trailers",
    [
        b"",
        b"x-amz-meta-a:1\r\n",
        b"x-amz-checksum-crc32:NhCmhg==\r\n" * 2,
        b"x-amz-checksum-crc32\r\n",
        b"x-amz-checksum-crc32:Nh\x00\r\n",
        b"x-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:1\r\n",
        b": \r\n",
    ],
)
def test_trap_60_trailers_are_those_announced(trailers: bytes) -> None:
    """All of them, none else, none twice."""
    sent = unsigned(b"hello", trailers=trailers)
    assert refused(sent, 5, announced=frozenset((CRC,))) == "MalformedTrailerError"


def test_trailers_need_not_come() -> None:
    """Where none is announced, the end may be the last size."""
    assert decoded(b"5\r\nhello\r\n0\r\n", 5)[0] == b"hello"
    assert decoded(b"0\r\n\r\n", 0)[0] == b""


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 60))
def test_no_bytes_break_the_reader(sent: bytes, length: int) -> None:
    """They are a body, or an S3Error."""
    try:
        data, _ = decoded(sent, length)
    except S3Error:
        return
    assert len(data) == length
