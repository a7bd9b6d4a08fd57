"""Listings as text, JSON and XML."""

from __future__ import annotations

import contextlib
import json
import string
import time
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common import listing_format
from apus.common.errors import Refused

names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\t\n\r<>&\"'"),
    min_size=1,
).filter(lambda name: "\ufffe" not in name and "\uffff" not in name)


@given(st.lists(names, max_size=5))
def test_xml_gives_names_back(listed: list[str]) -> None:
    """Whatever characters XML can hold come through, carriage returns too, in elements and attributes."""
    entries = [
        {"name": name, "hash": "h", "bytes": 1, "content_type": "a/b", "last_modified": "t"}
        for name in listed
    ]
    subdirs = [{"subdir": name} for name in listed]
    for root_name in (*listed, "c"):
        root = ET.fromstring(listing_format.xml_container(root_name, [*entries, *subdirs]))
        assert root.attrib["name"] == root_name
        assert [item.findtext("name") for item in root] == listed * 2
        assert [item.attrib["name"] for item in root.findall("subdir")] == listed


@given(st.lists(names, max_size=5))
def test_json_and_text_give_names_back(listed: list[str]) -> None:
    """JSON as any parser reads it; text is one name a line."""
    entries: list[dict[str, object]] = [{"name": name} for name in listed]
    assert json.loads(listing_format.json_body(entries)) == entries
    assert listing_format.text_body(entries).decode() == "".join(f"{name}\n" for name in listed)


@pytest.mark.parametrize(
    ("wanted", "accept", "expected"),
    [
        ("json", "text/plain", "application/json"),
        ("XML", None, "application/xml"),
        ("nonsense", "application/json", "text/plain"),
        ("", None, "text/plain"),
        (None, "*/*", "text/plain"),
        (None, "application/json", "application/json"),
        (None, "application/*", "application/json"),
        (None, "text/xml", "text/xml"),
        (None, "application/xml;q=0.5, application/json;q=0.9", "application/json"),
        (None, "text/plain;q=0, */*", "application/json"),
        (None, "image/png, */*;q=0.1", "text/plain"),
    ],
)
def test_the_client_chooses(wanted: str | None, accept: str | None, expected: str) -> None:
    """The query first, then what the client likes best."""
    assert listing_format.negotiated(wanted, accept) == expected


@pytest.mark.parametrize(
    ("accept", "status"), [("image/png", 406), ("*/*;q=0", 406), ("text/plain;q=x", 400)]
)
def test_trap_10_what_cannot_be_had_is_refused(accept: str, status: int) -> None:
    """406 for nothing acceptable, 400 for nonsense."""
    with pytest.raises(Refused) as refusal:
        listing_format.negotiated(None, accept)
    assert refusal.value.status == status


@pytest.mark.parametrize("piece", ["a/b;", 'a/b;q="', " ", ";", ",", '\\"', "a/b,", "a/b;q=1 ", '\t;="'])
def test_trap_10_the_longest_accept_header_costs_next_to_nothing(piece: str) -> None:
    """Each pattern that makes expressions backtrack, as long as a header may be: well below a second."""
    accept = ("text/plain;" + piece * 8192)[:8192] + "!"
    before = time.process_time()
    with contextlib.suppress(Refused):
        listing_format.negotiated(None, accept)
    assert time.process_time() - before < 0.5


@given(st.text(string.printable + ",;/*=", max_size=200))
def test_trap_10_no_accept_header_breaks_it(accept: str) -> None:
    """Nonsense is refused, quickly, and never a failure of ours."""
    try:
        listing_format.negotiated(None, accept)
    except Refused:
        pass
