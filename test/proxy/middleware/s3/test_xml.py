"""XML is read with suspicion, and written so that any reader finds what was said."""

from __future__ import annotations

import time
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3 import xml
from apus.proxy.middleware.s3.errors import S3Error

NAMES = st.text("abcdefghXYZ", min_size=1, max_size=8)
CARRIED = st.text(
    st.characters(codec="utf-8", exclude_characters="".join(map(chr, range(32))) + "\ufffe\uffff")
)


@given(NAMES, st.lists(st.tuples(NAMES, CARRIED)))
def test_what_is_written_is_read(root: str, pairs: list[tuple[str, str]]) -> None:
    """Names and texts come back in their order, by our reader and by another one."""
    document = xml.render(xml.element(root, *(xml.element(name, text) for name, text in pairs)))
    node = xml.parse(document, root)
    assert [(child.tag, child.text) for child in node] == pairs
    other = ET.fromstring(document)
    assert [(child.tag.removeprefix(f"{{{xml.NAMESPACE}}}"), child.text or "") for child in other] == pairs


@given(st.binary(max_size=300) | st.text("<>&/a= \"';!?[]-x:", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing but MalformedXML comes of it."""
    codes = []
    try:
        xml.parse(body, "a")
    except S3Error as error:
        codes.append(error.code)
    assert codes in ([], ["MalformedXML"])


def bomb(levels: int = 9) -> bytes:
    """The entity bomb called a billion laughs."""
    entities = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, levels))
    return f'<!DOCTYPE a [<!ENTITY e0 "ha">{entities}]><a>&e{levels - 1};</a>'.encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(bomb(), id="entity bomb"),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>', id="external entity"
        ),
        pytest.param(b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>', id="external type"),
        pytest.param(b"<!DOCTYPE a><a/>", id="type"),
        pytest.param(b"<?php evil?><a/>", id="instruction"),
        pytest.param(b"<a>" * 10_000 + b"</a>" * 10_000, id="depth"),
        pytest.param(b"<a>" + b"<b/>" * (xml.NODES_MAX + 1) + b"</a>", id="elements"),
        pytest.param(b"<a>&e;</a>", id="unknown entity"),
        pytest.param(b"<a>", id="not closed"),
        pytest.param(b"<a/><a/>", id="two roots"),
        pytest.param(b"", id="nothing"),
        pytest.param(b'<?xml version="1.0" encoding="no-such"?><a/>', id="encoding"),
        pytest.param(b"<a>\xff</a>", id="no UTF-8"),
        pytest.param(b"<a>\x00</a>", id="NUL"),
        pytest.param(b"<x:a/>", id="prefix of nothing"),
        pytest.param(b"<b/>", id="another document"),
        pytest.param(b"<a>" + b" " * xml.BYTES_MAX + b"</a>", id="size"),
    ],
)
def test_trap_59_no_document_does_harm(body: bytes) -> None:
    """Types and entities are refused before they mean anything (CVE-2022-47950); so are great heaps."""
    with pytest.raises(S3Error) as caught:
        xml.parse(body, "a")
    assert caught.value.code == "MalformedXML"
    assert caught.value.status == 400


def test_trap_59_a_text_of_many_lines_takes_no_time() -> None:
    """Its lines are not added up one by one, which takes the square of their number."""
    text = "a\n" * (2 << 20)
    begun = time.process_time()
    node = xml.parse(f"<Delete>{text}</Delete>".encode(), "Delete", bytes_max=8 << 20)
    assert time.process_time() - begun < 4
    assert node.text == text


def test_trap_59_a_namespace_may_be_there_or_not() -> None:
    """Each of the ways in which clients write it."""
    for start in (b"<a>", b'<a xmlns="http://s3.amazonaws.com/doc/2006-03-01/">', b'<a xmlns="anything">'):
        assert xml.parse(start + b"<b>1</b></a>", "a").value("b") == "1"
    prefixed = b'<n:a xmlns:n="x"><n:b n:c="2">1</n:b></n:a>'
    node = xml.parse(prefixed, "a").find("b")
    assert node is not None
    assert node.attributes == {"c": "2"}


def test_a_node_tells_its_children() -> None:
    """The first of a name, all of a name, and texts to the last blank."""
    node = xml.parse(b"<a>\n <b> 1 </b>\n <b/> <c><![CDATA[<&]]></c>\n</a>", "a")
    assert node.text == ""
    assert node.value("b") == " 1 "
    assert [child.text for child in node.all("b")] == [" 1 ", ""]
    assert node.value("c") == "<&"
    assert node.value("d") is None
    assert node.value("d", "x") == "x"
    assert node.find("d") is None


def test_trap_74_documents_are_as_amazons() -> None:
    """Declaration first, a namespace, truth in lower case, nothing for None."""
    inside = (xml.element("Is", True), xml.element("Count", 3), None, xml.element("None", None))
    document = xml.render(xml.element("Root", *inside))
    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<Root xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Is>true</Is><Count>3</Count><None/></Root>'
    )


def test_trap_70_control_characters_are_written_as_references() -> None:
    """XML 1.0 cannot carry them; what cannot be any text becomes a question mark of Unicode's."""
    assert xml.escaped('a\x01\x1f<&>"\r\n\t') == "a&#x1;&#x1f;&lt;&amp;&gt;&quot;&#xd;\n\t"
    assert xml.escaped("\ud800\ufffe") == "\ufffd\ufffd"
    attribute = xml.element("Grantee", **{"xmlns:xsi": xml.SCHEMA_INSTANCE, "xsi:type": 'a"b'})
    assert str(attribute) == f'<Grantee xmlns:xsi="{xml.SCHEMA_INSTANCE}" xsi:type="a&quot;b"/>'
