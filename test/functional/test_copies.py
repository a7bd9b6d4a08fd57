"""Server-side copies, as clients meet them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from programs import swift
from store import Client, Store

pytestmark = pytest.mark.usefixtures("copies")
BODY = random.Random(1).randbytes((5 << 20) + 3)


@pytest.fixture
def copies(client: Client) -> None:
    """Skip where the proxy has no such filter."""
    if "COPY" not in client.request("OPTIONS", "c", "o").headers["allow"]:
        pytest.skip("this store copies nothing")


@pytest.fixture
def source(client: Client, container: str) -> str:
    """A container with an object `o` in it."""
    headers = {"Content-Type": "text/x", "X-Object-Meta-A": "1", "X-Delete-At": "9999999999"}
    assert client.put(container, "o", body=BODY, headers=headers).status == 201
    return container


def test_copy_and_put_with_copy_from(client: Client, source: str) -> None:
    """The bytes, type, metadata and expiry go along; odd names are percent-encoded."""
    before = client.head(source, "o").headers
    one = client.request("COPY", source, "o", headers={"Destination": f"{source}/%C3%A9%20%3F%2F1"})
    two = client.put(source, "two", headers={"X-Copy-From": f"/{source}/o"})
    for reply, name in ((one, "é ?/1"), (two, "two")):
        assert reply.status == 201, reply
        assert reply.headers["x-copied-from"] == f"{source}/o"
        assert reply.headers["x-copied-from-account"] == client.account
        assert reply.headers["x-copied-from-last-modified"] == before["last-modified"]
        assert reply.headers["etag"] == before["etag"]
        copy = client.get(source, name)
        assert copy.body == BODY
        for header in ("etag", "content-type", "x-object-meta-a", "x-delete-at"):
            assert copy.headers[header] == before[header]


def test_trap_24_a_copy_carries_its_expiry_unless_told_otherwise(client: Client, source: str) -> None:
    """And fresh metadata begin without one."""
    for name, headers in (
        ("later", {"X-Delete-After": "86400"}),
        ("fresh", {"X-Fresh-Metadata": "true", "X-Object-Meta-B": "2"}),
    ):
        made = client.put(source, name, headers={"X-Copy-From": f"{source}/o", **headers})
        assert made.status == 201, made
    assert int(client.head(source, "later").headers["x-delete-at"]) < 9999999999
    fresh = client.head(source, "fresh").headers
    assert "x-delete-at" not in fresh
    assert "x-object-meta-a" not in fresh
    assert fresh["x-object-meta-b"] == "2"


def test_trap_18_a_copy_onto_itself_replaces_metadata(client: Client, source: str) -> None:
    """As people do to change it, before there was POST."""
    headers = {"Destination": f"{source}/o", "X-Fresh-Metadata": "true", "X-Object-Meta-B": "2"}
    assert client.request("COPY", source, "o", headers=headers).status == 201
    reply = client.get(source, "o")
    assert reply.body == BODY
    assert reply.headers["x-object-meta-b"] == "2"
    assert "x-object-meta-a" not in reply.headers


def test_trap_20_a_copys_type_is_the_sources_the_clients_or_guessed(client: Client, source: str) -> None:
    """In that order, the last when it is asked for."""
    asked = {"X-Copy-From": f"{source}/o"}
    client.put(source, "a.html", headers=asked)
    client.put(source, "b.html", headers={**asked, "Content-Type": "text/y"})
    client.put(source, "c.html", headers={**asked, "X-Detect-Content-Type": "true"})
    kinds = [client.head(source, f"{name}.html").headers["content-type"] for name in "abc"]
    assert kinds == ["text/x", "text/y", "text/html"]


def test_trap_29_range_and_conditions_are_the_sources(client: Client, source: str) -> None:
    """A part is copied; where a condition does not hold, nothing."""
    etag = client.head(source, "o").headers["etag"]
    asked = {"X-Copy-From": f"{source}/o"}
    assert client.put(source, "part", headers={**asked, "Range": "bytes=5-14"}).status == 201
    assert client.get(source, "part").body == BODY[5:15]
    assert client.put(source, "p", headers={**asked, "If-None-Match": etag}).status == 304
    assert client.put(source, "p", headers={**asked, "If-Match": "other"}).status == 412
    assert client.head(source, "p").status == 404


def test_trap_29_what_cannot_be_copied_is_refused(client: Client, source: str) -> None:
    """With stock Swift's statuses."""
    assert client.request("COPY", source, "o").status == 412
    assert client.request("COPY", source, "o", headers={"Destination": source}).status == 412
    assert client.put(source, "p", headers={"X-Copy-From": source}).status == 412
    assert client.put(source, "p", headers={"X-Copy-From": f"{source}/none"}).status == 404
    assert client.put(source, "p", body=b"x", headers={"X-Copy-From": f"{source}/o"}).status == 400
    assert client.put("no-such-container", "p", headers={"X-Copy-From": f"{source}/o"}).status == 404


def test_trap_29_accounts_are_crossed_with_rights_at_both_ends(
    store: Store, client: Client, source: str
) -> None:
    """Reading needs them there, writing needs them here."""
    other = store.client("test2:tester2", account_of="test2:tester2")
    with other.container() as theirs:
        pull = {"X-Copy-From": f"{source}/o", "X-Copy-From-Account": client.account}
        push = {"Destination": f"{theirs}/pushed", "Destination-Account": other.account}
        assert other.put(theirs, "pulled", headers=pull).status == 403
        assert client.request("COPY", source, "o", headers=push).status == 403
        client.post(source, headers={"X-Container-Read": "test2:tester2"})
        other.post(theirs, headers={"X-Container-Write": "test:tester"})
        assert other.put(theirs, "pulled", headers=pull).status == 201
        pushed = client.request("COPY", source, "o", headers=push)
        assert (pushed.status, pushed.headers["x-copied-from-account"]) == (201, client.account)
        assert other.get(theirs, "pulled").body == other.get(theirs, "pushed").body == BODY


def test_with_heartbeats_the_answer_is_202(client: Client, source: str) -> None:
    """And its body tells how it went."""
    headers = {"Destination": f"{source}/p", "Accept": "application/json"}
    reply = client.request("COPY", source, "o", headers=headers, query={"heartbeat": "on"})
    assert (reply.status, reply.json()["Response Status"]) == (202, "201 Created")
    assert client.get(source, "p").body == BODY


def test_the_swift_command_copies(store: Store, client: Client, source: str, tmp_path: Path) -> None:
    """`swift copy`, to another container that it makes."""
    with client.container() as target:
        swift(store, "copy", "--destination", f"/{target}/there", source, "o", cwd=tmp_path)
        assert client.get(target, "there").body == BODY


def test_a_link_is_copied_as_a_link_when_asked(store: Store, client: Client, source: str) -> None:
    """Else as its target's bytes."""
    if "symlink" not in store.connection().get_capabilities():
        pytest.skip("this store has no symlinks")
    client.put(source, "l", headers={"X-Symlink-Target": f"{source}/o"})
    for name, query in (("data", {}), ("link", {"symlink": "get"})):
        headers = {"Destination": f"{source}/{name}"}
        assert client.request("COPY", source, "l", headers=headers, query=query).status == 201
        assert client.get(source, name).body == BODY
    rows = {row["name"]: row for row in client.get(source, format="json").json()}
    assert "symlink_path" not in rows["data"]
    assert rows["link"]["symlink_path"] == client.path(source, "o")
