"""How the documents of a bucket are set, shown and taken away.

    PUT ?cors, XML ──check, rewritten──▶ packed ──POST──▶ the container's system metadata
    GET ?cors ──may the caller?──▶ unpacked ──▶ the same XML, or NoSuchCORSConfiguration

Who may is decided below: what is POSTed to a container is its owner's to say, or theirs whom a policy allows
it; reading is judged alike. What the store's own API has a word for, too, is said with the same POST.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .....common.http.answer import Answer
from ..access_logging import target
from ..answers import xml_answer
from ..errors import S3Error
from ..request import Request
from ..xml import Element, Node
from . import cors, documents, encryption, reading, website
from .bucket_facts import Operation, document_of, facts_for_owner, keep, say, xml_text
from .kinds import ABSENT, EMPTY, KINDS, Kind

BYTES_MAX = 1 << 20


def _getter(kind: Kind) -> Operation:
    def get(request: Request) -> Answer:
        info = facts_for_owner(request)
        text = document_of(info, kind.name)
        if text is not None:
            answer = xml_text(text)
            if kind.header:
                said = info.sysmeta.get(f"s3api-{kind.name}-header")
                answer.headers[kind.header] = said or kind.header_values[0]
            return answer
        empty = encryption.default() if kind.word == "encryption" else kind.empty
        if empty is None:
            raise S3Error(kind.missing, BucketName=request.bucket)
        return xml_answer(empty)

    return get


def _putter(kind: Kind) -> Operation:
    def put(request: Request) -> Answer:
        root = request.xml(kind.root, BYTES_MAX)
        kind.check(root)
        _REQUIRES.get(kind.word, _nothing_required)(request, root)
        say_too = _TOO.get(kind.word, _nothing)(root)
        answer = Answer(kind.put_status)
        if kind.header:
            said = request.header(kind.header) or kind.header_values[0]
            if said not in kind.header_values:
                raise S3Error("InvalidArgument", ArgumentName=kind.header, ArgumentValue=said)
            say_too[f"{documents.PREFIX}{kind.name}-header"] = answer.headers[kind.header] = said
        if kind.empty is not None and not root.children:  # What says nothing is taken away.
            say(request, {**documents.erased(kind.name, request.container().sysmeta), **say_too})
        else:
            keep(request, kind.name, str(reading.rewritten(kind.complete(root))), say_too)
        return answer

    return put


def _deleter(kind: Kind) -> Operation:
    def delete(request: Request) -> Answer:
        say_too = _TOO.get(kind.word, _nothing)(None)
        if kind.header:
            say_too[f"{documents.PREFIX}{kind.name}-header"] = ""
        say(request, {**documents.erased(kind.name, request.container().sysmeta), **say_too})
        return Answer(204)

    return delete


def _nothing(_root: Node | None) -> dict[str, str]:
    return {}


def _cors_too(root: Node | None) -> dict[str, str]:
    return cors.metadata_of([] if root is None else cors.rules_of(root))


_TOO: Mapping[str, Callable[[Node | None], dict[str, str]]] = {
    "cors": _cors_too,
    "website": website.metadata_of,
}
"""What a container says in words of the store's own API, beside the document; of None, to unsay it."""


def _nothing_required(_request: Request, _root: Node) -> None:
    return


_REQUIRES: Mapping[str, Callable[[Request, Node], None]] = {
    "encryption": encryption.require,
    "logging": target.require,
}
"""What has to be so in the store before a document is kept."""


def _empty(document: Element, *, has_ids: bool) -> Operation:
    def get(request: Request) -> Answer:
        facts_for_owner(request)
        if has_ids and request.query.get("id"):
            raise S3Error("NoSuchConfiguration")
        return xml_answer(document)

    return get


def _absent(code: str) -> Operation:
    def get(request: Request) -> Answer:
        facts_for_owner(request)
        raise S3Error(code)

    return get


OPERATIONS: Mapping[tuple[str, str, str], Operation] = {
    **{("bucket", "GET", word): _getter(kind) for word, kind in KINDS.items()},
    **{("bucket", "PUT", word): _putter(kind) for word, kind in KINDS.items()},
    **{("bucket", "DELETE", word): _deleter(kind) for word, kind in KINDS.items() if kind.may_delete},
    **{
        ("bucket", "GET", word): _empty(document, has_ids=word != "accelerate")
        for word, document in EMPTY.items()
    },
    **{("bucket", "GET", word): _absent(code) for word, code in ABSENT.items()},
}
