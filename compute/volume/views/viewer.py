"""Who looks at a document, and what that changes: version, rights, the address it was asked at.

Call ──▶ Viewer ──▶ .shows(3, 48), .is_admin, .links("volumes", id)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...api.call import Call
from ...api.versions import Version

Row = Mapping[str, Any]
"""One row of a table, by column."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """What a view must know of whom it is for."""

    version: Version
    is_admin: bool
    base_url: str
    project_id: str

    @classmethod
    def of(cls, call: Call) -> Viewer:
        """The sender of a request."""
        return cls(
            call.version or Version(3, 0), call.is_admin, call.base_url, call.identity.project_id or ""
        )

    def shows(self, major: int, minor: int) -> bool:
        """Whether the client's version is at least this one."""
        return self.version >= (major, minor)

    def links(self, collection: str, resource_id: str) -> list[dict[str, str]]:
        """Return the two links that each resource has."""
        place = f"{self.project_id}/{collection}/{resource_id}"
        return [
            {"rel": "self", "href": f"{self.base_url}/v3/{place}"},
            {"rel": "bookmark", "href": f"{self.base_url}/{place}"},
        ]
