"""The container server's answers, as stock Swift's proxies and object servers know them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from database_request import Reply, ask

from apus.common.cluster import ClusterConf
from apus.common.errors import Refused
from apus.common.timestamp import Timestamp
from apus.container.server import ContainerServer

POLICIES = {
    "swift-hash": {"swift_hash_path_suffix": "x"},
    "storage-policy:0": {"name": "gold", "default": "yes"},
    "storage-policy:1": {"name": "silver"},
}
C = "/d1/1/a/c"
ROW = {"X-Size": "5", "X-Content-Type": "text/plain", "X-Etag": "e"}


def at(seconds: int) -> str:
    return Timestamp.of(seconds).internal


@pytest.fixture
def server(tmp_path: Path) -> ContainerServer:
    (tmp_path / "srv" / "d1").mkdir(parents=True)
    options = {"devices": str(tmp_path / "srv"), "mount_check": "false", "fallocate_reserve": "0"}
    return ContainerServer(options, ClusterConf.from_sections(POLICIES, tmp_path))


def put_row(server: ContainerServer, name: str, seconds: int = 5, **more: str) -> Reply:
    headers = ROW | {key.replace("_", "-"): value for key, value in more.items()}
    return ask(server, "PUT", f"{C}/{name}", headers=headers, at=at(seconds))


def listed(server: ContainerServer, query: str = "", **headers: str) -> list[dict[str, object]]:
    wire = {key.replace("_", "-"): value for key, value in headers.items()}
    reply = ask(server, "GET", C, query=f"format=json&{query}", headers=wire)
    assert reply.status == 200
    value: list[dict[str, object]] = json.loads(reply.body)
    return value


def test_a_container_lives(server: ContainerServer) -> None:
    """201 new, 202 again, 409 while it holds something, 204 gone, 404 then; X-Backend headers all the way."""
    missing = ask(server, "HEAD", C)
    assert missing.status == 404
    assert missing.headers["X-Backend-Timestamp"] == "0000000000.00000"
    assert ask(server, "PUT", C, at=at(1)).status == 201
    assert ask(server, "PUT", C, at=at(2)).status == 202
    assert put_row(server, "o", 3).status == 201
    head = ask(server, "HEAD", C)
    assert head.status == 204
    assert head.headers["X-Container-Object-Count"] == "1"
    assert head.headers["X-Container-Bytes-Used"] == "5"
    assert head.headers["X-PUT-Timestamp"] == at(2)
    assert head.headers["Last-Modified"] == "Thu, 01 Jan 1970 00:00:02 GMT"
    assert ask(server, "DELETE", C, at=at(4)).status == 409
    assert ask(server, "DELETE", f"{C}/o", at=at(5)).status == 204
    assert ask(server, "DELETE", C, at=at(6)).status == 204
    gone = ask(server, "GET", C)
    assert gone.status == 404
    assert gone.headers["X-Backend-DELETE-Timestamp"] == at(6)
    assert "X-Container-Object-Count" not in gone.headers
    assert ask(server, "DELETE", C, at=at(7)).status == 404
    assert ask(server, "PUT", C, at=at(5)).status == 409
    assert ask(server, "PUT", C, at=at(8)).status == 201


def test_the_row_hash_tells_of_the_rows(server: ContainerServer) -> None:
    """Two replicas with equal hashes have equal rows; a proxy need not compare listings then."""
    ask(server, "PUT", C, at=at(1))
    hashes = [ask(server, "HEAD", C).headers["X-Backend-Row-Hash"]]
    for name, seconds in (("o", 3), ("o", 2), ("p", 4)):
        put_row(server, name, seconds)
        hashes.append(ask(server, "HEAD", C).headers["X-Backend-Row-Hash"])
    assert hashes[1] == hashes[2]
    assert len(set(hashes)) == 3


def test_listings_in_three_forms(server: ContainerServer) -> None:
    """Names of any characters come through text, JSON and XML; 204 for an empty text listing."""
    ask(server, "PUT", C, at=at(1))
    assert ask(server, "GET", C).status == 204
    names = ["a\nb", "a<&\">'", "é/ü", "x%41", "sp ace", "carriage\rreturn"]
    for name in names:
        put_row(server, name)
    text = ask(server, "GET", C)
    assert text.body.decode() == "".join(f"{name}\n" for name in sorted(names))
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert [entry["name"] for entry in listed(server)] == sorted(names)
    xml = ask(server, "GET", C, headers={"Accept": "application/xml"})
    root = ET.fromstring(xml.body)
    assert root.attrib == {"name": "c"}
    assert [item.findtext("name") for item in root.findall("object")] == sorted(names)
    assert xml.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<container name="c">')
    assert ask(server, "GET", C, headers={"Accept": "image/png"}).status == 406


def test_an_entry_tells_of_the_object(server: ContainerServer) -> None:
    """Size, hash, type and the moment of the last change; a large object shows its true size."""
    ask(server, "PUT", C, at=at(1))
    put_row(server, "slo", 3, X_Content_Type="a/b; charset=utf-8;swift_bytes=1000", X_Meta_Timestamp=at(9))
    assert listed(server) == [
        {
            "bytes": 1000,
            "hash": "e",
            "name": "slo",
            "content_type": "a/b;charset=utf-8",
            "last_modified": "1970-01-01T00:00:09.000000",
        }
    ]


def test_query_parameters(server: ContainerServer) -> None:
    """Markers, prefix, delimiter, path, limit and reverse, each as documented."""
    ask(server, "PUT", C, at=at(1))
    for name in ("a", "d/1", "d/2", "d/e/3", "z"):
        put_row(server, name)

    def names(query: str) -> list[object]:
        return [entry.get("name", entry.get("subdir")) for entry in listed(server, query)]

    assert names("delimiter=/") == ["a", "d/", "z"]
    assert names("prefix=d/&delimiter=/") == ["d/1", "d/2", "d/e/"]
    assert names("path=d") == ["d/1", "d/2"]
    assert names("marker=a&end_marker=z") == ["d/1", "d/2", "d/e/3"]
    assert names("reverse=on&marker=z&limit=2") == ["d/e/3", "d/2"]
    assert names("limit=0") == []
    assert names("limit=junk") == ["a", "d/1", "d/2", "d/e/3", "z"]
    assert ask(server, "GET", C, query="limit=10001").status == 412
    assert ask(server, "GET", C, query="prefix=%ff").status == 400


def test_include_deleted_shows_tombstones(server: ContainerServer) -> None:
    """Our proxies merge listings of several replicas: they must know deletions and exact moments."""
    ask(server, "PUT", C, at=at(1))
    put_row(server, "a", 3)
    ask(server, "DELETE", f"{C}/b", at=at(4))
    entries = listed(server, X_Backend_Include_Deleted="true")
    assert [(entry["name"], entry["deleted"], entry["timestamp"]) for entry in entries] == [
        ("a", 0, at(3)),
        ("b", 1, at(4)),
    ]
    assert [entry["name"] for entry in listed(server)] == ["a"]


def test_reserved_names_are_hidden(server: ContainerServer) -> None:
    """The cluster's own containers hold the cluster's own names; only it sees them."""
    own = "/d1/1/a/\0versions\0c"
    assert ask(server, "PUT", own, at=at(1)).status == 201
    assert ask(server, "PUT", f"{own}/\0o\0v", headers=ROW, at=at(2)).status == 201
    assert ask(server, "PUT", f"{own}/user", headers=ROW, at=at(2)).status == 400
    assert ask(server, "PUT", f"{C}/\0o", headers=ROW, at=at(2)).status == 400
    assert ask(server, "PUT", "/d1/1/a/c\0x", at=at(2)).status == 400
    assert ask(server, "GET", own).body == b""
    shown = ask(server, "GET", own, headers={"X-Backend-Allow-Reserved-Names": "true"})
    assert shown.body == b"\0o\0v\n"


def test_storage_policies(server: ContainerServer) -> None:
    """Named, defaulted by the proxy, or the cluster's default; fixed while the container lives."""
    policy = "X-Backend-Storage-Policy-Index"
    made = ask(server, "PUT", C, headers={policy: "1"}, at=at(1))
    assert made.headers[policy] == "1"
    conflict = ask(server, "PUT", C, headers={policy: "0"}, at=at(2))
    assert (conflict.status, conflict.headers[policy]) == (409, "1")
    assert ask(server, "PUT", C, at=at(3)).status == 202
    assert ask(server, "PUT", C, headers={policy: "7"}, at=at(3)).status == 400
    other = "/d1/1/a/other"
    assert ask(server, "PUT", other, headers={"X-Backend-Storage-Policy-Default": "1"}).headers[policy] == "1"
    ask(server, "PUT", f"{C}/o", headers=ROW | {policy: "0"}, at=at(4))
    assert listed(server) == []
    assert [entry["name"] for entry in listed(server, X_Backend_Storage_Policy_Index="0")] == ["o"]


def test_metadata(server: ContainerServer) -> None:
    """PUT and POST merge it item by item; newest wins, empty removes, other headers are not kept."""
    ask(
        server,
        "PUT",
        C,
        headers={"X-Container-Meta-A": "1", "X-Container-Read": ".r:*", "X-Other": "x"},
        at=at(1),
    )
    ask(server, "POST", C, headers={"X-Container-Meta-B": "2", "X-Container-Sysmeta-S": "3"}, at=at(3))
    ask(server, "POST", C, headers={"X-Container-Meta-B": "old"}, at=at(2))
    head = ask(server, "HEAD", C).headers
    assert (head["X-Container-Meta-A"], head["X-Container-Meta-B"]) == ("1", "2")
    assert (head["X-Container-Read"], head["X-Container-Sysmeta-S"]) == (".r:*", "3")
    assert "X-Other" not in head
    assert head["X-PUT-Timestamp"] == at(3)
    assert ask(server, "POST", C, headers={"X-Container-Meta-A": ""}, at=at(4)).status == 204
    assert "X-Container-Meta-A" not in ask(server, "HEAD", C).headers
    quiet = {"X-Container-Meta-Q": "q", "X-Backend-No-Timestamp-Update": "true"}
    ask(server, "POST", C, headers=quiet, at=at(9))
    assert ask(server, "HEAD", C).headers["X-PUT-Timestamp"] == at(4)
    many = {f"X-Container-Meta-{index}": "v" for index in range(91)}
    assert ask(server, "POST", C, headers=many, at=at(9)).status == 400
    latin = {"X-Container-Meta-L": "caf\xe9"}
    assert ask(server, "POST", C, headers=latin, at=at(9)).status == 400
    utf8 = {"X-Container-Meta-U": "caf\xc3\xa9"}
    assert ask(server, "POST", C, headers=utf8, at=at(9)).status == 204
    assert ask(server, "HEAD", C).headers["X-Container-Meta-U"] == "caf\xc3\xa9"
    assert ask(server, "POST", "/d1/1/a/none", at=at(9)).status == 404


def test_rows_need_a_container_unless_it_is_the_clusters(server: ContainerServer) -> None:
    """A row for a container that is not there is refused; the cluster's own accounts make theirs."""
    assert put_row(server, "o").status == 404
    assert ask(server, "DELETE", f"{C}/o").status == 404
    hidden = "/d1/1/.expiring_objects/123"
    policy = {"X-Backend-Storage-Policy-Index": "0"}
    assert ask(server, "PUT", f"{hidden}/o", headers=ROW | policy, at=at(5)).status == 201
    assert ask(server, "PUT", "/d1/1/.shards_a/c/o", headers=ROW | policy, at=at(5)).status == 404
    posted = ROW | policy | {"X-Content-Type-Timestamp": at(3), "X-Meta-Timestamp": at(4)}
    assert ask(server, "PUT", "/d1/1/.own/c/o", headers=posted, at=at(5)).status == 201
    explicit = ROW | policy | {"X-Backend-Auto-Create": "true"}
    assert ask(server, "PUT", "/d1/1/b/c/o", headers=explicit, at=at(5)).status == 201


@pytest.mark.parametrize(
    "missing", [{"X-Size": None}, {"X-Size": "many"}, {"X-Etag": None}, {"X-Meta-Timestamp": "soon"}]
)
def test_malformed_rows_are_refused(server: ContainerServer, missing: dict[str, str | None]) -> None:
    """400, and nothing is kept."""
    ask(server, "PUT", C, at=at(1))
    headers = {key: value for key, value in (ROW | missing).items() if value is not None}
    assert ask(server, "PUT", f"{C}/o", headers=headers, at=at(5)).status == 400
    assert listed(server) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/d1", 400),
        ("/d1/1/a", 400),
        ("/d1/x/a/c", 400),
        ("/d1/-1/a/c", 400),
        ("/../1/a/c", 400),
        ("/d%2f/1/a/c", 400),
        ("/d1/../a/c", 400),
        ("/none/1/a/c", 507),
        ("/d1/1/a/\udcff", 412),
    ],
)
def test_paths_are_judged(server: ContainerServer, path: str, status: int) -> None:
    """Too short, no partition, no such device, not UTF-8, or reaching out of the devices."""
    assert ask(server, "PUT", path).status == status


def test_a_slash_at_the_end_of_a_container_is_ignored(server: ContainerServer) -> None:
    """Proxies pass it on as clients send it; two are one too many."""
    assert ask(server, "PUT", f"{C}/").status == 201
    assert ask(server, "GET", f"{C}/").status == 204
    assert ask(server, "HEAD", f"{C}/").status == 204
    assert ask(server, "GET", f"{C}/x").status == 400


def test_timestamps_are_needed(server: ContainerServer) -> None:
    """Nothing is written without knowing when."""
    for method, path in (("PUT", C), ("DELETE", C), ("POST", C), ("PUT", f"{C}/o"), ("DELETE", f"{C}/o")):
        assert ask(server, method, path, headers={"X-Timestamp": "yesterday"}).status == 400
    assert ask(server, "MOVE", C).status == 405


def test_a_full_device_takes_deletions_and_answers(
    server: ContainerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """507 for what needs room; reading and deleting go on."""
    ask(server, "PUT", C, at=at(1))
    put_row(server, "o", 2)
    monkeypatch.setattr(server, "_has_room", lambda _: False)
    assert ask(server, "PUT", C, at=at(3)).status == 507
    assert put_row(server, "p", 3).status == 507
    assert ask(server, "POST", C, at=at(3)).status == 507
    assert [entry["name"] for entry in listed(server)] == ["o"]
    assert ask(server, "DELETE", f"{C}/o", at=at(4)).status == 204
    assert ask(server, "DELETE", C, at=at(5)).status == 204


def test_a_remembered_place_does_not_spare_a_name_its_judgement(
    server: ContainerServer, tmp_path: Path
) -> None:
    """Every row's name is judged, also when the container's place is known; and so is a vanished device."""
    ask(server, "PUT", C, at=at(1))
    assert put_row(server, "o", 2).status == 201
    assert put_row(server, "\0o", 2).status == 400
    assert put_row(server, "\udcff", 2).status == 412
    assert put_row(server, "a/b\tc", 2).status == 201
    assert [entry["name"] for entry in listed(server)] == ["a/b\tc", "o"]
    os.rename(tmp_path / "srv" / "d1", tmp_path / "away")
    assert put_row(server, "p", 3).status == 507
    assert ask(server, "DELETE", f"{C}/o", at=at(4)).status == 507


def test_devices_must_be_mounted(tmp_path: Path) -> None:
    """With mount_check a folder where a disk should be is not written to."""
    (tmp_path / "d1").mkdir()
    server = ContainerServer({"devices": str(tmp_path)}, ClusterConf.from_sections(POLICIES, tmp_path))
    assert ask(server, "PUT", C).status == 507
    assert os.listdir(tmp_path / "d1") == []


def test_a_sharded_container_is_left_to_stock(server: ContainerServer, tmp_path: Path) -> None:
    """Where stock's sharder was at work we neither say that there is nothing nor begin anew."""
    ask(server, "PUT", C, at=at(1))
    (database,) = (tmp_path / "srv").glob("d1/containers/*/*/*/*.db")
    database.rename(database.with_name(f"{database.stem}_1700000000.00000.db"))
    for method, path in (("PUT", C), ("GET", C), ("HEAD", C), ("DELETE", C), ("DELETE", f"{C}/o")):
        assert ask(server, method, path, at=at(2)).status == 503
    assert put_row(server, "o").status == 503
    assert not database.exists()


def test_sync_targets_are_judged(server: ContainerServer) -> None:
    """Data may be copied only to hosts that the operator allows."""
    for target, status in (
        ("http://127.0.0.1/v1/a/c", 201),
        ("http://evil.example/v1/a/c", 400),
        ("//r/c/a/c", 400),
    ):
        reply = ask(server, "PUT", f"/d1/1/a/{status}", headers={"X-Container-Sync-To": target})
        assert reply.status == status


def test_synchronised_containers_are_linked_for_stocks_daemon(
    server: ContainerServer, tmp_path: Path
) -> None:
    """As long as they have a target and a key."""

    def links() -> list[Path]:
        return [path.resolve() for path in tmp_path.rglob("sync_containers/*/*/*/*.db")]

    target, key = "X-Container-Sync-To", "X-Container-Sync-Key"
    assert ask(server, "PUT", C, at=at(1), headers={target: "http://127.0.0.1/v1/a/c"}).status == 201
    assert links() == []
    for seconds in (2, 3):
        assert ask(server, "POST", C, at=at(seconds), headers={key: "k"}).status == 204
        assert links() == [path.resolve() for path in tmp_path.rglob("containers/*/*/*/*.db")][:1]
    assert ask(server, "POST", C, at=at(4), headers={target: ""}).status == 204
    assert links() == []
    assert ask(server, "POST", C, at=at(5), headers={target: "http://127.0.0.1/v1/a/c"}).status == 204
    assert len(links()) == 1
    assert ask(server, "DELETE", C, at=at(6)).status == 204
    assert links() == []


def test_update_takes_rows_of_a_replicator(server: ContainerServer) -> None:
    """UPDATE merges many rows at once."""
    item = {"name": "o", "created_at": at(5), "size": 1, "content_type": "a/b", "etag": "e", "deleted": 0}
    body = json.dumps([item | {"storage_policy_index": 0}]).encode()
    assert ask(server, "UPDATE", C, body=body).status == 404
    ask(server, "PUT", C, at=at(1))
    assert ask(server, "UPDATE", C, body=body).status == 202
    assert len(listed(server)) == 1
    assert ask(server, "UPDATE", C, body=b"{").status == 400
    own = "/d1/1/.expiring_objects/1"
    assert ask(server, "UPDATE", own, body=body).status == 400
    policy = {"X-Backend-Storage-Policy-Index": "0"}
    assert ask(server, "UPDATE", own, body=body, headers=policy).status == 202
    assert ask(server, "GET", own).body == b"o\n"


def test_bad_settings_are_refused(tmp_path: Path) -> None:
    """At start, by name."""
    with pytest.raises(Refused, match="fallocate_reserve"):
        ContainerServer({"fallocate_reserve": "much"}, ClusterConf.from_sections(POLICIES, tmp_path))


JUNK = [
    b"",
    b"{}",
    b"[]",
    b"[1]",
    b"null",
    b'["nonsense"]',
    b'["sync"]',
    b'["sync", 1, 2]',
    b'["sync", "a", "b", "c", 1, 2, 3, "{"]',
    b'["sync", [], {}, [], {}, [], {}, ["x"]]',
    b'["sync", 1, "h", "id", "soon", "later", "never", ""]',
    b'["sync", 1, "h", "id", "1", "1", "1", "{"]',
    b'["merge_items", [{}], "x"]',
    b'["merge_items", "x", "y"]',
    b'["merge_items", [{"name": "o", "created_at": "5", "size": "big", "content_type": "", "etag": "", "deleted": 0}], "x"]',
    b'["merge_items", 5]',
    b'["merge_syncs", [{"x": 1}]]',
    b'["merge_syncs", 5]',
    b'["complete_rsync", "../../../etc/passwd"]',
    b'["complete_rsync", "x", "../../y.db"]',
    b'["rsync_then_merge", "a/b"]',
    b'["rsync_then_merge"]',
    b'["merge_shard_ranges", [], "x"]',
    b'["__class__"]',
]


@pytest.mark.parametrize("body", JUNK)
def test_malformed_replication_is_refused(server: ContainerServer, body: bytes) -> None:
    """A peer's nonsense is a 4xx or 501 for the peer; the database stays as it was."""
    ask(server, "PUT", C, at=at(1))
    put_row(server, "o", 2)
    before = ask(server, "HEAD", C).headers["X-Backend-Row-Hash"]
    path_hash = server.cluster.salt.path_hash("a", "c")
    reply = ask(server, "REPLICATE", f"/d1/1/{path_hash}", body=body)
    assert reply.status in (400, 501) or (reply.status == 404 and b"rsync" in body), reply
    assert ask(server, "HEAD", C).headers["X-Backend-Row-Hash"] == before
    assert ask(server, "REPLICATE", "/d1/1/nohash", body=b'["sync"]').status == 400
    assert (
        ask(server, "REPLICATE", f"/d1/1/{path_hash}", body=b"x", headers={"X-Apus-Copy": "../x"}).status
        == 400
    )
