"""What no client library would send to the S3 door, byte by byte.

Whatever is wrong: the right error, nothing stored, and the next request on the connection is answered as itself, or the
connection is closed.
"""

from __future__ import annotations

import datetime as dt

import pytest
from rawsocket import exchange
from s3 import S3Front
from s3_wire import PROBE, SIGNED_CHUNKS, UNSIGNED_CHUNKS, code, head, md5, raw, sha256


def assert_refused(s3: S3Front, bucket: str, sent: bytes, status: int, expected: str) -> None:
    """The error, nothing stored, and the connection in order."""
    answer = exchange(s3.store.address, sent + PROBE, silence_seconds=3)
    assert (answer.status, code(answer)) == (status, expected), answer.content
    assert answer.statuses in ([status], [100, status], [status, 200], [100, status, 200])
    assert answer.closed
    assert s3.swift().get(bucket).body == b""


BODY = b"hello, store" * 100


@pytest.mark.parametrize(
    ("headers", "status", "expected"),
    [
        ({"Content-MD5": md5(b"other")}, 400, "BadDigest"),
        ({"Content-MD5": "nonsense"}, 400, "InvalidDigest"),
        ({"x-amz-checksum-crc32": "AAAAAA=="}, 400, "BadDigest"),
        ({"x-amz-checksum-sha256": "AAAAAA=="}, 400, "InvalidRequest"),
        ({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="}, 400, "InvalidRequest"),
    ],
)
def test_traps_61_and_62_wrong_digests(
    s3: S3Front, bucket: str, headers: dict[str, str], status: int, expected: str
) -> None:
    """Of the body, or of anything."""
    target = f"/{bucket}/key"
    made = head(s3, "PUT", target, payload=sha256(BODY), headers=headers)
    assert_refused(s3, bucket, raw("PUT", target, made, BODY), status, expected)


def test_trap_52_a_body_that_is_not_the_one_that_was_signed(s3: S3Front, bucket: str) -> None:
    """Whoever has seen a signed request cannot send another body with it (lp 1765834)."""
    target = f"/{bucket}/key"
    made = head(s3, "PUT", target, payload=sha256(BODY))
    assert_refused(s3, bucket, raw("PUT", target, made, BODY[::-1]), 400, "XAmzContentSHA256Mismatch")


@pytest.mark.parametrize("payload", ["nonsense", "0" * 63, "=" * 64])
def test_trap_52_a_digest_that_is_none(s3: S3Front, bucket: str, payload: str) -> None:
    """400, not 500 (lp 1908412)."""
    target = f"/{bucket}/key"
    made = head(s3, "PUT", target, payload=payload)
    assert_refused(s3, bucket, raw("PUT", target, made, BODY), 400, "InvalidArgument")


def test_a_signature_of_another_request(s3: S3Front, bucket: str) -> None:
    """Another key, another method, another header."""
    made = head(s3, "PUT", f"/{bucket}/key", payload=sha256(BODY), headers={"x-amz-meta-a": "1"})
    for sent in (
        raw("PUT", f"/{bucket}/other", made, BODY),
        raw("PUT", f"/{bucket}/key?tagging", made, BODY),
        raw("PUT", f"/{bucket}/key", {**made, "x-amz-meta-a": "2"}, BODY),
    ):
        assert_refused(s3, bucket, sent, 403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("name", ["x-amz-copy-source", "x-amz-acl", "x-amz-meta-b", "x-amz-tagging"])
def test_trap_50_a_header_that_nobody_signed(s3: S3Front, bucket: str, name: str) -> None:
    """It could be anybody's (CVE-2026-71191)."""
    target = f"/{bucket}/key"
    made = {**head(s3, "PUT", target, payload=sha256(BODY)), name: "private"}
    answer = exchange(s3.store.address, raw("PUT", target, made, BODY) + PROBE, silence_seconds=3)
    assert answer.status == 403
    assert s3.swift().get(bucket).body == b""


def test_trap_55_an_old_signature(s3: S3Front, bucket: str) -> None:
    """A quarter of an hour is the most."""
    target = f"/{bucket}/key"
    made = head(s3, "PUT", target, payload=sha256(BODY))
    then = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=20)).strftime("%Y%m%dT%H%M%SZ")
    scope = made["Authorization"].replace(
        made["X-Amz-Date"][:8], then[:8]
    )  # Of the same day, after midnight too.
    old = {**made, "Authorization": scope, "X-Amz-Date": then}
    assert_refused(s3, bucket, raw("PUT", target, old, BODY), 403, "RequestTimeTooSkewed")


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    """An aws-chunked body without signatures."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + trailers + b"\r\n"


WHOLE = chunked(BODY, trailers=b"x-amz-checksum-crc32:AAAAAA==\r\n")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(WHOLE, {"BadDigest"}, id="wrong trailer"),
        pytest.param(WHOLE[:-40], {"IncompleteBody", "MalformedTrailerError"}, id="trailer cut off"),
        pytest.param(WHOLE[:500], {"IncompleteBody"}, id="chunk cut off"),
        pytest.param(WHOLE[:2], {"IncompleteBody"}, id="size cut off"),
        pytest.param(b"", {"IncompleteBody"}, id="nothing"),
        pytest.param(b"zz\r\n" + WHOLE, {"IncompleteBody", "InvalidRequest"}, id="no size"),
        pytest.param(b"-1\r\n" + WHOLE, {"IncompleteBody", "InvalidRequest"}, id="negative size"),
        pytest.param(b"f" * 40 + b"\r\n" + WHOLE, {"IncompleteBody", "InvalidRequest"}, id="endless size"),
        pytest.param(b"1" * 9000, {"IncompleteBody", "InvalidRequest"}, id="endless line"),
        pytest.param(
            chunked(BODY[:-1]), {"IncompleteBody", "MalformedTrailerError", "InvalidRequest"}, id="too little"
        ),
        pytest.param(chunked(BODY, b"x"), {"InvalidChunkSizeError"}, id="a small chunk that is not the last"),
        pytest.param(chunked(BODY + b"x"), {"IncompleteBody", "InvalidRequest"}, id="too much"),
        pytest.param(WHOLE + b"more", {"BadDigest", "IncompleteBody", "InvalidRequest"}, id="more behind it"),
        pytest.param(
            chunked(BODY, trailers=b"x-amz-checksum-sha1:AAAA\r\n"),
            {"MalformedTrailerError"},
            id="another trailer",
        ),
        pytest.param(
            chunked(BODY), {"MalformedTrailerError", "InvalidRequest", "IncompleteBody"}, id="no trailer"
        ),
    ],
)
def test_trap_60_broken_chunks(s3: S3Front, bucket: str, body: bytes, expected: set[str]) -> None:
    """CVE-2026-49017: nothing is waited for that cannot come; nothing is stored."""
    target = f"/{bucket}/key"
    said = {
        "Content-Encoding": "aws-chunked",
        "X-Amz-Decoded-Content-Length": str(len(BODY)),
        "X-Amz-Trailer": "x-amz-checksum-crc32",
    }
    made = head(s3, "PUT", target, payload=UNSIGNED_CHUNKS, headers=said)
    answer = exchange(s3.store.address, raw("PUT", target, made, body) + PROBE, silence_seconds=3)
    assert answer.status in (400, 403), answer.content
    assert code(answer) in expected
    assert answer.statuses[-2:] in ([answer.status], [100, answer.status], [answer.status, 200])
    assert s3.swift().get(bucket).body == b""


def test_trap_60_a_chunk_that_somebody_else_signed(s3: S3Front, bucket: str) -> None:
    """The signature of the first chunk does not follow from the one of the head."""
    target = f"/{bucket}/key"
    said = {"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": str(len(BODY))}
    made = head(s3, "PUT", target, payload=SIGNED_CHUNKS, headers=said)
    signature = b";chunk-signature=" + b"0" * 64
    body = b"%x%b\r\n%b\r\n0%b\r\n\r\n" % (len(BODY), signature, BODY, signature)
    assert_refused(s3, bucket, raw("PUT", target, made, body), 403, "SignatureDoesNotMatch")


def test_trap_60_the_length_must_be_told(s3: S3Front, bucket: str) -> None:
    """411 where only the length with the chunks' lines is known."""
    target = f"/{bucket}/key"
    made = head(s3, "PUT", target, payload=UNSIGNED_CHUNKS, headers={"Content-Encoding": "aws-chunked"})
    assert_refused(s3, bucket, raw("PUT", target, made, chunked(BODY)), 411, "MissingContentLength")


def test_a_body_that_breaks_off(s3: S3Front, bucket: str) -> None:
    """The connection ends in the middle: nothing is stored."""
    target = f"/{bucket}/key"
    made = head(s3, "PUT", target, payload=sha256(BODY))
    sent = raw("PUT", target, made, BODY[:50], length=len(BODY))
    answer = exchange(s3.store.address, sent, half_close=True, silence_seconds=3)
    assert answer.status in (0, 400)
    assert s3.swift().get(bucket).body == b""


BOMB = (
    b'<!DOCTYPE Tagging [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b"<Tagging><TagSet><Tag><Key>&b;</Key><Value>1</Value></Tag></TagSet></Tagging>"
)
FILE = b'<!DOCTYPE Tagging [<!ENTITY f SYSTEM "file:///etc/passwd">]><Tagging><TagSet>&f;</TagSet></Tagging>'


@pytest.mark.parametrize("body", [BOMB, FILE, b"<Tagging>", b"\x00\xff", b"<Other/>"])
@pytest.mark.parametrize("word", ["?tagging", "?versioning", "?cors", "?lifecycle", "?acl"])
def test_trap_59_documents_that_mean_harm(s3: S3Front, bucket: str, word: str, body: bytes) -> None:
    """MalformedXML everywhere (CVE-2022-47950)."""
    target = f"/{bucket}{word}"
    made = head(s3, "PUT", target, payload=sha256(body), headers={"Content-MD5": md5(body)})
    answer = exchange(s3.store.address, raw("PUT", target, made, body) + PROBE, silence_seconds=3)
    assert (answer.status, code(answer)[:9]) == (400, "Malformed"), answer.content
    assert b"root:" not in answer.content
    assert answer.statuses[-1] == 200


def test_trap_59_a_document_has_an_end(s3: S3Front, bucket: str) -> None:
    """A list of keys that never ends is refused by its length, announced or not."""
    target = f"/{bucket}?delete"
    body = b"<Delete>" + b"<Object><Key>k</Key></Object>" * 200_000 + b"</Delete>"
    made = head(s3, "POST", target, payload=sha256(body), headers={"Content-MD5": md5(body)})
    answer = exchange(s3.store.address, raw("POST", target, made, body), silence_seconds=3)
    assert answer.status == 400
    assert code(answer) in ("MalformedXML", "MaxMessageLengthExceeded")
