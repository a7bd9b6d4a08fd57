"""Signed S3 requests, spoilt at random: never a 5xx, never anything stored but what was signed.

requests of every kind ──spoilt(seed)──▶ bytes ──▶ 4xx, or the answer of what was not spoilt at all
"""

from __future__ import annotations

import base64
import hmac
import json
import random
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from rawsocket import exchange
from s3 import S3Front, bucket_of
from s3_wire import UNSIGNED_CHUNKS, USER, head, md5, raw, signed
from store import KEYS

BODY = b"what was signed " * 40
TAGS = b"<Tagging><TagSet><Tag><Key>kept</Key><Value>1</Value></Tag></TagSet></Tagging>"
REQUESTS_PER_SEED = 70
JUNK = (
    *(
        b"\0",
        b"\r\n",
        b"\n",
        b"\xff\xfe",
        b"\xc3\x28",
        b"%00",
        b"%FF",
        b"%",
        b"\t",
        b" ",
        b";",
        b",",
        b'"',
        b"<",
        b"&",
    ),
    *(b"9" * 30, b"9" * 5000, b"-1", b"0", b"18446744073709551616", b"\xd9\xa3", b"1e9", b"NaN"),
    *(b"..", b"/", b"//", b"?", b"&acl", b"&%61cl", b"&versionId=null", b"&uploadId=x&partNumber=0"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 0\r\n",
        b"Expect: 100-continue\r\n",
        b"Range: bytes=-0\r\n",
    ),
    *(
        b"x-amz-copy-source: /a/b\r\n",
        b"x-amz-checksum-crc32: x\r\n",
        b"x-amz-acl: x\r\n",
        b"x-amz-date: x\r\n",
    ),
    *(
        b"<!DOCTYPE a>",
        b"&b;",
        b"<a>" * 100,
        b"]]>",
        b"AWS4-HMAC-SHA256 ",
        b"Signature=",
        b"Credential=/////",
    ),
)


@pytest.fixture(scope="module")
def kept(s3: S3Front) -> Iterator[str]:
    """A bucket with one object that must stay as it is."""
    with bucket_of(s3.client()) as name:
        s3.client().put_object(Bucket=name, Key="kept", Body=BODY, Tagging="kept=1")
        yield name


def form(s3: S3Front, bucket: str) -> bytes:
    """Return a browser's form, signed in the old way."""
    conditions: list[Any] = [{"bucket": bucket}, {"key": "any"}, ["content-length-range", 0, 1000]]
    document = {"expiration": "2999-01-01T00:00:00.000Z", "conditions": conditions}
    policy = base64.b64encode(json.dumps(document).encode()).decode()
    signature = base64.b64encode(hmac.digest(KEYS[USER].encode(), policy.encode(), "sha1")).decode()
    fields = {"key": "any", "AWSAccessKeyId": USER, "policy": policy, "signature": signature}
    said = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    file = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + BODY + b"\r\n--b--\r\n"
    )
    host = s3.endpoint.removeprefix("http://")
    headers = {"Host": host, "Content-Type": "multipart/form-data; boundary=b"}
    return raw("POST", f"/{bucket}", headers, said.encode() + file)


def presigned(s3: S3Front, bucket: str, version: str) -> bytes:
    """Return an upload by a URL that somebody was given."""
    client = s3.client(signature_version=version)
    parts = urlsplit(client.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "any"}))
    return raw("PUT", f"{parts.path}?{parts.query}", {"Host": parts.netloc}, BODY)


def requests_for(s3: S3Front, bucket: str) -> list[bytes]:
    """Return one request of each kind: BODY goes to `k`; to `any` goes what nobody has signed a digest of."""
    crc = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big"))
    chunks = b"%x\r\n%b\r\n0\r\nx-amz-checksum-crc32:%b\r\n\r\n" % (len(BODY), BODY, crc)
    streamed = {
        "Content-Encoding": "aws-chunked",
        "X-Amz-Decoded-Content-Length": str(len(BODY)),
        "X-Amz-Trailer": "x-amz-checksum-crc32",
    }
    delete = b"<Delete><Object><Key>absent</Key></Object><Object><Key>too</Key></Object></Delete>"
    part = b"<Part><PartNumber>1</PartNumber><ETag>%b</ETag></Part>" % (b"0" * 32)
    complete = b"<CompleteMultipartUpload>%b</CompleteMultipartUpload>" % part
    target = f"/{bucket}/k"
    return [
        signed(
            s3, "PUT", target, BODY, {"Content-MD5": md5(BODY), "x-amz-meta-a": "1", "x-amz-tagging": "a=b"}
        ),
        raw("PUT", target, head(s3, "PUT", target, payload=UNSIGNED_CHUNKS, headers=streamed), chunks),
        signed(s3, "PUT", target, b"", {"x-amz-copy-source": f"/{bucket}/kept"}),
        signed(s3, "PUT", f"/{bucket}/kept?tagging", TAGS),
        signed(s3, "POST", f"/{bucket}?delete", delete, {"Content-MD5": md5(delete)}),
        signed(s3, "POST", f"{target}?uploadId=nobodys", complete),
        signed(s3, "GET", f"/{bucket}?list-type=2&prefix=k&delimiter=%2F&max-keys=10&encoding-type=url"),
        signed(s3, "GET", f"/{bucket}/kept?partNumber=1", b"", {"x-amz-checksum-mode": "ENABLED"}),
        signed(s3, "DELETE", f"/{bucket}/absent", b"", {"x-amz-if-match-size": "1"}),
        presigned(s3, bucket, "s3"),
        presigned(s3, bucket, "s3v4"),
        form(s3, bucket),
    ]


def spoilt(data: bytes, dice: random.Random) -> bytes:
    """Return bytes that are no longer quite what they were."""
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(data) + 1)
        end = min(len(data), at + dice.choice((1, 1, 2, 8, 40)))
        match dice.randrange(7):
            case 0:
                data = data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
            case 1:
                data = data[:at] + data[end:]
            case 2:
                data = data[:at] + data[at:end] * dice.choice((2, 3, 50)) + data[end:]
            case 3:
                data = data[:at]
            case 4:
                lines = data.split(b"\r\n")
                dice.shuffle(lines)
                data = b"\r\n".join(lines) if dice.random() < 0.2 else data
            case _:
                data = data[:at] + dice.choice(JUNK) + data[at:]
    return data


@pytest.mark.parametrize("seed", range(4))
def test_what_is_spoilt_is_refused(s3: S3Front, kept: str, seed: int) -> None:
    """Not once 500, and in the bucket only what was signed."""
    dice, whole = random.Random(seed), requests_for(s3, kept)
    for _ in range(REQUESTS_PER_SEED):
        sent = spoilt(dice.choice(whole), dice)
        answer = exchange(s3.store.address, sent, half_close=True, silence_seconds=10)
        assert all(status < 500 or status == 501 for status in answer.statuses), (seed, sent, answer)
        assert answer.closed, (seed, sent, answer)
    client = s3.client()
    stored = {row["Key"] for row in client.list_objects_v2(Bucket=kept).get("Contents", [])}
    assert stored <= {"kept", "k", "any"}, seed
    for key in stored - {"any"}:
        assert client.get_object(Bucket=kept, Key=key)["Body"].read() == BODY, seed
    assert client.get_object_tagging(Bucket=kept, Key="kept")["TagSet"] == [{"Key": "kept", "Value": "1"}]
    assert "Status" not in client.get_bucket_versioning(Bucket=kept)


def test_what_is_not_spoilt_is_taken(s3: S3Front, bucket: str) -> None:
    """Or the test above would show nothing."""
    s3.client().put_object(Bucket=bucket, Key="kept", Body=BODY)
    statuses = [
        exchange(s3.store.address, each, half_close=True, silence_seconds=10).status
        for each in requests_for(s3, bucket)
    ]
    assert statuses == [200, 200, 200, 200, 200, 404, 200, 206, 404, 200, 200, 204]
