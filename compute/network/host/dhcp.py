"""What dnsmasq is told for one network.

    Network ──▶ service_of() ──▶ arguments, and the files of hosts, options and names

Every address is given to the one port that has it, and to nobody else. Routes go out as option 121 (RFC
3442), with the way to 169.254.169.254 among them, and to old clients as option 249 too. Who has no resolver
of the subnet's asks dnsmasq, which knows the network's names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from . import names
from .wanted import Lease, Network, Subnet

METADATA_ADDRESS = "169.254.169.254"
LEASE_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class DhcpSettings:
    """What is the same for all networks of a host."""

    folder: str
    domain: str = "cloud.internal"
    resolvers: tuple[str, ...] = ()
    user: str = "nobody"


@dataclass(frozen=True, slots=True)
class DhcpService:
    """One dnsmasq: whose it is (a network's or a router's), its namespace, its command, its files by path."""

    owner_id: str
    namespace: str
    command: tuple[str, ...]
    files: Mapping[str, str]
    pid_path: str
    lease_path: str


def service_of(network: Network, settings: DhcpSettings) -> DhcpService | None:
    """Return the network's DHCP service, None where it is another host's or nobody's."""
    if network.dhcp is None:
        return None
    subnets = [subnet for subnet in network.subnets if subnet.has_dhcp and _is_served(subnet)]
    folder = f"{settings.folder}/dhcp/{network.id}"
    command = [
        "dnsmasq", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--no-negcache", "--bind-dynamic",
        "--except-interface=lo", f"--interface={names.dhcp_end(network.dhcp.port_id)}",
        "--dhcp-authoritative",
        f"--pid-file={folder}/pid", f"--dhcp-hostsfile={folder}/hosts", f"--dhcp-optsfile={folder}/options",
        f"--addn-hosts={folder}/names", f"--dhcp-leasefile={folder}/leases", f"--domain={settings.domain}",
        "--expand-hosts", f"--local=/{settings.domain}/", f"--dhcp-lease-max={_lease_count(subnets)}",
        "--no-ping", f"--user={settings.user}", "--group=",
    ]  # fmt: skip
    command += [f"--server={resolver}" for resolver in settings.resolvers]
    command += [_range(subnet) for subnet in subnets]
    if network.mtu:
        command.append(f"--dhcp-option-force=option:mtu,{network.mtu}")
    return DhcpService(
        owner_id=network.id,
        namespace=names.dhcp_namespace(network.id),
        command=tuple(command),
        files={
            f"{folder}/hosts": _lines(_hosts(network, settings)),
            f"{folder}/options": _lines(_options(network, subnets)),
            f"{folder}/names": _lines(_names(network, settings)),
        },
        pid_path=f"{folder}/pid",
        lease_path=f"{folder}/leases",
    )


def kept_leases(text: str, hosts: str) -> str:
    """Return the lines of a lease file whose MAC still has the address; the others would block it."""
    having = {
        (mac.lower(), address.strip("[]"))
        for mac, *rest in (line.split(",") for line in hosts.splitlines())
        for address in rest
    }
    kept = [
        line
        for line in text.splitlines()
        if len(words := line.split()) >= 3 and (words[1].lower(), words[2]) in having
    ]
    return _lines(kept)


def hostname_of(lease: Lease, address: str) -> str:
    """The name of a port: its own, or one made of the address."""
    return lease.hostname or "host-" + ipaddress.ip_address(address).exploded.replace(".", "-").replace(
        ":", "-"
    )


def _lines(lines: Iterator[str] | list[str]) -> str:
    """A file of these lines; what would be two is left out (the API refuses it before)."""
    return "".join(
        f"{line}\n" for line in lines if line.isprintable() or line.replace("\t", "").isprintable()
    )


def _is_served(subnet: Subnet) -> bool:
    """Whether addresses of the subnet are told by DHCP (IPv6 hosts may make their own)."""
    return subnet.address_mode != "slaac"


def _range(subnet: Subnet) -> str:
    span = ipaddress.ip_network(subnet.cidr)
    if span.version == 4:
        return (
            f"--dhcp-range=set:{_tag(subnet)},{span.network_address},static,{span.netmask},{LEASE_SECONDS}s"
        )
    return f"--dhcp-range=set:{_tag(subnet)},{span.network_address},static,{span.prefixlen},{LEASE_SECONDS}s"


def _lease_count(subnets: list[Subnet]) -> int:
    total = sum(ipaddress.ip_network(subnet.cidr).num_addresses for subnet in subnets)
    return min(total, 1 << 24)


def _tag(subnet: Subnet) -> str:
    return f"subnet-{subnet.id}"


def _hosts(network: Network, settings: DhcpSettings) -> Iterator[str]:
    """One line for each address: MAC, the tag of the port's own options, name, address."""
    served = [ipaddress.ip_network(subnet.cidr) for subnet in network.subnets if subnet.has_dhcp]
    for lease in network.leases:
        tag = f"set:port-{lease.port_id}"
        for address in lease.addresses:
            value = ipaddress.ip_address(address)
            if any(value in span for span in served):
                shown = f"[{address}]" if value.version == 6 else address
                name = f"{hostname_of(lease, address)}.{settings.domain}"
                yield f"{lease.mac},{tag},{name},{shown}"


def _names(network: Network, settings: DhcpSettings) -> Iterator[str]:
    for lease in network.leases:
        for address in lease.addresses:
            name = hostname_of(lease, address)
            yield f"{address}\t{name}.{settings.domain} {name}"


def _options(network: Network, subnets: list[Subnet]) -> Iterator[str]:
    assert network.dhcp is not None
    ours = [ipaddress.ip_interface(each) for each in network.dhcp.addresses]
    for subnet in subnets:
        span = ipaddress.ip_network(subnet.cidr)
        mine = next((str(each.ip) for each in ours if each.ip in span), "")
        if span.version == 6:
            if servers := [f"[{each}]" for each in subnet.nameservers] or ([f"[{mine}]"] if mine else []):
                yield f"tag:{_tag(subnet)},option6:dns-server,{','.join(servers)}"
            continue
        servers = list(subnet.nameservers) or ([mine] if mine else [])
        if servers and servers != ["0.0.0.0"]:
            yield f"tag:{_tag(subnet)},option:dns-server,{','.join(servers)}"
        routes = [*subnet.routes]
        if mine:
            routes.append((f"{METADATA_ADDRESS}/32", mine))
        if subnet.gateway and not any(destination == "0.0.0.0/0" for destination, _ in routes):
            routes.append(("0.0.0.0/0", subnet.gateway))  # Who heeds option 121 ignores option 3.
        if routes:
            said = ",".join(f"{destination},{hop}" for destination, hop in routes)
            yield f"tag:{_tag(subnet)},option:classless-static-route,{said}"
            yield f"tag:{_tag(subnet)},249,{said}"
        yield f"tag:{_tag(subnet)},option:router{',' if subnet.gateway else ''}{subnet.gateway}"
    for lease in network.leases:
        for name, value, version in lease.options:
            kind = "option6" if version == 6 else "option"
            yield f"tag:port-{lease.port_id},{name if name.isdigit() else f'{kind}:{name}'},{value}"
