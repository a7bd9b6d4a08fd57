"""The XML that S3 speaks: read with suspicion, written with care.

    body ──parse(body, "Tagging")──▶ Node ──value("Key")──▶ text
    element("Key", text) in element("Tag", …) ──render()──▶ bytes          (markup.py)

No document of S3 has a document type, so one that has is refused before an entity is declared. It does not
know what any document means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pyexpat import XMLParserType
from xml.parsers import expat

from .errors import S3Error
from .markup import NAMESPACE, SCHEMA_INSTANCE, Element, element, escaped, render

__all__ = (
    "NAMESPACE",
    "SCHEMA_INSTANCE",
    "Element",
    "Malformed",
    "Node",
    "element",
    "escaped",
    "parse",
    "read",
    "render",
)

BYTES_MAX = 1 << 20
DEPTH_MAX = 20  # The deepest document of S3 has eight levels.
NODES_MAX = 100_000  # 10,000 parts of a multipart upload, each with number, ETag and five checksums.


class Malformed(ValueError):
    """The document cannot be read."""


@dataclass(slots=True)
class Node:
    """An element that was read; names have no namespace."""

    tag: str
    text: str = ""
    children: list[Node] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.children)

    def find(self, tag: str) -> Node | None:
        """Return the first child of this name."""
        return next((child for child in self.children if child.tag == tag), None)

    def all(self, tag: str) -> list[Node]:
        """Return every child of this name."""
        return [child for child in self.children if child.tag == tag]

    def value(self, tag: str, default: str | None = None) -> str | None:
        """Return the text of the first child of this name, to the last blank; or the default."""
        child = self.find(tag)
        return default if child is None else child.text


def parse(body: bytes, root: str, *, bytes_max: int = BYTES_MAX) -> Node:
    """Return the document's root, which must have this name; any namespace will do.

    Raises:
        S3Error: MalformedXML.
    """
    try:
        found = read(body, bytes_max=bytes_max)
    except Malformed as problem:
        raise S3Error("MalformedXML", f"The XML cannot be read: {problem}.") from problem
    if found.tag != root:
        raise S3Error("MalformedXML", f"The XML is a {found.tag} where a {root} is expected.")
    return found


def read(body: bytes, *, bytes_max: int = BYTES_MAX) -> Node:
    """Return the root of a document.

    Raises:
        Malformed: unless it is well-formed, has no document type, and keeps to the bounds.
    """
    if len(body) > bytes_max:
        raise Malformed(f"it is longer than {bytes_max} bytes")
    reading = _Reading()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    reading.listen(parser)
    try:
        parser.Parse(body, True)  # noqa: FBT003 - its parameter has no name.
    except expat.ExpatError as problem:
        raise Malformed(str(problem)) from problem
    except (LookupError, ValueError) as problem:  # An encoding that is not known, or not one.
        raise Malformed(str(problem)) from problem
    assert reading.root is not None
    return reading.root


class _Reading:
    """A document under way."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []
        self._said: list[list[str]] = []
        """Of each open element the pieces of its text: added up one by one, long texts would take minutes."""
        self._count = 0

    def listen(self, parser: XMLParserType) -> None:
        """Take what the parser finds."""
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._say
        parser.StartDoctypeDeclHandler = _refusal("it has a document type")
        parser.EntityDeclHandler = _refusal("it declares an entity")
        parser.ProcessingInstructionHandler = _refusal("it has a processing instruction")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > NODES_MAX or len(self._open) >= DEPTH_MAX:
            raise Malformed("it has too many elements, or they are too deep")
        said = {_local(key): value for key, value in attributes.items()}
        node = Node(_local(name), attributes=said)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)
        self._said.append([])

    def _say(self, text: str) -> None:
        self._said[-1].append(text)

    def _end(self, _name: str) -> None:
        node = self._open.pop()
        text = "".join(self._said.pop())
        if not node.children or text.strip():
            node.text = text


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _refusal(sentence: str) -> Callable[..., None]:
    def refuse(*_facts: object) -> None:
        raise Malformed(sentence)

    return refuse
