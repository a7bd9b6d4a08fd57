"""The headers of a request that concern somebody, found without a look at each.

    environ ──Sieve.among()──▶ keys that concern; () at one look, where all are known not to

Nearly all requests have the same headers. Names of those that do not concern are remembered; one that is not
is looked at again, every time: a memory that is full, or forgets, costs time and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

KEYS_MAX = 1024  # Clients choose names of headers; the memory must not follow their fancy.
KEY_CHARACTERS_MAX = 128


class Sieve:
    """One question about names of headers, whose answer for a name is always the same."""

    __slots__ = ("_concerns", "_others")

    def __init__(self, concerns: Callable[[str], bool]) -> None:
        self._concerns = concerns
        self._others: set[str] = set()

    def among(self, environ: Mapping[str, Any]) -> Sequence[str]:
        """Return the keys of an environ that concern, in its order."""
        others = self._others
        if others.issuperset(environ):
            return ()
        found = []
        for key in environ:
            if key in others:
                continue
            if self._concerns(key):
                found.append(key)
            elif len(others) < KEYS_MAX and len(key) <= KEY_CHARACTERS_MAX:
                others.add(key)
        return found
