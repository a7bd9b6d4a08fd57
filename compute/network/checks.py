"""What a member of a document may be: one function for each kind of value.

check(value) ──▶ the value as it is kept, or Refused with the sentence for the client
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from ...common.errors import Refused
from .addresses import address_of, subnet_of
from .host.firewall import protocol_number

Check = Callable[[Any], Any]

NAME_MAX = 255
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
_DNS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_OPTION = re.compile(r"[a-z0-9-]{1,64}")
LIST_MAX = 200


def text(value: Any) -> str:
    """Text of at most 255 characters; null is none."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refused(f"'{value}' is not a valid string")
    if len(value) > NAME_MAX:
        raise Refused(f"'{value}' exceeds maximum length of {NAME_MAX}")
    return value


def maybe_text(value: Any) -> str | None:
    """Text, or null; "" is null."""
    return text(value) or None


def flag(value: Any) -> bool:
    """Yes or no, also in the words that clients use."""
    if isinstance(value, bool):
        return value
    if value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.lower() in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        return value.lower() in ("true", "1", "yes", "on")
    raise Refused(f"'{value}' cannot be converted to boolean")


def number(least: int, most: int) -> Check:
    """Return a check for whole numbers of a range, also written as text."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str) or len(str(value)) > 12:
            raise Refused(f"'{value}' is not an integer")
        try:
            found = int(value)
        except ValueError as problem:
            raise Refused(f"'{value}' is not an integer") from problem
        if not least <= found <= most:
            raise Refused(f"'{value}' is not in the range {least}-{most}")
        return found

    return check


def maybe(check: Check) -> Check:
    """Return a check that takes null too."""
    return lambda value: None if value is None else check(value)


def one_of(*words: Any) -> Check:
    """Return a check for a choice."""

    def check(value: Any) -> Any:
        if value not in words:
            raise Refused(f"'{value}' is not in {list(words)}")
        return value

    return check


def list_of(check: Check) -> Check:
    """Return a check for a list without duplicates; null is an empty one."""

    def checked(value: Any) -> list[Any]:
        if value is None or value == "":
            return []
        if not isinstance(value, list):
            raise Refused(f"'{value}' is not a list")
        if len(value) > LIST_MAX:
            raise Refused(f"a list of more than {LIST_MAX} is not taken")
        found: list[Any] = []
        for each in value:
            item = check(each)
            if item in found:
                raise Refused(f"Duplicate items in the list: '{each}'")
            found.append(item)
        return found

    return checked


def mapping(value: Any) -> dict[str, Any]:
    """An object; null is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(f"'{value}' is not a dictionary")
    return value


def members(**checks: Check) -> Check:
    """Return a check for an object that has members of these names only; what lacks is left out."""

    def check(value: Any) -> dict[str, Any]:
        found = mapping(value)
        if strange := sorted(set(found) - set(checks)):
            raise Refused(f"Unexpected members: {', '.join(strange)}")
        return {name: checks[name](each) for name, each in found.items()}

    return check


def address(value: Any) -> str:
    """An IP address, in its usual form."""
    return str(address_of(value))


def cidr(value: Any) -> str:
    """A subnet."""
    return str(subnet_of(value))


def prefix(value: Any) -> str:
    """A subnet or a single address, as rules have it; host bits are dropped."""
    if isinstance(value, str) and "/" in value:
        return network_of(value)
    return str(subnet_of(f"{address_of(value)}/{address_of(value).max_prefixlen}"))


def said_prefix(value: Any) -> str:
    """The same as it was said, for those who look for what they have sent; `prefix` says what it means."""
    meant = prefix(value)
    return value if isinstance(value, str) and "/" in value else meant


def network_of(value: str) -> str:
    """Return the subnet that a prefix means; raise Refused for what is none."""
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError as problem:
        raise Refused(f"'{value}' is not a valid IP prefix") from problem


def mac(value: Any) -> str:
    """A MAC of one device."""
    found = str(value).lower().replace("-", ":")
    if not _MAC.fullmatch(found) or int(found[:2], 16) & 1 or found == "00:00:00:00:00:00":
        raise Refused(f"'{value}' is not a valid MAC address")
    return found


def dns_name(value: Any) -> str:
    """A label, or labels, of the DNS."""
    found = text(value)
    if found and not all(_DNS.fullmatch(label) for label in found.rstrip(".").split(".")):
        raise Refused(f"'{value}' is not a valid DNS name")
    return found


def protocol(value: Any) -> str | None:
    """A protocol by name or number, null for any."""
    if value is None or value == "":
        return None
    found = str(value).lower()
    try:
        protocol_number(found)
    except ValueError as problem:
        raise Refused(
            f"Security group rule protocol {value} not supported. Only protocol values and integer "
            "representations 0 to 255 are supported."
        ) from problem
    return None if found == "any" else found


def route(value: Any) -> dict[str, Any]:
    """A destination and its next hop, of one IP version."""
    found: dict[str, Any] = members(destination=cidr, nexthop=address)(value)
    if set(found) != {"destination", "nexthop"}:
        raise Refused("A route has destination and nexthop.")
    if (":" in found["destination"]) != (":" in found["nexthop"]):
        raise Refused("destination and nexthop of a route are of two IP versions.")
    return found


def dhcp_option(value: Any) -> dict[str, Any]:
    """An option for one port: its name or number, and text of one line."""
    found = members(opt_name=text, opt_value=maybe_text, ip_version=number(4, 6))(value)
    if not _OPTION.fullmatch(found.get("opt_name", "")):
        raise Refused(f"'{found.get('opt_name')}' is not the name of a DHCP option")
    if not (found.get("opt_value") or "").isprintable():
        raise Refused("opt_value must be one line of printable characters")
    return {"opt_value": None, "ip_version": 4, **found}
