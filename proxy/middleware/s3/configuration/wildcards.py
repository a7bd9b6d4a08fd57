"""Patterns of policies: `*` stands for any characters, `?` for one.

No regular expression: who writes a policy could have it take exponential time. Pure.
"""

from __future__ import annotations


def matches(pattern: str, text: str) -> bool:
    """Tell whether the whole text is what the pattern says; takes at most their lengths' product."""
    at, begun = 0, 0
    star, resumed = -1, 0
    while at < len(text):
        # The star is looked for first, as the text may have one, too.
        if begun < len(pattern) and pattern[begun] == "*":
            star, resumed = begun, at
            begun += 1
        elif begun < len(pattern) and pattern[begun] in ("?", text[at]):
            at, begun = at + 1, begun + 1
        elif star >= 0:
            resumed += 1
            at, begun = resumed, star + 1
        else:
            return False
    return all(letter == "*" for letter in pattern[begun:])
