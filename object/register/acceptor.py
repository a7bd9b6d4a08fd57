"""What a device promises and accepts in the register of one object.

    Record, ballot          ──▶ promised()  ──▶ Record to keep, or None: refused
    Record, ballot, Version ──▶ accepted()  ──▶ Record to keep, or None: refused
    Record, ballot, Version ──▶ learned()   ──▶ Record: the version was chosen
    Record, Visible         ──▶ remembered() ─▶ Record as it counts today

An acceptor of single-decree Paxos whose value changes (CASPaxos). What is returned must be durable before
anybody is told of it; files and clocks are not known here.
"""

from __future__ import annotations

from dataclasses import replace

from ...common.register import NO_BALLOT, Record, Version, Visible, without_version
from ...common.timestamp import Timestamp


def promised(record: Record, ballot: str) -> Record | None:
    """Return the record after a promise; None where a higher ballot has one."""
    assert ballot > NO_BALLOT
    if record.promised > ballot:
        return None
    return record if record.promised == ballot else replace(record, promised=ballot)


def accepted(record: Record, ballot: str, version: Version) -> Record | None:
    """Return the record after a version was accepted; None where a higher ballot has a promise."""
    assert ballot > NO_BALLOT
    if record.promised > ballot:
        return None
    return Record(ballot, ballot, version)


def learned(record: Record, ballot: str, version: Version) -> Record:
    """Return the record of who hears that a version was chosen at a ballot."""
    if ballot < record.ballot:
        return record  # Something that was made of it, or tried after it, is here already.
    return Record(max(record.promised, ballot), ballot, version)


def remembered(record: Record, visible: Visible, *, horizon: Timestamp) -> Record:
    """Return the record without a version so old that its tombstone may have been forgotten.

    A version that nobody sees any more and that is older than the reclaim age may have been deleted by who
    used no register, and the tombstone may be gone; replication has long made visible what was chosen.
    """
    version = record.accepted
    if version is None or version.moment >= horizon or version.moment == visible.moment:
        return record
    return without_version(record)
