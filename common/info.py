"""What this proxy can do, as GET /info tells everybody.

    each filter at start ──register("tempauth", account_acls=True)──▶ registry ──public()──▶ /info

Sections and keys may not hold a dot: `disallowed_sections` names nested keys with dots.
It does not know HTTP: the proxy application serves it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

RESERVED = frozenset({"admin", "disallowed_sections"})
_public: dict[str, dict[str, Any]] = {}
_admin: dict[str, dict[str, Any]] = {}


def register(name: str = "swift", **capabilities: Any) -> None:
    """Publish capabilities under a section; a later registration of the same key replaces it."""
    _register(_public, name, capabilities)


def register_admin(name: str, **capabilities: Any) -> None:
    """Publish capabilities that only the holder of the admin key may read."""
    _register(_admin, name, capabilities)


def public(disallowed_sections: Iterable[str] = ()) -> dict[str, Any]:
    """Return what anybody may know, without the sections (or dotted keys) that the operator hides."""
    shown: dict[str, Any] = copy.deepcopy(_public)
    for path in disallowed_sections:
        *parents, key = path.split(".")
        section: Any = shown
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        if isinstance(section, dict):
            section.pop(key, None)
    return shown


def admin(disallowed_sections: Iterable[str] = ()) -> dict[str, Any]:
    """Return the public part, and under `admin` what is for administrators only."""
    disallowed = list(disallowed_sections)
    return {**public(disallowed), "admin": {**copy.deepcopy(_admin), "disallowed_sections": disallowed}}


def admin_section(name: str) -> Mapping[str, Any]:
    """Return what was registered under one section for administrators, as it is now; nothing costs a copy."""
    return MappingProxyType(_admin.get(name, {}))


def _register(registry: dict[str, dict[str, Any]], name: str, capabilities: dict[str, Any]) -> None:
    if name in RESERVED:
        raise ValueError(f"the section name {name!r} is reserved")
    for word in (name, *capabilities):
        if "." in word:
            raise ValueError(f"no dot is allowed in a section or key of /info: {word!r}")
    registry.setdefault(name, {}).update(capabilities)
