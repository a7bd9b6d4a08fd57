"""Every way that might destroy, or change, a version that is locked; each leaves it as it was."""

from __future__ import annotations

import hmac
import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from s3 import S3Front
from store import Client, Reply


@dataclass(frozen=True)
class Vault:
    """A bucket with locks, an object `k` in it that nobody may delete, and a multipart one, `m`."""

    s3: S3Front
    bucket: str
    version: str
    upload: str
    large: str
    """The version of `m`."""

    @property
    def owner(self) -> Any:
        """Its owner's boto3."""
        return self.s3.client()

    @property
    def swift(self) -> Client:
        """Its owner's other door."""
        return self.s3.swift()

    def require_whole(self) -> None:
        """Nothing is lost, and the lock holds."""
        for key, version, body in (("k", self.version, b"kept"), ("m", self.large, b"part")):
            found = self.owner.get_object(Bucket=self.bucket, Key=key, VersionId=version)
            assert found["Body"].read() == body
            assert found["ObjectLockMode"] == "COMPLIANCE"
            assert found["ObjectLockLegalHoldStatus"] == "ON"


@pytest.fixture(scope="module")
def opened(s3: S3Front) -> Vault:
    """The vault, which stays: that is its purpose."""
    owner, bucket = s3.client(), f"vault-{uuid.uuid4().hex[:12]}"
    owner.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    lock = {
        "ObjectLockMode": "COMPLIANCE",
        "ObjectLockRetainUntilDate": datetime.now(UTC) + timedelta(days=1),
        "ObjectLockLegalHoldStatus": "ON",
    }
    version = owner.put_object(Bucket=bucket, Key="k", Body=b"kept", **lock)["VersionId"]
    upload = owner.create_multipart_upload(Bucket=bucket, Key="m", **lock)["UploadId"]
    which = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    etag = owner.upload_part(**which, PartNumber=1, Body=b"part")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    large = owner.complete_multipart_upload(**which, MultipartUpload=parts)["VersionId"]
    return Vault(s3, bucket, version, upload, large)


@pytest.fixture
def vault(opened: Vault) -> Iterator[Vault]:
    """The vault, which is whole after each test."""
    yield opened
    opened.require_whole()


def refusal(call: Any, **said: Any) -> str:
    """Return the code of a refusal, nothing where there is none."""
    try:
        call(**said)
    except ClientError as problem:
        return str(problem.response["Error"]["Code"])
    return ""


def test_by_s3(vault: Vault) -> None:
    """DELETE, DeleteObjects, shorter retention, no retention, another mode; with every word there is."""
    owner, bucket = vault.owner, vault.bucket
    for key, version in (("k", vault.version), ("m", vault.large)):
        which = {"Bucket": bucket, "Key": key, "VersionId": version}
        assert refusal(owner.delete_object, **which) == "AccessDenied"
        assert refusal(owner.delete_object, **which, BypassGovernanceRetention=True) == "AccessDenied"
        gone = owner.delete_objects(
            Bucket=bucket,
            Delete={"Objects": [{"Key": key, "VersionId": version}]},
            BypassGovernanceRetention=True,
        )
        assert [error["Code"] for error in gone["Errors"]] == ["AccessDenied"]
        sooner = datetime.now(UTC) + timedelta(hours=1)
        for retention in (
            {},
            {"Mode": "COMPLIANCE", "RetainUntilDate": sooner},
            {"Mode": "GOVERNANCE", "RetainUntilDate": sooner + timedelta(days=9)},
        ):
            asked = {**which, "Retention": retention, "BypassGovernanceRetention": True}
            assert refusal(owner.put_object_retention, **asked) == "AccessDenied"
    assert refusal(owner.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    suspended = {"Status": "Suspended"}
    assert refusal(owner.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=suspended)


def test_by_new_versions(vault: Vault) -> None:
    """To overwrite, to copy onto and to delete the name takes nothing away, by either door."""
    owner, swift, bucket = vault.owner, vault.swift, vault.bucket
    for key in ("k", "m"):
        owner.put_object(Bucket=bucket, Key=key, Body=b"other")
        assert swift.put(bucket, key, body=b"other").status == 201
        owner.copy_object(Bucket=bucket, Key=key, CopySource=f"{bucket}/{key}", MetadataDirective="REPLACE")
        copied = swift.request("COPY", bucket, key, headers={"Destination": f"{bucket}/{key}"})
        assert copied.status == 201
        assert swift.delete(bucket, key).status == 204
        assert owner.delete_object(Bucket=bucket, Key=key)["DeleteMarker"] is True


def refused(reply: Reply) -> bool:
    """Tell whether a request has failed for the client."""
    return reply.status in (400, 403, 404, 409, 412)


def test_by_the_stores_own_api(vault: Vault) -> None:
    """DELETE of the version, restoring, expiry, metadata, versions that are kept no more."""
    swift, bucket = vault.swift, vault.bucket
    for key, version in (("k", vault.version), ("m", vault.large)):
        query = {"version-id": version}
        for more in ({}, {"multipart-manifest": "delete"}, {"multipart-manifest": "delete", "async": "yes"}):
            assert swift.request("DELETE", bucket, key, query={**query, **more}).status == 403
        assert refused(swift.request("POST", bucket, key, query=query, headers={"X-Delete-After": "1"}))
        assert swift.request("PUT", bucket, key, query=query).status in (200, 201)  # It is the newest again.
        for headers in ({"X-Delete-After": "1"}, {"X-Delete-At": "9999999999"}, {"X-Object-Meta-A": "b"}):
            assert swift.post(bucket, key, headers=headers).status == 403
        assert refused(swift.put(bucket, key, headers={"X-Delete-After": "1"}))
    assert swift.post(bucket, headers={"X-Versions-Enabled": "false"}).status == 403
    assert refused(swift.post(bucket, headers={"X-Versions-Location": "elsewhere"}))
    assert refused(swift.delete(bucket))
    for hidden in (f"\0versions\0{bucket}",):
        assert refused(swift.delete(hidden))
        assert refused(swift.get(hidden))


def test_by_what_expires_or_is_made_of_others(vault: Vault, bucket: str) -> None:
    """A copy that expires; large objects whose segments have no lock."""
    swift, to = vault.swift, {"Destination": f"{vault.bucket}/k"}
    assert swift.put(bucket, "o", body=b"x").status == 201
    assert swift.request("COPY", bucket, "o", headers={**to, "X-Delete-After": "1"}).status == 403
    manifest = json.dumps([{"path": f"/{bucket}/o"}]).encode()
    made = swift.request("PUT", vault.bucket, "k", query={"multipart-manifest": "put"}, body=manifest)
    assert made.status == 403
    assert swift.put(vault.bucket, "k", headers={"X-Object-Manifest": f"{bucket}/o"}).status == 403


def test_by_a_temporary_url(vault: Vault) -> None:
    """It names no version, whatever is added to it: a delete marker is made."""
    swift, key = vault.swift, "temporary"
    assert swift.post(vault.bucket, headers={"X-Container-Meta-Temp-URL-Key": key}).status == 204
    path, expires = swift.path(vault.bucket, "k"), int(time.time()) + 600
    signature = hmac.new(key.encode(), f"DELETE\n{expires}\n{path}".encode(), "sha256").hexdigest()
    query = {"temp_url_sig": signature, "temp_url_expires": str(expires), "version-id": vault.version}
    anybody = vault.s3.store.client(None)
    reply = anybody.request("DELETE", vault.bucket, "k", query=query)
    assert (reply.status, reply.headers["x-object-version-id"] != vault.version) == (204, True)


def test_the_default_is_given_by_either_door(s3: S3Front) -> None:
    """To what is uploaded, and to what is copied."""
    owner, swift, bucket = s3.client(), s3.swift(), f"vault-{uuid.uuid4().hex[:12]}"
    owner.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    owner.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)
    owner.put_object(Bucket=bucket, Key="a", Body=b"x")
    assert swift.put(bucket, "b", body=b"x").status == 201
    owner.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/a")
    assert swift.request("COPY", bucket, "a", headers={"Destination": f"{bucket}/d"}).status == 201
    for key in "abcd":
        found = owner.head_object(Bucket=bucket, Key=key)
        assert found["ObjectLockMode"] == "GOVERNANCE", key
        which = {"Bucket": bucket, "Key": key, "VersionId": found["VersionId"]}
        query = {"version-id": found["VersionId"]}
        assert swift.request("DELETE", bucket, key, query=query).status == 403
        assert refusal(owner.delete_object, **which) == "AccessDenied"
        owner.delete_object(**which, BypassGovernanceRetention=True)


def test_by_bulk_deletion(vault: Vault) -> None:
    """Of names, of parts, of the containers."""
    swift, bucket = vault.swift, vault.bucket
    names = (
        f"/{bucket}/k?version-id={vault.version}",
        f"/{bucket}+segments/m/{vault.upload}/1",
        f"/{bucket}+segments",
        f"/{bucket}",
    )
    body = "\n".join(names).encode()
    reply = swift.request(
        "POST",
        query={"bulk-delete": ""},
        body=body,
        headers={"Content-Type": "text/plain", "Accept": "application/json"},
    )
    assert json.loads(reply.body)["Number Deleted"] == 0


def test_by_its_parts(vault: Vault, bucket: str) -> None:
    """Directly, by copies onto them, by uploads that are aborted, by a manifest elsewhere that names them."""
    swift, parts = vault.swift, f"{vault.bucket}+segments"
    part = f"m/{vault.upload}/1"
    assert swift.delete(parts, part).status == 403
    assert swift.put(parts, part, body=b"evil").status == 403
    assert swift.post(parts, part, headers={"X-Delete-After": "1"}).status == 403
    assert swift.put(bucket, "evil", body=b"evil").status == 201
    copied = swift.request("COPY", bucket, "evil", headers={"Destination": f"{parts}/{part}"})
    assert refused(copied)
    assert refused(swift.put(parts, part, headers={"X-Copy-From": f"{bucket}/evil"}))
    manifest = json.dumps([{"path": f"/{parts}/{part}"}]).encode()
    made = swift.request("PUT", bucket, "slo", query={"multipart-manifest": "put"}, body=manifest)
    assert made.status == 201
    swift.request("DELETE", bucket, "slo", query={"multipart-manifest": "delete"})
    later = {"multipart-manifest": "delete", "async": "yes"}
    assert swift.request("DELETE", bucket, "slo", query=later).status == 403
    refusal(vault.owner.delete_object, Bucket=bucket, Key="slo")
    swift.delete(bucket, "slo")
    which = {"Bucket": vault.bucket, "Key": "m", "UploadId": vault.upload}
    assert refusal(vault.owner.abort_multipart_upload, **which) in ("", "NoSuchUpload")
    assert refused(swift.delete(parts))


def test_of_many_changes_at_once_none_takes_back_a_lock(s3: S3Front) -> None:
    """Tags, lists and metadata are changed all the time while a hold is put on, which then is there."""
    owner, bucket = s3.client(), f"vault-{uuid.uuid4().hex[:12]}"
    owner.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    version = owner.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    which = {"Bucket": bucket, "Key": "k", "VersionId": version}

    def tags(at: int) -> None:
        tagging = {"TagSet": [{"Key": "at", "Value": str(at)}]}
        refusal(s3.client().put_object_tagging, **which, Tagging=tagging)

    def list_or_metadata(at: int) -> None:
        if at % 2:
            refusal(s3.client().put_object_acl, **which, ACL="private")
        else:
            s3.swift().post(bucket, "k", headers={"X-Object-Meta-At": str(at)})

    def hold() -> str:
        """Put it on; others may have their turns for so long that it has to be tried again."""
        for _ in range(9):
            code = refusal(s3.client().put_object_legal_hold, **which, LegalHold={"Status": "ON"})
            if code not in ("ServiceUnavailable", "InternalError"):
                break
        return code

    with ThreadPoolExecutor(6) as crew:
        others = [crew.submit(change, at) for at in range(2) for change in (tags, list_or_metadata)]
        held = crew.submit(hold)
        deleted = crew.submit(refusal, s3.client().delete_object, **which)
        for each in others:
            each.result()
    if deleted.result() == "":
        assert held.result() != ""
    else:
        assert held.result() == ""
        assert owner.get_object_legal_hold(**which)["LegalHold"]["Status"] == "ON"
