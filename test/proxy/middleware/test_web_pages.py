"""Pages made of strangers' names: they link to what they show, and run nothing."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.web_pages import css_link, listing, no_listing, readable

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: "\r" not in text and "\0" not in text
)
TAGS = {"html", "head", "title", "style", "body", "h1", "table", "tr", "th", "td", "a", "p", "b", "link"}


class Reader(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if tag == "a" and name == "href"]


@given(TEXT, TEXT, TEXT, TEXT)
def test_trap_40_no_name_becomes_markup(name: str, kind: str, label: str, css: str) -> None:
    """Names, types, labels and style sheets stay what they are."""
    row = {
        "name": "p/" + name,
        "content_type": kind,
        "bytes": 1,
        "last_modified": "2026-01-01T00:00:00.000000",
    }
    options = {"label": label, "prefix": "p/", "query": "a=b&c=d", "css": css_link(css, "p/")}
    read = Reader(listing([row, {"subdir": "p/" + name + "/"}], has_parent=True, **options))
    assert read.tags <= TAGS
    assert read.attributes <= {"class", "id", "href", "rel", "type"}
    links = [link.partition("?")[0] for link in read.links]
    assert links[0] == "../"
    assert [unquote(link) for link in links[1:]] == [f"./{name}/", f"./{name}"]
    assert all(link.endswith("?a=b&c=d") for link in read.links)
    assert Reader(no_listing(label=label, index=name, css="")).tags <= TAGS


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0"), (1023, "1023"), (1024, "1Ki"), (1 << 20, "1Mi"), (3_000_000, "3Mi"), (1 << 90, "1024Yi")],
)
def test_sizes_are_readable(size: int, said: str) -> None:
    """In powers of 1024."""
    assert readable(size) == said


def test_a_style_sheet_is_found_from_any_depth() -> None:
    """Relative to the container's root, unless it is an address."""
    assert css_link("s.css", "") == "s.css"
    assert css_link("s.css", "a/b/") == "../../s.css"
    assert css_link("/v1/a/c/s.css", "a/") == "/v1/a/c/s.css"
    assert css_link("https://x/s.css", "a/") == "https://x/s.css"
    assert ":" not in css_link("javascript:alert(1)", "")
