"""A body is held against all that was said of it, before its last byte is given away."""

from __future__ import annotations

import base64
import hashlib
import io
import zlib
from typing import Any

import pytest

from apus.proxy.footers import FOOTERS, told
from apus.proxy.middleware.s3 import checksums, payload
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.signed import STREAMING_SIGNED, STREAMING_UNSIGNED, UNSIGNED, Kind, Signed

HELLO = hashlib.sha256(b"hello").hexdigest()
CRC = base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()


def environ_of(body: bytes, method: str = "PUT", **headers: str) -> dict[str, Any]:
    made: dict[str, Any] = {"REQUEST_METHOD": method, "QUERY_STRING": "", "wsgi.input": io.BytesIO(body)}
    if "transfer_encoding" not in headers:
        made["CONTENT_LENGTH"] = str(len(body))
    return made | {f"HTTP_{name.upper()}": value for name, value in headers.items()}


def received(environ: dict[str, Any], said: str = UNSIGNED) -> bytes:
    """Take a body as the proxy takes a small one, or a chunked one."""
    payload.receive(environ, Signed(Kind.V4_HEADER, payload=said))
    length = environ.get("CONTENT_LENGTH")
    source = environ["wsgi.input"]
    if "HTTP_TRANSFER_ENCODING" in environ:
        return b"".join(iter(lambda: source.read(3), b""))
    data = b""
    while len(data) < int(length or 0):
        data += source.read(int(length or 0) - len(data))
    return data


def read_into(environ: dict[str, Any], said: str) -> bytes:
    """Take a body as the proxy takes a large one."""
    payload.receive(environ, Signed(Kind.V4_HEADER, payload=said))
    buffer, data = bytearray(2), b""
    while count := environ["wsgi.input"].readinto(memoryview(buffer)):
        data += buffer[:count]
    return data


def refused(environ: dict[str, Any], said: str = UNSIGNED) -> str:
    with pytest.raises(S3Error) as refusal:
        received(environ, said)
    return refusal.value.code


def chunked(body: bytes, trailer: str = "") -> bytes:
    return b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, trailer.encode())


@pytest.mark.parametrize("take", [received, read_into])
def test_trap_52_the_sum_is_held_against_the_body(take: Any) -> None:
    """At its end: whoever asks for all of it gets an error, and has not got all of it."""
    assert take(environ_of(b"hello"), HELLO) == b"hello"
    with pytest.raises(S3Error) as refusal:
        take(environ_of(b"hellO"), HELLO)
    assert refusal.value.code == "XAmzContentSHA256Mismatch"
    assert refusal.value.fields["ClientComputedContentSHA256"] == HELLO


def test_trap_52_a_body_without_a_length_is_judged_at_its_end() -> None:
    """HTTP's own chunks say nothing of it before."""
    assert received(environ_of(b"hello", transfer_encoding="chunked"), HELLO) == b"hello"
    assert refused(environ_of(b"hell", transfer_encoding="chunked"), HELLO) == "XAmzContentSHA256Mismatch"


def test_an_empty_body_is_judged_at_once() -> None:
    """Nobody reads it."""
    assert received(environ_of(b""), hashlib.sha256().hexdigest()) == b""
    assert refused(environ_of(b""), HELLO) == "XAmzContentSHA256Mismatch"
    assert refused(environ_of(b"", x_amz_checksum_crc32=CRC)) == "BadDigest"


def test_what_has_no_body_is_left_alone() -> None:
    """A GET costs nothing here."""
    environ = environ_of(b"", "GET")
    del environ["CONTENT_LENGTH"]
    before = environ["wsgi.input"]
    payload.receive(environ, Signed(Kind.V4_HEADER, payload=hashlib.sha256().hexdigest()))
    assert environ["wsgi.input"] is before


@pytest.mark.parametrize("name", list(checksums.ALGORITHMS))
def test_trap_61_every_checksum_is_checked_in_header_and_trailer(name: str) -> None:
    """And kept with the object."""
    summed = checksums.of(name)
    summed.update(b"hello")
    right = summed.base64()
    wrong = base64.b64encode(bytes(len(base64.b64decode(right)))).decode()
    header, stored = f"x_amz_checksum_{name.lower()}", f"X-Object-Sysmeta-S3api-Checksum-{name.capitalize()}"
    environ = environ_of(b"hello", **{header: right}, x_amz_sdk_checksum_algorithm=name)
    assert received(environ) == b"hello"
    assert checksums.keep(environ)() == {
        header.replace("_", "-"): right,
        "x-amz-checksum-type": "FULL_OBJECT",
    }
    assert environ["HTTP_" + stored.upper().replace("-", "_")] == right
    assert refused(environ_of(b"hello", **{header: wrong})) == "BadDigest"

    def trailing(value: str) -> dict[str, Any]:
        body = chunked(b"hello", f"x-amz-checksum-{name}: {value}\r\n")
        said = {"x_amz_trailer": header.replace("_", "-"), "x_amz_decoded_content_length": "5"}
        return environ_of(body, **said, content_encoding="aws-chunked")

    environ = trailing(right)
    answer = None
    payload.receive(environ, Signed(Kind.V4_HEADER, payload=STREAMING_UNSIGNED))
    answer = checksums.keep(environ)
    assert environ["wsgi.input"].read(5) == b"hello"
    assert told(environ[FOOTERS]) == {stored: right}
    assert answer()[header.replace("_", "-")] == right
    assert refused(trailing(wrong), STREAMING_UNSIGNED) == "BadDigest"
    assert refused(trailing("x"), STREAMING_UNSIGNED) == "InvalidRequest"


@pytest.mark.parametrize(
    "headers",
    [
        {"x_amz_checksum_crc32": CRC, "x_amz_checksum_sha1": "A" * 27 + "="},
        {"x_amz_checksum_crc32": ""},
        {"x_amz_checksum_crc32": "not base64"},
        {"x_amz_checksum_crc32": "AAAA"},
        {"x_amz_checksum_crc32": CRC, "x_amz_sdk_checksum_algorithm": "SHA1"},
        {"x_amz_checksum_crc32": CRC, "x_amz_sdk_checksum_algorithm": "MD4"},
        {"x_amz_sdk_checksum_algorithm": "CRC32"},
        {"x_amz_trailer": "x-amz-meta-a"},
        {"x_amz_trailer": ",x-amz-checksum-crc32"},
        {"x_amz_checksum_md4": CRC},
        {"x_amz_checksum_crc32": CRC, "x_amz_trailer": "x-amz-checksum-crc32"},
    ],
)
def test_trap_61_one_checksum_and_a_right_one(headers: dict[str, str]) -> None:
    """Everything else is told before the body is read."""
    assert refused(environ_of(b"hello", **headers)) == "InvalidRequest"


def test_a_plain_body_has_no_trailer() -> None:
    """Only chunks of aws-chunked have something behind them."""
    environ = environ_of(b"hello", x_amz_trailer="x-amz-checksum-crc32")
    assert refused(environ) == "MalformedTrailerError"


@pytest.mark.parametrize("said", ["invalid", "unsigned-payload", HELLO[:-1]])
def test_a_sum_that_no_signature_covers_is_held_against_the_body(said: str) -> None:
    """Whatever it is: with version 2, and in URLs, nobody has looked at its form."""
    assert refused(environ_of(b"hello"), said) == "XAmzContentSHA256Mismatch"
    assert received(environ_of(b"hello"), HELLO.upper()) == b"hello"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("aws-chunked", None), ("aws-chunked, gzip", "gzip"), ("gzip,AWS-Chunked,br", "gzip, br")],
)
@pytest.mark.parametrize("framing", [{}, {"transfer_encoding": "chunked"}])
def test_trap_60_the_coding_of_the_wire_is_not_stored(
    sent: str, kept: str | None, framing: dict[str, str]
) -> None:
    """Nor its length; other codings stay."""
    environ = environ_of(
        chunked(b"hello"), content_encoding=sent, x_amz_decoded_content_length="5", **framing
    )
    assert received(environ, STREAMING_UNSIGNED) == b"hello"
    assert environ.get("HTTP_CONTENT_ENCODING") == kept
    assert environ["CONTENT_LENGTH"] == "5"
    assert "HTTP_TRANSFER_ENCODING" not in environ


@pytest.mark.parametrize("length", [None, "", "x", "-1", "٥", "9" * 19])
def test_trap_60_the_length_of_the_data_must_be_said(length: str | None) -> None:
    """411."""
    headers = {} if length is None else {"x_amz_decoded_content_length": length}
    assert refused(environ_of(chunked(b"hello"), **headers), STREAMING_UNSIGNED) == "MissingContentLength"


@pytest.mark.parametrize("length", ["4", "6", "0"])
def test_trap_60_the_length_of_the_data_must_be_right(length: str) -> None:
    """An empty one is read to its end at once."""
    environ = environ_of(chunked(b"hello"), x_amz_decoded_content_length=length)
    assert refused(environ, STREAMING_UNSIGNED) == "IncompleteBody"


def test_trailers_need_a_body_that_has_them() -> None:
    """Signed chunks have none unless they say so."""
    environ = environ_of(
        chunked(b"hello"), x_amz_decoded_content_length="5", x_amz_trailer="x-amz-checksum-crc32"
    )
    assert refused(environ, STREAMING_SIGNED) == "InvalidRequest"


def test_the_checksum_of_an_upload_is_not_its_last_documents() -> None:
    """CompleteMultipartUpload says that of the whole object."""
    environ = environ_of(b"<CompleteMultipartUpload/>", "POST", x_amz_checksum_crc32=CRC)
    environ["QUERY_STRING"] = "uploadId=abc"
    assert received(environ) == b"<CompleteMultipartUpload/>"
    assert checksums.keep(environ)() == {}


def test_lines_are_read_as_everywhere() -> None:
    """Slowly, but checked."""
    environ = environ_of(b"a\nbc")
    payload.receive(environ, Signed(Kind.V4_HEADER, payload=hashlib.sha256(b"a\nbc").hexdigest()))
    assert [environ["wsgi.input"].readline() for _ in range(3)] == [b"a\n", b"bc", b""]
