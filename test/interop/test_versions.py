"""Versions that one proxy keeps, the other restores and deletes: over servers of ours, over stock's, open and encrypted."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from side_by_side import Pair
from store import Client

pytestmark = [pytest.mark.interop, pytest.mark.slow]
NAMES = ("ö/o", "o")


def listed(client: Client, container: str) -> list[tuple[str, bool, int, str]]:
    """Name, whether it is the latest, size and id of each version."""
    rows: list[dict[str, Any]] = client.get(container, versions="").json()
    return [(row["name"], row["is_latest"], row["bytes"], row["version_id"]) for row in rows]


def write(client: Client, prefix: str) -> None:
    """Fill a container of each form."""
    for name in ("old", "gone"):
        assert client.put(f"{prefix}-{name}").status in (201, 202)
    forms = {
        "stack": {"X-Versions-Location": f"{prefix}-old"},
        "history": {"X-History-Location": f"{prefix}-gone"},
        "versions": {"X-Versions-Enabled": "true"},
    }
    for form, headers in forms.items():
        assert client.put(f"{prefix}-{form}", headers=headers).status == 201
        for name in NAMES:
            for body in (b"1", b"22", b"333"):
                assert client.put(f"{prefix}-{form}", name, body=body).status == 201
    for form in ("history", "versions"):
        assert client.delete(f"{prefix}-{form}", "o").status == 204


def read(client: Client, prefix: str) -> None:
    """See all of it, go back, and remove it."""
    assert client.head(f"{prefix}-stack").headers["x-versions-location"] == f"{prefix}-old"
    assert client.head(f"{prefix}-history").headers["x-history-location"] == f"{prefix}-gone"
    assert len(client.names_in(f"{prefix}-gone")) == 6
    for name in NAMES:
        for body in (b"333", b"22", b"1"):
            assert client.get(f"{prefix}-stack", name).body == body
            assert client.delete(f"{prefix}-stack", name).status == 204
    assert client.names_in(f"{prefix}-old") == client.names_in(f"{prefix}-stack") == []
    container = f"{prefix}-versions"
    assert client.head(container).headers["x-versions-enabled"] == "True"
    versions = listed(client, container)
    assert [row[:3] for row in versions] == [
        ("o", True, 0), ("o", False, 3), ("o", False, 2), ("o", False, 1),
        ("ö/o", True, 3), ("ö/o", False, 2), ("ö/o", False, 1),
    ]  # fmt: skip
    by_id = {"version-id": versions[2][3]}
    assert client.request("PUT", container, "o", body=b"", query=by_id).status == 201
    reply = client.get(container, "o")
    assert (reply.body, reply.headers["x-object-version-id"]) == (b"22", versions[2][3])
    assert client.get(container, "ö/o").body == b"333"
    assert client.put(container, "o", body=b"4444").status == 201
    assert client.get(container, "o").body == b"4444"
    client.post(container, headers={"X-Versions-Enabled": "false"})
    for name, _, _, version_id in listed(client, container):
        reply = client.request("DELETE", container, name, query={"version-id": version_id})
        assert reply.status == 204
    assert client.delete(container).status == 204


def test_either_proxy_goes_back_to_what_the_other_has_kept(pair: Pair) -> None:
    """Archives, links, delete markers and rows mean the same to both."""
    for writer, reader in pair.either_way():
        prefix = uuid.uuid4().hex
        write(writer, prefix)
        read(reader, prefix)
