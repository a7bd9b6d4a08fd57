"""Patterns of policies: `*` stands for any characters, `?` for one.

    arn:aws:s3:::b/*.jpg ──split at the stars──▶ pieces, each looked for behind the one before ──▶ True, False

A whole pattern is never made a regular expression: who writes a policy could have it take exponential time.
Each piece is found by the string's own search, as policies are matched with every request for a bucket. Pure.
"""

from __future__ import annotations

import re

from .text_memory import remembered

_CHARACTERS_MAX = 1 << 18  # Of pieces with question marks, per process.


def matches(pattern: str, text: str) -> bool:
    """Tell whether the whole text is what the pattern says; takes at most their lengths' product."""
    first, *others = pattern.split("*")
    if not others:
        return len(first) == len(text) and _found(first, text, 0, len(text)) == 0
    *middle, last = others
    at, end = len(first), len(text) - len(last)
    if end < at or _found(first, text, 0, at) != 0 or _found(last, text, end, len(text)) != end:
        return False
    for piece in middle:
        start = _found(piece, text, at, end)
        if start < 0:
            return False
        at = start + len(piece)
    return True


def _found(piece: str, text: str, start: int, end: int) -> int:
    """Return where a piece without stars comes first between two places; -1 where it doesn't."""
    if "?" not in piece:
        return text.find(piece, start, end)
    found = _searching(piece).search(text, start, end)
    return -1 if found is None else found.start()


@remembered(_CHARACTERS_MAX)
def _searching(piece: str) -> re.Pattern[str]:
    return re.compile(".".join(map(re.escape, piece.split("?"))), re.DOTALL)
