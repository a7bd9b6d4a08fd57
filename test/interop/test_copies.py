"""Copies that one proxy makes of what the other has written: over servers of ours, over stock's, open and encrypted."""

from __future__ import annotations

import json
from hashlib import md5

import pytest
from side_by_side import Pair
from store import Client

pytestmark = [pytest.mark.interop, pytest.mark.slow]
BODY = bytes(range(256)) * 1000
PARTS = (b"a" * 1000, b"b" * 500)
LARGE = b"".join(PARTS)
ODD = "ü ß?&"


def write(client: Client, container: str) -> None:
    """Write one object of each sort that a copy treats in its own way."""
    headers = {"Content-Type": "text/x", "X-Object-Meta-A": "1", "X-Delete-At": "9999999999"}
    client.put(container, "o", body=BODY, headers=headers)
    client.put(container, ODD, body=b"odd")
    for index, part in enumerate(PARTS):
        client.put(container, f"part/{index}", body=part)
    manifest = json.dumps([{"path": f"/{container}/part/{index}"} for index in range(2)]).encode()
    reply = client.request("PUT", container, "slo", body=manifest, query={"multipart-manifest": "put"})
    assert reply.status == 201, reply
    client.put(container, "dlo", headers={"X-Object-Manifest": f"{container}/part/"})
    target = {"X-Symlink-Target": f"{container}/o", "X-Symlink-Target-Etag": md5(BODY).hexdigest()}
    assert client.put(container, "link", headers=target).status == 201


def copy(client: Client, container: str, name: str, *, to: str, **query: str) -> None:
    """Copy an object to another name of the container."""
    headers = {"Destination": f"{container}/{to}"}
    reply = client.request("COPY", container, name, headers=headers, query=query)
    assert reply.status == 201, (name, reply)
    assert reply.headers["x-copied-from-account"] == client.account


def copy_all(client: Client, container: str) -> None:
    """Copy bytes, and large objects and links as what they are."""
    for name in ("o", ODD, "slo", "dlo", "link"):
        copy(client, container, name, to=f"bytes-of-{'odd' if name == ODD else name}")
    copy(client, container, "link", to="same-link", symlink="get")
    for name in ("slo", "dlo"):
        copy(client, container, name, to=f"same-{name}", **{"multipart-manifest": "get"})
    pulled = {"X-Copy-From": f"{container}/o", "Range": "bytes=5-14", "X-Fresh-Metadata": "true"}
    assert client.put(container, "range", headers=pulled).status == 201
    refused = {"X-Copy-From": f"{container}/o", "If-None-Match": md5(BODY).hexdigest()}
    assert client.put(container, "refused", headers=refused).status == 304


def read(client: Client, container: str, copier: Client) -> None:
    """Look whether the copies hold what they should, and say so in listings, too."""
    contents = {
        "bytes-of-o": BODY, "bytes-of-odd": b"odd", "bytes-of-link": BODY, "same-link": BODY, "range": BODY[5:15],
        **{f"{kind}-{name}": LARGE for kind in ("bytes-of", "same") for name in ("slo", "dlo")},
    }  # fmt: skip
    rows = {row["name"]: row for row in client.get(container, format="json").json()}
    for name, content in contents.items():
        reply = client.get(container, name)
        assert (reply.status, reply.body) == (200, content), name
        again = client.get(container, name, headers={"If-None-Match": reply.headers["etag"]})
        if name != "bytes-of-slo" or copier.store.proxy == "apus":
            assert again.status == 304, (
                name
            )  # Stock's copy of the bytes is still judged by the manifest's ETag.
        if not name.startswith("same"):
            assert (rows[name]["hash"], rows[name]["bytes"]) == (md5(content).hexdigest(), len(content))
            assert "x-static-large-object" not in reply.headers
            assert "x-object-manifest" not in reply.headers
    for header, value in (
        ("content-type", "text/x"),
        ("x-object-meta-a", "1"),
        ("x-delete-at", "9999999999"),
    ):
        assert client.head(container, "bytes-of-o").headers[header] == value
    assert "x-object-meta-a" not in client.head(container, "range").headers
    assert rows["same-slo"]["slo_etag"] == client.head(container, "slo").headers["etag"]
    assert client.head(container, "same-dlo").headers["x-object-manifest"] == f"{container}/part/"
    assert rows["same-link"]["symlink_path"] == client.path(container, "o")
    assert rows["same-link"]["symlink_etag"] == md5(BODY).hexdigest()
    assert "refused" not in rows


def test_either_proxy_copies_what_the_other_has_written(pair: Pair) -> None:
    """And the writer reads the copies."""
    for writer, copier in pair.either_way():
        with writer.container() as container:
            write(writer, container)
            copy_all(copier, container)
            read(writer, container, copier)
