"""Subcommands that only tell: the overview, search, list_parts, dispersion, version.

    Session ──▶ a subcommand ──▶ text for people, or with --json one document for programs

The tables have swift-ring-builder's columns, which operators' scripts cut apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import numpy as np

from ...common.errors import ApusError, Refused
from .. import dispersion as spread
from ..builder import Builder
from ..device import Device, bracketed
from ..file import RingData, read_ring_file
from .devices import matches_of
from .session import Exit, Session

SEARCHES = {"search", "list_parts"}


def overview(session: Session) -> Exit:
    """Show the ring's figures and its devices; DEL marks those that go at the next rebalance."""
    builder = session.builder
    balances, problem = _balances(builder)
    if session.options.json:
        _print_json(_overview_document(session, balances))
        return Exit.DONE
    print(f"{session.builder_path}, build version {builder.version}, id {builder.id or '(not assigned)'}")
    present = list(builder.present())
    balance = max((abs(value) for value in balances.values()), default=0.0)
    trailer = "" if builder.dispersion is None else f", {builder.dispersion:.02f} dispersion"
    print(
        f"{builder.partitions} partitions, {builder.replicas:.6f} replicas, "
        f"{len({d.region for d in present})} regions, {len({(d.region, d.zone) for d in present})} zones, "
        f"{len(present)} devices, {builder.id_bytes}-byte IDs, {balance:.02f} balance{trailer}"
    )
    remaining = timedelta(seconds=builder.seconds_until_free(session.now))
    print(
        "The minimum number of hours before a partition can be reassigned is "
        f"{builder.min_part_hours} ({remaining} remaining)"
    )
    print(f"The overload factor is {builder.overload * 100:0.2f}% ({builder.overload:.6f})")
    print(f"Ring file {session.ring_path} {_ring_state(session)}")
    for line in _device_table(builder, balances):
        print(line)
    for line in _power_notes(builder):
        print(line)
    if problem:
        print(problem)
    return Exit.DONE


def _balances(builder: Builder) -> tuple[Mapping[int, float], str]:
    try:
        return builder.balances(), ""
    except Refused as error:
        return {device.id: 0.0 for device in builder.present()}, str(error)


def _ring_state(session: Session) -> str:
    try:
        ring = read_ring_file(session.ring_path)
    except FileNotFoundError:
        return "not found, probably it hasn't been written yet"
    except (ApusError, OSError) as error:
        return f"is invalid: {error}"
    return "is up-to-date" if _same_ring(ring, session.builder.ring()) else "is obsolete"


def _same_ring(left: RingData, right: RingData) -> bool:
    same = (left.devices, left.part_shift, left.version, left.next_part_power, len(left.rows)) == (
        right.devices, right.part_shift, right.version, right.next_part_power, len(right.rows)
    )  # fmt: skip
    return same and all(np.array_equal(a, b) for a, b in zip(left.rows, right.rows, strict=True))


def _device_table(builder: Builder, balances: Mapping[int, float]) -> list[str]:
    held = builder.held()
    present = sorted(builder.present(), key=lambda d: (d.region, d.zone, d.ip, d.device))
    ip = max([10, *(len(bracketed(d.ip)) for d in present)])
    replication_ip = max([14, *(len(bracketed(d.replication_ip)) for d in present)])
    port = max([4, *(len(str(d.port)) for d in present)])
    replication_port = max([4, *(len(str(d.replication_port)) for d in present)])
    weight = max([6, *(len(f"{d.weight:.02f}") for d in present)])
    header = (
        f"Devices:{'id':>5} {'region':>6} {'zone':>4} {'ip address':>{ip}}:{'port':<{port}} "
        f"{'replication ip':>{replication_ip}}:{'port':<{replication_port}} {'name':>5} "
        f"{'weight':>{weight}} {'partitions':>10} {'balance':>7} {'flags':>5} meta"
    )
    lines = [header]
    for d in present:
        flags = "DEL" if d.id in builder.removed else ""
        lines.append(
            f"{d.id:>13} {d.region:>6} {d.zone:>4} {bracketed(d.ip):>{ip}}:{d.port:<{port}} "
            f"{bracketed(d.replication_ip):>{replication_ip}}:{d.replication_port:<{replication_port}} "
            f"{d.device:>5} {d.weight:>{weight}.02f} {held[d.id]:>10} {balances[d.id]:>7.02f} "
            f"{flags:>5} {d.meta}"
        )
    return lines


def _power_notes(builder: Builder) -> list[str]:
    coming = builder.next_part_power
    if coming == builder.part_power + 1:
        return [
            f"\nPreparing increase of partition power ({builder.part_power} -> {coming})",
            "Every node must relink before increase_partition_power.",
        ]
    if coming and coming == builder.part_power:
        return [
            f"\nIncreased partition power ({builder.part_power} -> {coming})",
            "Every node must clean up, with the new ring file, before finish_increase_partition_power.",
        ]
    return []


def _overview_document(session: Session, balances: Mapping[int, float]) -> dict[str, Any]:
    builder = session.builder
    return {
        "builder_file": str(session.builder_path),
        "ring_file": str(session.ring_path),
        "ring_file_state": _ring_state(session),
        "version": builder.version,
        "id": builder.id,
        "partitions": builder.partitions,
        "part_power": builder.part_power,
        "next_part_power": builder.next_part_power,
        "replicas": builder.replicas,
        "min_part_hours": builder.min_part_hours,
        "min_part_seconds_left": builder.seconds_until_free(session.now),
        "overload": builder.overload,
        "id_bytes": builder.id_bytes,
        "balance": max((abs(value) for value in balances.values()), default=0.0),
        "dispersion": builder.dispersion,
        "devices": _device_documents(builder, list(builder.present()), balances),
    }


def _device_documents(
    builder: Builder, devices: Sequence[Device], balances: Mapping[int, float]
) -> list[dict[str, Any]]:
    held = builder.held()
    return [
        device.written()
        | {
            "partitions": int(held[device.id]),
            "balance": balances[device.id],
            "marked_for_removal": device.id in builder.removed,
        }
        for device in devices
    ]


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=2, sort_keys=True))


def search(session: Session) -> Exit:
    """Show the devices that match: search SEARCH, or by options."""
    if len(session.words) > 1:
        raise Refused("Usage: search SEARCH, or search with options")
    devices = session.found(matches_of(session, "search"))
    if not devices:
        raise Refused("No matching devices found")
    balances, _ = _balances(session.builder)
    if session.options.json:
        _print_json(_device_documents(session.builder, devices, balances))
        return Exit.DONE
    held = session.builder.held()
    print(
        "Devices:    id  region  zone      ip address  port  replication ip  replication port"
        "      name weight partitions balance meta"
    )
    for d in devices:
        print(
            f"         {d.id:>5} {d.region:>7} {d.zone:>5} {d.ip:>15} {d.port:>5} {d.replication_ip:>15} "
            f"{d.replication_port:>17} {d.device:>9} {d.weight:>6.02f} {held[d.id]:>10} "
            f"{balances[d.id]:>7.02f} {d.meta}"
        )
    return Exit.DONE


def list_parts(session: Session) -> Exit:
    """List the partitions on matching devices, most matches first: list_parts SEARCH ..."""
    builder = session.builder
    if not builder.rows:
        raise Refused(f"{session.builder_path} was not rebalanced yet.")
    devices = session.found(matches_of(session, "list_parts"))
    counts = np.zeros(builder.partitions, dtype=np.int64)
    for row in builder.rows:
        counts[: len(row)] += np.isin(row, [device.id for device in devices])
    found = np.flatnonzero(counts)
    if not len(found):
        raise Refused("No matching devices found")
    found = found[np.argsort(-counts[found], kind="stable")]
    if session.options.json:
        _print_json({str(partition): int(counts[partition]) for partition in found})
        return Exit.DONE
    print("Partition   Matches")
    for partition in found.tolist():
        print(f"{partition:>9}   {counts[partition]:>7}")
    return Exit.DONE


def dispersion(session: Session) -> Exit:
    r"""Report how many replicas stand nearer together than they need: dispersion [REGEX] [-v].

    REGEX picks tiers by name: "r\d+z\d+$" the zones, ".*\-[^/]*$" the servers.
    """
    builder = session.builder
    if not builder.rows:
        raise Refused(f"{session.builder_path} was not rebalanced yet.")
    if session.options.recalculate or not builder.graph:
        builder.recount_dispersion()
        session.save()
    only = session.words[0] if session.words else None
    found = spread.report(
        builder.graph,
        topology=builder.topology(),
        devices=builder.devices,
        replicas=builder.replicas,
        only=only,
    )
    if session.options.json:
        _print_json(_dispersion_document(builder, found))
    else:
        _print_dispersion(session, found)
    return Exit.WARNING if found.worst_tier else Exit.DONE


def _dispersion_document(builder: Builder, found: spread.Report) -> dict[str, Any]:
    return {
        "dispersion": builder.dispersion,
        "balance": builder.balance(),
        "overload": builder.overload,
        "required_overload": builder.required_overload(),
        "worst_tier": found.worst_tier,
        "worst_percent": found.worst_percent,
        "tiers": [asdict(tier) for tier in found.tiers],
    }


def _print_dispersion(session: Session, found: spread.Report) -> None:
    builder = session.builder
    print(
        f"Dispersion is {builder.dispersion or 0.0:.06f}, Balance is {builder.balance():.06f}, "
        f"Overload is {builder.overload * 100:0.2f}%"
    )
    print(f"Required overload is {builder.required_overload() * 100:.6f}%")
    if found.worst_tier:
        print(f"Worst tier is {found.worst_percent:.06f} ({found.worst_tier})")
    if not session.options.verbose or not found.tiers:
        return
    replicas = range(math.ceil(builder.replicas) + 1)
    name = max([30, *(len(tier.name) for tier in found.tiers)])
    wide = max(len(str(builder.partitions)), 5)
    columns = " ".join(f"{replica:>{wide}}" for replica in replicas)
    header = f"{'Tier':<{name}} {'Parts':>{wide}} {'%':>6} {'Max':>6} {columns}"
    print("\n".join(["-" * len(header), header, "-" * len(header)]))
    for tier in found.tiers:
        columns = " ".join(f"{count:>{wide}}" for count in tier.partitions_by_replicas)
        print(f"{tier.name:<{name}} {tier.placed:>{wide}} {tier.percent:>6.02f} {tier.most:>6} {columns}")


def version(session: Session) -> Exit:
    """Show the version of a ring file's format and of the build it came from."""
    ring = read_ring_file(session.ring_path)
    print(
        f"{session.ring_path}: Serialization version: {ring.format_version} ({ring.id_bytes}-byte IDs), "
        f"build version: {ring.version}"
    )
    return Exit.DONE
