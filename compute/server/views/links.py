"""Where a thing is: with the API's version, and as it may be kept, without."""

from __future__ import annotations


def links(base_url: str, place: str) -> list[dict[str, str]]:
    """Return both links of what lies at `place` (flavors/ID); `base_url` ends in the version."""
    return [
        {"rel": "self", "href": f"{base_url}/{place}"},
        bookmark(base_url, place),
    ]


def bookmark(base_url: str, place: str) -> dict[str, str]:
    """Return the link without the version alone."""
    return {"rel": "bookmark", "href": f"{base_url.rsplit('/', 1)[0]}/{place}"}
