"""Which of two replicas knows a container's true storage policy.

    ours, theirs ──▶ theirs_is_better() ──▶ True: take over their policy index

Two halves of a split cluster may create one container under two policies. Live beats deleted; one that was
recreated after a deletion beats one that has not heard of it; otherwise the older decision stands.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyClaim:
    """What one replica says: its policy and the (internal) timestamps of its life."""

    policy_index: int
    put_timestamp: str
    delete_timestamp: str
    status_changed_at: str
    object_count: int

    @property
    def deleted(self) -> bool:
        """Whether the replica counts the container as deleted."""
        return self.delete_timestamp > self.put_timestamp and not self.object_count

    @property
    def recreated(self) -> bool:
        """Whether the container lives again after a deletion."""
        return self.put_timestamp > self.delete_timestamp > "0000000000.00000"


def theirs_is_better(ours: PolicyClaim, theirs: PolicyClaim) -> bool:
    """Whether the other replica's policy should replace ours."""
    return ours.policy_index != theirs.policy_index and _precedence(ours, theirs) > 0


def _precedence(ours: PolicyClaim, theirs: PolicyClaim) -> int:
    """Return 1 when theirs wins, -1 when ours does, 0 for neither."""
    if ours.deleted or theirs.deleted:
        if ours.deleted and theirs.deleted:
            return _order(theirs.status_changed_at, ours.status_changed_at)
        return 1 if ours.deleted else -1
    if ours.recreated != theirs.recreated:
        return 1 if theirs.recreated else -1
    if ours.recreated:
        last_deletion = max(ours.delete_timestamp, theirs.delete_timestamp)
        if ours.put_timestamp < last_deletion:
            return 1
        if theirs.put_timestamp < last_deletion:
            return -1
    return _order(ours.status_changed_at, theirs.status_changed_at)


def _order(left: str, right: str) -> int:
    return (left > right) - (left < right)
