"""Laws of listing documents."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.listing_documents import account_xml, container_xml, plain_text

names = st.text(st.characters(codec="utf-8", min_codepoint=1), min_size=1, max_size=20)
objects = st.fixed_dictionaries(
    {
        "name": names,
        "hash": st.just("d41d8cd98f00b204e9800998ecf8427e"),
        "bytes": st.integers(0, 2**63),
        "content_type": names,
        "last_modified": st.just("2026-01-01T00:00:00.000000"),
    }
)
containers = st.fixed_dictionaries(
    {"name": names, "count": st.integers(0), "bytes": st.integers(0), "last_modified": st.just("2026")},
    optional={"storage_policy": names},
)
subdirs = st.fixed_dictionaries({"subdir": names})


def speakable(text: str) -> str:
    """What XML 1.0 can carry of a text."""
    return "".join(
        letter if letter in "\t\n\r" or (letter >= " " and letter not in "\ufffe\uffff") else "\ufffd"
        for letter in text
    )


@given(st.lists(st.one_of(objects, subdirs), max_size=5), names)
def test_a_containers_xml_parses_back(rows: list[dict[str, object]], container: str) -> None:
    """Well-formed whatever the names hold, and equal to the rows but for what XML cannot say."""
    root = ET.fromstring(container_xml(rows, container))
    assert (root.tag, root.get("name")) == ("container", speakable(container))
    assert len(root) == len(rows)
    for element, row in zip(root, rows, strict=True):
        if "subdir" in row:
            assert element.tag == "subdir"
            assert element.get("name") == element.findtext("name") == speakable(str(row["subdir"]))
        else:
            assert {child.tag: child.text for child in element} == {
                k: speakable(str(v)) for k, v in row.items()
            }


@given(st.lists(st.one_of(containers, subdirs), max_size=5), names)
def test_an_accounts_xml_parses_back(rows: list[dict[str, object]], account: str) -> None:
    """The same for accounts, whose subdirs have no inner element."""
    root = ET.fromstring(account_xml(rows, account))
    assert (root.tag, root.get("name")) == ("account", speakable(account))
    for element, row in zip(root, rows, strict=True):
        if "subdir" in row:
            assert (element.tag, element.get("name"), len(element)) == (
                "subdir",
                speakable(str(row["subdir"])),
                0,
            )
        else:
            assert {child.tag: child.text for child in element} == {
                k: speakable(str(v)) for k, v in row.items()
            }


@given(st.lists(st.one_of(objects, subdirs), max_size=5))
def test_plain_text_is_one_name_a_line(rows: list[dict[str, object]]) -> None:
    """In the rows' order, each line ended."""
    expected = "".join(f"{row.get('name', row.get('subdir'))}\n" for row in rows)
    assert plain_text(rows).decode() == expected


OBJECT = {
    "name": "a&b",
    "hash": "h",
    "bytes": 3,
    "content_type": "t/x",
    "last_modified": "2026-01-01T00:00:00.000000",
}
CONTAINER = {"name": "c", "count": 1, "bytes": 2, "last_modified": "2026"}


@pytest.mark.parametrize(
    ("document", "golden"),
    [
        (container_xml([], "c"), '<container name="c" />'),
        (account_xml([], "a"), '<account name="a">\n</account>'),
        (
            container_xml([OBJECT, {"subdir": 'd"/'}], "é\n"),
            (
                '<container name="é&#10;"><object><name>a&amp;b</name><hash>h</hash><bytes>3</bytes>'
                "<content_type>t/x</content_type><last_modified>2026-01-01T00:00:00.000000</last_modified></object>"
                '<subdir name="d&quot;/"><name>d"/</name></subdir></container>'
            ),
        ),
        (
            container_xml([{**OBJECT, "hash": ""}], "c"),
            (
                '<container name="c"><object><name>a&amp;b</name><hash /><bytes>3</bytes>'
                "<content_type>t/x</content_type><last_modified>2026-01-01T00:00:00.000000</last_modified></object>"
                "</container>"
            ),
        ),
        (
            account_xml([CONTAINER, {**CONTAINER, "storage_policy": "gold"}, {"subdir": "s/"}], "a"),
            (
                '<account name="a">\n<container><name>c</name><count>1</count><bytes>2</bytes>'
                "<last_modified>2026</last_modified></container>\n<container><name>c</name><count>1</count>"
                "<bytes>2</bytes><last_modified>2026</last_modified><storage_policy>gold</storage_policy></container>\n"
                '<subdir name="s/" />\n</account>'
            ),
        ),
    ],
)
def test_the_bytes_are_swifts(document: bytes, golden: str) -> None:
    """Declaration, order, blanks and escapes as stock Swift writes them."""
    assert document.decode() == '<?xml version="1.0" encoding="UTF-8"?>\n' + golden


@pytest.mark.parametrize(
    "render", [lambda rows: container_xml(rows, "c"), lambda rows: account_xml(rows, "a"), plain_text]
)
def test_a_row_without_its_fields_is_no_listing(render: object) -> None:
    """KeyError tells the filter to pass on what came."""
    assert callable(render)
    with pytest.raises(KeyError):
        render([{"other": 1}])
