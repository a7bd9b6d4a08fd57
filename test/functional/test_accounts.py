"""Accounts: what their owner sees and may change."""

from __future__ import annotations

import pytest
from store import Client, Store


def test_an_account_counts_its_containers(client: Client, container: str) -> None:
    """HEAD and GET tell containers, objects and bytes, and never less than there are containers."""
    reply = client.head()
    assert reply.status == 204
    assert int(reply.headers["x-account-container-count"]) >= 1
    assert {"x-account-object-count", "x-account-bytes-used", "x-timestamp"} <= reply.headers.keys()
    assert container in client.get(limit="10000").lines()


@pytest.mark.parametrize("format_", ["json", "xml", "plain"])
def test_an_account_is_listed_in_each_format(client: Client, container: str, format_: str) -> None:
    """The same containers, in the form that was asked for."""
    reply = client.get(format=format_, prefix=container)
    assert reply.status == 200
    if format_ == "json":
        (row,) = reply.json()
        assert row["name"] == container
        assert {"count", "bytes", "last_modified"} <= row.keys()
    elif format_ == "xml":
        assert reply.headers["content-type"].startswith("application/xml")
        assert f"<name>{container}</name>" in reply.text
    else:
        assert reply.lines() == [container]


def test_trap_17_an_empty_listing_is_no_content_in_plain_text_and_an_empty_list_in_json(
    client: Client,
) -> None:
    """204 without a body for people, 200 and [] for programs."""
    assert client.get(prefix="no such container").status == 204
    reply = client.get(prefix="no such container", format="json")
    assert (reply.status, reply.json()) == (200, [])


def test_trap_18_account_metadata_merges(client: Client) -> None:
    """POST adds and replaces single items; an empty value or X-Remove- takes one away."""
    assert client.post(headers={"X-Account-Meta-Colour": "red", "X-Account-Meta-Size": "9"}).status == 204
    assert client.post(headers={"X-Account-Meta-Colour": "blue"}).status == 204
    headers = client.head().headers
    assert (headers["x-account-meta-colour"], headers["x-account-meta-size"]) == ("blue", "9")
    client.post(headers={"X-Account-Meta-Colour": "", "X-Remove-Account-Meta-Size": "x"})
    assert not {"x-account-meta-colour", "x-account-meta-size"} & client.head().headers.keys()


def test_an_account_needs_a_token(store: Store) -> None:
    """401 without one, with a realm to log in to; 401 with one that nobody was given."""
    reply = store.client(None).get()
    assert reply.status == 401
    assert "www-authenticate" in reply.headers
    stranger = Client(store, store.login("test:tester")[0], {"X-Auth-Token": "AUTH_tkforged"})
    assert stranger.get().status == 401


def test_trap_35_another_account_is_closed(store: Store) -> None:
    """403 with a token that is good elsewhere."""
    assert store.client("test2:tester2").get().status == 403


def test_a_wrong_key_is_refused(store: Store) -> None:
    """401, for a known user as for an unknown one."""
    for user, key in (("test:tester", "wrong"), ("test:nobody", "testing"), ("", "")):
        headers = {"X-Auth-User": user, "X-Auth-Key": key}
        path = "/auth/v1.0"
        assert Client(store, path).request("GET", headers=headers).status == 401


def test_trap_13_every_answer_carries_a_transaction_id(store: Store, client: Client) -> None:
    """Errors too: it is what a user tells the operator."""
    for reply in (client.get(), client.get("missing-container"), store.client(None).get()):
        assert reply.headers["x-trans-id"].startswith("tx")
        assert reply.headers["x-openstack-request-id"] == reply.headers["x-trans-id"]


def test_trap_42_limits_and_features_are_public(store: Store) -> None:
    """GET /info needs no token and names the limits that clients obey."""
    reply = Client(store, "/info").request("GET")
    assert reply.status == 200
    limits = reply.json()["swift"]
    assert limits["max_file_size"] == 5368709122
    assert limits["container_listing_limit"] == 10000
    assert limits["max_object_name_length"] == 1024
    assert "tempauth" in reply.json()


def test_a_load_balancer_learns_that_the_proxy_lives(store: Store) -> None:
    """GET /healthcheck is 200 OK without a token."""
    reply = Client(store, "/healthcheck").request("GET")
    assert (reply.status, reply.body) == (200, b"OK")
