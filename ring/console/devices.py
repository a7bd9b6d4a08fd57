"""Subcommands that change devices: add, set_weight, set_region, set_zone, set_info, remove.

    Session ──▶ a subcommand ──▶ builder file saved, one line a device, an exit code

Each takes search values as words, or one search as options, never both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...common.errors import Refused
from ..device import Device, device_text
from ..search import (
    Match,
    add_options,
    change_options,
    match_options,
    parse_add,
    parse_change,
    parse_search,
)
from .session import Exit, Session

SEARCHES = {"set_weight", "set_region", "set_zone", "set_info", "remove"}
SEARCH_OPTIONS = (
    "id", "region", "zone", "ip", "port", "replication_ip", "replication_port", "device", "weight", "meta",
)  # fmt: skip


def add(session: Session) -> Exit:
    """Add devices: add r1z1-IP:PORT[RIP:PORT]/DEVICE_META WEIGHT ..., or one by options.

    No partition is assigned to them before the next rebalance.
    """
    if session.builder.next_part_power:
        raise Refused("A partition power increase is under way; finish it before adding devices.")
    for device in _new_devices(session):
        _must_be_free(session, device, but=-1)
        id_ = session.builder.add(device)
        added = session.builder.devices[id_]
        assert added is not None
        print(f"Device {device_text(added)} with {added.weight} weight got id {id_}")
    session.save()
    return Exit.DONE


def _new_devices(session: Session) -> list[Device]:
    if not session.words:
        return [add_options(vars(session.options))]
    if by_options(session) or len(session.words) % 2:
        raise Refused("Usage: add DEVICE WEIGHT [DEVICE WEIGHT ...], or add with options only")
    devices = []
    for text, weight in _pairs(session.words):
        device, said_region = parse_add(text, _number(weight))
        if not said_region:
            print(f"WARNING: no region given for {text}; it is put into region 1.")
        devices.append(device)
    return devices


def _must_be_free(session: Session, device: Device, *, but: int) -> None:
    for other in session.builder.present():
        same = (other.ip, other.port, other.device) == (device.ip, device.port, device.device)
        if same and other.id != but:
            raise Refused(
                f"Device {other.id} already uses {other.ip}:{other.port}/{other.device}.\n"
                "The builder file is unchanged."
            )


def set_weight(session: Session) -> Exit:
    """Set devices' weights, with effect at the next rebalance: set_weight SEARCH WEIGHT ..."""
    return _set(session, "weight", _number)


def set_region(session: Session) -> Exit:
    """Move devices to another region, with effect at the next rebalance: set_region SEARCH REGION ..."""
    return _set(session, "region", _whole)


def set_zone(session: Session) -> Exit:
    """Move devices to another zone, with effect at the next rebalance: set_zone SEARCH ZONE ..."""
    return _set(session, "zone", _whole)


def _set(session: Session, name: str, value_of: Callable[[str], float]) -> Exit:
    for match, text in _matches_and_values(session, f"set_{name}"):
        devices = session.found([match])
        value = value_of(text)
        session.confirmed(devices, f"set the {name} of")
        for device in devices:
            changed = session.builder.change(device.id, **{name: value})
            print(f"{device_text(device)} {name} set to {getattr(changed, name)}")
    session.save()
    return Exit.DONE


def set_info(session: Session) -> Exit:
    """Change addresses, names or meta of devices: set_info SEARCH [IP][:PORT][RIP:PORT][/DEVICE][_META] ...

    Placement does not depend on these: write_ring is enough afterwards.
    """
    changes: list[tuple[Match, Mapping[str, Any]]]
    if by_options(session):
        changes = [(match_options(vars(session.options)), change_options(vars(session.options)))]
    else:
        pairs = _matches_and_values(session, "set_info")
        changes = [(match, parse_change(text)) for match, text in pairs]
    for match, change in changes:
        devices = session.found([match])
        session.confirmed(devices, "change")
        for device in devices:
            changed = session.builder.rename(device.id, **change)
            _must_be_free(session, changed, but=device.id)
            print(f"Device {device_text(device)} is now {device_text(changed)}")
    session.save()
    return Exit.DONE


def remove(session: Session) -> Exit:
    """Mark devices for removal at the next rebalance: remove SEARCH ...

    This is for devices that failed. To retire one that works, set its weight to 0, let it drain, then
    remove it.
    """
    if session.builder.next_part_power:
        raise Refused("A partition power increase is under way; finish it before removing devices.")
    devices = session.found(matches_of(session, "remove"))
    session.confirmed(devices, "remove")
    for device in {device.id: device for device in devices}.values():
        if device.id not in session.builder.removed:
            session.builder.remove(device.id)
        print(f"{device_text(device)} is marked for removal at the next rebalance.")
    session.save()
    return Exit.DONE


def by_options(session: Session) -> bool:
    """Return whether devices are searched by options; numbers may be 0, texts must not be empty."""
    given = vars(session.options)
    return any(given[name] not in (None, "") for name in SEARCH_OPTIONS)


def matches_of(session: Session, name: str) -> list[Match]:
    """Return the searches of a subcommand that takes nothing else."""
    if by_options(session):
        if session.words:
            raise Refused(f"Usage: {name} SEARCH ..., or {name} with options only")
        return [match_options(vars(session.options))]
    if not session.words:
        raise Refused(f"Usage: {name} SEARCH ..., or {name} with options")
    return [parse_search(word) for word in session.words]


def _matches_and_values(session: Session, name: str) -> list[tuple[Match, str]]:
    if by_options(session):
        if len(session.words) != 1:
            raise Refused(f"Usage: {name} with search options and one new value")
        return [(match_options(vars(session.options)), session.words[0])]
    if not session.words or len(session.words) % 2:
        raise Refused(f"Usage: {name} SEARCH VALUE [SEARCH VALUE ...]")
    return [(parse_search(search), value) for search, value in _pairs(session.words)]


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    return list(zip(words[::2], words[1::2], strict=True))


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise Refused(f"{text!r} is not a valid number.") from error
    if not 0 <= number < float("inf"):
        raise Refused(f"Invalid weight value: {text}")
    return number


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise Refused(f"{text!r} is not a whole number.") from error
