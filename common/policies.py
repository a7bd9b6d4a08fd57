"""Storage policies: named ways to keep objects, each with a ring of its own.

    [storage-policy:N] sections ──▶ Policies.from_sections() ──▶ which ring, which folder on a device

Index 0 is the policy of everything that names none. The rules on names, aliases and the default are
OpenStack Swift's, so that its swift.conf is read unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .errors import Refused

_SECTION = re.compile(r"storage-policy:(\d+)")
_NAME = re.compile(r"[A-Za-z0-9-]+")
_TRUE = ("true", "1", "yes", "on", "t", "y")
LEGACY_NAME = "Policy-0"
KINDS = ("replication", "erasure_coding")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One storage policy; `index` is what is stored, `name` is what people say."""

    index: int
    name: str
    aliases: tuple[str, ...] = ()
    default: bool = False
    deprecated: bool = False
    kind: str = "replication"

    @property
    def names(self) -> tuple[str, ...]:
        """The primary name, then the other ones."""
        return (self.name, *(alias for alias in self.aliases if alias != self.name))

    @property
    def ring_name(self) -> str:
        """`object` or `object-N`: the ring file's stem."""
        return self._numbered("object")

    @property
    def data_directory(self) -> str:
        """`objects` or `objects-N`: the folder on a device."""
        return self._numbered("objects")

    @property
    def tmp_directory(self) -> str:
        """`tmp` or `tmp-N`: where files are written before they get their name."""
        return self._numbered("tmp")

    @property
    def async_directory(self) -> str:
        """`async_pending` or `async_pending-N`: where undelivered container updates wait."""
        return self._numbered("async_pending")

    def _numbered(self, stem: str) -> str:
        return f"{stem}-{self.index}" if self.index else stem


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies of a cluster, found by index or by any name."""

    all: tuple[Policy, ...]

    def __post_init__(self) -> None:
        """Refuse a set that could send objects to the wrong ring."""
        names = [name.lower() for policy in self.all for name in policy.names]
        if len(names) != len(set(names)):
            raise Refused("two storage policies share a name")
        if len({policy.index for policy in self.all}) != len(self.all):
            raise Refused("two storage policies share an index")
        if all(policy.index for policy in self.all):
            raise Refused("there is no storage policy with index 0")
        if sum(policy.default for policy in self.all) != 1:
            raise Refused("exactly one storage policy must be the default")
        if self.default.deprecated:
            raise Refused(f"the default storage policy {self.default.name} is deprecated")

    @classmethod
    def from_sections(cls, sections: Mapping[str, Mapping[str, str]]) -> Policies:
        """Read `[storage-policy:N]` sections; without any there is one policy, `Policy-0`."""
        found = [
            _policy(int(match[1]), options)
            for name, options in sections.items()
            if (match := _SECTION.fullmatch(name))
        ]
        if not found:
            found = [Policy(index=0, name=LEGACY_NAME)]
        if not any(policy.default for policy in found):
            if len(found) > 1:
                raise Refused("name one storage policy as the default: default = yes")
            found = [replace(found[0], default=True)]
        return cls(tuple(sorted(found, key=lambda policy: policy.index)))

    @property
    def default(self) -> Policy:
        """The policy of a container that asks for none."""
        return next(policy for policy in self.all if policy.default)

    def by_index(self, index: int) -> Policy | None:
        """Return the policy of that index, or None."""
        for policy in self.all:  # A plain loop: it runs in every request.
            if policy.index == index:
                return policy
        return None

    def by_name(self, name: str) -> Policy | None:
        """Return the policy that has this name or alias, in any case, or None."""
        wanted = name.lower()
        return next((policy for policy in self.all if wanted in (n.lower() for n in policy.names)), None)


def _policy(index: int, options: Mapping[str, str]) -> Policy:
    name = options.get("name", LEGACY_NAME if index == 0 else "").strip()
    aliases = tuple(alias.strip() for alias in options.get("aliases", "").split(",") if alias.strip())
    for word in (name, *aliases):
        if not _NAME.fullmatch(word):
            raise Refused(f"storage policy {index}: name {word!r} must be letters, digits and dashes")
        if word.lower() == LEGACY_NAME.lower() and index:
            raise Refused(f"storage policy {index}: the name {LEGACY_NAME} belongs to index 0")
    kind = options.get("policy_type", "replication").strip()
    if kind not in KINDS:
        raise Refused(f"storage policy {index}: policy_type {kind!r} is none of {', '.join(KINDS)}")
    return Policy(
        index=index,
        name=name,
        aliases=aliases,
        default=options.get("default", "").lower() in _TRUE,
        deprecated=options.get("deprecated", "").lower() in _TRUE,
        kind=kind,
    )
