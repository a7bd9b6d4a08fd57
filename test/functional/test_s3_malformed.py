"""What is malformed: the right code, nothing changed, and the connection in order, whatever it was.

Documents of every kind that is read, lists of parts, and bodies that are not what their head says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from rawsocket import converse, exchange
from s3 import S3Front, bucket_of
from s3_wire import PROBE, SIGNED_CHUNKS, UNSIGNED_CHUNKS, code, head, md5, raw, refused, sha256, signed

NO_UPLOAD = "?uploadId=nobodys"
DOCUMENTS = {
    "PUT /{bucket}": "CreateBucketConfiguration",
    "PUT /{bucket}?acl": "AccessControlPolicy",
    "PUT /{bucket}?cors": "CORSConfiguration",
    "PUT /{bucket}?encryption": "ServerSideEncryptionConfiguration",
    "PUT /{bucket}?lifecycle": "LifecycleConfiguration",
    "PUT /{bucket}?logging": "BucketLoggingStatus",
    "PUT /{bucket}?notification": "NotificationConfiguration",
    "PUT /{bucket}?object-lock": "ObjectLockConfiguration",
    "PUT /{bucket}?ownershipControls": "OwnershipControls",
    "PUT /{bucket}?publicAccessBlock": "PublicAccessBlockConfiguration",
    "PUT /{bucket}?requestPayment": "RequestPaymentConfiguration",
    "PUT /{bucket}?tagging": "Tagging",
    "PUT /{bucket}?versioning": "VersioningConfiguration",
    "PUT /{bucket}?website": "WebsiteConfiguration",
    "POST /{bucket}?delete": "Delete",
    "PUT /{bucket}/kept?tagging": "Tagging",
    "PUT /{bucket}/kept?acl": "AccessControlPolicy",
    "PUT /{bucket}/kept?retention": "Retention",
    "PUT /{bucket}/kept?legal-hold": "LegalHold",
    "POST /{bucket}/kept?uploadId=nobodys": "CompleteMultipartUpload",
}
_BOMB = b'<!DOCTYPE R [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]><R>&b;</R>'
_FILE = b'<!DOCTYPE R [<!ENTITY f SYSTEM "file:///etc/passwd">]><R>&f;</R>'
BODIES = {
    "nothing": b"",
    "no XML": b"hello",
    "an end too early": b"<R><Status>Enabled</Status>",
    "another root": b"<Other/>",
    "entities": _BOMB,
    "a file": _FILE,
    "a document type": b"<!DOCTYPE R><R/>",
    "an instruction": b"<?php echo 1 ?><R/>",
    "deep": b"<R>" + b"<a>" * 500 + b"</a>" * 500 + b"</R>",
    "no UTF-8": b'<?xml version="1.0" encoding="UTF-8"?><R>\xff\xfe</R>',
    "no UTF-16": b'<?xml version="1.0" encoding="UTF-16"?><R/>',
    "no encoding": b'<?xml version="1.0" encoding="nonsense"?><R/>',
    "NUL": b"<R>\0</R>",
    "a surrogate": b"<R>&#xD800;</R>",
    "two roots": b"<R/><R/>",
    "many elements": b"<R>" + b"<a/>" * 110_000 + b"</R>",
}
CODES = {
    "AccessControlListNotSupported",
    "MalformedACLError",
    "MalformedXML",
    "MaxMessageLengthExceeded",
    "MissingRequestBodyError",
    "MissingSecurityHeader",
    "NotImplemented",
}


@pytest.fixture(scope="module")
def kept(s3: S3Front) -> Iterator[str]:
    """A bucket with one object, in which nothing is to change."""
    with bucket_of(s3.client()) as name:
        s3.client().put_object(Bucket=name, Key="kept", Body=b"kept", Tagging="kept=1")
        yield name


@pytest.fixture(scope="module")
def room(s3: S3Front) -> Iterator[str]:
    """A bucket in which nothing is to be stored."""
    with bucket_of(s3.client()) as name:
        yield name


def unchanged(s3: S3Front, bucket: str) -> bool:
    """Whether bucket and object are what they were."""
    client = s3.client()
    rows = client.list_object_versions(Bucket=bucket).get("Versions", [])
    tags = client.get_object_tagging(Bucket=bucket, Key="kept")["TagSet"]
    state = client.get_bucket_versioning(Bucket=bucket).get("Status")
    return (
        [row["Key"] for row in rows] == ["kept"] and tags == [{"Key": "kept", "Value": "1"}] and state is None
    )


@pytest.mark.parametrize("asked", DOCUMENTS)
def test_trap_59_no_document_does_harm(s3: S3Front, kept: str, asked: str) -> None:
    """Not one of the documents that are read: 4xx with a code that says why, and the next request is answered."""
    method, target = asked.format(bucket=kept).split(" ")
    root = DOCUMENTS[asked].encode()
    for name, template in BODIES.items():
        body = template.replace(b"<R>", b"<%b>" % root).replace(b"</R>", b"</%b>" % root)
        body = body.replace(b"<R/>", b"<%b/>" % root)
        if name == "nothing" and asked == "PUT /{bucket}":
            continue  # A bucket may be made without a word.
        answer = refused(s3, signed(s3, method, target, body, {"Content-MD5": md5(body)}))
        assert code(answer) in CODES, (asked, name, answer.content)
        assert b"root:" not in answer.content
    assert unchanged(s3, kept)


@pytest.mark.parametrize("asked", DOCUMENTS)
def test_trap_59_no_document_is_endless(s3: S3Front, kept: str, asked: str) -> None:
    """What says that it has ten megabytes and more is not waited for; chunks are counted."""
    method, target = asked.format(bucket=kept).split(" ")
    said = head(s3, method, target, payload="UNSIGNED-PAYLOAD", headers={"Content-MD5": md5(b"")})
    answer = exchange(s3.store.address, raw(method, target, said, length=11 << 20), silence_seconds=5)
    assert (answer.status, code(answer) in CODES, answer.closed) == (answer.status, True, True), (
        answer.content
    )
    assert 400 <= answer.status < 502
    assert b"connection: close" in answer.content.lower()


def test_trap_59_chunks_are_counted(s3: S3Front, kept: str) -> None:
    """A document without a length ends where it is too long (lp 2153513)."""
    for method, target in (("PUT", f"/{kept}?tagging"), ("PUT", f"/{kept}/kept?tagging")):
        said = head(s3, method, target, payload="UNSIGNED-PAYLOAD")
        lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        begun = f"{method} {target} HTTP/1.1\r\n{lines}Transfer-Encoding: chunked\r\n\r\n".encode()
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        answer = exchange(s3.store.address, begun, *[chunk] * 20, silence_seconds=5)
        assert (answer.status, code(answer)) == (400, "MaxMessageLengthExceeded")
    assert unchanged(s3, kept)


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("?versioning", "<VersioningConfiguration><Status>Enabled</Status><Status>Suspended</Status>"),
        ("?tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag>" * 2),
        (
            "?publicAccessBlock",
            "<PublicAccessBlockConfiguration>" + "<BlockPublicAcls>true</BlockPublicAcls>" * 2,
        ),
        (
            "?lifecycle",
            "<LifecycleConfiguration><Rule><Status>Enabled</Status><Status>Enabled</Status></Rule>",
        ),
        ("?encryption", "<ServerSideEncryptionConfiguration>" + "<Rule/>" * 2),
        ("?cors", "<CORSConfiguration><CORSRule><ID>a</ID><ID>b</ID></CORSRule>"),
        ("?website", "<WebsiteConfiguration>" + "<IndexDocument><Suffix>a</Suffix></IndexDocument>" * 2),
    ],
)
def test_elements_that_come_twice(s3: S3Front, kept: str, target: str, body: str) -> None:
    """Readers could see different ones: it is malformed, or says nothing that counts."""
    root = body[1 : body.index(">")]
    answer = refused(s3, signed(s3, "PUT", f"/{kept}{target}", f"{body}</{root}>".encode()))
    assert code(answer) in ("MalformedXML", "InvalidTag")
    assert unchanged(s3, kept)


# --- lists of parts --------------------------------------------------------------------------------

ETAG = "0" * 32


def part(number: object, etag: str = ETAG) -> str:
    return f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ("", "MalformedXML"),
        ("<Part/>", "MalformedXML"),
        ("<Part><PartNumber>1</PartNumber></Part>", "MalformedXML"),
        (part(0), "InvalidArgument"),
        (part(-1), "InvalidArgument"),
        (part(10_001), "InvalidArgument"),
        (part("9" * 5000), "InvalidArgument"),
        (part("x"), "InvalidArgument"),
        (part(""), "InvalidArgument"),
        (part("1.0"), "InvalidArgument"),
        (part("\u0663"), "InvalidArgument"),
        (part(1) + part(1), "InvalidPartOrder"),
        (part(2) + part(1), "InvalidPartOrder"),
        ("".join(map(part, range(1, 10_002))), "InvalidArgument"),
        (part(1, "x"), "InvalidPart"),
        (part(1, "0" * 33), "InvalidPart"),
        (part(1), "InvalidPart"),
        (part(2), "InvalidPart"),
        (part(10_000), "InvalidPart"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_trap_64_absurd_lists_of_parts(s3: S3Front, room: str, parts: str, expected: str) -> None:
    """Each is refused in its own word, and the upload stays what it was."""
    client = s3.client()
    upload = client.create_multipart_upload(Bucket=room, Key="k")["UploadId"]
    client.upload_part(Bucket=room, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    answer = refused(s3, signed(s3, "POST", f"/{room}/k?uploadId={upload}", body))
    assert code(answer) == expected, answer.content
    assert len(client.list_parts(Bucket=room, Key="k", UploadId=upload)["Parts"]) == 1
    assert "Contents" not in client.list_objects_v2(Bucket=room)
    client.abort_multipart_upload(Bucket=room, Key="k", UploadId=upload)


@pytest.mark.parametrize(
    "number", ["0", "-1", "10001", "x", "", "1.0", "%D9%A3", "1%00", "000001" + "1" * 5000]
)
def test_trap_64_absurd_numbers_of_parts(s3: S3Front, bucket: str, number: str) -> None:
    """Of an upload, and of what is read."""
    client = s3.client()
    client.put_object(Bucket=bucket, Key="read", Body=b"x")
    upload = client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    for sent in (
        signed(s3, "PUT", f"/{bucket}/k?partNumber={number}&uploadId={upload}", b"x"),
        signed(s3, "GET", f"/{bucket}/read?partNumber={number}"),
    ):
        assert code(refused(s3, sent)) == "InvalidArgument"
    assert "Parts" not in client.list_parts(Bucket=bucket, Key="k", UploadId=upload)
    client.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)


NINES = "9" * 5000


@pytest.mark.parametrize(
    "target",
    [
        f"/?max-buckets={NINES}",
        "/?continuation-token=%C3%A9",
        "/{bucket}?max-keys=" + NINES,
        "/{bucket}?max-keys=-1",
        "/{bucket}?list-type=3",
        "/{bucket}?list-type=2&continuation-token=%FF",
        "/{bucket}?list-type=2&continuation-token=====",
        "/{bucket}?prefix=%00",
        "/{bucket}?prefix=%FF",
        "/{bucket}?encoding-type=x",
        "/{bucket}?uploads&max-uploads=" + NINES,
        "/{bucket}?uploads&prefix=%00",
        "/{bucket}?uploads&key-marker=%00",
        "/{bucket}?uploads&delimiter=%00",
        "/{bucket}?versions&key-marker=k&version-id-marker=x",
        "/{bucket}?versions&version-id-marker=x",
        "/{bucket}/kept?versionId=",
        "/{bucket}/kept?versionId=" + NINES,
        "/{bucket}/kept?uploadId=",
        "/{bucket}/kept?uploadId=x%00&max-parts=1",
        "/{bucket}/kept?uploadId=x&part-number-marker=" + NINES,
        "/{bucket}/%00",
        "/{bucket}/%FF",
        "/{bucket}/" + "k" * 1025,
        "/%FF/k",
        "/%00/k",
        "/AUTH_%FF:{bucket}/k",
        "/AUTH_%00:{bucket}/k",
        "/:{bucket}/k",
        "/a:/k",
    ],
    ids=lambda target: target[:50],
)
def test_absurd_arguments(s3: S3Front, kept: str, target: str) -> None:
    """4xx, in S3's words."""
    answer = refused(s3, signed(s3, "GET", target.replace("{bucket}", kept)))
    assert code(answer), answer.content


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("DELETE", {"x-amz-if-match-last-modified-time": "Mon, 01 Jan 99999999999999 00:00:00 GMT"}),
        ("DELETE", {"x-amz-if-match-last-modified-time": "junk"}),
        ("DELETE", {"x-amz-if-match-size": NINES}),
        ("PUT", {"x-amz-copy-source": "%FF/k"}),
        ("PUT", {"x-amz-copy-source": "%00"}),
        ("PUT", {"x-amz-copy-source": "/{bucket}/kept?versionId=" + NINES}),
        ("PUT", {"x-amz-copy-source": "/{bucket}/kept?versionId=%FF"}),
        ("PUT", {"x-amz-tagging": "a=%00"}),
        ("PUT", {"x-amz-tagging": "&&&"}),
        ("PUT", {"x-amz-storage-class": "\xe9"}),
        ("PUT", {"x-amz-acl": "\xe9"}),
        ("PUT", {"x-amz-grant-read": "id"}),
        ("PUT", {"x-amz-object-lock-mode": "x", "x-amz-object-lock-retain-until-date": "y"}),
        ("PUT", {"x-amz-server-side-encryption": "x"}),
        ("PUT", {"x-amz-server-side-encryption-customer-algorithm": "AES256"}),
        ("PUT", {"x-amz-server-side-encryption-customer-key": "\xe9"}),
        ("PUT", {"x-amz-website-redirect-location": "javascript:alert(1)"}),
        ("PUT", {"x-amz-sdk-checksum-algorithm": "x"}),
        ("PUT", {"x-amz-trailer": "x"}),
        ("PUT", {"x-amz-checksum-crc32": "\xe9"}),
        ("PUT", {"x-amz-expected-bucket-owner": "nobody"}),
        ("PUT", {"x-amz-meta-a": "x" * 3000}),
        ("PUT", {"Content-MD5": "\xe9"}),
        ("PUT", {"If-None-Match": '"x"'}),
        ("GET", {"x-amz-object-attributes": "x"}),
        ("GET", {"x-amz-server-side-encryption-customer-algorithm": "x"}),
    ],
    ids=lambda value: next(iter(value.items())).__repr__()[:60] if isinstance(value, dict) else value,
)
def test_absurd_headers(s3: S3Front, kept: str, method: str, headers: Mapping[str, str]) -> None:
    """4xx, and nothing is stored or deleted."""
    said = {name: value.replace("{bucket}", kept) for name, value in headers.items()}
    query = "?attributes" if "x-amz-object-attributes" in said else ""
    key = "new" if method == "PUT" else "kept"
    body = b"" if method != "PUT" or "x-amz-copy-source" in said else b"body"
    sent = signed(s3, method, f"/{kept}/{key}{query}", body, said)
    assert code(refused(s3, sent))
    assert unchanged(s3, kept)


# --- bodies and connections ------------------------------------------------------------------------

CHUNKS = {
    "2^64": b"10000000000000000\r\nhello\r\n0\r\n\r\n",
    "2^63": b"8000000000000000\r\nhello\r\n0\r\n\r\n",
    "negative": b"-5\r\nhello\r\n0\r\n\r\n",
    "a plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "blanks": b" 5 \r\nhello\r\n0\r\n\r\n",
    "an extension": b"5;a=b\r\nhello\r\n0\r\n\r\n",
    "bare line feeds": b"5\nhello\n0\n\n",
    "no end": b"5\r\nhello\r\n",
    "too early an end": b"5\r\nhel",
    "no data": b"0\r\n\r\n",
    "nothing": b"",
    "more behind": b"5\r\nhello\r\n0\r\n\r\nGET /healthcheck HTTP/1.1\r\n\r\n",
    "longer than its size": b"3\r\nhello\r\n0\r\n\r\n",
    "many zeros": b"0" * 2000 + b"5\r\nhello\r\n0\r\n\r\n",
    "endless trailers": b"5\r\nhello\r\n0\r\n" + b"x-amz-checksum-crc32:AAAAAA==\r\n" * 5000 + b"\r\n",
}


@pytest.mark.parametrize("payload", [UNSIGNED_CHUNKS, SIGNED_CHUNKS])
@pytest.mark.parametrize("name", CHUNKS)
def test_trap_60_chunks_of_all_sizes(s3: S3Front, room: str, name: str, payload: str) -> None:
    """CVE-2026-49017: each is refused at once, and what is behind the body is no request."""
    said = {"Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": "5"}
    target, body = f"/{room}/k", CHUNKS[name]
    answer = refused(s3, raw("PUT", target, head(s3, "PUT", target, payload=payload, headers=said), body))
    assert code(answer) in (
        "IncompleteBody",
        "MalformedTrailerError",
        "SignatureDoesNotMatch",
        "InvalidRequest",
    )
    assert s3.swift().get(room).body == b""


def test_trap_2_requests_in_a_row_after_errors(s3: S3Front, bucket: str) -> None:
    """Each refused upload whose body is there leaves the connection in order, and the good one is stored."""
    other = {"Content-MD5": md5(b"other")}
    bad = [
        raw("PUT", f"/{bucket}/a", head(s3, "PUT", f"/{bucket}/a", payload=sha256(b"x")), b"y"),
        raw("PUT", f"/{bucket}/b", head(s3, "PUT", f"/{bucket}/other", payload=sha256(b"x")), b"x"),
        signed(s3, "PUT", f"/{bucket}/c", b"x", other),
        signed(s3, "PUT", "/no-such-bucket/d", b"x" * 60_000),
        signed(s3, "PUT", f"/{bucket}/e?tagging", b"<Tagging>"),
        signed(s3, "PUT", f"/{bucket}/f", b"x", {**other, "Expect": "100-continue"}),
    ]
    answer = exchange(
        s3.store.address, *bad, signed(s3, "PUT", f"/{bucket}/good", b"good"), PROBE, silence_seconds=5
    )
    assert answer.statuses == [400, 403, 400, 404, 400, 400, 200, 200], answer.content
    assert s3.swift().get(bucket).lines() == ["good"]


@pytest.mark.parametrize("size", [5, 100_000])
def test_trap_1_an_early_refusal_is_no_100(s3: S3Front, room: str, size: int) -> None:
    """Whoever waits to be told to go on is told no, and that the connection ends: the body may come or not."""
    for target, said in ((f"/{room}/k", {"x-amz-storage-class": "x"}), ("/no-such-bucket/k", {})):
        headers = {"Expect": "100-continue", **said}
        made = head(s3, "PUT", target, payload=sha256(b"x" * size), headers=headers)
        answer = exchange(s3.store.address, raw("PUT", target, made, length=size), silence_seconds=5)
        assert (len(answer.statuses), answer.status // 100, answer.closed) == (1, 4, True)
        assert b"connection: close" in answer.content.lower()
    assert s3.swift().get(room).body == b""


def test_trap_1_a_body_that_was_asked_for_leaves_the_connection(s3: S3Front, room: str) -> None:
    """It was read before it was refused: the next request is answered on the same connection."""
    target = f"/{room}/k"
    made = head(s3, "PUT", target, payload=sha256(b"other"), headers={"Expect": "100-continue"})
    answer = converse(s3.store.address, raw("PUT", target, made, length=5), b"hello" + PROBE, 5)
    assert answer.statuses == [100, 400, 200]
    assert code(answer) == "XAmzContentSHA256Mismatch"


@pytest.mark.parametrize(
    "length", ["4", "6", "-1", "x", "5, 5", "99999999999999999999", "5\r\nContent-Length: 4"]
)
def test_trap_5_lengths_that_lie(s3: S3Front, room: str, length: str) -> None:
    """Shorter, longer, none, two: what is stored is what was signed, or nothing."""
    target = f"/{room}/k"
    made = {**head(s3, "PUT", target, payload=sha256(b"hello")), "Content-Length": length}
    lines = "".join(f"{name}: {value}\r\n" for name, value in made.items())
    sent = f"PUT {target} HTTP/1.1\r\n{lines}\r\n".encode() + b"hello"
    answer = exchange(s3.store.address, sent, half_close=True, silence_seconds=5)
    assert all(status < 500 for status in answer.statuses)
    assert answer.closed
    assert s3.swift().get(room).body == b""


@pytest.mark.parametrize("kept_bytes", [0, 1, 70_000])
def test_trap_6_a_client_that_leaves(s3: S3Front, room: str, kept_bytes: int) -> None:
    """In the middle of an upload, a part, or a form: nothing is stored."""
    client, body = s3.client(), b"x" * 80_000
    upload = client.create_multipart_upload(Bucket=room, Key="k")["UploadId"]
    for target in (f"/{room}/k", f"/{room}/k?partNumber=1&uploadId={upload}"):
        made = head(s3, "PUT", target, payload=sha256(body))
        sent = raw("PUT", target, made, body[:kept_bytes], length=len(body))
        answer = exchange(s3.store.address, sent, half_close=True, silence_seconds=5)
        assert answer.status in (0, 400)
    assert s3.swift().get(room).body == b""
    assert "Parts" not in client.list_parts(Bucket=room, Key="k", UploadId=upload)
    client.abort_multipart_upload(Bucket=room, Key="k", UploadId=upload)
