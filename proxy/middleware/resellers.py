"""Which accounts an auth filter answers for, by the prefixes of their names.

    reseller_prefix = AUTH, SERVICE   ──▶ Resellers ──prefix_of("SERVICE_acct")──▶ "SERVICE_"
    SERVICE_require_group = service                 ──required_group("SERVICE_")──▶ "service"

The first prefix is also that of tokens. An empty prefix (written '') covers every account that no other
prefix covers. It does not know users or requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

EMPTY = "''"  # How a configuration writes the empty prefix.


@dataclass(frozen=True, slots=True)
class Resellers:
    """The prefixes, each with its underscore, and the group that each may require."""

    prefixes: tuple[str, ...] = ("AUTH_",)
    required_groups: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_options(cls, options: Mapping[str, str]) -> Resellers:
        """Read `reseller_prefix`, `require_group` and `PREFIX_require_group`."""
        words = [word.strip() for word in options.get("reseller_prefix", "AUTH").split(",")]
        prefixes = tuple(dict.fromkeys(_prefix(word) for word in words if word)) or ("",)
        common = options.get("require_group", "")
        required = {
            prefix: options.get(f"{prefix or EMPTY}require_group", common).strip() for prefix in prefixes
        }
        return cls(prefixes, {prefix: group for prefix, group in required.items() if group})

    @property
    def token_prefix(self) -> str:
        """What every token of ours starts with."""
        return self.prefixes[0]

    def prefix_of(self, account: str | None) -> str | None:
        """Return the prefix that an account falls under, None when it is not ours."""
        if account is None:
            return None
        for prefix in self.prefixes:
            if prefix and account.startswith(prefix):
                return prefix
        return "" if "" in self.prefixes else None

    def is_ordinary(self, account: str) -> bool:
        """Whether an account is more than a bare prefix and not one of the hidden (dotted) ones."""
        prefix = self.prefix_of(account)
        return prefix is not None and account not in self.prefixes and not account.startswith(f"{prefix}.")

    def accounts_named(self, name: str) -> tuple[str, ...]:
        """Return the accounts of that name under all prefixes that have one."""
        return tuple(prefix + name for prefix in self.prefixes if prefix)


def _prefix(word: str) -> str:
    if word == EMPTY:
        return ""
    return word if word.endswith("_") else f"{word}_"
