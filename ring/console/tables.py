"""Subcommands that make, move and write tables: create, rebalance, validate, write_ring, write_builder.

Session ──▶ a subcommand ──▶ files written, sentences printed, an exit code
"""

from __future__ import annotations

from datetime import timedelta

from ...common.errors import Refused
from ..builder import BALANCE_WORST, Builder, Outcome
from ..builder_file import DEFAULT_MIN_PART_HOURS, from_ring, read_builder
from ..dispersion import tier_name
from ..file import read_ring_file
from ..plan import plan
from ..topology import LEVELS
from .session import Exit, Session

WORTH_SAVING_PERCENT = 1
BALANCE_FINE_PERCENT = 5


def create(session: Session) -> Exit:
    """Make a new builder file: create PART_POWER REPLICAS MIN_PART_HOURS.

    The ring will have 2^PART_POWER partitions; REPLICAS may be a fraction. A partition that moved rests for
    MIN_PART_HOURS before it may move again.
    """
    if len(session.words) < 3:
        raise Refused("create needs three values: PART_POWER REPLICAS MIN_PART_HOURS")
    try:
        part_power, replicas = int(session.words[0]), float(session.words[1])
        min_part_hours = int(session.words[2])
    except ValueError as error:
        raise Refused(f"create needs numbers: {error}") from error
    _keep_what_is_there(session)
    session.loaded = Builder(part_power, replicas, min_part_hours)
    session.back_up_builder()
    session.save()
    return Exit.DONE


def _keep_what_is_there(session: Session) -> None:
    """Save a copy of a builder file that create is about to replace; stock Swift does not."""
    if session.builder_path.exists():
        session.loaded = read_builder(session.builder_path)
        session.now -= 1
        session.back_up_builder()
        session.now += 1


def rebalance(session: Session) -> Exit:
    """Assign partitions anew, as far as they may move, and write the builder and the ring.

    Nothing is written when less than 1% would change, unless devices were changed or with --force.
    """
    builder, options = session.builder, session.options
    if builder.next_part_power:
        raise Refused("A partition power increase is under way; finish it before rebalancing.")
    seed = options.seed or (session.words[0] if session.words else None)
    waits = builder.seconds_until_free(session.now)
    before, devices_changed = (builder.balance(), builder.dispersion), builder.devices_changed
    if options.debug:
        _print_plan(builder)
    outcome = builder.rebalance(seed=seed, now=session.now)
    if not (outcome.changed or outcome.removed or options.force):
        print("No partitions could be reassigned.")
        if waits:
            print(
                f"Partitions rest for {builder.min_part_hours} hours ({timedelta(seconds=waits)} remaining)."
            )
        else:
            print("There is no need to do so at this time.")
        return Exit.WARNING
    if not (options.force or devices_changed or _worth_saving(builder, outcome, before)):
        print("Not saved: this rebalance changes less than 1%. Use --force to save it.")
        return Exit.WARNING
    builder.validate()
    print(
        f"Reassigned {outcome.changed} ({100 * outcome.changed / builder.partitions:.02f}%) partitions. "
        f"Balance is now {outcome.balance:.02f}.  Dispersion is now {builder.dispersion:.02f}"
    )
    verdict = _judged(builder, outcome)
    session.write_ring(options.format_version)
    session.back_up_builder()
    session.save()
    return verdict


def _worth_saving(builder: Builder, outcome: Outcome, before: tuple[float, float | None]) -> bool:
    balance, dispersion = before
    if balance == BALANCE_WORST == outcome.balance or dispersion is None:
        return True
    moved = abs(balance - outcome.balance), abs(dispersion - (builder.dispersion or 0.0))
    return max(moved) >= WORTH_SAVING_PERCENT


def _judged(builder: Builder, outcome: Outcome) -> Exit:
    if builder.dispersion:
        print(f"NOTE: dispersion is {builder.dispersion:.06f}: some replicas stand nearer together than they")
        print("      need. Adjust weights, raise the overload, or see the dispersion report.")
        return Exit.WARNING
    if outcome.balance > BALANCE_FINE_PERCENT and outcome.balance / 100 > builder.overload:
        print(f"NOTE: balance is {outcome.balance:.02f}: distribute this ring, wait at least")
        print(f"      {builder.min_part_hours} hours, and rebalance again.")
        return Exit.WARNING
    return Exit.DONE


def _print_plan(builder: Builder) -> None:
    topology = builder.topology()
    shares = plan(topology, builder.replicas, builder.overload)
    print("Planned replicas of a partition, by tier (most in one partition):")
    for level in LEVELS:
        rows = zip(topology.names[level], shares.target[level], shares.most[level], strict=True)
        for name, share, most in rows:
            print(f"  {tier_name(name, builder.devices)}  {share:.6f}  ({most})")


def validate(session: Session) -> Exit:
    """Check that every partition is assigned to different devices that exist."""
    session.builder.validate()
    return Exit.DONE


def write_ring(session: Session) -> Exit:
    """Write the ring file again, as after set_info; rebalance does it by itself."""
    builder = session.builder
    if not builder.devices:
        raise Refused("Unable to write an empty ring.")
    if session.options.dev_id_bytes:
        if session.options.dev_id_bytes == 2 and len(builder.devices) > (1 << 16) - 1:
            raise Refused("there are more devices than two bytes can number")
        builder.set_id_bytes(session.options.dev_id_bytes)
    if not builder.rows:
        print("WARNING: no partition is assigned yet; rebalance comes first.")
    session.write_ring(session.options.format_version)
    return Exit.DONE


def write_builder(session: Session) -> Exit:
    """Make a builder file from a ring file when the builder is lost: write_builder [MIN_PART_HOURS].

    What a ring does not hold is lost: how long ago partitions moved, the overload, MIN_PART_HOURS.
    """
    if session.builder_path.exists():
        raise Refused(f"{session.builder_path} exists and is not overwritten")
    if session.words:
        hours = int(session.words[0])
    else:
        hours = DEFAULT_MIN_PART_HOURS
        print(f"WARNING: min_part_hours is set to {hours}, which may not be what it was.")
    session.loaded = from_ring(read_ring_file(session.ring_path), hours)
    session.save()
    return Exit.DONE
