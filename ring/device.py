"""One disk of the cluster, as every program that reads a ring knows it.

    {"id": 3, "region": 1, "ip": "10.0.0.7", ...} ──▶ Device.parse() ──▶ Device
    Device.written() ──▶ the same mapping, keys a stock ring file carries

A device knows where it stands and how much it should hold. It does not know what it holds: that is the
table's part, and the builder's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BUILDER_ONLY = frozenset({"parts", "parts_wanted", "tiers", "sort_key"})


@dataclass(frozen=True, slots=True)
class Device:
    """A disk behind one address, in a region and a zone, with a share of the data by weight."""

    id: int
    region: int
    zone: int
    ip: str
    port: int
    replication_ip: str
    replication_port: int
    device: str
    weight: float = 1.0
    meta: str = ""
    extra: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Device:
        """Return the device a ring or builder file describes; very old files lack some keys."""
        known = set(cls.__dataclass_fields__) - {"extra"}
        return cls(
            id=int(fields["id"]),
            region=int(fields.get("region", 1)),
            zone=int(fields["zone"]),
            ip=fields["ip"],
            port=fields["port"],
            replication_ip=fields.get("replication_ip", fields["ip"]),
            replication_port=fields.get("replication_port", fields["port"]),
            device=fields["device"],
            weight=fields["weight"],
            meta=fields.get("meta", ""),
            extra=tuple(sorted((k, v) for k, v in fields.items() if k not in known | BUILDER_ONLY)),
        )

    def written(self) -> dict[str, Any]:
        """Return the mapping that stock Swift keeps for this device in a ring file."""
        fields: dict[str, Any] = {
            "id": self.id,
            "region": self.region,
            "zone": self.zone,
            "ip": self.ip,
            "port": self.port,
            "replication_ip": self.replication_ip,
            "replication_port": self.replication_port,
            "device": self.device,
            "weight": self.weight,
            "meta": self.meta,
        }
        fields.update(self.extra)
        return fields

    @property
    def address(self) -> tuple[str, int]:
        """Where requests for this device go."""
        return (self.ip, self.port)

    @property
    def replication_address(self) -> tuple[str, int]:
        """Where replication traffic for this device goes."""
        return (self.replication_ip, self.replication_port)

    @property
    def server(self) -> tuple[int, int, str]:
        """The failure domain above the device: one machine of one zone."""
        return (self.region, self.zone, self.ip)


def device_text(device: Device) -> str:
    """Return the one-line form operators read and the search syntax accepts."""
    ip = bracketed(device.ip)
    replication_ip = bracketed(device.replication_ip)
    return (
        f"d{device.id}r{device.region}z{device.zone}-{ip}:{device.port}"
        f'R{replication_ip}:{device.replication_port}/{device.device}_"{device.meta}"'
    )


def bracketed(ip: str) -> str:
    """Return an address as it stands before a port: IPv6 in brackets."""
    return f"[{ip}]" if ":" in ip else ip
