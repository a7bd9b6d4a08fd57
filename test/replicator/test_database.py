"""Replicas of databases become equal, over real HTTP between real servers."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_nodes import DatabaseNodes

from apus.common.database.listing import Query
from apus.common.timestamp import Timestamp, now
from apus.container.broker import ContainerBroker
from apus.container.rows import ObjectRow, joined, tombstone
from apus.replicator.database import AccountReplicator, ContainerReplicator


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[DatabaseNodes]:
    cluster = DatabaseNodes(tmp_path, policies=2)
    yield cluster
    cluster.close()


def replicate(nodes: DatabaseNodes, *order: int, **options: str) -> list[ContainerReplicator]:
    """Run one pass of the container replicator on each node."""
    passes = []
    for node in order:
        conf = nodes.options(node) | {"reclaim_age": "1e10"} | options
        daemon = ContainerReplicator(conf, nodes.cluster, nodes.mine(node))
        daemon.run_once()
        passes.append(daemon)
    return passes


def row(name: str, at: int, size: int = 1) -> ObjectRow:
    return ObjectRow(name, Timestamp.of(at).internal, size, "text/plain", "etag", 0, 0)


def made(nodes: DatabaseNodes, node: int, *, put_at: int = 1, policy: int = 0) -> ContainerBroker:
    broker = nodes.container(node)
    broker.initialize(
        "a", "c", put_timestamp=Timestamp.of(put_at).internal, policy_index=policy, now=Timestamp.of(put_at)
    )
    return broker


def names_of(broker: ContainerBroker) -> list[str]:
    return [listed[0] for listed in broker.listing(Query(limit=10000), 0) if isinstance(listed, tuple)]


def primaries_of(nodes: DatabaseNodes) -> list[int]:
    return [device.id for device in nodes.place("container", "a", "c")[1]]


def handoff_of(nodes: DatabaseNodes) -> int:
    return nodes.place("container", "a", "c")[2][0].id


def assert_equal(brokers: list[ContainerBroker]) -> None:
    infos = [broker.info() for broker in brokers]
    assert len({info.hash for info in infos}) == 1
    assert len({(info.object_count, info.bytes_used, info.storage_policy_index) for info in infos}) == 1
    assert len({info.id for info in infos}) == len(infos), "each replica has an identity of its own"


def test_a_missing_replica_gets_the_whole_database(nodes: DatabaseNodes) -> None:
    """Where there is no database a copy arrives, with all rows, pending ones too, and an identity of its own."""
    first, second, third = primaries_of(nodes)
    broker = made(nodes, first)
    broker.merge_rows(row(f"o{index}", index + 2) for index in range(300))
    broker.put_object(row("pending", 9))
    replicate(nodes, first)
    assert_equal([nodes.container(node) for node in (first, second, third)])
    assert "pending" in names_of(nodes.container(third))
    assert nodes.container(second).sync_point(broker.info().id, incoming=True) == broker.max_row()
    for node in (first, second, third):
        tmp = nodes.folder / f"node{node}" / f"d{node}" / "tmp"
        assert not [name for name in os.listdir(tmp) if not name.startswith(".")], "nothing is left behind"


def test_rows_go_both_ways(nodes: DatabaseNodes) -> None:
    """Replicas that took different rows, overlapping and contradicting, agree after each has made a pass."""
    members = primaries_of(nodes)
    brokers = [made(nodes, node) for node in members]
    rng = random.Random(1)
    for broker in brokers:
        for _ in range(200):
            name, at = f"o{rng.randrange(60)}", rng.randrange(2, 1000)
            broker.put_object(tombstone(name, Timestamp.of(at).internal, 0) if at % 3 else row(name, at, at))
    replicate(nodes, *members, *members)
    assert_equal(brokers)
    last = replicate(nodes, *members)
    assert sum(daemon.figures.diff for daemon in last) == 0, "peace: nothing is sent any more"


def test_replicas_that_agree_are_only_looked_at(
    nodes: DatabaseNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle cluster writes nothing, pass after pass."""
    members = primaries_of(nodes)
    for node in members:
        made(nodes, node).put_object(row(f"by {node}", 10 + node))
    replicate(nodes, *members, *members, *members)
    monkeypatch.setattr(ContainerBroker, "write", None)
    for daemon in replicate(nodes, *members):
        assert (daemon.figures.success, daemon.figures.failure) == (2, 0)


def test_a_replica_far_behind_gets_a_copy_and_keeps_its_own_rows(nodes: DatabaseNodes) -> None:
    """Beyond per_diff rows the file goes over, and what only the other had is in it afterwards."""
    first, second, third = primaries_of(nodes)
    big, small = made(nodes, first), made(nodes, second)
    made(nodes, third)
    big.merge_rows(row(f"o{index:04}", 5) for index in range(500))
    small.put_object(row("only here", 7))
    (daemon,) = replicate(nodes, first, per_diff="100")
    assert daemon.figures.remote_merge == 2
    assert "only here" in names_of(nodes.container(second))
    assert len(names_of(nodes.container(second))) == 501
    replicate(nodes, first, second, third, first, second, third)
    assert_equal([nodes.container(node) for node in (first, second, third)])


def test_many_rows_go_in_batches_and_the_rest_next_time(nodes: DatabaseNodes) -> None:
    """max_diffs bounds one meeting; the next pass goes on where this one ended."""
    first, second, third = primaries_of(nodes)
    brokers = [made(nodes, node) for node in (first, second, third)]
    for broker in brokers:
        broker.merge_rows(row(f"x{index}", 3) for index in range(90))
    brokers[0].merge_rows(row(f"o{index}", 5) for index in range(50))
    (daemon,) = replicate(nodes, first, per_diff="10", max_diffs="3")
    assert daemon.figures.diff_capped > 0
    assert nodes.container(second).info().object_count < 140
    for _ in range(6):
        replicate(nodes, first, per_diff="10", max_diffs="3")
    assert_equal([nodes.container(node) for node in (first, second, third)])


def test_a_handoff_goes_when_all_primaries_have_it(nodes: DatabaseNodes) -> None:
    """A database in the wrong place is removed, folder and all, only once every primary has all of its rows."""
    members, handoff = primaries_of(nodes), handoff_of(nodes)
    broker = made(nodes, handoff)
    broker.put_object(row("o", 5))
    (daemon,) = replicate(nodes, handoff)
    assert daemon.figures.remove == 1
    assert not os.path.exists(os.path.dirname(broker.folder))
    for node in members:
        assert names_of(nodes.container(node)) == ["o"]


def test_a_handoff_stays_while_a_primary_is_away(nodes: DatabaseNodes) -> None:
    """Two of three are not all."""
    members, handoff = primaries_of(nodes), handoff_of(nodes)
    broker = made(nodes, handoff)
    broker.put_object(row("o", 5))
    device = nodes.folder / f"node{members[1]}" / f"d{members[1]}"
    device.rename(device.with_name("away"))
    (daemon,) = replicate(nodes, handoff)
    assert daemon.figures.remove == 0
    assert broker.exists()
    device.with_name("away").rename(device)
    replicate(nodes, handoff)
    assert not broker.exists()


def test_metadata_moments_and_deletion_spread(nodes: DatabaseNodes) -> None:
    """Metadata merges item by item, and a deletion reaches the replica that missed it."""
    first, second, third = primaries_of(nodes)
    brokers = [made(nodes, node) for node in (first, second, third)]
    brokers[0].merge_metadata({"X-Container-Meta-A": ("one", Timestamp.of(10).internal)})
    brokers[1].merge_metadata({"X-Container-Meta-B": ("two", Timestamp.of(11).internal)})
    replicate(nodes, first, second, third)
    for broker in brokers:
        assert {name: item[0] for name, item in broker.metadata().items()} == {
            "X-Container-Meta-A": "one",
            "X-Container-Meta-B": "two",
        }
    brokers[2].delete(Timestamp.of(20).internal)
    replicate(nodes, third)
    assert all(broker.is_deleted() for broker in brokers)
    assert all(not item[0] for item in brokers[0].metadata().values())


def test_old_deletions_are_forgotten(nodes: DatabaseNodes) -> None:
    """A tombstone row older than reclaim_age goes; a deleted container of which the account knows goes whole."""
    first = primaries_of(nodes)[0]
    broker = made(nodes, first)
    broker.put_object(tombstone("old", Timestamp.of(5).internal, 0))
    broker.put_object(tombstone("new", now().internal, 0))
    replicate(nodes, first, reclaim_age="1000")
    assert [item["name"] for item in broker.items_since(-1, 10)] == ["new"]
    broker.delete(Timestamp.of(30).internal)
    broker.remember_report(broker.info())
    (daemon,) = replicate(nodes, first, reclaim_age="1000")
    assert daemon.figures.remove == 1
    assert not broker.exists()


def test_synchronised_containers_are_linked_where_they_arrive(nodes: DatabaseNodes, tmp_path: Path) -> None:
    """For stock's container sync; a copy that goes, or is to be synchronised no more, takes its link along."""

    def linked() -> list[Path]:
        return sorted(link.resolve() for link in tmp_path.rglob("sync_containers/*/*/*/*.db"))

    first, *_ = primaries = primaries_of(nodes)
    handoff = handoff_of(nodes)
    broker = made(nodes, handoff)
    both = {"X-Container-Sync-To": "//r/c/a/c", "X-Container-Sync-Key": "k"}
    broker.merge_metadata({name: (value, Timestamp.of(2).internal) for name, value in both.items()})
    replicate(nodes, handoff, *primaries)
    assert linked() == sorted(Path(nodes.container(node).path).resolve() for node in primaries)
    nodes.container(first).merge_metadata({"X-Container-Sync-To": ("", Timestamp.of(3).internal)})
    replicate(nodes, *primaries, *primaries)
    assert linked() == []


def test_the_better_claim_on_a_policy_wins(nodes: DatabaseNodes) -> None:
    """Of two creations under two policies the earlier stands, whichever replica begins."""
    first, second, third = primaries_of(nodes)
    early, late = made(nodes, first, put_at=10, policy=1), made(nodes, second, put_at=20, policy=0)
    replicate(nodes, second, first, third)
    assert early.info().storage_policy_index == late.info().storage_policy_index == 1
    assert nodes.container(third).info().storage_policy_index == 1


def test_accounts_replicate_too(nodes: DatabaseNodes) -> None:
    """The same daemon for the other kind of database."""
    members = [device.id for device in nodes.place("account", "a")[1]]
    broker = nodes.account(members[0])
    broker.initialize("a", put_timestamp=Timestamp.of(1).internal, now=Timestamp.of(1))
    nodes.call(
        "account",
        members[0],
        "PUT",
        "a",
        "c",
        headers={
            "X-Put-Timestamp": Timestamp.of(3).internal,
            "X-Delete-Timestamp": "0",
            "X-Object-Count": "4",
            "X-Bytes-Used": "5",
        },
    )
    AccountReplicator(nodes.options(members[0]), nodes.cluster, nodes.mine(members[0])).run_once()
    for node in members:
        info = nodes.account(node).info()
        assert (info.container_count, info.object_count, info.bytes_used) == (1, 4, 5)


def test_a_pass_leaves_its_figures(nodes: DatabaseNodes) -> None:
    """Recon shows the last pass under stock Swift's names."""
    import json

    made(nodes, primaries_of(nodes)[0])
    replicate(nodes, primaries_of(nodes)[0])
    figures = json.loads((nodes.folder / "container.recon").read_text())
    assert figures["replication_stats"]["attempted"] == 1
    assert figures["replication_stats"]["rsync"] == 2
    assert {"replication_time", "replication_last"} <= set(figures)


def test_a_corrupt_replica_is_replaced(nodes: DatabaseNodes) -> None:
    """The server that finds it says 503 and puts it away; the others' replicators bring a good one."""
    first, second, third = primaries_of(nodes)
    broker = made(nodes, first)
    broker.merge_rows(row(f"o{index:04}", 5) for index in range(500))
    replicate(nodes, first)
    bad = nodes.container(second)
    with open(bad.path, "r+b") as handle:
        handle.write(b"\xff" * 8192)
    assert nodes.call("container", second, "HEAD", "a", "c").status == 503
    assert nodes.call("container", second, "HEAD", "a", "c").status == 404
    assert os.listdir(nodes.folder / f"node{second}" / f"d{second}" / "quarantined" / "containers")
    replicate(nodes, first)
    assert nodes.call("container", second, "HEAD", "a", "c").headers["X-Container-Object-Count"] == "500"
    assert_equal([nodes.container(node) for node in (first, second, third)])


@pytest.mark.parametrize("seed", range(3))
def test_all_ends_in_peace(nodes: DatabaseNodes, seed: int) -> None:
    """Random writes anywhere, meetings of some, a disk lost in the middle; then every node meets every other."""
    rng = random.Random(seed)
    members = [*primaries_of(nodes), handoff_of(nodes)]
    expected: dict[str, ObjectRow] = {}
    for step in range(60):
        node = rng.choice(members)
        broker = nodes.container(node) if nodes.container(node).exists() else made(nodes, node)
        name, at = f"o{rng.randrange(30)}", 2 + step
        late = at - rng.randrange(3)
        new = tombstone(name, Timestamp.of(late).internal, 0) if rng.random() < 0.3 else row(name, late, step)
        broker.put_object(new)
        expected[name] = joined(expected.get(name, new), new)
        broker.close()
        if rng.random() < 0.15:
            replicate(nodes, rng.choice(members), per_diff=rng.choice(["3", "1000"]))
        if step == 40:
            everybody = [one for one in members if nodes.container(one).exists()]
            replicate(nodes, *everybody, *everybody)
            shutil.rmtree(
                nodes.folder / f"node{members[0]}" / f"d{members[0]}" / "containers", ignore_errors=True
            )
    for _ in range(3):
        replicate(nodes, *[node for node in members if nodes.container(node).exists()])
    primaries = [nodes.container(node) for node in primaries_of(nodes)]
    assert_equal(primaries)
    live = sorted(name for name, one in expected.items() if not one.deleted)
    assert [names_of(broker) for broker in primaries] == [live] * 3, f"seed {seed}"
    assert not nodes.container(handoff_of(nodes)).exists()
