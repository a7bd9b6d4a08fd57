"""Which headers of a source, and of the request for its copy, the copy is stored and announced with.

    source's answer + client's headers ──merged()──▶ what the copy is stored with
    client's query + source's answer   ──query()───▶ whether it is copied as a manifest

Pure; copy.py moves the bytes. Names of headers are in lower case.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...common.config import true_value
from .named_paths import encoded

OVERRIDE = "x-object-sysmeta-container-update-override-"
SYSMETA = "x-object-sysmeta-"
STORED = ("x-object-meta-", SYSMETA, "x-object-transient-sysmeta-")
_WORDS = """
    accept-ranges connection content-length content-location content-range content-type date etag keep-alive
    last-modified server transfer-encoding vary x-manifest-etag x-object-manifest x-object-version-id
    x-openstack-request-id x-parts-count x-static-large-object x-timestamp x-trans-id
"""
_OF_THE_ANSWER = frozenset(_WORDS.split())
"""What an answer says of itself, or of an object that the copy is not."""
_OF_THE_ANSWER_PREFIXES = ("x-backend-", "access-control-", "x-object-sysmeta-slo-")
_OF_THE_SOURCE_ALONE = (
    "x-object-sysmeta-s3api-acl",
    "x-object-transient-sysmeta-s3api-acl",
    "x-object-transient-sysmeta-s3api-lock-",
)
"""Who may read it, and how long it stays, is said of one object, not of its bytes."""
MANIFEST, LARGE = "x-object-manifest", "x-static-large-object"


def merged(source: Mapping[str, str], asked: Mapping[str, str], *, verified: bool) -> dict[str, str]:
    """Return the headers that the copy is stored with, beside its type, length and etag.

    What the client says counts; what the source has beside it stays, unless fresh metadata were asked for.
    A copy whose bytes may differ from the source's (not `verified`) is listed by its own etag and size.
    """
    is_fresh = true_value(asked.get("x-fresh-metadata", ""))
    kept = {
        name: value
        for name, value in source.items()
        if (name.startswith(SYSMETA) if is_fresh else name not in _OF_THE_ANSWER)
        and not name.startswith((*_OF_THE_ANSWER_PREFIXES, *_OF_THE_SOURCE_ALONE))
        and (verified or not name.startswith(OVERRIDE))
    }
    return {**kept, **asked}


def is_verified(status: int, source: Mapping[str, str], query: Mapping[str, str]) -> bool:
    """Whether the bytes that are copied have the source's etag: not parts, nor joined segments."""
    wants_manifest = query.get("multipart-manifest") == "get"
    return status == 200 and LARGE not in source and (MANIFEST not in source or wants_manifest)


def source_query(query: Mapping[str, str]) -> dict[str, str]:
    """Return the query for the source: a manifest is asked for as it was stored."""
    return {**query, "format": "raw"} if query.get("multipart-manifest") == "get" else dict(query)


def copy_query(query: Mapping[str, str], source: Mapping[str, str]) -> dict[str, str]:
    """Return the query for the copy."""
    made = {name: value for name, value in query.items() if name != "version-id"}
    if query.get("multipart-manifest") == "get":
        if LARGE in source:
            made["multipart-manifest"] = "put"
        if MANIFEST in source:
            del made["multipart-manifest"]
    return made


def announced(
    source: Mapping[str, str], copy: Mapping[str, str], *, account: str, path: str
) -> dict[str, str]:
    """Return what the answer says of the copy: where it comes from, and its metadata."""
    said = {"X-Copied-From-Account": encoded(account), "X-Copied-From": encoded(path)}
    for name, title in (
        ("last-modified", "X-Copied-From-Last-Modified"),
        ("x-object-version-id", "X-Copied-From-Version-Id"),
    ):
        if name in source:
            said[title] = source[name]
    shown = {name: value for name, value in copy.items() if name.startswith(STORED) or name == "x-delete-at"}
    return {**said, **{name.title() if name.isascii() else name: value for name, value in shown.items()}}


def key_of(name: str) -> str:
    """Return where WSGI keeps a header; only the ASCII letters of its name have a case."""
    return "HTTP_" + name.replace("-", "_").encode("latin-1").upper().decode("latin-1")


def name_of(key: str) -> str:
    """Return the header that WSGI keeps there, in lower case."""
    return key[5:].replace("_", "-").encode("latin-1").lower().decode("latin-1")
