"""The addresses that are this node's own, by which its devices are found in a ring.

    bind_ip of a server's conf ──▶ own_addresses() ──▶ {"10.0.0.7", …}

A server that listens on one address is known by that one; one that listens on all, by any of its interfaces'.
"""

from __future__ import annotations

import ipaddress

import netifaces

_ALL = ("0.0.0.0", "::", "")


def own_addresses(bind_ip: str) -> frozenset[str]:
    """Return the addresses in their canonical form."""
    if bind_ip not in _ALL:
        return frozenset((canonical(bind_ip),))
    found = set()
    for interface in netifaces.interfaces():
        for family in (netifaces.AF_INET, netifaces.AF_INET6):
            for entry in netifaces.ifaddresses(interface).get(family, ()):
                found.add(canonical(str(entry["addr"]).partition("%")[0]))
    return frozenset(found)


def canonical(address: str) -> str:
    """Return an address in its shortest form; a host name stays as it is."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address
