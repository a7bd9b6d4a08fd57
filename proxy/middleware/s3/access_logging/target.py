"""Whether a log may be written to the bucket that is named for it.

    PUT ?logging ──require()──▶ nothing, or S3Error: InvalidTargetBucketForLogging

It is written in the name of the account, so the bucket must be the account's, and the caller's to rule.
"""

from __future__ import annotations

import os
from pathlib import Path

from ...inner import call, inner_environ
from ..configuration.judging import ALLOWED, LOCKS
from ..errors import S3Error
from ..request import Request
from ..xml import Node
from .destination import target_of

_LOCKS = f"x-container-sysmeta-s3api-{LOCKS}"


def require(request: Request, root: Node) -> None:
    """Refuse a document whose log could not be written.

    Raises:
        S3Error: when the bucket is not there, or not the caller's, or keeps what it gets for ever.
    """
    target = target_of(root)
    if target is None:
        return
    environ = inner_environ(request.environ, "HEAD", request.path(target))
    environ.pop(ALLOWED, None)
    reply = call(request.app, environ)
    reply.close()
    if reply.status // 100 == 5:
        raise S3Error("ServiceUnavailable")
    if not reply.is_good:
        raise _invalid(target, "The target bucket for logging is not there, or is not yours.")
    if not (environ.get("apus.owner") or environ.get("swift_owner")):
        raise _invalid(target, "The target bucket for logging is not yours.")
    if reply.headers.get(_LOCKS):
        raise _invalid(target, "The target bucket for logging has object lock.")
    _require_folder(Path(request.config.access_log_spool))


def _invalid(target: str, sentence: str) -> S3Error:
    return S3Error("InvalidTargetBucketForLogging", sentence, TargetBucket=target)


def _require_folder(folder: Path) -> None:
    """Refuse where lines would have no place to wait."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise S3Error("NotImplemented", "The proxy has no folder for access logs.") from problem
    if not os.access(folder, os.W_OK | os.X_OK):
        raise S3Error("NotImplemented", "The proxy's folder for access logs is not writable.")
