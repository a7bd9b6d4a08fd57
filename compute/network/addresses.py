"""Which addresses a subnet has, and which of them is given next.

    "10.0.0.0/24" ──▶ subnet_of() ──▶ default_gateway(), default_pools()
    pools, taken ──▶ lowest_free() ──▶ "10.0.0.2"          prefixes, taken ──▶ carve() ──▶ "10.8.1.0/24"

Values only: what is taken is told by whoever keeps the books. IPv4 and IPv6 go by the same rules, except that
only IPv4 has a broadcast address.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ...common.errors import Refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Pool:
    """Addresses from `start` to `end`, both included, of one IP version."""

    start: Address
    end: Address

    def __contains__(self, address: object) -> bool:
        return isinstance(address, type(self.start)) and int(self.start) <= int(address) <= int(self.end)

    @property
    def size(self) -> int:
        """How many addresses there are."""
        return int(self.end) - int(self.start) + 1


def address_of(text: object) -> Address:
    """Read one address.

    Raises:
        Refused: it is none.
    """
    try:
        return ipaddress.ip_address(text if isinstance(text, str) else repr(text))
    except ValueError as problem:
        raise Refused(f"'{text}' is not a valid IP address") from problem


def subnet_of(text: object) -> Subnet:
    """Read a CIDR whose host bits are zero.

    Raises:
        Refused: it is none; where only host bits are set, the sentence says what was probably meant.
    """
    if not isinstance(text, str) or "/" not in text:
        raise Refused(f"'{text}' is not a valid IP subnet")
    try:
        subnet = ipaddress.ip_network(text, strict=False)
    except ValueError as problem:
        raise Refused(f"'{text}' is not a valid IP subnet") from problem
    if subnet.network_address != address_of(text.partition("/")[0]):
        raise Refused(f"'{text}' isn't a recognized IP subnet cidr, '{subnet}' is recommended")
    return subnet


def pool_of(start: object, end: object) -> Pool:
    """Read a pool.

    Raises:
        Refused: an end is no address, the ends are of two IP versions, or in the wrong order.
    """
    first, last = address_of(start), address_of(end)
    if first.version != last.version or int(first) > int(last):
        raise Refused(f"The allocation pool {start}-{end} is not valid.")
    return Pool(first, last)


def default_gateway(subnet: Subnet) -> Address:
    """Return the first address that a host can have."""
    return subnet[1] if subnet.num_addresses > 1 else subnet[0]


def default_pools(subnet: Subnet, gateway: Address | None) -> list[Pool]:
    """Return all addresses that hosts can have, without the gateway's; a /31 has none (as in Neutron)."""
    first, last = int(subnet.network_address), int(subnet.broadcast_address)
    if first != last:
        first, last = first + 1, last - (subnet.version == 4)
    of = type(subnet.network_address)
    spans = [(first, last)]
    inside = gateway is not None and gateway.version == subnet.version and first <= int(gateway) <= last
    if gateway is not None and inside and subnet.num_addresses > 1:
        spans = [(first, int(gateway) - 1), (int(gateway) + 1, last)]
    return [Pool(of(begin), of(end)) for begin, end in spans if begin <= end]


def check_pools(subnet: Subnet, pools: Sequence[Pool], gateway: Address | None) -> None:
    """Refuse pools that leave the subnet, overlap each other, or hold the gateway.

    Raises:
        Refused: with status 400, or 409 where pools and gateway are in each other's way.
    """
    for pool in pools:
        if pool.start not in subnet or pool.end not in subnet:
            raise Refused(
                f"The allocation pool {pool.start}-{pool.end} spans beyond the subnet cidr {subnet}."
            )
        if gateway is not None and gateway in pool:
            sentence = f"Gateway ip {gateway} conflicts with allocation pool {pool.start}-{pool.end}."
            raise Refused(sentence, status=409)
    ordered = sorted(pools, key=lambda pool: int(pool.start))
    for left, right in itertools.pairwise(ordered):
        if int(right.start) <= int(left.end):
            sentence = (
                f"Found overlapping allocation pools: {left.start}-{left.end} {right.start}-{right.end} "
                f"for subnet {subnet}."
            )
            raise Refused(sentence, status=409)


def can_be_a_hosts(subnet: Subnet, address: Address) -> bool:
    """Whether a port can have it: inside, and neither the subnet's own address nor IPv4's broadcast."""
    if address not in subnet:
        return False
    if subnet.num_addresses <= 2:
        return True
    is_edge = address == subnet.network_address
    return not is_edge and not (subnet.version == 4 and address == subnet.broadcast_address)


def lowest_free(pools: Iterable[Pool], taken: Collection[Address]) -> Address | None:
    """Return the lowest address of the pools that nobody has, None when all are taken."""
    values = sorted({int(address) for address in taken})
    for pool in sorted(pools, key=lambda pool: int(pool.start)):
        candidate = int(pool.start)
        for value in values:
            if value == candidate:
                candidate += 1
            elif value > candidate:
                break
        if candidate <= int(pool.end):
            return type(pool.start)(candidate)
    return None


def from_mac(subnet: Subnet, mac: str) -> Address:
    """Return the address that a host with this MAC gives itself in an IPv6 subnet (RFC 4291, appendix A)."""
    assert subnet.version == 6
    octets = bytes.fromhex(mac.replace(":", ""))
    assert len(octets) == 6
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return ipaddress.IPv6Address(int(subnet.network_address) | int.from_bytes(identifier))


def link_local(mac: str) -> Address:
    """Return the link-local IPv6 address of a host with this MAC."""
    return from_mac(ipaddress.IPv6Network("fe80::/64"), mac)


def overlap(left: Subnet, right: Subnet) -> bool:
    """Whether some address is in both."""
    return left.version == right.version and left.overlaps(right)


def carve(prefixes: Iterable[Subnet], taken: Collection[Subnet], prefix_length: int) -> Subnet | None:
    """Return the first subnet of this length in the prefixes that overlaps none that is taken."""
    for prefix in sorted(prefixes, key=lambda each: (each.version, int(each.network_address))):
        if prefix.prefixlen > prefix_length:
            continue
        size = 1 << (prefix.max_prefixlen - prefix_length)
        candidate, end = int(prefix.network_address), int(prefix.broadcast_address)
        spans = sorted(
            (int(t.network_address), int(t.broadcast_address)) for t in taken if overlap(t, prefix)
        )
        for first, last in spans:
            if candidate + size <= first:
                break
            if last >= candidate:
                candidate = -(-(last + 1) // size) * size
        if candidate + size - 1 <= end:
            return type(prefix)((candidate, prefix_length))
    return None


def mac_from(base: str, entropy: int) -> str:
    """Return a MAC that begins as `base` ("fa:16:3e") and takes its other three octets from the entropy."""
    rest = (entropy & 0xFFFFFF).to_bytes(3)
    return ":".join([*base.split(":")[:3], *(f"{octet:02x}" for octet in rest)])
