"""What answers of many operations have: a document, and who owns what it tells of."""

from __future__ import annotations

from ....common.http.answer import Answer
from . import xml
from .request import Request


def owner(request: Request, tag: str = "Owner") -> xml.Element:
    """Return who owns the buckets of an account, and all that is in them: the account."""
    name = request.account
    return xml.element(tag, xml.element("ID", name), xml.element("DisplayName", name))


def xml_answer(document: xml.Element, status: int = 200) -> Answer:
    """Return a document as an answer."""
    return Answer(status, {"Content-Type": "application/xml"}, xml.render(document))
