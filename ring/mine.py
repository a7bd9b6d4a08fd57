"""Which devices of a ring are this machine's.

    ring's devices, our addresses, our port ──▶ is_mine() ──▶ local_devices()

A storage node knows itself in the ring by the address at which it is reached for replication, and by the
port its server listens on. Which addresses the machine has is asked of the system, unless the operator names
one; a host name in the ring is looked up. It does not know whether the devices are there.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from dataclasses import replace

from ..common.own_addresses import canonical, own_addresses
from .device import Device
from .table import Ring

EVERY_INTERFACE = "0.0.0.0"


def local_devices(ring: Ring, ip: str, port: int | None) -> list[Device]:
    """Return the ring's devices behind `ip` and `port`; 0.0.0.0 stands for each address of this machine."""
    addresses = own_addresses(ip)
    return [
        device
        for device in ring.devices
        if device is not None and any(is_mine(found, addresses, port) for found in _by_address(device))
    ]


def is_mine(device: Device, addresses: Collection[str], port: int | None) -> bool:
    """Say whether the device is behind one of the addresses; a port of None stands for all of them."""
    return canonical(device.replication_ip) in addresses and port in (None, device.replication_port)


def machine_addresses() -> frozenset[str]:
    """Return every address of every interface of this machine."""
    return own_addresses(EVERY_INTERFACE)


def _by_address(device: Device) -> list[Device]:
    """Return the device once for each address that its host name has now."""
    try:
        ipaddress.ip_address(device.replication_ip)
    except ValueError:
        try:
            answers = socket.getaddrinfo(device.replication_ip, None, type=socket.SOCK_STREAM)
        except OSError:
            return [device]
        return [device, *(replace(device, replication_ip=str(answer[4][0])) for answer in answers)]
    return [device]
