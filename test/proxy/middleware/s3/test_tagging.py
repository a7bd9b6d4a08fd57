"""Tags of one object: their forms, their limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keeping_store import KeepingStore
from one_request import ask
from s3_requests import request

from apus.proxy.middleware.s3 import tagging
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.xml import parse

WORDS = st.text("abcÄöü0 +-=._:/@漢", max_size=20)
TAGS = st.lists(st.tuples(WORDS.filter(bool), WORDS), max_size=10, unique_by=lambda tag: tag[0])


@given(TAGS)
def test_tags_come_back(tags: list[tuple[str, str]]) -> None:
    """From what is kept, from a header, from a document."""
    kept = tagging.written(tags)
    assert kept.isascii()
    assert list(tagging.read(kept)) == tags
    assert list(tagging.of_header(kept)) == tags
    assert list(tagging.of_document(parse(tagging.document(tags), "Tagging"))) == tags


@given(st.text(st.characters(max_codepoint=255)))
def test_any_header_is_tags_or_refused(text: str) -> None:
    """Whatever bytes a client sends."""
    try:
        tags = tagging.of_header(text)
    except S3Error:
        return
    assert list(tagging.read(tagging.written(tags))) == list(tags)


@pytest.mark.parametrize(
    "tags",
    [
        [(str(number), "") for number in range(11)],
        [("a", "1"), ("a", "2")],
        [("", "1")],
        [("k" * 129, "")],
        [("k", "v" * 257)],
        [("aws:x", "")],
        [("k", "<v>")],
    ],
)
def test_trap_79_what_are_no_tags(tags: list[tuple[str, str]]) -> None:
    """Too many, twice the same, too long, Amazon's own, or with signs that tags have not."""
    with pytest.raises(S3Error, match="InvalidTag"):
        tagging.checked(tags)


@pytest.mark.parametrize(
    "document",
    [
        b"<Tagging/>",
        b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
        b"<Tagging><TagSet><Tag><Value>a</Value></Tag></TagSet></Tagging>",
    ],
)
def test_documents_that_lack_something(document: bytes) -> None:
    """Are malformed."""
    with pytest.raises(S3Error, match="MalformedXML"):
        tagging.of_document(parse(document, "Tagging"))


def test_trap_18_metadata_stay_when_tags_change() -> None:
    """A POST replaces all that it does not say, so it says everything."""
    store = KeepingStore()
    ask(store, "PUT", "/v1/a/c")
    headers = {"X-Object-Meta-M": "1", "X-Object-Transient-Sysmeta-S3api-Lock-Mode": "GOVERNANCE"}
    headers |= {"X-Object-Meta-Expires": "2", "Content-Length": "0"}
    ask(store, "PUT", "/v1/a/c/k", headers=headers, environ={"CONTENT_LENGTH": "0"})
    asked: list[dict[str, str]] = []

    def watched(environ: dict[str, str], start: object) -> object:
        if environ["REQUEST_METHOD"] == "POST":
            asked.append(environ)
        return store(environ, start)  # type: ignore[arg-type]

    watched.app = store  # type: ignore[attr-defined]
    body = tagging.document([("a", "1")])
    answer = tagging.put_tagging(request(watched, "PUT", "c", "k", {"tagging": ""}, body=body))
    assert answer.status == 200
    said = asked[-1]  # Before it, leave is asked for.
    assert said["HTTP_X_OBJECT_META_M"] == "1"
    assert said["HTTP_X_OBJECT_TRANSIENT_SYSMETA_S3API_LOCK_MODE"] == "GOVERNANCE"
    assert said[tagging.KEY] == "a=1"
