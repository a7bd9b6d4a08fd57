"""Requests with an if: by ETag and by time, for reads and for writes."""

from __future__ import annotations

from email.utils import formatdate, parsedate_to_datetime

import pytest
from store import Client

OLD, FUTURE = "Thu, 01 Jan 2015 00:00:00 GMT", formatdate(4_000_000_000, usegmt=True)


@pytest.fixture
def etag(client: Client, container: str) -> str:
    return client.put(container, "o", body=b"content").headers["etag"].strip('"')


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("If-Match", "{etag}", 200),
        ("If-Match", '"{etag}"', 200),
        ("If-Match", '"other", "{etag}"', 200),
        ("If-Match", "*", 200),
        ("If-Match", '"other"', 412),
        ("If-None-Match", "{etag}", 304),
        ("If-None-Match", '"{etag}"', 304),
        ("If-None-Match", '"other", "{etag}"', 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", '"other"', 200),
        ("If-Modified-Since", OLD, 200),
        ("If-Modified-Since", FUTURE, 304),
        ("If-Unmodified-Since", OLD, 412),
        ("If-Unmodified-Since", FUTURE, 200),
        ("If-Modified-Since", "no date at all", 200),
    ],
)
def test_trap_22_a_conditional_read(
    client: Client, container: str, etag: str, method: str, header: str, value: str, status: int
) -> None:
    """200, 304 or 412; an unchanged object has its ETag in the answer and no body."""
    reply = client.request(method, container, "o", headers={header: value.format(etag=etag)})
    assert reply.status == status
    if status == 304:
        assert reply.body == b""
        assert reply.headers["etag"].strip('"') == etag
        assert "last-modified" in reply.headers


def test_trap_12_its_own_last_modified_is_not_newer(client: Client, container: str, etag: str) -> None:
    """A client that sends the time it was given gets 304, or it would fetch for ever."""
    modified = client.head(container, "o").headers["last-modified"]
    assert parsedate_to_datetime(modified)
    assert client.get(container, "o", headers={"If-Modified-Since": modified}).status == 304
    assert client.get(container, "o", headers={"If-Unmodified-Since": modified}).status == 200


def test_a_missing_object_is_missing_whatever_the_condition(client: Client, container: str) -> None:
    """404 for reads."""
    assert client.get(container, "none", headers={"If-None-Match": "*"}).status == 404
    assert client.get(container, "none", headers={"If-Modified-Since": OLD}).status == 404


@pytest.mark.usefixtures("alike_servers")
def test_trap_22_a_put_that_must_be_the_first(client: Client, container: str) -> None:
    """If-None-Match: * stores once; 412 from then on, until it was deleted."""
    once = {"If-None-Match": "*"}
    assert client.put(container, "o", body=b"first", headers=once).status == 201
    assert client.put(container, "o", body=b"second", headers=once).status == 412
    assert client.get(container, "o").body == b"first"
    client.delete(container, "o")
    assert client.put(container, "o", body=b"third", headers=once).status == 201


def test_trap_22_other_conditions_on_put_are_not_swift(client: Client, container: str) -> None:
    """400 for If-None-Match with an ETag, and nothing is stored."""
    assert client.put(container, "o", body=b"x", headers={"If-None-Match": '"etag"'}).status == 400
    assert client.head(container, "o").status == 404
