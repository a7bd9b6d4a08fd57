"""Subcommands that change a number of the builder: hours, replicas, overload, partition power.

Session ──▶ a subcommand ──▶ builder file saved, a sentence printed, an exit code
"""

from __future__ import annotations

from ...common.errors import Refused
from .session import Exit, Session


def pretend_min_part_hours_passed(session: Session) -> Exit:
    """Let every partition move again at once.

    USE WITH EXTREME CAUTION: two moves of one partition before replication has followed the first can make
    its data unreachable for a while.
    """
    session.builder.pretend_min_part_hours_passed()
    session.save()
    return Exit.DONE


def set_min_part_hours(session: Session) -> Exit:
    """Set for how long a partition that moved must rest: set_min_part_hours HOURS."""
    hours = _number(session, "set_min_part_hours HOURS")
    if hours != int(hours) or hours < 0:
        raise Refused("HOURS is a whole number, not negative")
    session.builder.min_part_hours = int(hours)
    session.save()
    print(f"Partitions now rest for {int(hours)} hours before they may move again.")
    return Exit.DONE


def set_replicas(session: Session) -> Exit:
    """Set how many replicas each partition has, with effect at the next rebalance: set_replicas REPLICAS.

    With a fraction, that share of the partitions has one more.
    """
    replicas = _number(session, "set_replicas REPLICAS")
    if not 1 <= replicas < float("inf"):
        raise Refused("Replica count must be at least 1.")
    session.builder.set_replicas(replicas)
    session.save()
    print(f"The replica count is now {replicas:.6f}, with effect at the next rebalance.")
    return Exit.DONE


def set_overload(session: Session) -> Exit:
    """Set how far beyond its weight a device may be filled to spread replicas better: set_overload N[%].

    It takes effect at the next rebalance.
    """
    percent = bool(session.words) and session.words[0].endswith("%")
    if percent:
        session.words[0] = session.words[0].rstrip("%")
    overload = _number(session, "set_overload OVERLOAD[%]") * (0.01 if percent else 1)
    if not 0 <= overload < float("inf"):
        raise Refused("Overload must not be negative.")
    session.builder.overload = overload
    session.save()
    print(f"The overload factor is now {overload * 100:0.2f}% ({overload:.6f}), from the next rebalance on.")
    if overload > 1 and not percent:
        print("WARNING: that is more than 100%.")
        return Exit.WARNING
    return Exit.DONE


def _number(session: Session, grammar: str) -> float:
    if not session.words:
        raise Refused(f"Usage: {grammar}")
    try:
        return float(session.words[0])
    except ValueError as error:
        raise Refused(f"{session.words[0]!r} is not a valid number.") from error


def prepare_increase_partition_power(session: Session) -> Exit:
    """Announce that the partition power will grow by one; then write_ring, distribute, relink."""
    if "object" not in session.builder_path.name:
        raise Refused("Only object rings can increase their partition power.")
    if not session.builder.prepare_power_increase():
        raise Refused("The ring is already prepared for an increase.")
    session.save()
    print(f"The next partition power is now {session.builder.next_part_power}, from the next write_ring on.")
    return Exit.DONE


def increase_partition_power(session: Session) -> Exit:
    """Double the partitions, after prepare and after every node has relinked; then write_ring."""
    if not session.builder.increase_power():
        raise Refused("Not prepared yet, or already increased.")
    session.builder.grow_older(session.now)
    session.save()
    print(f"The partition power is now {session.builder.part_power}, from the next write_ring on.")
    return Exit.DONE


def cancel_increase_partition_power(session: Session) -> Exit:
    """Take back prepare_increase_partition_power; then write_ring, clean up, finish."""
    if not session.builder.cancel_power_increase():
        raise Refused("There is no increase that could be cancelled.")
    session.save()
    print(f"The next partition power is now {session.builder.next_part_power}, from the next write_ring on.")
    return Exit.DONE


def finish_increase_partition_power(session: Session) -> Exit:
    """End the increase, after every node has cleaned up; then write_ring."""
    if not session.builder.finish_power_increase():
        raise Refused("There is no increase that could be finished.")
    session.save()
    print("The increase is finished, from the next write_ring on.")
    return Exit.DONE
