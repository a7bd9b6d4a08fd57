"""GetObjectAttributes: what is known of an object, without its bytes.

x-amz-object-attributes: ETag,ObjectParts ──▶ HEAD ──▶ <GetObjectAttributesResponse>
└ of several parts: its manifest, and what is kept with the parts
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from ....common.concurrency import Crew
from ....common.http.answer import Answer
from ..inner import Reply
from . import checksums, customer_keys, metadata, objects, spent, versioning
from .errors import S3Error, from_swift
from .numbers import whole
from .request import Request
from .xml import Element, element, render

NAMES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")
PARTS_MAX = 1000
"""Most parts of one answer."""
CONCURRENCY = 8
_NUMBER_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Page:
    """Which of an object's parts are asked for."""

    after: int
    count: int


def asked_names(text: str | None) -> frozenset[str]:
    """Return the attributes that are asked for.

    Raises:
        S3Error: when there are none, or some that do not exist.
    """
    names = frozenset(name.strip() for name in (text or "").split(",") if name.strip())
    if not names:
        raise S3Error(
            "InvalidRequest", "The x-amz-object-attributes header specifying the attributes is missing."
        )
    unknown = sorted(names - frozenset(NAMES))
    if unknown:
        raise S3Error(
            "InvalidArgument",
            "Invalid attribute name specified.",
            ArgumentName="x-amz-object-attributes",
            ArgumentValue=unknown[0],
        )
    return names


def asked_page(count: str | None, after: str | None) -> Page:
    """Return which parts are asked for: all that go into one answer, unless the headers say otherwise.

    Raises:
        S3Error: InvalidArgument.
    """
    return Page(
        _number("x-amz-part-number-marker", after, 0),
        min(_number("x-amz-max-parts", count, PARTS_MAX), PARTS_MAX),
    )


def _number(name: str, text: str | None, usual: int) -> int:
    if text is None:
        return usual
    number = whole(text, most=_NUMBER_MAX)
    if number is None:
        raise S3Error("InvalidArgument", ArgumentName=name, ArgumentValue=text)
    return number


def checksum_elements(summed: Mapping[str, str]) -> list[Element]:
    """Return what the headers of checksums say, as elements."""
    words = ((name.removeprefix("x-amz-checksum-"), value) for name, value in summed.items())
    return [
        element("ChecksumType" if word == "type" else f"Checksum{word.upper()}", value)
        for word, value in words
    ]


def get_attributes(request: Request) -> Answer:
    """Serve GetObjectAttributes."""
    names = asked_names(request.header("x-amz-object-attributes"))
    page = asked_page(request.header("x-amz-max-parts"), request.header("x-amz-part-number-marker"))
    query = versioning.version_query(request)
    passed = request.passed(method="HEAD", query=query)
    if passed[0][0] != "2":
        raise objects.refusal(request, passed)
    objects.reply_of(passed).close()
    said, facts = metadata.shown(passed[1])
    customer_keys.opened(request.environ, facts.get(customer_keys.SEALED))
    summed = checksums.shown(facts)
    content: list[Element] = []
    if "ETag" in names:
        content.append(element("ETag", said["ETag"].strip('"')))
    if "Checksum" in names and summed:
        content.append(element("Checksum", *checksum_elements(summed)))
    if "ObjectParts" in names and facts.get(metadata.ETAG):
        content.append(_parts(request, query, page, has_checksums=bool(summed)))
    if "StorageClass" in names:
        content.append(element("StorageClass", said.get("x-amz-storage-class", "STANDARD")))
    if "ObjectSize" in names:
        content.append(element("ObjectSize", said["Content-Length"]))
    kept = {name: said[name] for name in ("Last-Modified", metadata.VERSION) if name in said}
    document = render(element("GetObjectAttributesResponse", *content))
    return Answer(200, {"Content-Type": "application/xml", **kept}, document)


def _parts(request: Request, query: Mapping[str, str], page: Page, *, has_checksums: bool) -> Element:
    """Return the element that tells of an object's parts; S3 names them only if they have checksums."""
    whole = {**query, "multipart-manifest": "get"}
    reply = request.ask("GET", request.bucket, request.key, query=whole)
    if not reply.is_good:
        reply.close()
        raise from_swift(reply.status, request)
    rows = orjson.loads(reply.read(spent.MANIFEST_BYTES_MAX))
    count = element("PartsCount", len(rows))
    if not has_checksums:
        return element("ObjectParts", count)
    shown = list(enumerate(rows, 1))[page.after : page.after + page.count]
    last = shown[-1][0] if shown else page.after
    heads = Crew(CONCURRENCY).map(lambda each: _part(request, each[1]["name"]), shown)
    return element(
        "ObjectParts",
        count,
        element("PartNumberMarker", page.after),
        element("NextPartNumberMarker", last),
        element("MaxParts", page.count),
        element("IsTruncated", last < len(rows)),
        *(
            element("Part", element("PartNumber", number), element("Size", row["bytes"]), *head)
            for (number, row), head in zip(shown, heads, strict=True)
        ),
    )


def _part(request: Request, path: str) -> Sequence[Element]:
    """Return the checksum of a part."""
    _, container, name = path.split("/", 2)
    reply: Reply = request.ask("HEAD", container, name, trusted=True)
    reply.close()
    return [each for each in checksum_elements(checksums.shown(reply.headers)) if each.tag != "ChecksumType"]


OPERATIONS = {("object", "GET", "attributes"): get_attributes}
