"""Where a name belongs, as far as the rings of this machine say.

names, ring ──▶ apus-get-nodes' lines; nothing where there is no ring
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...common.errors import ApusError
from ...ring.console.locations import Target, described, folder_of
from ...ring.table import Ring


def place_lines(swift_dir: str, ring_name: str, names: tuple[str, ...], path_hash: str) -> Iterator[str]:
    """Yield the devices of a name and the commands to look at them."""
    try:
        ring = Ring.load(Path(swift_dir) / f"{ring_name}.ring.gz")
    except (OSError, ApusError):
        return
    _, _, index = ring_name.partition("-")
    target = Target(
        names,
        path_hash,
        ring.partition(path_hash),
        folder_of(ring_name, names),
        int(index or 0) if ring_name.startswith("object") else None,
    )
    yield from described(ring, target, all_handoffs=False)
