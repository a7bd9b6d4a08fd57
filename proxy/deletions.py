"""Deletions that are promised now and done by the expirer soon.

    names ──▶ DeletionQueue.add() ──▶ one row each in the expirer's queue, at a quorum of its replicas

The rows are stock Swift's for deletions that are put off: their names tell the exact moment, so that what is
written under a name later stays. It does not look whether the objects are there, nor who may delete them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from ..common.concurrency import Crew
from ..common.errors import Unavailable
from ..common.hashing import HashSalt
from ..common.timestamp import Timestamp
from . import lost_rows
from .expiry import QUEUE_ACCOUNT, queue_container
from .quorum import quorum_size
from .replicas import Replicas

CONCURRENCY: Final = 16
"""Rows that are told at the same time: container servers write as many together anyway."""
_ROW: Final = {
    "X-Backend-Storage-Policy-Index": "0",
    "X-Content-Type": "application/async-deleted",
    "X-Etag": "d41d8cd98f00b204e9800998ecf8427e",
    "X-Size": "0",
}


class DeletionQueue:
    """The expirer's queue, as the proxy fills it."""

    def __init__(self, replicas: Replicas, salt: HashSalt) -> None:
        self._replicas = replicas
        self._salt = salt

    def add(self, account: str, container: str, names: Sequence[str], moment: Timestamp) -> None:
        """Have objects deleted that are not newer than the moment; Unavailable if it can't be promised."""
        digits = str(int(float(moment)))
        queues = {
            name: queue_container(digits, self._salt.path_hash(account, container, name)) for name in names
        }
        row = {**_ROW, "X-Timestamp": moment.internal, "User-Agent": self._replicas.user_agent}

        def tell(name: str) -> bool:
            home = self._replicas.rings.of_container(QUEUE_ACCOUNT, queues[name])
            task = f"{moment.normal}-{account}/{container}/{name}"
            path = quote(f"/{QUEUE_ACCOUNT}/{queues[name]}/{task}", errors="surrogateescape")
            told = lost_rows.tell(self._replicas, path, home, row, home.primaries)
            return sum(told) >= quorum_size(home.replicas)

        if not all(Crew(CONCURRENCY).map(tell, names)):
            raise Unavailable("The deletions could not be queued; ask again.\n")
