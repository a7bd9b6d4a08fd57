"""Lines of a container's listing in JSON, read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .interface import Listed


def listed(row: Mapping[str, Any]) -> Listed:
    """Return one line; the store writes times in UTC without saying so."""
    moment = datetime.fromisoformat(str(row["last_modified"])).replace(tzinfo=UTC)
    return Listed(
        name=str(row["name"]), size=int(row["bytes"]), etag=str(row["hash"]), modified=moment.timestamp()
    )
