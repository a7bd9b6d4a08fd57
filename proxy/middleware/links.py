"""What a symlink says and where it is written down: headers of clients, of the cluster, and listings' rows.

    X-Symlink-Target: c/o ──▶ Link ──stored()──▶ X-Object-Sysmeta-Symlink-Target: c/o
                               │  ▲
              row_etag() ◀─────┘  └──link_of()── an answer's headers
    "d41d…; symlink_target=c/o; …" ──listed()──▶ {"hash": "d41d…", "symlink_path": "/v1/a/c/o", …}

All of it is stock Swift's notation, so that either side follows the other's links. Targets stay
percent-encoded throughout. Pure: who asks whom is in symlink.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...common.config import true_value
from ...common.errors import Refused

EMPTY_ETAG = "d41d8cd98f00b204e9800998ecf8427e"
SYSMETA = "x-object-sysmeta-symlink-"
TARGET = SYSMETA + "target"
OVERRIDE = "x-object-sysmeta-container-update-override-etag"
SLO_ETAG, SLO_SIZE = "x-object-sysmeta-slo-etag", "x-object-sysmeta-slo-size"
SHOWN = {f"{SYSMETA}{word}": f"X-Symlink-{word.title()}" for word in (
    "target", "target-account", "target-etag", "target-bytes",
)}  # fmt: skip
"""The headers by which clients know a link, by those that keep it."""
ROW_MARK = b"symlink_target="
_EXTEND = "x-object-sysmeta-symloop-extend"
_RESERVED = "x-object-sysmeta-allow-reserved-names"
_OF_A_ROW = {
    "symlink_target": "symlink_path",
    "symlink_target_etag": "symlink_etag",
    "symlink_target_bytes": "symlink_bytes",
    "symlink_target_account": "",
}


@dataclass(frozen=True, slots=True)
class Link:
    """Where a symlink leads; a static one has the target's etag and size."""

    target: str
    """`container/object`, percent-encoded."""
    account: str = ""
    """Percent-encoded; empty for the link's own."""
    etag: str = ""
    size: str = ""
    is_free: bool = False
    """Whether following it counts towards no limit."""
    reaches_reserved: bool = False
    """Whether it may lead to a name that clients cannot say; the filter that made it has asked for leave."""

    def location(self, version: str, account: str) -> str:
        """Return the target's path, percent-encoded, for a link in an account (percent-encoded, too)."""
        return f"/{version}/{self.account or account}/{self.target.lstrip('/')}"


def link_of(headers: Mapping[str, str]) -> Link | None:
    """Return the link that an answer's headers, in lower case, tell of."""
    target = headers.get(TARGET)
    if not target:
        return None
    return Link(
        target=target,
        account=headers.get(SYSMETA + "target-account", ""),
        etag=headers.get(SYSMETA + "target-etag", ""),
        size=headers.get(SYSMETA + "target-bytes", ""),
        is_free=true_value(headers.get(_EXTEND, "")),
        reaches_reserved=bool(headers.get(_RESERVED)),
    )


def stored(link: Link) -> dict[str, str]:
    """Return the headers with which a link is kept."""
    values = (link.target, link.account, link.etag, link.size)
    return {name: value for name, value in zip(SHOWN, values, strict=True) if value}


def shown(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return an answer's headers with the link's in the clients' words."""
    return [(SHOWN.get(name.lower(), name), value) for name, value in headers]


def checked_etag(text: str) -> str:
    """Return a target's etag without its quotes.

    Raises:
        Refused: when a listing's row could not hold it.
    """
    etag = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if any(mark in etag for mark in ';"\\'):
        raise Refused("Bad X-Symlink-Target-Etag format")
    return etag


def row_etag(link: Link, known: str = "") -> str:
    """Return what the container is told as the link's etag; `known` is what others say there."""
    said = (
        ("symlink_target", link.target),
        ("symlink_target_account", link.account),
        ("symlink_target_etag", link.etag),
        ("symlink_target_bytes", link.size),
    )
    others = [pair for pair in _pairs(known) if pair[0] not in _OF_A_ROW]
    etag = known.partition(";")[0].strip() or EMPTY_ETAG
    return "; ".join((etag, *(f"{name}={value}" for name, value in (*others, *said) if value)))


def carried(target: Mapping[str, str]) -> str:
    """Return the start of a static link's row: what the row of its target says beside its etag.

    Empty when that is nothing. What a target that is a link itself says of its own target stays there.
    """
    override = target.get(OVERRIDE)
    if override is not None:
        pairs = [pair for pair in _pairs(override) if pair[0] not in _OF_A_ROW]
    else:
        pairs = [("slo_etag", target[SLO_ETAG])] if SLO_ETAG in target else []
    return "; ".join((EMPTY_ETAG, *(f"{key}={value}" for key, value in pairs))) if pairs else ""


def listed(row: dict[str, Any], *, version: str, account: str) -> dict[str, Any]:
    """Return a listing's row with what its etag says of a link under names of its own."""
    etag = row.get("hash")
    if not isinstance(etag, str) or ";" not in etag:
        return row
    pairs = _pairs(etag)
    said = dict(pairs)
    others = [f"{key}={value}" for key, value in pairs if key not in _OF_A_ROW]
    changed = {**row, "hash": "; ".join((etag.partition(";")[0].strip(), *others))}
    if "symlink_target_etag" in said:
        changed["symlink_etag"] = said["symlink_target_etag"]
    if said.get("symlink_target_bytes", "").isdigit():
        changed["symlink_bytes"] = int(said["symlink_target_bytes"])
    if said.get("symlink_target"):
        link = Link(said["symlink_target"], said.get("symlink_target_account", ""))
        changed["symlink_path"] = link.location(version, account)
    return changed


def _pairs(etag: str) -> list[tuple[str, str]]:
    """Return the parameters behind an etag."""
    pairs = (part.strip().partition("=") for part in etag.split(";")[1:])
    return [(key, value.strip('"')) for key, _, value in pairs if key]
