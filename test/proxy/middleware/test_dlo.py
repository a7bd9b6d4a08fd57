"""Dynamic large objects: whatever begins with a prefix, read as one."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import md5
from typing import Any

import pytest
from flat_store import Body, FlatStore, environ_of, request
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.common.timestamp import ZERO
from apus.proxy.middleware.dlo import DynamicLargeObjects, Large, Prefix, Segment, pieces_of, span_of
from apus.proxy.middleware.segments import Piece

PARTS = {"s/big/1": b"one " * 5, "s/big/2": b"", "s/big/3": b"three " * 4}
WHOLE = b"".join(PARTS.values())
ETAG = md5("".join(md5(part).hexdigest() for part in PARTS.values()).encode()).hexdigest()
MANIFEST = {"X-Object-Manifest": "s/big/"}


@pytest.fixture
def store() -> Iterator[FlatStore]:
    """A store with segments, something else beside them, and a manifest; nobody may leave a body open in it."""
    Body.open_bodies = 0
    store = FlatStore()
    for path, body in {**PARTS, "s/bigger": b"no segment"}.items():
        request(store, "PUT", path, body=body)
    request(store, "PUT", "c/m", headers={**MANIFEST, "Content-Type": "text/x"})
    yield store
    assert not Body.open_bodies


@pytest.fixture
def dlo(store: FlatStore) -> DynamicLargeObjects:
    """The filter before it."""
    return DynamicLargeObjects(store, page=10000)


def test_it_reads_as_its_segments_joined(dlo: DynamicLargeObjects) -> None:
    """Size, ETag and bytes of what is there; headers of the manifest."""
    for method, body in (("GET", WHOLE), ("HEAD", b"")):
        heard = request(dlo, method, "c/m")
        assert (heard.status, heard.body) == (200, body)
        assert heard.headers["etag"] == f'"{ETAG}"'
        assert heard.headers["content-length"] == str(len(WHOLE))
        assert (heard.headers["content-type"], heard.headers["x-object-manifest"]) == ("text/x", "s/big/")
    manifest = request(dlo, "GET", "c/m", query={"multipart-manifest": "get"})
    assert (manifest.body, manifest.headers["content-length"]) == (b"", "0")


def test_trap_31_new_segments_count_at_once(dlo: DynamicLargeObjects, store: FlatStore) -> None:
    """What is there now is what is read; nothing at all is an empty object."""
    request(store, "PUT", "s/big/2b", body=b"two and a half ")
    assert request(dlo, "GET", "c/m").body == PARTS["s/big/1"] + b"two and a half " + PARTS["s/big/3"]
    request(store, "PUT", "c/none", headers={"X-Object-Manifest": "s/nothing"})
    assert (request(dlo, "GET", "c/none").status, request(dlo, "GET", "c/none").body) == (200, b"")


@pytest.mark.parametrize("value", ["", "c", "c/", "/c/o", "c//o", "c/o?x", "c/o&x=y", "c/o?", "?/o", "/"])
def test_trap_31_a_malformed_manifest_is_refused(
    dlo: DynamicLargeObjects, store: FlatStore, value: str
) -> None:
    """A raw `?` or `&`, or a part that is empty: 400."""
    assert request(dlo, "PUT", "c/bad", headers={"X-Object-Manifest": value}).status == 400
    assert "c/bad" not in store.objects


def test_trap_31_the_value_is_percent_encoded(dlo: DynamicLargeObjects, store: FlatStore) -> None:
    """Names of any bytes can be meant."""
    request(store, "PUT", "sé/a?b&1", body=b"found")
    value = "s%C3%A9/a%3Fb%26"
    assert request(dlo, "PUT", "c/odd", headers={"X-Object-Manifest": value}).status == 201
    heard = request(dlo, "GET", "c/odd")
    assert (heard.body, heard.headers["x-object-manifest"]) == (b"found", value)


@pytest.mark.parametrize(
    ("header", "status", "expected"),
    [
        ("bytes=0-3", 206, WHOLE[:4]),
        ("bytes=15-25", 206, WHOLE[15:26]),
        ("bytes=-7", 206, WHOLE[-7:]),
        ("bytes=30-", 206, WHOLE[30:]),
        ("bytes=44-", 416, b"The range cannot be satisfied."),
        ("bytes=x", 200, WHOLE),
    ],
)
def test_trap_23_a_range_is_of_the_large_object(
    dlo: DynamicLargeObjects, header: str, status: int, expected: bytes
) -> None:
    """Not of the manifest, which is empty."""
    heard = request(dlo, "GET", "c/m", headers={"Range": header})
    assert (heard.status, heard.body) == (status, expected)
    assert heard.headers["content-length"] == str(len(expected))


def test_trap_23_many_ranges_get_the_whole(dlo: DynamicLargeObjects) -> None:
    """200 and everything, as stock answers."""
    heard = request(dlo, "GET", "c/m", headers={"Range": "bytes=0-1,5-6"})
    assert (heard.status, heard.body) == (200, WHOLE)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": f'"{ETAG}"'}, 200),
        ({"If-Match": md5(b"").hexdigest()}, 412),
        ({"If-None-Match": f'"{ETAG}"'}, 304),
        ({"If-None-Match": md5(b"").hexdigest()}, 200),
    ],
)
def test_trap_22_conditions_are_about_the_large_objects_etag(
    dlo: DynamicLargeObjects, headers: dict[str, str], status: int
) -> None:
    """Whatever the manifest's own ETag is; the type is the manifest's, not that of a refusal."""
    heard = request(dlo, "GET", "c/m", headers=headers)
    assert (heard.status, heard.headers["content-type"]) == (status, "text/x")


def test_trap_31_more_than_a_page_has_no_size_and_no_etag(store: FlatStore) -> None:
    """But every byte; a range within the first page can be had, another one gets the whole."""
    store.page = 2
    dlo = DynamicLargeObjects(store, page=2)
    for method in ("GET", "HEAD"):
        heard = request(dlo, method, "c/m")
        assert "content-length" not in heard.headers
        assert "etag" not in heard.headers
    assert request(dlo, "GET", "c/m").body == WHOLE
    first = request(dlo, "GET", "c/m", headers={"Range": "bytes=2-5"})
    assert (first.status, first.body, first.headers["content-range"]) == (206, WHOLE[2:6], "bytes 2-5/*")
    for beyond in ("bytes=2-30", "bytes=2-", "bytes=-3"):
        assert request(dlo, "GET", "c/m", headers={"Range": beyond}).body == WHOLE


@pytest.mark.parametrize(("status", "owed"), [(404, 409), (503, 503)])
def test_trouble_with_the_first_segment_is_no_200(
    dlo: DynamicLargeObjects, store: FlatStore, status: int, owed: int
) -> None:
    """409 if it is not there, 503 if it cannot be read now."""
    store.failing["s/big/1"] = status
    assert request(dlo, "GET", "c/m").status == owed


def test_a_listing_that_fails_is_the_answer(dlo: DynamicLargeObjects, store: FlatStore) -> None:
    """Nobody reads segments whose names he may not see."""
    store.forbidden.add("s")
    assert request(dlo, "GET", "c/m").status == 403


def test_a_later_page_that_fails_breaks_the_body_off(store: FlatStore) -> None:
    """Without a length, only a broken connection tells that something is missing."""
    store.page = 2
    dlo = DynamicLargeObjects(store, page=2)
    body: Any = dlo(environ_of("GET", "c/m"), lambda *_: None)
    store.failing["s"] = 503
    with pytest.raises(Exception, match="broke off"):
        list(body)
    body.close()


def test_a_plain_object_passes_untouched(dlo: DynamicLargeObjects) -> None:
    """Its body is the very one that the proxy gave."""
    body: Any = dlo(environ_of("GET", "s/big/1"), lambda *_: None)
    assert type(body) is Body
    body.close()


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(0, 60), st.integers(1, 60))
def test_pieces_of_a_span_are_its_bytes(sizes: list[int], first: int, length: int) -> None:
    """Whatever the sizes: joined, the pieces are the span's part of the whole."""
    segments = [Segment(str(index), size, "") for index, size in enumerate(sizes)]
    contents = {str(index): [(index, at) for at in range(size)] for index, size in enumerate(sizes)}
    whole = [byte for content in contents.values() for byte in content]
    read = []
    for piece in pieces_of("c", segments, (first, first + length)):
        assert isinstance(piece, Piece)
        read += contents[piece.path.partition("/")[2]][slice(*piece.span)]
    assert read == whole[first : first + length]


@given(
    st.from_regex(r"[0-9]{0,2}-[0-9]{0,2}", fullmatch=True),
    st.lists(st.integers(0, 9), max_size=4),
    st.booleans(),
)
def test_a_span_lies_within_what_is_known(header: str, sizes: list[int], is_complete: bool) -> None:
    """Whatever is asked; and only of a complete object it is said that it has no such bytes."""
    segments = [Segment(str(index), size, "") for index, size in enumerate(sizes)]
    large = Large(place=Prefix("c", "p"), first_page=segments, is_complete=is_complete, moment=ZERO)
    try:
        span = span_of(f"bytes={header}", large)
    except Refused:
        span = (0, 1) if is_complete else (0, 0)
    assert span is None or 0 <= span[0] < span[1]
    assert span is None or span[1] <= max(large.size, 1)
