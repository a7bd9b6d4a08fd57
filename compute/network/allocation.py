"""Which addresses a port gets, and the books on them.

    network's subnets, what was asked ──▶ chosen() ──▶ [(subnet, address)] ──▶ keep()

Asked for nothing, a port gets an IPv4 address where there is such a subnet, and IPv6 addresses as their
subnets say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert

from ...common.errors import Refused
from ..api.faults import Conflict
from . import tables
from .addresses import Address, address_of, can_be_a_hosts, from_mac, lowest_free, pool_of, subnet_of
from .work import Row, Work

Place = tuple[str, str]  # Subnet's id, address.
MAKES_ITS_OWN = ("slaac", "dhcpv6-stateless")


def subnets_of(work: Work, network_id: str) -> list[Row]:
    """Return a network's subnets, oldest first."""
    rows = work.rows(tables.subnets, tables.subnets.c.network_id == network_id)
    return sorted(rows, key=lambda row: (row["created_at"], row["id"]))


def places_of(work: Work, port_ids: Sequence[str]) -> dict[str, list[Place]]:
    """Return the addresses of ports."""
    found: dict[str, list[Place]] = {}
    for row in work.rows(tables.allocations, tables.allocations.c.port_id.in_(port_ids)):
        found.setdefault(row["port_id"], []).append((row["subnet_id"], row["ip_address"]))
    return {
        port_id: sorted(places, key=lambda place: (":" in place[1], place))
        for port_id, places in found.items()
    }


def taken(work: Work, subnet_id: str) -> set[Address]:
    """Return the addresses of a subnet that ports have."""
    rows = work.rows(tables.allocations, tables.allocations.c.subnet_id == subnet_id)
    return {address_of(row["ip_address"]) for row in rows}


def free_in(work: Work, subnet: Row) -> str | None:
    """Return an address of the subnet's pools that nobody has, None where all are taken."""
    pools = [pool_of(pool["start"], pool["end"]) for pool in subnet["allocation_pools"]]
    free = lowest_free(pools, taken(work, subnet["id"]))
    return str(free) if free is not None else None


def chosen(work: Work, network_id: str, asked: Sequence[Mapping[str, Any]] | None, mac: str) -> list[Place]:
    """Return the addresses for a port; `asked` is None where the client left it to us.

    Raises:
        Conflict: no address is left, or one that was asked for is taken.
        Refused: what was asked for is not of this network.
    """
    subnets = subnets_of(work, network_id)
    if asked is None:
        return _usual(work, network_id, subnets, mac)
    places: list[Place] = []
    for each in asked:
        subnet = _subnet_for(subnets, each, network_id)
        if "ip_address" in each:
            places.append((subnet["id"], _granted(work, subnet, each["ip_address"])))
        elif subnet["ipv6_address_mode"] in MAKES_ITS_OWN:
            places.append((subnet["id"], str(from_mac(subnet_of(subnet["cidr"]), mac))))
        else:
            places.append((subnet["id"], _some(work, [subnet], network_id)[1]))
    return places


def _usual(work: Work, network_id: str, subnets: Sequence[Row], mac: str) -> list[Place]:
    places: list[Place] = []
    if version4 := [subnet for subnet in subnets if subnet["ip_version"] == 4]:
        places.append(_some(work, version4, network_id))
    version6 = [subnet for subnet in subnets if subnet["ip_version"] == 6]
    own = [subnet for subnet in version6 if subnet["ipv6_address_mode"] in MAKES_ITS_OWN]
    places += [(subnet["id"], str(from_mac(subnet_of(subnet["cidr"]), mac))) for subnet in own]
    if given := [subnet for subnet in version6 if subnet not in own]:
        places.append(_some(work, given, network_id))
    return places


def _some(work: Work, subnets: Sequence[Row], network_id: str) -> Place:
    for subnet in subnets:
        if (address := free_in(work, subnet)) is not None:
            return subnet["id"], address
    raise Conflict(f"No more IP addresses available on network {network_id}.", "IpAddressGenerationFailure")


def _subnet_for(subnets: Sequence[Row], asked: Mapping[str, Any], network_id: str) -> Row:
    """Return the subnet that is named, or that the address lies in."""
    if subnet_id := asked.get("subnet_id"):
        for subnet in subnets:
            if subnet["id"] == subnet_id:
                return subnet
        raise Refused(f"Failed to create port on network {network_id}: subnet {subnet_id} is not of it.")
    if "ip_address" not in asked:
        raise Refused("IP allocation requires subnet_id or ip_address.")
    address = address_of(asked["ip_address"])
    for subnet in subnets:
        if address in subnet_of(subnet["cidr"]):
            return subnet
    raise Refused(f"IP address {address} is not a valid IP for any of the subnets on the specified network.")


def _granted(work: Work, subnet: Row, text: str) -> str:
    address = address_of(text)
    if not can_be_a_hosts(subnet_of(subnet["cidr"]), address):
        raise Refused(f"IP address {text} is not a valid IP for the specified subnet.")
    books = tables.allocations
    if work.rows(books, books.c.subnet_id == subnet["id"], books.c.ip_address == str(address)):
        raise Conflict(
            f"IP address {address} already allocated in subnet {subnet['id']}", "IpAddressAlreadyAllocated"
        )
    return str(address)


def keep(work: Work, port_id: str, places: Sequence[Place]) -> None:
    """Write that the port has these addresses."""
    for subnet_id, address in places:
        work.connection.execute(
            insert(tables.allocations).values(subnet_id=subnet_id, ip_address=address, port_id=port_id)
        )


def free(work: Work, port_id: str, places: Sequence[Place] | None = None) -> None:
    """Write that the port has these addresses no longer; none at all where not told which."""
    books = tables.allocations
    if places is None:
        work.connection.execute(delete(books).where(books.c.port_id == port_id))
    for subnet_id, address in places or ():
        work.connection.execute(
            delete(books).where(books.c.subnet_id == subnet_id, books.c.ip_address == address)
        )
