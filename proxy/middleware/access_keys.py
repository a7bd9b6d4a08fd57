"""Who an access key belongs to, and what it signs with.

    access key ──▶ Secrets.s3_secret() ──▶ Secret, or None for a key that nobody has
    S3's door ──environ[KNOWN_CALLER]──▶ the filter that knows the users, which introduces the caller

That filter is tempauth with its configured users, or identity_token with the identity service's EC2
credentials; where both are in a pipeline each knows its own callers. The door knows neither which one it is,
nor what it takes for a caller. No header becomes that key of an environ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

KNOWN_CALLER = "apus.known_caller"


@dataclass(frozen=True, slots=True)
class Secret:
    """What belongs to one access key."""

    key: str
    """What requests are signed with."""
    account: str
    """The storage account whose containers are the buckets."""
    caller: Any
    """Whom the auth filter is to introduce; only it knows what that is."""
    session_token: str | None = None
    """What must be shown beside a temporary key."""


class Secrets(Protocol):
    """Where secrets are found."""

    def s3_secret(self, access_key: str) -> Secret | None:
        """Return the secret of an access key; None for one that nobody has, or that is turned off."""


class NoSecrets:
    """Where no filter knows any: Keystone's, for one, know their users by tokens alone."""

    def s3_secret(self, access_key: str) -> None:
        """Return nothing, whatever the key."""
        del access_key


class SeveralSecrets:
    """Where several filters know users, each its own."""

    def __init__(self, known: Sequence[Secrets]) -> None:
        self._known = known

    def s3_secret(self, access_key: str) -> Secret | None:
        """Return what the first of them says who has the key."""
        for secrets in self._known:
            if (found := secrets.s3_secret(access_key)) is not None:
                return found
        return None


def secrets_behind(app: Any) -> Secrets:
    """Return who knows the users' secrets; of several filters the last in the pipeline is asked first."""
    found: list[Secrets] = []
    behind: Any = app
    while behind is not None:
        if hasattr(behind, "s3_secret"):
            found.insert(0, behind)
        behind = getattr(behind, "app", None)
    if not found:
        return NoSecrets()
    return found[0] if len(found) == 1 else SeveralSecrets(found)
