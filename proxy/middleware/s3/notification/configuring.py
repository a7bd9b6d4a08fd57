"""Setting and showing what a bucket tells of its objects, and whom.

PUT ?notification ──rules, targets that exist──▶ the container's system metadata
GET ?notification ──may the caller?──▶ the same document, empty where there is none
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from .....common.http.answer import Answer
from ..answers import xml_answer
from ..configuration import documents, reading
from ..configuration.bucket_facts import Operation, document_of, facts_for_owner, keep, say, xml_text
from ..errors import S3Error
from ..request import Request
from ..xml import Node, element
from .recording import DOCUMENT, targets_behind
from .rules import ROOT, rules_of

BYTES_MAX = 1 << 20


def get_notification(request: Request) -> Answer:
    """Serve GetBucketNotificationConfiguration."""
    text = document_of(facts_for_owner(request), DOCUMENT)
    return xml_answer(element(ROOT)) if text is None else xml_text(text)


def put_notification(request: Request) -> Answer:
    """Serve PutBucketNotificationConfiguration; an empty document takes the one away that there is."""
    root = request.xml(ROOT, BYTES_MAX)
    if not root.children:
        rules_of(root)
        say(request, documents.erased(DOCUMENT, request.container().sysmeta))
        return Answer(200)
    targets = targets_behind(request.app)
    if targets is None:
        raise S3Error("NotImplemented", "Nobody is told of what happens to objects of this store.")
    rules_of(root, targets.all())
    keep(request, DOCUMENT, str(reading.rewritten(_with_ids(root))))
    return Answer(200)


def _with_ids(root: Node) -> Node:
    """Give a name to each configuration that has none, as AWS does."""
    for each in root.children:
        if not each.value("Id"):
            each.children = [child for child in each.children if child.tag != "Id"]
            each.children.insert(0, Node("Id", uuid4().hex))
    return root


OPERATIONS: Mapping[tuple[str, str, str], Operation] = {
    ("bucket", "GET", DOCUMENT): get_notification,
    ("bucket", "PUT", DOCUMENT): put_notification,
}
