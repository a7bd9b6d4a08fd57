"""Rows of the store's listings, and what S3 sees in them.

    {"hash": "md5; s3_etag=…-2", "slo_etag": …} ──etag()──▶ '"…-2"'
    rows, one too many                          ──cut()──▶ a page, and whether there is more
    rows of all versions ──rolled_up()──▶ one row for all names that are alike up to the delimiter

The container's row of an object keeps the ETag that S3 knows it by behind the one that the store knows, as
OpenStack Swift has it. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Row = dict[str, Any]
FetchPage = Callable[[str, str, int], Sequence[Row]]
"""Takes name and version behind which a page begins, and the number of its rows; only the last has fewer."""
_S3_ETAG = "s3_etag"
_LAST = "\U0010ffff"


def etag(row: Row) -> str:
    """Return an object's ETag, in its quotes; that of a large object which S3 did not make ends in -N."""
    own = str(row["hash"])
    if ";" in own:
        own, *said = (part.strip() for part in own.split(";"))
        row = {**dict(part.partition("=")[::2] for part in said), **row}
    if _S3_ETAG in row:
        return _quoted(row[_S3_ETAG])
    if row.get("slo_etag"):
        return _quoted(row["slo_etag"].strip('"') + "-N")
    return _quoted(own)


def _quoted(text: str) -> str:
    return f'"{text.strip(chr(34))}"'


def with_s3_etag(row: Row) -> Row:
    """Return a row in which the ETag that S3 knows is shown apart."""
    own = row.get("hash")
    if not isinstance(own, str) or _S3_ETAG not in own:
        return row
    first, *said = own.split(";")
    kept, changed = [first], dict(row)
    for part in said:
        name, _, value = part.strip().partition("=")
        if name == _S3_ETAG:
            changed[_S3_ETAG] = _quoted(value)
        else:
            kept.append(part)
    changed["hash"] = ";".join(kept)
    return changed


def name_of(row: Row) -> str:
    """Return the name of an object, or what the names have in common that a row stands for."""
    name: str = row["name"] if "name" in row else row["subdir"]
    return name


def cut(rows: Sequence[Row], keys_max: int) -> tuple[Sequence[Row], bool]:
    """Return a page of rows and whether there are more, for which one too many was asked for."""
    return rows[:keys_max], 0 < keys_max < len(rows)


def rolled_up(
    fetch: FetchPage,
    *,
    prefix: str,
    delimiter: str,
    marker: str,
    version_marker: str = "",
    wanted: int,
) -> list[Row]:
    """Return the first rows of a listing of versions, with one row for all names alike up to the delimiter.

    This is for delimiters that the store cannot take, as they may stand in the names that it keeps versions
    under. What a row stands for is jumped over, but for the rest of the page that it was found on.
    """
    shown: list[Row] = []
    folder = marker if not version_marker else ""  # Whoever follows a folder has seen it.
    while True:
        page = fetch(marker, version_marker, wanted)
        for row in page:
            name = row["name"]
            end = name.find(delimiter, len(prefix))
            found = name[: end + len(delimiter)] if end >= 0 else ""
            if not found:
                shown.append(row)
            elif found != folder:
                shown.append({"subdir": found})
            folder = found
            if len(shown) >= wanted:
                return shown
        if len(page) < wanted:
            return shown
        marker, version_marker = page[-1]["name"], page[-1]["version_id"]
        if folder and marker < folder + _LAST:
            marker, version_marker = folder + _LAST, ""
