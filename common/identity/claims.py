"""What a token says, and how it is written into the token.

    Identity ──claims_of()──▶ JSON object with short names, without what is absent ──identity_in()──▶ Identity

It knows neither signatures nor the clock.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ApusError


class Unreadable(ApusError):
    """What was signed is no token of ours."""


@dataclass(frozen=True, slots=True)
class AccessRule:
    """One kind of request that a limited application credential is good for."""

    service: str
    """The service's type in the catalogue, such as "compute"."""
    method: str
    """An HTTP method, in capitals."""
    path: str
    """A path with `*` for one of its words (also as {name}) and `**` for any number of them."""

    def admits(self, *, service: str, method: str, path: str) -> bool:
        """Whether a request is of this kind."""
        return (
            service == self.service
            and method.upper() == self.method.upper()
            and _pattern(self.path).fullmatch(path) is not None
        )


def _pattern(path: str) -> re.Pattern[str]:
    """Return what paths a rule means."""
    pieces = re.split(r"(\*\*|\*|\{[^/}]*\})", path)
    words = {"**": ".*", "*": "[^/]+"}
    return re.compile(
        "".join(
            words.get(piece, "[^/]+") if piece[:1] in ("*", "{") else re.escape(piece) for piece in pieces
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom a token speaks for, and where; of project, domain and system at most one is its scope."""

    user_id: str
    user_name: str
    user_domain_id: str
    user_domain_name: str
    project_id: str | None = None
    project_name: str | None = None
    project_domain_id: str | None = None
    project_domain_name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None
    system_scope: bool = False
    roles: tuple[str, ...] = ()
    """Names; which roles imply others has been settled."""
    role_ids: tuple[str, ...] = ()
    """In the order of `roles`."""
    audit_id: str = ""
    parent_audit_id: str | None = None
    """The first token's, of which this one was made."""
    issued_at: float = 0.0
    """Unix seconds."""
    expires_at: float = 0.0
    """Unix seconds."""
    methods: tuple[str, ...] = ()
    application_credential_id: str | None = None
    application_credential_restricted: bool = False
    """Whether it may not make further credentials."""
    access_rules: tuple[AccessRule, ...] | None = None
    """None where every kind of request is allowed."""

    @property
    def is_scoped(self) -> bool:
        """Whether it is good for more than asking for another token."""
        return self.project_id is not None or self.domain_id is not None or self.system_scope


_TEXTS = {
    "user_id": "uid",
    "user_name": "un",
    "user_domain_id": "udi",
    "user_domain_name": "udn",
    "project_id": "pid",
    "project_name": "pn",
    "project_domain_id": "pdi",
    "project_domain_name": "pdn",
    "domain_id": "did",
    "domain_name": "dn",
    "audit_id": "jti",
    "parent_audit_id": "par",
    "application_credential_id": "ac",
}
_NUMBERS = {"issued_at": "iat", "expires_at": "exp"}
_LISTS = {"roles": "r", "role_ids": "ri", "methods": "m"}
_FLAGS = {"system_scope": "sys", "application_credential_restricted": "acr"}
_REQUIRED = ("uid", "un", "udi", "udn", "jti", "iat", "exp")
_RULES = "rules"


def claims_of(identity: Identity) -> dict[str, Any]:
    """Return what is signed, without what is absent: tokens travel with every request."""
    said: dict[str, Any] = {}
    for names in (_TEXTS, _NUMBERS, _FLAGS):
        said |= {short: getattr(identity, name) for name, short in names.items() if getattr(identity, name)}
    said |= {
        short: list(getattr(identity, name)) for name, short in _LISTS.items() if getattr(identity, name)
    }
    if identity.access_rules is not None:
        said[_RULES] = [[rule.service, rule.method, rule.path] for rule in identity.access_rules]
    return said


def identity_in(said: Mapping[str, Any]) -> Identity:
    """Return whom a token speaks for.

    Raises:
        Unreadable: when something is missing, or of the wrong type.
    """
    values: dict[str, Any] = {}
    for names, kinds in ((_TEXTS, (str,)), (_NUMBERS, (int, float)), (_FLAGS, (bool,))):
        for name, short in names.items():
            if short in said:
                if not isinstance(said[short], kinds):
                    raise Unreadable(f"the token's {short} has the wrong type")
                values[name] = said[short]
    for name, short in _LISTS.items():
        values[name] = _texts(said.get(short, []), short)
    if _RULES in said:
        if not isinstance(said[_RULES], list):
            raise Unreadable("the token's access rules are no list")
        values["access_rules"] = tuple(_rule(each) for each in said[_RULES])
    missing = [short for short in _REQUIRED if short not in said]
    if missing:
        raise Unreadable(f"the token does not say {', '.join(missing)}")
    return Identity(**values)


def _texts(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Unreadable(f"the token's {name} is no list of texts")
    return tuple(value)


def _rule(value: object) -> AccessRule:
    texts = _texts(value, _RULES)
    if len(texts) != 3:
        raise Unreadable("an access rule in the token has not three parts")
    return AccessRule(*texts)
