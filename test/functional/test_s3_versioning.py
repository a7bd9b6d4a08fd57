"""Versions of objects, as boto3, awscli and minio-py use them, and as the other door sees them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from minio import Minio
from s3 import REGION, S3Front
from store import KEYS


@pytest.fixture
def versioned(s3: S3Front, bucket: str) -> str:
    """A bucket with versions."""
    set_state(s3.client(), bucket, "Enabled")
    return bucket


def set_state(boto: Any, bucket: str, state: str) -> None:
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": state})


def put(boto: Any, bucket: str, body: bytes, key: str = "k") -> str:
    version_id: str = boto.put_object(Bucket=bucket, Key=key, Body=body).get("VersionId", "null")
    return version_id


def get(boto: Any, bucket: str, key: str = "k", **which: str) -> bytes:
    body: bytes = boto.get_object(Bucket=bucket, Key=key, **which)["Body"].read()
    return body


def refusal(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str, Mapping[str, str]]:
    answer: Any = caught.value.response
    facts = answer["ResponseMetadata"]
    return facts["HTTPStatusCode"], answer["Error"]["Code"], facts["HTTPHeaders"]


def listed(boto: Any, bucket: str, **query: Any) -> list[tuple[str, str, bool, bool]]:
    """Key, id, whether it is the latest, and whether it is a marker; newest first."""
    rows: list[tuple[str, str, bool, bool]] = []
    for page in boto.get_paginator("list_object_versions").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 2}, **query
    ):
        for name in ("Versions", "DeleteMarkers"):
            rows += [
                (row["Key"], row["VersionId"], row["IsLatest"], name == "DeleteMarkers")
                for row in page.get(name, ())
            ]
    return sorted(rows, key=lambda row: (row[0], "" if row[1] == "null" else row[1]), reverse=True)


def test_the_state_of_a_bucket(boto: Any, bucket: str) -> None:
    """None, Enabled, Suspended."""
    assert "Status" not in boto.get_bucket_versioning(Bucket=bucket)
    for state in ("Enabled", "Suspended", "Enabled"):
        set_state(boto, bucket, state)
        assert boto.get_bucket_versioning(Bucket=bucket)["Status"] == state


def test_versions_come_and_go(boto: Any, versioned: str) -> None:
    """Each is there under its id until it is deleted itself."""
    first, second = put(boto, versioned, b"1"), put(boto, versioned, b"22")
    assert first != second
    assert get(boto, versioned) == b"22"
    assert get(boto, versioned, VersionId=first) == b"1"
    head = boto.head_object(Bucket=versioned, Key="k", VersionId=first)
    assert (head["VersionId"], head["ContentLength"]) == (first, 1)
    marked = boto.delete_object(Bucket=versioned, Key="k")
    assert marked["DeleteMarker"] is True
    marker = marked["VersionId"]
    assert listed(boto, versioned) == [
        ("k", marker, True, True),
        ("k", second, False, False),
        ("k", first, False, False),
    ]
    assert "Contents" not in boto.list_objects_v2(Bucket=versioned)
    with pytest.raises(ClientError) as caught:
        get(boto, versioned)
    status, code, headers = refusal(caught)
    assert (status, code, headers["x-amz-delete-marker"]) == (404, "NoSuchKey", "true")
    assert headers["x-amz-version-id"] == marker
    with pytest.raises(ClientError) as caught:
        get(boto, versioned, VersionId=marker)
    status, code, headers = refusal(caught)
    assert (status, code, headers["x-amz-delete-marker"]) == (405, "MethodNotAllowed", "true")
    unmarked = boto.delete_object(Bucket=versioned, Key="k", VersionId=marker)
    assert (unmarked["DeleteMarker"], unmarked["VersionId"]) == (True, marker)
    assert get(boto, versioned) == b"22"
    assert boto.delete_object(Bucket=versioned, Key="k", VersionId=second)["VersionId"] == second
    assert get(boto, versioned) == b"1"
    boto.delete_object(Bucket=versioned, Key="k", VersionId=first)
    assert listed(boto, versioned) == []


def test_trap_88_version_null(s3: S3Front, bucket: str) -> None:
    """What was written without versions is `null`; deleting it brings back what is below."""
    boto = s3.client()
    put(boto, bucket, b"before")
    set_state(boto, bucket, "Enabled")
    assert listed(boto, bucket) == [("k", "null", True, False)]
    assert get(boto, bucket, VersionId="null") == b"before"
    boto.delete_object(Bucket=bucket, Key="k", VersionId="null")
    version_id = put(boto, bucket, b"1")
    boto.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert get(boto, bucket) == b"1"
    set_state(boto, bucket, "Suspended")
    put(boto, bucket, b"after")
    assert listed(boto, bucket) == [("k", version_id, False, False), ("k", "null", True, False)]
    boto.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert get(boto, bucket) == b"1"


def test_ids_that_are_none(s3: S3Front, versioned: str, bucket: str) -> None:
    """InvalidArgument for what cannot be one, NoSuchVersion for one that is not there; a DELETE of it is done."""
    boto = s3.client()
    put(boto, versioned, b"1")
    for version_id, status, code in (
        ("x", 400, "InvalidArgument"),
        ("1700000000.00000", 404, "NoSuchVersion"),
    ):
        with pytest.raises(ClientError) as caught:
            get(boto, versioned, VersionId=version_id)
        assert refusal(caught)[:2] == (status, code)
    boto.delete_object(Bucket=versioned, Key="k", VersionId="1700000000.00000")
    with pytest.raises(ClientError) as caught:
        boto.list_object_versions(Bucket=versioned, VersionIdMarker="null", KeyMarker="")
    assert refusal(caught)[:2] == (400, "InvalidArgument")


def test_trap_73_pages_of_versions(boto: Any, versioned: str) -> None:
    """Page by page each version once, with folders rolled up at whatever delimiter."""
    for key in ("a.b/1", "a.b/2", "a/1", "b", "c d", "c d"):
        put(boto, versioned, b"", key)
    boto.delete_object(Bucket=versioned, Key="b")
    assert len(listed(boto, versioned)) == 7
    for delimiter, prefixes in (
        ("/", ["a.b/", "a/"]),
        (".", ["a."]),
        ("1", ["a.b/1", "a/1"]),
        ("d", ["c d"]),
    ):
        found: list[str] = []
        for page in boto.get_paginator("list_object_versions").paginate(
            Bucket=versioned, Delimiter=delimiter, PaginationConfig={"PageSize": 1}
        ):
            found += [row["Prefix"] for row in page.get("CommonPrefixes", ())]
        assert found == prefixes
    within = boto.list_object_versions(Bucket=versioned, Prefix="c d", MaxKeys=1)
    assert (within["IsTruncated"], within["NextKeyMarker"]) == (True, "c d")
    assert within["NextVersionIdMarker"] == within["Versions"][0]["VersionId"]


def test_both_doors_see_the_same_versions(s3: S3Front, versioned: str) -> None:
    """Ids, contents, markers and the bucket's state."""
    boto, swift = s3.client(), s3.swift()
    assert swift.head(versioned).headers["x-versions-enabled"].lower() == "true"
    first = put(boto, versioned, b"1")
    second = swift.put(versioned, "k", body=b"2").headers["x-object-version-id"]
    assert get(boto, versioned, VersionId=second) == b"2"
    assert swift.request("GET", versioned, "k", query={"version-id": first}).body == b"1"
    swift.delete(versioned, "k")
    rows = swift.request("GET", versioned, query={"versions": "", "format": "json"}).json()
    assert [(row["name"], row["version_id"]) for row in rows] == [row[:2] for row in listed(boto, versioned)]
    swift.post(versioned, headers={"X-Versions-Enabled": "false"})
    assert boto.get_bucket_versioning(Bucket=versioned)["Status"] == "Suspended"


def test_trap_68_a_bucket_with_versions_left_stays(s3: S3Front, versioned: str) -> None:
    """BucketNotEmpty, though no object is to be seen."""
    boto = s3.client()
    put(boto, versioned, b"1")
    boto.delete_object(Bucket=versioned, Key="k")
    with pytest.raises(ClientError) as caught:
        boto.delete_bucket(Bucket=versioned)
    assert refusal(caught)[:2] == (409, "BucketNotEmpty")


def test_trap_68_an_upload_in_parts_is_a_version(s3: S3Front, versioned: str) -> None:
    """Its parts stay as long as it does, and no longer."""
    boto, swift = s3.client(), s3.swift()
    upload = boto.create_multipart_upload(Bucket=versioned, Key="k")["UploadId"]
    part = boto.upload_part(Bucket=versioned, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    done = boto.complete_multipart_upload(Bucket=versioned, Key="k", UploadId=upload, MultipartUpload=parts)
    boto.delete_object(Bucket=versioned, Key="k")
    assert get(boto, versioned, VersionId=done["VersionId"]) == b"x"
    (row,) = boto.list_object_versions(Bucket=versioned)["Versions"]
    assert (row["ETag"], row["Size"]) == (done["ETag"], 1)
    assert len(swift.names_in(f"{versioned}+segments")) == 1
    boto.delete_object(Bucket=versioned, Key="k", VersionId=done["VersionId"])
    with pytest.raises(ClientError):
        get(boto, versioned, VersionId=done["VersionId"])


def test_awscli_and_minio_py(s3: S3Front, versioned: str) -> None:
    """The other programs' ways to the same."""
    boto = s3.client()
    first, second = put(boto, versioned, b"1", "ü k"), put(boto, versioned, b"2", "ü k")
    words = ["aws", "s3api", "list-object-versions", "--bucket", versioned, "--page-size", "1"]
    done = subprocess.run(words, env=s3.environment(tls=True), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert [row["VersionId"] for row in json.loads(done.stdout)["Versions"]] == [second, first]
    minio = Minio(
        urlsplit(s3.endpoint).netloc,
        access_key="test:tester",
        secret_key=KEYS["test:tester"],
        secure=False,
        region=REGION,
    )
    assert minio.get_bucket_versioning(versioned).status == "Enabled"
    found = list(minio.list_objects(versioned, recursive=True, include_version=True))
    assert [(each.object_name, each.version_id, each.is_latest) for each in found] == [
        ("ü k", second, "true"),
        ("ü k", first, "false"),
    ]
