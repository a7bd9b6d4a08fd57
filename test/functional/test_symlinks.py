"""Symlinks, as clients meet them."""

from __future__ import annotations

from hashlib import md5

import pytest
from store import Client, Store

pytestmark = pytest.mark.usefixtures("symlinks")
BODY = b"the target's bytes"
ETAG = md5(BODY).hexdigest()


@pytest.fixture
def symlinks(store: Store) -> None:
    """Skip where the proxy has no such filter."""
    if "symlink" not in store.connection().get_capabilities():
        pytest.skip("this store has no symlinks")


@pytest.fixture
def linked(client: Client, container: str) -> str:
    """A container with a target `o`, a link `l` and a static link `s`."""
    client.put(container, "o", body=BODY, headers={"Content-Type": "text/x", "X-Object-Meta-Of": "target"})
    target = f"{container}/o"
    assert client.put(container, "l", headers={"X-Symlink-Target": target}).status == 201
    headers = {"X-Symlink-Target": target, "X-Symlink-Target-Etag": ETAG}
    assert client.put(container, "s", headers=headers).status == 201
    return container


@pytest.mark.parametrize("name", ["l", "s"])
def test_a_link_answers_as_its_target(client: Client, linked: str, name: str) -> None:
    """GET and HEAD, ranges and conditions, which the empty link would answer otherwise."""
    reply = client.get(linked, name)
    assert (reply.status, reply.body) == (200, BODY)
    assert reply.headers["content-location"] == client.path(linked, "o")
    assert reply.headers["x-object-meta-of"] == "target"
    head = client.head(linked, name)
    assert (head.status, head.headers["content-length"]) == (200, str(len(BODY)))
    part = client.get(linked, name, headers={"Range": "bytes=4-9"})
    assert (part.status, part.body) == (206, BODY[4:10])
    for header, value, status in (
        ("If-Match", ETAG, 200),
        ("If-Match", "other", 412),
        ("If-None-Match", ETAG, 304),
        ("If-None-Match", "other", 200),
    ):
        assert client.get(linked, name, headers={header: value}).status == status, header


def test_the_link_itself(client: Client, linked: str) -> None:
    """Empty; with its target, and for a static one that one's etag and size."""
    reply = client.get(linked, "s", symlink="get")
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["x-symlink-target"] == f"{linked}/o"
    assert reply.headers["x-symlink-target-etag"] == ETAG
    assert reply.headers["x-symlink-target-bytes"] == str(len(BODY))
    assert reply.headers["content-type"] == "text/x"
    assert client.get(linked, "l", symlink="get").headers["content-type"] == "application/symlink"


def test_trap_26_listings_tell_of_links_in_json_only(client: Client, linked: str) -> None:
    """symlink_path, symlink_etag and symlink_bytes; the hash is an ordinary one everywhere."""
    rows = {row["name"]: row for row in client.get(linked, format="json").json()}
    assert rows["l"]["symlink_path"] == rows["s"]["symlink_path"] == client.path(linked, "o")
    assert (rows["s"]["symlink_etag"], rows["s"]["symlink_bytes"]) == (ETAG, len(BODY))
    assert rows["l"]["hash"] == rows["s"]["hash"] == md5().hexdigest()
    assert "symlink_path" not in rows["o"]
    assert "symlink_target" not in client.get(linked, format="xml").text


def test_trap_33_a_post_is_307_and_applied(client: Client, linked: str) -> None:
    """To the link, with a word on where its target is; the listing still knows it for a link."""
    reply = client.post(linked, "l", headers={"X-Object-Meta-Of": "link"})
    assert (reply.status, reply.headers["location"]) == (307, client.path(linked, "o"))
    assert client.get(linked, "l", symlink="get").headers["x-object-meta-of"] == "link"
    assert client.head(linked, "l").headers["x-object-meta-of"] == "target"
    rows = {row["name"]: row for row in client.get(linked, format="json").json()}
    assert rows["l"]["symlink_path"] == client.path(linked, "o")


def test_trap_33_loops_and_changed_targets_are_409(client: Client, linked: str) -> None:
    """And deleting removes the link only."""
    client.put(linked, "loop", headers={"X-Symlink-Target": f"{linked}/loop2"})
    client.put(linked, "loop2", headers={"X-Symlink-Target": f"{linked}/loop"})
    assert client.get(linked, "loop").status == 409
    client.put(linked, "o", body=b"changed")
    assert client.get(linked, "s").status == 409
    assert client.get(linked, "l").body == b"changed"
    assert client.delete(linked, "l").status == 204
    assert client.get(linked, "o").body == b"changed"


def test_trap_33_a_link_to_another_account_needs_rights_there(
    store: Store, client: Client, linked: str
) -> None:
    """The reader's own."""
    other = store.client("test2:tester2", account_of="test2:tester2")
    with other.container() as theirs:
        headers = {"X-Symlink-Target": f"{linked}/o", "X-Symlink-Target-Account": client.account}
        assert other.put(theirs, "l", headers=headers).status == 201
        assert other.get(theirs, "l").status == 403
        client.post(linked, headers={"X-Container-Read": "test2:tester2"})
        reply = other.get(theirs, "l")
        assert (reply.body, reply.headers["content-location"]) == (BODY, client.path(linked, "o"))


def test_a_static_link_may_lead_to_a_large_object(store: Store, client: Client, linked: str) -> None:
    """By its manifest's etag; its listing tells the whole size, and conditions mean the large object's etag."""
    if "slo" not in store.connection().get_capabilities():
        pytest.skip("this store has no large objects")
    body = f'[{{"path": "/{linked}/o"}}, {{"path": "/{linked}/o"}}]'.encode()
    made = client.request("PUT", linked, "large", body=body, query={"multipart-manifest": "put"})
    assert made.status == 201, made
    manifest_etag = client.head(linked, "large").headers["x-manifest-etag"]
    headers = {"X-Symlink-Target": f"{linked}/large", "X-Symlink-Target-Etag": manifest_etag}
    assert client.put(linked, "to-large", headers=headers).status == 201
    reply = client.get(linked, "to-large")
    assert reply.body == BODY * 2
    assert client.get(linked, "to-large", headers={"If-None-Match": reply.headers["etag"]}).status == 304
    part = client.get(linked, "to-large", headers={"Range": f"bytes={len(BODY)}-"})
    assert (part.status, part.body) == (206, BODY)
    row = next(row for row in client.get(linked, format="json").json() if row["name"] == "to-large")
    assert row["symlink_bytes"] == 2 * len(BODY)
    assert row["slo_etag"].strip('"') == reply.headers["etag"].strip('"')
