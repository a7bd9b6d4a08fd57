"""The pages that a website in a container has of itself: listings, and what stands where there is none.

    rows, label, style ──▶ listing() ──▶ HTML, with the class names that stock's style sheets know

Names, types and labels come from strangers: whatever they hold stays text. Pure.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

STYLE = """  <style type="text/css">
   h1 {font-size: 1em; font-weight: bold;}
   th {text-align: left; padding: 0px 1em 0px 1em;}
   td {padding: 0px 1em 0px 1em;}
   a {text-decoration: none;}
  </style>
"""
_UNITS = "KMGTPEZY"
_not_of_a_class = re.compile(r"[^a-z0-9.+_-]")

Row = Mapping[str, object]


def listing(rows: Sequence[Row], *, label: str, prefix: str, has_parent: bool, query: str, css: str) -> str:
    """Return the page of one directory; `query` goes behind every link."""
    behind = html.escape(f"?{query}") if query else ""
    lines = [_line("../", "../", "", "", behind, ' id="parent" class="item"')] if has_parent else []
    for row in rows:
        if "subdir" in row:
            name = str(row["subdir"])[len(prefix) :]
            lines.append(_line(_link(name), name, "", "", behind, ' class="item subdir"'))
    for row in rows:
        if "name" in row:
            name, kind = str(row["name"])[len(prefix) :], _classes(str(row["content_type"]))
            size, date = readable(int(str(row["bytes"]))), _date(str(row["last_modified"]))
            lines.append(_line(_link(name), name, size, date, behind, f' class="item {kind}"'))
    title = html.escape(f"Listing of {label}")
    return (
        _head(title, css) + f' <body>\n  <h1 id="title">{title}</h1>\n  <table id="listing">\n'
        '   <tr id="heading">\n    <th class="colname">Name</th>\n    <th class="colsize">Size</th>\n'
        f'    <th class="coldate">Date</th>\n   </tr>\n{"".join(lines)}  </table>\n </body>\n</html>\n'
    )


def no_listing(*, label: str, index: str, css: str) -> str:
    """Return the page of a directory whose listing its owner keeps to himself."""
    text = (
        "  <h1>No listing</h1>\n  <p>The owner of this site does not show listings. They are turned on by "
        "<b>X-Container-Meta-Web-Listings: true</b> on the container.</p>\n"
    )
    if index:
        text += (
            f"  <p>Nor is there an index page: <b>X-Container-Meta-Web-Index</b> names "
            f"<b>{html.escape(index)}</b>, which is not here.</p>\n"
        )
    return f"{_head(html.escape(f'Listing of {label}'), css)} <body>\n{text} </body>\n</html>\n"


def css_link(css: str, prefix: str) -> str:
    """Return where a page below `prefix` finds its style sheet: an address, or a name in the container."""
    if not css or css.startswith(("/", "http://", "https://")):
        return quote(css, safe=":/", errors="surrogateescape")
    return "../" * prefix.count("/") + quote(css, errors="surrogateescape")


def readable(size: int) -> str:
    """Return a number of bytes as people read it: 1048576 is 1Mi."""
    value, unit = size, -1
    while value >= 1024 and unit + 1 < len(_UNITS):
        value, unit = round(value / 1024), unit + 1
    return str(value) if unit < 0 else f"{value}{_UNITS[unit]}i"


def _head(title: str, css: str) -> str:
    link = f'  <link rel="stylesheet" type="text/css" href="{html.escape(css)}" />\n'
    return f"<!DOCTYPE html>\n<html>\n <head>\n  <title>{title}</title>\n{link if css else STYLE} </head>\n"


def _line(link: str, name: str, size: str, date: str, behind: str, attributes: str) -> str:
    return (
        f"   <tr{attributes}>\n"
        f'    <td class="colname"><a href="{link}{behind}">{html.escape(name)}</a></td>\n'
        f'    <td class="colsize">{size or "&nbsp;"}</td>\n'
        f'    <td class="coldate">{date or "&nbsp;"}</td>\n   </tr>\n'
    )


def _link(name: str) -> str:
    """Return a relative link to a name, in which no part means a step up."""
    return "./" + quote(name, errors="surrogateescape").replace(".", "%2E")


def _classes(content_type: str) -> str:
    pieces = content_type.partition(";")[0].strip().lower().split("/")
    return " ".join(f"type-{_not_of_a_class.sub('-', piece)}" for piece in pieces)


def _date(last_modified: str) -> str:
    return html.escape(last_modified.partition(".")[0].replace("T", " "))
