"""The query strings by which listings are asked for.

    limit=10&format=xml ──▶ as_json() ──▶ limit=10&format=json
    limit=10&prefix=a%2F ──▶ parsed() ──▶ ListingQuery ──▶ written() ──▶ the same, for a replica

Pure text.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from ...common.config import true_value
from .merge import ListingQuery


def as_json(query: str) -> str:
    """Return the query with its format replaced: storage servers are always asked for JSON."""
    kept = [pair for pair in query.split("&") if pair and pair.partition("=")[0] != "format"]
    return "&".join([*kept, "format=json"])


def parsed(query: str, *, limit_max: int) -> ListingQuery:
    """Return what a query, which a storage server has found valid, asks for."""
    options = dict(parse_qsl(query, keep_blank_values=True))
    limit = options.get("limit", "")
    return ListingQuery(
        limit=min(int(limit), limit_max) if limit.isdigit() else limit_max,
        marker=options.get("marker", ""),
        end_marker=options.get("end_marker", ""),
        prefix=options.get("prefix", ""),
        delimiter=options.get("delimiter", ""),
        path=options.get("path"),
        reverse=true_value(options.get("reverse", "")),
    )


def written(query: ListingQuery) -> str:
    """Return the query as a replica is asked."""
    options = {
        "format": "json",
        "limit": str(query.limit),
        "marker": query.marker,
        "end_marker": query.end_marker,
        "prefix": query.prefix,
        "delimiter": query.delimiter,
        "reverse": "true" if query.reverse else "",
    }
    kept = {name: value for name, value in options.items() if value}
    if query.path is not None:
        kept["path"] = query.path
    return urlencode(kept)
