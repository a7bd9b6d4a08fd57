"""The root of a map, written and read: a JSON document that names the pages.

    {"format": "apus-map", "version": 1, "size": …, "block_size": …, "page_entries": 1024,
     "pages": [sha256 in hexadecimal, or null for a page of nothing, …],
     "parent": map id or "", "created": Unix seconds, "sum": SHA-256 of the rest}

`sum` is over the document without it, as `orjson` writes it with sorted keys: no blanks, UTF-8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from ...common.errors import Corrupt
from .map import NOTHING, PAGE_ENTRIES, DiskMap, Page
from .naming import DIGEST_BYTES, digest_of

FORMAT, VERSION = "apus-map", 1


def written(disk: DiskMap) -> bytes:
    """Return the root of a map."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "size": disk.size,
        "block_size": disk.block_size,
        "page_entries": PAGE_ENTRIES,
        "pages": [None if page.digest is None else page.digest.hex() for page in disk.pages],
        "parent": disk.parent,
        "created": disk.created,
    }
    document["sum"] = digest_of(_sorted(document)).hex()
    return _sorted(document)


def read(body: bytes, map_id: str, load: Callable[[bytes], bytes]) -> DiskMap:
    """Return the map; `load` is how a page is fetched when somebody asks for it.

    Raises:
        Corrupt: when it is no root, or not as it was written.
    """
    try:
        document = orjson.loads(body)
        said = document.pop("sum")
        if digest_of(_sorted(document)).hex() != said:
            raise ValueError("it is not as it was written")
        if (document["format"], document["version"]) != (FORMAT, VERSION):
            raise ValueError(f"format {document['format']} {document['version']} is not known")
        if document["page_entries"] != PAGE_ENTRIES:
            raise ValueError(f"pages have {document['page_entries']} entries")
        pages = tuple(_page(name, load) for name in document["pages"])
        return DiskMap(
            document["size"],
            document["block_size"],
            pages,
            map_id,
            parent=document["parent"],
            created=document["created"],
        )
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as problem:
        raise Corrupt(f"map {map_id}: {problem}") from problem


def _page(name: str | None, load: Callable[[bytes], bytes]) -> Page:
    if name is None:
        return NOTHING
    digest = bytes.fromhex(name)
    if len(digest) != DIGEST_BYTES:
        raise ValueError(f"{name} is no name of a page")
    return Page(digest, load=load)


def _sorted(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
