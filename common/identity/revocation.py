"""Which tokens have ended before their time.

    Revocation(user_id=…, before=t)  every token of that user that was issued at t or earlier
    Revocation(audit_id=…, before=t) that one token
    identity, Revocations ──reject()──▶ whether it has ended

A revocation means the tokens of which all that it names is true; what it does not name may be anything. It is
kept until the last token that it could mean has expired by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import ApusError
from .claims import Identity


class UnreadableNotice(ApusError):
    """What was published is no list of revocations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What the tokens have in common that are no longer good."""

    before: float
    """Unix seconds: tokens issued until then."""
    audit_id: str | None = None
    chain_id: str | None = None
    """A first token's audit id: it, and all that were made of it."""
    user_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    """A token's scope, or the domain of its user or project."""
    role_id: str | None = None
    application_credential_id: str | None = None
    scope_domain_id: str | None = None
    """A token's scope, and nothing else."""
    system: bool | None = None

    def means(self, identity: Identity) -> bool:
        """Whether a token is one of these."""
        if identity.issued_at > self.before:
            return False
        homes = (identity.domain_id, identity.user_domain_id, identity.project_domain_id)
        chain = (identity.audit_id, identity.parent_audit_id)
        tests = (
            (self.audit_id, (identity.audit_id,)),
            (self.chain_id, chain),
            (self.user_id, (identity.user_id,)),
            (self.project_id, (identity.project_id,)),
            (self.domain_id, homes),
            (self.scope_domain_id, (identity.domain_id,)),
            (self.role_id, identity.role_ids),
            (self.application_credential_id, (identity.application_credential_id,)),
            (self.system, (identity.system_scope,)),
        )
        named = [(wanted, found) for wanted, found in tests if wanted is not None]
        return bool(named) and all(wanted in found for wanted, found in named)


_FIELDS = frozenset(Revocation.__dataclass_fields__)


class Revocations:
    """Many revocations; those of single tokens, which are most, are found at once."""

    def __init__(self, items: Iterable[Revocation] = ()) -> None:
        self._tokens: set[str] = set()
        self._others: list[Revocation] = []
        self._users: dict[str, list[Revocation]] = {}
        for item in items:
            if item.audit_id is not None:
                self._tokens.add(item.audit_id)
            elif item.user_id is not None:
                self._users.setdefault(item.user_id, []).append(item)
            else:
                self._others.append(item)

    def reject(self, identity: Identity) -> bool:
        """Whether a token has ended."""
        return (
            identity.audit_id in self._tokens
            or any(each.means(identity) for each in self._users.get(identity.user_id, ()))
            or any(each.means(identity) for each in self._others)
        )


def revocation_document(item: Revocation) -> dict[str, Any]:
    """Return a revocation as a JSON object."""
    return {name: value for name, value in asdict(item).items() if value is not None}


def revocation_in(document: Mapping[str, Any]) -> Revocation:
    """Return the revocation of a JSON object.

    Raises:
        UnreadableNotice: when it is none that we understand; then no token can be judged by it.
    """
    if not isinstance(document, dict) or not set(document) <= _FIELDS or "before" not in document:
        raise UnreadableNotice("a revocation names something that is not known here")
    return Revocation(**document)
