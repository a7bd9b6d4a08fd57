"""Reading what a configuration says, strictly: what is missing, twice there, or not known is MalformedXML.

    Node ──needed(node, "Rule"), one_of(text, …), number(text, …)──▶ values, or S3Error: MalformedXML

Pure.
"""

from __future__ import annotations

from collections.abc import Collection

from ..errors import S3Error
from ..xml import Element, Node, element


def malformed(sentence: str) -> S3Error:
    """Return the error that says what is wrong with a document."""
    return S3Error("MalformedXML", f"{sentence}.")


def only(node: Node, tags: Collection[str], *, once: Collection[str] = ()) -> None:
    """Refuse children by other names, and a second one by a name that stands once."""
    seen: set[str] = set()
    for child in node.children:
        if child.tag not in tags:
            raise malformed(f"{node.tag} has an element {child.tag} that is not known")
        if child.tag in once and child.tag in seen:
            raise malformed(f"{node.tag} has more than one {child.tag}")
        seen.add(child.tag)


def needed(node: Node, tag: str) -> Node:
    """Return the child by this name."""
    child = node.find(tag)
    if child is None:
        raise malformed(f"{node.tag} has no {tag}")
    return child


def text(node: Node, tag: str) -> str:
    """Return the text of the child by this name, which must have one."""
    found = needed(node, tag).text
    if not found:
        raise malformed(f"{tag} is empty")
    return found


def one_of(value: str | None, allowed: Collection[str], tag: str) -> str:
    """Return a value that is one of a few."""
    if value is None or value not in allowed:
        raise malformed(f"{tag} must be one of {', '.join(sorted(allowed))}")
    return value


def boolean(value: str, tag: str) -> bool:
    """Return whether it says true; blanks and capitals do not matter."""
    return one_of(value.strip().lower(), ("true", "false"), tag) == "true"


def number(value: str, tag: str) -> int:
    """Return a whole number, which may be negative: whoever asks knows the bounds."""
    digits = value.strip()
    body = digits.removeprefix("-")
    if not (body.isascii() and body.isdigit() and len(body) <= 18):
        raise malformed(f"{tag} must be a whole number")
    return int(digits)


def rewritten(node: Node) -> Element:
    """Return a document as it was read, without attributes and the blanks between elements."""
    if node.children:
        return element(node.tag, *map(rewritten, node.children))
    return element(node.tag, node.text)
