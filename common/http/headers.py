"""The headers of a peer's answer, by name.

    lines of a head ──headers_of──▶ Headers ──get("etag")──▶ value
                                       └──pairs()──▶ names as they were sent, and values

Peers answer with the same names in the same order again and again: that is a Layout, made once, and an
answer's own part is a list of values. Nothing passes here that head.py would not accept: lines in the form
that everybody sends are taken apart at half of what its pattern costs, all others are left to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .head import INNER_HEADERS_MAX, header_texts

_FOLDS_MAX = 4096  # Names of metadata are the clients' invention; the memos must not grow with their fancy.
_LAYOUTS_MAX = 1024
_PRINTED = bytes(63 if code < 32 or code == 127 else code for code in range(256))
_is_token = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch


class Layout:
    """Names of headers, in their order; no two of them are the same."""

    __slots__ = ("length_at", "names", "positions", "says_only_length")

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names  # As they were sent.
        positions = self.positions = {_folded(name): position for position, name in enumerate(names)}
        self.length_at = positions.get("content-length")
        # Nothing about the body and the connection but, perhaps, how long the body is.
        self.says_only_length = "transfer-encoding" not in positions and "connection" not in positions


class Headers(Mapping[str, str]):
    """Headers by name in any case; repeated ones are joined with commas; all are WSGI strings."""

    __slots__ = ("layout", "values_in_order")

    def __init__(self, layout: Layout, values: Sequence[str]) -> None:
        self.layout = layout
        self.values_in_order = values

    @classmethod
    def of(cls, lines: Iterable[tuple[str, str]]) -> Headers:
        """Return the headers that these lines make."""
        names: dict[str, str] = {}
        values: dict[str, str] = {}
        for name, value in lines:
            folded = _folded(name)
            if folded in values:
                values[folded] += "," + value
            else:
                names[folded], values[folded] = name, value
        return cls(Layout(tuple(names.values())), list(values.values()))

    def __getitem__(self, name: str) -> str:
        return self.values_in_order[self.layout.positions[_folds.get(name) or _folded(name)]]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of one header, or the default."""
        position = self.layout.positions.get(_folds.get(name) or _folded(name))
        return default if position is None else self.values_in_order[position]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (_folds.get(name) or _folded(name)) in self.layout.positions

    def __iter__(self) -> Iterator[str]:
        return iter(self.layout.names)

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Return names as they were sent, and values; `items()` would look each value up by its name."""
        return zip(self.layout.names, self.values_in_order, strict=True)

    def __len__(self) -> int:
        return len(self.values_in_order)

    def __repr__(self) -> str:
        return f"Headers({dict(self.pairs())!r})"


_folds: dict[str, str] = {}
_layouts: dict[tuple[str, ...], Layout] = {}


def headers_of(block: bytes) -> Headers:
    """Return the headers of a block of lines, each of which ends with CRLF.

    Raises:
        BadFraming: when a line is no header line.
    """
    joined = block.replace(b"\r\n", b": ")
    if joined.translate(_PRINTED) is joined:  # Nothing was replaced: there is no control character.
        text = joined.decode("latin-1")
        pieces = text.split(": ")
        if len(pieces) == 2 * block.count(b"\n") + 1 and ":  " not in text and " : " not in text:
            names = tuple(pieces[:-1:2])
            layout = _layouts.get(names) or _layout(names)
            if layout is not None:
                return Headers(layout, pieces[1::2])
    return Headers.of(header_texts(block))


def _layout(names: tuple[str, ...]) -> Layout | None:
    """Return the layout of these names, or None when they need a closer look."""
    if len(names) > INNER_HEADERS_MAX or not all(map(_is_token, names)):
        return None
    layout = Layout(names)
    if len(layout.positions) < len(names):
        return None
    if len(_layouts) < _LAYOUTS_MAX:
        _layouts[names] = layout
    return layout


def _folded(name: str) -> str:
    """Return the name with its ASCII letters in lower case; other characters stand for bytes, not letters."""
    folded = name.lower() if name.isascii() else name.encode("latin-1").lower().decode("latin-1")
    if len(_folds) < _FOLDS_MAX:
        _folds[name] = folded
    return folded
