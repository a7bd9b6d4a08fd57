"""When the replicas' answers decide a request, and what the client is owed.

    statuses heard so far ──▶ verdict() ──▶ None   still open: keep listening
                                       └──▶ 201    settled: tell the client

    all statuses of a PUT  ──▶ put_verdict()     409 and 412 have a say of their own
    all statuses of a POST ──▶ post_verdict()    a 404 beside a 202 is no proof of absence
    rows reported written  ──▶ listing_pending() is the listing known to lag?

No socket and no clock here: whoever drives this reports a replica that fell silent as SILENT.
"""

from collections.abc import Mapping, Sequence

SILENT = 503
"""Status that stands for a replica that gave no usable answer."""

FAMILIES = (2, 3, 4)
"""Leading digits that can win; 5xx never speaks for the cluster."""


def quorum_size(replicas: int) -> int:
    """Return how many of `replicas` must agree, as every Swift proxy counts it."""
    assert replicas > 0
    return (replicas + 1) // 2


def read_quorum_size(replicas: int) -> int:
    """Return how many replicas a read must hear to meet every settled write."""
    return replicas - quorum_size(replicas) + 1


def verdict(heard: Sequence[int], *, replicas: int, quorum: int) -> int | None:
    """Return the status the client is owed, or None while that is still open."""
    assert 0 < quorum <= replicas
    pending = replicas - len(heard)
    votes = [[status for status in heard if status // 100 == family] for family in FAMILIES]
    for family in votes:
        if len(family) >= quorum:
            return max(family)
    if any(len(family) + pending >= quorum for family in votes):
        return None
    return SILENT


def final_verdict(heard: Sequence[int], *, replicas: int, overrides: Mapping[int, int] | None = None) -> int:
    """Return the status when no more answers will come; `overrides` reinterpret a split vote."""
    if len(heard) == replicas and heard.count(heard[0]) == replicas and heard[0] // 100 in FAMILIES:
        return heard[0]  # All agree, as they nearly always do.
    quorum = quorum_size(replicas)
    padded = list(heard) + [SILENT] * (replicas - len(heard))
    status = verdict(padded, replicas=len(padded), quorum=quorum)
    if status == SILENT and overrides:
        read_as = [overrides.get(each, each) for each in padded]
        status = verdict(read_as, replicas=len(read_as), quorum=quorum)
    assert status is not None
    return status


def put_verdict(heard: Sequence[int], *, replicas: int, only_if_absent: bool) -> int:
    """Return a PUT's status: stored, already superseded (202), or refused."""
    if only_if_absent and 412 in heard:
        return 412
    if 409 in heard:
        return 202 if _is_kept(heard, replicas) else SILENT
    return final_verdict(heard, replicas=replicas)


def put_is_settled(heard: Sequence[int], *, replicas: int) -> bool:
    """Tell whether no answer still to come can change the status of a PUT for the worse."""
    return _is_kept(heard, replicas)


def _is_kept(heard: Sequence[int], replicas: int) -> bool:
    """Tell whether a quorum holds this write or a newer one.

    A single 409 is no quorum: the one disk that holds something newer may be lost, and the write with it.
    """
    quorum = quorum_size(replicas)
    if len(heard) < quorum:
        return False
    return len([status for status in heard if status // 100 == 2 or status == 409]) >= quorum


def post_verdict(heard: Sequence[int], *, replicas: int) -> int:
    """Return a POST's status; one replica that has the object forbids the answer 404."""
    status = final_verdict(heard, replicas=replicas)
    return SILENT if status == 404 and 202 in heard else status


def listing_pending(rows: Sequence[bool | None], *, container_replicas: int) -> bool:
    """Tell whether too few container replicas are known to hold the row of an acknowledged write.

    True and False are replicas' words; None means a storage server that does not report.
    """
    missing = rows.count(False)
    possible = len(rows) - missing
    return missing > 0 and possible < quorum_size(container_replicas)
