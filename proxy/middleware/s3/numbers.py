"""Numbers that clients say.

    "42" ──whole(most=…)──▶ 42        "", "-1", "²", "4 2", a thousand digits ──▶ None

Python's own reading takes signs, blanks and other scripts' digits, and fails on texts that are very long.
Pure.
"""

from __future__ import annotations

SIZE_MAX = 10**18
"""More bytes than anything has."""


def whole(text: str | None, *, least: int = 0, most: int) -> int | None:
    """Return the number that a text of ASCII digits says; None where it says none within the bounds."""
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(most)):
        return None
    number = int(digits)
    return number if least <= number <= most else None
