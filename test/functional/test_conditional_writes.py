"""Writes with an if: decided once, whoever races, whatever size the body has."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from store import Client, Reply

pytestmark = pytest.mark.usefixtures("apus_servers")

ONLY_IF_ABSENT = {"If-None-Match": "*"}
SIZES = (0, 11, 70_000, 3_000_000)


def digest(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


@pytest.mark.parametrize("size", SIZES)
def test_trap_67_the_first_one_is_stored_the_second_refused(
    client: Client, container: str, size: int
) -> None:
    """201, then 412 with the ETag of what is there; nothing of the second is stored."""
    body = os.urandom(size)
    first = client.put(container, "o", body=body, headers=ONLY_IF_ABSENT)
    assert first.status == 201, first
    assert first.headers["etag"].strip('"') == digest(body)
    assert "last-modified" in first.headers
    second = client.put(container, "o", body=b"x" * (size + 1), headers=ONLY_IF_ABSENT)
    assert second.status == 412
    assert second.headers["etag"].strip('"') == digest(body)
    assert client.get(container, "o").body == body
    assert client.get(container).lines() == ["o"]


@pytest.mark.parametrize("size", SIZES)
def test_trap_67_if_match_swaps_once(client: Client, container: str, size: int) -> None:
    """The ETag that is there lets through, any other one does not; nor does an absent object."""
    assert client.put(container, "o", body=b"a", headers={"If-Match": "*"}).status == 412
    client.put(container, "o", body=b"old")
    body, wanted = os.urandom(size), {"If-Match": f'"{digest(b"old")}"'}
    assert client.put(container, "o", body=body, headers=wanted).status == 201
    assert client.put(container, "o", body=b"late", headers=wanted).status == 412
    got = client.get(container, "o")
    assert got.body == body
    assert client.put(container, "o", body=b"any", headers={"If-Match": "*"}).status == 201


def test_a_conditional_delete(client: Client, container: str) -> None:
    """If-Match guards a DELETE; what it has deleted may be made again."""
    client.put(container, "o", body=b"old")
    assert client.delete(container, "o", headers={"If-Match": '"other"'}).status == 412
    assert client.delete(container, "o", headers={"If-Match": f'"{digest(b"old")}"'}).status == 204
    assert client.get(container, "o").status == 404
    assert client.get(container).lines() == []
    assert client.delete(container, "o", headers={"If-Match": "*"}).status == 412
    assert client.put(container, "o", body=b"new", headers=ONLY_IF_ABSENT).status == 201
    assert client.get(container, "o").body == b"new"


def test_metadata_and_rows_are_as_of_any_put(client: Client, container: str) -> None:
    """Type, metadata, listing, and a POST, a PUT and a DELETE after it."""
    headers = {**ONLY_IF_ABSENT, "Content-Type": "text/x", "X-Object-Meta-Colour": "blue"}
    client.put(container, "o", body=b"body", headers=headers)
    (row,) = client.get(container, format="json").json()
    assert (row["hash"], row["bytes"], row["content_type"]) == (digest(b"body"), 4, "text/x")
    assert client.head(container, "o").headers["x-object-meta-colour"] == "blue"
    assert client.post(container, "o", headers={"X-Object-Meta-Colour": "red"}).status == 202
    assert client.put(container, "o", body=b"mine", headers={"If-Match": digest(b"body")}).status == 201
    assert "x-object-meta-colour" not in client.head(container, "o").headers
    assert client.put(container, "o", body=b"plain").status == 201
    assert client.delete(container, "o").status == 204
    assert client.put(container, "o", body=b"again", headers=ONLY_IF_ABSENT).status == 201


def test_a_wrong_etag_is_refused(client: Client, container: str) -> None:
    """422, and the name is free as before."""
    headers = {**ONLY_IF_ABSENT, "ETag": digest(b"other")}
    assert client.put(container, "o", body=b"body", headers=headers).status == 422
    assert client.put(container, "o", body=b"body", headers=ONLY_IF_ABSENT).status == 201


def test_only_a_star_is_understood(client: Client, container: str) -> None:
    """If-None-Match with an ETag is 400, as in stock."""
    assert client.put(container, "o", body=b"x", headers={"If-None-Match": '"abc"'}).status == 400


@pytest.mark.parametrize("size", [11, 300_000])
def test_of_racing_writers_one_wins(client: Client, container: str, size: int) -> None:
    """Eight at once: one 201, and what it sent is there."""
    bodies = [bytes([number]) * size for number in range(8)]

    def write(body: bytes) -> Reply:
        return client.put(container, "lock", body=body, headers=ONLY_IF_ABSENT)

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(write, bodies))
    statuses = [reply.status for reply in replies]
    assert statuses.count(201) == 1, statuses
    assert set(statuses) <= {201, 409, 412}
    assert client.get(container, "lock").body == bodies[statuses.index(201)]


def test_of_racing_copies_one_wins(client: Client, container: str) -> None:
    """If-None-Match: * of COPY is about its destination: of what is there to be copied it could never hold."""
    for number in range(8):
        client.put(container, f"from{number}", body=b"%d" % number)

    def copy(number: int) -> int:
        headers = {**ONLY_IF_ABSENT, "Destination": f"/{container}/to"}
        return client.request("COPY", container, f"from{number}", headers=headers).status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(copy, range(8)))
    assert statuses.count(201) == 1, statuses
    assert set(statuses) <= {201, 409, 412}
    assert client.get(container, "to").body == b"%d" % statuses.index(201)


def test_a_large_object_is_known_by_the_etag_that_it_shows(client: Client, container: str) -> None:
    """A manifest is put under conditions as any body; what it shows as its ETag is what they are about."""
    client.put(container, "segment", body=b"segment")
    manifest = json.dumps([{"path": f"/{container}/segment"}]).encode()

    def put(headers: dict[str, str]) -> Reply:
        return client.request(
            "PUT", container, "large", body=manifest, headers=headers, query={"multipart-manifest": "put"}
        )

    first = put(ONLY_IF_ABSENT)
    assert first.status == 201
    assert put(ONLY_IF_ABSENT).status == 412
    assert put({"If-Match": first.headers["etag"]}).status == 201
    assert put({"If-Match": '"other"'}).status == 412
    assert client.get(container, "large").body == b"segment"


def test_versions_are_kept_of_what_was_let_through_only(client: Client, container: str) -> None:
    """A refused PUT leaves no version, a refused DELETE no marker."""
    client.post(container, headers={"X-Versions-Enabled": "true"})
    assert client.put(container, "o", body=b"one", headers=ONLY_IF_ABSENT).status == 201
    assert client.put(container, "o", body=b"two", headers=ONLY_IF_ABSENT).status == 412
    assert client.put(container, "o", body=b"two", headers={"If-Match": digest(b"one")}).status == 201
    assert client.put(container, "o", body=b"three", headers={"If-Match": digest(b"one")}).status == 412
    assert client.delete(container, "o", headers={"If-Match": digest(b"one")}).status == 412
    assert client.get(container, "o").body == b"two"
    assert len(client.get(container, versions="", format="json").json()) == 2
    assert client.delete(container, "o", headers={"If-Match": digest(b"two")}).status == 204
    assert client.get(container, "o").status == 404
    assert client.put(container, "o", body=b"four", headers=ONLY_IF_ABSENT).status == 201
