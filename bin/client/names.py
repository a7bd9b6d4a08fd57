"""Object names and names of files: what may become what.

object name ──▶ relative_path() ──▶ a path below a folder, or the reason why there is none
file name   ──▶ object_name()   ──▶ a name that the store takes, or the reason why it does not
store:CONTAINER/PREFIX ──▶ Place
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ...common.errors import ApusError, Refused

COMPONENT_BYTES_MAX = 255  # What Linux file systems take.
STORE = "store:"


class Unfit(ApusError):
    """This name has no counterpart on the other side; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A container, and the prefix within it: empty, or ending with a slash."""

    container: str
    prefix: str = ""

    @classmethod
    def read(cls, text: str) -> Place | None:
        """Read store:CONTAINER[/PREFIX]; None where something else is written."""
        if not text.startswith(STORE):
            return None
        container, _, prefix = text.removeprefix(STORE).strip("/").partition("/")
        if not container:
            raise Refused(f"{text!r} names no container; write {STORE}CONTAINER or {STORE}CONTAINER/PREFIX")
        return cls(container, f"{prefix}/" if prefix else "")

    def __str__(self) -> str:
        return f"{STORE}{self.container}/{self.prefix}".rstrip("/")


def relative_path(name: str) -> str:
    """Return the path below a folder for an object of that name; Unfit where it would be another or none."""
    parts = name.split("/")
    for part in parts:
        if part in ("", ".", ".."):
            raise Unfit(f"{name!r} cannot be a file here: it has a part {part!r}")
        if len(os.fsencode(part)) > COMPONENT_BYTES_MAX:
            raise Unfit(f"{name!r} cannot be a file here: a part is longer than {COMPONENT_BYTES_MAX} bytes")
    if "\0" in name:
        raise Unfit(f"{name!r} cannot be a file here: it holds a zero byte")
    return name


def forgiving_path(name: str) -> str:
    """As relative_path(), without the doubled, leading and trailing slashes, as `swift` does."""
    return relative_path("/".join(part for part in name.split("/") if part not in ("", ".")))


def object_name(path: str) -> str:
    """Return the object name for a relative path; Unfit where its bytes are not UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise Unfit(f"{path!r} cannot be an object: its name is not UTF-8") from None
    return path


def is_excluded(path: str, patterns: Iterable[str]) -> bool:
    """Return whether a pattern matches: one with a slash the path from its start, another any part of it."""
    parts = path.split("/")
    for pattern in patterns:
        if "/" in pattern.rstrip("/"):  # One at its start counts too.
            anchored = pattern.strip("/")
            heads = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
            if any(fnmatchcase(head, anchored) for head in heads):
                return True
        elif any(fnmatchcase(part, pattern.rstrip("/")) for part in parts):
            return True
    return False


_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(name: str) -> str:
    """Return a name that does no harm to a terminal: what cannot be printed is written as an escape."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], name)
