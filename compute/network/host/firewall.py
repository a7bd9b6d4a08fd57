"""Security groups as nftables' rules in the bridge family.

    ports, groups ──▶ compiled() ──▶ Firewall ──▶ script(now, before) ──▶ text for `nft -f -`, one transaction

Each port has a chain for what its guest sends and one for what it is sent. Who may answer is known from sets
of flows that the rules themselves fill and that time empties: the kernel's connection tracking in bridges is
not on every machine, and does not keep two projects with the same addresses apart; a set of a port's own
does. A guest can't send under an address or MAC that is not its port's, nor play DHCP server or IPv6 router.

What a port's changed rules no longer allow ends at once: its flows are forgotten, and those that still match
come back with their next packet. Other ports' flows live on.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..addresses import link_local
from . import names
from .translation import TABLE
from .wanted import Group, Port, Rule, Wanted

FLOWS_MAX = 65536  # Of one port; a guest that opens more shuts out itself only.
TCP_SECONDS = 7440  # RFC 5382: at least 2 hours and 4 minutes for a connection that is silent.
OTHER_SECONDS = 180  # RFC 4787 asks for two minutes at least of UDP, RFC 5508 for one of ICMP.
# The usual one of the family. At 0, br_netfilter, where it came later, takes packets past the hook.
PRIORITY = -200
_PORTED = "{ tcp, udp, dccp, sctp, udplite }"
_NUMBERS: Mapping[str, int] = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "icmp": 1, "icmpv6": 58, "igmp": 2, "ipip": 4,
    "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43,
    "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}  # fmt: skip
"""The protocols that a rule may name, as the API lists them."""
WITH_PORTS = frozenset({6, 17, 33, 132, 136})
_ICMP = frozenset({1, 58})


def protocol_number(protocol: str) -> int | None:
    """Return the number of a protocol that is named or numbered, None for any.

    Raises:
        ValueError: it is neither.
    """
    if protocol in ("", "any"):
        return None
    if protocol in _NUMBERS:
        return _NUMBERS[protocol]
    if protocol.isascii() and protocol.isdigit() and int(protocol) <= 255:
        return int(protocol)
    raise ValueError(f"{protocol!r} is no protocol")


@dataclass(frozen=True, slots=True)
class Firewall:
    """Rules of a port by its device, and addresses by the name of their set."""

    ports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # The bodies of both chains.
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def fingerprints(self) -> dict[str, str]:
        """Return what tells one state of each part from another: {"port tap…": …, "set g4…": …}."""
        parts = {f"port {device}": lines for device, lines in self.ports.items()}
        parts |= {f"set {name}": lines for name, lines in self.sets.items()}
        return {
            name: hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] for name, lines in parts.items()
        }


def compiled(wanted: Wanted) -> Firewall:
    """Return the rules of all guarded ports of the host."""
    ports, sets = {}, {}
    for port in wanted.ports:
        if not port.is_guarded:
            continue
        groups = [wanted.groups[group] for group in sorted(port.groups) if group in wanted.groups]
        ports[names.tap(port.id)] = tuple(_chains(port, groups))
        for rule in (rule for group in groups for rule in group.rules if rule.group_id):
            members = wanted.groups.get(rule.group_id, Group()).members
            version = 4 if rule.ethertype == "IPv4" else 6
            sets[_set_name(rule.group_id, version)] = tuple(
                sorted(m for m in members if ipaddress.ip_network(m, strict=False).version == version)
            )
    return Firewall(ports, sets)


def script(now: Firewall, before: Mapping[str, str], table: str = TABLE) -> str:
    """Return the transaction from what was there (its fingerprints) to what shall be; "" for no change.

    All that stays is written again, so that a table that somebody emptied by hand is whole afterwards.
    """
    after = now.fingerprints()
    if after == before:
        return ""
    lines = [*_frame(table), *_declarations(now, table)]
    for device in sorted(now.ports):
        lines += [f"flush chain bridge {table} {chain}" for chain in _chain_names(device)]
        if before.get(f"port {device}") != after[f"port {device}"]:
            lines += [f"flush set bridge {table} {name}" for name, _ in _flow_sets(device)]
    for name, members in sorted(now.sets.items()):
        lines.append(f"flush set bridge {table} {name}")
        if members:
            lines.append(f"add element bridge {table} {name} {{ {', '.join(members)} }}")
    for device in sorted(now.ports):
        sending, receiving, *_ = _chain_names(device)
        lines += [f"add rule bridge {table} {rule}" for rule in now.ports[device]]
        lines.append(f'add element bridge {table} senders {{ "{device}" : jump {sending} }}')
        lines.append(f'add element bridge {table} receivers {{ "{device}" : jump {receiving} }}')
    return "\n".join([*lines, *_removals(set(before) - set(after), table)]) + "\n"


def _frame(table: str) -> list[str]:
    """What every host has: the hook, and the two maps that lead to the ports' chains."""
    return [
        f"add table bridge {table}",
        f"add map bridge {table} senders {{ type ifname : verdict; }}",
        f"add map bridge {table} receivers {{ type ifname : verdict; }}",
        f"add chain bridge {table} forward {{ type filter hook forward priority {PRIORITY}; }}",
        f"flush chain bridge {table} forward",
        f"flush map bridge {table} senders",
        f"flush map bridge {table} receivers",
        f"add rule bridge {table} forward iifname vmap @senders",
        f"add rule bridge {table} forward oifname vmap @receivers",
    ]


def _declarations(firewall: Firewall, table: str) -> Iterator[str]:
    for name in sorted(firewall.sets):
        kind = "ipv4_addr" if name.startswith("g4_") else "ipv6_addr"
        yield f"add set bridge {table} {name} {{ type {kind}; flags interval; auto-merge; }}"
    for device in sorted(firewall.ports):
        for name, key in _flow_sets(device):
            yield (
                f"add set bridge {table} {name} {{ type {key}; flags dynamic,timeout; "
                f"timeout {OTHER_SECONDS}s; size {FLOWS_MAX}; }}"
            )
        for chain in _chain_names(device):
            yield f"add chain bridge {table} {chain}"


def _removals(gone: Iterable[str], table: str) -> Iterator[str]:
    """First what refers to others, then the others."""
    devices = sorted(part.removeprefix("port ") for part in gone if part.startswith("port "))
    chains = [chain for device in devices for chain in _chain_names(device)]
    yield from (f"add chain bridge {table} {chain}" for chain in chains)  # So that deleting never fails.
    yield from (f"flush chain bridge {table} {chain}" for chain in chains)
    yield from (f"delete chain bridge {table} {chain}" for chain in chains)
    for device in devices:
        for name, key in _flow_sets(device):
            yield (
                f"add set bridge {table} {name} {{ type {key}; flags dynamic,timeout; "
                f"timeout {OTHER_SECONDS}s; size {FLOWS_MAX}; }}"
            )
            yield f"delete set bridge {table} {name}"
    for name in sorted(part.removeprefix("set ") for part in gone if part.startswith("set ")):
        kind = "ipv4_addr" if name.startswith("g4_") else "ipv6_addr"
        yield f"add set bridge {table} {name} {{ type {kind}; flags interval; auto-merge; }}"
        yield f"delete set bridge {table} {name}"


def _word(device: str) -> str:
    return device.replace("-", "_")


def _set_name(group_id: str, version: int) -> str:
    return f"g{version}_{group_id.replace('-', '_')}"


def _chain_names(device: str) -> tuple[str, str, str, str]:
    """What the guest sends and is sent, and where what is let through is noted."""
    word = _word(device)
    return f"from_{word}", f"to_{word}", f"noted_from_{word}", f"noted_to_{word}"


def _flow_sets(device: str) -> list[tuple[str, str]]:
    """The sets of a port's flows with their keys: their address, ours, protocol, our port, theirs."""
    word = _word(device)
    return [
        (
            f"flows{version}_{word}",
            f"ipv{version}_addr . ipv{version}_addr . inet_proto . inet_service . inet_service",
        )
        for version in (4, 6)
    ] + [
        (f"talks{version}_{word}", f"ipv{version}_addr . ipv{version}_addr . inet_proto")
        for version in (4, 6)
    ]


def _chains(port: Port, groups: Sequence[Group]) -> Iterator[str]:
    """Rules come before answers: each packet that a rule lets through keeps its flow remembered."""
    device = names.tap(port.id)
    sending, receiving, noted_sending, noted_receiving = _chain_names(device)
    yield from (f"{sending} {line}" for line in _truth(port))
    yield from (f"{sending} {line}" for line in _ruled(groups, "egress", noted_sending))
    yield from (f"{sending} {line}" for line in _answers(device, "s", "d"))
    yield f"{sending} drop"
    yield from (f"{noted_sending} {line}" for line in _notes(device, "s", "d"))
    yield f"{receiving} meta protocol arp return"
    yield f"{receiving} udp sport 67 udp dport 68 return"
    yield f"{receiving} udp sport 547 udp dport 546 return"
    yield f"{receiving} icmpv6 type {{ 130, 131, 132, 134, 135, 136, 143 }} return"
    yield from (f"{receiving} {line}" for line in _ruled(groups, "ingress", noted_receiving))
    yield from (f"{receiving} {line}" for line in _answers(device, "d", "s"))
    yield f"{receiving} drop"
    yield from (f"{noted_receiving} {line}" for line in _notes(device, "d", "s"))


def _truth(port: Port) -> Iterator[str]:
    """What the guest may claim to be, and what every guest may send."""
    pairs = [(address, mac) for address, mac in port.pairs]
    macs = sorted({port.mac, *(mac for _, mac in pairs)})
    claims = [*port.addresses, *(address for address, _ in pairs)]
    by_version = {
        version: sorted({c for c in claims if ipaddress.ip_network(c, strict=False).version == version})
        for version in (4, 6)
    }
    locals6 = sorted(str(link_local(mac)) for mac in macs)
    yield f"ether saddr != {{ {', '.join(macs)} }} drop"
    yield f"meta protocol arp arp saddr ether != {{ {', '.join(macs)} }} drop"
    if by_version[4]:
        addresses = ", ".join(_merged(by_version[4]))
        yield f"meta protocol arp arp saddr ip != {{ {addresses}, 0.0.0.0 }} drop"
        yield "meta protocol arp return"
    else:
        yield "meta protocol arp drop"
    yield "udp sport 67 udp dport 68 drop"
    yield "udp sport 547 udp dport 546 drop"
    yield "icmpv6 type nd-router-advert drop"
    yield "ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 return"
    yield f"ip saddr != {{ {addresses} }} drop" if by_version[4] else "meta protocol ip drop"
    yield "udp sport 68 udp dport 67 return"
    yield "ip6 saddr :: icmpv6 type { 131, 133, 135, 143 } return"
    yield f"ip6 saddr != {{ {', '.join([*_merged(by_version[6]), *locals6])} }} drop"
    yield from _advertised([*by_version[6], *locals6])
    yield "icmpv6 type { 131, 132, 133, 135, 143 } return"
    yield "udp sport 546 udp dport 547 return"
    yield "meta protocol != { ip, ip6 } drop"


def _advertised(addresses: Iterable[str]) -> Iterator[str]:
    """Let an advertisement through whose target (8 bytes from its header's begin) is the port's own."""
    kind = "icmpv6 type nd-neighbor-advert"
    for address in _merged(addresses):
        span = ipaddress.ip_network(address)
        bits = span.prefixlen
        target = f"@th,64,{bits} {int(span.network_address) >> (128 - bits):#x} " if bits else ""
        yield f"{kind} {target}return"
    yield f"{kind} drop"


def _merged(addresses: Iterable[str]) -> list[str]:
    """The same addresses, none of them said twice: a set of intervals refuses those that overlap."""
    spans = [ipaddress.ip_network(address, strict=False) for address in addresses]
    merged = ipaddress.collapse_addresses(spans)  # type: ignore[type-var]
    return [
        str(span.network_address) if span.prefixlen == span.max_prefixlen else str(span) for span in merged
    ]


def _answers(device: str, ours: str, theirs: str) -> Iterator[str]:
    """What belongs to a flow that was let through the other way; `ours` is s or d, our address's place."""
    word = _word(device)
    yield "ip frag-off & 0x1fff != 0 return"  # Nobody can make anything of it without the first fragment.
    yield "frag frag-off != 0 return"
    yield "icmp type { destination-unreachable, time-exceeded, parameter-problem } return"
    yield "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } return"
    for version, ip in ((4, "ip"), (6, "ip6")):
        ends = f"{ip} {theirs}addr . {ip} {ours}addr . meta l4proto"
        yield f"meta l4proto {_PORTED} {ends} . th {ours}port . th {theirs}port @flows{version}_{word} return"
    yield f"icmp type echo-reply ip {theirs}addr . ip {ours}addr . meta l4proto @talks4_{word} return"
    yield f"icmpv6 type echo-reply ip6 {theirs}addr . ip6 {ours}addr . meta l4proto @talks6_{word} return"
    for version, ip in ((4, "ip"), (6, "ip6")):
        others = "meta l4proto != { tcp, udp, dccp, sctp, udplite, icmp, icmpv6 }"
        yield f"{others} {ip} {theirs}addr . {ip} {ours}addr . meta l4proto @talks{version}_{word} return"


def _notes(device: str, ours: str, theirs: str) -> Iterator[str]:
    """Note the flow, so that its answers find their way, and let the packet go on."""
    word = _word(device)
    for version, ip in ((4, "ip"), (6, "ip6")):
        ends = f"{ip} {theirs}addr . {ip} {ours}addr . meta l4proto"
        ported = f"{ends} . th {ours}port . th {theirs}port"
        yield f"meta l4proto tcp update @flows{version}_{word} {{ {ported} timeout {TCP_SECONDS}s }} return"
        others = f"update @flows{version}_{word} {{ {ported} timeout {OTHER_SECONDS}s }}"
        yield f"meta l4proto {_PORTED} {others} return"
        yield f"update @talks{version}_{word} {{ {ends} timeout {OTHER_SECONDS}s }} return"


def _ruled(groups: Sequence[Group], direction: str, noted: str) -> Iterator[str]:
    """One line for each rule of the direction, none twice."""
    lines = [
        f"{condition} {f'goto {noted}' if group.is_stateful else 'return'}".strip()
        for group in groups
        for rule in group.rules
        if rule.direction == direction
        for condition in [_condition(rule)]
    ]
    yield from dict.fromkeys(lines)


def _condition(rule: Rule) -> str:
    ip = "ip" if rule.ethertype == "IPv4" else "ip6"
    side = "daddr" if rule.direction == "egress" else "saddr"
    parts = [f"meta protocol {ip}"]
    if rule.prefix and not rule.prefix.endswith("/0"):
        parts.append(f"{ip} {side} {rule.prefix}")
    if rule.group_id:
        parts.append(f"{ip} {side} @{_set_name(rule.group_id, 4 if ip == 'ip' else 6)}")
    number = protocol_number(rule.protocol)
    if number in _ICMP and ip == "ip6":
        number = 58  # "icmp" in a rule for IPv6 means IPv6's.
    if number is not None:
        parts.append(f"meta l4proto {number}")
    if number in WITH_PORTS and rule.first is not None:
        last = rule.last if rule.last is not None else rule.first
        parts.append(f"th dport {rule.first}" if rule.first == last else f"th dport {rule.first}-{last}")
    if number in _ICMP and rule.first is not None:
        icmp = "icmp" if number == 1 else "icmpv6"
        parts.append(f"{icmp} type {rule.first}")
        if rule.last is not None:
            parts.append(f"{icmp} code {rule.last}")
    return " ".join(parts)
