"""Networks: of a project, shared, or outside.

values ──▶ Networks.created() ──▶ a row, its VXLAN id from the configured spans, its MTU
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert, select

from ...common.errors import Refused
from ..api.faults import Conflict
from . import tables
from .kinds import FLOATING_IP, NETWORK, PORT, SUBNET
from .resources import Resources, by, picked
from .security_groups import ensure_default
from .work import EXTERNAL, SHARED, Row, Work

TUNNEL_BYTES = {"vxlan": 50, "flat": 0, "local": 0}
OURS = ("network:dhcp",)
"""Owners of ports that go with their network, and are nobody's to remove."""


class Networks(Resources):
    """The collection."""

    kind = NETWORK

    def created(self, work: Work, values: dict[str, Any], project_id: str) -> Row:
        """Give it an id among the tunnels, unless an administrator says how it is made."""
        ensure_default(work, project_id)
        columns = {**self.kind.columns(values), "project_id": project_id, "dhcp_host": ""}
        network_id = work.new_id()
        columns |= _segment(work, network_id, columns)
        most = work.settings.physical_mtu - TUNNEL_BYTES[columns["network_type"]]
        columns["mtu"] = columns.get("mtu") or most
        if columns["mtu"] > most:
            raise Refused(f"Invalid input for operation: Requested MTU is too big, maximum is {most}.")
        row = work.add(self.kind, {"id": network_id, **columns})
        self._share(work, row, values)
        return row

    def updated(self, work: Work, row: Row, values: dict[str, Any]) -> Row:
        """Also share it, or no longer."""
        self._share(work, row, values)
        return super().updated(work, row, values)

    def _share(self, work: Work, row: Row, values: dict[str, Any]) -> None:
        for member, action in (("shared", SHARED), ("router:external", EXTERNAL)):
            if values.get(member):
                work.share(self.kind, row["id"], row["project_id"], action)
            elif member in values:
                work.unshare(row["id"], action)

    def removed(self, work: Work, row: Row) -> None:
        """Refuse while ports are there; subnets go with it, and floating addresses that lead nowhere."""
        floating = tables.floating_ips
        for each in work.rows(
            floating, floating.c.floating_network_id == row["id"], floating.c.port_id.is_(None)
        ):
            remove_port_row(work, each["floating_port_id"])
            work.remove(FLOATING_IP, each["id"])
        ports = work.rows(tables.ports, tables.ports.c.network_id == row["id"])
        if any(port["device_owner"] not in OURS for port in ports):
            raise Conflict(
                f"Unable to complete operation on network {row['id']}. There are one or more ports still "
                "in use "
                "on the network.",
                "NetworkInUse",
            )
        for port in ports:
            remove_port_row(work, port["id"])
        for subnet in work.rows(tables.subnets, tables.subnets.c.network_id == row["id"]):
            work.remove(SUBNET, subnet["id"])
        segments = tables.segments
        work.connection.execute(delete(segments).where(segments.c.network_id == row["id"]))
        super().removed(work, row)

    def documents(self, work: Work, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """With what is known of its subnets; how it is made is for administrators."""
        ids = [row["id"] for row in rows]
        subnets = by(work.rows(tables.subnets, tables.subnets.c.network_id.in_(ids)), "network_id")
        shared = work.shared_ids(NETWORK.shared_as, (SHARED,))
        external = outside(work)
        return [
            {
                **picked(
                    row, "name", "admin_state_up", "mtu", "port_security_enabled", "is_default", "dns_domain",
                    "availability_zone_hints",
                ),
                "status": "ACTIVE" if row["admin_state_up"] else "DOWN",
                "subnets": sorted(subnet["id"] for subnet in subnets.get(row["id"], [])),
                "shared": row["id"] in shared,
                "router:external": row["id"] in external,
                "availability_zones": [work.settings.zone] if subnets.get(row["id"]) else [],
                "ipv4_address_scope": None,
                "ipv6_address_scope": None,
                **(_making(row) if work.is_admin else {}),
            }
            for row in rows
        ]  # fmt: skip


def outside(work: Work) -> set[str]:
    """Return the networks that routers have gateways in."""
    policies = tables.rbac_policies
    found = work.connection.execute(select(policies.c.object_id).where(policies.c.action == EXTERNAL))
    return set(found.scalars())


def usable(work: Work, network_id: str) -> Row:
    """Return a network that the caller may have ports in: its own, or one that is shared.

    Raises:
        NotFound: it is another's.
        Refused: (403) it may be seen, being outside, but not used.
    """
    row = work.row(NETWORK, network_id)
    if not work.owns(row) and network_id not in work.shared_ids(NETWORK.shared_as, (SHARED,)):
        raise Refused(f"Ports in network {network_id} are for its owner.", status=403)
    return row


def remove_port_row(work: Work, port_id: str) -> None:
    """Remove a port with its addresses and groups."""
    for table in (tables.allocations, tables.port_groups):
        work.connection.execute(delete(table).where(table.c.port_id == port_id))
    work.remove(PORT, port_id)


def _making(row: Row) -> dict[str, Any]:
    return {
        "provider:network_type": row["network_type"],
        "provider:physical_network": row["physical_network"],
        "provider:segmentation_id": row["segmentation_id"],
    }


def _segment(work: Work, network_id: str, columns: dict[str, Any]) -> dict[str, Any]:
    """Return how the network is made, having taken its place in the books."""
    kind = columns.get("network_type") or ("flat" if columns.get("physical_network") else "vxlan")
    physical, number = columns.get("physical_network"), columns.get("segmentation_id")
    if kind not in TUNNEL_BYTES:
        raise Refused(f"network_type value '{kind}' not supported: vxlan, flat and local are")
    if (kind == "flat") != bool(physical):
        raise Refused("physical_network is required for flat networks, and for no others")
    if kind != "vxlan" and number is not None:
        raise Refused("segmentation_id is for vxlan networks only")
    if kind == "vxlan":
        number = number or _free_tunnel(work)
    if kind != "local":
        place = {"network_type": kind, "physical_network": physical or "", "segmentation_id": number or 0}
        segments = tables.segments
        if work.rows(segments, *(segments.c[name] == value for name, value in place.items())):
            raise Conflict(f"Unable to create the network. {place} is in use.", "NetworkInUse")
        work.connection.execute(insert(segments).values(**place, network_id=network_id))
    return {"network_type": kind, "physical_network": physical, "segmentation_id": number}


def _free_tunnel(work: Work) -> int:
    segments = tables.segments
    found = work.connection.execute(
        select(segments.c.segmentation_id).where(segments.c.network_type == "vxlan")
    )
    used = set(found.scalars())
    for first, last in work.settings.tunnel_spans:
        for number in range(first, last + 1):
            if number not in used:
                return number
    raise Conflict(
        "Unable to create the network. No tenant network is available for allocation.", "NoNetworkAvailable"
    )
