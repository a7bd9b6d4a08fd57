"""A container's listing or headers, fetched for a client.

    call ──▶ read_listing() ──▶ Answer with JSON

Asks the replicas as stock proxies do: the first good answer is the listing.
"""

from __future__ import annotations

from ...common.http.answer import Answer
from .. import backend_headers
from ..call import Call
from ..services import Services
from .query import as_json


def read_listing(services: Services, call: Call) -> Answer:
    """Return the best replica's answer."""
    assert call.container is not None
    replicas = services.replicas
    home = replicas.rings.of_container(call.account, call.container)
    question = replicas.question(call.method, call.path, home, query=as_json(call.query_string))
    headers = backend_headers.for_reading(call, replicas.user_agent)
    return replicas.read(question, headers, home, newest=call.says_yes("X_NEWEST"))
