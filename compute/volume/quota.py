"""What a project may have: limits, what it uses, and whether one more fits.

    limits (the project's own over the class's over the conf's), use counted from the catalogue
        ──▶ over(wanted) ──▶ the names of what would be exceeded, in order

Use is counted from the rows themselves inside the transaction that adds the next row, so two requests at once
can't both take the last place, and nothing can leak: a row that is gone counts no more. A row counts from
the moment it is written, which is the reservation; deleting the row is its roll-back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

UNLIMITED = -1
LIMIT_MAX = 2**31 - 1

DEFAULTS: Mapping[str, int] = {
    "volumes": 100,
    "snapshots": 100,
    "gigabytes": 10_000,
    "per_volume_gigabytes": UNLIMITED,
    "backups": 100,
    "backup_gigabytes": 10_000,
    "groups": 10,
}
"""What a project may have where nobody has said otherwise; -1 is without end."""


@dataclass(frozen=True, slots=True)
class Sized:
    """One volume, snapshot or backup as the quota sees it."""

    gigabytes: int
    type_name: str | None = None


def usage(volumes: Iterable[Sized], snapshots: Iterable[Sized], backups: Iterable[Sized]) -> dict[str, int]:
    """Return what is used by name, by type names too (`volumes_TYPE`); snapshots count in `gigabytes`."""
    used = dict.fromkeys(DEFAULTS, 0)
    for kind, things in (("volumes", volumes), ("snapshots", snapshots)):
        for thing in things:
            for name, amount in ((kind, 1), ("gigabytes", thing.gigabytes)):
                used[name] += amount
                if thing.type_name is not None:
                    by_type = f"{name}_{thing.type_name}"
                    used[by_type] = used.get(by_type, 0) + amount
    for thing in backups:
        used["backups"] += 1
        used["backup_gigabytes"] += thing.gigabytes
    return used


def limits(names: Iterable[str], *layers: Mapping[str, int]) -> dict[str, int]:
    """Return the limit of each name: the first layer that has it, else the default, else without end."""
    return {
        name: next((layer[name] for layer in layers if name in layer), DEFAULTS.get(name, UNLIMITED))
        for name in names
    }


def over(wanted: Mapping[str, int], used: Mapping[str, int], limit: Mapping[str, int]) -> list[str]:
    """Return the names whose limit would be passed by adding what is wanted; shrinking is never over."""
    return [
        name
        for name, amount in wanted.items()
        if amount > 0 and limit.get(name, UNLIMITED) != UNLIMITED and used.get(name, 0) + amount > limit[name]
    ]


def sentence(name: str, wanted: Mapping[str, int], used: Mapping[str, int], limit: Mapping[str, int]) -> str:
    """Return Cinder's words for one name that is over."""
    top, present = limit[name], used.get(name, 0)
    if name == "per_volume_gigabytes":
        return f"Requested volume size {wanted[name]} is larger than maximum allowed limit {top}."
    kind, _, suffix = name.partition("_")
    of_type = f" for quota '{name}'" if suffix else ""
    if kind == "gigabytes" or name == "backup_gigabytes":
        noun = "backup" if name == "backup_gigabytes" else "volume or snapshot"
        return (
            f"Requested {noun} exceeds allowed {'backup ' if noun == 'backup' else ''}gigabytes quota"
            f"{of_type if noun != 'backup' else ''}. "
            f"Requested {wanted[name]}G, quota is {top}G and {present}G has been consumed."
        )
    return f"Maximum number of {kind} allowed ({top}) exceeded{of_type}."


def refuse_limit(name: str, value: object, *, known: Iterable[str]) -> str | None:
    """Return why an operator's limit is refused, or None: a known name and a whole number from -1 up."""
    if name not in set(known):
        return f"Bad key(s) in quota set: {name}"
    try:
        number = int(str(value))
    except ValueError:
        return f"The limit of {name} must be a whole number, not {value!r}."
    if isinstance(value, bool) or not UNLIMITED <= number <= LIMIT_MAX:
        return f"The limit of {name} must be -1 (without end) to {LIMIT_MAX}, not {value!r}."
    return None
