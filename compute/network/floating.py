"""Floating addresses: of a network outside, leading to a port inside.

port ──▶ its subnet's router with a gateway in the floating address's network ──▶ the router translates
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...common.errors import Refused
from ..api.faults import Conflict, NotFound
from . import tables
from .allocation import places_of
from .kinds import FLOATING_IP, NETWORK
from .networks import outside, remove_port_row
from .ports import own_port
from .resources import Resources, by, picked
from .routers import INTERFACE
from .work import Row, Work

OWNER = "network:floatingip"


class FloatingAddresses(Resources):
    """The collection."""

    kind = FLOATING_IP

    def created(self, work: Work, values: dict[str, Any], project_id: str) -> Row:
        """Take an address outside; lead it to a port where one is said."""
        network_id = values["floating_network_id"]
        work.row(NETWORK, network_id)
        if network_id not in outside(work):
            raise Refused(f"Bad floatingip request: Network {network_id} is not a valid external network.")
        floating_id = work.new_id()
        asked = {"subnet_id": values.get("subnet_id"), "ip_address": values.get("floating_ip_address")}
        if asked["ip_address"] and not work.is_admin:
            raise Refused("Only an administrator may choose the floating address.", status=403)
        said = {name: value for name, value in asked.items() if value}
        port = own_port(
            work,
            network_id=network_id,
            owner=OWNER,
            device_id=floating_id,
            project_id="",
            asked=[said] if said else None,
        )
        address = next(
            (ip for _, ip in places_of(work, [port["id"]]).get(port["id"], []) if ":" not in ip), None
        )
        if address is None:
            raise Refused(f"External network {network_id} has no IPv4 subnet for floating addresses.")
        columns = {
            **self.kind.columns(values),
            "id": floating_id,
            "project_id": project_id,
            "floating_ip_address": address,
            "floating_port_id": port["id"],
            **self._lead(work, values, {"project_id": project_id, "floating_network_id": network_id}),
        }
        return work.add(self.kind, columns)

    def updated(self, work: Work, row: Row, values: dict[str, Any]) -> Row:
        """Lead it elsewhere, or nowhere."""
        columns = self.kind.columns(values)
        if "port_id" in values:
            columns |= self._lead(work, values, row)
        elif "fixed_ip_address" in values and row["port_id"]:
            columns |= self._lead(work, {**values, "port_id": row["port_id"]}, row)
        return work.change(self.kind.table, row, **columns)

    def _lead(self, work: Work, values: dict[str, Any], row: Row) -> dict[str, Any]:
        """Return port, inner address and router; all None where it leads nowhere."""
        if not values.get("port_id"):
            if values.get("fixed_ip_address"):
                raise Refused("fixed_ip_address cannot be specified without a port_id.")
            return {"port_id": None, "fixed_ip_address": None, "router_id": None}
        port = work.one(tables.ports, values["port_id"])
        if port is None or not (work.is_admin or port["project_id"] == row["project_id"]):
            raise NotFound(f"Port {values['port_id']} could not be found.", "PortNotFound")
        places = [place for place in places_of(work, [port["id"]]).get(port["id"], []) if ":" not in place[1]]
        asked = values.get("fixed_ip_address")
        meant = [place for place in places if asked in (None, place[1])]
        if not meant:
            raise Refused(f"Bad floatingip request: Port {port['id']} does not have fixed ip {asked or ''}.")
        if asked is None and len(places) > 1:
            raise Refused(
                f"Bad floatingip request: Port {port['id']} has multiple fixed IPv4 addresses. Must "
                "provide a "
                "specific IPv4 address when assigning a floating IP."
            )
        subnet_id, address = meant[0]
        self._check_free(work, port["id"], address, row)
        router_id = _router_for(work, subnet_id, row["floating_network_id"])
        if router_id is None:
            raise NotFound(
                f"External network {row['floating_network_id']} is not reachable from subnet {subnet_id}. "
                "Therefore, "
                f"cannot associate Port {port['id']} with a Floating IP.",
                "ExternalGatewayForFloatingIPNotFound",
            )
        return {"port_id": port["id"], "fixed_ip_address": address, "router_id": router_id}

    def _check_free(self, work: Work, port_id: str, address: str, row: Row) -> None:
        floating = tables.floating_ips
        for other in work.rows(
            floating, floating.c.port_id == port_id, floating.c.fixed_ip_address == address
        ):
            if other["id"] != row.get("id"):
                raise Conflict(
                    f"Cannot associate floating IP with port {port_id} using fixed IP {address}, as that "
                    "fixed IP "
                    f"already has a floating IP on external network {other['floating_network_id']}.",
                    "FloatingIPPortAlreadyAssociated",
                )

    def removed(self, work: Work, row: Row) -> None:
        """The address outside is free again."""
        remove_port_row(work, row["floating_port_id"])
        super().removed(work, row)

    def documents(self, work: Work, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """With what is told of the port that it leads to."""
        ids = [row["port_id"] for row in rows if row["port_id"]]
        ports = by(work.rows(tables.ports, tables.ports.c.id.in_(ids)), "id")
        return [
            {
                **picked(
                    row,
                    "floating_network_id",
                    "floating_ip_address",
                    "port_id",
                    "fixed_ip_address",
                    "router_id",
                ),
                "status": "ACTIVE" if row["port_id"] else "DOWN",
                "port_details": _details(ports[row["port_id"]][0]) if row["port_id"] in ports else None,
                "dns_name": "",
                "dns_domain": "",
                "qos_policy_id": None,
                "port_forwardings": [],
            }
            for row in rows
        ]


def _router_for(work: Work, subnet_id: str, network_id: str) -> str | None:
    """Return a router with an interface in the subnet and its gateway in the network."""
    books, ports, routers = tables.allocations, tables.ports, tables.routers
    holders = [each["port_id"] for each in work.rows(books, books.c.subnet_id == subnet_id)]
    interfaces = work.rows(ports, ports.c.id.in_(holders), ports.c.device_owner == INTERFACE)
    for port in sorted(interfaces, key=lambda port: str(port["id"])):
        router = work.one(routers, port["device_id"])
        gateway = work.one(ports, router["gateway_port_id"]) if router and router["gateway_port_id"] else None
        if router is not None and gateway is not None and gateway["network_id"] == network_id:
            return str(router["id"])
    return None


def _details(port: Row) -> dict[str, Any]:
    return picked(
        port, "name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner"
    )
