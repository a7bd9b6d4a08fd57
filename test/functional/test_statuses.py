"""The status codes that clients of OpenStack Swift have been written for."""

from __future__ import annotations

import uuid

from store import Client, Store


def test_trap_17_each_request_has_its_own_status(client: Client, store: Store) -> None:
    """What is new is 201, what was there 202 or 204, what is not there 404; an empty list is 204 in plain text."""
    container = f"statuses-{uuid.uuid4().hex[:8]}"
    assert client.head(container).status == 404
    assert client.put(container).status == 201
    assert client.put(container).status == 202
    assert client.head(container).status == 204
    assert client.post(container, headers={"X-Container-Meta-A": "b"}).status == 204
    assert client.get(container).status == 204
    empty = client.get(container, format="json")
    assert (empty.status, empty.json()) == (200, [])
    assert client.put(container, "o", body=b"x").status == 201
    assert client.put(container, "o", body=b"x").status == 201
    assert client.head(container, "o").status == 200
    assert client.post(container, "o", headers={"X-Object-Meta-A": "b"}).status == 202
    assert client.get(container).status == 200
    assert client.delete(container).status == 409
    assert client.delete(container, "o").status == 204
    assert client.delete(container, "o").status == 404
    assert client.post(container, "o").status == 404
    assert client.delete(container).status == 204
    assert client.delete(container).status == 404
    assert client.put(container, "o", body=b"x").status == 404
    assert client.head().status == 204
    assert client.post().status == 204
    admin = store.client("admin:admin", account_of="admin:admin")
    fresh = Client(store, f"/v1/AUTH_{container}", admin.headers)
    assert fresh.put().status == 201
    assert fresh.put().status == 202
    assert fresh.delete().status == 204
