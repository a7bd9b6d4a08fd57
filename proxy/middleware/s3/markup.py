"""XML that is written: element("Key", text) in element("Tag", …) ──render()──▶ bytes.

It does not know what any document means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]')
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


@dataclass(frozen=True, slots=True)
class Element:
    """An element to be written; what is inside is written already."""

    tag: str
    attributes: str
    inside: str

    def __str__(self) -> str:
        if self.inside:
            return f"<{self.tag}{self.attributes}>{self.inside}</{self.tag}>"
        return f"<{self.tag}{self.attributes}/>"


def element(tag: str, *content: Element | str | int | None, **attributes: str) -> Element:
    """Return an element; None among its content is left out, and truth is written as XML does."""
    said = "".join(f' {name}="{escaped(value)}"' for name, value in attributes.items())
    return Element(tag, said, "".join(map(_written, content)))


def render(root: Element, *, namespace: str = NAMESPACE) -> bytes:
    """Return a document; errors have no namespace."""
    if namespace:
        root = Element(root.tag, f' xmlns="{namespace}"{root.attributes}', root.inside)
    return (DECLARATION + str(root)).encode()


def escaped(text: str) -> str:
    """Return text as XML says it.

    Characters that XML 1.0 cannot carry are written as references nevertheless, as AWS does: clients that
    list keys which may have them ask for `encoding-type=url`.
    """
    return _SPECIAL.sub(_reference, text)


def _reference(match: re.Match[str]) -> str:
    character = match[0]
    if character in _ENTITIES:
        return _ENTITIES[character]
    return "\ufffd" if character > "\x1f" else f"&#x{ord(character):x};"


def _written(piece: Element | str | int | None) -> str:
    if isinstance(piece, str):
        return escaped(piece)
    if isinstance(piece, Element):
        return str(piece)
    if piece is None:
        return ""
    if isinstance(piece, bool):
        return "true" if piece else "false"
    return str(piece)
