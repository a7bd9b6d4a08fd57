"""What was made of texts, remembered as long as there is room: the room is bytes, not entries.

    text ──@remembered(bytes_max)──▶ what it says     the same text again ──▶ at once

Owners write the documents, some of them a megabyte long: so many entries could be any number of bytes. Pure,
but for the memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TextMemory(Generic[T]):
    """A function of one or more texts, with what it has returned of late."""

    def __init__(self, make: Callable[..., T], bytes_max: int) -> None:
        self._make = make
        self._bytes_max = bytes_max
        self._known: OrderedDict[tuple[str, ...], T] = OrderedDict()
        self._bytes = 0
        self.__doc__ = make.__doc__

    def __call__(self, *texts: str) -> T:
        """Return what the function makes of the texts."""
        known = self._known
        if texts in known:
            known.move_to_end(texts)
            return known[texts]
        made = self._make(*texts)
        known[texts] = made
        self._bytes += _size(texts)
        while self._bytes > self._bytes_max:
            oldest, _ = known.popitem(last=False)
            self._bytes -= _size(oldest)
        return made

    def texts(self) -> list[str]:
        """Return all texts that are remembered."""
        return [text for texts in self._known for text in texts]


def _size(texts: tuple[str, ...]) -> int:
    return sum(map(len, texts))


def remembered(bytes_max: int) -> Callable[[Callable[..., T]], TextMemory[T]]:
    """Have a function remember what it has made of texts of so many characters together."""
    return lambda make: TextMemory(make, bytes_max)
