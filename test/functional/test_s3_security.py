"""What must not be had through the S3 door: what belongs to others, what is locked, what was never signed.

Each test is named after a trap that other stores have fallen into, or after the hole that this one had.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import http.client
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import botocore.handlers
import pytest
from botocore.exceptions import ClientError
from s3 import S3Front, bucket_of
from store import ask

TAGS = {"TagSet": [{"Key": "a", "Value": "1"}]}
TAGGING = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"


def code_of(asked: Callable[[], Any]) -> str:
    """Return the code of what refuses a request; nothing when nothing does."""
    try:
        asked()
    except ClientError as refusal:
        found: str = refusal.response["Error"]["Code"]
        return found
    return ""


def sent(
    url: str, method: str, added: str = "", body: str = "", headers: Mapping[str, str] | None = None
) -> int:
    """Return the status of a request whose URL goes out as it stands; client libraries respell it."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=180)
    connection.request(method, f"{parts.path}?{parts.query}{added}", body.encode(), dict(headers or {}))
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.fixture
def stranger(s3: S3Front) -> Any:
    """Somebody of another account, whose client takes `ACCOUNT:BUCKET` for a name."""
    client = s3.client("test2:tester2")
    client.meta.events.unregister("before-parameter-build.s3", botocore.handlers.validate_bucket_name)
    return client


@pytest.fixture(scope="module")
def room(s3: S3Front) -> Iterator[str]:
    """A bucket for tests that leave nothing which another one could find."""
    with bucket_of(s3.client()) as name:
        yield name


@pytest.fixture
def locked(s3: S3Front) -> str:
    """A bucket with object lock; it stays, as what is in it must."""
    client = s3.client()
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def in_days(days: int) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=days)


# --- strangers -------------------------------------------------------------------------------------


def test_a_stranger_changes_nothing_about_a_version(s3: S3Front, locked: str, stranger: Any) -> None:
    """Neither its tags nor what keeps it, by its id or without."""
    owner, theirs = s3.client(), f"AUTH_test:{locked}"
    version = owner.put_object(Bucket=locked, Key="k", Body=b"x", ObjectLockLegalHoldStatus="ON")["VersionId"]
    for which in ({}, {"VersionId": version}):
        at: dict[str, Any] = {"Bucket": theirs, "Key": "k", **which}
        for asked in (
            lambda at=at: stranger.put_object_tagging(**at, Tagging=TAGS),
            lambda at=at: stranger.delete_object_tagging(**at),
            lambda at=at: stranger.put_object_legal_hold(**at, LegalHold={"Status": "OFF"}),
            lambda at=at: stranger.put_object_retention(
                **at, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": in_days(9)}
            ),
            lambda at=at: stranger.delete_object(**at, BypassGovernanceRetention=True),
            lambda at=at: stranger.put_object_acl(**at, ACL="public-read"),
            lambda at=at: stranger.get_object_tagging(**at),
            lambda at=at: stranger.get_object_retention(**at),
            lambda at=at: stranger.get_object_attributes(**at, ObjectAttributes=["ETag"]),
        ):
            assert code_of(asked) == "AccessDenied", at
    kept = owner.head_object(Bucket=locked, Key="k", VersionId=version)
    assert kept["ObjectLockLegalHoldStatus"] == "ON"
    assert "ObjectLockMode" not in kept
    assert owner.get_object_tagging(Bucket=locked, Key="k")["TagSet"] == []


def test_a_stranger_is_told_of_no_key_whether_it_is_there(s3: S3Front, bucket: str, stranger: Any) -> None:
    """AccessDenied, whatever is asked: nothing of size, moment or ETag can be guessed."""
    s3.client().put_object(Bucket=bucket, Key="k", Body=b"secret")
    etag = s3.client().head_object(Bucket=bucket, Key="k")["ETag"]
    for key in ("k", "nothing"):
        at: dict[str, Any] = {"Bucket": f"AUTH_test:{bucket}", "Key": key}
        for asked in (
            lambda at=at: stranger.delete_object(**at, IfMatch=etag),
            lambda at=at: stranger.delete_object(**at, IfMatch='"other"'),
            lambda at=at: stranger.delete_object(**at, IfMatchSize=6),
            lambda at=at: stranger.delete_object(**at, IfMatchSize=7),
            lambda at=at: stranger.put_object(**at, Body=b"", IfNoneMatch="*"),
            lambda at=at: stranger.put_object(**at, Body=b"", IfMatch=etag),
            lambda at=at: stranger.put_object_tagging(**at, Tagging=TAGS),
            lambda at=at: stranger.get_object_acl(**at),
            lambda at=at: stranger.create_multipart_upload(**at),
            lambda at=at: stranger.copy_object(Bucket=at["Bucket"], Key="n", CopySource=at),
        ):
            assert code_of(asked) == "AccessDenied", at
        found = stranger.delete_objects(
            Bucket=at["Bucket"], Delete={"Objects": [{"Key": key, "Size": 6}, {"Key": key, "ETag": etag}]}
        )
        assert {error["Code"] for error in found["Errors"]} == {"AccessDenied"}


def test_parts_and_uploads_are_no_strangers(s3: S3Front, bucket: str, stranger: Any) -> None:
    """By the upload's id, which is no secret among those who may list; nor by the container of the parts."""
    owner, theirs = s3.client(), f"AUTH_test:{bucket}"
    upload = owner.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    etag = owner.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"secret")["ETag"]
    at: dict[str, Any] = {"Bucket": theirs, "Key": "k", "UploadId": upload}
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    for asked in (
        lambda: stranger.list_parts(**at),
        lambda: stranger.upload_part(**at, PartNumber=1, Body=b"evil"),
        lambda: stranger.upload_part_copy(**at, PartNumber=1, CopySource=f"{theirs}/k"),
        lambda: stranger.complete_multipart_upload(**at, MultipartUpload=parts),
        lambda: stranger.abort_multipart_upload(**at),
        lambda: stranger.list_multipart_uploads(Bucket=theirs),
        lambda: stranger.get_object(Bucket=f"{theirs}+segments", Key=f"k/{upload}/1"),
        lambda: stranger.list_objects_v2(Bucket=f"{theirs}+segments"),
        lambda: owner.copy_object(Bucket=bucket, Key="n", CopySource=f"{bucket}+segments/k/{upload}/1"),
    ):
        assert code_of(asked) in ("AccessDenied", "InvalidBucketName")
    owner.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    assert owner.get_object(Bucket=bucket, Key="k")["Body"].read() == b"secret"


def test_an_upload_is_of_one_key_in_one_bucket(s3: S3Front, bucket: str) -> None:
    """Its id opens no other one."""
    client = s3.client()
    upload = client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    with bucket_of(client) as other:
        for where in ({"Bucket": bucket, "Key": "other"}, {"Bucket": other, "Key": "k"}):
            at: dict[str, Any] = {**where, "UploadId": upload}
            for asked in (
                lambda at=at: client.upload_part(**at, PartNumber=1, Body=b"x"),
                lambda at=at: client.list_parts(**at),
                lambda at=at: client.abort_multipart_upload(**at),
            ):
                assert code_of(asked) == "NoSuchUpload"
    client.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)


def test_a_link_to_another_accounts_part_is_not_followed(s3: S3Front, bucket: str, stranger: Any) -> None:
    """Not even out of a bucket of the same name, which its owner lets everybody read."""
    owner, theirs = s3.client(), s3.swift("test2:tester2")
    upload = owner.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    owner.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"secret")
    plain = s3.client("test2:tester2")
    plain.create_bucket(Bucket=bucket)
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    document = {"Version": "2012-10-17", "Statement": [{**allow, "Resource": f"arn:aws:s3:::{bucket}/*"}]}
    plain.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))
    link = {
        "X-Symlink-Target": f"{bucket}+segments/k/{upload}/1",
        "X-Symlink-Target-Account": "AUTH_test",
        "Content-Length": "0",
    }
    try:
        assert theirs.put(bucket, "link", headers=link).status in (201, 403)
        assert theirs.get(bucket, "link").status == 403
        assert code_of(lambda: plain.get_object(Bucket=bucket, Key="link")) in ("AccessDenied", "NoSuchKey")
    finally:
        theirs.delete(bucket, "link")
        plain.delete_bucket(Bucket=bucket)
        owner.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)


def test_a_bucket_of_another_account_must_be_the_expected_ones(s3: S3Front, bucket: str) -> None:
    """Of the source of a copy, too."""
    client = s3.client()
    client.put_object(Bucket=bucket, Key="k", Body=b"x", ExpectedBucketOwner="AUTH_test")
    other = "AUTH_test2"
    copy: dict[str, Any] = {"Bucket": bucket, "Key": "n", "CopySource": f"{bucket}/k"}
    for asked in (
        lambda: client.get_object(Bucket=bucket, Key="k", ExpectedBucketOwner=other),
        lambda: client.copy_object(**copy, ExpectedSourceBucketOwner=other),
    ):
        assert code_of(asked) == "AccessDenied"
    client.copy_object(**copy, ExpectedSourceBucketOwner="AUTH_test")


# --- what was signed -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize(
    "added",
    ["tagging", "%74agging", "acl", "%61cl", "versionId=null", "%76ersionId=null", "retention"],
)
def test_trap_54_a_url_is_for_what_it_was_signed_for(
    s3: S3Front, room: str, version: str, added: str
) -> None:
    """Nobody adds a subresource to it, in whatever spelling."""
    client = s3.client()
    client.put_object(Bucket=room, Key="k", Body=b"x", Tagging="kept=1")
    signing = s3.client(signature_version=version)
    for method, operation in (("PUT", "put_object"), ("GET", "get_object"), ("DELETE", "delete_object")):
        url = signing.generate_presigned_url(operation, {"Bucket": room, "Key": "k"})
        assert sent(url, method, f"&{added}", TAGGING if method == "PUT" else "") in (400, 403, 501)
    assert client.get_object_tagging(Bucket=room, Key="k")["TagSet"] == [{"Key": "kept", "Value": "1"}]


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize(
    "header",
    [
        {"x-amz-copy-source": "/{bucket}/secret"},
        {"x_amz_copy_source": "/{bucket}/secret"},
        {"x-amz-acl": "public-read"},
        {"x-amz-grant-read": "uri=http://acs.amazonaws.com/groups/global/AllUsers"},
        {"x-amz-meta-a": "1"},
        {"x-amz-tagging": "a=1"},
        {"x-amz-object-lock-legal-hold": "ON"},
        {"x-amz-website-redirect-location": "http://evil.example/"},
    ],
    ids=lambda header: next(iter(header)),
)
def test_trap_50_no_header_is_added_to_a_presigned_url(
    s3: S3Front, room: str, version: str, header: dict[str, str]
) -> None:
    """CVE-2026-71191: the holder of an upload's URL copied what its signer may read."""
    s3.client().put_object(Bucket=room, Key="secret", Body=b"secret")
    url = s3.client(signature_version=version).generate_presigned_url(
        "put_object", {"Bucket": room, "Key": "stolen"}
    )
    headers = {name: value.format(bucket=room) for name, value in header.items()}
    assert sent(url, "PUT", headers=headers) == 403
    assert code_of(lambda: s3.client().head_object(Bucket=room, Key="stolen")) == "404"


@pytest.mark.parametrize(
    "header",
    [
        {"X-Copy-From": "/{bucket}/secret"},
        {"X-Symlink-Target": "{bucket}/secret"},
        {"X-Object-Manifest": "{bucket}/secret"},
        {"X-Static-Large-Object": "true"},
        {"X-Object-Meta-A": "1"},
        {"X-Object-Sysmeta-S3api-Etag": "evil"},
        {"X-Object-Transient-Sysmeta-S3api-Tagging": "a=1"},
        {"X-Backend-Replication": "true"},
        {"X-Timestamp": "9999999999.00000"},
        {"X-Delete-After": "1"},
        {"X-If-Delete-At": "1"},
        {"Destination": "{bucket}/elsewhere"},
    ],
    ids=lambda header: next(iter(header)),
)
def test_trap_51_the_stores_own_headers_mean_nothing(s3: S3Front, room: str, header: dict[str, str]) -> None:
    """CVE-2026-71192: what is uploaded is what is stored, and nothing else is read or said."""
    client = s3.client()
    client.put_object(Bucket=room, Key="secret", Body=b"secret")
    url = client.generate_presigned_url("put_object", {"Bucket": room, "Key": "k"})
    headers = {name: value.format(bucket=room) for name, value in header.items()}
    assert sent(url, "PUT", body="mine", headers=headers) == 200
    got = client.get_object(Bucket=room, Key="k")
    assert (got["Body"].read(), got["Metadata"], got.get("TagCount", 0)) == (b"mine", {}, 0)
    assert got["ETag"] == f'"{hashlib.md5(b"mine").hexdigest()}"'
    shown = s3.swift().head(room, "k").headers
    assert not {"x-object-manifest", "x-static-large-object", "x-delete-at", "x-symlink-target"} & set(shown)


# --- locks, by the other door ----------------------------------------------------------------------


def test_trap_81_what_is_locked_stays_by_either_door(s3: S3Front, locked: str, bucket: str) -> None:
    """Its parts, too: they are neither overwritten nor deleted, directly, by copies, or by other manifests."""
    client, swift = s3.client(), s3.swift()
    until = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": in_days(1)}
    upload = client.create_multipart_upload(Bucket=locked, Key="k", **until)["UploadId"]
    etag = client.upload_part(Bucket=locked, Key="k", UploadId=upload, PartNumber=1, Body=b"kept")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    done = client.complete_multipart_upload(Bucket=locked, Key="k", UploadId=upload, MultipartUpload=parts)
    container, name = f"{locked}+segments", f"k/{upload}/1"
    swift.put(bucket, "evil", body=b"evil")
    manifest = json.dumps([{"path": f"/{container}/{name}"}]).encode()
    query = {"multipart-manifest": "put"}
    assert swift.request("PUT", bucket, "slo", body=manifest, query=query).status == 201
    assert swift.request("PUT", locked, "slo", body=manifest, query=query).status == 403
    attempts: tuple[tuple[str, str, str, dict[str, str], dict[str, str]], ...] = (
        ("PUT", container, name, {}, {}),
        ("DELETE", container, name, {}, {}),
        ("PUT", container, name, {"X-Copy-From": f"/{bucket}/evil", "Content-Length": "0"}, {}),
        ("COPY", bucket, "evil", {"Destination": f"{container}/{name}"}, {}),
        ("DELETE", bucket, "slo", {}, {"multipart-manifest": "delete"}),
        ("DELETE", bucket, "slo", {}, {"multipart-manifest": "delete", "async": "yes"}),
        ("DELETE", locked, "k", {}, {"version-id": done["VersionId"]}),
        ("DELETE", locked, "k", {}, {"version-id": done["VersionId"], "multipart-manifest": "delete"}),
        ("POST", locked, "k", {"X-Delete-After": "1"}, {}),
    )
    for method, where, key, headers, asked in attempts:
        swift.request(method, where, key, headers=headers, query=asked)
        assert client.get_object(Bucket=locked, Key="k")["Body"].read() == b"kept", (method, headers, asked)
    assert code_of(lambda: client.delete_object(Bucket=bucket, Key="slo")) in ("", "AccessDenied")
    swift.delete(bucket, "slo")  # The manifest alone: its segment stays.
    assert client.get_object(Bucket=locked, Key="k")["Body"].read() == b"kept"


def test_trap_87_a_policy_holds_for_parts_by_the_other_door(s3: S3Front, bucket: str) -> None:
    """Who is denied an object does not get its bytes from where they are kept."""
    client = s3.client()
    upload = client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    etag = client.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"secret")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    client.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    s3.swift().post(bucket, headers={"X-Container-Read": "test2:tester2"})
    s3.swift().post(f"{bucket}+segments", headers={"X-Container-Read": "test2:tester2"})
    reader = s3.store.client("test2:tester2", account_of="test:tester")
    place = (f"{bucket}+segments", f"k/{upload}/1")
    assert (reader.get(bucket, "k").status, reader.get(*place).status) == (200, 200)
    deny = {"Effect": "Deny", "Principal": {"AWS": "test2:tester2"}, "Action": "s3:GetObject"}
    document = {"Version": "2012-10-17", "Statement": [{**deny, "Resource": f"arn:aws:s3:::{bucket}/k"}]}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))
    try:
        assert (reader.get(bucket, "k").status, reader.get(*place).status) == (403, 403)
        assert s3.swift().get(bucket, "k").status == 200
    finally:
        client.delete_bucket_policy(Bucket=bucket)


def test_a_name_in_the_host_is_a_bucket_and_no_path(s3: S3Front) -> None:
    """Slashes and accounts in a Host header lead nowhere."""
    for host in (
        "AUTH_test/x.s3.apus.test",
        "AUTH_test:x.s3.apus.test",
        "%2e%2e.s3.apus.test",
        "x y.s3.apus.test",
    ):
        assert ask(s3.store.address, "GET", "/k", {"Host": host}).status in (400, 403, 404, 412), host
