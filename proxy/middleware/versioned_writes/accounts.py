r"""Listings of accounts: versions count where their objects are, and the containers that keep them stay out.

    rows of the account, rows of \0versions\0… ──▶ listed()

A hidden container whose parent is gone is shown under the parent's name, so that somebody can clean it up.
Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .names import RESERVED, container_of, hidden_container

Row = dict[str, Any]


def hidden_query(query: Mapping[str, str]) -> dict[str, str]:
    """Return the query for the hidden containers of those that a client asks for."""
    asked = {key: query[key] for key in ("limit", "reverse", "delimiter") if key in query}
    asked["prefix"] = hidden_container(query.get("prefix", ""))
    for key in ("marker", "end_marker"):
        if query.get(key) and RESERVED not in query[key]:
            asked[key] = hidden_container(query[key])
    return {**asked, "format": "json"}


def listed(rows: Sequence[Row], hidden: Sequence[Row], *, reverse: bool, limit: int) -> list[Row]:
    """Return the account's rows with the bytes of the versions added."""
    kept = {parent: row for row in hidden if (parent := container_of(row.get("name", ""))) is not None}
    if not kept:
        return list(rows)
    shown = []
    for row in rows:
        versions = kept.pop(row.get("name", ""), None)
        shown.append({**row, "bytes": row["bytes"] + versions["bytes"]} if versions else row)
    shown += [{**row, "name": parent, "count": 0} for parent, row in kept.items()]
    shown.sort(key=lambda row: row.get("name") or row["subdir"], reverse=reverse)
    return shown[:limit]
