"""Quotas and quoted ETags, through real clients and real processes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
import swiftclient
from rawsocket import exchange
from store import Client, Store

pytestmark = pytest.mark.usefixtures("apus_proxy")


def pieces(size: int) -> Iterator[bytes]:
    """A body that goes out chunked."""
    for _ in range(size // 1000):
        yield bytes(1000)


def limit(client: Client, container: str, *, size: int | str = "", count: int | str = "") -> None:
    """Set a container's quotas."""
    headers = {"X-Container-Meta-Quota-Bytes": str(size), "X-Container-Meta-Quota-Count": str(count)}
    assert client.post(container, headers=headers).status == 204


def test_trap_34_a_container_takes_what_fits(client: Client, container: str) -> None:
    """To the byte, by the usage of this moment; overwriting counts the difference."""
    limit(client, container, size=10_000)
    assert client.put(container, "a", body=bytes(6_000)).status == 201
    assert client.put(container, "b", body=bytes(4_000)).status == 201
    refused = client.put(container, "c", body=b"x")
    assert (refused.status, refused.text) == (413, "Upload exceeds quota.")
    assert client.put(container, "a", body=bytes(6_000)).status == 201
    assert client.put(container, "a", body=bytes(6_001)).status == 413
    assert client.delete(container, "b").status == 204
    assert client.put(container, "a", body=bytes(10_000)).status == 201


@pytest.mark.parametrize("size", [20_000, 3_000_000])
def test_trap_34_a_chunked_upload_is_stopped_in_mid_stream(client: Client, container: str, size: int) -> None:
    """Nothing of it is stored, and what was there stays."""
    limit(client, container, size=10_000)
    assert client.put(container, "a", body=pieces(5_000)).status == 201
    try:
        assert client.put(container, "a", body=pieces(size)).status == 413
    except ConnectionError:
        pass  # The answer may overtake a client that is still sending.
    assert client.put(container, "b", body=pieces(size // 2_000_000 * 1_000_000 or 6_000)).status == 413
    assert client.names_in(container) == ["a"]
    assert len(client.get(container, "a").body) == 5_000


def test_trap_1_a_refused_upload_is_never_told_to_continue(client: Client, container: str) -> None:
    """413 comes before 100 Continue."""
    limit(client, container, size=10)
    path = client.path(container, "o")
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {client.headers['X-Auth-Token']}\r\n"
        "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n"
    )
    assert exchange(client.store.address, head.encode()).status == 413


def test_trap_34_uploads_at_once_do_not_overstep_together(client: Client, container: str) -> None:
    """Twelve at the same time where four fit: four are stored."""
    limit(client, container, size=40_000, count=4)
    statuses: list[int] = []

    def upload(number: int) -> None:
        statuses.append(client.put(container, f"o{number}", body=bytes(10_000)).status)

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] * 4 + [413] * 8
    assert client.head(container).headers["x-container-bytes-used"] == "40000"


def test_a_bad_quota_is_400(client: Client, container: str) -> None:
    """And it says which."""
    reply = client.post(container, headers={"X-Container-Meta-Quota-Bytes": "ten"})
    assert (reply.status, reply.text) == (400, "Invalid bytes quota.")


def test_an_accounts_quota_is_the_resellers(store: Store) -> None:
    """Only they set it, everybody sees it, and others are held to it."""
    owner = store.client("test2:tester2", account_of="test2:tester2")
    reseller = store.client("admin:admin", account_of="test2:tester2")
    assert owner.post(headers={"X-Account-Quota-Bytes": "1000000"}).status == 403
    used = int(owner.head().headers["x-account-bytes-used"])
    with owner.container() as container:
        assert reseller.post(headers={"X-Account-Quota-Bytes": str(used + 100)}).status == 204
        try:
            assert owner.head().headers["x-account-quota-bytes"] == str(used + 100)
            assert owner.put(container, "a", body=bytes(100)).status == 201
            assert owner.put(container, "b", body=b"x").status == 413
            assert reseller.put(container, "b", body=b"x").status == 201
        finally:
            assert reseller.post(headers={"X-Remove-Account-Quota-Bytes": "x"}).status == 204
        assert "x-account-quota-bytes" not in owner.head().headers
        assert owner.put(container, "c", body=bytes(100)).status == 201


def test_a_policys_quota(store: Store) -> None:
    """In the policy that the container has."""
    owner = store.client("test2:tester2", account_of="test2:tester2")
    reseller = store.client("admin:admin", account_of="test2:tester2")
    with owner.container() as container:
        policy = owner.head(container).headers["x-storage-policy"]
        header = f"X-Account-Quota-Count-Policy-{policy}"
        assert reseller.post(headers={header: "0"}).status == 204
        try:
            refused = owner.put(container, "a")
            assert (refused.status, refused.text) == (413, "Upload exceeds policy quota.")
        finally:
            assert reseller.post(headers={header: ""}).status == 204
        assert owner.put(container, "a").status == 201


def test_swiftclient_is_told(store: Store, container: str, client: Client) -> None:
    """By the status that it knows."""
    limit(client, container, size=5)
    with pytest.raises(swiftclient.ClientException) as told:
        store.connection(retries=0).put_object(container, "o", b"123456")
    assert told.value.http_status == 413


@pytest.mark.parametrize("level", ["account", "container"])
def test_trap_21_etags_are_quoted_where_that_is_wished(client: Client, container: str, level: str) -> None:
    """And bare everywhere else; conditions match both forms."""
    client.put(container, "o", body=b"x")
    bare = client.get(container, "o").headers["etag"]
    names = (container,) if level == "container" else ()
    header = f"X-{level.title()}-Rfc-Compliant-Etags"
    assert client.post(*names, headers={header: "true"}).status == 204
    try:
        for method in ("GET", "HEAD"):
            assert client.request(method, container, "o").headers["etag"] == f'"{bare}"'
        assert client.head(*names).headers[header.lower()] == "True"
        for etag in (bare, f'"{bare}"'):
            assert client.get(container, "o", headers={"If-None-Match": etag}).status == 304
            assert client.put(container, "o", body=b"x", headers={"Etag": etag}).status == 201
    finally:
        assert client.post(*names, headers={header: ""}).status == 204
    assert client.get(container, "o").headers["etag"] == bare


def test_trap_34_a_large_object_counts_by_its_segments(client: Client, container: str) -> None:
    """The manifest counts by its own size, wherever it lies."""
    with client.container() as segments:
        limit(client, container, size=2_000)
        parts = []
        for number in range(3):
            etag = client.put(segments, f"s{number}", body=bytes(5_000)).headers["etag"]
            parts.append({"path": f"/{segments}/s{number}", "etag": etag, "size_bytes": 5_000})
        manifest = json.dumps(parts).encode()
        reply = client.request("PUT", container, "large", body=manifest, query={"multipart-manifest": "put"})
        assert reply.status == 201
        assert client.head(container, "large").headers["content-length"] == "15000"
        refused = client.request(
            "PUT", container, "other", body=manifest + b" " * 2_000, query={"multipart-manifest": "put"}
        )
        assert refused.status == 413
        assert client.put(container, "large", body=bytes(2_000)).status == 201


@pytest.mark.parametrize("how", ["COPY", "PUT"])
def test_trap_34_a_copy_is_counted_by_its_source(client: Client, container: str, how: str) -> None:
    """However it is asked for."""
    with client.container() as source:
        client.put(source, "o", body=bytes(6_000))
        limit(client, container, size=10_000)

        def copied(name: str) -> int:
            if how == "COPY":
                return client.request(
                    "COPY", source, "o", headers={"Destination": f"{container}/{name}"}
                ).status
            return client.put(container, name, headers={"X-Copy-From": f"{source}/o"}).status

        assert copied("a") == 201
        assert copied("b") == 413
        assert copied("a") == 201
        assert client.names_in(container) == ["a"]


def test_trap_34_versions_go_on_counting(client: Client, container: str) -> None:
    """What is overwritten takes room as long as it is kept."""
    assert client.post(container, headers={"X-Versions-Enabled": "true"}).status == 204
    limit(client, container, size=10_000)
    try:
        assert client.put(container, "a", body=bytes(6_000)).status == 201
        assert client.put(container, "a", body=bytes(6_000)).status == 413
        assert client.put(container, "a", body=bytes(4_000)).status == 201
        assert client.put(container, "b", body=b"x").status == 413
    finally:
        for row in client.get(container, format="json", versions="true").json():
            client.request("DELETE", container, row["name"], query={"version-id": row["version_id"]})
