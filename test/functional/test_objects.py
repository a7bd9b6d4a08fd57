"""Objects: bytes in, the same bytes out, and everything that is said about them."""

from __future__ import annotations

import hashlib
import random
import time
import uuid
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
from store import Client

SIZES = (0, 1, 4095, 4096, 65535, 65536, 65537, 1 << 20, (5 << 20) + 3)


def pieces(content: bytes, size: int = 10_000) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "chunked"])
def test_an_object_comes_back_as_it_went(client: Client, container: str, size: int, chunked: bool) -> None:
    """Body, length and ETag, whether the length was known beforehand or not."""
    content = random.Random(size).randbytes(size)
    digest = hashlib.md5(content).hexdigest()
    reply = client.put(container, "o", body=pieces(content) if chunked else content)
    assert reply.status == 201
    assert reply.headers["etag"].strip('"') == digest
    reply = client.get(container, "o")
    assert reply.status == 200
    assert reply.body == content
    assert reply.headers["etag"] == digest
    assert reply.headers["content-length"] == str(size)
    assert reply.headers["accept-ranges"] == "bytes"
    head = client.head(container, "o")
    assert head.status == 200
    assert head.body == b""
    assert head.headers["content-length"] == str(size)


def test_overwriting_replaces_everything(client: Client, container: str) -> None:
    """Body, type and metadata are those of the last PUT."""
    client.put(container, "o", body=b"first", headers={"X-Object-Meta-A": "1", "Content-Type": "text/one"})
    client.put(
        container, "o", body=b"second version", headers={"X-Object-Meta-B": "2", "Content-Type": "text/two"}
    )
    reply = client.get(container, "o")
    assert reply.body == b"second version"
    assert reply.headers["content-type"] == "text/two"
    assert reply.headers["x-object-meta-b"] == "2"
    assert "x-object-meta-a" not in reply.headers


def test_deleting_is_final(client: Client, container: str) -> None:
    """204, then 404 for everybody; and the listing knows at once."""
    client.put(container, "o", body=b"x")
    assert client.delete(container, "o").status == 204
    for method in ("GET", "HEAD", "DELETE"):
        assert client.request(method, container, "o").status == 404
    assert client.post(container, "o", headers={"X-Object-Meta-A": "1"}).status == 404
    assert client.names_in(container) == []


def test_trap_18_a_post_replaces_the_metadata_and_keeps_body_and_type(client: Client, container: str) -> None:
    """202; items that were not sent again are gone, and so are X-Delete-At and Content-Encoding."""
    headers = {
        "Content-Type": "text/html",
        "Content-Encoding": "gzip",
        "X-Delete-After": "3600",
        "X-Object-Meta-A": "1",
    }
    client.put(container, "o", body=b"body", headers=headers)
    assert client.post(container, "o", headers={"X-Object-Meta-B": "2"}).status == 202
    reply = client.get(container, "o")
    assert reply.body == b"body"
    assert reply.headers["content-type"] == "text/html"
    assert reply.headers["x-object-meta-b"] == "2"
    assert not {"x-object-meta-a", "content-encoding", "x-delete-at"} & reply.headers.keys()


def test_a_post_may_change_the_type(client: Client, container: str) -> None:
    """The object and its row in the listing agree."""
    client.put(container, "o", body=b"x", headers={"Content-Type": "text/one"})
    assert client.post(container, "o", headers={"Content-Type": "text/two"}).status == 202
    assert client.head(container, "o").headers["content-type"] == "text/two"
    (row,) = client.get(container, format="json").json()
    assert row["content_type"] == "text/two"


def test_trap_20_the_type_is_guessed_from_the_name(client: Client, container: str) -> None:
    """Where none was sent, or where X-Detect-Content-Type asks for it."""
    client.put(container, "page.html", body=b"x", headers={"Content-Type": ""})
    assert client.head(container, "page.html").headers["content-type"] == "text/html"
    client.put(
        container, "p.png", body=b"x", headers={"Content-Type": "text/x", "X-Detect-Content-Type": "true"}
    )
    assert client.head(container, "p.png").headers["content-type"] == "image/png"


@pytest.mark.parametrize("shape", ["{}", '"{}"'])
def test_a_right_etag_is_accepted(client: Client, container: str, shape: str) -> None:
    """Quoted or not."""
    etag = shape.format(hashlib.md5(b"body").hexdigest())
    assert client.put(container, "o", body=b"body", headers={"ETag": etag}).status == 201


@pytest.mark.usefixtures("apus_servers")
def test_trap_21_an_etag_may_come_in_capitals(client: Client, container: str) -> None:
    """Hexadecimal digits are the same in either case."""
    etag = hashlib.md5(b"body").hexdigest().upper()
    assert client.put(container, "o", body=b"body", headers={"ETag": etag}).status == 201


def test_trap_21_a_wrong_etag_stores_nothing(client: Client, container: str) -> None:
    """422; what was there before is still there."""
    client.put(container, "o", body=b"before")
    assert client.put(container, "o", body=b"after", headers={"ETag": "0" * 32}).status == 422
    assert client.get(container, "o").body == b"before"
    assert client.put(container, "new", body=b"x", headers={"ETag": "0" * 32}).status == 422
    assert client.get(container, "new").status == 404


def test_standard_headers_are_kept(client: Client, container: str) -> None:
    """Content-Disposition and Content-Encoding as sent, metadata names in any case."""
    headers = {
        "Content-Disposition": 'attachment; filename="x.txt"',
        "Content-Encoding": "gzip",
        "X-Object-Meta-MiXed": "Value",
    }
    client.put(container, "o", body=b"x", headers=headers)
    reply = client.head(container, "o")
    assert reply.headers["content-disposition"] == 'attachment; filename="x.txt"'
    assert reply.headers["content-encoding"] == "gzip"
    assert reply.headers["x-object-meta-mixed"] == "Value"


def test_trap_12_times_agree(client: Client, container: str) -> None:
    """Last-Modified is X-Timestamp rounded up to the second, in object and listing alike."""
    client.put(container, "o", body=b"x")
    headers = client.head(container, "o").headers
    modified = parsedate_to_datetime(headers["last-modified"]).timestamp()
    assert 0 <= modified - float(headers["x-timestamp"]) < 1
    (row,) = client.get(container, format="json").json()
    assert len(row["last_modified"]) == len("2026-01-01T00:00:00.000000")


def test_trap_19_metadata_has_limits(client: Client, container: str) -> None:
    """400 beyond 128 bytes of name, 256 of value, 90 items; nothing is stored."""
    for headers in (
        {f"X-Object-Meta-{'n' * 129}": "v"},
        {"X-Object-Meta-Long": "v" * 257},
        {f"X-Object-Meta-{number}": "v" for number in range(91)},
    ):
        assert client.put(container, "o", body=b"x", headers=headers).status == 400
    assert client.head(container, "o").status == 404
    most = {f"X-Object-Meta-{number}": "v" for number in range(90)}
    assert client.put(container, "o", body=b"x", headers=most).status == 201


class TestExpiry:
    """Objects that end by themselves."""

    def test_trap_24_an_expired_object_is_gone_at_once(self, client: Client, container: str) -> None:
        """404 from the very second, however late the expirer is."""
        when = int(time.time()) + 2
        assert client.put(container, "o", body=b"x", headers={"X-Delete-At": str(when)}).status == 201
        assert client.head(container, "o").headers["x-delete-at"] == str(when)
        while time.time() < when + 0.2:
            time.sleep(0.1)
        assert client.get(container, "o").status == 404
        assert client.head(container, "o").status == 404

    def test_trap_24_delete_after_becomes_delete_at(self, client: Client, container: str) -> None:
        """Counted from now."""
        before = time.time()
        client.put(container, "o", body=b"x", headers={"X-Delete-After": "1000"})
        when = int(client.head(container, "o").headers["x-delete-at"])
        assert before + 999 <= when <= time.time() + 1001

    @pytest.mark.parametrize("name", ["X-Delete-At", "X-Delete-After"])
    @pytest.mark.parametrize("value", ["soon", "-10", "1.5"])
    def test_trap_24_nonsense_is_refused(self, client: Client, container: str, name: str, value: str) -> None:
        """400, and nothing is stored."""
        assert client.put(container, "o", body=b"x", headers={name: value}).status == 400
        assert client.head(container, "o").status == 404

    def test_trap_24_the_past_is_refused(self, client: Client, container: str) -> None:
        """400 for a moment that has gone by."""
        assert client.put(container, "o", body=b"x", headers={"X-Delete-At": "1"}).status == 400

    def test_trap_24_a_far_future_is_fine(self, client: Client, container: str) -> None:
        """Ten digits are the most that is kept."""
        assert client.put(container, "o", body=b"x", headers={"X-Delete-At": "9999999999"}).status == 201
        assert client.head(container, "o").headers["x-delete-at"] == "9999999999"


def test_trap_47_newest_is_asked_of_all(client: Client, container: str) -> None:
    """X-Newest answers like any read where all replicas agree."""
    client.put(container, "o", body=b"1")
    client.put(container, "o", body=b"22")
    assert client.get(container, "o", headers={"X-Newest": "true"}).body == b"22"
    assert client.get(container, uuid.uuid4().hex, headers={"X-Newest": "true"}).status == 404


def test_an_unknown_method_is_refused(client: Client, container: str) -> None:
    """405, and it says what is allowed."""
    reply = client.request("PATCH", container, "o", body=b"")
    assert reply.status == 405
    assert "PUT" in reply.headers["allow"]


def test_an_object_beyond_the_largest_size_is_refused_before_its_body(client: Client, container: str) -> None:
    """413 for the length that was announced."""
    headers = {"Content-Length": str(5 * 1024**3 + 3), "Expect": "100-continue"}
    assert client.request("PUT", container, "o", headers=headers).status == 413
