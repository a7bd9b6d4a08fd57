"""Making an account at the moment when something is first written into it.

container PUT, account POST ──▶ create_account() ──▶ PUT to the account's replicas
"""

from __future__ import annotations

import logging
from urllib.parse import quote

from ...common.timestamp import now
from .. import backend_headers
from ..call import Call
from ..fanout import statuses
from ..quorum import final_verdict
from ..services import Services

log = logging.getLogger(__name__)


def create_account(services: Services, call: Call) -> bool:
    """Create the call's account; tell whether a quorum of replicas has it."""
    replicas = services.replicas
    home = replicas.rings.of_account(call.account)
    headers = {
        name: value
        for name, value in backend_headers.for_account(call, replicas.user_agent).items()
        if not name.startswith("X-Account-Meta-")
    }
    headers["X-Timestamp"] = now().internal
    question = replicas.question("PUT", "/" + quote(call.account, errors="surrogateescape"), home)
    replies = replicas.change(
        question, [headers] * home.replicas, replicas.in_reading_order(home), replicas=home.replicas
    )
    services.infos.forget(call.environ, call.account)
    created = final_verdict(statuses(replies), replicas=home.replicas) // 100 == 2
    if not created:
        log.warning("account could not be created", extra={"account": call.account})
    return created
