"""Whether a bucket's policy forbids that logs are written to it.

    the target's policy ──judge(who writes logs, s3:PutObject)──▶ DENY ──▶ True

The log is the account's own in a bucket of the account, so nothing has to allow it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from .....common.http.wsgi import Environ, WSGIApp
from ....info import container_info_at
from ..configuration import documents
from ..configuration.policy import ARN, LOG_DELIVERY, BadPolicy, Question, Ruling, policy_of
from .destination import Place


def is_denied(app: WSGIApp, environ: Environ, where: Place, name: str) -> bool:
    """Tell whether the target's policy says no; one that cannot be read does."""
    try:
        info = container_info_at(environ, app, where.account, where.target)
        text = documents.unpacked("policy", info.sysmeta)
        if text is None:
            return False
        policy = policy_of(text, where.target)
    except (documents.Torn, BadPolicy):
        return True
    said = _facts(where)

    def facts(key: str) -> Sequence[str]:
        return (said[key],) if key in said else ()

    question = Question("s3:PutObject", where.target, name, frozenset((LOG_DELIVERY,)), facts)
    return policy.judge(question) is Ruling.DENY


def _facts(where: Place) -> Mapping[str, str]:
    now = datetime.now(UTC)
    return {
        "aws:currenttime": now.isoformat(),
        "aws:epochtime": str(int(now.timestamp())),
        "aws:securetransport": "true",  # No client's wire is used.
        "aws:sourceaccount": where.account,
        "aws:sourcearn": f"{ARN}{where.source}",
    }
