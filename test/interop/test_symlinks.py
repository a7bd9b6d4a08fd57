"""Symlinks that one proxy makes, the other follows: over servers of ours, over stock's, in the open and encrypted."""

from __future__ import annotations

import json
from hashlib import md5
from urllib.parse import quote

import pytest
from side_by_side import Pair
from store import Client

pytestmark = [pytest.mark.interop, pytest.mark.slow]
BODY, ODD = b"the target's bytes", "ü/ß ?"
ETAG, NOTHING = md5(BODY).hexdigest(), md5().hexdigest()
PARTS = (b"a" * 1000, b"b" * 500)
CONTENTS = {
    "dynamic": BODY, "static": BODY, "typed": BODY, "odd": b"odd", "twice": BODY, "static-twice": BODY,
    "to-slo": b"".join(PARTS), "static-to-slo": b"".join(PARTS), "of-links": BODY * 2,
}  # fmt: skip
MISSING = {"nowhere": 404, "thrice": 409}


def write(client: Client, container: str) -> None:
    """Make links of every sort."""

    def link(name: str, target: str, etag: str = "", **headers: str) -> None:
        said = {"X-Symlink-Target": f"{container}/{quote(target)}", **headers}
        if etag:
            said["X-Symlink-Target-Etag"] = etag
        reply = client.put(container, name, headers=said)
        assert reply.status == 201, (name, reply)

    def large(name: str, *parts: str) -> str:
        body = json.dumps([{"path": f"/{container}/{part}"} for part in parts]).encode()
        reply = client.request("PUT", container, name, body=body, query={"multipart-manifest": "put"})
        assert reply.status == 201, reply
        return client.head(container, name).headers["x-manifest-etag"]

    meta = {"Content-Type": "text/x", "X-Object-Meta-Of": "target"}
    client.put(container, "o", body=BODY, headers=meta)
    client.put(container, ODD, body=b"odd")
    for index, part in enumerate(PARTS):
        client.put(container, f"part/{index}", body=part)
    link("dynamic", "o")
    link("static", "o", ETAG)
    link("typed", "o", ETAG, **{"Content-Type": "text/link"})
    link("odd", ODD)
    link("twice", "dynamic")
    link("thrice", "twice")
    link("static-twice", "static", ETAG)
    link("nowhere", "none")
    manifest = large("slo", "part/0", "part/1")
    link("to-slo", "slo")
    link("static-to-slo", "slo", manifest)
    large("of-links", "dynamic", "static")


def read(client: Client, container: str) -> None:
    """Follow them: bytes, ranges, conditions, rows, and what the links themselves say."""
    for name, content in CONTENTS.items():
        reply = client.get(container, name)
        assert (reply.status, reply.body) == (200, content), name
        head = client.head(container, name)
        assert (head.status, head.headers["content-length"]) == (200, str(len(content))), name
        span = client.get(container, name, headers={"Range": "bytes=1-2"})
        assert (span.status, span.body) == (206, content[1:3]), name
        etag = head.headers["etag"]
        assert client.get(container, name, headers={"If-None-Match": etag}).status == 304, name
        assert client.get(container, name, headers={"If-Match": NOTHING}).status == 412, name
        if name != "of-links":
            target = ODD if name == "odd" else "slo" if "slo" in name else "o"
            assert reply.headers["content-location"] == client.path(container, target)
    for name, status in MISSING.items():
        assert client.get(container, name).status == status, name
    assert client.get(container, "dynamic").headers["x-object-meta-of"] == "target"
    itself = client.get(container, "static", symlink="get").headers
    assert (itself["x-symlink-target"], itself["x-symlink-target-etag"]) == (f"{container}/o", ETAG)
    assert (itself["x-symlink-target-bytes"], itself["content-type"]) == (str(len(BODY)), "text/x")
    rows = {row["name"]: row for row in client.get(container, format="json").json()}
    for name in ("dynamic", "static", "typed"):
        assert rows[name]["symlink_path"] == client.path(container, "o")
        assert (rows[name]["hash"], rows[name]["bytes"]) == (NOTHING, 0)
    assert (rows["static"]["symlink_etag"], rows["static"]["symlink_bytes"]) == (ETAG, len(BODY))
    large = rows["static-to-slo"]
    assert large["symlink_bytes"] == sum(map(len, PARTS))
    assert large["slo_etag"] == client.head(container, "slo").headers["etag"]


def change(client: Client, container: str) -> None:
    """Post to links, take their target away, and delete them."""
    for name in ("dynamic", "static"):
        reply = client.post(container, name, headers={"X-Object-Meta-Of": "link"})
        assert (reply.status, reply.headers["location"]) == (307, client.path(container, "o"))
    assert client.put(container, "o", body=b"changed").status == 201
    assert client.delete(container, "typed").status == 204


def read_changed(client: Client, container: str) -> None:
    """Static links break, dynamic ones lead to what is there now; the metadata went to the links."""
    rows = {row["name"]: row for row in client.get(container, format="json").json()}
    for name in ("dynamic", "static"):
        itself = client.get(container, name, symlink="get").headers
        assert itself["x-object-meta-of"] == "link"
        assert rows[name]["symlink_path"] == client.path(container, "o")
    assert client.get(container, "dynamic").body == client.get(container, "o").body == b"changed"
    for name in ("static", "static-twice", "of-links"):
        assert client.get(container, name).status == 409, name
    assert client.get(container, "typed").status == 404


def test_either_proxy_follows_the_others_links(pair: Pair) -> None:
    """To objects, to links, to large objects and as parts of them."""
    for writer, reader in pair.either_way():
        with writer.container() as container:
            write(writer, container)
            read(reader, container)
            change(reader, container)
            read_changed(writer, container)


def test_a_link_made_through_one_needs_rights_through_the_other(pair: Pair) -> None:
    """The reader's own, in the account where the target lies."""
    for (owner, _), store in zip(pair.either_way(), (pair.stocks, pair.ours), strict=True):
        guest = store.client("test2:tester2", account_of="test2:tester2")
        with owner.container() as container, guest.container() as links:
            owner.put(container, "o", body=BODY)
            headers = {"X-Symlink-Target": f"{container}/o", "X-Symlink-Target-Account": owner.account}
            assert guest.put(links, "l", headers=headers).status == 201
            assert guest.get(links, "l").status == 403
            owner.post(container, headers={"X-Container-Read": "test2:tester2"})
            assert guest.get(links, "l").body == BODY
