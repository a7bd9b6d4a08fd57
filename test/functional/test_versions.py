"""Versions of objects, in both forms, through real requests."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from store import Client, Reply, ask

MARKER_TYPE = "application/x-deleted;swift_versions_deleted=1"


@pytest.fixture
def archive(client: Client) -> Iterator[str]:
    """A container for what is overwritten."""
    with client.container() as name:
        yield name


def rows(client: Client, container: str, **query: str) -> list[dict[str, Any]]:
    """The rows of a listing of versions."""
    reply = client.request("GET", container, query={"versions": "", **query})
    assert reply.status == 200, reply
    found: list[dict[str, Any]] = reply.json()
    return found


def of_version(client: Client, method: str, container: str, name: str, version_id: str) -> Reply:
    return client.request(method, container, name, query={"version-id": version_id}, body=b"")


@pytest.fixture
def versioned(client: Client) -> Iterator[str]:
    """A container with versions enabled; its versions are removed in the end."""
    name = f"versioned-{uuid.uuid4().hex[:12]}"
    assert client.put(name, headers={"X-Versions-Enabled": "true"}).status == 201
    yield name
    client.post(name, headers={"X-Versions-Enabled": "false"})
    for row in rows(client, name):
        of_version(client, "DELETE", name, row["name"], row["version_id"])
    assert client.delete(name).status == 204


class TestArchives:
    """X-Versions-Location and X-History-Location."""

    def test_trap_32_a_stack_of_versions(self, client: Client, archive: str) -> None:
        """Each PUT archives, each DELETE brings back the one before."""
        with client.container({"X-Versions-Location": archive}) as container:
            assert client.head(container).headers["x-versions-location"] == archive
            for body in (b"1", b"22", b"333"):
                client.put(container, "ö/o", body=body, headers={"X-Object-Meta-Size": str(len(body))})
            archived = client.names_in(archive)
            assert [name.rpartition("/")[0] for name in archived] == ["004ö/o"] * 2
            assert client.get(archive, archived[0]).body == b"1"
            for body in (b"22", b"1"):
                assert client.delete(container, "ö/o").status == 204
                reply = client.get(container, "ö/o")
                assert (reply.body, reply.headers["x-object-meta-size"]) == (body, str(len(body)))
            assert client.names_in(archive) == []
            assert client.delete(container, "ö/o").status == 204
            assert client.get(container, "ö/o").status == 404

    def test_trap_32_a_history_with_its_end(self, client: Client, archive: str) -> None:
        """DELETE archives the current version and a marker."""
        with client.container({"X-History-Location": archive}) as container:
            assert client.head(container).headers["x-history-location"] == archive
            client.put(container, "o", body=b"1")
            client.put(container, "o", body=b"2")
            assert client.delete(container, "o").status == 204
            assert client.get(container, "o").status == 404
            found = client.get(archive, format="json").json()
            assert [row["content_type"] for row in found][-1] == MARKER_TYPE
            assert [row["bytes"] for row in found] == [1, 1, 0]

    def test_bad_input_is_refused(self, client: Client, container: str, archive: str) -> None:
        """400 for both at once, 412 for a path and for an archive that isn't there; nothing is overwritten."""
        both = {"X-Versions-Location": archive, "X-History-Location": archive}
        assert client.post(container, headers=both).status == 400
        assert client.post(container, headers={"X-Versions-Location": "a/b"}).status == 412
        client.post(container, headers={"X-Versions-Location": f"none-{uuid.uuid4().hex}"})
        client.put(container, "o", body=b"1")
        assert client.put(container, "o", body=b"2").status == 412
        assert client.get(container, "o").body == b"1"
        client.post(container, headers={"X-Remove-Versions-Location": "x"})
        assert client.put(container, "o", body=b"2").status == 201

    def test_strangers_archive_nothing(self, client: Client, store: Any, archive: str) -> None:
        """403 for who may not write, and the archive stays empty."""
        with client.container({"X-Versions-Location": archive}) as container:
            client.put(container, "o", body=b"1")
            stranger = store.client("test2:tester2", account_of="test:tester")
            assert stranger.put(container, "o", body=b"2").status == 403
            assert stranger.delete(container, "o").status == 403
            assert client.names_in(archive) == []


class TestVersions:
    """X-Versions-Enabled."""

    def test_versions_are_kept_and_read(self, client: Client, versioned: str) -> None:
        """By their ids; the current one says its own."""
        assert client.head(versioned).headers["x-versions-enabled"] == "True"
        ids = [
            client.put(versioned, "ö o", body=body).headers["x-object-version-id"]
            for body in (b"1", b"22", b"333")
        ]
        reply = client.get(versioned, "ö o")
        assert (reply.body, reply.headers["x-object-version-id"]) == (b"333", ids[2])
        assert client.get(versioned, "ö o", headers={"Range": "bytes=1-"}).body == b"33"
        assert client.head(versioned, "ö o").headers["content-length"] == "3"
        for body, version_id in zip((b"1", b"22", b"333"), ids, strict=True):
            assert of_version(client, "GET", versioned, "ö o", version_id).body == body
        found = rows(client, versioned)
        assert [(row["name"], row["version_id"]) for row in found] == [("ö o", each) for each in ids[::-1]]
        assert [row["is_latest"] for row in found] == [True, False, False]
        assert client.head(versioned).headers["x-container-bytes-used"] == "6"
        (row,) = client.get(versioned, format="json").json()
        assert (row["name"], row["bytes"]) == ("ö o", 3)

    def test_a_large_body_with_and_without_a_length(self, client: Client, versioned: str) -> None:
        """It streams into the hidden container, and its row has its size."""
        body = bytes(range(256)) * 4096 * 3
        for sent in (body, (body[at : at + 100_000] for at in range(0, len(body), 100_000))):
            assert client.put(versioned, "large", body=sent).status == 201
            assert client.get(versioned, "large").body == body
        assert [row["bytes"] for row in rows(client, versioned)] == [len(body)] * 2

    def test_trap_32_delete_markers_and_the_way_back(self, client: Client, versioned: str) -> None:
        """DELETE leaves a marker; PUT with an id leads back; DELETE with ids leaves nothing."""
        first = client.put(versioned, "o", body=b"1").headers["x-object-version-id"]
        deleted = client.delete(versioned, "o")
        assert deleted.status == 204
        marker = deleted.headers["x-object-version-id"]
        assert client.get(versioned, "o").status == 404
        assert of_version(client, "GET", versioned, "o", marker).status == 404
        assert rows(client, versioned).pop(0)["content_type"] == MARKER_TYPE
        assert client.delete(versioned).status == 409
        assert of_version(client, "PUT", versioned, "o", first).status == 201
        assert client.get(versioned, "o").body == b"1"
        assert of_version(client, "POST", versioned, "o", first).status == 400
        for version_id in (first, marker):
            assert of_version(client, "DELETE", versioned, "o", version_id).status == 204
        assert client.get(versioned, "o").status == 404
        assert rows(client, versioned) == []

    def test_metadata_goes_to_the_version(self, client: Client, versioned: str) -> None:
        """A POST to the name is answered as by any object."""
        version_id = client.put(versioned, "o", body=b"1").headers["x-object-version-id"]
        assert client.post(versioned, "o", headers={"X-Object-Meta-A": "1"}).status == 202
        assert client.head(versioned, "o").headers["x-object-meta-a"] == "1"
        reply = of_version(client, "GET", versioned, "o", version_id)
        assert reply.headers["x-object-meta-a"] == "1"

    def test_an_object_from_before_is_version_null(self, client: Client, container: str) -> None:
        """Until it is overwritten: then it is kept under its own moment."""
        client.put(container, "o", body=b"before")
        client.post(container, headers={"X-Versions-Enabled": "true"})
        assert of_version(client, "GET", container, "o", "null").body == b"before"
        client.put(container, "o", body=b"after")
        assert of_version(client, "GET", container, "o", "null").status == 404
        current, before = rows(client, container)
        assert of_version(client, "GET", container, "o", before["version_id"]).body == b"before"
        client.post(container, headers={"X-Versions-Enabled": "false"})
        for row in (current, before):
            of_version(client, "DELETE", container, "o", row["version_id"])

    @pytest.mark.usefixtures("apus_proxy")
    def test_trap_32_pages_without_gap(self, client: Client, versioned: str) -> None:
        """Every row once, in order, whatever the size of a page."""
        for number in range(3):
            for name in ("a", "a/b", "b"):
                client.put(versioned, name, body=b"x" * number)
        client.delete(versioned, "a")
        whole = rows(client, versioned)
        assert len(whole) == 10
        for limit in ("1", "3"):
            found: list[dict[str, Any]] = []
            place: dict[str, str] = {}
            while page := rows(client, versioned, limit=limit, **place):
                found += page
                place = {"marker": page[-1]["name"], "version_marker": page[-1]["version_id"]}
            assert found == whole

    def test_an_account_counts_what_is_hidden(self, client: Client, versioned: str) -> None:
        """The account's listing has no container that clients have not made."""
        client.put(versioned, "o", body=b"12345")
        client.put(versioned, "o", body=b"12345")
        reply = client.get(format="json", prefix="versioned-")
        assert b"\\u0000" not in reply.body
        assert versioned in [row["name"] for row in json.loads(reply.body)]

    def test_others_may_read_the_current_version_only(
        self, client: Client, store: Any, versioned: str
    ) -> None:
        """As far as the container's ACL says; nobody reaches the hidden container."""
        client.put(versioned, "o", body=b"1")
        stranger = store.client("test2:tester2", account_of="test:tester")
        assert stranger.get(versioned, "o").status == 403
        client.post(versioned, headers={"X-Container-Read": "test2:tester2"})
        assert stranger.get(versioned, "o").body == b"1"
        assert stranger.put(versioned, "o", body=b"2").status == 403
        assert client.get(f"\0versions\0{versioned}").status == 412


def test_info_tells_of_both(store: Any) -> None:
    """As stock's clients look for them."""
    told = ask(store.address, "GET", "/info", {}).json()
    assert told["versioned_writes"]["allowed_flags"] == ["x-versions-location", "x-history-location"]
    assert "object_versioning" in told
