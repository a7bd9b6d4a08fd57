"""What two devices must exchange so that both hold the newest of every object.

    suffix hashes ours, theirs ──▶ differing_suffixes()
    inventories   ours, theirs ──▶ pushes()  ──▶ [Push(hash, DATA|META), Push(hash, TOMBSTONE) …]
                              └──▶ burials() ──▶ what they know to be deleted
    what primaries confirmed   ──▶ may_remove_handoff()
    partitions on our devices  ──▶ in_order()

A `Version` is what one device holds of one object, as its file names tell: the data and the newer
metadata that goes with it, or a tombstone. Newest wins, part by part, exactly as stock Swift decides it, so a
mixed cluster converges on the same answer.

No socket, file or clock here: whoever drives this brings inventories, and "now" as a timestamp.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..common.timestamp import TICKS_PER_SECOND, Timestamp


class Need(enum.Flag):
    """The parts of an object that one side holds newer than the other."""

    NOTHING = 0
    DATA = enum.auto()
    META = enum.auto()
    TOMBSTONE = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What one device holds of one object; `meta` and `content_type` are set only when newer than `data`."""

    data: Timestamp | None = None
    meta: Timestamp | None = None
    content_type: Timestamp | None = None
    tombstone: Timestamp | None = None

    def __post_init__(self) -> None:
        """An object is there or it is deleted; what is neither has no version."""
        assert (self.data is None) != (self.tombstone is None), f"neither data nor tombstone: {self}"
        assert self.data is not None or (self.meta is None and self.content_type is None)

    @property
    def written(self) -> Timestamp:
        """When the data or the tombstone was written: what decides who wins."""
        written = self.data if self.data is not None else self.tombstone
        assert written is not None
        return written

    @property
    def newest(self) -> Timestamp:
        """The youngest moment this version knows of: what X-Backend-Timestamp tells."""
        return max(moment for moment in (self.written, self.meta, self.content_type) if moment is not None)


Inventory = Mapping[str, Version]
"""Object hash → version, for some suffixes of one partition on one device."""


@dataclass(frozen=True, slots=True)
class Push:
    """One object that a peer needs from us, and which of its parts."""

    hash: str
    need: Need


def differing_suffixes(ours: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[str, ...]:
    """Return our suffixes whose hash the peer does not share; what only it has is its to push."""
    return tuple(sorted(suffix for suffix, digest in ours.items() if theirs.get(suffix) != digest))


def pushes(ours: Inventory, theirs: Inventory, *, horizon: Timestamp) -> list[Push]:
    """Return what the peer needs from us, newest objects last so that a busy one is sent once."""
    wanted = [
        Push(digest, owed(version, theirs.get(digest), horizon=horizon)) for digest, version in ours.items()
    ]
    return sorted(
        (push for push in wanted if push.need), key=lambda push: (ours[push.hash].newest, push.hash)
    )


def burials(ours: Inventory, theirs: Inventory) -> dict[str, Timestamp]:
    """Return the tombstones of a peer that delete what we still hold: hash → when it was deleted.

    Data travels only from who has it, but a deletion is taken wherever it is met. Otherwise a handoff
    that fails to reach all primaries for a reclaim age would bring the dead back.
    """
    return {
        digest: theirs[digest].written
        for digest, version in ours.items()
        if version.data is not None and digest in theirs and _is_buried(version, theirs[digest])
    }


def _is_buried(ours: Version, theirs: Version) -> bool:
    return theirs.tombstone is not None and theirs.tombstone >= ours.written


def owed(ours: Version, theirs: Version | None, *, horizon: Timestamp) -> Need:
    """Return the parts of `ours` that are news to a device that holds `theirs`.

    A tombstone before `horizon` (older than the reclaim age) is not told to who has nothing: that would
    make tombstones immortal. It is still told to who holds what it deleted.
    """
    if ours.tombstone is not None:
        return _owed_tombstone(ours.tombstone, theirs, horizon)
    assert ours.data is not None
    if theirs is not None and theirs.tombstone is not None and theirs.tombstone >= ours.data:
        return Need.NOTHING
    if theirs is None or theirs.tombstone is not None:
        return Need.DATA | Need.META if ours.newest > ours.data else Need.DATA
    assert theirs.data is not None
    need = Need.DATA if ours.data > theirs.data else Need.NOTHING
    basis = max(ours.data, theirs.data)
    if _is_news(ours.meta, theirs.meta, basis) or _is_news(ours.content_type, theirs.content_type, basis):
        need |= Need.META
    return need


def _owed_tombstone(ours: Timestamp, theirs: Version | None, horizon: Timestamp) -> Need:
    if theirs is None:
        return Need.TOMBSTONE if ours >= horizon else Need.NOTHING
    if theirs.data is not None:  # At the same moment the tombstone wins, as it does on disk.
        return Need.TOMBSTONE if ours >= theirs.data else Need.NOTHING
    return Need.TOMBSTONE if ours > theirs.written and ours >= horizon else Need.NOTHING


def _is_news(ours: Timestamp | None, theirs: Timestamp | None, basis: Timestamp) -> bool:
    return ours is not None and ours > basis and (theirs is None or ours > theirs)


def covers(theirs: Version | None, ours: Version, *, horizon: Timestamp) -> bool:
    """Say whether a device that holds `theirs` would learn nothing from `ours`."""
    return owed(ours, theirs, horizon=horizon) is Need.NOTHING


def newest_of(left: Version, right: Version) -> Version:
    """Return what both devices hold once each has told the other."""
    dead = [version for version in (left, right) if version.tombstone is not None]
    live = [version for version in (left, right) if version.data is not None]
    tombstone = max((version.written for version in dead), default=None)
    data = max((version.written for version in live), default=None)
    if data is None or (tombstone is not None and tombstone >= data):
        return Version(tombstone=tombstone)
    # Metadata beside older data joins the newest data; what went with a tombstone does not.
    living = [version for version in live if tombstone is None or version.written > tombstone]
    return Version(
        data=data,
        meta=_newer_than(data, (version.meta for version in living)),
        content_type=_newer_than(data, (version.content_type for version in living)),
    )


def _newer_than(data: Timestamp, moments: Iterable[Timestamp | None]) -> Timestamp | None:
    return max((moment for moment in moments if moment is not None and moment > data), default=None)


def reclaim_horizon(now: Timestamp, reclaim_age_seconds: float) -> Timestamp:
    """Return the moment before which tombstones may be forgotten."""
    return Timestamp(max(0, now.ticks - int(reclaim_age_seconds * TICKS_PER_SECOND)))


def may_remove_handoff(*, confirmed: int, primaries: int, handoff_delete: int = 0) -> bool:
    """Say whether a copy on a handoff may go, once so many primaries confirmed to hold its newest version.

    `handoff_delete` is the operator's emergency setting: so many confirmations are enough. 0 means all.
    """
    assert 0 <= confirmed <= primaries
    if primaries == 0:
        return False
    return confirmed >= (min(handoff_delete, primaries) if handoff_delete else primaries)


CONFIRMING = {
    Need.DATA: frozenset((200, 201, 202, 204, 409)),
    Need.META: frozenset((200, 202, 204, 409)),
    Need.TOMBSTONE: frozenset((200, 202, 204, 404, 409)),
}
"""Answers of an object server that mean "I hold this or newer": 409 says newer, and a DELETE that finds
nothing leaves its tombstone and says 404. A POST that finds no data to describe confirms nothing."""


def confirms(need: Need, status: int) -> bool:
    """Say whether a peer that answers so to the push of this part now holds it, or something newer."""
    return status in CONFIRMING[need]


def needs_stand_in(*, copies_sure: int, primaries_left: int, handoff_delete: int = 0) -> bool:
    """Say whether an unmounted primary must be replaced by a handoff, so that the copies stay complete.

    With `handoff_delete` fewer copies are enough: only when even they can no longer be reached.
    """
    return not handoff_delete or copies_sure + primaries_left < handoff_delete


@dataclass(frozen=True, slots=True)
class Job:
    """One partition on one of our devices, and in which part of the pass its turn comes."""

    policy_index: int
    device_id: int
    partition: int
    handoff: bool
    turn: int = 0


def job_of(policy_index: int, device_id: int, partition: int, primaries: Sequence[int]) -> Job:
    """Return the job of a device with a partition that has these primaries.

    No two of them have the same turn, so nodes that begin together do not bring the same objects to the
    same peer at once: who comes later finds that it has them.
    """
    if device_id not in primaries:
        return Job(policy_index, device_id, partition, handoff=True)
    turn = (partition + primaries.index(device_id)) % len(primaries)
    return Job(policy_index, device_id, partition, handoff=False, turn=turn)


def in_order(jobs: Collection[Job], *, handoffs_first: bool, chance: random.Random) -> list[Job]:
    """Return the jobs by their turn, each turn's shuffled and dealt out evenly over our devices.

    They are shuffled so that nodes do not meet on one peer. With `handoffs_first` every handoff comes
    before any primary.
    """
    piles: dict[int, list[Job]] = {}
    shuffled = chance.sample(sorted(jobs, key=_job_key), len(jobs))
    for job in sorted(shuffled, key=lambda job: job.turn):
        piles.setdefault(job.device_id, []).append(job)
    dealt = [job for _, job in sorted(_ranked(piles), key=lambda ranked: ranked[0])]
    return sorted(dealt, key=lambda job: not job.handoff) if handoffs_first else dealt


def _job_key(job: Job) -> tuple[int, int, int]:
    return (job.policy_index, job.device_id, job.partition)


def _ranked(piles: Mapping[int, Sequence[Job]]) -> Iterable[tuple[tuple[int, int], Job]]:
    for device_id, pile in piles.items():
        for rank, job in enumerate(pile):
            yield (rank, device_id), job
