"""Asking a bucket's policy, whichever door a request came through.

    denial(environ, acl) ──Judge──▶ the container has no policy, no block and no grants of S3's: as always
                               ├ Deny ──▶ 401, 403         Allow ──▶ go on
                               └ silent ──▶ the auth filter, with the container's list; then S3's own grants

The filter of S3 hands every request its judge (authorization.RULING), so that the store's own API is ruled by
the same policy. Requests that an S3 operation makes on the way are judged each for what they touch: the
operation's own action counts for its own bucket, what is read of another one is a GetObject there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote_plus

from .....common.http.answer import Answer
from .....common.http.wsgi import Environ, WSGIApp, from_wsgi, to_wsgi
from ....authorization import Denial
from ....info import ContainerInfo, get_container_info
from ...inner import ask
from ...refusals import denied, names_in
from ..names import SEGMENTS
from ..request import Request
from . import acl, actions, documents, locks
from .policy import BadPolicy, Question, Ruling, policy_of
from .public_access import NOTHING, flags_of
from .xml_memory import default_lock

OPERATION = "apus.s3_operation"
"""Where it carries what it is for, once that is known to be S3's."""
ALLOWED = "apus.policy_allows"
"""Set once a policy has allowed it."""
READABLE = "apus.policy_reads"
"""The bucket of an object that a policy lets be read: its parts may be, too, on the way."""
POLICY, BLOCK, LOCKS, ACL = "policy", "publicaccessblock", "object-lock", "s3api-acl"
_CHANGES = frozenset(("PUT", "POST"))
_EXPIRY = frozenset(("HTTP_X_DELETE_AT", "HTTP_X_DELETE_AFTER"))
_OWNERS_OWN = frozenset(("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"))
"""What no policy can take from the owner, who else would be locked out for ever."""


def introduce(request: Request, word: str) -> None:
    """Let the judge know what an S3 request is for."""
    request.environ[OPERATION] = Operation(request, word)


class Operation:
    """An S3 request as the judge knows it."""

    __slots__ = ("action", "bucket", "is_for_objects", "is_read", "request")

    def __init__(self, request: Request, word: str) -> None:
        level = "object" if request.key is not None else "service" if request.bucket is None else "bucket"
        self.request = request
        self.bucket = request.bucket
        self.is_read = request.method in actions.READS
        has_version = bool(request.query.get("versionId"))
        self.action = actions.of_s3(level, request.method, word, has_version=has_version)
        self.is_for_objects = level == "object" or self.action in ("s3:DeleteObject", "s3:PutObject")


class Judge:
    """Who is asked before the auth filter."""

    def __init__(self, app: WSGIApp) -> None:
        self._app = app

    def __call__(self, environ: Environ, lists: str | None, asked: Denial) -> Answer | None:
        """Return None when the request may go on, or what refuses it; `asked` is the auth filter."""
        names = names_in(environ["PATH_INFO"])
        is_settled = environ.get("swift.authorize_override")  # By a temporary URL, or by a filter of ours.
        uploads = environ["REQUEST_METHOD"] in _CHANGES and names is not None and names[2] is not None
        if names is None or names[1] is None or (is_settled and not uploads):
            return asked(environ, lists)
        if _is_part_of_readable(environ, names[1]):
            return None
        kept = self._info(environ, names[0] or "", names[1]).sysmeta
        if not kept or not any(name.startswith("s3api-") for name in kept):
            return asked(environ, lists)
        try:
            refusal = asked(environ, lists) if is_settled else self._judged(environ, lists, asked, kept)
            if refusal is None and uploads and f"s3api-{LOCKS}" in kept:
                refusal = _locked(environ, kept)
            return refusal
        except (documents.Torn, BadPolicy):
            return Answer.text(503, "The bucket's policy cannot be read; try again.")

    def _info(self, environ: Environ, account: str, container: str) -> ContainerInfo:
        """Return the facts of a bucket; parts of uploads are their bucket's affair."""
        if OPERATION in environ and container.endswith(SEGMENTS):
            path = to_wsgi("/".join(("", "v1", account, container.removesuffix(SEGMENTS))))
            environ = {**environ, "PATH_INFO": path}
        return get_container_info(environ, self._app)

    def _judged(
        self, environ: Environ, lists: str | None, asked: Denial, kept: Mapping[str, str]
    ) -> Answer | None:
        block = _block(kept)
        if block["IgnorePublicAcls"]:
            lists = acl.without_strangers(lists)
        question = self._question(environ)
        ruling = self._ruling(question, kept, block, environ)
        if ruling is Ruling.ALLOW:
            asked(environ, lists)  # The owner is to be known as such.
            environ[ALLOWED] = True
            if question.key is not None and environ["REQUEST_METHOD"] in actions.READS:
                environ[READABLE] = question.bucket
            return None
        if ruling is Ruling.DENY and not environ.get("reseller_request"):
            if question.action in _OWNERS_OWN and asked(environ, lists) is None and environ.get("apus.owner"):
                return None
            return denied(environ)
        refusal = asked(environ, lists)
        if refusal is None or block["IgnorePublicAcls"] or ACL not in kept:
            return refusal
        if acl.admits(kept[ACL], _permission(question), question.names):
            environ[ALLOWED] = True
            return None
        return refusal

    def _ruling(
        self, question: Question, kept: Mapping[str, str], block: Mapping[str, bool], environ: Environ
    ) -> Ruling:
        text = documents.unpacked(POLICY, kept)
        if text is None:
            return Ruling.SILENT
        policy = policy_of(text, question.bucket)
        ruling = policy.judge(question)
        if ruling is Ruling.ALLOW and block["RestrictPublicBuckets"] and policy.is_public:
            return ruling if _account(environ) in question.names else Ruling.SILENT
        return ruling

    def _question(self, environ: Environ) -> Question:
        names = names_in(environ["PATH_INFO"])
        assert names is not None
        _, container, name = names
        assert container is not None
        operation: Operation | None = environ.get(OPERATION)
        method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING") or ""
        action = actions.of_swift(method, has_object=name is not None, query=query)
        bucket, key = container, name
        if operation is not None:
            own = container.removesuffix(SEGMENTS) == operation.bucket
            if own and container != operation.bucket:  # A part: what is asked of it is asked of the object.
                bucket = container.removesuffix(SEGMENTS)
                action, key = operation.action, operation.request.key
            elif (
                own
                and operation.is_read == (method in actions.READS)
                and operation.is_for_objects == (name is not None)
            ):
                action = operation.action
        facts = _Facts(environ, self._app, operation)
        return Question(action, bucket, key, _names(environ), facts)


def _is_part_of_readable(environ: Environ, container: str) -> bool:
    """Tell whether a segment is read for an object that may be."""
    bucket = environ.get(READABLE)
    return (
        bucket is not None
        and container == f"{bucket}{SEGMENTS}"
        and environ["REQUEST_METHOD"] in actions.READS
    )


def _locked(environ: Environ, kept: Mapping[str, str]) -> Answer | None:
    """Let nothing expire that a bucket with locks gets, and give it the bucket's retention by either door."""
    if not _EXPIRY.isdisjoint(environ):
        return Answer.text(403, "The bucket has object lock: nothing in it can expire.")
    text = documents.unpacked(LOCKS, kept)
    default = None if text is None else default_lock(text)
    if default is not None and OPERATION not in environ and environ["REQUEST_METHOD"] == "PUT":
        for name, value in locks.kept(default.lock(datetime.now(UTC))).items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    return None


def _block(kept: Mapping[str, str]) -> Mapping[str, bool]:
    text = documents.unpacked(BLOCK, kept)
    return NOTHING if text is None else flags_of(text)


def _account(environ: Environ) -> str:
    names = names_in(environ["PATH_INFO"])
    return (names[0] or "") if names else ""


def _names(environ: Environ) -> frozenset[str]:
    """Return what a caller goes by; groups whose name begins with a dot are rights, not names."""
    groups = environ.get("apus.groups")
    if groups is None:
        said = environ.get("REMOTE_USER")
        groups = from_wsgi(said).split(",") if said else ()
    return frozenset(name for name in groups if name and not name.startswith("."))


def _permission(question: Question) -> str:
    if question.action.endswith("Acl"):
        return "READ_ACP" if question.action.startswith("s3:Get") else "WRITE_ACP"
    if question.action.startswith(("s3:Get", "s3:List")):
        return "READ" if question.key is not None or question.action.startswith("s3:List") else "NONE"
    return "WRITE" if question.key is not None else "NONE"


class _Facts:
    """What is true of a request, looked up when a condition asks for it."""

    def __init__(self, environ: Environ, app: WSGIApp, operation: Operation | None) -> None:
        self._environ = environ
        self._app = app
        # The headers of a request on the way are the filter's; the conditions are about the client's.
        self._said = environ if operation is None else operation.request.environ
        self._query = _query_of(environ) if operation is None else operation.request.query

    def __call__(self, key: str) -> Sequence[str]:
        """Return a key's values."""
        environ, said = self._environ, self._said
        if key.startswith("s3:existingobjecttag/"):
            return _tag(self._tags(), key)
        if key.startswith("s3:requestobjecttag/"):
            return _tag(said.get("HTTP_X_AMZ_TAGGING", ""), key)
        if key.startswith("s3:x-amz-"):
            return _some(said.get("HTTP_" + key[3:].upper().replace("-", "_")))
        if key.startswith("s3:"):
            if key == "s3:versionid":
                return _some(self._version())
            word = key[3:]
            return (self._query[word],) if word in self._query else ()
        now = datetime.now(UTC)
        return _some(
            {
                "aws:currenttime": now.isoformat(),
                "aws:epochtime": str(int(now.timestamp())),
                "aws:referer": said.get("HTTP_REFERER"),
                "aws:securetransport": str(environ.get("wsgi.url_scheme") == "https").lower(),
                "aws:sourceip": environ.get("REMOTE_ADDR"),
                "aws:useragent": said.get("HTTP_USER_AGENT"),
                "aws:username": _user(environ),
                "aws:userid": _user(environ),
                "aws:principalaccount": (_user(environ) or "").partition(":")[0],
                "aws:principalarn": _arn(_user(environ)),
            }.get(key)
        )

    def _version(self) -> str | None:
        return self._query.get("versionId") or self._query.get("version-id")

    def _tags(self) -> str:
        """Return the tags of the object as it is, which costs a HEAD."""
        query = {}
        version = self._version()
        if version:
            query["version-id"] = version
        path = from_wsgi(self._environ["PATH_INFO"])
        reply = ask(self._app, self._environ, "HEAD", path, query=query, trusted=True)
        reply.close()
        return reply.headers.get("x-object-transient-sysmeta-s3api-tagging", "") if reply.is_good else ""


def _some(value: str | None) -> Sequence[str]:
    return (value,) if value else ()


def _tag(tags: str, key: str) -> Sequence[str]:
    wanted = key.partition("/")[2]
    pairs = (piece.partition("=") for piece in tags.split("&") if piece)
    return tuple(unquote_plus(value) for name, _, value in pairs if unquote_plus(name) == wanted)


def _query_of(environ: Environ) -> Mapping[str, str]:
    return dict(
        parse_qsl(environ.get("QUERY_STRING") or "", keep_blank_values=True, errors="surrogateescape")
    )


def _user(environ: Environ) -> str | None:
    said = environ.get("REMOTE_USER")
    return from_wsgi(said).split(",", 1)[0] if said else None


def _arn(user: str | None) -> str | None:
    account, _, name = (user or "").partition(":")
    return f"arn:aws:iam::{account}:user/{name}" if name else None
