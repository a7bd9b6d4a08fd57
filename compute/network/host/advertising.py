"""What a router's dnsmasq says of IPv6: that it is the router, and how hosts come to their addresses.

    Router, its networks ──▶ advertiser_of() ──▶ a dnsmasq that sends router advertisements, and nothing else

It speaks only in subnets whose gateway is this router, and that have an ipv6_ra_mode.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from . import names
from .dhcp import LEASE_SECONDS, DhcpService, DhcpSettings
from .wanted import Router, Socket, Subnet, Wanted

INTERVAL_SECONDS = 30
_MODES = {"slaac": "ra-only", "dhcpv6-stateless": "ra-stateless", "dhcpv6-stateful": "static"}


def advertiser_of(router: Router, wanted: Wanted, settings: DhcpSettings) -> DhcpService | None:
    """Return the router's dnsmasq, None where there is nothing to advertise."""
    said = list(_advertised(router, wanted))
    if not said:
        return None
    folder = f"{settings.folder}/dhcp/{router.id}"
    command = [
        "dnsmasq", "--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--port=0", "--bind-dynamic",
        "--except-interface=lo", "--enable-ra", f"--pid-file={folder}/pid",
        f"--dhcp-leasefile={folder}/leases", f"--user={settings.user}", "--group=",
    ]  # fmt: skip
    for device in sorted({names.router_end(socket.port_id) for socket, _, _ in said}):
        command.append(f"--interface={device}")
    for socket, subnet, mtu in said:
        span = ipaddress.ip_network(subnet.cidr)
        tag = f"subnet-{subnet.id}"
        lease = f",{LEASE_SECONDS}s"
        command.append(
            f"--dhcp-range=set:{tag},{span.network_address},{_MODES[subnet.ra_mode]},{span.prefixlen}{lease}"
        )
        device = names.router_end(socket.port_id)
        command.append(f"--ra-param={device},mtu:{mtu},{INTERVAL_SECONDS}")
        if servers := [f"[{each}]" for each in subnet.nameservers if ":" in each]:
            command.append(f"--dhcp-option=tag:{tag},option6:dns-server,{','.join(servers)}")
    return DhcpService(
        owner_id=router.id,
        namespace=names.router_namespace(router.id),
        command=tuple(command),
        files={f"{folder}/hosts": ""},
        pid_path=f"{folder}/pid",
        lease_path=f"{folder}/leases",
    )


def _advertised(router: Router, wanted: Wanted) -> Iterator[tuple[Socket, Subnet, int]]:
    """The subnets that this router is the gateway of, with its socket there and the network's MTU."""
    for socket in router.interfaces:
        network = wanted.network(socket.network_id)
        own = {str(ipaddress.ip_interface(each).ip) for each in socket.addresses}
        for subnet in network.subnets if network is not None else ():
            if network is not None and subnet.ra_mode and subnet.gateway in own:
                yield socket, subnet, network.mtu
