"""Signatures and bodies of S3 requests against a running store: what is wrong is refused, and nothing is stored."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import time
import uuid
import zlib
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from s3 import S3Front
from store import KEYS

from apus.proxy.middleware.s3 import checksums

USER = "test:tester"
NOT_BOTOS = ("CRC32C", "CRC64NVME")
ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")


class _Saying(S3SigV4Auth):  # type: ignore[misc]  # It has no types.
    """Signs what its user says of a body, instead of finding it out."""

    def _modify_request_before_signing(self, request: Any) -> None:
        said = request.headers["x-amz-content-sha256"]
        super()._modify_request_before_signing(request)
        del request.headers["X-Amz-Content-SHA256"]
        request.headers["X-Amz-Content-SHA256"] = said


def signed_headers(s3: S3Front, method: str, path: str, headers: dict[str, str]) -> dict[str, str]:
    """Return what a client sends that signs just these."""
    request = AWSRequest(method=method, url=s3.endpoint + path, headers=headers)
    _Saying(Credentials(USER, KEYS[USER]), "s3", "us-east-1").add_auth(request)
    return dict(request.headers.items())


def sent(
    s3: S3Front, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, str, http.client.HTTPConnection]:
    """PUT a body as it is, and return status, code and the connection, which may go on."""
    connection = http.client.HTTPConnection(urlsplit(s3.endpoint).netloc, timeout=180)
    connection.putrequest("PUT", path, skip_accept_encoding=True)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode()
    return answer.status, text.partition("<Code>")[2].partition("</Code>")[0], connection


def is_stored(s3: S3Front, bucket: str, key: str) -> bool:
    try:
        s3.client().head_object(Bucket=bucket, Key=key)
    except ClientError:
        return False
    return True


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [0, 5, 70_000, 3_000_000])
def test_trap_61_checksums_are_checked_kept_and_shown(
    boto: Any, bucket: str, algorithm: str, size: int
) -> None:
    """In the header over HTTP, in the trailer over TLS; in small bodies and in large ones."""
    body = b"x" * size
    summed = checksums.of(algorithm)
    summed.update(body)
    # What boto3 has no library for it is told; then it sends a header over TLS, too.
    said = {f"Checksum{algorithm}": summed.base64()} if algorithm in NOT_BOTOS else {}
    put = boto.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm=algorithm, **said)
    assert put[f"Checksum{algorithm}"] == summed.base64()
    got = boto.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == body
    if algorithm not in NOT_BOTOS:
        assert got[f"Checksum{algorithm}"] == summed.base64()
    assert got["ResponseMetadata"]["HTTPHeaders"][f"x-amz-checksum-{algorithm.lower()}"] == summed.base64()
    assert got["ChecksumType"] == "FULL_OBJECT"
    assert "aws-chunked" not in got.get("ContentEncoding", "")


@pytest.mark.parametrize("method", ["put_object", "get_object"])
@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("style", ["path", "virtual"])
def test_trap_53_presigned_urls_work(s3: S3Front, bucket: str, method: str, version: str, style: str) -> None:
    """Of both versions, in both styles, from any client; boto3's default is version 2."""
    key = "a b+é/€"
    client = s3.client(signature_version=version, s3={"addressing_style": "path"})
    client.put_object(Bucket=bucket, Key=key, Body=b"old")
    if style == "virtual":
        import boto3
        from s3 import DOMAIN

        port = urlsplit(s3.endpoint).port
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{DOMAIN}:{port}",
            aws_access_key_id=USER,
            aws_secret_access_key=KEYS[USER],
            region_name="us-east-1",
            config=Config(signature_version=version, s3={"addressing_style": "virtual"}),
        )
    url = client.generate_presigned_url(method, {"Bucket": bucket, "Key": key}, ExpiresIn=60)
    parts = urlsplit(url)
    here = f"{s3.endpoint}{parts.path}?{parts.query}"
    host = {"Host": parts.netloc}
    if method == "put_object":
        assert requests.put(here, data=b"new", headers=host, timeout=180).status_code == 200
        assert s3.client().get_object(Bucket=bucket, Key=key)["Body"].read() == b"new"
    else:
        assert requests.get(here, headers=host, timeout=180).content == b"old"
        assert requests.head(here, headers=host, timeout=180).status_code == 403
        assert requests.get(
            here.replace("X-Amz-Date", "X-Amz-Data"), headers=host, timeout=180
        ).status_code in (200, 400)


def test_trap_53_a_presigned_url_ends(s3: S3Front, bucket: str) -> None:
    """And says so."""
    url = s3.client().generate_presigned_url("list_objects_v2", {"Bucket": bucket}, ExpiresIn=1)
    time.sleep(2.1)
    answer = requests.get(url, timeout=180)
    assert answer.status_code == 403
    assert "Request has expired" in answer.text


def test_trap_50_a_presigned_upload_copies_nothing(s3: S3Front, bucket: str) -> None:
    """CVE-2026-71191, of both versions."""
    s3.client().put_object(Bucket=bucket, Key="secret", Body=b"secret")
    for version in ("s3", "s3v4"):
        client = s3.client(signature_version=version)
        url = client.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "stolen"})
        answer = requests.put(url, headers={"x-amz-copy-source": f"/{bucket}/secret"}, timeout=180)
        assert answer.status_code == 403
        assert not is_stored(s3, bucket, "stolen")


def test_what_we_signed_is_told(s3: S3Front, bucket: str) -> None:
    """So that whoever writes a client can compare."""
    headers = signed_headers(s3, "PUT", f"/{bucket}/k", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    answer = requests.get(f"{s3.endpoint}/{bucket}/k", headers=headers, timeout=180)
    assert answer.status_code == 403
    for element in ("StringToSign", "CanonicalRequest", "CanonicalRequestBytes", "Hint"):
        assert f"<{element}>" in answer.text


def chunks_of(*data: bytes, trailer: str = "") -> bytes:
    frames = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in data)
    return frames + b"0\r\n" + trailer.encode() + b"\r\n"


CRC = base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()
STREAMED = {
    "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "x-amz-decoded-content-length": "5",
    "x-amz-trailer": "x-amz-checksum-crc32",
    "content-encoding": "aws-chunked",
}
RIGHT = f"x-amz-checksum-crc32:{CRC}\r\n"
HELLO = hashlib.sha256(b"hello").hexdigest()


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"x-amz-content-sha256": HELLO}, b"hellO", 400, "XAmzContentSHA256Mismatch"),
        ({"x-amz-content-sha256": HELLO}, b"", 400, "XAmzContentSHA256Mismatch"),
        ({"x-amz-content-sha256": HELLO}, b"hello" * 100_000, 400, "XAmzContentSHA256Mismatch"),
        ({"x-amz-content-sha256": "junk"}, b"hello", 400, "InvalidArgument"),
        ({"x-amz-content-sha256": HELLO, "x-amz-checksum-crc32": "AAAAAA=="}, b"hello", 400, "BadDigest"),
        ({"x-amz-content-sha256": HELLO, "x-amz-checksum-crc32": "AAAA"}, b"hello", 400, "InvalidRequest"),
        ({"x-amz-content-sha256": HELLO, "Content-MD5": "junk"}, b"hello", 400, "InvalidDigest"),
        (
            {"x-amz-content-sha256": HELLO, "Content-MD5": base64.b64encode(bytes(16)).decode()},
            *(b"hello", 400, "BadDigest"),
        ),
        (STREAMED, chunks_of(b"hello", trailer=RIGHT.replace(CRC, "AAAAAA==")), 400, "BadDigest"),
        (STREAMED, chunks_of(b"hello", trailer=RIGHT.replace(CRC, "AA")), 400, "InvalidRequest"),
        (STREAMED, chunks_of(b"hello"), 400, "MalformedTrailerError"),
        (STREAMED, chunks_of(b"hello", trailer="x-amz-meta-a:1\r\n" + RIGHT), 400, "MalformedTrailerError"),
        (STREAMED, chunks_of(b"hell", trailer=RIGHT), 400, "IncompleteBody"),
        (STREAMED, chunks_of(b"he", b"llo", trailer=RIGHT), 403, "InvalidChunkSizeError"),
        (STREAMED, chunks_of(b"hello", trailer=RIGHT) + b"more", 400, "IncompleteBody"),
        (STREAMED, b"5\r\nhel", 400, "IncompleteBody"),
        (STREAMED, b"hello", 400, "IncompleteBody"),
        ({**STREAMED, "x-amz-decoded-content-length": ""}, b"0\r\n\r\n", 411, "MissingContentLength"),
        (
            {**STREAMED, "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x-amz-trailer": ""},
            *(b"5;chunk-signature=" + b"0" * 64 + b"\r\nhello\r\n", 403, "SignatureDoesNotMatch"),
        ),
    ],
)
def test_a_body_that_is_not_what_was_said_is_not_stored(
    s3: S3Front, bucket: str, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    """The right error; and the connection serves the next request, or ends: it never takes a body for one."""
    path = f"/{bucket}/k"
    found, told, connection = sent(s3, path, signed_headers(s3, "PUT", path, headers), body)
    assert (found, told) == (status, code)
    assert not is_stored(s3, bucket, "k")
    try:
        connection.request("GET", "/healthcheck")
        assert connection.getresponse().status == 200
    except (http.client.RemoteDisconnected, ConnectionError):
        pass  # It was closed: nothing can be misread.
    connection.close()


def test_trap_60_signed_chunks_are_stored(s3: S3Front, bucket: str) -> None:
    """As Java's library sends them, with a trailer that is signed, too."""
    from apus.proxy.middleware.s3.signing.v4 import ALGORITHM, signature_of, signing_key

    path, data = f"/{bucket}/k", [b"a" * 70_000, b"b" * 10]
    headers = {
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(sum(map(len, data))),
        "x-amz-trailer": "x-amz-checksum-crc32",
        "content-encoding": "aws-chunked,gzip",
    }
    signed = signed_headers(s3, "PUT", path, headers)
    moment = signed["X-Amz-Date"]
    scope = f"{moment[:8]}/us-east-1/s3/aws4_request"
    key = signing_key(KEYS[USER], moment[:8], "us-east-1", "s3")
    before = signed["Authorization"].rpartition("Signature=")[2]

    def next_of(what: str, digests: str) -> bytes:
        nonlocal before
        before = signature_of(key, f"{ALGORITHM}-{what}\n{moment}\n{scope}\n{before}\n{digests}")
        return before.encode()

    body, nothing = b"", hashlib.sha256().hexdigest()
    for chunk in [*data, b""]:
        signature = next_of("PAYLOAD", f"{nothing}\n{hashlib.sha256(chunk).hexdigest()}")
        body += b"%x;chunk-signature=%s\r\n" % (len(chunk), signature) + chunk + (b"\r\n" if chunk else b"")
    crc = base64.b64encode(zlib.crc32(b"".join(data)).to_bytes(4, "big")).decode()
    line = f"x-amz-checksum-crc32:{crc}\n".encode()
    trailer = next_of("TRAILER", hashlib.sha256(line).hexdigest())
    body += line[:-1] + b"\r\nx-amz-trailer-signature:" + trailer + b"\r\n\r\n"
    assert sent(s3, path, signed, body)[0] == 200
    got = s3.client().get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"".join(data)
    assert (got["ContentEncoding"], got["ChecksumCRC32"]) == ("gzip", crc)
    broken = signed_headers(s3, "PUT", path.replace("/k", "/other"), headers)
    assert sent(s3, path.replace("/k", "/other"), broken, body)[:2] == (403, "SignatureDoesNotMatch")
    assert not is_stored(s3, bucket, "other")


# --- forms -----------------------------------------------------------------------------------------


def posted(
    s3: S3Front, bucket: str, fields: dict[str, str], body: bytes = b"bar", **how: Any
) -> requests.Response:
    files = [(name, (None, value)) for name, value in fields.items()] + [("file", ("foo.txt", body))]
    return requests.post(f"{s3.endpoint}/{bucket}", files=files, timeout=180, allow_redirects=False, **how)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("size", [3, 300_000])
def test_trap_58_boto3s_form_stores_a_file(s3: S3Front, bucket: str, version: str, size: int) -> None:
    """With a name from the file and metadata; what the browser's request says itself counts for nothing."""
    client = s3.client(signature_version=version)
    form = client.generate_presigned_post(
        bucket,
        "up/${filename}",
        Fields={"x-amz-meta-a": "é", "Content-Type": "text/plain", "success_action_status": "201"},
        Conditions=[
            *(
                {"x-amz-meta-a": "é"},
                ["starts-with", "$Content-Type", "text/"],
                {"success_action_status": "201"},
            ),
            ["content-length-range", 1, 400_000],
        ],
    )
    headers = {"x-amz-copy-source": f"/{bucket}/other", "x-amz-meta-b": "evil"}
    answer = posted(s3, bucket, form["fields"], b"x" * size, headers=headers)
    assert (answer.status_code, "<Key>up/foo.txt</Key>" in answer.text) == (201, True), answer.text
    got = client.get_object(Bucket=bucket, Key="up/foo.txt")
    assert got["Body"].read() == b"x" * size
    assert got["ContentType"] == "text/plain"
    assert list(got["Metadata"]) == ["a"]


def form_of(bucket: str, conditions: list[Any], **fields: str) -> dict[str, str]:
    """A form that is signed in the old way, which is short."""
    import hmac

    document = {"expiration": "2999-01-01T00:00:00.000Z", "conditions": [{"bucket": bucket}, *conditions]}
    policy = base64.b64encode(json.dumps(document).encode()).decode()
    signature = base64.b64encode(hmac.digest(KEYS[USER].encode(), policy.encode(), "sha1")).decode()
    return {"AWSAccessKeyId": USER, "policy": policy, "signature": signature, "key": "k", **fields}


ANY_KEY = ["starts-with", "$key", ""]


@pytest.mark.parametrize(
    ("conditions", "fields", "status", "code"),
    [
        ([ANY_KEY], {"signature": "AAAA"}, 403, "SignatureDoesNotMatch"),
        ([ANY_KEY], {"AWSAccessKeyId": "nobody"}, 403, "InvalidAccessKeyId"),
        ([ANY_KEY], {"x-amz-meta-a": "1"}, 403, "AccessDenied"),
        ([["eq", "$key", "K"]], {}, 403, "AccessDenied"),
        ([ANY_KEY, ["content-length-range", 0, 2]], {}, 400, "EntityTooLarge"),
        ([ANY_KEY, ["content-length-range", 4, 9]], {}, 400, "EntityTooSmall"),
        ([ANY_KEY, ["content-length-range", 4]], {}, 400, "InvalidPolicyDocument"),
        ([ANY_KEY], {"signature": ""}, 400, "InvalidArgument"),
        ([ANY_KEY], {"key": ""}, 400, "UserKeyMustBeSpecified"),
    ],
)
def test_trap_58_a_form_is_held_to_its_policy(
    s3: S3Front, bucket: str, conditions: list[Any], fields: dict[str, str], status: int, code: str
) -> None:
    """A refusal is a 4xx, never a redirect; and nothing is stored."""
    redirect = {"success_action_redirect": "http://example.com/"} if status == 403 else {}
    asked = [*conditions, ["starts-with", "$success_action_redirect", ""]] if redirect else conditions
    answer = posted(s3, bucket, {**form_of(bucket, asked, **redirect), **fields})
    assert (answer.status_code, f"<Code>{code}</Code>" in answer.text) == (status, True), answer.text
    assert not is_stored(s3, bucket, "k")


def test_trap_58_a_form_says_where_to_go(s3: S3Front, bucket: str) -> None:
    """With bucket, key and ETag."""
    conditions = [ANY_KEY, {"success_action_redirect": "http://example.com/?a=1"}]
    form = form_of(bucket, conditions, success_action_redirect="http://example.com/?a=1", key="a&b")
    answer = posted(s3, bucket, form)
    etag = hashlib.md5(b"bar").hexdigest()
    assert answer.status_code == 303
    assert (
        answer.headers["Location"] == f"http://example.com/?a=1&bucket={bucket}&key=a%26b&etag=%22{etag}%22"
    )


def test_trap_58_a_strangers_form_needs_a_bucket_for_all(s3: S3Front, bucket: str) -> None:
    """Without a policy it is nobody's."""
    assert posted(s3, bucket, {"key": uuid.uuid4().hex}).status_code == 403
