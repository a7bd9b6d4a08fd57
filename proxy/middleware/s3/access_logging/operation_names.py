"""What requests are called in the log: REST, the method, and what it is about.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

_SUBRESOURCES: Mapping[str, str] = {
    "attributes": "OBJECT_ATTRIBUTES",
    "delete": "MULTI_OBJECT_DELETE",
    "intelligent-tiering": "INTELLIGENT_TIERING",
    "legal-hold": "OBJECT_LOCK_LEGALHOLD",
    "logging": "LOGGING_STATUS",
    "object-lock": "OBJECT_LOCK_CONFIGURATION",
    "ownershipControls": "OWNERSHIP_CONTROLS",
    "policy": "BUCKETPOLICY",
    "policyStatus": "POLICY_STATUS",
    "publicAccessBlock": "PUBLIC_ACCESS_BLOCK",
    "requestPayment": "REQUEST_PAYMENT",
    "retention": "OBJECT_LOCK_RETENTION",
    "uploadId": "UPLOAD",
    "versions": "BUCKETVERSIONS",
}
"""Amazon's word for a subresource, where it is not the subresource itself in capitals."""


def operation_name(method: str, word: str, *, has_key: bool, is_copy: bool = False) -> str:
    """Return the name of a request by its method and its subresource."""
    if method == "OPTIONS":
        return "REST.OPTIONS.PREFLIGHT"
    if method == "PUT" and word == "uploadId":
        return "REST.COPY.PART" if is_copy else "REST.PUT.PART"
    if word == "copy":
        return "REST.COPY.OBJECT"
    if not word:
        return f"REST.{method}.{'OBJECT' if has_key or method == 'POST' else 'BUCKET'}"
    if word == "tagging" and has_key:
        return f"REST.{method}.OBJECT_TAGGING"
    return f"REST.{method}.{_SUBRESOURCES.get(word, word.upper())}"
