"""What is left beside a bucket, in BUCKET+segments, after everything that can happen to an upload: nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clusters import AllInOne
from s3 import S3Front, s3_front
from store import Client

Act = Callable[[Any, str, Client], object]


@pytest.fixture(scope="module")
def hasty(shared_cluster: AllInOne, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Front]:
    """A door that keeps no parts for downloads which have begun."""
    options = {"min_segment_size": "1", "parts_kept_seconds": "0"}
    with s3_front(shared_cluster, tmp_path_factory.mktemp("s3hasty"), options) as opened:
        yield opened


def made(client: Any, bucket: str, key: str = "k", *bodies: bytes) -> str | None:
    """Make an object of parts; return its version."""
    names = begun(client, bucket, key)
    parts = [
        {"PartNumber": n, "ETag": client.upload_part(**names, PartNumber=n, Body=body)["ETag"]}
        for n, body in enumerate(bodies or (b"one", b"two"), 1)
    ]
    return client.complete_multipart_upload(**names, MultipartUpload={"Parts": parts}).get("VersionId")


def begun(client: Any, bucket: str, key: str = "k") -> dict[str, str]:
    upload_id = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    return {"Bucket": bucket, "Key": key, "UploadId": upload_id}


def versions_deleted(client: Any, bucket: str, _: Client) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    made(client, bucket)
    made(client, bucket)
    client.delete_object(Bucket=bucket, Key="k")
    for row in client.list_object_versions(Bucket=bucket)["Versions"]:
        client.delete_object(Bucket=bucket, Key="k", VersionId=row["VersionId"])


def by_aws(client: Any, bucket: str, _: Client) -> None:
    pass


def if_match(client: Any, bucket: str, _: Client) -> None:
    etag = client.head_object(Bucket=bucket, Key="k")["ETag"]
    client.delete_object(Bucket=bucket, Key="k", IfMatch=etag)


ACTS: dict[str, Act] = {
    "DeleteObject": lambda client, bucket, _: client.delete_object(Bucket=bucket, Key="k"),
    "DeleteObject if": if_match,
    "DeleteObjects": lambda client, bucket, _: client.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": "k"}]}
    ),
    "PutObject": lambda client, bucket, _: client.put_object(Bucket=bucket, Key="k", Body=b"new"),
    "CopyObject": lambda client, bucket, _: (
        client.put_object(Bucket=bucket, Key="other", Body=b"new"),
        client.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "other"}),
    ),
    "Swift's DELETE of all": lambda client, bucket, swift: swift.request(
        "DELETE", bucket, "k", query={"multipart-manifest": "delete"}
    ),
    "Swift's DELETE of all, later": lambda client, bucket, swift: swift.request(
        "DELETE", bucket, "k", query={"multipart-manifest": "delete", "async": "yes"}
    ),
    "versions": versions_deleted,
}


@pytest.fixture(scope="module")
def left_overs(hasty: S3Front, shared_cluster: AllInOne) -> dict[str, str]:
    """A bucket for each of the acts, after it, and after the daemons."""
    client, swift = hasty.client(), hasty.swift()
    buckets = {}
    for number, (name, act) in enumerate(ACTS.items()):
        bucket = buckets[name] = f"orphans-{number}"
        client.create_bucket(Bucket=bucket)
        if name != "versions":
            made(client, bucket)
        act(client, bucket, swift)
    shared_cluster.once("container-updater", "object-expirer")
    return buckets


@pytest.mark.parametrize("name", ACTS)
def test_the_expirer_leaves_nothing(hasty: S3Front, left_overs: dict[str, str], name: str) -> None:
    """One pass of it is enough."""
    assert hasty.swift().names_in(f"{left_overs[name]}+segments") == []
