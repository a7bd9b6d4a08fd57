"""What libvirt counts of a machine.

a domain that runs ──▶ count(domain) ──▶ Diagnostics
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import libvirt

from ..diagnosis import Diagnostics, DiskCount, NicCount


def count(domain: Any) -> Diagnostics:
    """Return what was counted; raise libvirt's error for a machine that does not run."""
    root = ET.fromstring(domain.XMLDesc())  # noqa: S314 - libvirt's own document
    memory = dict(domain.memoryStats())
    return Diagnostics(
        driver="libvirt",
        hypervisor=root.get("type", "qemu"),
        memory_kib=int(domain.maxMemory()),
        memory={name: int(amount) for name, amount in memory.items()},
        cpu_nanoseconds=tuple(int(row[2]) for row in domain.vcpus()[0]),
        disks=tuple(_disk(domain, name) for name in _devices(root, "disk")),
        nics=tuple(_nics(domain, root)),
    )


def _devices(root: ET.Element, kind: str) -> list[str]:
    targets = root.findall(f"./devices/{kind}/target")
    return [name for target in targets if (name := target.get("dev"))]


def _disk(domain: Any, device: str) -> DiskCount:
    read_requests, read, write_requests, write, errors = domain.blockStats(device)
    return DiskCount(
        device=device,
        read_bytes=read,
        read_requests=read_requests,
        write_bytes=write,
        write_requests=write_requests,
        errors=errors,
    )


def _nics(domain: Any, root: ET.Element) -> list[NicCount]:
    """Return the interfaces; of one on qemu's user network nothing is counted."""
    counts: list[NicCount] = []
    for number, interface in enumerate(root.findall("./devices/interface")):
        mac, target = interface.find("mac"), interface.find("target")
        address = mac.get("address", "") if mac is not None else ""
        device = target.get("dev", "") if target is not None else ""
        try:
            numbers = domain.interfaceStats(device or address)
        except libvirt.libvirtError:
            numbers = (0,) * 8
        counts.append(NicCount(**_named(numbers), device=device or f"net{number}", mac=address))
    return counts


def _named(numbers: tuple[int, ...]) -> dict[str, Any]:
    names = (
        "rx_bytes",
        "rx_packets",
        "rx_errors",
        "rx_drops",
        "tx_bytes",
        "tx_packets",
        "tx_errors",
        "tx_drops",
    )
    return dict(zip(names, numbers, strict=True))
