"""Containers: creation, metadata, removal."""

from __future__ import annotations

import uuid

import pytest
from store import Client


def test_trap_17_a_container_is_created_once(client: Client) -> None:
    """201 the first time, 202 afterwards, 204 when it is deleted, 404 from then on."""
    name = f"test-{uuid.uuid4().hex}"
    assert client.put(name).status == 201
    assert client.put(name).status == 202
    assert client.head(name).status == 204
    assert client.delete(name).status == 204
    assert client.head(name).status == 404
    assert client.get(name).status == 404
    assert client.delete(name).status == 404
    assert client.put(name).status == 201
    assert client.delete(name).status == 204


def test_trap_17_a_container_with_objects_stays(client: Client, container: str) -> None:
    """409 until the last object is gone."""
    client.put(container, "object", body=b"x")
    assert client.delete(container).status == 409
    client.delete(container, "object")


def test_trap_28_a_container_counts_what_it_holds(client: Client, container: str) -> None:
    """Object count and bytes are right at once, also after overwriting and deleting."""
    client.put(container, "a", body=b"12345")
    client.put(container, "b", body=b"123")
    client.put(container, "a", body=b"1")
    headers = client.head(container).headers
    assert (headers["x-container-object-count"], headers["x-container-bytes-used"]) == ("2", "4")
    client.delete(container, "b")
    headers = client.head(container).headers
    assert (headers["x-container-object-count"], headers["x-container-bytes-used"]) == ("1", "1")


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_trap_18_container_metadata_merges(client: Client, container: str, method: str) -> None:
    """PUT and POST both add to what is there; an empty value and X-Remove- take away."""
    client.request(
        method, container, headers={"X-Container-Meta-A": "1", "X-Container-Meta-B": "2"}, body=b""
    )
    client.request(method, container, headers={"X-Container-Meta-A": "3"}, body=b"")
    headers = client.head(container).headers
    assert (headers["x-container-meta-a"], headers["x-container-meta-b"]) == ("3", "2")
    removal = {"X-Container-Meta-A": "", "X-Remove-Container-Meta-B": "x"}
    client.request(method, container, headers=removal, body=b"")
    assert not {"x-container-meta-a", "x-container-meta-b"} & client.head(container).headers.keys()


def test_trap_8_metadata_keeps_its_bytes(client: Client, container: str) -> None:
    """UTF-8 values come back as they were sent."""
    value = "grün 日本".encode().decode("latin-1")
    client.post(container, headers={"X-Container-Meta-Colour": value})
    assert client.head(container).headers["x-container-meta-colour"] == value


def test_a_missing_container_cannot_take_metadata(client: Client) -> None:
    """404, and nothing is made."""
    assert client.post("missing", headers={"X-Container-Meta-A": "1"}).status == 404
    assert client.head("missing").status == 404


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({f"X-Container-Meta-{'n' * 129}": "v"}, "name too long"),
        ({"X-Container-Meta-Long": "v" * 257}, "value too long"),
        ({f"X-Container-Meta-{number}": "v" for number in range(91)}, "too many"),
        ({f"X-Container-Meta-{number}": "v" * 250 for number in range(20)}, "too much"),
        ({"X-Container-Meta-": "v"}, "no name"),
    ],
)
def test_trap_19_metadata_has_limits(
    client: Client, container: str, headers: dict[str, str], problem: str
) -> None:
    """400 beyond 128 bytes of name, 256 of value, 90 items, 4096 bytes in all; nothing is kept of it."""
    assert client.post(container, headers=headers).status == 400, problem
    assert not [name for name in client.head(container).headers if name.startswith("x-container-meta")]


def test_trap_19_limits_hold_for_the_sum_of_several_posts(client: Client, container: str) -> None:
    """What counts is what the container would have afterwards."""
    first = {f"X-Container-Meta-A{number}": "v" for number in range(60)}
    second = {f"X-Container-Meta-B{number}": "v" for number in range(60)}
    assert client.post(container, headers=first).status == 204
    assert client.post(container, headers=second).status == 400


@pytest.mark.parametrize(("name", "status"), [("x" * 256, 201), ("ü" * 128, 201), ("x" * 257, 400)])
def test_trap_43_a_container_name_has_256_bytes_at_most(client: Client, name: str, status: int) -> None:
    """201 up to there, 400 beyond."""
    try:
        assert client.put(name).status == status
    finally:
        client.delete(name)


def test_trap_17_an_object_needs_its_container(client: Client) -> None:
    """404, and the container is not made on the way."""
    name = f"missing-{uuid.uuid4().hex}"
    assert client.put(name, "object", body=b"x").status == 404
    assert client.head(name).status == 404


def test_a_container_of_an_unknown_policy_is_refused(client: Client) -> None:
    """400, and nothing is made."""
    name = f"test-{uuid.uuid4().hex}"
    assert client.put(name, headers={"X-Storage-Policy": "no such policy"}).status == 400
    assert client.head(name).status == 404


def test_a_container_tells_its_policy(client: Client, container: str) -> None:
    """X-Storage-Policy names the default one."""
    assert client.head(container).headers["x-storage-policy"]
