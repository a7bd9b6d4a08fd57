"""What a bucket says of itself, to whom it may be told, and how it is made to say something else.

    facts_for_owner(request) ──▶ the container's facts, or AccessDenied ──document_of()──▶ text, or None
    keep(request, name, text) ──▶ a POST to the container, as the caller

Who may is decided by the store and the bucket's policy (judging.py). It does not know what a document means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .....common.http.answer import Answer
from ....info import ContainerInfo
from ...inner import call, inner_environ
from ..errors import S3Error, from_swift
from ..request import Request
from ..xml import Node, read, render
from . import documents, reading
from .judging import ALLOWED

Operation = Callable[[Request], Answer]


def facts_for_owner(request: Request) -> ContainerInfo:
    """Return what the bucket's container is said to be, to its owner or to whom a policy allows it.

    Raises:
        S3Error: NoSuchBucket, or AccessDenied to anybody else.
    """
    environ = inner_environ(request.environ, "HEAD", request.path(request.bucket))
    environ.pop(ALLOWED, None)
    reply = call(request.app, environ)
    reply.close()
    if not reply.is_good:
        raise from_swift(reply.status, request)
    if not (environ.get("apus.owner") or environ.get("swift_owner") or environ.get(ALLOWED)):
        raise S3Error("AccessDenied")
    return ContainerInfo.of(reply.status, reply.headers)


def say(request: Request, headers: Mapping[str, str]) -> None:
    """Have the bucket's container say these headers, as the caller.

    Raises:
        S3Error: when it doesn't.
    """
    reply = request.ask("POST", request.bucket, headers=headers)
    body = reply.read()
    if not reply.is_good:
        raise from_swift(reply.status, request, body=body)


def document_of(info: ContainerInfo, name: str) -> str | None:
    """Return a document of a bucket, None where it has none.

    Raises:
        S3Error: ServiceUnavailable when its pieces are of several.
    """
    try:
        return documents.unpacked(name, info.sysmeta)
    except documents.Torn as problem:
        raise S3Error("ServiceUnavailable") from problem


def node_of(info: ContainerInfo, name: str) -> Node | None:
    """Return a document of XML that a bucket has."""
    text = document_of(info, name)
    return None if text is None else read(text.encode())


def keep(request: Request, name: str, text: str, more: Mapping[str, str] | None = None) -> None:
    """Make a document the bucket's, and let the container say `more` at once with it.

    Raises:
        S3Error: when it cannot be kept.
    """
    try:
        headers = documents.packed(name, text, request.container().sysmeta)
    except documents.TooLong as problem:
        raise S3Error("MaxMessageLengthExceeded", f"The configuration is too long: {problem}.") from problem
    say(request, {**headers, **(more or {})})


def xml_text(text: str) -> Answer:
    """Return a document that was kept as an answer."""
    root = read(text.encode())
    return Answer(200, {"Content-Type": "application/xml"}, render(reading.rewritten(root)))
