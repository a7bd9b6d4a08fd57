"""From what is there to what must be: the commands, in their order.

    Layout, Observed, Known ──▶ steps() ──▶ [Command(("ip", "link", "add", …)), …]

What is as it must be needs no command, so a pass over a host in order does nothing. Only what stands in
`Known`, the exact names that this agent has ever made, is removed. Rules come before the devices that they
guard.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..addresses import mac_from
from . import firewall
from .layout import VXLAN_PORT, Bridge, Cable, Layout, Space, Tunnel

HOST = ""  # The name of the host's own namespace here.
EVERYBODY = "00:00:00:00:00:00"


@dataclass(frozen=True, slots=True)
class Link:
    """A device as it is."""

    name: str
    mac: str = ""
    mtu: int = 0
    master: str = ""
    is_up: bool = False
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Observed:
    """What is there: devices by namespace and name, routes by namespace, the peers of tunnels."""

    spaces: frozenset[str] = frozenset()
    links: Mapping[tuple[str, str], Link] = field(default_factory=dict)
    routes: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    peers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tables: frozenset[tuple[str, str]] = frozenset()  # Namespace and family of those that are ours.


@dataclass(frozen=True, slots=True)
class Known:
    """What this agent has made, or was about to: names, and fingerprints of rules."""

    spaces: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    tables: Mapping[str, str] = field(default_factory=dict)  # Namespace: fingerprint of its translation.
    firewall: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Command:
    """One command, and what it reads from its standard input."""

    words: tuple[str, ...]
    text: str = ""


def known_after(layout: Layout) -> Known:
    """Return what is known when all is as the layout says."""
    tables = {space.name: space.fingerprint for space in layout.spaces.values() if space.table}
    if layout.host_table:
        tables[HOST] = Space("", forwards=False, table=layout.host_table).fingerprint
    return Known(
        spaces=frozenset(layout.spaces),
        devices=frozenset({*layout.bridges, *layout.tunnels, *layout.cables}),
        tables=tables,
        firewall=layout.firewall.fingerprints(),
    )


def known_meanwhile(layout: Layout, known: Known) -> Known:
    """Return what must be written down before the first command: what was made, and what may be half made."""
    after = known_after(layout)
    return Known(
        spaces=known.spaces | after.spaces,
        devices=known.devices | after.devices,
        tables={name: known.tables.get(name, "") for name in {*known.tables, *after.tables}},
        firewall={name: known.firewall.get(name, "") for name in {*known.firewall, *after.firewall}},
    )


def steps(layout: Layout, observed: Observed, known: Known) -> list[Command]:
    """Return what must be done."""
    return [
        *_firewall(layout, observed, known),
        *(command for space in layout.spaces.values() for command in _space(space, observed)),
        *(command for bridge in layout.bridges.values() for command in _bridge(bridge, observed)),
        *(command for cable in layout.cables.values() for command in _cable(cable, observed)),
        *(command for tunnel in layout.tunnels.values() for command in _tunnel(tunnel, observed)),
        *(command for space in layout.spaces.values() for command in _routes(space, observed)),
        *(command for space in layout.spaces.values() for command in _table(space, observed, known)),
        *_host_table(layout, observed, known),
        *_removals(layout, observed, known),
    ]


def _firewall(layout: Layout, observed: Observed, known: Known) -> Iterator[Command]:
    before = known.firewall if (HOST, "bridge") in observed.tables else {}
    if text := firewall.script(layout.firewall, before, layout.table):
        yield Command(("nft", "-f", "-"), text)


def _in(space: str, *words: str) -> Command:
    return Command(("ip", *(("-n", space) if space else ()), *words))


def _space(space: Space, observed: Observed) -> Iterator[Command]:
    """The loopback device goes up last: whoever finds it up finds the rest done."""
    lo = observed.links.get((space.name, "lo"))
    if space.name not in observed.spaces:
        yield Command(("ip", "netns", "add", space.name))
    if lo is None or not lo.is_up:
        settings = ["net.ipv6.conf.all.accept_ra=0", "net.ipv6.conf.default.accept_ra=0"]
        if space.forwards:
            settings += ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]
        yield Command(("ip", "netns", "exec", space.name, "sysctl", "-q", "-w", *settings))
        yield _in(space.name, "link", "set", "lo", "up")
    if lo is None:
        lo = Link("lo")
    for address in space.own_addresses:
        if address not in lo.addresses:
            yield _in(space.name, "address", "add", address, "dev", "lo")


def _bridge(bridge: Bridge, observed: Observed) -> Iterator[Command]:
    link = observed.links.get((HOST, bridge.name))
    if link is None:
        shape = ("type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        yield _in(HOST, "link", "add", bridge.name, "address", _steady_mac(bridge.name), *shape)
        yield Command(("sysctl", "-q", "-w", f"net.ipv6.conf.{bridge.name}.disable_ipv6=1"))
        link = Link(bridge.name)
    if bridge.mtu and link.mtu != bridge.mtu:
        yield _in(HOST, "link", "set", bridge.name, "mtu", str(bridge.mtu))
    if not link.is_up:
        yield _in(HOST, "link", "set", bridge.name, "up")
    yield from _addresses(HOST, bridge.name, bridge.addresses, link)
    for member in bridge.members:
        guest = observed.links.get((HOST, member))
        if guest is not None and guest.master != bridge.name:
            yield _in(HOST, "link", "set", member, "master", bridge.name)
        if guest is not None and not guest.is_up:
            yield _in(HOST, "link", "set", member, "up")


def _steady_mac(name: str) -> str:
    """Return a MAC for a bridge: left to itself, it takes the least of its members', which changes."""
    return mac_from("fe:16:3e", int.from_bytes(hashlib.sha256(name.encode()).digest()[:3]))


def _cable(cable: Cable, observed: Observed) -> Iterator[Command]:
    outer = observed.links.get((HOST, cable.outer))
    inner = observed.links.get((cable.namespace, cable.inner))
    if outer is None or inner is None or inner.mac != cable.mac:
        if outer is not None:
            yield _in(HOST, "link", "delete", cable.outer)
        mtu = ("mtu", str(cable.mtu)) if cable.mtu else ()
        far = ("peer", "name", cable.inner, "address", cable.mac, *mtu, "netns", cable.namespace)
        yield _in(HOST, "link", "add", cable.outer, *mtu, "type", "veth", *far)
        outer, inner = Link(cable.outer, mtu=cable.mtu), Link(cable.inner, mtu=cable.mtu)
    if cable.mtu and outer.mtu != cable.mtu:
        yield _in(HOST, "link", "set", cable.outer, "mtu", str(cable.mtu))
        yield _in(cable.namespace, "link", "set", cable.inner, "mtu", str(cable.mtu))
    if outer.master != cable.bridge:
        yield _in(HOST, "link", "set", cable.outer, "master", cable.bridge)
    if not outer.is_up:
        yield _in(HOST, "link", "set", cable.outer, "up")
    yield from _addresses(cable.namespace, cable.inner, cable.addresses, inner)
    if not inner.is_up:
        yield _in(cable.namespace, "link", "set", cable.inner, "up")


def _addresses(space: str, device: str, wanted: Iterable[str], link: Link) -> Iterator[Command]:
    wanted_set = {_normal(address) for address in wanted}
    for address in sorted(wanted_set - link.addresses):
        no_wait = ("nodad",) if ":" in address else ()
        yield _in(space, "address", "add", address, "dev", device, *no_wait)
    for address in sorted(link.addresses - wanted_set):
        if not ipaddress.ip_interface(address).is_link_local or ":" not in address:
            yield _in(space, "address", "delete", address, "dev", device)


def _normal(address: str) -> str:
    return str(ipaddress.ip_interface(address))


def _tunnel(tunnel: Tunnel, observed: Observed) -> Iterator[Command]:
    link = observed.links.get((HOST, tunnel.name))
    if link is None:
        kind = (
            "type",
            "vxlan",
            "id",
            str(tunnel.tunnel_id),
            "local",
            tunnel.local,
            "dstport",
            str(VXLAN_PORT),
        )
        yield _in(HOST, "link", "add", tunnel.name, *kind)
        link = Link(tunnel.name)
    if tunnel.mtu and link.mtu != tunnel.mtu:
        yield _in(HOST, "link", "set", tunnel.name, "mtu", str(tunnel.mtu))
    if link.master != tunnel.bridge:
        yield _in(HOST, "link", "set", tunnel.name, "master", tunnel.bridge)
    if not link.is_up:
        yield _in(HOST, "link", "set", tunnel.name, "up")
    there = observed.peers.get(tunnel.name, frozenset())
    for peer in sorted(set(tunnel.peers) - there):
        yield Command(("bridge", "fdb", "append", EVERYBODY, "dev", tunnel.name, "dst", peer))
    for peer in sorted(there - set(tunnel.peers)):
        yield Command(("bridge", "fdb", "delete", EVERYBODY, "dev", tunnel.name, "dst", peer))


def _routes(space: Space, observed: Observed) -> Iterator[Command]:
    there = observed.routes.get(space.name, frozenset())
    for destination, hop in sorted(there - set(space.routes)):
        yield _in(space.name, "route", "delete", _explicit(destination, hop), "via", hop, "proto", "static")
    for destination, hop in space.routes:
        if (destination, hop) not in there:
            yield _in(
                space.name, "route", "replace", _explicit(destination, hop), "via", hop, "proto", "static"
            )


def _explicit(destination: str, hop: str) -> str:
    """The default route by its prefix, which says the IP version too."""
    if destination != "default":
        return destination
    return "::/0" if ":" in hop else "0.0.0.0/0"


def _table(space: Space, observed: Observed, known: Known) -> Iterator[Command]:
    is_there = (space.name, "ip") in observed.tables and known.tables.get(space.name) == space.fingerprint
    if space.table and not is_there:
        yield Command(("ip", "netns", "exec", space.name, "nft", "-f", "-"), space.table)


def _host_table(layout: Layout, observed: Observed, known: Known) -> Iterator[Command]:
    wanted = known_after(layout).tables.get(HOST, "")
    is_there = (HOST, "ip") in observed.tables
    if wanted and not (is_there and known.tables.get(HOST) == wanted):
        yield Command(("sysctl", "-q", "-w", "net.ipv4.ip_forward=1"))
        yield Command(("nft", "-f", "-"), layout.host_table)
    if not wanted and is_there and HOST in known.tables:
        yield Command(("nft", "delete", "table", "ip", layout.table))


def _removals(layout: Layout, observed: Observed, known: Known) -> Iterator[Command]:
    after = known_after(layout)
    for device in sorted(known.devices - after.devices):
        if (HOST, device) in observed.links:
            yield _in(HOST, "link", "delete", device)
    for space in sorted(known.spaces - after.spaces):
        if space in observed.spaces:
            yield Command(("ip", "netns", "delete", space))
