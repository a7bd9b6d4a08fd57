"""What one pass of a replicator has done, in the figures that swift-recon knows.

    jobs ──▶ Stats ──▶ as_recon() ──▶ object.recon, log line

Names are stock Swift's where the thing is the same; objects and bytes are ours. It counts, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..ring.device import Device


@dataclass(slots=True)
class Stats:
    """Figures of one device or of a whole pass."""

    attempted: int = 0
    success: int = 0
    failure: int = 0
    hashmatch: int = 0
    rsync: int = 0
    remove: int = 0
    suffix_count: int = 0
    suffix_sync: int = 0
    objects_pushed: int = 0
    bytes_pushed: int = 0
    handoffs_remaining: int = 0
    failure_nodes: dict[str, dict[str, int]] = field(default_factory=dict)

    def fail(self, device: Device) -> None:
        """Count a peer that did not take what it should."""
        self.failure += 1
        by_device = self.failure_nodes.setdefault(device.replication_ip, {})
        by_device[device.device] = by_device.get(device.device, 0) + 1

    def fail_all(self, devices: Iterable[Device]) -> None:
        """Count peers that were not even reached, because something was wrong here."""
        for device in devices:
            self.fail(device)

    def as_recon(self) -> dict[str, object]:
        """Return the figures that the node shows under /recon/replication/object."""
        return {name: getattr(self, name) for name in (*COUNTERS, "failure_nodes")}


COUNTERS = (
    "attempted",
    "success",
    "failure",
    "hashmatch",
    "rsync",
    "remove",
    "suffix_count",
    "suffix_sync",
    "objects_pushed",
    "bytes_pushed",
    "handoffs_remaining",
)
