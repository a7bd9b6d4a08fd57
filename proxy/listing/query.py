"""The query strings by which listings are asked for.

    limit=10&format=xml ──▶ as_json() ──▶ limit=10&format=json

Pure text; names in queries keep their percent-encoding untouched.
"""

from __future__ import annotations


def as_json(query: str) -> str:
    """Return the query with its format replaced: storage servers are always asked for JSON."""
    kept = [pair for pair in query.split("&") if pair and pair.partition("=")[0] != "format"]
    return "&".join([*kept, "format=json"])
