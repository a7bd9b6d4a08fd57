"""What a server still does when it has been told to end and serves nobody any more.

    at_end(act) ──▶ kept ──the last connection is gone──▶ settle(): each is done, for so many seconds in all

Whatever is not done by then has to be such that it can be done later, too: a process may always end without.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from . import concurrency

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0  # Half of what a foreman has with workers that were told to end.
_acts: list[Callable[[], object]] = []


def at_end(act: Callable[[], object]) -> None:
    """Have something done at the end."""
    _acts.append(act)


def settle(seconds: float = PATIENCE_SECONDS) -> None:
    """Do all of it, one after the other, as far as there is time."""
    try:
        with concurrency.timeout(seconds):
            while _acts:
                _done(_acts.pop())
    except concurrency.Timeout:
        log.info("the end came before all was done")


def _done(act: Callable[[], object]) -> None:
    try:
        act()
    except Exception:  # noqa: BLE001 - the others have their turn nevertheless
        log.exception("something was not done at the end")
