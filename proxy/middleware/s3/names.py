"""Which bucket and key a request is for, and which names a bucket may have.

    Host + path ──place()──▶ Place(account, bucket, key)

A bucket's name may have its account's before it, ACCOUNT:BUCKET: this is how another account's are reached.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..host_names import domain_within
from .errors import S3Error

KEY_BYTES_MAX = 1024
SEGMENTS = "+segments"
_strict = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]").fullmatch
_lax = re.compile(r"[A-Za-z0-9._-]{3,255}").fullmatch
_address = re.compile(r"\d+\.\d+\.\d+\.\d+").fullmatch
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


class Place(NamedTuple):
    """What a request is for; names are text. A tuple, as every request makes one."""

    account: str | None = None
    bucket: str | None = None
    key: str | None = None


def place(host: str, path: str, domains: Sequence[str]) -> Place:
    """Return what a path on a host is for; `domains` have a dot before them, `path` is text.

    Raises:
        S3Error: InvalidURI, InvalidBucketName, KeyTooLongError.
    """
    bucket = bucket_of_host(host, domains) if domains else None
    if bucket is None:
        bucket, _, key = path[1:].partition("/")
    else:
        key = path[1:]
    account, colon, name = bucket.rpartition(":") if ":" in bucket else ("", "", bucket)
    if name and not _lax(name):
        raise S3Error("InvalidBucketName", BucketName=name)
    if not name and (key or colon):
        raise S3Error("InvalidURI")
    if key:
        check_key(key)
    return Place(account or None, name or None, key or None)


def bucket_of_host(host: str, domains: Sequence[str]) -> str | None:
    """Return the bucket that a host's name has before one of these domains, or None."""
    domain = domain_within(host, domains) if domains else None
    return host[: -len(domain)] or None if domain is not None else None


def check_key(key: str) -> None:
    """Refuse what can be no object's name.

    Raises:
        S3Error: InvalidURI, KeyTooLongError.
    """
    try:
        size = len(key) if key.isascii() else len(key.encode())
    except UnicodeEncodeError as problem:  # Bytes that are not UTF-8 came through as surrogates.
        raise S3Error("InvalidURI") from problem
    if "\0" in key:
        raise S3Error("InvalidURI", "A key cannot have the character NUL.")
    if size > KEY_BYTES_MAX:
        raise S3Error("KeyTooLongError", Size=size, MaxSizeAllowed=KEY_BYTES_MAX)


def is_bucket(name: str) -> bool:
    """Whether a container of this name is a bucket, too: the store's own rules are wider than Amazon's."""
    return _lax(name) is not None


def is_new_bucket(name: str) -> bool:
    """Whether a bucket may be created under this name, by Amazon's rules."""
    return (
        _strict(name) is not None
        and ".." not in name
        and ".-" not in name
        and "-." not in name
        and _address(name) is None
        and not name.startswith(_RESERVED_STARTS)
        and not name.endswith(_RESERVED_ENDS)
    )


def segments_of(bucket: str) -> str:
    """Return the container of the parts of a bucket's large objects, which is no bucket."""
    return bucket + SEGMENTS
