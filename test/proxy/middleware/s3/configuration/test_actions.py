"""What requests are called in policies."""

from __future__ import annotations

import pytest

from apus.proxy.middleware.s3.configuration.actions import of_s3, of_swift
from apus.proxy.middleware.s3.operations import OPERATIONS

SOME = {
    ("service", "GET", ""): "s3:ListAllMyBuckets",
    ("bucket", "GET", ""): "s3:ListBucket",
    ("bucket", "HEAD", ""): "s3:ListBucket",
    ("bucket", "PUT", ""): "s3:CreateBucket",
    ("bucket", "DELETE", ""): "s3:DeleteBucket",
    ("bucket", "POST", "delete"): "s3:DeleteObject",
    ("bucket", "DELETE", "policy"): "s3:DeleteBucketPolicy",
    ("bucket", "GET", "uploads"): "s3:ListBucketMultipartUploads",
    ("object", "PUT", "copy"): "s3:PutObject",
    ("object", "POST", "uploads"): "s3:PutObject",
    ("object", "PUT", "uploadId"): "s3:PutObject",
    ("object", "GET", "uploadId"): "s3:ListMultipartUploadParts",
    ("object", "DELETE", "uploadId"): "s3:AbortMultipartUpload",
    ("object", "DELETE", "tagging"): "s3:DeleteObjectTagging",
    ("object", "HEAD", ""): "s3:GetObject",
}


@pytest.mark.parametrize(("what", "action"), SOME.items())
def test_trap_78_actions(what: tuple[str, str, str], action: str) -> None:
    """PutObject implies the steps of an upload in parts."""
    assert of_s3(*what) == action


@pytest.mark.parametrize("what", OPERATIONS)
def test_every_operation_has_one(what: tuple[str, str, str]) -> None:
    """Or no policy could speak of it."""
    assert of_s3(*what).startswith("s3:")
    assert of_s3(*what) != "s3:Unknown"


def test_versions_have_actions_of_their_own() -> None:
    """So that who may delete need not be able to delete for good."""
    assert of_s3("object", "GET", "", has_version=True) == "s3:GetObjectVersion"
    assert of_s3("object", "DELETE", "", has_version=True) == "s3:DeleteObjectVersion"
    assert of_s3("object", "PUT", "tagging", has_version=True) == "s3:PutObjectVersionTagging"
    assert of_s3("object", "GET", "retention", has_version=True) == "s3:GetObjectRetention"


def test_the_other_api() -> None:
    """The same names for the same things."""
    assert of_swift("GET", has_object=True) == "s3:GetObject"
    assert of_swift("POST", has_object=True) == "s3:PutObject"
    assert of_swift("DELETE", has_object=True, query={"version-id": "1"}) == "s3:DeleteObjectVersion"
    assert of_swift("GET", has_object=False, query={"versions": ""}) == "s3:ListBucketVersions"
    assert of_swift("GET", has_object=False, query={"prefix": "versions"}) == "s3:ListBucket"
    assert of_swift("GET", has_object=True, query={"a": "version-id=1", "version-id": ""}) == "s3:GetObject"
    assert of_swift("POST", has_object=False) == "s3:PutBucketAcl"
    assert of_swift("DELETE", has_object=False) == "s3:DeleteBucket"
