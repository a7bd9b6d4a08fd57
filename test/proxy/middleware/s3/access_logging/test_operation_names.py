"""What requests are called in the log."""

from __future__ import annotations

import pytest

from apus.proxy.middleware.s3.access_logging.operation_names import operation_name


@pytest.mark.parametrize(
    ("method", "word", "has_key", "expected"),
    [
        ("GET", "", True, "REST.GET.OBJECT"),
        ("HEAD", "", True, "REST.HEAD.OBJECT"),
        ("PUT", "", True, "REST.PUT.OBJECT"),
        ("DELETE", "", True, "REST.DELETE.OBJECT"),
        ("GET", "", False, "REST.GET.BUCKET"),
        ("PUT", "", False, "REST.PUT.BUCKET"),
        ("POST", "", False, "REST.POST.OBJECT"),
        ("POST", "delete", False, "REST.POST.MULTI_OBJECT_DELETE"),
        ("GET", "versions", False, "REST.GET.BUCKETVERSIONS"),
        ("GET", "versioning", False, "REST.GET.VERSIONING"),
        ("GET", "policy", False, "REST.GET.BUCKETPOLICY"),
        ("PUT", "logging", False, "REST.PUT.LOGGING_STATUS"),
        ("GET", "location", False, "REST.GET.LOCATION"),
        ("PUT", "acl", True, "REST.PUT.ACL"),
        ("GET", "tagging", False, "REST.GET.TAGGING"),
        ("GET", "tagging", True, "REST.GET.OBJECT_TAGGING"),
        ("PUT", "copy", True, "REST.COPY.OBJECT"),
        ("POST", "uploads", True, "REST.POST.UPLOADS"),
        ("PUT", "uploadId", True, "REST.PUT.PART"),
        ("POST", "uploadId", True, "REST.POST.UPLOAD"),
        ("DELETE", "uploadId", True, "REST.DELETE.UPLOAD"),
        ("GET", "uploadId", True, "REST.GET.UPLOAD"),
        ("OPTIONS", "", True, "REST.OPTIONS.PREFLIGHT"),
    ],
)
def test_a_request_has_amazons_name(method: str, word: str, has_key: bool, expected: str) -> None:
    """REST, the method, and Amazon's word for what it is about."""
    assert operation_name(method, word, has_key=has_key) == expected


def test_a_part_that_is_copied_is_a_copy() -> None:
    """UploadPartCopy is REST.COPY.PART."""
    assert operation_name("PUT", "uploadId", has_key=True, is_copy=True) == "REST.COPY.PART"
