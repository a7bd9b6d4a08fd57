"""Accounts learn what their containers hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_nodes import DatabaseNodes

from apus.common.timestamp import Timestamp
from apus.container.rows import ObjectRow
from apus.container.updater import ContainerUpdater


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[DatabaseNodes]:
    cluster = DatabaseNodes(tmp_path)
    yield cluster
    cluster.close()


def moment(seconds: int) -> str:
    return Timestamp.of(seconds).internal


def with_account(nodes: DatabaseNodes) -> list[int]:
    members = [device.id for device in nodes.place("account", "a")[1]]
    for node in members:
        nodes.account(node).initialize("a", put_timestamp=moment(1), now=Timestamp.of(1))
    return members


def container_on(nodes: DatabaseNodes, node: int, put_at: int = 2) -> None:
    broker = nodes.container(node)
    broker.initialize("a", "c", put_timestamp=moment(put_at), policy_index=0, now=Timestamp.of(2))
    broker.put_object(ObjectRow("o", moment(3), 7, "a/b", "e", 0, 0))


def update(nodes: DatabaseNodes, node: int) -> ContainerUpdater:
    daemon = ContainerUpdater(nodes.options(node), nodes.cluster)
    daemon.run_once()
    return daemon


def test_counts_reach_every_replica_of_the_account(nodes: DatabaseNodes) -> None:
    """Once; a container that has nothing new is not reported again; a deletion is."""
    members = with_account(nodes)
    container_on(nodes, 0)
    update(nodes, 0)
    for node in members:
        info = nodes.account(node).info()
        assert (info.container_count, info.object_count, info.bytes_used) == (1, 1, 7)
    assert nodes.container(0).info().reported
    rows_before = nodes.account(members[0]).max_row()
    update(nodes, 0)
    assert nodes.account(members[0]).max_row() == rows_before
    nodes.container(0).merge_rows([ObjectRow("o", moment(4), 0, "application/deleted", "noetag", 1, 0)])
    nodes.container(0).delete(moment(5))
    update(nodes, 0)
    assert nodes.account(members[0]).info().container_count == 0


def test_without_a_majority_it_is_tried_again(nodes: DatabaseNodes) -> None:
    """A report that two of three replicas did not take is not remembered as made."""
    members = with_account(nodes)
    container_on(nodes, 0)
    for node in members[1:]:
        nodes.account(node).remove(expected_max_row=-1)
    update(nodes, 0)
    assert not nodes.container(0).info().reported
    assert nodes.container(0).exists()


def test_a_container_that_made_itself_has_nothing_to_report(nodes: DatabaseNodes) -> None:
    """Without a put of its own its counts mean nothing yet."""
    members = with_account(nodes)
    container_on(nodes, 0, put_at=0)
    update(nodes, 0)
    assert nodes.account(members[0]).info().container_count == 0


def test_a_sweep_leaves_its_figure(nodes: DatabaseNodes) -> None:
    """Recon shows how long it took."""
    update(nodes, 0)
    assert json.loads((nodes.folder / "container.recon").read_text())["container_updater_sweep"] >= 0


def test_the_server_tells_the_account_at_once(nodes: DatabaseNodes) -> None:
    """A PUT or DELETE of a container reaches the account servers that the proxy names; all 404 is a 404."""
    partition, devices, _ = nodes.place("account", "a")
    headers = {
        "X-Account-Host": ", ".join(f"{device.ip}:{device.port}" for device in devices),
        "X-Account-Device": ", ".join(device.device for device in devices),
        "X-Account-Partition": str(partition),
    }
    assert nodes.call("container", 0, "PUT", "a", "c é", headers=headers).status == 404
    with_account(nodes)
    assert nodes.call("container", 0, "PUT", "a", "c é", headers=headers).status == 202
    assert nodes.account(devices[0].id).info().container_count == 1
    assert nodes.call("container", 0, "DELETE", "a", "c é", headers=headers).status == 204
    assert nodes.account(devices[0].id).info().container_count == 0
    odd = headers | {"X-Account-Host": "127.0.0.1:1"}
    assert nodes.call("container", 0, "PUT", "a", "c é", headers=odd).status == 400
