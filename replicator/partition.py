"""Making one partition of ours, and its copies elsewhere, agree.

    we are a primary:  our suffix hashes ─▶ each other primary's ─▶ what differs ─▶ pushes
    we are a handoff:  all that lies here ─▶ every primary ─▶ once each has confirmed ─▶ removed here

What is to be pushed, and when a copy may go, is `plan`'s to say; how, is `push`'s. A primary that is not
mounted is stood in for by the next handoff. A handoff removes only the files that it has seen
confirmed, under the partition's lock, so what arrives meanwhile stays for the next pass.

It does not know which partitions there are.
"""

from __future__ import annotations

import itertools
import logging
import random
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..common.concurrency import Crew
from ..common.errors import ApusError, Corrupt, Unavailable
from ..common.timestamp import Timestamp
from ..object.files.locks import LockTimeout, locked
from ..ring.device import Device
from ..ring.table import Ring
from . import plan
from .bulk import deliver, fit_for_bulk, in_loads
from .local import Copy, LocalDevice
from .peer import PeerClient, Place, Unmounted
from .plan import Inventory, Push
from .push import Outcome, Sent, push
from .stats import Stats

log = logging.getLogger(__name__)

LOCK_NAME = "replication"
LOCK_PATIENCE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every partition's work needs; made once a pass."""

    peers: PeerClient
    pushers: Crew
    loaders: Crew
    clock: Callable[[], Timestamp]
    chance: random.Random
    handoff_delete: int = 0


@dataclass(slots=True)
class PartitionWork:
    """One partition on one of our devices, in one pass."""

    means: Means
    ring: Ring
    ours: Device
    local: LocalDevice
    partition: int
    stats: Stats
    _failed: set[int] = field(default_factory=set)
    _hashes: dict[str, str] = field(default_factory=dict)
    _buried: dict[str, tuple[Copy, Timestamp]] = field(default_factory=dict)

    def update(self) -> None:
        """Bring the other primaries what they lack of ours."""
        self.stats.attempted += 1
        self._hashes = self.local.hashes(self.partition)
        self.stats.suffix_count += len(self._hashes)
        waiting = deque(self.ring.primaries(self.partition) if self._hashes else ())
        waiting = deque(device for device in waiting if device.id != self.ours.id)
        self.means.chance.shuffle(waiting)
        handoffs = self.ring.handoffs(self.partition)
        asked, synced_regions = 0, set[int]()
        while waiting:
            device = waiting.popleft()
            asked += 1
            if device.region in synced_regions:
                continue  # The copy that is there now will be brought on by its own node.
            try:
                pushed = self._attempt(device, self._update_one)
            except Unmounted:
                sure = 1 + asked - len(self._failed)
                waiting.extend(self._stand_in(handoffs, copies_sure=sure, primaries_left=len(waiting)))
                continue
            if pushed and device.region != self.ours.region:
                synced_regions.add(device.region)
        self._bury()
        self.stats.success += asked - len(self._failed)

    def _stand_in(self, handoffs: Iterator[Device], *, copies_sure: int, primaries_left: int) -> list[Device]:
        limit = self.means.handoff_delete
        if not plan.needs_stand_in(
            copies_sure=copies_sure, primaries_left=primaries_left, handoff_delete=limit
        ):
            return []
        found = list(itertools.islice(handoffs, 1))
        if not found:
            log.error("no handoff is left to stand in", extra={"partition": self.partition})
        return found

    def revert(self) -> None:
        """Bring the primaries all that lies here, and let go of what each of them has."""
        self.stats.attempted += 1
        try:
            with locked(
                self.local.partition_path(self.partition), LOCK_NAME, timeout_seconds=LOCK_PATIENCE_SECONDS
            ):
                self._revert_locked()
        except FileNotFoundError:
            return
        except LockTimeout:
            log.info("handoff partition is busy", extra={"path": self.local.partition_path(self.partition)})
        if self.local.is_empty(self.partition) and self.local.remove_partition(self.partition):
            self.stats.remove += 1
        else:
            self.stats.handoffs_remaining += 1

    def _revert_locked(self) -> None:
        hashes = self.local.hashes(self.partition)
        copies = self.local.copies(self.partition, hashes)
        primaries = self.ring.primaries(self.partition)
        confirmed: Counter[str] = Counter()
        for device in primaries if copies else []:
            try:
                confirmed.update(
                    self._attempt(device, lambda place: self._bring(place, copies, hashes, hashes))
                )
            except Unmounted:
                continue
        for digest, copy in copies.items():
            if plan.may_remove_handoff(
                confirmed=confirmed[digest],
                primaries=len(primaries),
                handoff_delete=self.means.handoff_delete,
            ):
                copy.remove()
                self._buried.pop(digest, None)
        self._bury()
        self.stats.success += len(primaries) - len(self._failed)

    def _attempt(self, device: Device, work: Callable[[Place], set[str]]) -> set[str]:
        """Do the work with one peer; one that fails is counted and leaves the others alone.

        Raises:
            Unmounted: when the peer is there and its device is not.
        """
        try:
            return work(Place(device, self.local.policy.index, self.partition))
        except Unmounted:
            log.warning("peer is not mounted", extra=_peer(device))
            self._fail(device)
            raise
        except (Unavailable, Corrupt) as problem:
            log.warning("peer cannot be replicated to", extra={**_peer(device), "problem": str(problem)})
            self._fail(device)
            return set()

    def _fail(self, device: Device) -> None:
        if device.id not in self._failed:
            self._failed.add(device.id)
            self.stats.fail(device)

    def _update_one(self, place: Place) -> set[str]:
        theirs = self.means.peers.hashes(place)
        suspects = [suffix for suffix in plan.differing_suffixes(self._hashes, theirs) if suffix in theirs]
        if suspects:
            # Ours may be out of date by a write that was under way: only what still differs is looked at.
            # What the peer lacks altogether differs in any case.
            self._hashes = self.local.hashes(self.partition, suspects)
        differing = plan.differing_suffixes(self._hashes, theirs)
        if not differing:
            self.stats.hashmatch += 1
            return set()
        self.stats.rsync += 1
        self.stats.suffix_sync += len(differing)
        return self._bring(place, self.local.copies(self.partition, differing), differing, theirs)

    def _bring(
        self, place: Place, copies: Mapping[str, Copy], suffixes: Collection[str], theirs: Mapping[str, str]
    ) -> set[str]:
        """Push what the peer lacks; return the hashes of all that it now holds, or newer.

        Suffixes that `theirs` lacks need not be asked about. A stock server can't say what it holds:
        it is offered everything, and answers 409 to what it has.
        """
        asked = [suffix for suffix in suffixes if suffix in theirs]
        held = self.means.peers.inventory(place, asked) if asked else {}
        ours: Inventory = {digest: copy.version for digest, copy in copies.items()}
        for digest, moment in plan.burials(ours, held or {}).items():
            self._buried[digest] = (copies[digest], moment)
        horizon = plan.reclaim_horizon(self.means.clock(), self.local.reclaim_age_seconds)
        wanted = plan.pushes(ours, held or {}, horizon=horizon)
        confirmed = ours.keys() - {each.hash for each in wanted}
        if self.means.peers.takes_parcels(place):
            delivered = self._deliver(place, copies, fit_for_bulk(wanted, held or {}))
            confirmed |= delivered
            wanted = [each for each in wanted if each.hash not in delivered]
        sent = list(self.means.pushers.map(lambda each: self._push(place, copies, each), wanted))
        for each, outcome in zip(wanted, sent, strict=True):
            self.stats.objects_pushed += outcome.objects
            self.stats.bytes_pushed += outcome.bytes
            if outcome.outcome is Outcome.CONFIRMED:
                confirmed.add(each.hash)
        if any(outcome.outcome is Outcome.FAILED for outcome in sent):
            self._fail(place.device)
        return confirmed

    def _deliver(self, place: Place, copies: Mapping[str, Copy], hashes: Sequence[str]) -> set[str]:
        """Bring what can travel in parcels; return the hashes that the peer then holds."""
        confirmed: set[str] = set()
        peers = self.means.peers
        loads = in_loads(hashes)
        for delivered in self.means.loaders.map(lambda load: deliver(peers, place, copies, load), loads):
            self.stats.objects_pushed += delivered.objects
            self.stats.bytes_pushed += delivered.bytes
            confirmed |= delivered.confirmed
        return confirmed

    def _push(self, place: Place, copies: Mapping[str, Copy], each: Push) -> Sent:
        try:
            return push(self.means.peers, place, copies[each.hash], each.need)
        except Unavailable as problem:
            log.warning(
                "push failed",
                extra={"peer": place.device.replication_ip, "hash": each.hash, "problem": str(problem)},
            )
            return Sent(Outcome.FAILED)

    def _bury(self) -> None:
        """Take peers' word that something of ours was deleted, by our own object server."""
        here = Place(self.ours, self.local.policy.index, self.partition)
        for copy, moment in self._buried.values():
            headers = {
                "X-Timestamp": moment.internal,
                "X-Backend-Replication": "True",
                "X-Backend-Storage-Policy-Index": str(here.policy_index),
            }
            try:
                self.means.peers.change(here, "DELETE", copy.data_metadata()["name"], headers)
            except (ApusError, KeyError) as problem:
                log.info("deletion not taken over", extra={"path": copy.directory, "problem": str(problem)})


def _peer(device: Device) -> dict[str, str]:
    return {"peer": f"{device.replication_ip}:{device.replication_port}", "device": device.device}
