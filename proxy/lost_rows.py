"""A large upload's row, told by the proxy where an object server died before it could.

    replicas that answered ──▶ untold() ──▶ container replicas that nobody is left to tell
    row + those            ──▶ tell()   ──▶ for each, whether it has the row now

Once a body flows no other device takes the place of one that fails, and the container replica that it was to
tell would not hear of the object before an updater or replicator comes. A row that is told twice is one row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..common.http.wsgi import Environ
from ..ring.device import Device
from .container_updates import dealing
from .fanout import ask_in_turn
from .footers import FOOTERS
from .nodes import Candidate
from .replicas import Replicas
from .rings import Home

_ELSEWHERE = (
    "HTTP_X_BACKEND_CONTAINER_UPDATE_OVERRIDE_",
    "HTTP_X_OBJECT_SYSMETA_CONTAINER_UPDATE_OVERRIDE_",
    "HTTP_X_BACKEND_CONTAINER_PATH",
    "HTTP_X_BACKEND_QUOTED_CONTAINER_PATH",
    FOOTERS,
)
"""What makes a row say something else than its object, or go somewhere else; not known here."""


def is_plain(environ: Environ) -> bool:
    """Tell whether the row of an upload follows from the object alone."""
    return not any(key.startswith(_ELSEWHERE) for key in environ)


def untold(container: Home, *, answered: Collection[int], asked: int) -> list[Device]:
    """Return the container replicas that none of the object replicas that answered was to tell."""
    hands = dealing(container_replicas=container.replicas, object_replicas=asked)
    told = {index for turn in answered for index in hands[turn]}
    return [device for index, device in enumerate(container.primaries) if index not in told]


def tell(
    replicas: Replicas, path: str, container: Home, row: Mapping[str, str], devices: Sequence[Device]
) -> list[bool]:
    """Tell those replicas of the row, as an object server would; return which of them have it."""
    question = replicas.question("PUT", path, container)
    told = []
    for device in devices:
        only = iter((Candidate(device, primary=True),))
        reply = ask_in_turn(replicas.backend, question, row, only)
        told.append(reply is not None and reply.status // 100 == 2)
    return told
