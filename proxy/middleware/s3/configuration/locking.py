"""Object lock at work, in both APIs.

    PUT ?object-lock ──▶ the bucket's document         x-amz-object-lock-* of an upload ──▶ the version's lock
    DELETE ?versionId ──require_unlocked()──▶ AccessDenied
    the store's own API ──refusal()──▶ 403 for what would delete, or let expire, what is locked

A bucket with locks keeps versions for good, so that to overwrite or to delete without a version takes nothing
away, and only what names a version has to be looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qs

from .....common.config import true_value
from .....common.http.answer import Answer
from .....common.http.wsgi import Environ, WSGIApp, from_wsgi
from ....info import ContainerInfo, get_container_info
from ...inner import Reply, ask
from ..errors import S3Error
from ..names import SEGMENTS
from ..request import Request
from ..xml import element
from . import documents, locks, reading
from .bucket_facts import Operation, document_of, facts_for_owner, keep, xml_text
from .judging import LOCKS as DOCUMENT
from .locks import Lock
from .xml_memory import default_lock

BYTES_MAX = 64 * 1024
BYPASS = "x-amz-bypass-governance-retention"
_WRITES = frozenset(("PUT", "POST", "DELETE"))
_VERSIONS = "HTTP_X_VERSIONS_ENABLED"
_UPLOADS = frozenset((("PUT", ""), ("PUT", "copy"), ("POST", "uploads")))
_HEADERS = ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold")


def is_locking(info: ContainerInfo) -> bool:
    """Tell whether a bucket has object lock."""
    return bool(info.sysmeta.get(f"s3api-{DOCUMENT}"))


# --- buckets ---------------------------------------------------------------------------------


def get_configuration(request: Request) -> Answer:
    """GetObjectLockConfiguration."""
    text = document_of(facts_for_owner(request), DOCUMENT)
    if text is None:
        raise S3Error("ObjectLockConfigurationNotFoundError", BucketName=request.bucket)
    return xml_text(text)


def put_configuration(request: Request) -> Answer:
    """PutObjectLockConfiguration."""
    root = request.xml("ObjectLockConfiguration", BYTES_MAX)
    locks.check_configuration(root)
    info = facts_for_owner(request)
    if not true_value(info.sysmeta.get("versions-enabled", "")):
        raise S3Error("InvalidBucketState", "Versioning must be 'Enabled' on a bucket with object lock.")
    keep(request, DOCUMENT, str(reading.rewritten(root)))
    return Answer(200)


def of_new_bucket(request: Request) -> Mapping[str, str]:
    """Return what the container of a new bucket says when it is to have locks."""
    asked = request.header("x-amz-bucket-object-lock-enabled")
    if asked is None or asked.strip().lower() != "true":
        return {}
    document = element("ObjectLockConfiguration", element("ObjectLockEnabled", "Enabled"))
    return {"X-Versions-Enabled": "true", **documents.packed(DOCUMENT, str(document), {})}


# --- versions --------------------------------------------------------------------------------


def take_upload(request: Request, word: str) -> None:
    """Give what is uploaded the lock that it asks for, or its bucket's default.

    Raises:
        S3Error: InvalidArgument, or InvalidRequest in a bucket without locks.
    """
    if request.key is None or (request.method, word) not in _UPLOADS:
        return
    said = [request.header(name) for name in _HEADERS]
    info = request.container()
    if not is_locking(info):
        if any(text is not None for text in said):
            raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
        return
    now = datetime.now(UTC)
    lock = locks.of_headers(said[0], said[1], said[2], now)
    if lock is None or lock.until is None:
        text = document_of(info, DOCUMENT)
        default = None if text is None else default_lock(text)
        if default is not None:
            given = default.lock(now)
            lock = Lock(given.mode, given.until, lock is not None and lock.is_held)
    if lock is not None:
        for name, value in locks.kept(lock).items():
            if value:
                request.environ["HTTP_" + name.upper().replace("-", "_")] = value


def require_unlocked(request: Request, headers: Mapping[str, str]) -> None:
    """Refuse to delete a version that is locked; `headers` are what a HEAD says of it, names in lower case.

    Raises:
        S3Error: AccessDenied.
    """
    lock = locks.stored(headers)
    now = datetime.now(UTC)
    if lock.refuses_deletion(now, bypasses=True):
        raise S3Error("AccessDenied", "Access Denied because object protected by object lock.")
    if lock.refuses_deletion(now, bypasses=False) and not bypasses(request):
        raise S3Error("AccessDenied", "Access Denied because object protected by object lock.")


def bypasses(request: Request) -> bool:
    """Tell whether the caller says that governance shall not count, and may: the owner, or by a policy."""
    if not true_value(request.header(BYPASS) or ""):
        return False
    facts_for_owner(request)
    return True


# --- the store's own API ---------------------------------------------------------------------


def refusal(environ: Environ, app: WSGIApp) -> Answer | None:
    """Return why a request of the store's own API may not go on, None when it may, as nearly always.

    A version is deleted by its name, metadata are replaced with the lock among them, versions that are kept
    no more are overwritten; and segments are data, too. What would expire judging.py refuses.
    """
    method = environ["REQUEST_METHOD"]
    if method not in _WRITES:
        return None
    path = environ["PATH_INFO"]
    pieces = path.split("/", 4)
    if len(pieces) < 4 or pieces[1] not in ("v1", "v1.0"):
        return None
    is_object = len(pieces) == 5 and bool(pieces[4])
    in_segments = pieces[3].endswith(SEGMENTS)
    names_version = "version-id" in (environ.get("QUERY_STRING") or "")
    changes_versions = _VERSIONS in environ and not true_value(environ[_VERSIONS])
    if is_object and not (in_segments or method == "POST" or (method == "DELETE" and names_version)):
        return None
    if not is_object and not changes_versions:
        return None
    bucket = pieces[3].removesuffix(SEGMENTS)
    facts = {**environ, "PATH_INFO": f"/v1/{pieces[2]}/{bucket}"}
    if not is_locking(get_container_info(facts, app)):
        return None
    if in_segments or not is_object:
        return Answer.text(403, "The bucket has object lock, which does not allow this.")
    return _refusal_of_object(environ, app)


def _refusal_of_object(environ: Environ, app: WSGIApp) -> Answer | None:
    """Look at the version that is to be deleted, or to get other metadata."""
    asked = parse_qs(environ.get("QUERY_STRING") or "", keep_blank_values=True).get("version-id")
    query = {"version-id": asked[-1]} if asked and asked[-1] else {}
    reply: Reply = ask(app, environ, "HEAD", from_wsgi(environ["PATH_INFO"]), query=query, trusted=True)
    reply.close()
    if reply.status // 100 == 5:
        return Answer.text(503, "Whether the object is locked cannot be known now; try again.")
    if reply.is_good and locks.stored(reply.headers).refuses_deletion(datetime.now(UTC), bypasses=False):
        return Answer.text(403, "The object is locked.")
    return None


OPERATIONS: Mapping[tuple[str, str, str], Operation] = {
    ("bucket", "GET", "object-lock"): get_configuration,
    ("bucket", "PUT", "object-lock"): put_configuration,
}
