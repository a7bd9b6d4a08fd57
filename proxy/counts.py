"""How much an account or a container holds, as far as any of a read quorum of its replicas knows.

    one replica's HEAD ──▶ raise_to_quorum() ──▶ each count at the most that a read quorum says

For quotas: a replica that was away knows too little, and would let too much in. Who asks says
`X-Backend-Read-Quorum: true`, which no client can (the gatekeeper drops it).
"""

from __future__ import annotations

from collections.abc import Mapping

from ..common.http.answer import Answer
from .backend import Question
from .fanout import ask_in_turn
from .quorum import read_quorum_size
from .replicas import Replicas
from .rings import Home

ASKED_FOR = "X_BACKEND_READ_QUORUM"
_COUNTS = ("-bytes-used", "-object-count", "-container-count")


def raise_to_quorum(
    answer: Answer, replicas: Replicas, question: Question, headers: dict[str, str], home: Home
) -> None:
    """Keep the greatest of the counts that a read quorum of primaries tells, as far as it can be reached."""
    nodes = replicas.in_reading_order(home)
    wanted = read_quorum_size(home.replicas)
    while wanted > 0:
        reply = ask_in_turn(replicas.backend, question, headers, nodes)
        if reply is None:
            return
        if reply.status // 100 == 2:
            answer.headers.update(greater_counts(answer.headers, reply.headers))
            wanted -= reply.candidate is not None and reply.candidate.primary


def greater_counts(ours: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, str]:
    """Return those counts in which their headers surpass ours."""
    known = {name.lower(): (name, value) for name, value in ours.items()}
    greater = {}
    for name, value in theirs.items():
        if name.lower().endswith(_COUNTS) and value.isdigit():
            own_name, own = known.get(name.lower(), (name, "0"))
            if not own.isdigit() or int(value) > int(own):
                greater[own_name] = value
    return greater
