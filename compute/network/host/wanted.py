"""What a host shall have, as the service tells it.

    {"networks": […], "ports": […], "groups": {…}, "routers": […]} ──▶ Wanted.of() ──▶ frozen values

The document is made by `compute/network/desired.py` and read by the agent of the host that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Lease:
    """What DHCP tells one port: addresses are without prefix lengths."""

    port_id: str
    mac: str
    addresses: tuple[str, ...]
    hostname: str = ""
    device_id: str = ""
    project_id: str = ""
    options: tuple[tuple[str, str, int], ...] = ()  # Name or number, value, IP version.


@dataclass(frozen=True, slots=True)
class Subnet:
    """One range of a network."""

    id: str
    cidr: str
    gateway: str = ""
    has_dhcp: bool = True
    nameservers: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()  # Destination and next hop.
    ra_mode: str = ""  # slaac, dhcpv6-stateful, dhcpv6-stateless, or "" for IPv4 and none.
    address_mode: str = ""


@dataclass(frozen=True, slots=True)
class Socket:
    """A port in one of our own namespaces; addresses are with prefix lengths."""

    port_id: str
    network_id: str
    mac: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """A network that this host has a part in."""

    id: str
    project_id: str
    tunnel_id: int | None
    mtu: int
    physical_network: str = ""
    subnets: tuple[Subnet, ...] = ()
    leases: tuple[Lease, ...] = ()
    dhcp: Socket | None = None  # Where this host is the one that serves the network's DHCP.
    peers: tuple[str, ...] = ()  # Addresses of the other hosts that have a part in it.


@dataclass(frozen=True, slots=True)
class Port:
    """A guest's port on this host."""

    id: str
    network_id: str
    mac: str
    addresses: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...] = ()  # Further addresses or CIDRs that it may use, with their MAC.
    is_guarded: bool = True
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a security group, as a client gave it; "" and None mean any."""

    direction: str
    ethertype: str
    protocol: str = ""
    first: int | None = None
    last: int | None = None
    prefix: str = ""
    group_id: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A security group: its rules, and the addresses (or CIDRs) of its members."""

    rules: tuple[Rule, ...] = ()
    members: tuple[str, ...] = ()
    is_stateful: bool = True


@dataclass(frozen=True, slots=True)
class Router:
    """A router that runs on this host."""

    id: str
    interfaces: tuple[Socket, ...]
    gateway: Socket | None = None
    next_hops: tuple[str, ...] = ()
    hides: bool = True  # Whether what leaves by the gateway takes the gateway's address.
    floating: tuple[tuple[str, str], ...] = ()  # Floating and fixed address.
    routes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """All of it."""

    networks: tuple[Network, ...] = ()
    ports: tuple[Port, ...] = ()
    groups: Mapping[str, Group] = field(default_factory=dict)
    routers: tuple[Router, ...] = ()
    generation: int = 0

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Wanted:
        """Read the document; members that are not known here are a newer service's."""
        return cls(
            networks=tuple(_network(each) for each in document["networks"]),
            ports=tuple(_port(each) for each in document["ports"]),
            groups={key: _group(each) for key, each in document["groups"].items()},
            routers=tuple(_router(each) for each in document["routers"]),
            generation=document["generation"],
        )

    @property
    def port_ids(self) -> list[str]:
        """Every port that is on this host: guests', DHCP's, routers'."""
        ids = {port.id for port in self.ports}
        ids |= {network.dhcp.port_id for network in self.networks if network.dhcp is not None}
        for router in self.routers:
            sockets = [*router.interfaces, *([router.gateway] if router.gateway is not None else [])]
            ids |= {socket.port_id for socket in sockets}
        return sorted(ids)

    def network(self, network_id: str) -> Network | None:
        """The network of this id, None where the host has no part in it."""
        return next((network for network in self.networks if network.id == network_id), None)


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((first, second) for first, second in value)


def _socket(value: Mapping[str, Any]) -> Socket:
    return Socket(value["port_id"], value["network_id"], value["mac"], tuple(value["addresses"]))


def _network(value: Mapping[str, Any]) -> Network:
    return Network(
        id=value["id"],
        project_id=value["project_id"],
        tunnel_id=value["tunnel_id"],
        mtu=value["mtu"],
        physical_network=value["physical_network"] or "",
        subnets=tuple(_subnet(each) for each in value["subnets"]),
        leases=tuple(_lease(each) for each in value["leases"]),
        dhcp=_socket(value["dhcp"]) if value["dhcp"] else None,
        peers=tuple(value["peers"]),
    )


def _subnet(value: Mapping[str, Any]) -> Subnet:
    return Subnet(
        id=value["id"],
        cidr=value["cidr"],
        gateway=value["gateway"] or "",
        has_dhcp=value["has_dhcp"],
        nameservers=tuple(value["nameservers"]),
        routes=_pairs(value["routes"]),
        ra_mode=value["ra_mode"] or "",
        address_mode=value["address_mode"] or "",
    )


def _lease(value: Mapping[str, Any]) -> Lease:
    return Lease(
        port_id=value["port_id"],
        mac=value["mac"],
        addresses=tuple(value["addresses"]),
        hostname=value["hostname"],
        device_id=value["device_id"],
        project_id=value["project_id"],
        options=tuple((name, text, version) for name, text, version in value["options"]),
    )


def _port(value: Mapping[str, Any]) -> Port:
    return Port(
        id=value["id"],
        network_id=value["network_id"],
        mac=value["mac"],
        addresses=tuple(value["addresses"]),
        pairs=_pairs(value["pairs"]),
        is_guarded=value["is_guarded"],
        groups=tuple(value["groups"]),
    )


def _group(value: Mapping[str, Any]) -> Group:
    rules = tuple(
        Rule(
            direction=rule["direction"],
            ethertype=rule["ethertype"],
            protocol=rule["protocol"] or "",
            first=rule["first"],
            last=rule["last"],
            prefix=rule["prefix"] or "",
            group_id=rule["group_id"] or "",
        )
        for rule in value["rules"]
    )
    return Group(rules, tuple(value["members"]), value["is_stateful"])


def _router(value: Mapping[str, Any]) -> Router:
    return Router(
        id=value["id"],
        interfaces=tuple(_socket(each) for each in value["interfaces"]),
        gateway=_socket(value["gateway"]) if value["gateway"] else None,
        next_hops=tuple(value["next_hops"]),
        hides=value["hides"],
        floating=_pairs(value["floating"]),
        routes=_pairs(value["routes"]),
    )
