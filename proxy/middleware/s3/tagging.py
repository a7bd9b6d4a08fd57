"""Tags of one object.

    x-amz-tagging: a=1&b=2 ──of_header()──┐
    <Tagging> … </Tagging> ──of_document()┴▶ [("a", "1"), ("b", "2")] ──written()──▶ kept with the object
    GET ?tagging ◀── <Tagging> … ◀── read() ◀── of the version that is asked for

Tags are system metadata of the kind that a POST replaces: changing them moves no data. The same POST says
again what the object's metadata were, which it would replace, too; a POST through the Swift API removes the
tags with the metadata that it does not repeat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import parse_qsl, quote, unquote_plus

from ....common.http.answer import Answer
from ....common.http.wsgi import from_wsgi
from ..inner import Reply, ask, path_of
from ..versioned_writes.copies import RESERVED_NAMES
from ..versioned_writes.names import hidden_container, version_name
from . import metadata, versioning
from .configuration import leave, turns
from .errors import S3Error, from_swift
from .notification.meaning import means
from .request import Request
from .xml import Node, element, render

Tags = Sequence[tuple[str, str]]

TAGS_MAX = 10
NAME_MAX, VALUE_MAX = 128, 256
DOCUMENT_BYTES_MAX = 65536
KEY = "HTTP_X_OBJECT_TRANSIENT_SYSMETA_S3API_TAGGING"
"""Where an upload carries its tags."""
_characters = re.compile(r"[\w\s+\-=.:/@]*").fullmatch
"""Letters, digits and blanks of any script, and these signs, as AWS has them."""


# --- tags as such ----------------------------------------------------------------------------------


def of_header(text: str) -> Tags:
    """Return the tags of an `x-amz-tagging` header, which is a WSGI string in the form of a query.

    Raises:
        S3Error: InvalidArgument for what is no such form, InvalidTag for what are no tags.
    """
    pieces = from_wsgi(text).split("&") if text else []
    pairs = []
    for piece in pieces:
        name, _, value = piece.partition("=")
        if not name:
            raise S3Error(
                "InvalidArgument",
                'The header "x-amz-tagging" must be encoded as the query of a URL is.',
                ArgumentName="x-amz-tagging",
                ArgumentValue=from_wsgi(text),
            )
        pairs.append((unquote_plus(name), unquote_plus(value)))
    return checked(pairs)


def checked(pairs: Iterable[tuple[str, str]], *, tags_max: int = TAGS_MAX) -> Tags:
    """Return the tags if there are not too many of them and each is one.

    Raises:
        S3Error: InvalidTag, with the sentence that says why.
    """
    tags = list(pairs)
    if len(tags) > tags_max:
        raise S3Error("InvalidTag", f"There can be {tags_max} tags, and these are {len(tags)}.")
    if len({name for name, _ in tags}) < len(tags):
        raise S3Error("InvalidTag", "Two tags have the same key.")
    for name, value in tags:
        if not 0 < len(name) <= NAME_MAX or not _characters(name) or name.lower().startswith("aws:"):
            raise S3Error("InvalidTag", "The key of a tag is not valid.", TagKey=name)
        if len(value) > VALUE_MAX or not _characters(value):
            raise S3Error("InvalidTag", "The value of a tag is not valid.", TagKey=name, TagValue=value)
    return tags


def written(tags: Tags) -> str:
    """Return tags as they are kept: in the form of a query, in ASCII."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in tags)


def read(text: str) -> Tags:
    """Return tags that were kept."""
    return parse_qsl(text, keep_blank_values=True) if text else []


def of_document(root: Node, *, tags_max: int = TAGS_MAX) -> Tags:
    """Return the tags of a `Tagging` document.

    Raises:
        S3Error: MalformedXML, InvalidTag.
    """
    tag_set = root.find("TagSet")
    if tag_set is None:
        raise S3Error("MalformedXML", "The document has no TagSet.")
    pairs = []
    for node in tag_set.all("Tag"):
        name, value = node.value("Key"), node.value("Value")
        if name is None or value is None:
            raise S3Error("MalformedXML", "A Tag has a Key and a Value.")
        pairs.append((name, value))
    return checked(pairs, tags_max=tags_max)


def document(tags: Tags) -> bytes:
    """Return the document that tells tags."""
    rows = [element("Tag", element("Key", name), element("Value", value)) for name, value in tags]
    return render(element("Tagging", element("TagSet", *rows)))


# --- of an object ----------------------------------------------------------------------------------


def get_tagging(request: Request) -> Answer:
    """Serve GetObjectTagging."""
    reply = found(request, trusted=False)
    headers = {"Content-Type": "application/xml", **_version(reply)}
    return Answer(200, headers, document(read(reply.headers.get(metadata.TAGS, ""))))


def put_tagging(request: Request) -> Answer:
    """Serve PutObjectTagging."""
    tags = of_document(request.xml("Tagging", DOCUMENT_BYTES_MAX))
    told_as(request, "ObjectTagging:Put")
    return Answer(200, kept(request, {metadata.TAGS: written(tags)}))


def delete_tagging(request: Request) -> Answer:
    """Serve DeleteObjectTagging."""
    told_as(request, "ObjectTagging:Delete")
    return Answer(204, kept(request, {metadata.TAGS: ""}))


def told_as(request: Request, event: str) -> None:
    """Have what replaces the metadata of the object, or of the version, told by this name."""
    assert request.bucket is not None
    assert request.key is not None
    place = request.account, request.bucket, request.key
    means(request.environ, event, place=place, version_id=request.query.get("versionId", ""))


def found(request: Request, *, trusted: bool = True) -> Reply:
    """Return what is known of the object, or the version, that the request is for."""
    query = versioning.version_query(request)
    headers = {"X-Newest": "true"}
    reply = request.ask("HEAD", request.bucket, request.key, query=query, headers=headers, trusted=trusted)
    reply.close()
    if reply.status == 404:
        raise versioning.missing(request, reply.headers)
    if not reply.is_good:
        raise from_swift(reply.status, request, reply.headers)
    return reply


def _version(reply: Reply) -> dict[str, str]:
    return versioning.version_headers(reply.headers)


def kept(request: Request, changes: Mapping[str, str]) -> dict[str, str]:
    """Keep something else beside an object, if the caller may; see `changed`."""
    leave.require(request, "POST")
    return changed(request, lambda _: changes)


def changed(request: Request, decide: Callable[[Mapping[str, str]], Mapping[str, str]]) -> dict[str, str]:
    """Keep something else beside an object, and all that it says as it was; return the answer's headers.

    `decide` is told what the object says, and returns what changes, or raises; names are in lower case, and
    an empty value takes something away. Nobody else changes anything meanwhile. Nobody's leave is asked.
    """
    with turns.taken(request.environ, request.app, request.path(request.bucket, request.key)) as turn:
        before = found(request)  # Who may tag an object need not be allowed to read it.
        _say(request, _with(before.headers, decide(before.headers)), turn)
    return _version(before)


def _with(before: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Return all that a POST has to say."""
    headers = {
        name: value
        for name, value in before.items()
        if name in _REPLACED or name.startswith(_REPLACED_PREFIXES)
    }
    return {name: value for name, value in {**headers, **changes}.items() if value}


def _say(request: Request, headers: dict[str, str], turn: turns.Turn) -> None:
    """Replace the metadata of the object, or of the version, that the request is for."""
    turn.require()
    headers["X-Timestamp"] = turn.moment.internal
    version_id = request.query.get("versionId", versioning.NULL)
    if version_id == versioning.NULL:
        reply = request.ask("POST", request.bucket, request.key, headers=headers, trusted=True)
    else:
        reply = _post_version(request, version_id, headers)
    sentence = reply.read()
    if reply.status == 404:
        raise versioning.missing(request, reply.headers)
    if not reply.is_good:
        raise from_swift(reply.status, request, reply.headers, sentence)


def _post_version(request: Request, version_id: str, headers: dict[str, str]) -> Reply:
    """Replace a version's metadata where it is kept."""
    assert request.bucket is not None
    assert request.key is not None
    place = path_of(
        request.environ,
        request.account,
        hidden_container(request.bucket),
        version_name(request.key, version_id),
    )
    headers = {**headers, **RESERVED_NAMES}
    return ask(request.app, request.environ, "POST", place, headers=headers, trusted=True)


_REPLACED = frozenset(
    (
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "expires",
        "x-delete-at",
        "x-object-manifest",
        "x-robots-tag",
    )
)
_REPLACED_PREFIXES = ("x-object-meta-", "x-object-transient-sysmeta-")
"""What a POST replaces, so that it must be said again."""

OPERATIONS = {
    ("object", "GET", "tagging"): get_tagging,
    ("object", "PUT", "tagging"): put_tagging,
    ("object", "DELETE", "tagging"): delete_tagging,
}
