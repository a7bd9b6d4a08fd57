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
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_plus

from .....common.http.answer import Answer
from .....common.http.wsgi import Environ, WSGIApp, from_wsgi
from ....authorization import Denial
from ....info import container_info_at, get_container_info
from ...inner import ask
from ...refusals import denied, names_in
from ...shortcut import is_noted_plain
from ...versioned_writes.names import container_of, version_of
from ..marks import OPERATION
from ..multipart.names import upload_of
from ..names import SEGMENTS
from ..request import Request
from . import acl, actions, documents, locks
from .acl import Grant
from .policy import BadPolicy, Question, Ruling, policy_of
from .public_access import NOTHING, flags_of
from .xml_memory import default_lock, ownership

ALLOWED = "apus.policy_allows"
"""Set once a policy has allowed it."""
DENIES = "apus.policy_denies"
"""Set once a policy has said no."""
READABLE = "apus.policy_reads"
"""Account, bucket and key of an object that may be read: its parts may be, too, on the way."""
POLICY, BLOCK, LOCKS, ACL = "policy", "publicaccessblock", "object-lock", "s3api-acl"
OWNERSHIP, ENFORCED = "ownershipcontrols", "BucketOwnerEnforced"
OBJECT_LISTS = "s3api-object-acl"
"""What a bucket's container says, once, when one of its objects gets a list of its own."""
_CHANGES = frozenset(("PUT", "POST"))
_EXPIRY = frozenset(("HTTP_X_DELETE_AT", "HTTP_X_DELETE_AFTER"))
_MANIFESTS = frozenset(("HTTP_X_STATIC_LARGE_OBJECT", "HTTP_X_OBJECT_MANIFEST"))
"""Said by who makes an object of segments: those of the other API have no locks."""
_READS_OF_OBJECTS = frozenset(("s3:GetObject", "s3:GetObjectVersion"))
_TAGS = "x-object-transient-sysmeta-s3api-tagging"
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

    @classmethod
    def named(cls, request: Request, method: str, action: str) -> Operation:
        """Return one on an object that policies call so."""
        operation = cls(request, "")
        operation.action, operation.is_read, operation.is_for_objects = action, method in actions.READS, True
        return operation


class Place(NamedTuple):
    """What a request is for; a tuple, as every request makes one."""

    account: str
    container: str
    name: str | None
    """Container and name as they are kept."""
    bucket: str
    key: str | None
    """Bucket and key whose affair it is."""

    @property
    def is_part(self) -> bool:
        """Whether it is a part of an upload, or the container of them."""
        return self.container != self.bucket and self.container.endswith(SEGMENTS)


def _place(path: str, *, is_settled: bool) -> Place | None:
    """Return what a request is for; None where that is no bucket's.

    Parts are the affair of their upload's object. Who asks for a version asks the bucket for it, though it is
    kept elsewhere; what filters do there of their own accord is settled.
    """
    account, container, name = names_in(path) or (None, None, None)
    if container is None:
        return None
    bucket, key = container, name
    if container.endswith(SEGMENTS):
        bucket = container.removesuffix(SEGMENTS)
        key = None if name is None else _key_of_part(bucket, name)
    elif not is_settled and (of_versions := container_of(container)) is not None and name is not None:
        version = version_of(name)
        if version is not None:
            bucket, key = of_versions, version[0]
    return Place(account or "", container, name, bucket, key)


def _key_of_part(bucket: str, name: str) -> str:
    """Return the key of what is kept among the parts: an upload's, a part's, or somebody else's object."""
    before, _, last = name.rpartition("/")
    upload = upload_of(bucket, before if last.isascii() and last.isdigit() else name)
    return name if upload is None else upload.key


class Judge:
    """Who is asked before the auth filter."""

    def __init__(self, app: WSGIApp) -> None:
        self._app = app

    def __call__(self, environ: Environ, lists: str | None, asked: Denial) -> Answer | None:
        """Return None when the request may go on, or what refuses it; `asked` is the auth filter."""
        if is_noted_plain(environ):
            return asked(environ, lists)
        is_settled = bool(environ.get("swift.authorize_override"))  # By a temporary URL, or by one of ours.
        place = _place(environ["PATH_INFO"], is_settled=is_settled)
        uploads = environ["REQUEST_METHOD"] in _CHANGES and place is not None and place.key is not None
        if place is None or (is_settled and not uploads and not place.is_part):
            return asked(environ, lists)
        if _is_part_of_readable(environ, place):
            return None
        kept = self._kept(environ, place)
        if not kept or not any(name.startswith("s3api-") for name in kept):
            return asked(environ, lists)
        try:
            has_locks = f"s3api-{LOCKS}" in kept
            if has_locks and place.is_part and _is_foreign_change(environ, place):
                return Answer.text(403, "The bucket has object lock, which does not allow this.")
            refusal = asked(environ, lists) if is_settled else self._judged(environ, place, lists, asked)
            if refusal is None and uploads and has_locks and not place.is_part:
                refusal = _locked(environ, kept)
            return refusal
        except (documents.Torn, BadPolicy):
            return Answer.text(503, "The bucket's policy cannot be read; try again.")

    def _kept(self, environ: Environ, place: Place) -> Mapping[str, str]:
        """Return what the bucket says of itself."""
        if place.bucket != place.container:
            return container_info_at(environ, self._app, place.account, place.bucket).sysmeta
        return get_container_info(environ, self._app).sysmeta

    def _judged(self, environ: Environ, place: Place, lists: str | None, asked: Denial) -> Answer | None:
        kept = self._kept(environ, place)
        block = _block(kept)
        if block["IgnorePublicAcls"]:
            lists = acl.without_strangers(lists)
        question = self._question(environ, place)
        ruling = self._ruling(question, kept, block, environ)
        is_own = OPERATION in environ or not place.is_part  # Nobody is let in to parts as such.
        if ruling is Ruling.ALLOW and is_own:
            asked(environ, lists)  # The owner is to be known as such.
            _let_in(environ, place)
            return None
        if ruling is Ruling.DENY and not environ.get("reseller_request"):
            if question.action in _OWNERS_OWN and asked(environ, lists) is None and environ.get("apus.owner"):
                return None
            environ[DENIES] = True
            return denied(environ)
        refusal = asked(environ, lists)
        if refusal is None or not is_own or not self._is_granted(question, kept):
            return refusal
        _let_in(environ, place)
        return None

    def _is_granted(self, question: Question, kept: Mapping[str, str]) -> bool:
        """Tell whether S3's grants let in whom the container's lists do not: the bucket's, or the object's.

        The object is looked at last, and only where it may have a list: its absence is told to nobody.
        """
        permission = _permission(question)
        grants = counting(acl.beyond_lists(kept.get(ACL)), kept)
        if acl.admits(grants, permission, question.names):
            return True
        if question.action not in _READS_OF_OBJECTS or not may_have_lists(kept):
            return False
        facts = question.facts
        assert isinstance(facts, _Facts)
        return acl.admits(counting(acl.of_object(facts.headers()), kept), permission, question.names)

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

    def _question(self, environ: Environ, place: Place) -> Question:
        operation: Operation | None = environ.get(OPERATION)
        method = environ["REQUEST_METHOD"]
        key, is_object = place.key, place.name is not None
        action = actions.of_swift(method, has_object=is_object, query=_query_of(environ))
        if place.is_part and action == "s3:ListBucket":
            action = "s3:ListBucketMultipartUploads"
        if operation is not None and place.bucket == operation.bucket:
            if place.is_part:  # What is asked of it is asked of the object.
                action = operation.action
                if not (is_object and operation.is_for_objects):
                    key = operation.request.key
            elif operation.is_read == (method in actions.READS) and operation.is_for_objects == is_object:
                action = operation.action
        facts = _Facts(environ, self._app, operation, place)
        return Question(action, place.bucket, key, names_of(environ), facts)


def may_have_lists(kept: Mapping[str, str]) -> bool:
    """Tell whether objects of a bucket may have lists of their own; where stock's have, so has the bucket."""
    return OBJECT_LISTS in kept or ACL in kept


def counting(grants: Sequence[Grant], kept: Mapping[str, str]) -> Sequence[Grant]:
    """Return those that count in a bucket: none where its owner owns all, where blocked no public ones."""
    if not grants:
        return grants
    text = documents.unpacked(OWNERSHIP, kept)
    if text is not None and ownership(text) == ENFORCED:
        return ()
    if _block(kept)["IgnorePublicAcls"]:
        return [grant for grant in grants if not grant.is_public]
    return grants


def names_of(environ: Environ) -> frozenset[str]:
    """Return what a caller goes by; groups whose name begins with a dot are rights, not names."""
    groups = environ.get("apus.groups")
    if groups is None:
        said = environ.get("REMOTE_USER")
        groups = from_wsgi(said).split(",") if said else ()
    return frozenset(name for name in groups if name and not name.startswith("."))


def _let_in(environ: Environ, place: Place) -> None:
    environ[ALLOWED] = True
    if place.key is not None and environ["REQUEST_METHOD"] in actions.READS:
        environ[READABLE] = place.account, place.bucket, place.key


def _is_part_of_readable(environ: Environ, place: Place) -> bool:
    """Tell whether a segment is read for an object that may be: one of its own parts."""
    readable = environ.get(READABLE)
    if readable is None or place.name is None or not place.is_part:
        return False
    account, bucket, key = readable
    return (
        (account, bucket) == (place.account, place.bucket)
        and place.name.startswith(f"{key}/")
        and environ["REQUEST_METHOD"] in actions.READS
    )


def _is_foreign_change(environ: Environ, place: Place) -> bool:
    """Tell whether parts are changed by anybody but an S3 operation on their bucket, whoever allows it."""
    operation: Operation | None = environ.get(OPERATION)
    if environ["REQUEST_METHOD"] in actions.READS:
        return False
    return operation is None or operation.bucket != place.bucket


def _locked(environ: Environ, kept: Mapping[str, str]) -> Answer | None:
    """Give what a bucket with locks gets its retention, by either door; refuse what passes the lock by."""
    if not _EXPIRY.isdisjoint(environ):
        return Answer.text(403, "The bucket has object lock: nothing in it can expire.")
    if OPERATION not in environ and not _MANIFESTS.isdisjoint(environ):
        return Answer.text(403, "The bucket has object lock: S3 alone makes large objects in it.")
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


def _permission(question: Question) -> str:
    if question.action.endswith("Acl"):
        return "READ_ACP" if question.action.startswith("s3:Get") else "WRITE_ACP"
    if question.action.startswith(("s3:Get", "s3:List")):
        return "READ" if question.key is not None or question.action.startswith("s3:List") else "NONE"
    return "WRITE" if question.key is not None else "NONE"


class _Facts:
    """What is true of a request, looked up when a condition asks for it."""

    def __init__(self, environ: Environ, app: WSGIApp, operation: Operation | None, place: Place) -> None:
        self._path = f"/v1/{place.account}/{place.bucket}/{place.key}"
        self._environ = environ
        self._app = app
        # The headers of a request on the way are the filter's; the conditions are about the client's.
        self._said = environ if operation is None else operation.request.environ
        self._is_s3 = operation is not None
        self._query = _query_of(environ) if operation is None else operation.request.query
        self._headers: Mapping[str, str] | None = None

    def __call__(self, key: str) -> Sequence[str]:
        """Return a key's values."""
        environ, said = self._environ, self._said
        if key.startswith("s3:existingobjecttag/"):
            return _tag(self.headers().get(_TAGS, ""), key)
        if key.startswith(("s3:requestobjecttag/", "s3:x-amz-")) and not self._is_s3:
            return ()  # There such a header means nothing, whatever it says.
        if key.startswith("s3:requestobjecttag/"):
            return _tag(said.get("HTTP_X_AMZ_TAGGING", ""), key)
        if key.startswith("s3:x-amz-"):
            return _some(said.get("HTTP_" + key[3:].upper().replace("-", "_")))
        if key.startswith("s3:"):
            if key == "s3:versionid":
                return _some(self._version())
            word = "limit" if key == "s3:max-keys" and not self._is_s3 else key[3:]
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

    def headers(self) -> Mapping[str, str]:
        """Return what the object says of itself, which costs a HEAD; of what is not there, nothing."""
        if self._headers is None:
            version = self._version()
            query = {"version-id": version} if version else {}
            newest = {"X-Newest": "true"}  # Who has just closed an object has closed it.
            reply = ask(
                self._app, self._environ, "HEAD", self._path, query=query, headers=newest, trusted=True
            )
            reply.close()
            self._headers = reply.headers if reply.is_good else {}
        return self._headers


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
