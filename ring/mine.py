"""Which devices of a ring are this machine's.

    ring's devices, our addresses, our port ──▶ is_mine() ──▶ local_devices()

A storage node knows itself in the ring by the address at which it is reached for replication, and by the
port its server listens on. Which addresses the machine has is asked of the system, unless the operator names
one. It does not know whether the devices are there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

import netifaces

from .device import Device
from .table import Ring

ANY = frozenset(("", "0.0.0.0", "::", "::0", "0::0"))


def local_devices(ring: Ring, ip: str, port: int | None) -> list[Device]:
    """Return the ring's devices behind `ip` and `port`; 0.0.0.0 stands for each address of this machine."""
    addresses = machine_addresses() if ip in ANY else {_canonical(ip)}
    return [device for device in ring.devices if device is not None and is_mine(device, addresses, port)]


def is_mine(device: Device, addresses: Collection[str], port: int | None) -> bool:
    """Say whether the device is behind one of the addresses; a port of None stands for all of them."""
    return _canonical(device.replication_ip) in addresses and port in (None, device.replication_port)


def machine_addresses() -> set[str]:
    """Return every address of every interface of this machine."""
    found = set()
    for interface in netifaces.interfaces():
        for family in (netifaces.AF_INET, netifaces.AF_INET6):
            for entry in netifaces.ifaddresses(interface).get(family, ()):
                found.add(_canonical(entry["addr"].partition("%")[0]))
    return found


def _canonical(ip: str) -> str:
    try:
        return str(ipaddress.ip_address(ip))
    except ValueError:
        return ip
