"""What a router's namespace does to addresses, as nftables' rules.

    Router ──▶ rules() ──▶ text for `nft -f -`: floating addresses both ways, and the gateway's for all others

What comes in by the gateway's interface is marked, so that a guest sees who asks. A guest that asks for a
floating address of its own network is sent through the router both ways. What nobody translated does not pass
from outside into a router that hides its networks.
"""

from __future__ import annotations

import ipaddress

from . import names
from .wanted import Router

TABLE = "apus"
_FROM_OUTSIDE = "0x2"


def rules(router: Router) -> str:
    """Return the whole table, in a transaction that takes the place of what was there."""
    lines = [f"add table ip {TABLE}", f"delete table ip {TABLE}", f"table ip {TABLE} {{"]
    if router.gateway is not None:
        device = names.gateway_end(router.gateway.port_id)
        lines += [*_incoming(router, device), *_outgoing(router, device), *_passing(router, device)]
    return "\n".join([*lines, "}"]) + "\n"


def _incoming(router: Router, device: str) -> list[str]:
    return [
        "  chain prerouting {",
        "    type nat hook prerouting priority dstnat; policy accept;",
        *(f"    ip daddr {floating} dnat to {fixed}" for floating, fixed in router.floating),
        "  }",
        "  chain marking {",
        "    type filter hook prerouting priority mangle; policy accept;",
        f'    iifname "{device}" meta mark set {_FROM_OUTSIDE}',
        "  }",
    ]


def _outgoing(router: Router, device: str) -> list[str]:
    own = _own_address(router)
    lines = ["  chain postrouting {", "    type nat hook postrouting priority srcnat; policy accept;"]
    inside = f'oifname != "{device}" meta mark != {_FROM_OUTSIDE}'
    lines.append(f"    {inside} ct status & dnat == 0 accept")
    for floating, fixed in router.floating:
        lines.append(f'    oifname "{device}" ip saddr {fixed} snat to {floating}')
        lines.append(f"    {inside} ip saddr {fixed} snat to {floating}")
    if own and router.hides:
        lines.append(f'    oifname "{device}" ip saddr != {own} snat to {own}')
    if own:
        lines.append(f"    {inside} snat to {own}")
    return [*lines, "  }"]


def _passing(router: Router, device: str) -> list[str]:
    if not router.hides:
        return []
    return [
        "  chain forward {",
        "    type filter hook forward priority 0; policy accept;",
        f'    iifname "{device}" oifname != "{device}" ct state new ct status & dnat == 0 drop',
        "  }",
    ]


def _own_address(router: Router) -> str:
    """The IPv4 address of the gateway's port, "" where it has none."""
    assert router.gateway is not None
    spans = [ipaddress.ip_interface(each) for each in router.gateway.addresses]
    return next((str(span.ip) for span in spans if span.version == 4), "")
