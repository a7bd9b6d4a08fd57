"""Listings of containers and objects as text, JSON or XML, in the bytes that stock Swift's clients know.

    ?format= and Accept ──▶ negotiated() ──▶ "application/json"
    entries ──▶ json_body() | xml_account() | xml_container() | text_body()

An entry is {"subdir": name}, or a container's or object's fields under their JSON names. Which entries
there are is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

import orjson

from .errors import Refused

Entry = Mapping[str, object]
TEXT, JSON, XML, TEXT_XML = "text/plain", "application/json", "application/xml", "text/xml"
_OFFERED = (TEXT, JSON, XML, TEXT_XML)
_FORMATS = {"plain": TEXT, "json": JSON, "xml": XML}
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_EXTRA_ENTITIES = {"\r": "&#13;"}  # A parser would make a newline of a bare carriage return.
_ACCEPT_MAX = 64  # Media ranges that are looked at: no honest client names more.


def negotiated(wanted: str | None, accept: str | None) -> str:
    """Return the content type for `?format=` or, where that is not given, for the Accept header.

    Raises:
        Refused: 406 when the client accepts none of them.
    """
    if wanted:
        return _FORMATS.get(wanted.lower(), TEXT)
    if not accept or accept.strip() == "*/*":
        return TEXT
    ranges = [_media_range(part) for part in accept.split(",")[:_ACCEPT_MAX] if part.strip()]
    best = max(_OFFERED, key=lambda offered: (_quality(offered, ranges), -_OFFERED.index(offered)))
    if not _quality(best, ranges)[0]:
        raise Refused(f"none of {', '.join(_OFFERED)} is acceptable", 406)
    return best


def json_body(entries: Sequence[Entry]) -> bytes:
    """Return the entries as a JSON list."""
    return orjson.dumps(entries)


def text_body(entries: Iterable[Entry]) -> bytes:
    """Return the names, each on a line of its own."""
    return "".join(f"{entry.get('name') or entry['subdir']}\n" for entry in entries).encode()


def xml_account(name: str, entries: Iterable[Entry]) -> bytes:
    """Return the account's listing."""
    body = "".join(f"{_account_item(entry)}\n" for entry in entries)
    return f"{_DECLARATION}<account name={_attribute(name)}>\n{body}</account>".encode()


def xml_container(name: str, entries: Iterable[Entry]) -> bytes:
    """Return the container's listing."""
    body = "".join(_container_item(entry) for entry in entries)
    return f"{_DECLARATION}<container name={_attribute(name)}>{body}</container>".encode()


def _account_item(entry: Entry) -> str:
    if "subdir" in entry:
        return f"<subdir name={_attribute(str(entry['subdir']))} />"
    fields = ("name", "count", "bytes", "last_modified", "storage_policy")
    return f"<container>{_elements(entry, fields)}</container>"


def _container_item(entry: Entry) -> str:
    if "subdir" in entry:
        name = str(entry["subdir"])
        return f"<subdir name={_attribute(name)}><name>{escape(name, _EXTRA_ENTITIES)}</name></subdir>"
    return f"<object>{_elements(entry, ('name', 'hash', 'bytes', 'content_type', 'last_modified'))}</object>"


def _elements(entry: Entry, fields: Iterable[str]) -> str:
    return "".join(
        f"<{field}>{escape(str(entry[field]), _EXTRA_ENTITIES)}</{field}>"
        for field in fields
        if field in entry
    )


def _attribute(text: str) -> str:
    return quoteattr(text, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;", '"': "&quot;"})


def _media_range(part: str) -> tuple[str, float]:
    kind, *parameters = part.split(";")
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name.strip().lower() == "q":
            try:
                quality = float(value)
            except ValueError as problem:
                raise Refused("Invalid Accept header") from problem
    return kind.strip().lower(), quality


def _quality(offered: str, ranges: Sequence[tuple[str, float]]) -> tuple[float, int]:
    """Return how much the client likes a type, by the most specific of its ranges."""
    family = offered.partition("/")[0]
    for specificity, pattern in ((2, offered), (1, f"{family}/*"), (0, "*/*")):
        for kind, quality in ranges:
            if kind == pattern:
                return quality, specificity
    return 0.0, 0
