"""The words with which operators point at devices: r1z2-10.1.2.3:6200R10.9.2.3:6200/sdb1_"slow disk".

    search text or options ──▶ Match ──▶ matches(device)
    add text or options    ──▶ Device
    change text or options ──▶ fields to change

The same syntax as swift-ring-builder's, so that an operator's notes keep working. Nothing here knows a
builder.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..common.errors import Refused
from .device import Device

_ADDRESS = r"(?P<{0}ip>[0-9][0-9.]*|\[[^\]]*\])?(?::(?P<{0}port>\d+))?"
_PLACE = _ADDRESS.format("") + "(?:R" + _ADDRESS.format("replication_") + ")?"
_NAME = r"(?:/(?P<device>[^_]*))?(?:_(?P<meta>.*))?"
SEARCH = re.compile(
    r"(?:d(?P<id>\d+))?(?:r(?P<region>\d+))?(?:z(?P<zone>\d+))?-?" + _PLACE + _NAME, re.DOTALL
)
CHANGE = re.compile(_PLACE + _NAME, re.DOTALL)
ADD = re.compile(
    r"(?:r(?P<region>\d+))?z(?P<zone>\d+)-(?P<ip>[^/R]+):(?P<port>\d+)"
    r"(?:R(?P<replication_ip>[^/R]+):(?P<replication_port>\d+))?/(?P<device>[^_]+)(?:_(?P<meta>.*))?",
    re.DOTALL,
)
HOST_LABEL = re.compile(r"(?!-)[A-Z\d-]{1,63}(?<!-)", re.IGNORECASE)
HOST_LENGTH_MAX = 255
NUMBERS = {"id", "region", "zone", "port", "replication_port"}
ADDRESSES = {"ip", "replication_ip"}

SYNTAX = """A search value is any of these parts, in this order, at least one:

    d<id> r<region> z<zone> - <ip> :<port> R <replication ip> :<replication port> /<device> _<meta>

    d74               the device with id 74
    r4                every device in region 4
    z1-1.2.3.4        devices of the server 1.2.3.4 in zone 1
    1.2.3.4:5678      devices behind that address
    R5.6.7.8          devices with that replication ip;  R:5678 with that replication port
    [::1]             devices of the server ::1
    /sdb1             devices named sdb1
    _shiny            devices with shiny in their meta data
"""


@dataclass(frozen=True, slots=True)
class Match:
    """What a device must be like; None asks nothing, meta asks for a part of the text."""

    id: int | None = None
    region: int | None = None
    zone: int | None = None
    ip: str | None = None
    port: int | None = None
    replication_ip: str | None = None
    replication_port: int | None = None
    device: str | None = None
    weight: float | None = None
    meta: str | None = None

    def matches(self, device: Device) -> bool:
        """Return whether the device is like that."""
        for asked in fields(self):
            value = getattr(self, asked.name)
            if value is not None and not _agrees(asked.name, value, getattr(device, asked.name)):
                return False
        return True


def _agrees(name: str, asked: Any, found: Any) -> bool:
    if name == "meta":
        return asked in found
    if name in ADDRESSES:
        try:
            return bool(normal_address(found) == asked)
        except Refused:
            return False
    return bool(asked == found)


def parse_search(text: str) -> Match:
    """Return what a search text asks for."""
    found = SEARCH.fullmatch(text)
    if found is None:
        raise Refused(f"invalid search value: {text!r}")
    return Match(**_values(found.groupdict()))


def match_options(options: Mapping[str, Any]) -> Match:
    """Return what search options ask for; addresses may be host names here."""
    asked: dict[str, Any] = {field.name: options.get(field.name) for field in fields(Match)}
    for name in ADDRESSES:
        if asked[name]:
            asked[name] = normal_address(asked[name])
    return Match(**asked)


def parse_add(text: str, weight: float) -> tuple[Device, bool]:
    """Return the device an add text describes, and whether it said the region, which else is 1."""
    found = ADD.fullmatch(text)
    if found is None:
        raise Refused(f"invalid add value: {text!r}")
    values = _values(found.groupdict())
    return _new_device(values, weight), "region" in values


def add_options(options: Mapping[str, Any]) -> Device:
    """Return the device that add options describe."""
    for name in ("region", "zone", "ip", "port", "device", "weight"):
        if options.get(name) is None:
            raise Refused(f"--{name} is required to add a device")
    values = {name: value for name, value in options.items() if value is not None}
    for name in ADDRESSES & values.keys():
        values[name] = normal_address(values[name])
    return _new_device(values, values["weight"])


def _new_device(values: Mapping[str, Any], weight: float) -> Device:
    name = values["device"]
    if not name or name != name.strip(" "):
        raise Refused(f"invalid device name {name!r}")
    if not 0 <= weight < float("inf"):
        raise Refused(f"invalid weight {weight}")
    return Device(
        id=-1,
        region=values.get("region", 1),
        zone=values["zone"],
        ip=values["ip"],
        port=values["port"],
        replication_ip=values.get("replication_ip") or values["ip"],
        replication_port=values.get("replication_port") or values["port"],
        device=name,
        weight=float(weight),
        meta=values.get("meta", ""),
    )


def parse_change(text: str) -> dict[str, Any]:
    """Return the fields a change text gives new values for."""
    found = CHANGE.fullmatch(text)
    change = _values(found.groupdict()) if found else {}
    if not change:
        raise Refused(f"invalid change value: {text!r}")
    return change


def change_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that --change-… options give new values for."""
    change = {
        name.removeprefix("change_"): value
        for name, value in options.items()
        if name.startswith("change_") and value
    }
    for name in ADDRESSES & change.keys():
        change[name] = normal_address(change[name])
    return change


def _values(groups: Mapping[str, str | None]) -> dict[str, Any]:
    values: dict[str, Any] = {name: value for name, value in groups.items() if value is not None}
    for name in NUMBERS & values.keys():
        values[name] = int(values[name])
    for name in ADDRESSES & values.keys():
        values[name] = normal_ip(values[name])
    return values


def normal_ip(text: str) -> str:
    """Return an IP address in its usual form, brackets removed."""
    bare = text.removeprefix("[").removesuffix("]") if text.startswith("[") else text
    try:
        return str(ipaddress.ip_address(bare.lower()))
    except ValueError as error:
        raise Refused(f"invalid ip {text!r}") from error


def normal_address(text: str) -> str:
    """Return an IP address or host name in its usual form."""
    try:
        return normal_ip(text)
    except Refused:
        host = text.lower()
    labels = host.removesuffix(".").split(".")
    if len(host) > HOST_LENGTH_MAX or not all(HOST_LABEL.fullmatch(label) for label in labels):
        raise Refused(f"invalid address {text!r}")
    return host
