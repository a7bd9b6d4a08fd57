"""Storage policies as clients meet them: two of them, in a cluster of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clusters import AllInOne, all_in_one
from second_policy import add_policy
from store import Client, Store, ask


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with the policies gold, the default, and silver, also called argent."""
    with all_in_one(tmp_path_factory.mktemp("policies")) as cluster:
        add_policy(cluster, "silver", aliases="argent")
        yield cluster.store


def test_policies_are_published(store: Store) -> None:
    """Names, aliases and which one is the default."""
    told = ask(store.address, "GET", "/info", {}).json()["swift"]["policies"]
    assert told == [
        {"name": "gold", "aliases": "gold", "default": True},
        {"name": "silver", "aliases": "silver, argent"},
    ]


@pytest.mark.parametrize(
    ("asked", "name"), [(None, "gold"), ("silver", "silver"), ("ARGENT", "silver"), ("Gold", "gold")]
)
def test_a_container_has_the_policy_that_was_asked_for(store: Store, asked: str | None, name: str) -> None:
    """By any of its names, in any case; every answer says its first one, and so do listings of the account."""
    client = store.client()
    with client.container({"X-Storage-Policy": asked} if asked else {}) as container:
        assert client.head(container).headers["x-storage-policy"] == name
        assert client.get(container).headers["x-storage-policy"] == name
        assert client.put(container, "o", body=b"content").status == 201
        assert client.get(container, "o").body == b"content"
        assert client.names_in(container) == ["o"]
        (row,) = client.get(prefix=container, format="json").json()
        assert row["storage_policy"] == name
        assert f"<storage_policy>{name}</storage_policy>" in client.get(prefix=container, format="xml").text
        assert f"x-account-storage-policy-{name}-container-count" in client.head().headers


def test_a_containers_policy_is_for_ever(store: Store) -> None:
    """Asking for the same one is a PUT as any other, for another one a conflict, for none that exists a mistake."""
    client = store.client()
    with client.container({"X-Storage-Policy": "silver"}) as container:
        assert client.put(container, headers={"X-Storage-Policy": "silver"}).status == 202
        assert client.put(container).status == 202
        assert client.put(container, headers={"X-Storage-Policy": "gold"}).status == 409
        assert client.head(container).headers["x-storage-policy"] == "silver"
    refused = client.put("other", headers={"X-Storage-Policy": "bronze"})
    assert (refused.status, refused.text) == (400, "Invalid X-Storage-Policy 'bronze'")


def test_objects_of_policies_lie_apart(store: Store) -> None:
    """The same name in containers of two policies is two objects."""
    client = store.client()
    with client.container({"X-Storage-Policy": "silver"}) as one, client.container() as two:
        for container in (one, two):
            assert client.put(container, "o", body=container.encode()).status == 201
        for container in (one, two):
            assert client.get(container, "o").body == container.encode()
            assert client.delete(container, "o").status == 204
            assert client.get(container, "o").status == 404


def test_policies_that_are_deprecated_take_no_new_containers(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """And are not published; what they hold is served."""
    with all_in_one(tmp_path_factory.mktemp("deprecated"), nodes=3) as cluster:
        client = _with_old_container(cluster)
        refused = client.put("new", headers={"X-Storage-Policy": "silver"})
        assert refused.status == 400
        assert "deprecated" in refused.text
        assert client.head("old").headers["x-storage-policy"] == "silver"
        assert client.put("old", "o", body=b"x").status == 201
        told = ask(cluster.store.address, "GET", "/info", {}).json()["swift"]["policies"]
        assert [policy["name"] for policy in told] == ["gold"]


def _with_old_container(cluster: AllInOne) -> Client:
    """Return a client whose container `old` is of a policy that has been deprecated since."""
    add_policy(cluster, "silver")
    assert cluster.store.client().put("old", headers={"X-Storage-Policy": "silver"}).status == 201
    cluster.down()
    conf = cluster.home / "etc" / "swift.conf"
    conf.write_text(conf.read_text().replace("deprecated = False", "deprecated = True"))
    cluster.up()
    return cluster.store.client()
