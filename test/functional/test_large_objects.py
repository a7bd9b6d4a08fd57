"""Large objects through the whole store: static ones by manifest, dynamic ones by prefix."""

from __future__ import annotations

import json
import os
import random
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from clusters import AllInOne
from programs import REMOTE, rclone, swift
from store import Client, Reply, Store

PART_BYTES = 300_000
PARTS = [random.Random(seed).randbytes(PART_BYTES) for seed in range(3)]
WHOLE = b"".join(PARTS)
ETAG = md5("".join(md5(part).hexdigest() for part in PARTS).encode()).hexdigest()


def put_manifest(client: Client, container: str, name: str, entries: Any, **query: str) -> Reply:
    """PUT a static large object."""
    body = json.dumps(entries).encode()
    query = {"multipart-manifest": "put", **query}
    return client.request("PUT", container, name, body=body, query=query)


@pytest.fixture
def segments(client: Client, container: str) -> list[str]:
    """Three segments, large enough to be moved by the kernel."""
    names = [f"part/{index}" for index in range(len(PARTS))]
    for name, part in zip(names, PARTS, strict=True):
        assert client.put(container, name, body=part).status == 201
    return names


@pytest.fixture
def large(client: Client, container: str, segments: list[str]) -> str:
    """A static large object of the three."""
    entries = [
        {"path": f"/{container}/{name}", "etag": md5(part).hexdigest(), "size_bytes": PART_BYTES}
        for name, part in zip(segments, PARTS, strict=True)
    ]
    reply = put_manifest(client, container, "large", entries)
    assert (reply.status, reply.headers["etag"]) == (201, f'"{ETAG}"')
    return container


def row_of(client: Client, container: str, name: str) -> dict[str, Any]:
    """The object's row in the container's listing."""
    rows: list[dict[str, Any]] = client.get(container, format="json", prefix=name).json()
    return next(row for row in rows if row["name"] == name)


def test_a_static_large_object_is_read_whole_and_in_parts(client: Client, large: str) -> None:
    """GET, HEAD, one range across segments, several ranges, conditions, a part by its number."""
    whole = client.get(large, "large")
    assert (whole.status, whole.body == WHOLE, whole.headers["etag"]) == (200, True, f'"{ETAG}"')
    head = client.head(large, "large")
    assert (head.status, head.headers["content-length"]) == (200, str(len(WHOLE)))
    span = client.get(large, "large", headers={"Range": "bytes=299990-600009"})
    assert (span.status, span.body == WHOLE[299990:600010]) == (206, True)
    assert span.headers["content-range"] == f"bytes 299990-600009/{len(WHOLE)}"
    several = client.get(large, "large", headers={"Range": "bytes=0-9,299995-300004"})
    assert several.status == 206
    assert WHOLE[299995:300005] in several.body
    assert client.get(large, "large", headers={"If-None-Match": f'"{ETAG}"'}).status == 304
    assert client.get(large, "large", headers={"If-Match": "x"}).status == 412
    part = client.request("GET", large, "large", query={"part-number": "2"})
    assert (part.status, part.body == PARTS[1], part.headers["x-parts-count"]) == (206, True, "3")


def test_trap_26_a_listing_shows_a_large_objects_size_and_etag(client: Client, large: str) -> None:
    """`bytes` is the large object's, `hash` the manifest's, and `slo_etag` stands beside."""
    row = row_of(client, large, "large")
    manifest = client.request("GET", large, "large", query={"multipart-manifest": "get"})
    assert (row["bytes"], row["slo_etag"]) == (len(WHOLE), f'"{ETAG}"')
    assert row["hash"] == md5(manifest.body).hexdigest()
    assert row["content_type"] == "application/octet-stream"
    assert manifest.headers["content-type"] == "application/json; charset=utf-8"


def test_trap_28_a_containers_bytes_are_without_what_manifests_stand_for(client: Client, large: str) -> None:
    """Segments count once, and the manifest as its document is long."""
    document = client.request("GET", large, "large", query={"multipart-manifest": "get"}).body
    used = client.head(large).headers["x-container-bytes-used"]
    assert int(used) == len(WHOLE) + len(document)


def test_a_post_keeps_it_large(client: Client, large: str) -> None:
    """Metadata changes; segments, size and ETag stay."""
    assert client.post(large, "large", headers={"X-Object-Meta-Colour": "blue"}).status == 202
    head = client.head(large, "large")
    assert head.headers["x-object-meta-colour"] == "blue"
    assert (head.headers["content-length"], head.headers["etag"]) == (str(len(WHOLE)), f'"{ETAG}"')
    assert row_of(client, large, "large")["bytes"] == len(WHOLE)


def test_trap_30_a_missing_segment_is_409_first_and_a_broken_answer_later(client: Client, large: str) -> None:
    """And the manifest names what is wrong when it is put again."""
    assert client.delete(large, "part/2").status == 204
    with pytest.raises(Exception, match="IncompleteRead"):
        client.get(large, "large")
    assert client.delete(large, "part/0").status == 204
    assert client.get(large, "large").status == 409
    again = put_manifest(client, large, "large", [{"path": f"{large}/part/0"}])
    assert (again.status, "404 Not Found" in again.text) == (400, True)


def test_trap_30_with_heartbeat_the_outcome_is_in_the_body(
    client: Client, container: str, segments: list[str]
) -> None:
    """202 at once."""
    entries = [{"path": f"/{container}/{name}"} for name in segments]
    reply = put_manifest(client, container, "beating", entries, heartbeat="on")
    assert reply.status == 202
    assert "Response Status: 201 Created" in reply.text
    assert client.head(container, "beating").headers["content-length"] == str(len(WHOLE))


def test_trap_30_deleting_it_deletes_its_segments(client: Client, large: str) -> None:
    """200, and what was done is told in the body; nothing is left."""
    reply = client.request(
        "DELETE",
        large,
        "large",
        query={"multipart-manifest": "delete"},
        headers={"Accept": "application/json"},
    )
    assert (reply.status, reply.json()["Number Deleted"], reply.json()["Errors"]) == (200, 4, [])
    assert client.names_in(large) == []


@pytest.mark.usefixtures("apus_proxy")
def test_many_small_segments(client: Client, container: str) -> None:
    """A hundred segments of a few bytes, read in one go; stock's proxy sends one of them a second."""
    names = [f"small/{index:03}" for index in range(100)]
    for name in names:
        assert client.put(container, name, body=name.encode()).status == 201
    assert (
        put_manifest(client, container, "many", [{"path": f"/{container}/{n}"} for n in names]).status == 201
    )
    assert client.get(container, "many").body == "".join(names).encode()


def test_names_may_be_anything(client: Client, container: str) -> None:
    """Unicode, percent signs, question marks and doubled slashes in segments' names."""
    names = ["é/ü", "a%2Fb", "a?b&c", "x//y", "blank and +"]
    for name in names:
        assert client.put(container, name, body=name.encode()).status == 201
    entries = [{"path": f"/{container}/{name}"} for name in names]
    assert put_manifest(client, container, "odd ö", entries).status == 201
    assert client.get(container, "odd ö").body == "".join(names).encode()


@pytest.fixture
def dynamic(client: Client, container: str, segments: list[str]) -> str:
    """A dynamic large object of the three segments."""
    headers = {"X-Object-Manifest": f"{container}/part/", "Content-Type": "text/x"}
    assert client.put(container, "dynamic", headers=headers).status == 201
    return container


def test_a_dynamic_large_object_is_read_whole_and_in_parts(client: Client, dynamic: str) -> None:
    """GET, HEAD, one range; several get the whole; conditions are about the joined ETag."""
    whole = client.get(dynamic, "dynamic")
    assert (whole.status, whole.body == WHOLE, whole.headers["etag"]) == (200, True, f'"{ETAG}"')
    assert client.head(dynamic, "dynamic").headers["content-length"] == str(len(WHOLE))
    span = client.get(dynamic, "dynamic", headers={"Range": "bytes=299990-600009"})
    assert (span.status, span.body == WHOLE[299990:600010]) == (206, True)
    several = client.get(dynamic, "dynamic", headers={"Range": "bytes=0-1,5-6"})
    assert (several.status, several.body == WHOLE) == (200, True)
    assert client.get(dynamic, "dynamic", headers={"Range": f"bytes={len(WHOLE)}-"}).status == 416
    assert client.get(dynamic, "dynamic", headers={"If-None-Match": ETAG}).status == 304


def test_trap_31_a_post_without_the_manifest_header_makes_it_plain(client: Client, dynamic: str) -> None:
    """X-Object-Manifest is replaced as metadata is: sent again it stays, else the object is the empty one it is."""
    headers = {"X-Object-Manifest": f"{dynamic}/part/", "X-Object-Meta-A": "1"}
    assert client.post(dynamic, "dynamic", headers=headers).status == 202
    assert client.get(dynamic, "dynamic").body == WHOLE
    assert client.post(dynamic, "dynamic", headers={"X-Object-Meta-A": "2"}).status == 202
    plain = client.get(dynamic, "dynamic")
    assert (plain.body, "x-object-manifest" in plain.headers) == (b"", False)


@pytest.mark.parametrize("value", ["c", "c/", "/c/o", "c/o?x", "c/o&x"])
def test_trap_31_a_malformed_manifest_is_refused(client: Client, container: str, value: str) -> None:
    """400."""
    assert client.put(container, "bad", headers={"X-Object-Manifest": value}).status == 400


def test_the_limits_are_published(client: Client, apus_proxy: None) -> None:
    """/info has stock's section."""
    info = client.store.connection().get_capabilities()["slo"]
    assert {
        "max_manifest_segments",
        "max_manifest_size",
        "min_segment_size",
        "yield_frequency",
    } <= info.keys()


@pytest.mark.parametrize("kind", ["--use-slo", "--use-dlo"])
def test_swift_uploads_reads_and_deletes_segments(
    store: Store, client: Client, container: str, tmp_path: Path, kind: str
) -> None:
    """`swift upload -S` with either kind; `swift delete` leaves no segment behind."""
    (tmp_path / "big").write_bytes(WHOLE)
    swift(store, "upload", "-S", str(PART_BYTES), kind, container, "big", cwd=tmp_path)
    swift(store, "download", container, "big", "--output", str(tmp_path / "back"), cwd=tmp_path)
    assert (tmp_path / "back").read_bytes() == WHOLE
    swift(store, "delete", container, "big", cwd=tmp_path)
    assert client.names_in(f"{container}_segments") == []
    client.delete(f"{container}_segments")


def test_rclone_uploads_in_chunks_and_reads_back(store: Store, container: str, tmp_path: Path) -> None:
    """Rclone makes a large object of its own kind."""
    (tmp_path / "big").write_bytes(WHOLE)
    rclone(store, "copy", "--swift-chunk-size", "256Ki", str(tmp_path / "big"), f"{REMOTE}:{container}")
    rclone(store, "copyto", f"{REMOTE}:{container}/big", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == WHOLE
    rclone(store, "delete", f"{REMOTE}:{container}")
    rclone(store, "purge", f"{REMOTE}:{container}_segments")


def test_trap_30_segments_may_be_left_to_the_expirer(
    client: Client, large: str, request: pytest.FixtureRequest
) -> None:
    """204 at once; the expirer deletes what was there then, and not what has been written since."""
    if "APUS_TEST_ENDPOINT" in os.environ:
        pytest.skip("the expirer of this store cannot be run here")
    query = {"multipart-manifest": "delete", "async": "yes"}
    assert client.request("DELETE", large, "large", query=query).status == 204
    assert client.put(large, "part/1", body=b"written since").status == 201
    cluster: AllInOne = request.getfixturevalue("shared_cluster")
    cluster.once("container-updater", "object-expirer")  # The account hears of the queue, then it is done.
    assert client.names_in(large) == ["part/1"]
    assert client.get(large, "part/1").body == b"written since"
