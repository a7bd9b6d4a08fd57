"""Objects of several parts through both APIs: what one makes the other reads, copies, links to and deletes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from programs import REMOTE, rclone, swift
from s3 import S3Front
from store import Client

PART, LAST = b"0123456789" * 524_289, b"the end"
"""The first one is just over Amazon's five megabytes."""
WHOLE = PART + LAST


@pytest.fixture(scope="module")
def boto(s3: S3Front) -> Any:
    return s3.client()


@pytest.fixture(scope="module")
def door(s3: S3Front) -> Client:
    """The Swift API's."""
    return s3.swift()


@pytest.fixture
def large(boto: Any, bucket: str) -> str:
    """A bucket with an object k of two parts, made through S3."""
    names = {"Bucket": bucket, "Key": "k"}
    names["UploadId"] = boto.create_multipart_upload(**names, Metadata={"colour": "red"})["UploadId"]
    parts = [
        {"PartNumber": n, "ETag": boto.upload_part(**names, PartNumber=n, Body=body)["ETag"]}
        for n, body in ((1, PART), (2, LAST))
    ]
    boto.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})
    return bucket


@pytest.fixture
def spread(door: Client, bucket: str) -> str:
    """A bucket with an object k made through Swift: a manifest that names another one, and two containers."""
    for container, name, body in ((f"{bucket}-a", "1", b"one"), (f"{bucket}-b", "2", b"two")):
        assert door.put(container).status == 201
        assert door.put(container, name, body=body).status == 201
    manifest(door, bucket, "inner", f"/{bucket}-a/1")
    manifest(door, bucket, "k", f"/{bucket}/inner", f"/{bucket}-b/2")
    return bucket


def manifest(door: Client, bucket: str, name: str, *paths: str) -> None:
    body = json.dumps([{"path": path} for path in paths]).encode()
    reply = door.request("PUT", bucket, name, query={"multipart-manifest": "put"}, body=body)
    assert reply.status == 201, reply


def body_of(boto: Any, bucket: str, key: str, **more: Any) -> bytes:
    body: bytes = boto.get_object(Bucket=bucket, Key=key, **more)["Body"].read()
    return body


def test_swifts_programs_download_it(s3: S3Front, large: str, tmp_path: Path) -> None:
    """The `swift` command holds it against its ETag, and rclone takes it for one object."""
    swift(s3.store, "download", large, "k", "--output", "got", cwd=tmp_path)
    assert (tmp_path / "got").read_bytes() == WHOLE
    rclone(s3.store, "copyto", f"{REMOTE}:{large}/k", str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == WHOLE


def test_swift_copies_it(boto: Any, door: Client, large: str) -> None:
    """A copy is one plain object with the metadata; a copy of the manifest names the same parts."""
    assert door.request("COPY", large, "k", headers={"Destination": f"{large}/flat"}).status == 201
    got = boto.get_object(Bucket=large, Key="flat")
    assert (got["Body"].read(), got["Metadata"]) == (WHOLE, {"colour": "red"})
    query = {"multipart-manifest": "get"}
    again = {"Destination": f"{large}/again"}
    assert door.request("COPY", large, "k", headers=again, query=query).status == 201
    assert body_of(boto, large, "again") == WHOLE


def test_a_link_leads_to_it(boto: Any, door: Client, large: str) -> None:
    """Whole, and in ranges and parts."""
    assert door.put(large, "link", headers={"X-Symlink-Target": f"{large}/k"}).status == 201
    assert body_of(boto, large, "link") == WHOLE
    assert body_of(boto, large, "link", PartNumber=2) == LAST
    assert body_of(boto, large, "link", Range=f"bytes={len(PART) - 1}-{len(PART)}") == b"9t"


def test_swifts_versions_are_s3s(boto: Any, door: Client, large: str) -> None:
    """Each of them with its own parts, whichever API overwrites or deletes."""
    assert door.post(large, headers={"X-Versions-Enabled": "true"}).status == 204
    assert door.put(large, "k", body=b"plain").status == 201
    assert door.delete(large, "k").status == 204
    versions = boto.list_object_versions(Bucket=large)
    assert [row["Size"] for row in versions["Versions"]] == [5, len(WHOLE)]
    first = versions["Versions"][-1]["VersionId"]
    assert body_of(boto, large, "k", VersionId=first) == WHOLE
    boto.delete_object(Bucket=large, Key="k", VersionId=versions["DeleteMarkers"][0]["VersionId"])
    assert body_of(boto, large, "k") == b"plain"


def test_swifts_manifests_are_read_in_parts(boto: Any, spread: str) -> None:
    """Of several levels and containers."""
    assert body_of(boto, spread, "k") == b"onetwo"
    second = boto.get_object(Bucket=spread, Key="k", PartNumber=2)
    assert (second["Body"].read(), second["PartsCount"]) == (b"two", 2)


def test_s3_deletes_what_swift_has_made(boto: Any, door: Client, spread: str) -> None:
    """With its segments, in all containers and of all levels."""
    boto.delete_object(Bucket=spread, Key="k")
    assert door.names_in(spread) == []
    for letter in "ab":
        assert door.names_in(f"{spread}-{letter}") == []
        assert door.delete(f"{spread}-{letter}").status == 204


def test_a_part_is_copied_of_what_swift_has_made(boto: Any, spread: str) -> None:
    """And of a range of it."""
    names = {"Bucket": spread, "Key": "made"}
    names["UploadId"] = boto.create_multipart_upload(**names)["UploadId"]
    source = {"Bucket": spread, "Key": "k"}
    copied = boto.upload_part_copy(**names, PartNumber=1, CopySource=source, CopySourceRange="bytes=2-4")
    parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    boto.complete_multipart_upload(**names, MultipartUpload={"Parts": parts})
    assert body_of(boto, spread, "made") == b"etw"


def test_swift_sees_no_upload_that_is_under_way(boto: Any, door: Client, bucket: str) -> None:
    """Its parts are beside the bucket, which S3 does not list."""
    names = {"Bucket": bucket, "Key": "k"}
    names["UploadId"] = boto.create_multipart_upload(**names)["UploadId"]
    boto.upload_part(**names, PartNumber=1, Body=b"x")
    assert door.names_in(bucket) == []
    assert f"{bucket}+segments" not in [row["Name"] for row in boto.list_buckets()["Buckets"]]
    with pytest.raises(ClientError, match="404"):
        boto.head_object(Bucket=bucket, Key="k")
