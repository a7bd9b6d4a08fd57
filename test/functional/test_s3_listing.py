"""Listings of a bucket, as boto3, awscli, minio-py, s3cmd and rclone ask for them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from hashlib import md5
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from minio import Minio
from s3 import REGION, S3Front
from store import KEYS, ask

ODD = ["a b", "a+b", "a/ü", "a/ü/", "a/ü/&<>\"'", "a/%2F", "a/\x01\n", "~", "\U0001f600"]
"""Keys that clients and servers have been known to mistake for others."""


def fill(boto: Any, bucket: str, keys: Sequence[str]) -> None:
    for key in keys:
        boto.put_object(Bucket=bucket, Key=key, Body=key.encode())


def keys_of(page: Mapping[str, Any]) -> list[str]:
    return [row["Key"] for row in page.get("Contents", ())]


def prefixes_of(page: Mapping[str, Any]) -> list[str]:
    return [row["Prefix"] for row in page.get("CommonPrefixes", ())]


def run(words: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(words, env=dict(environment), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def minio(s3: S3Front) -> Minio:
    return Minio(
        urlsplit(s3.endpoint).netloc,
        access_key="test:tester",
        secret_key=KEYS["test:tester"],
        secure=False,
        region=REGION,
    )


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_trap_70_odd_keys_are_listed_as_they_are(boto: Any, bucket: str, operation: str) -> None:
    """In the order of their bytes, page by page, with size and ETag."""
    fill(boto, bucket, ODD)
    pages = boto.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    rows = [row for page in pages for row in page["Contents"]]
    assert [row["Key"] for row in rows] == sorted(ODD)
    for row in rows:
        body = row["Key"].encode()
        assert row["ETag"] == f'"{md5(body).hexdigest()}"'
        assert row["Size"] == len(body)
        assert row["StorageClass"] == "STANDARD"


def test_trap_72_pages_of_folders(boto: Any, bucket: str) -> None:
    """Each folder once, and the exact end is the end."""
    fill(boto, bucket, ["asdf", "boo/bar", "boo/baz/xyzzy", "cquux/thud", "cquux/bla"])
    first = boto.list_objects(Bucket=bucket, Delimiter="/", MaxKeys=2)
    assert (keys_of(first), prefixes_of(first)) == (["asdf"], ["boo/"])
    assert (first["IsTruncated"], first["NextMarker"]) == (True, "boo/")
    last = boto.list_objects(Bucket=bucket, Delimiter="/", MaxKeys=1, Marker=first["NextMarker"])
    assert (keys_of(last), prefixes_of(last), last["IsTruncated"]) == ([], ["cquux/"], False)
    inner = boto.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="boo/", MaxKeys=1)
    assert (keys_of(inner), inner["KeyCount"], inner["IsTruncated"]) == (["boo/bar"], 1, True)
    token = inner["NextContinuationToken"]
    rest = boto.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="boo/", ContinuationToken=token)
    assert (prefixes_of(rest), rest["ContinuationToken"]) == (["boo/baz/"], token)
    assert "NextContinuationToken" not in rest


def test_trap_72_arguments_that_make_no_sense(s3: S3Front, bucket: str) -> None:
    """InvalidArgument; a page of no keys is no mistake."""
    boto = s3.client()
    for wrong in ({"MaxKeys": -1}, {"ContinuationToken": ""}, {"ContinuationToken": "!"}):
        with pytest.raises(ClientError) as caught:
            boto.list_objects_v2(Bucket=bucket, **wrong)
        assert caught.value.response["Error"]["Code"] == "InvalidArgument"
    fill(boto, bucket, ["a"])
    nothing = boto.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert (nothing["KeyCount"], nothing["IsTruncated"]) == (0, False)


def test_owners_and_start_after(boto: Any, bucket: str) -> None:
    """The second form tells owners where that is asked for."""
    fill(boto, bucket, ["a", "b"])
    plain = boto.list_objects_v2(Bucket=bucket, StartAfter="a")
    assert keys_of(plain) == ["b"]
    assert "Owner" not in plain["Contents"][0]
    owned = boto.list_objects_v2(Bucket=bucket, FetchOwner=True)
    older = boto.list_objects(Bucket=bucket)
    assert owned["Contents"][0]["Owner"] == older["Contents"][0]["Owner"]


def test_the_moment_is_the_one_that_the_object_tells(s3: S3Front, bucket: str) -> None:
    """Whoever compares them must find nothing to do."""
    boto = s3.client()
    fill(boto, bucket, ["a"])
    (row,) = boto.list_objects_v2(Bucket=bucket)["Contents"]
    assert row["LastModified"] == boto.head_object(Bucket=bucket, Key="a")["LastModified"]


def test_a_stranger_may_not_list(s3: S3Front, bucket: str) -> None:
    """Trap 57: AccessDenied, until the container's list of readers says otherwise, in either door's words."""
    account = s3.swift().account
    path = f"/{account}:{bucket}?list-type=2"
    reply = ask(s3.store.address, "GET", path, {})
    assert reply.status == 403, reply
    assert b"<Code>AccessDenied</Code>" in reply.body
    s3.swift().post(bucket, headers={"X-Container-Read": ".r:*,.rlistings"})
    reply = ask(s3.store.address, "GET", path, {})
    assert reply.status == 200, reply
    assert b"<KeyCount>0</KeyCount>" in reply.body


def test_both_doors_list_the_same(s3: S3Front, bucket: str) -> None:
    """What one writes, the other one's listing has; a large object of the store's own has an ETag of S3's form."""
    boto, swift = s3.client(), s3.swift()
    fill(boto, bucket, ODD)
    assert swift.names_in(bucket) == sorted(ODD)
    swift.put(bucket, "segments/1", body=b"11")
    swift.put(bucket, "segments/2", body=b"2")
    manifest = json.dumps([{"path": f"/{bucket}/segments/{number}"} for number in (1, 2)]).encode()
    made = swift.request("PUT", bucket, "whole", body=manifest, query={"multipart-manifest": "put"})
    assert made.status == 201
    rows = {row["Key"]: row for row in boto.list_objects_v2(Bucket=bucket)["Contents"]}
    assert set(rows) == {*ODD, "segments/1", "segments/2", "whole"}
    assert rows["whole"]["Size"] == 3
    assert rows["whole"]["ETag"] == f'"{made.headers["etag"].strip(chr(34))}-N"'


def test_trap_85_uploads_in_parts_have_one_etag_in_all_listings(s3: S3Front, bucket: str) -> None:
    """The one that completing told; the store's own clients find it beside theirs."""
    boto = s3.client()
    upload = boto.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = boto.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    etag = boto.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)[
        "ETag"
    ]
    assert etag.endswith('-1"')
    (row,) = boto.list_objects_v2(Bucket=bucket)["Contents"]
    assert (row["ETag"], row["Size"]) == (etag, 1)
    (shown,) = s3.swift().get(bucket, format="json").json()
    assert shown["s3_etag"] == etag
    assert ";" not in shown["hash"]


def test_awscli_lists(s3: S3Front, bucket: str) -> None:
    """`aws s3 ls` and `aws s3api`, over plain HTTP and TLS."""
    fill(s3.client(), bucket, ["a b", "d/ü", "d/e/f"])
    for tls in (False, True):
        environment = s3.environment(tls=tls)
        listed = run(["aws", "s3", "ls", f"s3://{bucket}/", "--recursive", "--page-size", "2"], environment)
        assert [line.split(maxsplit=3)[3] for line in listed.splitlines()] == ["a b", "d/e/f", "d/ü"]
        listed = run(["aws", "s3", "ls", f"s3://{bucket}/d/"], environment)
        assert [line.split()[-1] for line in listed.splitlines()] == ["e/", "ü"]


def test_minio_py_lists(s3: S3Front, bucket: str) -> None:
    """It decodes a plus sign as a space."""
    fill(s3.client(), bucket, ODD)
    found = list(minio(s3).list_objects(bucket, recursive=True))
    assert [each.object_name for each in found] == sorted(ODD)
    shown = {each.object_name for each in minio(s3).list_objects(bucket)}
    assert shown == {"a b", "a+b", "a/", "~", "\U0001f600"}


@pytest.mark.skipif(not shutil.which("s3cmd"), reason="s3cmd is not installed")
def test_s3cmd_lists(s3: S3Front, bucket: str) -> None:
    """`s3cmd ls`, which knows the first form only."""
    fill(s3.client(), bucket, ["a b", "d/ü"])
    host = urlsplit(s3.endpoint).netloc
    user = "test:tester"
    words = ["s3cmd", "--no-ssl", f"--host={host}", f"--host-bucket={host}", f"--access_key={user}"]
    words += [f"--secret_key={KEYS[user]}", "--config=/dev/null", "--encoding=UTF-8"]
    listed = run([*words, "ls", "--recursive", f"s3://{bucket}/"], os.environ)
    assert [line.partition("s3://")[2] for line in listed.splitlines()] == [f"{bucket}/a b", f"{bucket}/d/ü"]


@pytest.mark.skipif(not shutil.which("rclone"), reason="rclone is not installed")
@pytest.mark.parametrize("provider", ["Minio", "Ceph", "Other"])
def test_rclone_lists(s3: S3Front, bucket: str, provider: str) -> None:
    """With encoded names and without; it turns them off for providers that got them wrong (trap 71)."""
    readable = [key for key in ODD if "\n" not in key and not key.endswith("/")]
    fill(s3.client(), bucket, readable)
    options = {
        "TYPE": "s3",
        "PROVIDER": provider,
        "ACCESS_KEY_ID": "test:tester",
        "SECRET_ACCESS_KEY": KEYS["test:tester"],
        "ENDPOINT": s3.endpoint,
        "REGION": REGION,
        "FORCE_PATH_STYLE": "true",
    }
    remote = {f"RCLONE_CONFIG_S_{name}": value for name, value in options.items()}
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {**ours, **remote, "RCLONE_CONFIG": os.devnull}
    listed = run(["rclone", "lsjson", "--recursive", "--files-only", f"s:{bucket}"], environment)
    assert sorted(row["Path"] for row in json.loads(listed)) == sorted(readable)
