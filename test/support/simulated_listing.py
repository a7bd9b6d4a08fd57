"""The container of the simulated cluster: rows on three nodes, reported by object servers, exchanged, queued.

    object server ──report()──▶ one container replica ──▶ its rows, joined   in time: the answer says so
                                                     └──▶ silence: the row is queued on the object server's disk
    updater ──deliver()──▶ queued rows to every replica     replicator ──exchange()──▶ rows to other replicas

`container.rows.joined` decides which of two reports is right; how rows travel is only stood in for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from simulated_network import SECOND

from apus.container.rows import ObjectRow, moments_of, tombstone
from apus.proxy import quorum

if TYPE_CHECKING:
    from simulated_cluster import Node, Promise, SimulatedCluster

LISTING = -1
"""The container's own partition, among those whose disks may be lost one at a time."""
PATIENCE_TICKS = 3 * SECOND


class SimulatedListing:
    """One container's replicas."""

    def __init__(self, cluster: SimulatedCluster, join: Callable[[ObjectRow, ObjectRow], ObjectRow]) -> None:
        self.cluster = cluster
        self.join = join
        self.replicas = cluster.chance.sample(cluster.nodes, cluster.scale.replicas)

    def report(self, node: Node, index: int, promise: Promise, answer: Callable[[bool], None]) -> None:
        """Tell one replica of a write, then answer the proxy whether it knows; a row untold is queued."""
        host, row, disk, open_ = self.replicas[index], row_of(promise), node.disk, [True]

        def told() -> None:
            if open_:
                open_.clear()
                answer(True)

        def give_up() -> None:
            if open_:
                open_.clear()
                disk.pending.append((row, set(range(len(self.replicas)))))
                answer(False)

        self._tell(host, [row], told)
        self.cluster.clock.after(PATIENCE_TICKS, give_up)

    def deliver(self, node: Node) -> None:
        """Make one sweep of the node's updater."""
        disk = node.disk
        for row, missing in disk.pending:
            for index in sorted(missing):
                self._tell(self.replicas[index], [row], functools.partial(missing.discard, index))
        disk.pending[:] = [(row, missing) for row, missing in disk.pending if missing]

    def exchange(self, node: Node) -> None:
        """Make one pass of the node's container replicator."""
        if node in self.replicas and node.disk.rows:
            for peer in self.replicas:
                if peer is not node:
                    self._tell(peer, list(node.disk.rows.values()), lambda: None)

    def is_whole(self) -> bool:
        """Whether all replicas hold the same rows."""
        first, *others = (node.disk.rows for node in self.replicas)
        return all(rows == first for rows in others)

    def unlisted(self, promise: Promise) -> Iterator[str]:
        """Yield a complaint when a listing read from a quorum may miss what was just acknowledged as listed."""
        name, moment = promise.name.digest, promise.moment
        rows = (node.disk.rows.get(name) for node in self.replicas)
        knowing = sum(row is not None and moments_of(row.created_at)[0] >= moment for row in rows)
        if knowing < quorum.quorum_size(len(self.replicas)) - (LISTING in self.cluster.wounded):
            yield f"{promise} was acknowledged as listed, and {knowing} replicas know of it"

    def broken(self, promise: Promise, *, is_last: bool) -> str | None:
        """Return how the listing contradicts a write that was acknowledged as listed, if it does."""
        if not self.is_whole():
            return "container replicas differ"
        row = self.replicas[0].disk.rows.get(promise.name.digest)
        if row is None or moments_of(row.created_at)[0] < promise.moment:
            return f"{promise} was acknowledged as listed, and the listing has {row}"
        if is_last and bool(row.deleted) != (promise.method == "DELETE"):
            return f"{promise} was the last word, and the listing has {row}"
        return None

    def _tell(self, host: Node, rows: list[ObjectRow], done: Callable[[], None]) -> None:
        network = self.cluster.network

        def arrive() -> None:
            if host.up:
                held = host.disk.rows
                for row in rows:
                    held[row.name] = self.join(held[row.name], row) if row.name in held else row
                network.send(done)

        network.send(arrive)


def row_of(promise: Promise) -> ObjectRow:
    """Return the row that an object server reports for a write."""
    moment = promise.moment.internal
    if promise.method == "DELETE":
        return tombstone(promise.name.digest, moment, 0)
    return ObjectRow(promise.name.digest, moment, 1, "text/plain", moment, 0, 0)
