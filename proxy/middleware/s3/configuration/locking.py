"""Object lock at work, in S3; other_door.py has it in the store's own API.

    PUT ?object-lock ──▶ the bucket's document         x-amz-object-lock-* of an upload ──▶ the version's lock
    DELETE ?versionId ──require_unlocked()──▶ AccessDenied

A bucket with locks keeps versions for good, so that to overwrite or to delete without a version takes nothing
away, and only what names a version has to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from .....common.config import true_value
from .....common.http.answer import Answer
from ....info import ContainerInfo
from ..errors import S3Error
from ..request import Request
from ..xml import element
from . import documents, leave, locks, reading, turns
from .bucket_facts import Operation, document_of, facts_for_owner, keep, xml_text
from .judging import LOCKS as DOCUMENT
from .locks import Lock
from .xml_memory import default_lock

BYTES_MAX = 64 * 1024
BYPASS = "x-amz-bypass-governance-retention"
UPLOADS = frozenset((("PUT", ""), ("PUT", "copy"), ("POST", "uploads")))
"""Methods and subresources by which an object comes to be."""
_KEYS = (
    "HTTP_X_AMZ_OBJECT_LOCK_MODE",
    "HTTP_X_AMZ_OBJECT_LOCK_RETAIN_UNTIL_DATE",
    "HTTP_X_AMZ_OBJECT_LOCK_LEGAL_HOLD",
)


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
    if request.key is None or (request.method, word) not in UPLOADS:
        return
    if request.is_plain or not is_locking(info := request.container()):
        if not request.environ.keys().isdisjoint(_KEYS):
            raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
        return
    now = datetime.now(UTC)
    mode, until, hold = map(request.environ.get, _KEYS)
    lock = locks.of_headers(mode, until, hold, now)
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


@contextmanager
def alone(request: Request, key: str, info: ContainerInfo) -> Iterator[Callable[[], None]]:
    """Let nobody lock a version meanwhile, in a bucket that has locks; yield what to call before it goes.

    Raises:
        Unavailable: when others change the object all the time; what is yielded does where time is too short.
    """
    if not is_locking(info):
        yield _nothing
        return
    with turns.taken(request.environ, request.app, request.path(request.bucket, key)) as turn:
        yield turn.require


def _nothing() -> None:
    """Nobody can lock it."""


def require_unlocked(request: Request, key: str, headers: Mapping[str, str]) -> None:
    """Refuse to delete a version that is locked; `headers` are what a HEAD says of it, names in lower case.

    Raises:
        S3Error: AccessDenied.
    """
    lock = locks.stored(headers)
    now = datetime.now(UTC)
    if lock.refuses_deletion(now, bypasses=True):
        raise S3Error("AccessDenied", "Access Denied because object protected by object lock.")
    if lock.refuses_deletion(now, bypasses=False) and not bypasses(request, key):
        raise S3Error("AccessDenied", "Access Denied because object protected by object lock.")


def bypasses(request: Request, key: str) -> bool:
    """Tell whether the caller says that governance shall not count, and may: the owner, or by a policy.

    Raises:
        S3Error: AccessDenied, where they may not.
    """
    if not true_value(request.header(BYPASS) or ""):
        return False
    if not leave.asked(request, "DELETE", key=key, action="s3:BypassGovernanceRetention").is_owner:
        raise S3Error("AccessDenied")
    return True


OPERATIONS: Mapping[tuple[str, str, str], Operation] = {
    ("bucket", "GET", "object-lock"): get_configuration,
    ("bucket", "PUT", "object-lock"): put_configuration,
}
