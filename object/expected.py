"""Partitions that a peer is about to bring, so that no second one brings the same beside it.

    a peer compares a partition that we lack ─┬▶ first to ask: at once, and it brings the partition
                                              └▶ the next: when that is there, or its time is up

Peers that notice a wiped device together read and send the same objects otherwise, and who comes second has
done all of that for nothing. It is a courtesy within one process, not a lock: two that do come are no harm.
"""

from __future__ import annotations

import os
import time

from ..common.concurrency import sleep

PATIENCE_SECONDS = 15.0
"""Eight partitions of 500 objects from each of three peers on a busy machine; a peer waits for a minute."""
_POLL_SECONDS = 0.05
_until: dict[str, float] = {}


def await_or_expect(directory: str) -> None:
    """Return when the partition's folder is there; or at once, when nobody is expected to bring it yet."""
    while not os.path.isdir(directory):
        now = time.monotonic()
        if _until.get(directory, 0.0) <= now:
            for passed in [each for each, until in _until.items() if until <= now]:
                del _until[passed]
            _until[directory] = now + PATIENCE_SECONDS
            return
        sleep(_POLL_SECONDS)
    _until.pop(directory, None)
