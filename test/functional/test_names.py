"""Names that are trouble elsewhere: here they are bytes."""

from __future__ import annotations

import unicodedata

import pytest
from store import Client

NAMES = (
    "with space",
    " space around ",
    "per%cent",
    "%2F",
    "%",
    "%zz",
    "plus+plus",
    "question?mark",
    "hash#mark",
    "amp&ersand=equals",
    "semi;colon",
    "quote\"quote'",
    "<tag>&amp;",
    "back\\slash",
    "new\nline",
    "carriage\rreturn",
    "tab\there",
    "\x01control\x1f",
    "\x7fdelete",
    ".",
    "..",
    "../up",
    "a/../b",
    "a/./b",
    "double//slash",
    "/leading",
    "trailing/",
    "//",
    unicodedata.normalize("NFC", "café"),
    unicodedata.normalize("NFD", "café"),
    "日本語",
    "🪶",
    "\u2028line separator",
    "\ufeffbyte order mark",
    "\U0010ffff",
    "x" * 1024,
    "ü" * 512,
)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_an_object_may_have_any_name(client: Client, container: str, name: str) -> None:
    """It is stored, read, listed in JSON, renamed by nobody, and deleted."""
    assert client.put(container, name, body=name.encode()).status == 201
    assert client.get(container, name).body == name.encode()
    assert client.names_in(container) == [name]
    assert client.post(container, name, headers={"X-Object-Meta-A": "1"}).status == 202
    assert client.delete(container, name).status == 204
    assert client.names_in(container) == []


@pytest.mark.parametrize(
    "name", ["with space", "per%cent", "new\nline", ".", "..", "日本語", "<tag>&", "%2F", "a+b"], ids=ascii
)
def test_a_container_may_have_any_name(client: Client, name: str) -> None:
    """But for the slash."""
    try:
        assert client.put(name).status == 201
        assert client.put(name, "object", body=b"x").status == 201
        assert client.names_in(name) == ["object"]
        assert name in [row["name"] for row in client.get(format="json").json()]
        assert client.delete(name, "object").status == 204
    finally:
        assert client.delete(name).status == 204


def test_a_name_has_1024_bytes_at_most(client: Client, container: str) -> None:
    """400 beyond."""
    assert client.put(container, "x" * 1025, body=b"x").status == 400
    assert client.names_in(container) == []


def test_control_characters_in_xml(client: Client, container: str) -> None:
    """What XML cannot say must not break the document for the other names."""
    client.put(container, "plain", body=b"x")
    client.put(container, "a<b>&\"c'", body=b"x")
    text = client.get(container, format="xml").text
    assert "<name>plain</name>" in text
    assert "a&lt;b&gt;&amp;" in text
