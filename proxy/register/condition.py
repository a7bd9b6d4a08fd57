"""Under which condition a change of an object is wanted.

    If-None-Match: *       ──▶ Condition ──holds(Version)──▶ change it, or 412
    If-Match: "tag", "tag" ─┘

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...common import conditions
from ...common.errors import Refused
from ...common.register import Version

IF_MATCH, IF_NONE_MATCH = "HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"
"""The first of them alone makes a DELETE conditional."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What the client wants the object to be before it is changed."""

    if_match: str | None = None
    is_absent: bool = False

    def holds(self, version: Version) -> bool:
        """Tell whether this is it."""
        if self.is_absent and version.exists:
            return False
        if self.if_match is None:
            return True
        return version.exists and conditions.matches(self.if_match, version.etag)


def condition_of(environ: Mapping[str, str]) -> Condition | None:
    """Return the condition of a PUT or DELETE, None where it has none.

    Raises:
        Refused: for If-None-Match with anything but a star.
    """
    if_match, if_none_match = environ.get(IF_MATCH), environ.get(IF_NONE_MATCH)
    if if_match is None and if_none_match is None:
        return None
    if if_none_match is not None and "*" not in if_none_match:
        raise Refused("If-None-Match only supports *")
    return Condition(if_match, if_none_match is not None)
