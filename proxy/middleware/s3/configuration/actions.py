"""What requests are called in policies.

    GET bucket ?acl ──of_s3()──▶ s3:GetBucketAcl          GET /v1/AUTH_a/c/o ──of_swift()──▶ s3:GetObject

Pure; both doors lead to the same data, so one policy has to judge both.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

READS = frozenset(("GET", "HEAD"))
_BUCKET: Mapping[str, tuple[str, str, str]] = {
    "accelerate": ("GetAccelerateConfiguration", "PutAccelerateConfiguration", "PutAccelerateConfiguration"),
    "acl": ("GetBucketAcl", "PutBucketAcl", "PutBucketAcl"),
    "cors": ("GetBucketCORS", "PutBucketCORS", "PutBucketCORS"),
    "encryption": ("GetEncryptionConfiguration", "PutEncryptionConfiguration", "PutEncryptionConfiguration"),
    "lifecycle": ("GetLifecycleConfiguration", "PutLifecycleConfiguration", "PutLifecycleConfiguration"),
    "location": ("GetBucketLocation", "", ""),
    "logging": ("GetBucketLogging", "PutBucketLogging", "PutBucketLogging"),
    "notification": ("GetBucketNotification", "PutBucketNotification", "PutBucketNotification"),
    "object-lock": (
        "GetBucketObjectLockConfiguration",
        "PutBucketObjectLockConfiguration",
        "PutBucketObjectLockConfiguration",
    ),
    "ownershipControls": (
        "GetBucketOwnershipControls",
        "PutBucketOwnershipControls",
        "PutBucketOwnershipControls",
    ),
    "policy": ("GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"),
    "policyStatus": ("GetBucketPolicyStatus", "", ""),
    "publicAccessBlock": (
        "GetBucketPublicAccessBlock",
        "PutBucketPublicAccessBlock",
        "PutBucketPublicAccessBlock",
    ),
    "replication": ("GetReplicationConfiguration", "PutReplicationConfiguration", ""),
    "requestPayment": ("GetBucketRequestPayment", "PutBucketRequestPayment", ""),
    "tagging": ("GetBucketTagging", "PutBucketTagging", "PutBucketTagging"),
    "uploads": ("ListBucketMultipartUploads", "", ""),
    "versioning": ("GetBucketVersioning", "PutBucketVersioning", ""),
    "versions": ("ListBucketVersions", "", ""),
    "website": ("GetBucketWebsite", "PutBucketWebsite", "DeleteBucketWebsite"),
}
"""Of a bucket's subresource: GET, PUT, DELETE."""
_VERSIONED = frozenset(
    (
        "s3:GetObject",
        "s3:DeleteObject",
        "s3:GetObjectAcl",
        "s3:PutObjectAcl",
        "s3:GetObjectTagging",
        "s3:PutObjectTagging",
        "s3:DeleteObjectTagging",
        "s3:GetObjectAttributes",
    )
)
"""Actions that have a second name where a version is asked for."""


@lru_cache(maxsize=512)
def of_s3(level: str, method: str, word: str, *, has_version: bool = False) -> str:
    """Return the action of an S3 request by its level, method and subresource."""
    if level == "service":
        return "s3:ListAllMyBuckets"
    action = _of_bucket(method, word) if level == "bucket" else _of_object(method, word)
    if has_version and action in _VERSIONED:
        for verb in ("Get", "Put", "Delete"):
            action = action.replace(f"s3:{verb}Object", f"s3:{verb}ObjectVersion", 1)
    return action


def _of_bucket(method: str, word: str) -> str:
    if word == "delete":
        return "s3:DeleteObject"
    if not word:
        return {"PUT": "s3:CreateBucket", "DELETE": "s3:DeleteBucket", "POST": "s3:PutObject"}.get(
            method, "s3:ListBucket"
        )
    reading, writing, removing = _BUCKET.get(word, ("ListBucket", "", ""))
    name = reading if method in READS else removing if method == "DELETE" else writing
    return f"s3:{name or 'Unknown'}"


def _of_object(method: str, word: str) -> str:
    if word == "acl":
        return "s3:GetObjectAcl" if method in READS else "s3:PutObjectAcl"
    if word == "tagging":
        verb = "Get" if method in READS else "Delete" if method == "DELETE" else "Put"
        return f"s3:{verb}ObjectTagging"
    if word == "retention":
        return "s3:GetObjectRetention" if method in READS else "s3:PutObjectRetention"
    if word == "legal-hold":
        return "s3:GetObjectLegalHold" if method in READS else "s3:PutObjectLegalHold"
    if word == "attributes":
        return "s3:GetObjectAttributes"
    if word == "uploadId":
        if method == "DELETE":
            return "s3:AbortMultipartUpload"
        return "s3:ListMultipartUploadParts" if method in READS else "s3:PutObject"
    if method in READS:
        return "s3:GetObject"
    return "s3:DeleteObject" if method == "DELETE" else "s3:PutObject"


def of_swift(method: str, *, has_object: bool, query: Mapping[str, str] | None = None) -> str:
    """Return the action of a request of the store's own API, for a container or an object.

    What is no word of the query's own must not look like one: it would pass a Deny by.
    """
    query = query or {}
    if has_object:
        return of_s3("object", method, "", has_version=bool(query.get("version-id")))
    if method in READS:
        return "s3:ListBucketVersions" if "versions" in query else "s3:ListBucket"
    return {"PUT": "s3:CreateBucket", "DELETE": "s3:DeleteBucket"}.get(method, "s3:PutBucketAcl")
