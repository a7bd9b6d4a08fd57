"""PUT into containers that list a million and ten million objects already, beside an empty one.

    one replica filled through the broker ──▶ brought to the others by our replicator ──▶ windows of PUTs

Each container is made once and then loaded in turns with the empty one, so that all see the same machine.
New names fall between the old ones, all over the index: that costs more than a folder uploaded in order.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace

from apus.container.rows import ObjectRow

from . import filling
from .load import Pair, Unfit
from .ours import Apus
from .peer import Reading, Run
from .shape import DEVICES
from .workloads import KIB, Workload

CONNECTIONS = 16
WINDOW_SECONDS = 6.0
ROUNDS = 5
EMPTY, MILLION, TEN_MILLION = "empty", "1m", "10m"
ROWS = {MILLION: 1_000_000, TEN_MILLION: 10_000_000}
BATCH = 20_000
FOLDER = 1000  # Objects in each folder of a filled container.
FREE_BYTES_MIN = 16 << 30  # Three replicas of 1.7 GB, as much again while they are copied, and room to spare.
MOMENT = "1700000000.00000"


def measure(run: Run) -> Iterator[Reading]:
    """Fill, then load by turns; ten million rows take some minutes to make."""
    if run.quick:
        return
    if shutil.disk_usage(run.folder).free < FREE_BYTES_MIN:
        raise Unfit(f"ten million rows need {FREE_BYTES_MIN >> 30} GB of disk for a while; set TMPDIR")
    peer = Apus(run.folder)
    try:
        peer.start()
        pair = Pair([peer], run)
        try:
            workloads = [_into(label) for label in (EMPTY, *ROWS)]
            # The first round makes the containers, and is thrown away.
            for _ in pair.round(0, [replace(each, seconds=0.5) for each in workloads], ()):
                pass
            pair.close()
            for label, count in ROWS.items():
                run.tell(f"a container of {count:,} rows")
                fill(peer, f"{_into(label).label}x{CONNECTIONS}-0", count)
            pair = Pair([peer], run)
            for number in range(1, ROUNDS + 1):
                yield from pair.round(number, workloads, ())
        finally:
            pair.close()
    finally:
        peer.stop()


def _into(label: str) -> Workload:
    folders = ROWS.get(label, max(ROWS.values())) // FOLDER
    return Workload(
        f"4k-into-{label}", 4 * KIB, CONNECTIONS, WINDOW_SECONDS, ("put",), containers=1, folders=folders
    )


def fill(peer: Apus, container: str, count: int) -> None:
    """Write that many rows into one replica of the container; our replicator brings them to the others."""
    devices = [peer.devices / device for device in DEVICES]
    account = peer.endpoint().path.rpartition("/")[2]
    found = list(filling.replicas(devices, account, container))
    broker = found[0]
    for start in range(0, count, BATCH):
        broker.merge_rows(_row(number) for number in range(start, min(count, start + BATCH)))
    for each in found:
        each.close()
    peer.replicate_containers()
    for each in filling.replicas(devices, account, container):
        found_rows = each.info().object_count
        each.close()
        if found_rows < count:
            raise Unfit(f"a replica of {container} has {found_rows:,} of {count:,} rows")


def _row(number: int) -> ObjectRow:
    name = f"folder-{number // FOLDER:06d}/object-{number:08d}"
    return ObjectRow(name, MOMENT, 4096, "application/octet-stream", "d41d8cd98f00b204e9800998ecf8427e", 0, 0)
