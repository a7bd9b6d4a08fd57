"""The same objects through both APIs: what one writes the other reads, and the other way round."""

from __future__ import annotations

import hashlib
import json
from email.header import decode_header, make_header
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from s3 import S3Front

BODY = b"both doors"
MD5 = hashlib.md5(BODY).hexdigest()


@pytest.fixture
def boto(s3: S3Front) -> Any:
    """One client is enough here."""
    return s3.client()


def test_what_s3_puts_swift_gets(boto: Any, s3: S3Front, bucket: str) -> None:
    """Content, type, metadata; and in its listing."""
    boto.put_object(
        Bucket=bucket, Key="a/é b", Body=BODY, ContentType="text/x", Metadata={"Colour": "red"}, Tagging="t=1"
    )
    swift = s3.swift()
    reply = swift.get(bucket, "a/é b")
    assert reply.body == BODY
    said = reply.headers
    assert (said["etag"], said["content-type"], said["x-object-meta-colour"]) == (MD5, "text/x", "red")
    assert not any(
        "sysmeta" in name or name.startswith("x-amz-") for name in said if name not in _REQUEST_IDS
    )
    row = swift.get(bucket, format="json").json()[0]
    assert (row["name"], row["bytes"], row["hash"], row["content_type"]) == ("a/é b", 10, MD5, "text/x")


_REQUEST_IDS = ("x-amz-request-id", "x-amz-id-2")


def test_what_swift_puts_s3_gets(boto: Any, s3: S3Front, bucket: str) -> None:
    """Metadata that are not ASCII come as RFC 2047 has them; a POST changes what S3 sees."""
    swift = s3.swift()
    headers = {"Content-Type": "text/x", "X-Object-Meta-Colour": "red", "X-Object-Meta-Name": "J\xc3\xb6rg"}
    swift.put(bucket, "k", body=BODY, headers=headers)
    got = boto.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["ETag"], got["ContentType"]) == (BODY, f'"{MD5}"', "text/x")
    name = str(make_header(decode_header(got["Metadata"]["name"])))
    assert (got["Metadata"]["colour"], name) == ("red", "Jörg")
    swift.post(bucket, "k", headers={"X-Object-Meta-Colour": "blue", "X-Delete-After": "1000"})
    head = boto.head_object(Bucket=bucket, Key="k")
    assert head["Metadata"] == {"colour": "blue"}
    assert "swift-object-expiration" in head["Expiration"]
    swift.delete(bucket, "k")
    with pytest.raises(ClientError):
        boto.head_object(Bucket=bucket, Key="k")


def test_trap_85_swifts_large_objects(boto: Any, s3: S3Front, bucket: str) -> None:
    """Are read whole and in parts; their ETag is no MD5 and says so; conditions take it back."""
    swift = s3.swift()
    parts = [b"x" * 10, b"y" * 5]
    for number, part in enumerate(parts):
        swift.put(bucket, f"seg/{number}", body=part)
    manifest = [{"path": f"/{bucket}/seg/{number}"} for number in range(2)]
    query = {"multipart-manifest": "put"}
    assert swift.request("PUT", bucket, "slo", query=query, body=json.dumps(manifest).encode()).status == 201
    got = boto.get_object(Bucket=bucket, Key="slo")
    assert got["Body"].read() == b"".join(parts)
    assert got["ETag"].endswith('-N"')
    boto.get_object(Bucket=bucket, Key="slo", IfMatch=got["ETag"])
    with pytest.raises(ClientError, match="304"):
        boto.get_object(Bucket=bucket, Key="slo", IfNoneMatch=got["ETag"])
    second = boto.get_object(Bucket=bucket, Key="slo", PartNumber=2)
    assert (second["Body"].read(), second["PartsCount"]) == (parts[1], 2)
    assert boto.head_object(Bucket=bucket, Key="slo")["ContentLength"] == 15
    swift.put(bucket, "dlo", headers={"X-Object-Manifest": f"{bucket}/seg/"})
    assert boto.get_object(Bucket=bucket, Key="dlo")["Body"].read() == b"".join(parts)
    boto.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/slo")
    assert swift.get(bucket, "copy").body == b"".join(parts)
    boto.delete_object(Bucket=bucket, Key="slo")
    assert swift.head(bucket, "slo").status == 404


def test_a_copy_through_one_door_of_what_came_through_the_other(boto: Any, s3: S3Front, bucket: str) -> None:
    """Keeps what the first one said of it."""
    swift = s3.swift()
    boto.put_object(Bucket=bucket, Key="s3", Body=BODY, Metadata={"m": "1"}, Tagging="t=1")
    swift.put(bucket, "swift", headers={"X-Copy-From": f"{bucket}/s3"})
    head = boto.head_object(Bucket=bucket, Key="swift", ChecksumMode="ENABLED")
    assert (head["Metadata"], head["ETag"], "ChecksumCRC32" in head) == ({"m": "1"}, f'"{MD5}"', True)
    swift.put(bucket, "a", body=BODY, headers={"X-Object-Meta-M": "2"})
    boto.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    assert swift.head(bucket, "b").headers["x-object-meta-m"] == "2"


def test_trap_51_the_stores_own_headers_mean_nothing_in_s3(boto: Any, s3: S3Front, bucket: str) -> None:
    """CVE-2026-71192: neither copies, nor links, nor manifests are made by them."""
    boto.put_object(Bucket=bucket, Key="secret", Body=b"secret")
    evil = {
        "X-Copy-From": f"/{bucket}/secret",
        "X-Symlink-Target": f"{bucket}/secret",
        "X-Object-Manifest": f"{bucket}/secret",
        "X-Static-Large-Object": "true",
        "X-Object-Meta-Evil": "1",
    }

    def add(params: dict[str, Any], **_: Any) -> None:
        params["headers"].update(evil)

    boto.meta.events.register("before-call.s3.PutObject", add)
    boto.put_object(Bucket=bucket, Key="k", Body=BODY)
    got = boto.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["ETag"], got["Metadata"]) == (BODY, f'"{MD5}"', {})
    headers = s3.swift().head(bucket, "k").headers
    assert not {name.lower() for name in evil} & headers.keys()


def test_trap_84_parts_go_with_what_replaces_or_deletes_them(boto: Any, s3: S3Front, bucket: str) -> None:
    """A multipart upload that is copied stays itself; one that is deleted leaves no part to be seen."""
    begun = boto.create_multipart_upload(Bucket=bucket, Key="k", Metadata={"m": "1"})["UploadId"]
    part = boto.upload_part(Bucket=bucket, Key="k", UploadId=begun, PartNumber=1, Body=BODY)
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    done = boto.complete_multipart_upload(
        Bucket=bucket, Key="k", UploadId=begun, MultipartUpload={"Parts": parts}
    )
    swift = s3.swift()
    reply = swift.get(bucket, "k")
    assert (reply.body, reply.headers["x-object-meta-m"]) == (BODY, "1")
    copied = boto.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")["CopyObjectResult"]
    assert (copied["ETag"], done["ETag"][-3:]) == (f'"{MD5}"', '-1"')
    assert boto.head_object(Bucket=bucket, Key="copy")["Metadata"] == {"m": "1"}
    names = ["ETag", "ObjectParts", "Checksum", "ObjectSize"]
    found = boto.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=names)
    assert found["ObjectParts"]["TotalPartsCount"] == 1
    assert (f'"{found["ETag"]}"', found["ObjectSize"]) == (done["ETag"], len(BODY))
    boto.put_object(Bucket=bucket, Key="k", Body=b"new")
    assert swift.get(bucket, "k").body == b"new"


def test_trap_86_metadata_of_two_kilobytes(boto: Any, s3: S3Front, bucket: str) -> None:
    """S3 reads a long value whole, copies it and keeps it; Swift sees it in pieces, and may replace it."""
    swift, long = s3.swift(), "grün und lang " * 120 + "."
    wire = quote(long)[:1900]
    boto.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"a": wire, "b": "short"})
    boto.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": []})
    boto.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    for key in ("k", "copy"):
        assert boto.head_object(Bucket=bucket, Key=key)["Metadata"] == {"a": wire, "b": "short"}
    headers = swift.head(bucket, "k").headers
    pieces = [headers["x-object-meta-a"], *(headers[f"x-object-meta-a={at}"] for at in range(2, 9))]
    assert "".join(pieces) == wire
    assert swift.post(bucket, "k", headers={"X-Object-Meta-B": "other"}).status == 202
    assert boto.head_object(Bucket=bucket, Key="k")["Metadata"] == {"b": "other"}
    with pytest.raises(ClientError, match="MetadataTooLarge"):
        boto.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"a": "x" * 2048})
