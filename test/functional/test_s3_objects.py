"""Objects through boto3: PUT, GET, HEAD, copies, deletions, tags, attributes; and what the Swift API sees of them."""

from __future__ import annotations

import base64
import hashlib
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError
from s3 import S3Front

BODY = b"hello, S3"
KEYS = (
    "plain",
    "a b+c&d=e%2F",
    "é/ö/ü",
    "a//b",
    "dir/",
    "./..",
    "nöt-normal-e\u0301",
    "~-._!*'()",
    "k" * 1024,
)


@pytest.fixture(params=["http", "https"])
def boto(request: pytest.FixtureRequest, s3: S3Front) -> Any:
    """A client that asks again where haproxy has closed a connection after a body that nobody wanted."""
    return s3.client(tls=request.param == "https", retries={"total_max_attempts": 3})


def refused(code: str, status: int) -> Any:
    """Expect an error of this code and status."""
    return pytest.raises(ClientError, check=lambda e: _is(e, code, status))


def _is(error: ClientError, code: str, status: int) -> bool:
    found = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    assert found == (code, status), error.response
    return True


@pytest.mark.parametrize("key", KEYS)
def test_what_is_put_is_got(boto: Any, bucket: str, key: str) -> None:
    """Byte for byte, under whatever key, with its type, metadata, length and ETag."""
    put = boto.put_object(Bucket=bucket, Key=key, Body=BODY, ContentType="text/x", Metadata={"one_two": "3"})
    assert put["ETag"] == f'"{hashlib.md5(BODY).hexdigest()}"'
    assert put["ChecksumCRC32"]
    got = boto.get_object(Bucket=bucket, Key=key)
    assert got["Body"].read() == BODY
    assert (got["ContentType"], got["Metadata"], got["ETag"]) == ("text/x", {"one_two": "3"}, put["ETag"])
    head = boto.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    assert head["ContentLength"] == len(BODY)
    assert head["ChecksumCRC32"] == put["ChecksumCRC32"]
    assert head["LastModified"] == got["LastModified"]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512"])
@pytest.mark.parametrize("size", [0, 5, 3 << 20])
def test_trap_61_checksums_are_stored_and_shown(boto: Any, bucket: str, algorithm: str, size: int) -> None:
    """In a header over plain HTTP, in a trailer over TLS; not of ranges."""
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    put = boto.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm=algorithm)
    name = f"Checksum{algorithm}"
    got = boto.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == body
    assert got[name] == put[name]
    if size:
        assert name not in boto.get_object(Bucket=bucket, Key="k", Range="bytes=0-1", ChecksumMode="ENABLED")


def test_trap_60_no_trace_of_chunks_is_stored(boto: Any, bucket: str, s3: S3Front) -> None:
    """The coding of an upload is not the object's; another one is."""
    boto.put_object(Bucket=bucket, Key="k", Body=BODY)
    assert "ContentEncoding" not in boto.head_object(Bucket=bucket, Key="k")
    boto.put_object(Bucket=bucket, Key="z", Body=BODY, ContentEncoding="gzip")
    assert boto.head_object(Bucket=bucket, Key="z")["ContentEncoding"] == "gzip"


def test_ranges(boto: Any, bucket: str) -> None:
    """Of GET and HEAD; one that lies outside is refused with the size."""
    boto.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    for asked, part, shown in (
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
    ):
        got = boto.get_object(Bucket=bucket, Key="k", Range=asked)
        assert (got["Body"].read(), got["ContentRange"]) == (part, shown)
        head = boto.head_object(Bucket=bucket, Key="k", Range=asked)
        assert (head["ContentLength"], head["ContentRange"]) == (len(part), shown)
    with refused("InvalidRange", 416):
        boto.get_object(Bucket=bucket, Key="k", Range="bytes=10-")
    with refused("416", 416):
        boto.head_object(Bucket=bucket, Key="k", Range="bytes=10-")


def test_trap_66_parts_of_an_object_without_parts(boto: Any, bucket: str) -> None:
    """There is one, and no range of it."""
    boto.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    got = boto.get_object(Bucket=bucket, Key="k", PartNumber=1)
    assert (got["Body"].read(), got["ContentRange"]) == (b"0123456789", "bytes 0-9/10")
    with refused("InvalidPartNumber", 416):
        boto.get_object(Bucket=bucket, Key="k", PartNumber=2)
    with refused("InvalidArgument", 400):
        boto.get_object(Bucket=bucket, Key="k", PartNumber=10001)
    with refused("InvalidRequest", 400):
        boto.get_object(Bucket=bucket, Key="k", PartNumber=1, Range="bytes=0-1")


def test_conditions_of_reads(boto: Any, bucket: str) -> None:
    """304 and 412, by ETag and by moment."""
    etag = boto.put_object(Bucket=bucket, Key="k", Body=BODY)["ETag"]
    moment = boto.head_object(Bucket=bucket, Key="k")["LastModified"]
    boto.get_object(Bucket=bucket, Key="k", IfMatch=etag)
    boto.get_object(Bucket=bucket, Key="k", IfNoneMatch='"other"')
    with refused("304", 304):
        boto.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag)
    with refused("304", 304):
        boto.get_object(Bucket=bucket, Key="k", IfModifiedSince=moment)
    with refused("PreconditionFailed", 412):
        boto.get_object(Bucket=bucket, Key="k", IfMatch='"other"')
    with refused("412", 412):
        boto.head_object(Bucket=bucket, Key="k", IfMatch='"other"')


def test_what_is_not_there(boto: Any, bucket: str) -> None:
    """NoSuchKey, NoSuchBucket; a HEAD has the status only; deleting it is no error."""
    with refused("NoSuchKey", 404):
        boto.get_object(Bucket=bucket, Key="k")
    with refused("404", 404):
        boto.head_object(Bucket=bucket, Key="k")
    with refused("NoSuchBucket", 404):
        boto.get_object(Bucket=f"{bucket}-not", Key="k")
    with refused("NoSuchBucket", 404):
        boto.put_object(Bucket=f"{bucket}-not", Key="k", Body=BODY)
    assert boto.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_trap_53_an_answers_headers_can_be_chosen(s3: S3Front, bucket: str) -> None:
    """In a presigned URL, too, but not with what no header can carry, and not by strangers."""
    client = s3.client(signature_version="s3v4")
    client.put_object(Bucket=bucket, Key="k", Body=BODY)
    wishes = {
        "ResponseContentType": "text/y",
        "ResponseContentDisposition": 'attachment; filename="ö"',
        "ResponseCacheControl": "no-cache",
    }
    url = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k", **wishes})
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == BODY
        assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == ("text/y", "no-cache")
    with refused("InvalidArgument", 400):
        client.get_object(Bucket=bucket, Key="k", ResponseContentType="a\r\nX-Evil: 1")


def test_headers_of_content_and_metadata(boto: Any, bucket: str) -> None:
    """Are kept as they are; the type is S3's own where none is said."""
    said = {
        "CacheControl": "max-age=1",
        "ContentDisposition": "inline",
        "ContentLanguage": "de",
        "StorageClass": "STANDARD_IA",
        "WebsiteRedirectLocation": "/there",
    }
    boto.put_object(Bucket=bucket, Key="k", Body=BODY, **said)
    head = boto.head_object(Bucket=bucket, Key="k")
    assert {name: head[name] for name in said} == said
    boto.put_object(Bucket=bucket, Key="l", Body=BODY, StorageClass="STANDARD")
    head = boto.head_object(Bucket=bucket, Key="l")
    assert (head["ContentType"], "StorageClass" in head) == ("binary/octet-stream", False)
    with refused("InvalidStorageClass", 400):
        boto.put_object(Bucket=bucket, Key="k", Body=BODY, StorageClass="DEEP_ARCHIVE")
    with refused("MetadataTooLarge", 400):
        boto.put_object(Bucket=bucket, Key="k", Body=BODY, Metadata={"a": "x" * 2048})
    with refused("KeyTooLongError", 400):
        boto.put_object(Bucket=bucket, Key="k" * 1025, Body=BODY)


def test_encryption_that_nobody_does_is_refused(boto: Any, bucket: str) -> None:
    """Rather than to store in clear what is to be encrypted."""
    with refused("NotImplemented", 501):
        boto.put_object(Bucket=bucket, Key="k", Body=BODY, ServerSideEncryption="aws:kms")
    assert "Contents" not in boto.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("size", [0, 10, 3 << 20])
def test_encryption_with_a_key_of_the_clients(s3: S3Front, bucket: str, size: int) -> None:
    """Who has the key reads the object, in ranges, too; nobody else does, whatever API they ask."""
    client = s3.client(tls=True)  # A client refuses to send its key in clear.
    body = b"secret " * (size // 7) + b"x" * (size % 7)
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}
    put = client.put_object(Bucket=bucket, Key="k", Body=body, **key)
    assert put["SSECustomerAlgorithm"] == "AES256"
    got = client.get_object(Bucket=bucket, Key="k", **key)
    assert (got["Body"].read(), got["ContentLength"]) == (body, size)
    if size > 5:
        assert client.get_object(Bucket=bucket, Key="k", Range="bytes=5-", **key)["Body"].read() == body[5:]
        assert s3.swift().get(bucket, "k").body != body
    with refused("400", 400):
        client.head_object(Bucket=bucket, Key="k")
    with refused("AccessDenied", 403):
        client.get_object(Bucket=bucket, Key="k", **{**key, "SSECustomerKey": b"l" * 32})
    source = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": b"k" * 32}
    client.copy_object(Bucket=bucket, Key="clear", CopySource=f"{bucket}/k", **source)
    assert client.get_object(Bucket=bucket, Key="clear")["Body"].read() == body


def test_a_wrong_digest_stores_nothing(boto: Any, bucket: str) -> None:
    """Content-MD5 and checksums are held against the body."""
    with refused("BadDigest", 400):
        boto.put_object(Bucket=bucket, Key="k", Body=BODY, ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
    with refused("InvalidDigest", 400):
        boto.put_object(Bucket=bucket, Key="k", Body=BODY, ContentMD5="x")
    with refused("BadDigest", 400):
        boto.put_object(Bucket=bucket, Key="k", Body=BODY, ChecksumCRC32="AAAAAA==")
    with refused("NoSuchKey", 404):
        boto.get_object(Bucket=bucket, Key="k")


def test_if_none_match(boto: Any, bucket: str) -> None:
    """The first one stores; whoever comes later is told so."""
    boto.put_object(Bucket=bucket, Key="k", Body=BODY, IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        boto.put_object(Bucket=bucket, Key="k", Body=b"other", IfNoneMatch="*")
    with refused("NotImplemented", 501):
        boto.put_object(Bucket=bucket, Key="k", Body=b"other", IfNoneMatch='"x"')
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


def test_trap_67_if_match(boto: Any, bucket: str) -> None:
    """Of uploads and deletions, over either wire."""
    etag = boto.put_object(Bucket=bucket, Key="k", Body=BODY)["ETag"]
    boto.put_object(Bucket=bucket, Key="k", Body=b"two", IfMatch=etag)
    with refused("PreconditionFailed", 412):
        boto.put_object(Bucket=bucket, Key="k", Body=b"three", IfMatch=etag)
    with refused("PreconditionFailed", 412):
        boto.delete_object(Bucket=bucket, Key="k", IfMatch=etag)
    new = boto.head_object(Bucket=bucket, Key="k")["ETag"]
    done = boto.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "ETag": etag}]})
    assert done["Errors"][0]["Code"] == "PreconditionFailed"
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"two"
    boto.delete_object(Bucket=bucket, Key="k", IfMatch=new)
    with refused("NoSuchKey", 404):
        boto.get_object(Bucket=bucket, Key="k")


# --- copies ----------------------------------------------------------------------------------------


def test_a_copy(boto: Any, bucket: str) -> None:
    """Takes content, type, metadata, checksum and tags along, unless others are said."""
    boto.put_object(
        Bucket=bucket,
        Key="a b+é",
        Body=BODY,
        Metadata={"m": "1"},
        ContentType="text/x",
        Tagging="t=1",
        CacheControl="no-cache",
    )
    source = {"Bucket": bucket, "Key": "a b+é"}
    done = boto.copy_object(Bucket=bucket, Key="copy", CopySource=source)["CopyObjectResult"]
    head = boto.head_object(Bucket=bucket, Key="copy", ChecksumMode="ENABLED")
    assert (head["Metadata"], head["ContentType"], head["CacheControl"]) == ({"m": "1"}, "text/x", "no-cache")
    assert (done["ETag"], done["ChecksumCRC32"]) == (head["ETag"], head["ChecksumCRC32"])
    assert done["LastModified"] == head["LastModified"]
    assert boto.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"] == [{"Key": "t", "Value": "1"}]
    boto.copy_object(
        Bucket=bucket,
        Key="other",
        CopySource=source,
        MetadataDirective="REPLACE",
        Metadata={"n": "2"},
        TaggingDirective="REPLACE",
        Tagging="u=2",
        ChecksumAlgorithm="SHA256",
    )
    head = boto.head_object(Bucket=bucket, Key="other", ChecksumMode="ENABLED")
    assert (head["Metadata"], head["ContentType"]) == ({"n": "2"}, "binary/octet-stream")
    assert "CacheControl" not in head
    assert head["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    assert "ChecksumCRC32" not in head
    assert boto.get_object_tagging(Bucket=bucket, Key="other")["TagSet"] == [{"Key": "u", "Value": "2"}]
    assert boto.get_object(Bucket=bucket, Key="other")["Body"].read() == BODY


def test_trap_65_what_is_no_copy(boto: Any, bucket: str) -> None:
    """Of nothing, of itself without a change, under conditions that do not hold."""
    boto.put_object(Bucket=bucket, Key="k", Body=BODY)
    etag = boto.head_object(Bucket=bucket, Key="k")["ETag"]
    with refused("NoSuchKey", 404):
        boto.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/none")
    with refused("NoSuchBucket", 404):
        boto.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}-not/none")
    with refused("InvalidArgument", 400):
        boto.copy_object(Bucket=bucket, Key="c", CopySource=bucket)
    with refused("InvalidRequest", 400):
        boto.copy_object(Bucket=bucket, Key="k", CopySource=f"/{bucket}/k")
    boto.copy_object(
        Bucket=bucket,
        Key="k",
        CopySource=f"/{bucket}/k",
        MetadataDirective="REPLACE",
        Metadata={"x": "y"},
        CopySourceIfMatch=etag,
    )
    assert boto.head_object(Bucket=bucket, Key="k")["Metadata"] == {"x": "y"}
    for condition in ({"CopySourceIfMatch": '"no"'}, {"CopySourceIfNoneMatch": etag}):
        with refused("PreconditionFailed", 412):
            boto.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k", **condition)
    assert [row["Key"] for row in boto.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]


def test_versions_are_read_copied_and_deleted(boto: Any, bucket: str) -> None:
    """Each by its id; a marker is no object."""
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    one = boto.put_object(Bucket=bucket, Key="k", Body=b"one", Tagging="v=1")["VersionId"]
    two = boto.put_object(Bucket=bucket, Key="k", Body=b"two")["VersionId"]
    got = boto.get_object(Bucket=bucket, Key="k", VersionId=one)
    assert (got["Body"].read(), got["VersionId"], got["TagCount"]) == (b"one", one, 1)
    assert boto.get_object(Bucket=bucket, Key="k")["VersionId"] == two
    boto.put_object_tagging(
        Bucket=bucket, Key="k", VersionId=one, Tagging={"TagSet": [{"Key": "w", "Value": "2"}]}
    )
    tags = boto.get_object_tagging(Bucket=bucket, Key="k", VersionId=one)
    assert (tags["TagSet"], tags["VersionId"]) == ([{"Key": "w", "Value": "2"}], one)
    assert boto.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    source = {"Bucket": bucket, "Key": "k", "VersionId": one}
    copied = boto.copy_object(Bucket=bucket, Key="k", CopySource=source)
    assert copied["CopySourceVersionId"] == one
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"one"
    gone = boto.delete_object(Bucket=bucket, Key="k")
    assert gone["DeleteMarker"]
    with refused("NoSuchKey", 404):
        boto.get_object(Bucket=bucket, Key="k")
    with refused("MethodNotAllowed", 405):
        boto.get_object(Bucket=bucket, Key="k", VersionId=gone["VersionId"])
    with refused("NoSuchVersion", 404):
        boto.get_object(Bucket=bucket, Key="k", VersionId="1000000000.00000")


# --- deletions, tags, attributes ------------------------------------------------------------------


def test_many_are_deleted_at_once(boto: Any, bucket: str) -> None:
    """What is not there counts as deleted; what is no key is told beside it."""
    keys = [f"k/{number:03d} & <é>" for number in range(25)]
    for key in keys[:5]:
        boto.put_object(Bucket=bucket, Key=key, Body=b"")
    done = boto.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert sorted(row["Key"] for row in done["Deleted"]) == sorted(keys)
    assert "Errors" not in done
    assert "Contents" not in boto.list_objects_v2(Bucket=bucket)
    done = boto.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}], "Quiet": True})
    assert "Deleted" not in done
    with refused("MalformedXML", 400):
        boto.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": f"{n}"} for n in range(1001)]})
    with refused("NoSuchBucket", 404):
        boto.delete_objects(Bucket=f"{bucket}-not", Delete={"Objects": [{"Key": "k"}]})


def test_versions_are_deleted_at_once(boto: Any, bucket: str) -> None:
    """Markers are made, and versions go for good."""
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    one = boto.put_object(Bucket=bucket, Key="k", Body=b"one")["VersionId"]
    made = boto.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})["Deleted"]
    assert made[0]["DeleteMarker"]
    marker = made[0]["DeleteMarkerVersionId"]
    both = [{"Key": "k", "VersionId": one}, {"Key": "k", "VersionId": marker}]
    done = boto.delete_objects(Bucket=bucket, Delete={"Objects": both})["Deleted"]
    assert {row["VersionId"] for row in done} == {one, marker}
    assert "Versions" not in boto.list_object_versions(Bucket=bucket)


def test_tags(boto: Any, bucket: str) -> None:
    """Are said at the upload or later, and change nothing else."""
    boto.put_object(
        Bucket=bucket,
        Key="k",
        Body=BODY,
        Metadata={"m": "1"},
        ContentDisposition="inline",
        Tagging="a=1&b=x%20y",
    )
    tags = boto.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert tags == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "x y"}]
    assert boto.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    wanted = [{"Key": "ö=/", "Value": "ü: +@"}]
    boto.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": wanted})
    assert boto.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == wanted
    head = boto.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head["Metadata"], head["ContentDisposition"]) == ({"m": "1"}, "inline")
    assert head["ChecksumCRC32"]
    boto.delete_object_tagging(Bucket=bucket, Key="k")
    assert boto.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    for wrong in (
        [{"Key": str(n), "Value": ""} for n in range(11)],
        [{"Key": "a", "Value": ""}, {"Key": "a", "Value": ""}],
        [{"Key": "k" * 129, "Value": ""}],
        [{"Key": "k", "Value": "v" * 257}],
        [{"Key": "aws:k", "Value": ""}],
    ):
        with refused("InvalidTag", 400):
            boto.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": wrong})
    with refused("NoSuchKey", 404):
        boto.get_object_tagging(Bucket=bucket, Key="none")


def test_attributes(boto: Any, bucket: str) -> None:
    """Those that are asked for, and no others."""
    put = boto.put_object(Bucket=bucket, Key="k", Body=BODY, ChecksumAlgorithm="SHA256")
    names = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    found = boto.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=names)
    assert found["ETag"] == put["ETag"].strip('"')
    assert found["Checksum"] == {"ChecksumSHA256": put["ChecksumSHA256"], "ChecksumType": "FULL_OBJECT"}
    assert (found["StorageClass"], found["ObjectSize"], "ObjectParts" in found) == (
        "STANDARD",
        len(BODY),
        False,
    )
    found = boto.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"])
    assert (found["ObjectSize"], "ETag" in found) == (len(BODY), False)
    with refused("InvalidArgument", 400):
        boto.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Colour"])
    with refused("NoSuchKey", 404):
        boto.get_object_attributes(Bucket=bucket, Key="none", ObjectAttributes=["ETag"])
