"""Where a bucket's log goes, as its owner has said, and what the objects there are called.

    <BucketLoggingStatus> ──logging_of()──▶ Logging(target, prefix, form) ──place()──▶ Place
    Place, a moment ──object_name()──▶ PREFIX2026-11-21-17-38-56-5F3A…

Pure.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import astuple, dataclass
from enum import StrEnum
from functools import lru_cache

from ..configuration import reading
from ..errors import S3Error
from ..names import is_bucket
from ..xml import Node, read

DOCUMENT = "logging"
PREFIX_BYTES_MAX = 512
_UNIQUE_CHARACTERS = 16
_REMEMBERED = 1024


class Form(StrEnum):
    """Which names the objects get behind the prefix."""

    SIMPLE = "simple"
    EVENT_TIME = "event"
    """Account, region, bucket and the day of the requests."""
    DELIVERY_TIME = "delivery"
    """The same with the day on which the object is written."""


@dataclass(frozen=True, slots=True)
class Logging:
    """What a bucket's owner has said."""

    target: str
    prefix: str
    form: Form = Form.SIMPLE


@dataclass(frozen=True, slots=True)
class Place:
    """Where lines go together."""

    account: str
    source: str
    """The bucket that the requests were for."""
    target: str
    prefix: str
    """With account, region and bucket where the names have them."""
    form: Form
    day: str = ""
    """Of the requests, as 2026-11-21, where the names have it."""


def check(root: Node) -> None:
    """Refuse what is no such document, and what is not done here.

    Raises:
        S3Error: MalformedXML, InvalidArgument, NotImplemented.
    """
    _read(root)


@lru_cache(maxsize=_REMEMBERED)
def logging_of(text: str) -> Logging | None:
    """Return what a document that was checked says; None where it switches the log off."""
    return _read(read(text.encode()))


def target_of(root: Node) -> str | None:
    """Return the bucket that a document names, None where it switches the log off."""
    said = _read(root)
    return None if said is None else said.target


def _read(root: Node) -> Logging | None:
    reading.only(root, ("LoggingEnabled",), once=("LoggingEnabled",))
    enabled = root.find("LoggingEnabled")
    if enabled is None:
        return None
    tags = ("TargetBucket", "TargetPrefix", "TargetGrants", "TargetObjectKeyFormat")
    reading.only(enabled, tags, once=tags)
    grants = enabled.find("TargetGrants")
    if grants is not None and grants.children:
        raise S3Error("NotImplemented", "Objects of a log have no TargetGrants; use the bucket's policy.")
    target = reading.text(enabled, "TargetBucket")
    if not is_bucket(target):
        raise S3Error("InvalidTargetBucketForLogging", TargetBucket=target)
    prefix = reading.needed(enabled, "TargetPrefix").text
    if len(prefix.encode()) > PREFIX_BYTES_MAX:
        raise S3Error("InvalidArgument", f"The TargetPrefix is longer than {PREFIX_BYTES_MAX} bytes.")
    return Logging(target, prefix, _form(enabled.find("TargetObjectKeyFormat")))


def _form(node: Node | None) -> Form:
    if node is None:
        return Form.SIMPLE
    reading.only(node, ("SimplePrefix", "PartitionedPrefix"))
    if len(node.children) != 1:
        raise reading.malformed("TargetObjectKeyFormat must have either SimplePrefix or PartitionedPrefix")
    child = node.children[0]
    if child.tag == "SimplePrefix":
        reading.only(child, ())
        return Form.SIMPLE
    reading.only(child, ("PartitionDateSource",), once=("PartitionDateSource",))
    said = child.value("PartitionDateSource", "DeliveryTime")
    source = reading.one_of(said, ("EventTime", "DeliveryTime"), "PartitionDateSource")
    return Form.EVENT_TIME if source == "EventTime" else Form.DELIVERY_TIME


def place(said: Logging, *, account: str, region: str, bucket: str, moment: float) -> Place:
    """Return where the line of a request at that moment goes."""
    if said.form is Form.SIMPLE:
        return Place(account, bucket, said.target, said.prefix, said.form)
    day = time.strftime("%Y-%m-%d", time.gmtime(moment)) if said.form is Form.EVENT_TIME else ""
    return Place(account, bucket, said.target, f"{said.prefix}{account}/{region}/{bucket}/", said.form, day)


def object_name(where: Place, moment: float, batch: str) -> str:
    """Return the name of an object; the same batch has always the same, so that none is written twice."""
    at = time.gmtime(moment)
    day, clock = where.day or time.strftime("%Y-%m-%d", at), time.strftime("%H-%M-%S", at)
    if where.form is Form.EVENT_TIME:
        clock = "00-00-00"
    folders = "" if where.form is Form.SIMPLE else day.replace("-", "/") + "/"
    seed = "\0".join([batch, *astuple(where)])
    unique = hashlib.sha256(seed.encode("utf-8", "surrogateescape")).hexdigest()[:_UNIQUE_CHARACTERS].upper()
    return f"{where.prefix}{folders}{day}-{clock}-{unique}"
