"""Large objects that one proxy writes, the other reads: over servers of ours, over stock's, open and encrypted."""

from __future__ import annotations

import json
from hashlib import md5
from typing import Any

import pytest
from side_by_side import Pair
from store import Client

pytestmark = [pytest.mark.interop, pytest.mark.slow]
PARTS = [bytes((index,)) * 100_000 for index in range(3)]
WHOLE = b"".join(PARTS)
ETAG = md5("".join(md5(part).hexdigest() for part in PARTS).encode()).hexdigest()
NAMES = ("static", "nested", "ranged", "dynamic")
CONTENTS = {"static": WHOLE, "nested": WHOLE + b"hi", "ranged": PARTS[1][:10], "dynamic": WHOLE}


def write(client: Client, container: str) -> None:
    """Write one large object of each sort."""
    assert client.put(container).status in (201, 202)
    for index, part in enumerate(PARTS):
        assert client.put(container, f"part/{index}", body=part).status == 201
    parts: list[dict[str, Any]] = [{"path": f"/{container}/part/{index}"} for index in range(3)]
    manifests = {
        "static": parts,
        "nested": [{"path": f"/{container}/static"}, {"data": "aGk="}],
        "ranged": [{**parts[1], "range": "0-9"}],
    }
    for name, entries in manifests.items():
        body = json.dumps(entries).encode()
        reply = client.request("PUT", container, name, body=body, query={"multipart-manifest": "put"})
        assert reply.status == 201, reply
    headers = {"X-Object-Manifest": f"{container}/part/"}
    assert client.put(container, "dynamic", headers=headers).status == 201


def read(client: Client, container: str) -> None:
    """Read them: bytes, ranges, conditions, rows, manifests."""
    for name, content in CONTENTS.items():
        assert client.get(container, name).body == content, name
        span = client.get(container, name, headers={"Range": "bytes=5-9"})
        assert (span.status, span.body) == (206, content[5:10])
        etag = client.head(container, name).headers["etag"]
        assert client.get(container, name, headers={"If-None-Match": etag}).status == 304
    assert client.head(container, "static").headers["etag"] == f'"{ETAG}"'
    rows = {row["name"]: row for row in client.get(container, format="json").json()}
    for name in NAMES[:-1]:
        assert rows[name]["bytes"] == len(CONTENTS[name])
        assert rows[name]["slo_etag"] == client.head(container, name).headers["etag"]
    raw = client.request("GET", container, "nested", query={"multipart-manifest": "get", "format": "raw"})
    assert [sorted(row) for row in raw.json()] == [["etag", "path", "size_bytes"], ["data"]]
    part = client.request("GET", container, "nested", query={"part-number": "2"})
    assert (part.status, part.body) == (206, b"hi")


def delete(client: Client, container: str) -> None:
    """Delete them with all that they are made of."""
    for name in ("ranged", "nested"):
        reply = client.request("DELETE", container, name, query={"multipart-manifest": "delete"})
        assert reply.status == 200
    assert client.names_in(container) == ["dynamic"]
    client.clear(container)


def test_either_proxy_reads_and_deletes_what_the_other_has_written(pair: Pair) -> None:
    """Bytes, rows and manifests mean the same to both."""
    for writer, reader in pair.either_way():
        with writer.container() as container:
            write(writer, container)
            read(reader, container)
            delete(reader, container)
