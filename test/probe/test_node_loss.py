"""A real tree goes up while a storage node dies, and comes back identical; then a lost disk is made whole."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trees
from clusters import AllInOne, all_in_one
from counting import Count, count_copies, survey
from lagging import announced, lacking
from programs import REMOTE, rclone, swift

pytestmark = pytest.mark.slow

WHOLE = os.environ.get("APUS_PROBE") == "full"
BIG_BYTES = 1 << 30 if WHOLE else 64 << 20
REPLICATORS = ("account-replicator", "container-replicator", "object-replicator")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python's own library, one big file, and names that are trouble."""
    folder = tmp_path_factory.mktemp("tree")
    trees.standard_library(folder / "library", whole=WHOLE)
    trees.odd_names(folder / "odd")
    trees.big_file(folder / "big", BIG_BYTES)
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllInOne]:
    """A cluster to break."""
    with all_in_one(tmp_path_factory.mktemp("cluster")) as ours:
        yield ours


def while_it_runs(work: Callable[[], object], cluster: AllInOne, container: str, *, kill: str) -> None:
    """Do the work; kill the node as soon as the container holds something."""
    client = cluster.store.client()
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as problem:  # noqa: BLE001 - handed to the main thread
            failures.append(problem)

    thread = threading.Thread(target=guarded)
    thread.start()
    while (
        thread.is_alive() and int(client.head(container).headers.get("x-container-object-count", "0")) < 100
    ):
        thread.join(0.05)
    assert thread.is_alive(), f"the work was done before anything could be killed: {failures}"
    cluster.kill(kill)
    thread.join()
    if failures:
        raise failures[0]


def test_swift_upload_survives_a_node(cluster: AllInOne, tree: Path, tmp_path: Path) -> None:
    """`swift upload`, a node killed in the middle, `swift download` without it: identical by checksum."""
    store = cluster.store
    while_it_runs(
        lambda: swift(store, "upload", "by-swift", ".", cwd=tree), cluster, "by-swift", kill="node3"
    )
    swift(store, "download", "by-swift", "--output-dir", str(tmp_path), cwd=tmp_path)
    assert trees.digests(tmp_path) == trees.digests(tree)
    cluster.start("node3")


def test_rclone_copy_survives_a_node(cluster: AllInOne, tree: Path, tmp_path: Path) -> None:
    """`rclone copy`, another node killed in the middle, and back without it."""
    store = cluster.store
    remote = f"{REMOTE}:by-rclone"
    while_it_runs(lambda: rclone(store, "copy", str(tree), remote), cluster, "by-rclone", kill="node2")
    rclone(store, "copy", remote, str(tmp_path / "back"))
    assert trees.digests(tmp_path / "back") == trees.digests(tree)
    cluster.start("node2")


def test_a_lost_disk_is_made_whole(cluster: AllInOne, tree: Path) -> None:
    """After a disk was swapped for an empty one, passes of the daemons restore every copy, counted exactly.

    Where more than one thing fails at the moment of a kill, one replica may be all that has a name's row: its
    answer says X-Listing-Pending, and a listing between the other two lacks it. Exactly the names of which the
    proxy has logged that are let pass before an updater's pass; as their rows hang on one disk until then, it
    comes before that disk may be lost.
    """
    client = cluster.store.client()
    for container in ("by-swift", "by-rclone"):
        assert lacking(cluster, container, trees.digests(tree)) <= announced(cluster, container).keys()
    if any(announced(cluster, container) for container in ("by-swift", "by-rclone")):
        cluster.once("object-updater")
    for container in ("by-swift", "by-rclone"):
        assert sorted(client.names_in(container)) == sorted(trees.digests(tree))
    cluster.wipe("node1/d1")
    before = count_copies(cluster)
    assert before.below, "an empty disk lacks nothing?"
    cluster.once("object-updater", *REPLICATORS, *REPLICATORS)
    objects = 2 * len(trees.digests(tree))
    assert count_copies(cluster) == Count(objects=objects, below=0, above=0, stale_handoffs=0)
    (policy,) = survey(cluster)["policies"]
    assert policy["objects_by_copies"] == {"3": objects}
    assert (policy["partitions_below"], policy["stale_handoffs"], policy["settled"]) == (0, 0, True)
    for container in ("by-swift", "by-rclone"):
        assert sorted(client.names_in(container)) == sorted(trees.digests(tree))
