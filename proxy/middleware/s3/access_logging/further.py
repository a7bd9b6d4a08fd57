"""What a request does besides, of which the log has lines of their own: keys deleted, sources of copies.

an operation ──note()──▶ the request's environ ──noted()──▶ recording
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_NOTED = "apus.s3_access_log_further"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One of them."""

    operation: str
    bucket: str
    key: str
    account: str | None = None
    """Another one than the request's."""
    version_id: str | None = None
    status: int = 200
    error_code: str | None = None
    object_size: int | None = None


def note(environ: dict[str, Any], deed: Deed) -> None:
    """Keep it for the log."""
    environ.setdefault(_NOTED, []).append(deed)


def noted(environ: Mapping[str, Any]) -> Sequence[Deed]:
    """Return what was kept."""
    found: Sequence[Deed] = environ.get(_NOTED, ())
    return found
