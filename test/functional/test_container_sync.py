"""Containers that follow each other, through the daemon and the public front of the cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from clusters import AllInOne
from store import Client

REALM, CLUSTER, KEY = "REALM", "ONE", "user-key"


@pytest.fixture(scope="module")
def cluster(shared_cluster: AllInOne) -> AllInOne:
    """The shared cluster, in a realm of its own in which it is its own neighbour."""
    path = shared_cluster.home / "etc" / "container-sync-realms.conf"
    path.write_text(f"[{REALM}]\nkey = realm-key\ncluster_{CLUSTER} = {shared_cluster.store.endpoint}/v1/\n")
    return shared_cluster


@pytest.fixture
def pair(cluster: AllInOne) -> Iterator[tuple[Client, str, Client, str]]:
    """A container of one account that is synchronised to a container of another."""
    here, there = cluster.store.client(), cluster.store.client("test2:tester2", account_of="test2:tester2")
    with there.container({"X-Container-Sync-Key": KEY}) as target:
        goal = f"//{REALM}/{CLUSTER}/{there.account}/{target}"
        with here.container({"X-Container-Sync-Key": KEY, "X-Container-Sync-To": goal}) as origin:
            yield here, origin, there, target


def synchronise(cluster: AllInOne) -> None:
    """Two passes: each replica sends its share, then all look at what is left."""
    for _ in range(2):
        cluster.once("container-sync")


def test_objects_their_metadata_and_deletions_follow(
    cluster: AllInOne, pair: tuple[Client, str, Client, str]
) -> None:
    """Bodies small and large, names of any kind, with the same time on both sides."""
    here, origin, there, target = pair
    large = b"0123456789abcdef" * 100_000
    for name, body in (("small", b"content"), ("sub/ü p%41", b""), ("large", large)):
        headers = {"X-Object-Meta-Colour": "blue", "Content-Type": "text/x-test"}
        assert here.put(origin, name, body=body, headers=headers).status == 201
    synchronise(cluster)
    assert there.names_in(target) == here.names_in(origin)
    for name in here.names_in(origin):
        ours, theirs = here.get(origin, name), there.get(target, name)
        assert theirs.body == ours.body
        for field in ("etag", "x-timestamp", "content-type", "x-object-meta-colour"):
            assert theirs.headers[field] == ours.headers[field], (name, field)
    assert here.delete(origin, "small").status == 204
    assert here.put(origin, "sub/ü p%41", body=b"newer").status == 201
    synchronise(cluster)
    assert there.get(target, "small").status == 404
    assert there.get(target, "sub/ü p%41").body == b"newer"


def test_links_and_manifests_follow_as_they_are(
    cluster: AllInOne, pair: tuple[Client, str, Client, str]
) -> None:
    """Before what they name, too, and though that is nowhere over there."""
    here, origin, there, target = pair
    with here.container() as parts:
        here.put(parts, "part", body=b"content")
        link = {"X-Symlink-Target": f"{parts}/part"}
        assert here.put(origin, "link", headers=link).status == 201
        document = json.dumps([{"path": f"/{parts}/part"}]).encode()
        query = {"multipart-manifest": "put"}
        assert here.request("PUT", origin, "large", body=document, query=query).status == 201
        synchronise(cluster)
        assert there.names_in(target) == ["large", "link"]
        assert there.get(target, "link", symlink="get").headers["x-symlink-target"] == f"{parts}/part"
        stored = there.request("GET", target, "large", query={"multipart-manifest": "get"})
        assert stored.headers["x-static-large-object"] == "True"
        assert stored.json()[0]["name"] == f"/{parts}/part"


def test_another_key_keeps_the_container_shut(
    cluster: AllInOne, pair: tuple[Client, str, Client, str]
) -> None:
    """What was refused is sent after the key has been put right."""
    here, origin, there, target = pair
    assert there.post(target, headers={"X-Container-Sync-Key": "other"}).status == 204
    assert here.put(origin, "o", body=b"content").status == 201
    synchronise(cluster)
    assert there.names_in(target) == []
    assert there.post(target, headers={"X-Container-Sync-Key": KEY}).status == 204
    synchronise(cluster)
    assert there.get(target, "o").body == b"content"


def test_clients_cannot_pretend_to_be_another_cluster(
    cluster: AllInOne, pair: tuple[Client, str, Client, str]
) -> None:
    """Neither with a guessed signature nor with a time of their own."""
    _, _, there, target = pair
    nobody = Client(cluster.store, there.account_path)
    forged = {"X-Container-Sync-Auth": f"{REALM} nonce 0123", "X-Timestamp": "1.00000"}
    refused = nobody.put(target, "o", body=b"x", headers=forged)
    assert refused.status == 401
    assert refused.headers["www-authenticate"].startswith("SwiftContainerSync ")
