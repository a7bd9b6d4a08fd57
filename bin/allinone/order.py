"""What the nursery is asked for, in JSON's own shapes.

processes.py ──▶ Order ──▶ nursery's stdin
"""

from __future__ import annotations

from typing import TypedDict

ROOM_FOR_TITLE = "." * 240  # An argument whose memory the children write their own command line into.


class Birth(TypedDict):
    """What one child is to be."""

    module: str
    argv: list[str]
    log: str
    pid_file: str
    announces: bool


class Order(TypedDict):
    """All of them, and whether they are to stay ("start") or to be waited for ("run")."""

    mode: str
    services: list[Birth]
