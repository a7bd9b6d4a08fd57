"""Our replicas of databases and stock Swift's become equal, whoever begins."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_nodes import DatabaseNodes
from stock import stock_venv

from apus.common.timestamp import Timestamp
from apus.container.broker import ContainerBroker
from apus.container.rows import ObjectRow, tombstone
from apus.replicator.database import ContainerReplicator

pytestmark = pytest.mark.interop


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[DatabaseNodes]:
    """Two nodes of each."""
    made = DatabaseNodes(tmp_path, policies=2, stock=frozenset((0, 2)), stock_venv=stock_venv())
    yield made
    made.close()


def replicate(nodes: DatabaseNodes, *order: int, **options: str) -> None:
    for node in order:
        if node in (0, 2):
            nodes.stock_once("container", node, **options)
        else:
            conf = nodes.options(node) | {"reclaim_age": "1e10"} | options
            ContainerReplicator(conf, nodes.cluster, nodes.mine(node)).run_once()


def made(nodes: DatabaseNodes, node: int, put_at: int = 1_700_000_000) -> ContainerBroker:
    broker = nodes.container(node)
    broker.initialize(
        "a", "c", put_timestamp=Timestamp.of(put_at).internal, policy_index=0, now=Timestamp.of(put_at)
    )
    return broker


def some_rows(seed: int, count: int) -> list[ObjectRow]:
    """Rows of late, so that neither side takes their deletions for long forgotten."""
    import time

    rng, base = random.Random(seed), int(time.time()) - 1000
    rows = []
    for _ in range(count):
        name, at = f"o{rng.randrange(80)}é", Timestamp.of(base + rng.randrange(900)).internal
        rows.append(
            tombstone(name, at, 0)
            if rng.random() < 0.3
            else ObjectRow(name, at, rng.randrange(99), "a/b; charset=x", f"e{seed}", 0, 0)
        )
    return rows


def assert_equal(brokers: list[ContainerBroker]) -> None:
    infos = [broker.info() for broker in brokers]
    assert len({(info.hash, info.object_count, info.bytes_used) for info in infos}) == 1
    assert len({info.id for info in infos}) == len(infos)
    metadata = [broker.metadata() for broker in brokers]
    assert all(one == metadata[0] for one in metadata)


def test_rows_and_metadata_go_both_ways(nodes: DatabaseNodes) -> None:
    """Each side takes rows, tombstones and metadata of the other, and then there is peace."""
    members = [device.id for device in nodes.place("container", "a", "c")[1]]
    assert {node in (0, 2) for node in members} == {True, False}
    brokers = [made(nodes, node) for node in members]
    for seed, broker in enumerate(brokers):
        for row in some_rows(seed, 150):
            broker.put_object(row)
        broker.merge_metadata({f"X-Container-Meta-{seed}": ("ü", Timestamp.of(1_700_000_100).internal)})
        broker.close()
    replicate(nodes, *members, *members)
    assert_equal(brokers)


@pytest.mark.parametrize("ours_has_it", [True, False])
def test_a_row_in_pending_reaches_the_others(nodes: DatabaseNodes, ours_has_it: bool) -> None:
    """Rows that wait beside the tables are sent too, by either program."""
    members = [device.id for device in nodes.place("container", "a", "c")[1]]
    brokers = {node: made(nodes, node) for node in members}
    source = next(node for node in members if (node not in (0, 2)) == ours_has_it)
    brokers[source].put_object(some_rows(1, 1)[0])
    brokers[source].close()
    replicate(nodes, source)
    assert_equal(list(brokers.values()))


@pytest.fixture
def rsync_module(nodes: DatabaseNodes) -> Iterator[str]:
    """An rsync server with a module for each device."""
    if shutil.which("rsync") is None:
        pytest.skip("rsync is not installed")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    conf = nodes.folder / "rsyncd.conf"
    modules = [f"[d{node}]\npath = {nodes.folder}/node{node}\nread only = no\n" for node in range(4)]
    conf.write_text(f"use chroot = no\nuid = {os.getuid()}\ngid = {os.getgid()}\n" + "".join(modules))
    server = subprocess.Popen(
        ["rsync", "--daemon", "--no-detach", f"--config={conf}", f"--port={port}", "--address=127.0.0.1"]
    )
    yield f"rsync://127.0.0.1:{port}/{{device}}"
    server.kill()
    server.wait()


@pytest.mark.parametrize("ours_has_it", [True, False])
def test_whole_databases_go_both_ways(nodes: DatabaseNodes, rsync_module: str, ours_has_it: bool) -> None:
    """By rsync towards stock, by rsync from stock; and a copy that is far behind keeps its own rows."""
    members = [device.id for device in nodes.place("container", "a", "c")[1]]
    source = next(node for node in members if (node not in (0, 2)) == ours_has_it)
    broker = made(nodes, source)
    broker.merge_rows(some_rows(1, 300))
    broker.put_object(some_rows(2, 1)[0])
    behind = next(node for node in members if (node in (0, 2)) == ours_has_it)
    made(nodes, behind).merge_rows(some_rows(3, 2))
    broker.close()
    replicate(nodes, source, per_diff="20", rsync_module=rsync_module)
    assert all(nodes.container(node).exists() for node in members)
    replicate(nodes, *members, *members, rsync_module=rsync_module)
    assert_equal([nodes.container(node) for node in members])


def test_stock_is_given_a_whole_database_by_rows_only_when_rsync_is_away(nodes: DatabaseNodes) -> None:
    """Without an rsync server a stock node that has nothing cannot be given a copy; nothing is broken by trying."""
    members = [device.id for device in nodes.place("container", "a", "c")[1]]
    ours = next(node for node in members if node not in (0, 2))
    broker = made(nodes, ours)
    broker.merge_rows(some_rows(1, 20))
    replicate(nodes, ours)
    others = [node for node in members if node != ours]
    for node in others:
        assert nodes.container(node).exists() == (node not in (0, 2))
