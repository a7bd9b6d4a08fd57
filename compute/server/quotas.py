"""How much a project may have: limits by name, and whether something more still fits.

    defaults ◀ class `default` ◀ the project's own ──▶ limits_of() ──▶ {resource: limit}; -1 is no limit
    limits, used, asked ──▶ check() ──▶ nothing, or OverQuota (403) in the words that clients know

Values only; who counts what is used has a catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...common.errors import ApusError

# The limits of OpenStack Compute out of the box; the first three are what servers use.
DEFAULTS: dict[str, int] = {
    "instances": 10,
    "cores": 20,
    "ram": 51200,
    "key_pairs": 100,
    "metadata_items": 128,
    "server_groups": 10,
    "server_group_members": 10,
    "injected_files": 5,
    "injected_file_content_bytes": 10240,
    "injected_file_path_bytes": 255,
    # Kept by the network service since 2.36: old clients still set and read the words; nobody counts.
    "fixed_ips": -1,
    "floating_ips": -1,
    "security_groups": -1,
    "security_group_rules": -1,
}
NETWORK_WORDS = ("fixed_ips", "floating_ips", "security_groups", "security_group_rules")
USED_BY_SERVERS = ("instances", "cores", "ram")


class OverQuota(ApusError):
    """More than the project may have."""


def limits_of(own: Mapping[str, int], of_class: Mapping[str, int] | None = None) -> dict[str, int]:
    """Return the limit of every resource: the project's own, else its class's, else the default."""
    inherited = {**DEFAULTS, **{k: v for k, v in (of_class or {}).items() if k in DEFAULTS}}
    return {**inherited, **{name: limit for name, limit in own.items() if name in DEFAULTS}}


def check(limits: Mapping[str, int], used: Mapping[str, int], asked: Mapping[str, int]) -> None:
    """Do nothing when all that is asked fits; raise OverQuota naming every resource that does not."""
    over = [
        name
        for name, amount in asked.items()
        if amount > 0 and limits.get(name, -1) >= 0 and used.get(name, 0) + amount > limits[name]
    ]
    if over:
        requested = ", ".join(str(asked[name]) for name in over)
        already = ", ".join(str(used.get(name, 0)) for name in over)
        allowed = ", ".join(str(limits[name]) for name in over)
        raise OverQuota(
            f"Quota exceeded for {', '.join(over)}: Requested {requested}, but already used {already} of "
            f"{allowed} {', '.join(over)}"
        )
