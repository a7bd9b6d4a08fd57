"""What the server says to a client's options: one export, under its name or under none.

answered(option, data, export, padding) ──▶ Step(reply, outcome)       GO: the transmission begins
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .wire import (
    Answer,
    Broken,
    OptionKind,
    Transmission,
    block_size_info,
    export_info,
    listed_export,
    old_export,
    option_reply,
    wanted_export,
)


@dataclass(frozen=True, slots=True)
class Export:
    """What there is to be had."""

    name: str
    size: int
    is_writable: bool

    @property
    def flags(self) -> Transmission:
        """What it can do."""
        able = Transmission.HAS_FLAGS | Transmission.FLUSH | Transmission.FUA | Transmission.MULTI_CONN
        if not self.is_writable:
            return able | Transmission.READ_ONLY
        return able | Transmission.TRIM | Transmission.WRITE_ZEROES


class Outcome(enum.Enum):
    """How it goes on after an option."""

    MORE = "another option may follow"
    GO = "requests follow"
    END = "the connection ends"


@dataclass(frozen=True, slots=True)
class Step:
    """What to send, and what comes then."""

    reply: bytes
    outcome: Outcome


def answered(kind: int, data: bytes, export: Export, *, padding: bool) -> Step:
    """Return the answer to one option.

    Raises:
        Broken: an export was asked for by the old way, which knows no other refusal.
    """
    if kind == OptionKind.EXPORT_NAME:
        if _text(data) not in ("", export.name):
            raise Broken("no export by that name")
        return Step(old_export(export.size, export.flags, padding=padding), Outcome.GO)
    if kind == OptionKind.ABORT:
        return Step(option_reply(kind, Answer.ACK), Outcome.END)
    if kind == OptionKind.LIST:
        if data:
            return Step(option_reply(kind, Answer.INVALID), Outcome.MORE)
        server = option_reply(kind, Answer.SERVER, listed_export(export.name))
        return Step(server + option_reply(kind, Answer.ACK), Outcome.MORE)
    if kind in (OptionKind.INFO, OptionKind.GO):
        return _described(kind, data, export)
    return Step(option_reply(kind, Answer.UNSUPPORTED), Outcome.MORE)


def _described(kind: int, data: bytes, export: Export) -> Step:
    try:
        name, _ = wanted_export(data)
    except ValueError:
        return Step(option_reply(kind, Answer.INVALID), Outcome.MORE)
    if name not in ("", export.name):
        return Step(option_reply(kind, Answer.UNKNOWN), Outcome.MORE)
    reply = option_reply(kind, Answer.INFO, export_info(export.size, export.flags))
    reply += option_reply(kind, Answer.INFO, block_size_info())
    reply += option_reply(kind, Answer.ACK)
    return Step(reply, Outcome.GO if kind == OptionKind.GO else Outcome.MORE)


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
