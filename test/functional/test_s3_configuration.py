"""What the owner of a bucket says of it, as boto3 says it, and what then holds in both APIs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from s3 import S3Front


def refused(call: Callable[..., Any], **said: Any) -> tuple[int, str]:
    """Return status and code of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**said)
    answer: Any = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def fetched(s3: S3Front, method: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    """Return status and headers of a plain request."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    asking = urllib.request.Request(s3.endpoint + path, method=method, headers=named)
    try:
        with urllib.request.urlopen(asking) as answer:
            return answer.status, dict(answer.headers)
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code, dict(problem.headers)


PROBES = {
    "get_bucket_lifecycle_configuration": "NoSuchLifecycleConfiguration",
    "get_bucket_cors": "NoSuchCORSConfiguration",
    "get_bucket_encryption": "ServerSideEncryptionConfigurationNotFoundError",
    "get_bucket_replication": "ReplicationConfigurationNotFoundError",
    "get_object_lock_configuration": "ObjectLockConfigurationNotFoundError",
    "get_bucket_tagging": "NoSuchTagSet",
    "get_bucket_policy": "NoSuchBucketPolicy",
    "get_bucket_policy_status": "NoSuchBucketPolicy",
    "get_public_access_block": "NoSuchPublicAccessBlockConfiguration",
    "get_bucket_ownership_controls": "OwnershipControlsNotFoundError",
    "get_bucket_website": "NoSuchWebsiteConfiguration",
}


@pytest.mark.parametrize(("probe", "code"), PROBES.items())
def test_what_a_new_bucket_has_not(boto: Any, bucket: str, probe: str, code: str) -> None:
    """SDKs and Terraform probe all of them, and know what these codes mean."""
    assert refused(getattr(boto, probe), Bucket=bucket) == (404, code)


@pytest.mark.parametrize("probe", PROBES)
def test_the_bucket_is_missed_before_its_configuration(boto: Any, s3: S3Front, probe: str) -> None:
    """NoSuchBucket comes first."""
    assert refused(getattr(boto, probe), Bucket="no-such-bucket-anywhere") == (404, "NoSuchBucket")


def test_what_is_empty_where_nothing_was_said(boto: Any, bucket: str) -> None:
    """These answers are 200."""
    assert "Status" not in boto.get_bucket_accelerate_configuration(Bucket=bucket)
    assert "LoggingEnabled" not in boto.get_bucket_logging(Bucket=bucket)
    assert boto.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert boto.list_bucket_analytics_configurations(Bucket=bucket)["IsTruncated"] is False
    assert boto.list_bucket_inventory_configurations(Bucket=bucket)["IsTruncated"] is False
    assert boto.list_bucket_intelligent_tiering_configurations(Bucket=bucket)["IsTruncated"] is False
    assert boto.list_bucket_metrics_configurations(Bucket=bucket)["IsTruncated"] is False
    boto.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    notification = boto.get_bucket_notification_configuration(Bucket=bucket)
    assert not notification.keys() - {"ResponseMetadata"}


RULE = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 7}}
DOCUMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "bucket_lifecycle_configuration": ("LifecycleConfiguration", {"Rules": [RULE]}),
    "bucket_tagging": ("Tagging", {"TagSet": [{"Key": "a=b", "Value": "grün"}]}),
    "bucket_website": ("WebsiteConfiguration", {"IndexDocument": {"Suffix": "index.html"}}),
    "public_access_block": (
        "PublicAccessBlockConfiguration",
        {
            "BlockPublicAcls": True,
            "IgnorePublicAcls": False,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": False,
        },
    ),
    "bucket_ownership_controls": ("OwnershipControls", {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}),
    "bucket_cors": (
        "CORSConfiguration",
        {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://a.example"]}]},
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_kept_and_taken_away(boto: Any, bucket: str, name: str) -> None:
    """What was put is got; what was deleted is not there."""
    argument, document = DOCUMENTS[name]
    getattr(boto, f"put_{name}")(Bucket=bucket, **{argument: document})
    shown = getattr(boto, f"get_{name}")(Bucket=bucket)
    found = shown[argument] if argument in shown else {key: shown[key] for key in document}
    assert found == document
    short = "bucket_lifecycle" if name == "bucket_lifecycle_configuration" else name
    getattr(boto, f"delete_{short}")(Bucket=bucket)
    assert refused(getattr(boto, f"get_{name}"), Bucket=bucket)[0] == 404


def test_encryption_that_nobody_would_do_is_not_promised(boto: Any, bucket: str) -> None:
    """Without the encryption filter; with it, test_encryption.py. To want none is no lie."""
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    asked = {"Bucket": bucket, "ServerSideEncryptionConfiguration": rules}
    assert refused(boto.put_bucket_encryption, **asked) == (501, "NotImplemented")
    boto.delete_bucket_encryption(Bucket=bucket)


def test_a_lifecycle_of_hundreds_of_rules(boto: Any, bucket: str) -> None:
    """It is longer than a header line; a shorter one leaves nothing of it."""
    rules = [{**RULE, "ID": f"rule-{at:04}", "Filter": {"Prefix": f"{at * 7919}/"}} for at in range(1000)]
    boto.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    assert boto.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    boto.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules[:2]})
    assert boto.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules[:2]


# --- access lists ----------------------------------------------------------------------------


def grants(boto: Any, bucket: str) -> set[tuple[str, str]]:
    """Return who may what."""
    rows = boto.get_bucket_acl(Bucket=bucket)["Grants"]
    return {
        (row["Grantee"].get("URI", row["Grantee"].get("ID")).rpartition("/")[2], row["Permission"])
        for row in rows
    }


def test_a_canned_list_opens_a_bucket_in_both_apis(s3: S3Front, boto: Any, bucket: str) -> None:
    """public-read is the container's .r:*; private takes it away."""
    boto.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert fetched(s3, "GET", f"/v1/AUTH_test/{bucket}/k")[0] == 401
    boto.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert grants(boto, bucket) == {("AUTH_test", "FULL_CONTROL"), ("AllUsers", "READ")}
    assert fetched(s3, "GET", f"/v1/AUTH_test/{bucket}/k")[0] == 200
    assert fetched(s3, "PUT", f"/v1/AUTH_test/{bucket}/k2", Content_Length="0")[0] == 401
    boto.put_bucket_acl(Bucket=bucket, ACL="private")
    assert grants(boto, bucket) == {("AUTH_test", "FULL_CONTROL")}
    assert fetched(s3, "GET", f"/v1/AUTH_test/{bucket}/k")[0] == 401


def test_everybody_may_write(s3: S3Front, boto: Any, bucket: str) -> None:
    """A container's list has no word for that; the bucket's has."""
    boto.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    assert ("AllUsers", "WRITE") in grants(boto, bucket)
    assert fetched(s3, "PUT", f"/v1/AUTH_test/{bucket}/k", Content_Length="0")[0] == 201
    assert fetched(s3, "DELETE", f"/v1/AUTH_test/{bucket}/k")[0] == 204
    assert fetched(s3, "POST", f"/v1/AUTH_test/{bucket}", X_Container_Read=".r:*")[0] == 401


# --- policies --------------------------------------------------------------------------------


def allow(bucket: str, *, effect: str = "Allow", principal: Any = "*", **more: Any) -> str:
    """Return a policy of one statement about the objects of a bucket."""
    statement = {
        "Effect": effect,
        "Principal": principal,
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/pub/*",
        **more,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=1)


def test_a_policy_lets_strangers_in_by_both_doors(s3: S3Front, boto: Any, bucket: str) -> None:
    """It is kept word for word, and judged for each object."""
    for key in ("pub/k", "k"):
        boto.put_object(Bucket=bucket, Key=key, Body=b"x")
    text = allow(bucket)
    boto.put_bucket_policy(Bucket=bucket, Policy=text)
    assert boto.get_bucket_policy(Bucket=bucket)["Policy"] == text
    assert boto.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    assert fetched(s3, "GET", f"/v1/AUTH_test/{bucket}/pub/k")[0] == 200
    assert fetched(s3, "GET", f"/v1/AUTH_test/{bucket}/k")[0] == 401
    assert fetched(s3, "DELETE", f"/v1/AUTH_test/{bucket}/pub/k")[0] == 401
    boto.delete_bucket_policy(Bucket=bucket)
    assert fetched(s3, "GET", f"/v1/AUTH_test/{bucket}/pub/k")[0] == 401


def test_a_deny_binds_the_owner_and_can_be_undone(s3: S3Front, boto: Any, bucket: str) -> None:
    """In both APIs; the policy itself stays the owner's."""
    boto.put_object(Bucket=bucket, Key="k", Body=b"x")
    everything = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    boto.put_bucket_policy(
        Bucket=bucket, Policy=allow(bucket, effect="Deny", Action="s3:*", Resource=everything)
    )
    assert refused(boto.get_object, Bucket=bucket, Key="k") == (403, "AccessDenied")
    assert refused(boto.list_objects_v2, Bucket=bucket) == (403, "AccessDenied")
    assert s3.swift().get(bucket, "k").status == 403
    boto.delete_bucket_policy(Bucket=bucket)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_tags_decide(boto: Any, s3: S3Front, bucket: str) -> None:
    """s3:ExistingObjectTag is the tag that the object has."""
    boto.put_object(Bucket=bucket, Key="pub/k", Body=b"x", Tagging="level=open")
    boto.put_object(Bucket=bucket, Key="pub/s", Body=b"x")
    condition = {"StringEquals": {"s3:ExistingObjectTag/level": "open"}}
    boto.put_bucket_policy(Bucket=bucket, Policy=allow(bucket, Condition=condition))
    assert fetched(s3, "GET", f"/v1/AUTH_test/{bucket}/pub/k")[0] == 200
    assert fetched(s3, "GET", f"/v1/AUTH_test/{bucket}/pub/s")[0] == 401


def test_a_public_access_block(boto: Any, s3: S3Front, bucket: str) -> None:
    """It refuses what would let everybody in, and overrules what lets them in already."""
    boto.put_object(Bucket=bucket, Key="pub/k", Body=b"x")
    boto.put_bucket_acl(Bucket=bucket, ACL="public-read")
    boto.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration=dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
        ),
    )
    assert fetched(s3, "GET", f"/v1/AUTH_test/{bucket}/pub/k")[0] == 401
    assert refused(boto.put_bucket_acl, Bucket=bucket, ACL="public-read") == (403, "AccessDenied")
    assert refused(boto.put_bucket_policy, Bucket=bucket, Policy=allow(bucket)) == (403, "AccessDenied")


def test_what_is_no_policy(boto: Any, bucket: str) -> None:
    """MalformedPolicy, and nothing is kept."""
    for text in ("{}", "no json", allow("another-bucket"), allow(bucket, Condition={"Odd": {"a": "b"}})):
        assert refused(boto.put_bucket_policy, Bucket=bucket, Policy=text) == (400, "MalformedPolicy")
    assert refused(boto.get_bucket_policy, Bucket=bucket) == (404, "NoSuchBucketPolicy")


# --- pages of other origins ------------------------------------------------------------------


def test_pages_of_other_origins(boto: Any, s3: S3Front, bucket: str) -> None:
    """Answers, refusals too, tell the page what it may see."""
    rule = {
        "AllowedMethods": ["GET", "PUT"],
        "AllowedOrigins": ["https://*.example"],
        "AllowedHeaders": ["x-amz-*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 60,
    }
    boto.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    boto.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = s3.client().generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    path = url.removeprefix(s3.endpoint)
    status, headers = fetched(s3, "GET", path, Origin="https://www.example")
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == "https://www.example"
    assert headers["Access-Control-Expose-Headers"] == "ETag"
    asked = {"Access_Control_Request_Method": "PUT", "Access_Control_Request_Headers": "x-amz-acl"}
    status, headers = fetched(s3, "OPTIONS", path, Origin="https://www.example", **asked)
    assert (status, headers["Access-Control-Max-Age"]) == (200, "60")
    assert fetched(s3, "OPTIONS", path, Origin="https://else", **asked)[0] == 403
    status, headers = fetched(s3, "GET", f"{path}x", Origin="https://www.example")
    assert (status, headers["Access-Control-Allow-Origin"]) == (403, "https://www.example")


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_trap_53_a_preflight_of_a_presigned_url(s3: S3Front, bucket: str, version: str) -> None:
    """It is not signed itself: the query of the URL tells whose bucket is meant."""
    rule = {"AllowedMethods": ["PUT"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}
    s3.client().put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    signer = s3.client(signature_version=version)
    url = signer.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    asked = {"Access_Control_Request_Method": "PUT", "Access_Control_Request_Headers": "content-type"}
    status, headers = fetched(s3, "OPTIONS", url.removeprefix(s3.endpoint), Origin="https://a", **asked)
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert headers["Access-Control-Allow-Headers"] == "content-type"


# --- object lock -----------------------------------------------------------------------------


@pytest.fixture
def locked(s3: S3Front) -> str:
    """A bucket with object lock, which stays: that is its purpose."""
    name = f"locked-{uuid.uuid4().hex[:12]}"
    boto = s3.client()
    boto.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def lock_until(seconds: float = 3600) -> datetime:
    """Return a moment to come."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)


def test_a_bucket_with_locks_has_versions(boto: Any, s3: S3Front, locked: str) -> None:
    """They cannot be suspended by either door."""
    assert boto.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"
    configuration = boto.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]
    assert configuration == {"ObjectLockEnabled": "Enabled"}
    suspended = {"Status": "Suspended"}
    code = refused(boto.put_bucket_versioning, Bucket=locked, VersioningConfiguration=suspended)
    assert code == (409, "InvalidBucketState")
    assert s3.swift().post(locked, headers={"X-Versions-Enabled": "false"}).status == 403


def test_governance_is_passed_by_who_says_so(boto: Any, s3: S3Front, locked: str) -> None:
    """Without that word the version stays, in both APIs."""
    made = boto.put_object(
        Bucket=locked,
        Key="k",
        Body=b"x",
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=lock_until(),
    )
    which = {"Bucket": locked, "Key": "k", "VersionId": made["VersionId"]}
    assert boto.head_object(**which)["ObjectLockMode"] == "GOVERNANCE"
    assert refused(boto.delete_object, **which) == (403, "AccessDenied")
    version = {"version-id": made["VersionId"]}
    assert s3.swift().request("DELETE", locked, "k", query=version).status == 403
    assert s3.swift().post(locked, "k", headers={"X-Object-Meta-A": "b"}).status == 403
    many = boto.delete_objects(
        Bucket=locked, Delete={"Objects": [{"Key": "k", "VersionId": made["VersionId"]}]}
    )
    assert [error["Code"] for error in many["Errors"]] == ["AccessDenied"]
    marker = boto.delete_object(Bucket=locked, Key="k")
    assert marker["DeleteMarker"] is True
    assert boto.get_object(**which)["Body"].read() == b"x"
    boto.delete_object(**which, BypassGovernanceRetention=True)
    assert refused(boto.head_object, **which)[0] == 404


def test_compliance_is_passed_by_nobody(boto: Any, locked: str) -> None:
    """It can be made longer, not shorter."""
    until = lock_until(8)
    made = boto.put_object(Bucket=locked, Key="k", Body=b"x")
    which = {"Bucket": locked, "Key": "k", "VersionId": made["VersionId"]}
    boto.put_object_retention(**which, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until})
    assert boto.get_object_retention(**which)["Retention"] == {
        "Mode": "COMPLIANCE",
        "RetainUntilDate": until,
    }
    assert refused(boto.delete_object, **which, BypassGovernanceRetention=True)[0] == 403
    shorter = {"Mode": "COMPLIANCE", "RetainUntilDate": until - timedelta(seconds=4)}
    assert refused(boto.put_object_retention, **which, Retention=shorter)[0] == 403
    longer = {"Mode": "COMPLIANCE", "RetainUntilDate": until + timedelta(seconds=1)}
    boto.put_object_retention(**which, Retention=longer)


def test_a_legal_hold_until_it_is_taken_off(boto: Any, locked: str) -> None:
    """No word passes it."""
    made = boto.put_object(Bucket=locked, Key="k", Body=b"x")
    which = {"Bucket": locked, "Key": "k", "VersionId": made["VersionId"]}
    boto.put_object_legal_hold(**which, LegalHold={"Status": "ON"})
    assert boto.get_object_legal_hold(**which)["LegalHold"]["Status"] == "ON"
    assert refused(boto.delete_object, **which, BypassGovernanceRetention=True)[0] == 403
    boto.put_object_legal_hold(**which, LegalHold={"Status": "OFF"})
    boto.delete_object(**which)


def test_the_buckets_default_is_given_to_what_is_uploaded(boto: Any, locked: str) -> None:
    """Objects of several parts, too."""
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    boto.put_object_lock_configuration(
        Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    boto.put_object(Bucket=locked, Key="k", Body=b"x")
    upload = boto.create_multipart_upload(Bucket=locked, Key="m")["UploadId"]
    part = boto.upload_part(Bucket=locked, Key="m", UploadId=upload, PartNumber=1, Body=b"x")
    boto.complete_multipart_upload(
        Bucket=locked,
        Key="m",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    for key in ("k", "m"):
        found = boto.head_object(Bucket=locked, Key=key)
        assert found["ObjectLockMode"] == "GOVERNANCE", key
        which = {"Bucket": locked, "Key": key, "VersionId": found["VersionId"]}
        assert refused(boto.delete_object, **which)[0] == 403
        boto.delete_object(**which, BypassGovernanceRetention=True)


def test_a_bucket_without_locks(boto: Any, bucket: str) -> None:
    """InvalidRequest for what needs them."""
    until = lock_until()
    code = refused(
        boto.put_object,
        Bucket=bucket,
        Key="k",
        Body=b"",
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=until,
    )
    assert code == (400, "InvalidRequest")
    boto.put_object(Bucket=bucket, Key="k", Body=b"")
    assert refused(boto.get_object_retention, Bucket=bucket, Key="k") == (400, "InvalidRequest")
    assert refused(boto.get_object_legal_hold, Bucket=bucket, Key="k") == (400, "InvalidRequest")
