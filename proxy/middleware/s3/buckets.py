"""Buckets themselves: listed, made, looked at, deleted.

    GET / ──▶ the account's listing    PUT, HEAD, DELETE /bucket ──▶ the container    GET ?location ──▶ region

The parts of large objects are in a container beside the bucket's, which is deleted after it: what a deletion
that was interrupted leaves, the next one removes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping

import orjson

from ....common.concurrency import Crew
from ....common.http.answer import Answer
from . import times, xml
from .answers import owner, xml_answer
from .configuration import locking, permissions
from .errors import S3Error, from_swift
from .names import SEGMENTS, is_bucket, is_new_bucket, segments_of
from .numbers import whole
from .request import Request

BUCKETS_MAX = 10_000  # Of one page, as Amazon has it.
_PAGE = 1000
_CREW = 16

Creation = Callable[[Request], Mapping[str, str]]
"""What the headers of a creation mean to the container: headers of its PUT."""
CREATIONS: tuple[Creation, ...] = (permissions.of_new_bucket, locking.of_new_bucket)


def list_buckets(request: Request) -> Answer:
    """ListBuckets."""
    query = request.query
    prefix = query.get("prefix", "")
    paged = "max-buckets" in query
    most = _number_of_buckets(query["max-buckets"]) if paged else None
    after = _name_of_token(query["continuation-token"]) if query.get("continuation-token") else ""
    region = xml.element("BucketRegion", request.config.location)
    rows: list[xml.Element] = []
    token = None
    last = ""
    for row in _containers(request, prefix, after):
        if most is not None and len(rows) == most:
            token = base64.urlsafe_b64encode(last.encode()).decode()
            break
        last = row["name"]
        moment = times.iso_of_listing(row["last_modified"])
        name = xml.element("Name", last)
        rows.append(xml.element("Bucket", name, xml.element("CreationDate", moment), region))
    document = xml.element(
        "ListAllMyBucketsResult",
        owner(request),
        xml.element("Buckets", *rows),
        xml.element("Prefix", prefix) if prefix else None,
        xml.element("ContinuationToken", token) if token is not None else None,
    )
    return xml_answer(document)


def _containers(request: Request, prefix: str, after: str) -> Iterator[dict[str, str]]:
    """Yield the rows of the account's listing that are buckets."""
    while True:
        query = {"format": "json", "limit": str(_PAGE), "prefix": prefix, "marker": after}
        reply = request.ask("GET", query=query)
        if reply.status == 404:  # An account is created with its first container.
            reply.close()
            return
        if not reply.is_good:
            raise from_swift(reply.status, request, body=reply.read())
        page = orjson.loads(reply.read() or b"[]")
        rows = [row for row in page if "name" in row]
        yield from (row for row in rows if is_bucket(row["name"]))
        if len(page) < _PAGE or not rows:
            return
        after = rows[-1]["name"]


def _number_of_buckets(text: str) -> int:
    number = whole(text, least=1, most=BUCKETS_MAX)
    if number is None:
        raise S3Error("InvalidArgument", ArgumentName="max-buckets", ArgumentValue=text)
    return number


def _name_of_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as problem:
        raise S3Error("InvalidArgument", ArgumentName="continuation-token", ArgumentValue=token) from problem


def create_bucket(request: Request) -> Answer:
    """CreateBucket."""
    bucket = request.bucket
    assert bucket is not None
    if not is_new_bucket(bucket):
        raise S3Error("InvalidBucketName", BucketName=bucket)
    _check_location(request)
    headers = {name: value for creation in CREATIONS for name, value in creation(request).items()}
    reply = request.ask("PUT", bucket, headers=headers)
    body = reply.read()
    if reply.status == 202 and request.config.location != "us-east-1":
        raise S3Error("BucketAlreadyOwnedByYou", BucketName=bucket)
    if not reply.is_good:
        raise from_swift(reply.status, request, body=body)
    return Answer(200, {"Location": f"/{bucket}"})


def _check_location(request: Request) -> None:
    """Refuse a bucket that is to be in another place."""
    body = request.body(65536)
    if not body.strip():
        return
    here = request.config.location
    document = xml.parse(body, "CreateBucketConfiguration")
    asked = document.value("LocationConstraint")
    if asked and asked != here:
        raise S3Error("InvalidLocationConstraint", LocationConstraint=asked)


def head_bucket(request: Request) -> Answer:
    """HeadBucket."""
    region = {"x-amz-bucket-region": request.config.location}
    reply = request.ask("HEAD", request.bucket)
    reply.close()
    if not reply.is_good:
        refusal = from_swift(reply.status, request)
        refusal.headers.update(region)
        raise refusal
    return Answer(200, {"Content-Type": "application/xml", **region})


def delete_bucket(request: Request) -> Answer:
    """DeleteBucket."""
    bucket = request.bucket
    assert bucket is not None
    reply = request.ask("DELETE", bucket)
    body = reply.read()
    if reply.status not in (204, 404):
        raise from_swift(reply.status, request, body=body)
    _delete_leftovers(request, segments_of(bucket))
    if reply.status == 404:
        raise S3Error("NoSuchBucket", BucketName=bucket)
    return Answer(204)


def _delete_leftovers(request: Request, container: str) -> None:
    """Delete a container with all that is in it: parts of uploads that were never completed."""
    assert container.endswith(SEGMENTS)
    while True:
        reply = request.ask("GET", container, query={"format": "json", "limit": str(_PAGE)})
        if reply.status == 404:
            reply.close()
            return
        if not reply.is_good:
            raise from_swift(reply.status, request, body=reply.read())
        rows = orjson.loads(reply.read() or b"[]")
        names = [row["name"] for row in rows if "name" in row]
        # Ten thousand parts one after the other would take longer than clients wait.
        gone = list(Crew(_CREW).map(lambda name: request.ask("DELETE", container, name), names))
        for deleted in gone:
            deleted.close()
        if not rows:
            request.ask("DELETE", container).close()
            return
        if not any(deleted.is_good for deleted in gone):
            return  # Rows of what is deleted already; the next deletion of the bucket finds them gone.


def get_location(request: Request) -> Answer:
    """GetBucketLocation."""
    reply = request.ask("HEAD", request.bucket)
    reply.close()
    if not reply.is_good:
        raise from_swift(reply.status, request)
    here = request.config.location
    return xml_answer(xml.element("LocationConstraint", None if here == "us-east-1" else here))


OPERATIONS = {
    ("service", "GET", ""): list_buckets,
    ("bucket", "PUT", ""): create_bucket,
    ("bucket", "HEAD", ""): head_bucket,
    ("bucket", "DELETE", ""): delete_bucket,
    ("bucket", "GET", "location"): get_location,
}
