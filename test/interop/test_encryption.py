"""Encrypted objects written by one side and read by the other, proxies and object servers alike."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from clusters import AllInOne
from side_by_side import Fronts
from stock import StockPrograms
from store import Client

pytestmark = [pytest.mark.interop, pytest.mark.slow]
KEYMASTER = {
    "encryption_root_secret": base64.b64encode(b"first" * 8).decode(),
    "encryption_root_secret_2": base64.b64encode(b"second" * 8).decode(),
}
FILTERS = {"keymaster": KEYMASTER, "encryption": {}}
ROTATED = {"keymaster": {**KEYMASTER, "active_root_secret_id": "2"}, "encryption": {}}
BODIES = {"small": b"a small one", "large": b"0123456789" * 300_000, "empty": b"", "ünï/cödé": b"named"}
COLOUR = "grün".encode().decode("latin-1")


def write(client: Client, prefix: str) -> None:
    """Store one object of each kind."""
    assert client.put("mixed").status in (201, 202)
    for name, body in BODIES.items():
        headers = {"X-Object-Meta-Colour": COLOUR, "ETag": hashlib.md5(body).hexdigest()}
        assert client.put("mixed", prefix + name, body=body, headers=headers).status == 201
    pieces = iter([BODIES["large"][at : at + 100_000] for at in range(0, 3_000_000, 100_000)])
    assert client.put("mixed", f"{prefix}chunked", body=pieces).status == 201
    client.put("mixed", f"{prefix}posted", body=b"x")
    assert client.post("mixed", f"{prefix}posted", headers={"X-Object-Meta-Colour": "blue"}).status == 202


def read(client: Client, prefix: str) -> None:
    """All of it is as it was stored."""
    rows = {row["name"]: row for row in client.get("mixed", format="json").json()}
    for name, body in BODIES.items():
        etag = hashlib.md5(body).hexdigest()
        reply = client.get("mixed", prefix + name)
        assert (reply.status, reply.body == body, reply.headers["etag"]) == (200, True, etag)
        assert reply.headers["x-object-meta-colour"] == COLOUR
        assert rows[prefix + name]["hash"] == etag
        assert client.get("mixed", prefix + name, headers={"If-None-Match": etag}).status == 304
        assert client.get("mixed", prefix + name, headers={"If-Match": "0" * 32}).status == 412
    reply = client.get("mixed", f"{prefix}large", headers={"Range": "bytes=1000001-1000005,7-9"})
    assert (reply.status, reply.body.count(b"12345"), reply.body.count(b"789")) == (206, 1, 1)
    assert client.get("mixed", f"{prefix}chunked").body == BODIES["large"]
    assert client.head("mixed", f"{prefix}posted").headers["x-object-meta-colour"] == "blue"


def test_each_proxy_reads_what_the_other_has_encrypted(cluster: AllInOne, stock: StockPrograms) -> None:
    """Each with another active secret; over storage servers of ours."""
    cluster.restart_proxy(FILTERS)
    write(cluster.store.client(), "apus-")
    stock.replace_proxy(ROTATED)
    client = cluster.store.client()
    write(client, "stock-")
    for prefix in ("apus-", "stock-"):
        read(client, prefix)
    stock.give_back_proxy()
    client = cluster.store.client()
    for prefix in ("apus-", "stock-"):
        read(client, prefix)


@pytest.mark.parametrize("replaced", [("node3", "node4"), ("node1", "node2", "node3", "node4")])
def test_our_proxy_encrypts_over_stocks_servers(
    cluster: AllInOne, stock: StockPrograms, replaced: tuple[str, ...]
) -> None:
    """They take what is told behind a body in the same form as ours."""
    cluster.restart_proxy(FILTERS)
    for node in replaced:
        stock.replace_node(node)
    client = cluster.store.client()
    write(client, "over-")
    read(client, "over-")


def test_what_lay_in_the_open_lives_on_beside_what_is_encrypted(fronts: Fronts) -> None:
    """Where encryption is turned on: large objects of old and new segments, links to old ones, copies."""
    halves = {"part/0": b"0" * 70_000, "part/1": b"1" * 500}
    whole = b"".join(halves.values())
    pairs = ((fronts.plain.ours, fronts.encrypting.stocks), (fronts.plain.stocks, fronts.encrypting.ours))
    for before, after in pairs:
        old, new = before.client(), after.client()
        with old.container() as container:
            for name, body in halves.items():
                assert old.put(container, name, body=body).status == 201
            parts = json.dumps([{"path": f"/{container}/{name}"} for name in halves]).encode()
            query = {"multipart-manifest": "put"}
            assert old.request("PUT", container, "slo", body=parts, query=query).status == 201
            old.put(container, "dlo", headers={"X-Object-Manifest": f"{container}/part/"})
            assert new.put(container, "part/1", body=halves["part/1"]).status == 201
            new.put(container, "link", headers={"X-Symlink-Target": f"{container}/slo"})
            headers = {"Destination": f"{container}/copy"}
            assert new.request("COPY", container, "slo", headers=headers).status == 201
            for name in ("slo", "dlo", "link", "copy"):
                reply = new.get(container, name, headers={"Range": "bytes=69998-70001"})
                assert (reply.status, reply.body) == (206, b"0011"), name
                assert new.get(container, name).body == whole, name
            rows = {row["name"]: row for row in new.get(container, format="json").json()}
            assert rows["copy"]["hash"] == hashlib.md5(whole).hexdigest()
            assert rows["part/1"]["hash"] == hashlib.md5(halves["part/1"]).hexdigest()
            assert old.get(container, "part/0").body == halves["part/0"]
            assert old.get(container, "part/1").body != halves["part/1"]
