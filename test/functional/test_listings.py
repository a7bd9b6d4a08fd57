"""Listings: order, windows, folders, forms."""

from __future__ import annotations

import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
from store import Client

NAMES = (
    "a", "a/", "a/b", "a/b/c", "a/b/d", "a/e", "a0", "b", "b/c", "c//d", "c/d", "ä", "日本", "z z", "z%20z", "z+z",
)  # fmt: skip
ORDERED = sorted(NAMES, key=lambda name: name.encode())


@pytest.fixture(scope="module")
def shelf(request: pytest.FixtureRequest) -> Iterator[tuple[Client, str]]:
    """A container with NAMES, for tests that only look."""
    client: Client = request.getfixturevalue("store").client()
    with client.container() as name:
        for number, each in enumerate(NAMES):
            reply = client.put(name, each, body=b"x" * number, headers={"Content-Type": "text/x"})
            assert reply.status == 201
        yield client, name


def test_trap_25_names_are_in_the_order_of_their_bytes(shelf: tuple[Client, str]) -> None:
    """UTF-8 bytes, whatever a locale thinks."""
    client, container = shelf
    assert client.names_in(container) == ORDERED
    assert client.get(container).lines() == ORDERED


def test_trap_25_reverse_turns_the_order(shelf: tuple[Client, str]) -> None:
    """From the last to the first; markers keep their sense."""
    client, container = shelf
    assert client.names_in(container, reverse="on") == ORDERED[::-1]
    assert client.names_in(container, reverse="true", marker="b", end_marker="a/b") == [
        "a0",
        "a/e",
        "a/b/d",
        "a/b/c",
    ]


@pytest.mark.parametrize("marker", ["a/b", "a/bb", "zzz", "ä", "z z"])
def test_trap_25_a_marker_begins_after_itself(shelf: tuple[Client, str], marker: str) -> None:
    """Whether there is such a name or not."""
    client, container = shelf
    expected = [name for name in ORDERED if name.encode() > marker.encode()]
    assert client.names_in(container, marker=marker) == expected


@pytest.mark.parametrize("end", ["a/b", "a/bb", "zzz", "日本"])
def test_trap_25_an_end_marker_ends_before_itself(shelf: tuple[Client, str], end: str) -> None:
    """Whether there is such a name or not."""
    client, container = shelf
    expected = [name for name in ORDERED if name.encode() < end.encode()]
    assert client.names_in(container, end_marker=end) == expected


def test_limits_make_pages_that_add_up(shelf: tuple[Client, str]) -> None:
    """Page after page from the last name of the one before gives every name once."""
    client, container = shelf
    seen: list[str] = []
    while page := client.names_in(container, limit="3", marker=seen[-1] if seen else ""):
        assert len(page) <= 3
        seen += page
    assert seen == ORDERED


def test_trap_25_limits_have_limits(shelf: tuple[Client, str]) -> None:
    """0 gives nothing, beyond the maximum is 412."""
    client, container = shelf
    assert client.names_in(container, limit="0") == []
    assert client.get(container, limit="10001").status == 412
    assert client.names_in(container, limit="10000") == ORDERED


@pytest.mark.parametrize("prefix", ["a", "a/", "a/b", "z", "日", "none"])
def test_trap_25_a_prefix_keeps_what_begins_so(shelf: tuple[Client, str], prefix: str) -> None:
    """The name that equals the prefix included."""
    client, container = shelf
    assert client.names_in(container, prefix=prefix) == [name for name in ORDERED if name.startswith(prefix)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"delimiter": "/"}, ["a", "a/", "a0", "b", "b/", "c/", "z z", "z%20z", "z+z", "ä", "日本"]),
        ({"delimiter": "/", "prefix": "a/"}, ["a/", "a/b", "a/b/", "a/e"]),
        ({"delimiter": "/", "prefix": "a"}, ["a", "a/", "a0"]),
        ({"delimiter": "/", "prefix": "c/"}, ["c//", "c/d"]),
        ({"delimiter": "/", "marker": "a/"}, ["a0", "b", "b/", "c/", "z z", "z%20z", "z+z", "ä", "日本"]),
        ({"delimiter": "/", "limit": "3"}, ["a", "a/", "a0"]),
        ({"delimiter": "/", "reverse": "yes", "limit": "4"}, ["日本", "ä", "z+z", "z%20z"]),
        ({"delimiter": "/b"}, ["a", "a/", "a/b", "a/e", "a0", "b", "b/c", "c//d", "c/d", "z z", "z%20z", "z+z", "ä", "日本"]),
        ({"path": "a"}, ["a/b", "a/e"]),
    ],
    ids=str,
)  # fmt: skip
def test_trap_25_a_delimiter_folds_folders(
    shelf: tuple[Client, str], query: dict[str, str], expected: list[str]
) -> None:
    """Each folder once, in its place, and no marker inside one makes it come again."""
    client, container = shelf
    assert client.names_in(container, **query) == expected


def test_trap_25_json_rows_say_everything(shelf: tuple[Client, str]) -> None:
    """Name, size, type, hash and time; folders as subdir."""
    client, container = shelf
    rows = client.get(container, format="json", prefix="b", delimiter="/").json()
    assert rows[0]["name"] == "b"
    assert rows[0]["bytes"] == NAMES.index("b")
    assert rows[0]["content_type"] == "text/x"
    assert len(rows[0]["hash"]) == 32
    assert len(rows[0]["last_modified"]) == 26
    assert rows[1] == {"subdir": "b/"}


def test_trap_25_xml_rows_say_the_same(shelf: tuple[Client, str]) -> None:
    """Objects and folders under the name of the container."""
    client, container = shelf
    reply = client.get(container, format="xml", prefix="b", delimiter="/")
    assert reply.body.startswith(b"<?xml version=")
    root = ET.fromstring(reply.text)
    assert (root.tag, root.get("name")) == ("container", container)
    found, folder = list(root)
    assert found.findtext("name") == "b"
    assert found.findtext("bytes") == str(NAMES.index("b"))
    assert found.findtext("content_type") == "text/x"
    assert (folder.tag, folder.get("name"), folder.findtext("name")) == ("subdir", "b/", "b/")


@pytest.mark.parametrize(
    ("accept", "type_"),
    [
        ("application/json", "application/json"),
        ("application/xml", "application/xml"),
        ("text/xml", "text/xml"),
        ("text/plain", "text/plain"),
        ("*/*", "text/plain"),
        ("text/plain;q=0.5, application/json", "application/json"),
    ],
)
def test_trap_10_accept_chooses_the_form(shelf: tuple[Client, str], accept: str, type_: str) -> None:
    """The best one that the client takes, and caches are told that it matters."""
    client, container = shelf
    reply = client.request("GET", container, headers={"Accept": accept})
    assert reply.status == 200
    assert reply.headers["content-type"].split(";")[0] == type_
    assert "charset=utf-8" in reply.headers["content-type"]
    assert "Accept" in reply.headers["vary"]


def test_trap_10_an_unacceptable_form_is_refused(shelf: tuple[Client, str]) -> None:
    """406 for a client that takes pictures only."""
    client, container = shelf
    assert client.request("GET", container, headers={"Accept": "image/png"}).status == 406


def test_a_format_that_is_none_falls_back_to_text(shelf: tuple[Client, str]) -> None:
    """format=nonsense is as good as none."""
    client, container = shelf
    assert client.get(container, format="nonsense").lines() == ORDERED


def test_trap_11_composed_and_decomposed_are_two_names(client: Client, container: str) -> None:
    """No normalisation: what the client's bytes say, differs."""
    names = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]
    for name in names:
        client.put(container, name, body=name.encode())
    assert client.names_in(container) == sorted(names, key=str.encode)
    for name in names:
        assert client.get(container, name).body == name.encode()


def test_a_listing_agrees_with_what_was_answered(client: Client, container: str) -> None:
    """Every 201 is in the very next listing, every 204 is out of it."""
    for number in range(20):
        name = f"object {number}"
        assert client.put(container, name, body=b"x").status == 201
        assert name in client.names_in(container)
        if number % 2:
            assert client.delete(container, name).status == 204
            assert name not in client.names_in(container)
