"""Access lists of single objects, judged for both APIs."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.handlers import validate_bucket_name
from s3 import S3Front

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"


def code_of(call: Any, **said: Any) -> tuple[int, str]:
    """Return status and code of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**said)
    answer: Any = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.fixture
def other(s3: S3Front) -> Any:
    """Somebody of another account, who can say whose bucket is meant."""
    client = s3.client("test2:tester2")
    client.meta.events.unregister("before-parameter-build.s3", validate_bucket_name)
    return client


@pytest.fixture
def stranger(s3: S3Front) -> Any:
    """Somebody who signs nothing."""
    client = s3.client(None)
    client.meta.events.unregister("before-parameter-build.s3", validate_bucket_name)
    return client


def statuses(s3: S3Front, stranger: Any, bucket: str, key: str) -> tuple[int, int]:
    """Return what a stranger's GET of an object is answered with by S3 and by Swift."""
    try:
        by_s3 = stranger.get_object(Bucket=f"AUTH_test:{bucket}", Key=key)["ResponseMetadata"]
    except ClientError as problem:
        by_s3 = problem.response["ResponseMetadata"]
    by_swift = s3.store.client(None, account_of="test:tester").get(bucket, key).status
    return by_s3["HTTPStatusCode"], by_swift


OPEN, CLOSED = (200, 200), (403, 401)


def test_a_public_object_in_a_private_bucket(s3: S3Front, stranger: Any, bucket: str) -> None:
    """Strangers get it by both doors, and neither its neighbour nor news of what is not there."""
    owner = s3.client()
    owner.put_object(Bucket=bucket, Key="open", Body=b"x", ACL="public-read")
    owner.put_object(Bucket=bucket, Key="closed", Body=b"x")
    found = [statuses(s3, stranger, bucket, key) for key in ("open", "closed", "absent")]
    assert found == [OPEN, CLOSED, CLOSED]
    assert code_of(stranger.list_objects_v2, Bucket=f"AUTH_test:{bucket}")[0] == 403
    assert code_of(stranger.get_object_acl, Bucket=f"AUTH_test:{bucket}", Key="open")[0] == 403
    assert code_of(stranger.get_object_acl, Bucket=f"AUTH_test:{bucket}", Key="absent")[0] == 403
    assert code_of(stranger.delete_object, Bucket=f"AUTH_test:{bucket}", Key="open")[0] == 403
    owner.put_object_acl(Bucket=bucket, Key="open", ACL="private")
    assert statuses(s3, stranger, bucket, "open") == CLOSED


def test_what_a_list_outlives(s3: S3Front, stranger: Any, bucket: str) -> None:
    """Changes of tags and metadata by either door; it is neither copied nor inherited."""
    owner, swift = s3.client(), s3.swift()
    owner.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read", Tagging="a=b")
    owner.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": "d"}]})
    assert swift.post(bucket, "k", headers={"X-Object-Meta-A": "b"}).status == 202
    assert statuses(s3, stranger, bucket, "k") == OPEN
    owner.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    assert swift.request("COPY", bucket, "k", headers={"Destination": f"{bucket}/copy2"}).status == 201
    assert statuses(s3, stranger, bucket, "copy") == statuses(s3, stranger, bucket, "copy2") == CLOSED
    owner.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k", ACL="public-read")
    assert statuses(s3, stranger, bucket, "copy") == OPEN
    owner.put_object(Bucket=bucket, Key="k", Body=b"y")
    assert swift.put(bucket, "copy", body=b"z").status == 201
    assert statuses(s3, stranger, bucket, "k") == statuses(s3, stranger, bucket, "copy") == CLOSED


def test_a_multipart_upload_keeps_its_list(s3: S3Front, stranger: Any, bucket: str) -> None:
    """From its beginning to the object; the parts are read with it."""
    owner = s3.client()
    upload = owner.create_multipart_upload(Bucket=bucket, Key="m", ACL="public-read")["UploadId"]
    which = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    part = owner.upload_part(**which, PartNumber=1, Body=b"x")
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    owner.complete_multipart_upload(**which, MultipartUpload={"Parts": parts})
    assert statuses(s3, stranger, bucket, "m") == OPEN
    assert s3.store.client(None).get(f"{bucket}+segments", f"m/{upload}/1").status == 401


def test_a_form_asks_for_a_list(s3: S3Front, stranger: Any, bucket: str) -> None:
    """In its field `acl`, which the policy must allow."""
    said = {"acl": "public-read"}
    form = s3.client().generate_presigned_post(bucket, "k", Fields=said, Conditions=[said])
    fields = [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (*form["fields"].items(), ("file", "x"))
    ]
    body = f"{''.join(fields)}--edge--\r\n".encode()
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    with urllib.request.urlopen(urllib.request.Request(form["url"], body, headers)) as answer:
        assert answer.status == 204
    assert statuses(s3, stranger, bucket, "k") == OPEN


def test_versions_have_lists_of_their_own(s3: S3Front, stranger: Any, bucket: str) -> None:
    """One that is open opens no other."""
    owner = s3.client()
    owner.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = owner.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    owner.put_object(Bucket=bucket, Key="k", Body=b"2")
    owner.put_object_acl(Bucket=bucket, Key="k", VersionId=first, ACL="public-read")
    which = {"Bucket": f"AUTH_test:{bucket}", "Key": "k"}
    assert stranger.get_object(**which, VersionId=first)["Body"].read() == b"1"
    assert statuses(s3, stranger, bucket, "k") == CLOSED
    owner.put_object_acl(Bucket=bucket, Key="k", ACL="public-read")
    owner.put_object_acl(Bucket=bucket, Key="k", VersionId=first, ACL="private")
    assert statuses(s3, stranger, bucket, "k") == OPEN
    assert code_of(stranger.get_object, **which, VersionId=first)[0] == 403


def test_grants_and_documents(s3: S3Front, other: Any, bucket: str) -> None:
    """Named people read it, and those who may read or write the list do."""
    owner = s3.client()
    which = {"Bucket": f"AUTH_test:{bucket}", "Key": "k"}
    owner.put_object(
        Bucket=bucket, Key="k", Body=b"x", GrantRead="id=test2:tester2", GrantReadACP="id=AUTH_test2"
    )
    assert other.get_object(**which)["Body"].read() == b"x"
    shown = other.get_object_acl(**which)
    assert {(row["Grantee"]["ID"], row["Permission"]) for row in shown["Grants"]} == {
        ("AUTH_test", "FULL_CONTROL"),
        ("test2:tester2", "READ"),
        ("AUTH_test2", "READ_ACP"),
    }
    assert code_of(other.put_object_acl, **which, ACL="public-read")[0] == 403
    grants = [{"Grantee": {"Type": "CanonicalUser", "ID": "test2:tester2"}, "Permission": "WRITE_ACP"}]
    owner.put_object_acl(
        Bucket=bucket, Key="k", AccessControlPolicy={"Owner": shown["Owner"], "Grants": grants}
    )
    assert code_of(other.get_object, **which)[0] == 403
    other.put_object_acl(**which, ACL="public-read")
    assert other.get_object(**which)["Body"].read() == b"x"


def test_who_may_write_gives_no_access_away(s3: S3Front, other: Any, bucket: str) -> None:
    """That is the owner's right, or s3:PutObjectAcl of a policy."""
    owner = s3.client()
    owner.put_bucket_acl(Bucket=bucket, GrantWrite="id=test2:tester2")
    which = {"Bucket": f"AUTH_test:{bucket}", "Key": "k"}
    other.put_object(**which, Body=b"x", ACL="private")
    assert code_of(other.put_object, **which, Body=b"x", ACL="public-read") == (403, "AccessDenied")
    assert code_of(other.put_object_acl, **which, ACL="public-read") == (403, "AccessDenied")


def test_what_the_bucket_does_not_allow(s3: S3Front, stranger: Any, bucket: str) -> None:
    """A public access block, and objects that are the bucket owner's."""
    owner = s3.client()
    owner.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": False}
    owner.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert statuses(s3, stranger, bucket, "k") == OPEN
    assert code_of(owner.put_object, Bucket=bucket, Key="p", Body=b"", ACL="public-read")[0] == 403
    assert code_of(owner.put_object_acl, Bucket=bucket, Key="k", ACL="authenticated-read")[0] == 403
    block = {"BlockPublicAcls": False, "IgnorePublicAcls": True}
    owner.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert statuses(s3, stranger, bucket, "k") == CLOSED
    owner.delete_public_access_block(Bucket=bucket)
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    owner.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
    assert statuses(s3, stranger, bucket, "k") == CLOSED
    code = code_of(owner.put_object, Bucket=bucket, Key="p", Body=b"", ACL="public-read")
    assert code == (400, "AccessControlListNotSupported")
    owner.put_object(Bucket=bucket, Key="p", Body=b"", ACL="bucket-owner-full-control")


@pytest.mark.parametrize(
    "name",
    ["private", "authenticated-read", "bucket-owner-read", "bucket-owner-full-control", "aws-exec-read"],
)
def test_canned_lists_that_open_nothing_to_strangers(
    s3: S3Front, stranger: Any, bucket: str, name: str
) -> None:
    """Each is taken; what is no list is not."""
    owner = s3.client()
    owner.put_object(Bucket=bucket, Key="k", Body=b"x", ACL=name)
    assert statuses(s3, stranger, bucket, "k") == CLOSED
    assert code_of(owner.put_object, Bucket=bucket, Key="k", Body=b"", ACL=f"{name}!")[0] == 400


def test_who_may_not_write_changes_no_version_either(s3: S3Front, other: Any) -> None:
    """Tags, holds and lists of a version are the bucket's people's to change, as those of the newest are."""
    owner: Any = s3.client()
    name = f"locked-{id(owner)}"
    owner.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    version = owner.put_object(Bucket=name, Key="k", Body=b"x")["VersionId"]
    which = {"Bucket": f"AUTH_test:{name}", "Key": "k", "VersionId": version}
    denied = (403, "AccessDenied")
    assert code_of(other.put_object_tagging, **which, Tagging={"TagSet": []}) == denied
    assert code_of(other.put_object_legal_hold, **which, LegalHold={"Status": "ON"}) == denied
    assert code_of(other.put_object_acl, **which, ACL="public-read") == denied
