"""A log of rows is at a quorum of a container's replicas, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from storage_doubles import StorageNode, doubled_cluster, fails_with

from apus.common.errors import Unavailable
from apus.common.http.answer import Answer
from apus.common.http.request import Request
from apus.common.timestamp import Timestamp

ACCOUNT = ".log"
MOMENT = Timestamp(170_000_000_000_000)


@pytest.mark.parametrize(("failing", "is_kept"), [(0, True), (1, True), (2, False), (3, False)])
def test_an_entry_is_at_a_quorum_or_refused(tmp_path: Path, *, failing: int, is_kept: bool) -> None:
    """No device that is no replica of the container is asked to stand in: nobody would read the entry there."""
    with doubled_cluster(tmp_path) as cluster:
        log = cluster.proxy.row_log(ACCOUNT)
        primaries = _primaries(cluster.nodes, log_container="c", proxy=cluster.proxy)
        for node in primaries[:failing]:
            node.misbehaviour = fails_with(503, "PUT", "DELETE")
        if is_kept:
            log.put("c", "a/b ü", "text", MOMENT)
        else:
            with pytest.raises(Unavailable):
                log.put("c", "a/b ü", "text", MOMENT)
        asked = {id(node) for node in cluster.nodes if node.requests}
        assert asked == {id(node) for node in primaries}
        _, path, headers = primaries[-1].requests[-1]
        assert path.endswith("/.log/c/a/b ü")
        assert headers["X-Content-Type"] == "text"
        assert headers["X-Timestamp"] == MOMENT.internal


def test_what_any_replica_shows_counts(tmp_path: Path) -> None:
    """Of a name the newest word; a silent replica is done without, and of none nobody can tell."""
    with doubled_cluster(tmp_path) as cluster:
        log = cluster.proxy.row_log(ACCOUNT)
        primaries = _primaries(cluster.nodes, log_container="c", proxy=cluster.proxy)
        assert not log.rows("c").rows
        shown = (("old", MOMENT), ("new", MOMENT.later(5)), ("older", MOMENT.later(-5)))
        for node, (text, moment) in zip(primaries, shown, strict=True):
            node.databases[f"{ACCOUNT}/c"] = {}
            row = {"name": "n", "content_type": text, "last_modified": moment.isoformat, "deleted": False}
            node.rows[f"{ACCOUNT}/c"] = [{**row, "bytes": 0, "hash": "x"}]
        assert [(row.name, row.text) for row in log.rows("c").rows] == [("n", "new")]
        primaries[1].misbehaviour = _fails
        assert [row.text for row in log.rows("c").rows] == ["old"]
        for node in primaries:
            node.misbehaviour = _fails
        with pytest.raises(Unavailable):
            log.rows("c")


def _fails(_request: Request, _node: StorageNode) -> Answer:
    return Answer(503)


def _primaries(nodes: list[StorageNode], *, log_container: str, proxy: object) -> list[StorageNode]:
    """Return the replicas of a container of the log."""
    rings = proxy._replicas.rings  # type: ignore[attr-defined]
    by_port = {node.port: node for node in nodes}
    return [by_port[device.port] for device in rings.of_container(ACCOUNT, log_container).primaries]
