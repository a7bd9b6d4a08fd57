"""What a hypervisor has counted of a machine, as the host sends it and clients read it.

    driver ──▶ Diagnostics ──to_json()──▶ wire ──of_json()──▶ old_form() (2.1) or new_form() (2.48)

Times are nanoseconds of processor, memory is KiB, transfers are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

KIB_OF_MIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskCount:
    """What went through one disk; -1 for what the hypervisor does not count."""

    device: str
    read_bytes: int = 0
    read_requests: int = 0
    write_bytes: int = 0
    write_requests: int = 0
    errors: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class NicCount:
    """What went through one interface."""

    device: str
    mac: str
    rx_bytes: int = 0
    rx_packets: int = 0
    rx_errors: int = 0
    rx_drops: int = 0
    tx_bytes: int = 0
    tx_packets: int = 0
    tx_errors: int = 0
    tx_drops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """What was counted of one machine."""

    driver: str
    hypervisor: str
    memory_kib: int = 0
    memory: Mapping[str, int] | None = None  # actual, available, rss, …: what the guest's balloon says.
    cpu_nanoseconds: tuple[int, ...] = ()
    disks: tuple[DiskCount, ...] = ()
    nics: tuple[NicCount, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as a document."""
        return asdict(self)

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        """Return what a host has sent."""
        plain = {key: document[key] for key in ("driver", "hypervisor", "memory_kib", "memory")}
        return cls(
            **plain,
            cpu_nanoseconds=tuple(document["cpu_nanoseconds"]),
            disks=tuple(DiskCount(**each) for each in document["disks"]),
            nics=tuple(NicCount(**each) for each in document["nics"]),
        )


def old_form(found: Diagnostics) -> dict[str, int]:
    """Return one flat object, its members named after the devices, as clients before 2.48 read it."""
    flat: dict[str, int] = {f"cpu{number}_time": spent for number, spent in enumerate(found.cpu_nanoseconds)}
    for disk in found.disks:
        flat |= {
            f"{disk.device}_read_req": disk.read_requests,
            f"{disk.device}_read": disk.read_bytes,
            f"{disk.device}_write_req": disk.write_requests,
            f"{disk.device}_write": disk.write_bytes,
            f"{disk.device}_errors": disk.errors,
        }
    for nic in found.nics:
        flat |= {
            f"{nic.device}_rx": nic.rx_bytes,
            f"{nic.device}_rx_packets": nic.rx_packets,
            f"{nic.device}_rx_errors": nic.rx_errors,
            f"{nic.device}_rx_drop": nic.rx_drops,
            f"{nic.device}_tx": nic.tx_bytes,
            f"{nic.device}_tx_packets": nic.tx_packets,
            f"{nic.device}_tx_errors": nic.tx_errors,
            f"{nic.device}_tx_drop": nic.tx_drops,
        }
    flat["memory"] = found.memory_kib
    return flat | {f"memory-{name}": amount for name, amount in (found.memory or {}).items()}


def new_form(found: Diagnostics, *, state: str, config_drive: bool, uptime: int) -> dict[str, Any]:
    """Return the object that has the same members whatever the hypervisor; memory in MiB."""
    used = (found.memory or {}).get("actual", found.memory_kib)
    return {
        "state": state,
        "driver": found.driver,
        "hypervisor": found.hypervisor,
        "hypervisor_os": "linux",
        "uptime": uptime,
        "config_drive": config_drive,
        "num_cpus": len(found.cpu_nanoseconds),
        "num_disks": len(found.disks),
        "num_nics": len(found.nics),
        "memory_details": {"maximum": found.memory_kib // KIB_OF_MIB, "used": used // KIB_OF_MIB},
        "cpu_details": [
            {"id": number, "time": spent, "utilisation": None}
            for number, spent in enumerate(found.cpu_nanoseconds)
        ],
        "disk_details": [
            {
                "read_bytes": disk.read_bytes,
                "read_requests": disk.read_requests,
                "write_bytes": disk.write_bytes,
                "write_requests": disk.write_requests,
                "errors_count": disk.errors,
            }
            for disk in found.disks
        ],
        "nic_details": [
            {
                "mac_address": nic.mac,
                "rx_octets": nic.rx_bytes,
                "rx_errors": nic.rx_errors,
                "rx_drop": nic.rx_drops,
                "rx_packets": nic.rx_packets,
                "rx_rate": None,
                "tx_octets": nic.tx_bytes,
                "tx_errors": nic.tx_errors,
                "tx_drop": nic.tx_drops,
                "tx_packets": nic.tx_packets,
                "tx_rate": None,
            }
            for nic in found.nics
        ],
    }
