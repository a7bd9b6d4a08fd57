"""Which function serves which request.

    level, method, subresource ──found()──▶ the function, or S3Error: NotImplemented, MethodNotAllowed

A subresource is a word of the query (`?acl`, `?uploadId=…`); "" is the resource itself. A PUT of an object
with x-amz-copy-source is the subresource "copy", unless it is a part's ("uploadId"). A word that S3 may know
and we do not is never taken for nothing: a PUT of `?publicAccessBlock` must not create a bucket (lp 2144831).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ....common.http.answer import Answer
from . import attributes, buckets, copying, deleting, forms, listing, objects, tagging, versioning
from .configuration import forecast, judging, keeping, locking, object_lists, permissions, retention, sharing
from .errors import S3Error
from .multipart import operations as multipart
from .notification import configuring
from .request import Request

Operation = Callable[[Request], Answer]
Operations = Mapping[tuple[str, str, str], Operation]

OPERATIONS: Operations = {
    **attributes.OPERATIONS,
    **buckets.OPERATIONS,
    **copying.OPERATIONS,
    **deleting.OPERATIONS,
    **forms.OPERATIONS,
    **listing.OPERATIONS,
    **multipart.OPERATIONS,
    **objects.OPERATIONS,
    **tagging.OPERATIONS,
    **versioning.OPERATIONS,
    **keeping.OPERATIONS,
    **configuring.OPERATIONS,
    **locking.OPERATIONS,
    **object_lists.OPERATIONS,
    **permissions.OPERATIONS,
    **retention.OPERATIONS,
    **sharing.OPERATIONS,
}


def _configured(request: Request) -> None:
    """Let what its bucket's owner has said hold for a request."""
    word = subresource(request)
    judging.introduce(request, word)
    object_lists.take_upload(request, word)
    locking.take_upload(request, word)


GUARDS: tuple[Callable[[Request], None], ...] = (_configured,)
"""What is asked before every operation; a guard refuses by raising."""
FINISHERS: tuple[Callable[[Request, Answer], None], ...] = (forecast.finish, sharing.finish)
"""What is done with every answer before it is given, refusals included."""

SUBRESOURCES = frozenset(
    (
        "abac",
        "accelerate",
        "acl",
        "analytics",
        "annotation",
        "append",
        "attributes",
        "cors",
        "delete",
        "encryption",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "location",
        "logging",
        "metadataConfiguration",
        "metadataInventoryTable",
        "metadataJournalTable",
        "metadataTable",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "renameObject",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "session",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versioning",
        "versions",
        "website",
    )
)
_SIGNATURES = ("x-amz-", "awsaccesskeyid", "signature", "expires", "x-id", "response-")
_PARAMETERS = frozenset(("versionId", "partNumber", "list-type", "prefix", "delimiter", "marker", "max-keys"))


def subresource(request: Request) -> str:
    """Return the word that a request's query says, or ""."""
    query = request.query
    word = next((name for name in query if name in SUBRESOURCES), "") if query else ""
    if request.method == "PUT" and not word and "HTTP_X_AMZ_COPY_SOURCE" in request.environ:
        word = "copy"
    return word


def found(request: Request, operations: Operations = OPERATIONS) -> Operation:
    """Return what serves a request.

    Raises:
        S3Error: when nothing does.
    """
    level = "object" if request.key is not None else "service" if request.bucket is None else "bucket"
    word = subresource(request)
    operation = operations.get((level, request.method, word))
    if operation is None:
        raise _refusal(level, word, request.method, operations)
    if not word and request.query and request.method not in ("GET", "HEAD"):
        _refuse_strange_words(request.query)
    return operation


def _refuse_strange_words(query: Mapping[str, str]) -> None:
    """Refuse to take a request for what it would be without a word that is not known."""
    for name, value in query.items():
        if not value and name not in _PARAMETERS and not name.lower().startswith(_SIGNATURES):
            raise S3Error("NotImplemented", f"The subresource {name} is not implemented.")


def _refusal(level: str, word: str, method: str, operations: Operations) -> S3Error:
    allowed = sorted(known[1] for known in operations if known[0] == level and known[2] == word)
    if word and not (allowed and method in ("GET", "HEAD", "PUT", "POST", "DELETE")):
        return S3Error("NotImplemented", f"The subresource {word} is not implemented.")
    headers = {"Allow": ", ".join(allowed)} if allowed else None
    return S3Error("MethodNotAllowed", headers=headers, Method=method, ResourceType=level.upper())
