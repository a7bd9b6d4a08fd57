"""How the things on a host are called: as stock Neutron calls them, so that operators find their way.

    network ──▶ brq…, qdhcp-…, vxlan-N        router ──▶ qrouter-…        port ──▶ tap…, ns-…, qr-…, qg-…

A device's name has at most 15 characters, hence the eleven of the id.
"""

from __future__ import annotations

DEVICE_NAME_MAX = 15
_ID_CHARACTERS = 11


def bridge(network_id: str) -> str:
    """The bridge of a network."""
    return f"brq{network_id[:_ID_CHARACTERS]}"


def tunnel(tunnel_id: int) -> str:
    """The VXLAN device of a network."""
    return f"vxlan-{tunnel_id}"


def tap(port_id: str) -> str:
    """A port's end at the bridge, also a guest's."""
    return f"tap{port_id[:_ID_CHARACTERS]}"


def dhcp_end(port_id: str) -> str:
    """The end in the DHCP namespace."""
    return f"ns-{port_id[:_ID_CHARACTERS]}"


def router_end(port_id: str) -> str:
    """The end of an inner interface, in the router's namespace."""
    return f"qr-{port_id[:_ID_CHARACTERS]}"


def gateway_end(port_id: str) -> str:
    """The end of the gateway's interface, in the router's namespace."""
    return f"qg-{port_id[:_ID_CHARACTERS]}"


def dhcp_namespace(network_id: str) -> str:
    """Where a network's DHCP and metadata are served."""
    return f"qdhcp-{network_id}"


def router_namespace(router_id: str) -> str:
    """Where a router routes."""
    return f"qrouter-{router_id}"
