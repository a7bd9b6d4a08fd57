"""The devices, namespaces, rules and programs that a host must have, and nothing else.

    Wanted + HostSettings ──▶ layout() ──▶ Layout        (a value: two equal ones need no work between them)

A project's network is a bridge without an address: the host itself can't be reached from it, and two networks
with one address range never meet. What has addresses lives in namespaces: DHCP and metadata in one of the
network, routing and translation in one of the router. Bridges of different hosts are joined by VXLAN.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from . import names, translation
from .advertising import advertiser_of
from .dhcp import METADATA_ADDRESS, DhcpService, DhcpSettings, service_of
from .firewall import Firewall, compiled
from .wanted import Network, Router, Wanted

VXLAN_PORT = 4789


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What is this host's own: its address for tunnels, and where physical networks are."""

    tunnel_address: str
    dhcp: DhcpSettings
    bridges: Mapping[str, str] = field(default_factory=dict)  # Physical network: an existing bridge.
    uplinks: Mapping[str, str] = field(
        default_factory=dict
    )  # Physical network: a device that joins our bridge.
    own_addresses: Mapping[str, str] = field(
        default_factory=dict
    )  # Physical network: address/length of the host.
    table: str = translation.TABLE


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge of ours; `members` are devices of others that shall be in it when they are there."""

    name: str
    mtu: int
    members: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A VXLAN device in a bridge; `peers` get what is for all, or for whom nobody knows yet."""

    name: str
    tunnel_id: int
    bridge: str
    local: str
    mtu: int
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cable:
    """A pair of devices: one end in a bridge, the other, with MAC and addresses, in a namespace."""

    outer: str
    inner: str
    namespace: str
    bridge: str
    mac: str
    mtu: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Space:
    """A namespace: whether it forwards, its routes (destination, next hop), its translation table."""

    name: str
    forwards: bool
    own_addresses: tuple[str, ...] = ()  # Of the loopback device.
    routes: tuple[tuple[str, str], ...] = ()
    table: str = ""

    @property
    def fingerprint(self) -> str:
        """Tells one table from another."""
        return hashlib.sha256(self.table.encode()).hexdigest()[:16] if self.table else ""


@dataclass(frozen=True, slots=True)
class Guest:
    """Whose a request for metadata is."""

    device_id: str
    project_id: str


@dataclass(frozen=True, slots=True)
class MetadataDoor:
    """Where metadata is asked for in a namespace, and who asks from which address."""

    namespace: str
    guests: Mapping[str, Guest]


@dataclass(frozen=True, slots=True)
class Layout:
    """All of it; each thing by its exact name."""

    bridges: Mapping[str, Bridge]
    tunnels: Mapping[str, Tunnel]
    spaces: Mapping[str, Space]
    cables: Mapping[str, Cable]
    firewall: Firewall
    services: Mapping[str, DhcpService]
    doors: Mapping[str, MetadataDoor]
    host_table: str = ""
    table: str = translation.TABLE  # What the host's own tables are called.


def layout(wanted: Wanted, settings: HostSettings) -> Layout:
    """Return what the host must have."""
    bridges = {bridge.name: bridge for bridge in _bridges(wanted, settings)}
    cables = {cable.outer: cable for cable in _cables(wanted, settings)}
    services = [service_of(network, settings.dhcp) for network in wanted.networks]
    services += [advertiser_of(router, wanted, settings.dhcp) for router in wanted.routers]
    return Layout(
        bridges=bridges,
        tunnels={tunnel.name: tunnel for tunnel in _tunnels(wanted, settings)},
        spaces={space.name: space for space in _spaces(wanted)},
        cables=cables,
        firewall=compiled(wanted),
        services={service.namespace: service for service in services if service is not None},
        doors={door.namespace: door for door in _doors(wanted)},
        host_table=_host_table(wanted, settings),
        table=settings.table,
    )


def bridge_of(network: Network, settings: HostSettings) -> str:
    """The name of the network's bridge on this host."""
    return settings.bridges.get(network.physical_network) or names.bridge(network.id)


def _bridges(wanted: Wanted, settings: HostSettings) -> Iterator[Bridge]:
    """Those that are ours; a physical network that has a bridge of the operator's gets none."""
    for network in wanted.networks:
        if network.physical_network in settings.bridges:
            continue
        guests = [names.tap(port.id) for port in wanted.ports if port.network_id == network.id]
        uplink = settings.uplinks.get(network.physical_network)
        own = settings.own_addresses.get(network.physical_network)
        yield Bridge(
            name=names.bridge(network.id),
            mtu=network.mtu,
            members=tuple(sorted([*guests, *([uplink] if uplink else [])])),
            addresses=(own,) if own else (),
        )


def _tunnels(wanted: Wanted, settings: HostSettings) -> Iterator[Tunnel]:
    for network in wanted.networks:
        if network.tunnel_id is not None and network.peers and settings.tunnel_address:
            yield Tunnel(
                name=names.tunnel(network.tunnel_id),
                tunnel_id=network.tunnel_id,
                bridge=names.bridge(network.id),
                local=settings.tunnel_address,
                mtu=network.mtu,
                peers=tuple(sorted(network.peers)),
            )


def _cables(wanted: Wanted, settings: HostSettings) -> Iterator[Cable]:
    for network in wanted.networks:
        if network.dhcp is not None:
            yield Cable(
                outer=names.tap(network.dhcp.port_id),
                inner=names.dhcp_end(network.dhcp.port_id),
                namespace=names.dhcp_namespace(network.id),
                bridge=bridge_of(network, settings),
                mac=network.dhcp.mac,
                mtu=network.mtu,
                addresses=(*sorted(network.dhcp.addresses), f"{METADATA_ADDRESS}/32"),
            )
    for router in wanted.routers:
        yield from _router_cables(router, wanted, settings)


def _router_cables(router: Router, wanted: Wanted, settings: HostSettings) -> Iterator[Cable]:
    sockets = [(each, names.router_end(each.port_id)) for each in router.interfaces]
    if router.gateway is not None:
        sockets.append((router.gateway, names.gateway_end(router.gateway.port_id)))
    for socket, inner in sockets:
        network = wanted.network(socket.network_id)
        if network is None:
            continue  # The next document will have it: the service writes one after the other.
        floating = [f"{each}/32" for each, _ in router.floating] if socket is router.gateway else []
        yield Cable(
            outer=names.tap(socket.port_id),
            inner=inner,
            namespace=names.router_namespace(router.id),
            bridge=bridge_of(network, settings),
            mac=socket.mac,
            mtu=network.mtu,
            addresses=tuple(sorted([*socket.addresses, *floating])),
        )


def _spaces(wanted: Wanted) -> Iterator[Space]:
    for network in wanted.networks:
        if network.dhcp is not None:
            yield Space(names.dhcp_namespace(network.id), forwards=False, routes=_dhcp_routes(network))
    for router in wanted.routers:
        hops = [("default", hop) for hop in router.next_hops]
        yield Space(
            names.router_namespace(router.id),
            forwards=True,
            own_addresses=(f"{METADATA_ADDRESS}/32",),
            routes=tuple(sorted({*hops, *router.routes})),
            table=translation.rules(router),
        )


def _dhcp_routes(network: Network) -> tuple[tuple[str, str], ...]:
    """By them dnsmasq asks its own resolvers."""
    assert network.dhcp is not None
    spans = [ipaddress.ip_interface(each) for each in network.dhcp.addresses]
    hops: dict[int, str] = {}
    for subnet in network.subnets:
        if subnet.gateway and any(ipaddress.ip_address(subnet.gateway) in span.network for span in spans):
            hops.setdefault(ipaddress.ip_address(subnet.gateway).version, subnet.gateway)
    return tuple(("default", hop) for _, hop in sorted(hops.items()))


def _doors(wanted: Wanted) -> Iterator[MetadataDoor]:
    """In a router's namespace too: not every guest heeds the route that DHCP tells it."""
    for network in wanted.networks:
        if network.dhcp is not None:
            yield MetadataDoor(names.dhcp_namespace(network.id), _guests(network))
    for router in wanted.routers:
        guests: dict[str, Guest] = {}
        for socket in router.interfaces:
            network_there = wanted.network(socket.network_id)
            spans = [ipaddress.ip_interface(each).network for each in socket.addresses]
            for address, guest in (_guests(network_there) if network_there else {}).items():
                if any(ipaddress.ip_address(address) in span for span in spans):
                    guests[address] = guest  # noqa: PERF403 - three loops in one would not be read
        yield MetadataDoor(names.router_namespace(router.id), guests)


def _guests(network: Network) -> dict[str, Guest]:
    """Whose each address is: only guests' ports have a device that metadata is kept of."""
    return {
        address: Guest(lease.device_id, lease.project_id)
        for lease in network.leases
        if lease.device_id
        for address in lease.addresses
    }


def _host_table(wanted: Wanted, settings: HostSettings) -> str:
    """Let what leaves by a host that is itself the gateway of a physical network take the host's address.

    The way in is named too: with br_netfilter, what passes any other bridge is shown to these rules as well.
    """
    spans = sorted(
        {
            (names.bridge(network.id), str(ipaddress.ip_interface(own).network))
            for network in wanted.networks
            if network.physical_network not in settings.bridges
            and (own := settings.own_addresses.get(network.physical_network))
        }
    )
    if not spans:
        return ""
    lines = [f"add table ip {settings.table}", f"delete table ip {settings.table}"]
    lines += [f"table ip {settings.table} {{", "  chain postrouting {"]
    lines.append("    type nat hook postrouting priority srcnat; policy accept;")
    lines += [
        f'    iifname "{bridge}" oifname != "{bridge}" ip saddr {span} masquerade' for bridge, span in spans
    ]
    return "\n".join([*lines, "  }", "}"]) + "\n"
