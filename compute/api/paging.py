"""Lists a page at a time: limit and marker in, links to the next page out.

    GET /servers/detail?limit=2&marker=ID ──▶ Page(limit=2, marker="ID") ──▶ rows, {"rel": "next", …}

It does not know what is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from .call import Call
from .faults import BadRequest

T = TypeVar("T")
MAXIMUM = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """What part of a list is asked for."""

    limit: int
    marker: str | None

    @classmethod
    def of(cls, call: Call, maximum: int = MAXIMUM) -> Page:
        """Read the query; a limit beyond the maximum is the maximum.

        Raises:
            BadRequest: the limit is no number, or negative.
        """
        text = call.query.get("limit")
        if text is None:
            return cls(maximum, call.query.get("marker"))
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise BadRequest(f"limit={text!r} is no number of items")
        return cls(min(int(text), maximum), call.query.get("marker"))

    def cut(self, items: Sequence[T], id_of: Callable[[T], str]) -> tuple[list[T], bool]:
        """Return the page of an ordered list, and whether something follows it.

        Raises:
            BadRequest: the marker is not in the list.
        """
        begin = 0
        if self.marker is not None:
            places = [place for place, item in enumerate(items) if id_of(item) == self.marker]
            if not places:
                raise BadRequest(f"marker {self.marker!r} is not in the list")
            begin = places[0] + 1
        end = begin + self.limit
        return list(items[begin:end]), end < len(items)


def next_link(call: Call, last_id: str) -> str:
    """Return the URL of the page after the one that ends with this item."""
    parameters = {**call.query, "marker": last_id}
    return f"{call.request.path_url}?{urlencode(parameters)}"
