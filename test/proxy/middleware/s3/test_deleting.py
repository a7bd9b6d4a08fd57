"""DeleteObjects: what a document names, and what is told of each."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keeping_store import KeepingStore
from one_request import ask
from s3_requests import request

from apus.proxy.middleware.s3 import deleting
from apus.proxy.middleware.s3.deleting import Doomed, doomed
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.xml import Node, element, parse, read, render

KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20).filter(
    lambda key: "\ufffe" not in key and "\uffff" not in key
)


def document(*keys: str, quiet: bool = False) -> bytes:
    rows = [element("Object", element("Key", key)) for key in keys]
    return render(element("Delete", element("Quiet", quiet), *rows))


def deleted(store: KeepingStore, body: bytes) -> Node:
    sums = {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}
    answer = deleting.delete_objects(
        request(store, "POST", "c", None, {"delete": ""}, headers=sums, body=body)
    )
    assert isinstance(answer.body, bytes)
    return read(answer.body)


def filled(*keys: str) -> KeepingStore:
    store = KeepingStore()
    ask(store, "PUT", "/v1/a/c")
    for key in keys:
        ask(store, "PUT", f"/v1/a/c/{key}", environ={"CONTENT_LENGTH": "0"})
    return store


@given(st.lists(KEYS, min_size=1, max_size=30))
def test_keys_are_read_as_they_were_written(keys: list[str]) -> None:
    """Whatever their characters."""
    assert doomed(parse(document(*keys), "Delete")) == [Doomed(key) for key in keys]


def test_an_object_is_named_with_its_version_and_conditions() -> None:
    """All of which may be missing."""
    body = b"""<Delete><Object><Key>k</Key><VersionId>null</VersionId><ETag>"e"</ETag><Size>5</Size>
        <LastModifiedTime>Tue, 14 Nov 2023 22:13:20 GMT</LastModifiedTime></Object></Delete>"""
    assert doomed(parse(body, "Delete")) == [Doomed("k", "null", '"e"', 1_700_000_000, 5)]


@pytest.mark.parametrize(
    "text", ["2023-11-14T22:13:20Z", "2023-11-14T22:13:20.000Z", "Tue, 14 Nov 2023 22:13:20 GMT"]
)
def test_moments_have_two_forms(text: str) -> None:
    """That of documents and that of headers."""
    assert deleting.moment_of(text) == 1_700_000_000


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<Object/>",
        "<Object><Key/></Object>",
        "<Object><Key>k</Key></Object>" * 1001,
        "<Object><VersionId>1</VersionId></Object>",
    ],
)
def test_trap_68_documents_that_name_nothing_or_too_much(inside: str) -> None:
    """Are refused as a whole."""
    store = filled("k")
    with pytest.raises(S3Error, match="MalformedXML"):
        deleted(store, f"<Delete>{inside}</Delete>".encode())
    assert store.names("c") == ["k"]


@pytest.mark.parametrize(
    "inside", ["<Size>x</Size>", "<LastModifiedTime>x</LastModifiedTime>", "<Size>-1</Size>"]
)
def test_conditions_that_are_none(inside: str) -> None:
    """Are refused."""
    with pytest.raises(S3Error, match="InvalidArgument"):
        doomed(parse(f"<Delete><Object><Key>k</Key>{inside}</Object></Delete>".encode(), "Delete"))


def test_trap_68_what_is_gone_counts_as_deleted() -> None:
    """And each key is told of, unless that is not wanted."""
    store = filled("a", "b", "c")
    result = deleted(store, document("a", "none", "b"))
    assert [row.value("Key") for row in result.all("Deleted")] == ["a", "none", "b"]
    assert store.names("c") == ["c"]
    assert not deleted(store, document("c", quiet=True)).children


def test_trap_68_what_fails_is_told_beside_what_did_not() -> None:
    """Errors are told even if nothing else is."""
    store = filled("a", "b")
    store.failing["DELETE", "/v1/a/c/a"] = 403
    store.failing["DELETE", "/v1/a/c/b"] = 503
    result = deleted(store, document("a", "b", "x", quiet=True))
    errors = [(row.value("Key"), row.value("Code")) for row in result.all("Error")]
    assert errors == [("a", "AccessDenied"), ("b", "ServiceUnavailable")]


def test_a_document_that_nobody_can_check_deletes_nothing() -> None:
    """Amazon asks for Content-MD5 or a checksum, too: one flipped bit would delete another key."""
    store = filled("a")
    with pytest.raises(S3Error, match="Content-MD5 OR"):
        deleting.delete_objects(request(store, "POST", "c", None, {"delete": ""}, body=document("a")))
    assert store.names("c") == ["a"]


def test_trap_2153519_quiet_may_be_empty() -> None:
    """Then it is not."""
    store = filled("a")
    assert deleted(store, b"<Delete><Quiet/><Object><Key>a</Key></Object></Delete>").all("Deleted")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-if-match-size": "4"}, "PreconditionFailed"),
        ({"x-amz-if-match-last-modified-time": "Tue, 14 Nov 2023 22:13:20 GMT"}, "PreconditionFailed"),
        ({"x-amz-if-match-size": "x"}, "InvalidArgument"),
    ],
)
def test_trap_67_conditions_of_a_delete(headers: dict[str, str], code: str) -> None:
    """On size and moment, too; where they don't hold nothing goes."""
    store = filled("k")
    with pytest.raises(S3Error, match=code):
        deleting.delete_object(request(store, "DELETE", "c", "k", headers=headers))
    assert store.names("c") == ["k"]
