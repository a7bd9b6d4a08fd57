"""Objects: PUT, GET and HEAD.

    GET, HEAD ──▶ conditions, version, part ──passed()──▶ headers in S3's words, body untouched
    PUT ──▶ what is kept of it ──passed()──▶ ETag, version, checksum

The client's own request goes on to the store, with its body where it is: a small object costs a look at its
headers on the way in and one on the way out. Copies, deletions, tags and attributes have files of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus

from ....common import conditions, info
from ....common.http.answer import Answer
from ....common.http.wsgi import Environ
from ....common.ranges import choose, content_range
from ....common.timestamp import ZERO
from ..inner import Reply
from . import (
    at_rest,
    checksums,
    customer_keys,
    customer_parts,
    metadata,
    part_checksums,
    replaced,
    tagging,
    versioning,
)
from .errors import S3Error, from_swift
from .marks import OPERATION
from .numbers import whole
from .request import Request, decoded_md5

PARTS_MAX = 10_000
ETAG_IS_AT = "X-Backend-Etag-Is-At"
CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")
_NO_CONDITIONS = (
    ("If-Modified-Since", "HTTP_IF_MODIFIED_SINCE"),
    ("If-Unmodified-Since", "HTTP_IF_UNMODIFIED_SINCE"),
)
"""Of writes: whoever says them would believe that they were judged."""
_WHERE = {ETAG_IS_AT: metadata.ETAG.title()}
_SENTENCE_BYTES_MAX = 65536
_SSE_KEY = "HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION_CUSTOMER_ALGORITHM"
Passed = tuple[str, list[tuple[str, str]], Iterable[bytes]]


# --- reading ---------------------------------------------------------------------------------------


def read(request: Request) -> Answer:
    """Serve GET and HEAD of an object."""
    environ = request.environ
    part = None
    asked: dict[str, str] = {}
    if request.query:
        if request.user is None and any(name.startswith("response-") for name in request.query):
            raise S3Error("InvalidRequest", "Strangers cannot choose the headers of an answer.")
        asked = versioning.version_query(request)
        part = part_number(request)
        if part is not None:
            asked = {**asked, "part-number": str(part)}
    is_conditional = "HTTP_IF_MATCH" in environ or "HTTP_IF_NONE_MATCH" in environ
    passed = request.passed(headers=_conditions(environ) if is_conditional else None, query=asked)
    status = passed[0]
    if status[0] != "2":
        raise refusal(request, passed)
    said, facts = metadata.shown(passed[1])
    answer = Answer(int(status[:3]), said, passed[2])
    if customer_keys.SEALED in facts or _SSE_KEY in environ:
        _decrypt(request, answer, facts)
    if part is not None and not metadata.is_large(facts):
        _only_part(answer, part)
    if "HTTP_RANGE" in environ and request.method == "HEAD":
        _only_range(answer, environ)
    if metadata.is_plain(facts):
        environ.pop(OPERATION, None)  # No other object is read for it; and it names us: all would be kept.
    if environ.get("HTTP_X_AMZ_CHECKSUM_MODE") == "ENABLED":
        if part is not None:
            said.update(part_checksums.of_part(request, asked, part, facts))
        elif answer.status == HTTPStatus.OK:
            said.update(checksums.shown(facts))
    if request.query:
        metadata.overridden(said, request.query)
    return answer


def _decrypt(request: Request, answer: Answer, facts: Mapping[str, str]) -> None:
    """Make the answer that of an object that is encrypted with the client's key, or refuse it."""
    try:
        opened = customer_keys.opened(request.environ, facts.get(customer_keys.SEALED))
    except S3Error:
        _close(answer)
        raise
    if opened is None:
        return
    if request.method == "GET":
        assert not isinstance(answer.body, bytes)
        assert request.bucket is not None
        assert request.key is not None
        headers = {**{name.lower(): value for name, value in answer.headers.items()}, **facts}
        version = versioning.version_query(request)
        place = customer_parts.Place(request.account, request.bucket, request.key, version)
        reply = Reply(answer.status, headers, answer.body)
        answer.body = customer_parts.decrypted(request.app, request.environ, place, reply, *opened)
    answer.headers.pop(at_rest.HEADER, None)  # The client's key is what counts.
    answer.headers.update(opened[0].headers())


def part_number(request: Request) -> int | None:
    """Return the part that is asked for.

    Raises:
        S3Error: for what is no number of a part, and for one beside a Range.
    """
    text = request.query.get("partNumber")
    if text is None:
        return None
    if "HTTP_RANGE" in request.environ:
        raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
    number = whole(text, least=1, most=PARTS_MAX)
    if number is None:
        raise S3Error(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {PARTS_MAX}, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=text,
        )
    return number


def _conditions(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return the conditions for the store, which is told where multipart uploads have their ETag.

    Of a large object that the other API has made S3 shows the ETag with `-N` behind it.
    """
    said: dict[str, str | None] = {**_WHERE}
    for key in CONDITIONS:
        if key in environ:
            said[key[5:].replace("_", "-")] = _as_stored(environ[key])
    return said


def _as_stored(tags: str) -> str:
    """Return a list of ETags by which the store, too, knows the large objects that the other API has made."""
    bare = [conditions.normalized(tag) for tag in tags.split(",") if "-N" in tag]
    return ", ".join((tags, *(f'"{tag[:-2]}"' for tag in bare if tag.endswith("-N"))))


def _only_part(answer: Answer, part: int) -> None:
    """Make the answer that of the only part of an object that has no others."""
    length = int(answer.headers["Content-Length"])
    if part > 1:
        _close(answer)
        raise S3Error("InvalidPartNumber", ActualPartCount=1, PartNumberRequested=part)
    if length:
        answer.status = HTTPStatus.PARTIAL_CONTENT
        answer.headers["Content-Range"] = content_range((0, length), length)


def _only_range(answer: Answer, environ: Mapping[str, str]) -> None:
    """Make the answer to a HEAD that of a range, of which the store takes no notice."""
    length = int(answer.headers["Content-Length"])
    etag, moment = answer.headers.get("ETag", ""), answer.headers.get("Last-Modified")
    if_range = environ.get("HTTP_IF_RANGE")
    if if_range is not None and if_range != moment and not conditions.range_holds(if_range, etag, ZERO):
        return
    spans = choose(environ["HTTP_RANGE"], length)
    if spans == []:
        _close(answer)
        raise S3Error("InvalidRange", ActualObjectSize=length, RangeRequested=environ["HTTP_RANGE"])
    if spans is not None and len(spans) == 1:
        answer.status = HTTPStatus.PARTIAL_CONTENT
        answer.headers["Content-Range"] = content_range(spans[0], length)
        answer.headers["Content-Length"] = str(spans[0][1] - spans[0][0])


def _close(answer: Answer) -> None:
    close = getattr(answer.body, "close", None)
    if close is not None:
        close()


# --- writing ---------------------------------------------------------------------------------------


def put(request: Request) -> Answer:
    """Serve PUT of an object."""
    environ = request.environ
    kept = kept_headers(request)
    text = environ.get("HTTP_CONTENT_MD5")
    md5 = None if text is None else decoded_md5(text)
    key = customer_keys.asked(environ)
    if key is not None:
        wished = key.headers()
        kept[customer_keys.SEALED_KEY] = encrypt(environ, key, md5)
    else:
        wished = encryption_asked(request)
        if md5 is not None:
            kept["HTTP_ETAG"] = md5.hex()
    if not environ.get("CONTENT_TYPE"):
        environ["CONTENT_TYPE"] = metadata.DEFAULT_TYPE
    conditional = write_conditions(request)
    for name, value in conditional.items():
        kept["HTTP_" + name.upper().replace("-", "_")] = value
    has_checksum = checksums.keep(environ)
    forget = replaced.before(request)
    metadata.drop_spent(environ)
    environ.update(kept)
    passed = request.passed()
    if passed[0][0] != "2":
        raise write_refusal(request, passed, is_conditional=bool(conditional))
    _end(passed[2])
    said, _ = metadata.shown(passed[1])
    headers = {name: said[name] for name in ("ETag", metadata.VERSION) if name in said}
    headers.update(has_checksum())
    headers.update(wished)
    if forget is not None and passed[0][:3] == "201":  # 202: somebody else was later, and may need them.
        forget()
    return Answer(200, headers)


def encrypt(environ: Environ, key: customer_keys.CustomerKey, md5: bytes | None) -> str:
    """Have a body encrypted as it passes; return what is to be kept of the key."""
    length = environ.get("CONTENT_LENGTH")
    size = int(length) if length and length.isdigit() else None
    body = customer_keys.EncryptedBody(environ["wsgi.input"], key, size, md5)
    environ["wsgi.input"] = body
    return body.sealed


def kept_headers(request: Request) -> dict[str, str]:
    """Return what is to be kept of an upload's headers, tags among them, as keys of the environ."""
    kept = metadata.stored(request.environ)
    tags = request.environ.get("HTTP_X_AMZ_TAGGING")
    if tags:
        kept[tagging.KEY] = tagging.written(tagging.of_header(tags))
    return kept


def encryption_asked(request: Request) -> dict[str, str]:
    """Return what the answer says of encryption that an upload asks for.

    Raises:
        S3Error: where nobody would encrypt it, or not like that: it must not be stored in clear instead.
    """
    wished = request.environ.get("HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION")
    if wished is None:
        return at_rest.answer()
    if wished not in ("AES256", "aws:kms", "aws:kms:dsse"):
        raise S3Error("InvalidEncryptionAlgorithmError", ArgumentValue=wished)
    if wished != at_rest.ALGORITHM or not at_rest.is_encrypting():
        raise S3Error("NotImplemented", f"Encryption by {wished} is not configured here.")
    return at_rest.answer()


def write_conditions(request: Request) -> dict[str, str]:
    """Return an upload's conditions as headers for the store; none where it has none.

    Raises:
        S3Error: for conditions that do not exist, or that the store behind us would not judge.
    """
    environ = request.environ
    for header, key in _NO_CONDITIONS:
        if key in environ:
            raise S3Error("NotImplemented", f"{header} is no condition of a write.", Header=header)
    none_match, match = environ.get("HTTP_IF_NONE_MATCH"), environ.get("HTTP_IF_MATCH")
    if match is None and none_match is None:
        return {}
    if match is not None and none_match is not None:
        raise S3Error("InvalidRequest", "If-Match and If-None-Match exclude each other.")
    if match is not None:
        return matching(match)
    assert none_match is not None
    if none_match.strip() != "*":
        raise S3Error("NotImplemented", "If-None-Match of an upload can only be *.", Header="If-None-Match")
    return {"If-None-Match": "*", **_WHERE}


def matching(etag: str) -> dict[str, str]:
    """Return the condition that an object have this ETag as headers for the store.

    Raises:
        S3Error: where the store behind us would not judge it.
    """
    if not judges_conditions():
        raise S3Error("NotImplemented", "If-Match of a write is not implemented here.", Header="If-Match")
    return {"If-Match": _as_stored(etag), **_WHERE}


def judges_conditions() -> bool:
    """Whether the store judges the conditions of writes, one after the other."""
    return bool(info.public().get("apus", {}).get("conditional_writes"))


# --- what went wrong -------------------------------------------------------------------------------


def refusal(request: Request, passed: Passed) -> S3Error:
    """Return what an answer other than the wanted one means; its body is let go of."""
    reply = reply_of(passed)
    said, _ = metadata.shown(passed[1])
    if reply.status == HTTPStatus.NOT_FOUND:
        reply.close()
        return versioning.missing(request, reply.headers)
    if reply.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        reply.close()
        if "partNumber" in request.query:
            count = said.get("x-amz-mp-parts-count")
            asked = request.query["partNumber"]
            return S3Error("InvalidPartNumber", ActualPartCount=count, PartNumberRequested=asked)
        size = said.get("Content-Range", "").rpartition("/")[2]
        return S3Error("InvalidRange", ActualObjectSize=size, RangeRequested=request.header("Range"))
    return from_swift(reply.status, request, said, _sentence(reply))


def write_refusal(request: Request, passed: Passed, *, is_conditional: bool) -> S3Error:
    """Return what is meant by an answer that is no success of an upload."""
    reply = reply_of(passed)
    if is_conditional and reply.status == HTTPStatus.CONFLICT:
        reply.close()
        return S3Error("ConditionalRequestConflict", Key=request.key)
    if reply.status == HTTPStatus.NOT_FOUND:
        reply.close()
        return S3Error("NoSuchBucket", BucketName=request.bucket)
    if reply.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        reply.close()
        return S3Error("BadDigest", ExpectedDigest=request.environ.get("HTTP_ETAG"))
    sentence = _sentence(reply)
    if reply.status == HTTPStatus.BAD_REQUEST and b"etadata" in sentence:
        return S3Error("MetadataTooLarge", sentence.decode("utf-8", "replace").strip())
    if reply.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and b"quota" in sentence:
        return S3Error("EntityTooLarge", sentence.decode("utf-8", "replace").strip())
    return from_swift(reply.status, request, reply.headers, sentence)


def reply_of(passed: Passed) -> Reply:
    """Return what the store answered to the client's own request."""
    return Reply(int(passed[0][:3]), {name.lower(): value for name, value in passed[1]}, passed[2])


def _sentence(reply: Reply) -> bytes:
    try:
        return reply.read(_SENTENCE_BYTES_MAX)
    except ValueError:
        return b""


def _end(body: Iterable[bytes]) -> None:
    """Hear the rest of an answer, of which the head has said all there is."""
    if type(body) is not list:
        Reply(200, {}, body).read()


OPERATIONS = {
    ("object", "GET", ""): read,
    ("object", "HEAD", ""): read,
    ("object", "PUT", ""): put,
}
