"""What containers and the expirer's queue are told: at once, or durably later, and never wrongly."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from container_doubles import DEVICES, ContainerDoubles, container_doubles
from object_server import ObjectNode, moment

from apus.object import async_pending, expiry
from apus.object.expirer import ObjectExpirer
from apus.object.updater import ObjectUpdater


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[ContainerDoubles]:
    with container_doubles(tmp_path) as doubles:
        yield doubles


@pytest.fixture
def node(tmp_path: Path) -> ObjectNode:
    return ObjectNode(tmp_path, {"container_update_timeout": "2"})


def to(containers: ContainerDoubles, *devices: str) -> dict[str, Any]:
    host = f"{containers.address[0]}:{containers.address[1]}"
    return {
        "X_Container_Host": ",".join([host] * len(devices)),
        "X_Container_Device": ",".join(devices),
        "X_Container_Partition": "5",
    }


def waiting(node: ObjectNode) -> list[dict[str, Any]]:
    return [found.update for found in async_pending.pending(str(node.root / "sda"))]


def updater(node: ObjectNode) -> ObjectUpdater:
    options = {
        "devices": str(node.root),
        "mount_check": "false",
        "swift_dir": str(node.root),
        "recon_cache_path": str(node.root),
        "objects_per_second": "0",
    }
    return ObjectUpdater(options, node.server.context.cluster)


def test_a_put_is_listed_before_it_is_answered(node: ObjectNode, containers: ContainerDoubles) -> None:
    """Every named replica gets the row; the answer says that they took it; nothing waits."""
    reply = node.put(b"hello", at=0, X_Trans_Id="tx1", **to(containers, "c0", "c1"))
    assert reply.headers["x-backend-listing-updated"] == "true"
    assert containers.told("PUT", "c0") == containers.told("PUT", "c1") == ["a/c/o"]
    headers = containers.headers("a/c/o")
    assert headers["X-Size"] == "5"
    assert headers["X-Etag"] == "5d41402abc4b2a76b9719d911017c592"
    assert headers["X-Content-Type"] == "text/plain"
    assert headers["X-Timestamp"] == moment(0)
    assert headers["X-Trans-Id"] == "tx1"
    assert headers["X-Backend-Storage-Policy-Index"] == "0"
    assert waiting(node) == []
    assert "x-backend-listing-updated" not in node.put(at=1).headers


def test_a_post_lists_all_three_moments(node: ObjectNode, containers: ContainerDoubles) -> None:
    """Data, type and metadata each with its own; a manifest keeps what it stands for."""
    node.put(at=0, Content_Type="text/plain;swift_bytes=99")
    reply = node.ask("POST", at=2, Content_Type="image/png", **to(containers, "c0"))
    assert reply.headers["x-backend-listing-updated"] == "true"
    headers = containers.headers("a/c/o")
    assert headers["X-Timestamp"] == moment(0)
    assert headers["X-Content-Type-Timestamp"] == headers["X-Meta-Timestamp"] == moment(2)
    assert headers["X-Content-Type"] == "image/png;swift_bytes=99"


def test_a_delete_is_told(node: ObjectNode, containers: ContainerDoubles) -> None:
    """The row goes at the DELETE's moment."""
    node.put(at=0)
    node.ask("DELETE", at=1, **to(containers, "c2"))
    assert containers.told("DELETE") == ["a/c/o"]
    assert containers.headers("a/c/o")["X-Timestamp"] == moment(1)


def test_a_repeated_request_tells_its_row_again(node: ObjectNode, containers: ContainerDoubles) -> None:
    """Whoever carried it out may have died before it told; another request of that time tells nothing new."""
    node.put(b"hello", at=0, X_Object_Meta_Colour="red")
    again = node.ask("PUT", at=0, body=b"other", **to(containers, "c0"))
    assert (again.status, again.headers["x-backend-timestamp"]) == (409, moment(0))
    assert again.headers["x-backend-listing-updated"] == "true"
    headers = containers.headers("a/c/o")
    assert (headers["X-Timestamp"], headers["X-Size"]) == (moment(0), "5")
    node.ask("POST", at=2, Content_Type="image/png")
    node.ask("PUT", at=0, body=b"hello", **to(containers, "c0"))
    headers = containers.headers("a/c/o")
    assert (headers["X-Meta-Timestamp"], headers["X-Content-Type"]) == (moment(2), "image/png")
    node.ask("DELETE", at=3)
    again = node.ask("DELETE", at=3, **to(containers, "c0"))
    assert (again.status, again.headers["x-backend-listing-updated"]) == (404, "true")
    assert containers.headers("a/c/o")["X-Timestamp"] == moment(3)


def test_what_is_older_tells_nothing(node: ObjectNode, containers: ContainerDoubles) -> None:
    """Nor does a repeated PUT whose row said what is not kept with its object."""
    node.put(at=2)
    for older in (
        node.ask("PUT", at=1, **to(containers, "c0")),
        node.ask("DELETE", at=1, **to(containers, "c0")),
        node.ask("PUT", at=2, X_Backend_Container_Update_Override_Size="7", **to(containers, "c0")),
    ):
        assert (older.status, older.headers.get("x-backend-listing-updated")) == (409, None)
    assert containers.told("PUT") == containers.told("DELETE") == []


def test_a_repeated_put_is_queued_for_the_expirer_again(node: ObjectNode) -> None:
    """That, too, may have been missed."""
    headers: dict[str, Any] = {
        "X_Delete_At": "4000000000",
        "X_Delete_At_Host": "",
        "X_Delete_At_Container": "q",
    }
    for _ in range(2):
        node.ask("PUT", at=0, **headers)
        assert [update["container"] for update in waiting(node)] == ["q"]
        for found in list(async_pending.pending(str(node.root / "sda"))):
            os.unlink(found.path)


def test_listings_may_show_other_values(node: ObjectNode, containers: ContainerDoubles) -> None:
    """Middleware overrides size and ETag of a row; its sysmeta goes before the older form."""
    node.put(
        at=0,
        X_Backend_Container_Update_Override_Size="7",
        X_Backend_Container_Update_Override_Etag="older",
        X_Object_Sysmeta_Container_Update_Override_Etag="real",
        **to(containers, "c0"),
    )
    headers = containers.headers("a/c/o")
    assert (headers["X-Size"], headers["X-Etag"]) == ("7", "real")


@pytest.mark.parametrize("trouble", ["500", "dead", "silent"])
def test_what_cannot_be_delivered_waits(node: ObjectNode, containers: ContainerDoubles, trouble: str) -> None:
    """A failing, missing or silent container server costs no PUT: the update is on disk, and delivered later."""
    goal = to(containers, "c0", "c1")
    if trouble == "500":
        containers.statuses["PUT", "c1"] = 500
    elif trouble == "dead":
        goal["X_Container_Host"] = goal["X_Container_Host"].partition(",")[0] + ",127.0.0.1:9"
    else:
        goal["X_Container_Host"] = goal["X_Container_Host"].partition(",")[0] + ",10.255.255.1:9"
    reply = node.put(b"hello", at=0, **goal)
    assert reply.headers["x-backend-listing-updated"] == "false"
    (update,) = waiting(node)
    assert (update["op"], update["account"], update["container"], update["obj"]) == ("PUT", "a", "c", "o")
    assert update["headers"]["X-Timestamp"] == moment(0)
    containers.statuses.clear()
    containers.seen.clear()
    updater(node).run_once()
    assert sorted(device for _, device, _, _ in containers.seen) == list(DEVICES)
    assert waiting(node) == []
    assert os.listdir(node.root / "sda" / "async_pending") == []


def test_the_updater_asks_only_who_lacks_it(node: ObjectNode, containers: ContainerDoubles) -> None:
    """Who took an update is remembered on disk; it is removed when all have."""
    node.put(at=0, **{**to(containers, "c0"), "X_Container_Host": "127.0.0.1:9"})
    containers.statuses["PUT", "c2"] = 503
    updater(node).run_once()
    assert waiting(node)[0]["successes"] == [0, 1]
    containers.seen.clear()
    containers.statuses.clear()
    updater(node).run_once()
    assert [device for _, device, _, _ in containers.seen] == ["c2"]
    assert waiting(node) == []


def test_the_updater_follows_a_container_that_moved(node: ObjectNode, containers: ContainerDoubles) -> None:
    """A sharded container sends it on; the shard is told in the same pass."""
    containers.moved_to = ".shards_a/c-1"
    assert node.put(at=0, **to(containers, "c0")).headers["x-backend-listing-updated"] == "false"
    assert waiting(node)[0]["container_path"] == ".shards_a/c-1"
    updater(node).run_once()
    assert containers.told("PUT").count(".shards_a/c-1/o") == 3
    assert waiting(node) == []


def test_expiry_is_queued_and_unqueued(node: ObjectNode, containers: ContainerDoubles) -> None:
    """A row in .expiring_objects; a new X-Delete-At makes a new one and takes the old one out."""
    host = f"{containers.address[0]}:{containers.address[1]}"
    queue: dict[str, Any] = {
        "X_Delete_At_Host": host,
        "X_Delete_At_Device": "c0",
        "X_Delete_At_Partition": "3",
        "X_Delete_At_Container": "1699999900",
    }
    node.put(b"hello", at=0, X_Delete_At="1700000100", **queue)
    path = ".expiring_objects/1699999900/1700000100-a/c/o"
    assert containers.told("PUT") == [path]
    headers = containers.headers(path)
    assert headers["X-Content-Type"] == "text/plain;swift_expirer_bytes=5"
    assert headers["X-Size"] == "0"
    assert waiting(node) == []
    node.ask("POST", at=1, X_Delete_At="1700000200", **queue)
    assert containers.told("PUT")[-1] == ".expiring_objects/1699999900/1700000200-a/c/o"
    (update,) = waiting(node)
    assert (update["op"], update["obj"]) == ("DELETE", "1700000100-a/c/o")
    node.ask("DELETE", at=2)
    assert sorted(update["obj"] for update in waiting(node)) == ["1700000100-a/c/o", "1700000200-a/c/o"]
    node.ask("DELETE", at=3, X_Backend_Replication="true")
    assert len(waiting(node)) == 2


def expirer(node: ObjectNode, **options: str) -> ObjectExpirer:
    settings = {
        "swift_dir": str(node.root),
        "recon_cache_path": str(node.root),
        "tasks_per_second": "0",
        **options,
    }
    return ObjectExpirer(settings, node.server.context.cluster)


@pytest.fixture
def queue(containers: ContainerDoubles) -> str:
    """One container of the queue: a task that is due, and one that is not."""
    name = "1699999950"
    containers.listings[".expiring_objects"] = [{"name": name}, {"name": "9999999999"}]
    containers.listings[f".expiring_objects/{name}"] = [
        {"name": "1700000000-a/c/o", "content_type": "text/plain;swift_expirer_bytes=5"},
        {"name": "9999999998-a/c/later", "content_type": "text/plain"},
    ]
    return name


def test_the_expirer_deletes_what_is_due(node: ObjectNode, containers: ContainerDoubles, queue: str) -> None:
    """At every replica, on the condition of its X-Delete-At; then the row goes, everywhere."""
    daemon = expirer(node)
    daemon.run_once()
    assert daemon.expired == 1
    assert containers.told("DELETE").count("a/c/o") == 3
    headers = containers.headers("a/c/o")
    assert headers["X-If-Delete-At"] == headers["X-Timestamp"] == "1700000000.00000"
    assert headers["X-Backend-Clean-Expiring-Object-Queue"] == "no"
    assert headers["X-Container-Partition"]
    assert containers.told("DELETE").count(f".expiring_objects/{queue}/1700000000-a/c/o") == 3
    assert not any("later" in path for path in containers.told("DELETE"))


@pytest.mark.parametrize(
    ("statuses", "options", "removed"),
    [
        ((404, 404, 204), {}, False),
        ((404, 412, 503), {"reclaim_age": "1"}, True),
        ((404, 412, 503), {"reclaim_age": "100000000000"}, False),
        ((409, 204, 503), {}, True),
        ((503, 503, 204), {"reclaim_age": "1"}, False),
    ],
)
def test_a_row_goes_when_its_object_has_gone(
    node: ObjectNode,
    containers: ContainerDoubles,
    queue: str,
    statuses: tuple[int, ...],
    options: dict[str, str],
    removed: bool,
) -> None:
    """Not on a minority's word, and not while the object may only be late; but not kept for ever either."""
    for device, status in zip(DEVICES, statuses, strict=True):
        containers.statuses["DELETE", device] = status
    expirer(node, **{"reclaim_age": "100000000000", **options}).run_once()
    row = f".expiring_objects/{queue}/1700000000-a/c/o"
    assert (row in containers.told("DELETE")) == removed


def test_an_empty_day_is_removed(node: ObjectNode, containers: ContainerDoubles) -> None:
    """A container of the queue without rows is deleted; its servers refuse if that is wrong."""
    containers.listings[expiry.ACCOUNT] = [{"name": "1699999950"}, {"name": "not-a-day"}]
    expirer(node).run_once()
    assert containers.told("DELETE") == [".expiring_objects/1699999950"] * 3


def test_expirers_share_the_work(node: ObjectNode, containers: ContainerDoubles, queue: str) -> None:
    """Of two processes exactly one takes a task."""
    taken = []
    for process in "01":
        daemon = expirer(node, processes="2", process=process)
        daemon.run_once()
        taken.append(daemon.expired)
    assert sorted(taken) == [0, 1]
