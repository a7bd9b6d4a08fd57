"""Ports: a MAC and addresses in a network, guarded by groups, bound to a host.

    values ──▶ Ports.created() ──▶ row + addresses + groups          host's agent ──▶ ACTIVE

A port that is bound becomes ACTIVE when the agent of its host says that everything for it is in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, update

from ...common.errors import Refused
from ..api.faults import Conflict, Forbidden, NotFound
from . import tables
from .addresses import address_of
from .allocation import chosen, free, keep, places_of
from .host import names
from .kinds import PORT, SECURITY_GROUP
from .networks import remove_port_row, usable
from .resources import Resources, by, picked
from .security_groups import ensure_default
from .work import Row, Work

DOWN, ACTIVE = "DOWN", "ACTIVE"
ATTACHED = ("network:router_interface", "network:router_gateway", "network:floatingip")
"""Owners of ports that only their owner's own operations remove."""


class Ports(Resources):
    """The collection."""

    kind = PORT

    def condition(self, work: Work) -> Any:
        """One's own, and all in one's own networks."""
        if work.is_admin:
            return True
        networks = tables.networks
        own = [row["id"] for row in work.rows(networks, networks.c.project_id == work.project_id)]
        return (self.kind.table.c.project_id == work.project_id) | self.kind.table.c.network_id.in_(own)

    def found(self, work: Work, resource_id: str, *, to_change: bool = False) -> Row:
        """Return it to its owner, or its network's."""
        del to_change  # Who sees a port may change it.
        row = work.one(self.kind.table, resource_id)
        if row is not None:
            network = work.one(tables.networks, row["network_id"])
            if work.owns(row) or (network is not None and work.owns(network)):
                return row
        raise NotFound(f"Port {resource_id} could not be found.", "PortNotFound")

    def created(self, work: Work, values: dict[str, Any], project_id: str) -> Row:
        """Give it a MAC, addresses and groups."""
        network = usable(work, values["network_id"])
        owner = values["device_owner"]
        if not work.is_admin:
            self._check_claims(work, network, values)
        values.setdefault("mac_address", work.new_mac())
        _check_mac(work, network["id"], values["mac_address"])
        is_ours = owner.startswith("network:")
        values.setdefault("port_security_enabled", network["port_security_enabled"] and not is_ours)
        groups = self._groups(work, values, project_id)
        places = chosen(work, network["id"], values.get("fixed_ips"), values["mac_address"])
        columns = {**self.kind.columns(values), "project_id": project_id, "status": DOWN}
        columns["allowed_address_pairs"] = _pairs(values)
        row = work.add(self.kind, columns)
        keep(work, row["id"], places)
        _guard(work, row["id"], groups)
        return row

    @staticmethod
    def _check_claims(work: Work, network: Row, values: Mapping[str, Any]) -> None:
        """What only an administrator, or the network's owner, may say of a port."""
        if values["device_owner"].startswith("network:"):
            raise Forbidden("Ports of the network itself are an administrator's.", "PolicyNotAuthorized")
        if work.owns(network):
            return
        claims = [name for name in ("mac_address", "port_security_enabled") if name in values]
        if claims or any("ip_address" in each for each in values.get("fixed_ips") or ()):
            raise Forbidden(
                "MAC, addresses and port security are for the network's owner to say.", "PolicyNotAuthorized"
            )

    @staticmethod
    def _groups(work: Work, values: Mapping[str, Any], project_id: str) -> list[str]:
        """Return the groups that were said, or the project's default one."""
        if "security_groups" not in values:
            is_ours = values["device_owner"].startswith("network:")
            return (
                [ensure_default(work, project_id)] if values["port_security_enabled"] and not is_ours else []
            )
        groups = [work.row(SECURITY_GROUP, group)["id"] for group in values["security_groups"]]
        if groups and not values["port_security_enabled"]:
            raise Conflict(
                "Port has security group associated. Cannot disable port security until it is removed.",
                "PortSecurityPortHasSecurityGroup",
            )
        return groups

    def updated(self, work: Work, row: Row, values: dict[str, Any]) -> Row:
        """Also other addresses and groups."""
        network = work.one(tables.networks, row["network_id"])
        assert network is not None
        if not work.is_admin:
            self._check_claims(work, network, {"device_owner": "", **values})
        columns = self.kind.columns(values)
        if "mac_address" in values and values["mac_address"] != row["mac_address"]:
            _check_mac(work, row["network_id"], values["mac_address"])
        if "allowed_address_pairs" in values:
            columns["allowed_address_pairs"] = _pairs({**row, **values})
        is_guarded = values.get("port_security_enabled", row["port_security_enabled"])
        if "security_groups" in values:
            _guard(work, row["id"], self._groups(work, {**row, **values}, row["project_id"]))
            columns["updated_at"] = work.now
        elif not is_guarded and _groups_of(work, [row["id"]]).get(row["id"]):
            raise Conflict(
                "Port has security group associated. Cannot disable port security until it is removed.",
                "PortSecurityPortHasSecurityGroup",
            )
        if "fixed_ips" in values:
            self._move(work, row, values["fixed_ips"])
            columns["updated_at"] = work.now
        if "host" in columns and columns["host"] != row["host"]:
            columns["status"] = DOWN  # Until the new host has it.
        return work.change(self.kind.table, row, **columns)

    @staticmethod
    def _move(work: Work, row: Row, asked: Sequence[Mapping[str, Any]]) -> None:
        """Let it have what is asked for: what it has and keeps is not taken anew."""
        had = places_of(work, [row["id"]]).get(row["id"], [])
        kept, new = [], []
        for each in asked:
            same = [
                place
                for place in had
                if place not in kept
                and each.get("ip_address", place[1]) == place[1]
                and (each.get("subnet_id") or place[0]) == place[0]
                and each
            ]
            if same:
                kept.append(same[0])
            else:
                new.append(each)
        gone = [place for place in had if place not in kept]
        free(work, row["id"], gone)
        keep(work, row["id"], chosen(work, row["network_id"], new, row["mac_address"]) if new else [])
        floating = tables.floating_ips
        for _, address in gone:
            work.connection.execute(
                update(floating)
                .where(floating.c.port_id == row["id"], floating.c.fixed_ip_address == address)
                .values(port_id=None, fixed_ip_address=None, router_id=None)
            )

    def removed(self, work: Work, row: Row) -> None:
        """A floating address stays, and leads nowhere."""
        if row["device_owner"] in ATTACHED:
            raise Conflict(
                f"Port {row['id']} cannot be deleted directly via the port API: has device owner "
                f"{row['device_owner']}.",
                "ServicePortInUse",
            )
        detach_floating(work, row["id"])
        remove_port_row(work, row["id"])

    def documents(self, work: Work, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """With addresses and groups; where it is bound is for administrators and services."""
        ids = [row["id"] for row in rows]
        places, groups = places_of(work, ids), _groups_of(work, ids)
        return [
            {
                **picked(
                    row, "name", "network_id", "mac_address", "admin_state_up", "status", "device_id",
                    "device_owner", "allowed_address_pairs", "extra_dhcp_opts", "port_security_enabled",
                    "dns_name",
                ),
                "fixed_ips": [
                    {"subnet_id": subnet, "ip_address": address}
                    for subnet, address in places.get(row["id"], [])
                ],
                "security_groups": groups.get(row["id"], []),
                "dns_assignment": [],
                "dns_domain": "",
                "binding:vnic_type": row["vnic_type"],
                **(_binding(row) if work.is_admin else {}),
            }
            for row in rows
        ]  # fmt: skip


def detach_floating(work: Work, port_id: str) -> None:
    """Let floating addresses that lead to the port lead nowhere."""
    floating = tables.floating_ips
    work.connection.execute(
        update(floating)
        .where(floating.c.port_id == port_id)
        .values(port_id=None, fixed_ip_address=None, router_id=None)
    )


def own_port(work: Work, *, network_id: str, owner: str, device_id: str, **values: Any) -> Row:
    """Make a port of the network itself: a router's, DHCP's, a floating one; `asked` may say addresses."""
    mac = work.new_mac()
    places = chosen(work, network_id, values.pop("asked", None), mac)
    row = work.add(
        PORT,
        {
            "network_id": network_id,
            "mac_address": mac,
            "admin_state_up": True,
            "status": DOWN,
            "device_id": device_id,
            "device_owner": owner,
            "host": "",
            "vnic_type": "normal",
            "profile": {},
            "allowed_address_pairs": [],
            "extra_dhcp_opts": [],
            "port_security_enabled": False,
            "dns_name": "",
            **values,
        },
    )
    keep(work, row["id"], places)
    return row


def _check_mac(work: Work, network_id: str, mac: str) -> None:
    ports = tables.ports
    if work.rows(ports, ports.c.network_id == network_id, ports.c.mac_address == mac):
        raise Conflict(
            f"Unable to complete operation for network {network_id}. The mac address {mac} is in use.",
            "MacAddressInUse",
        )


def _pairs(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the further addresses, each with a MAC: the port's own where none was said."""
    pairs = values["allowed_address_pairs"]
    if pairs and not values["port_security_enabled"]:
        raise Conflict(
            "Port Security must be enabled in order to have allowed address pairs on a port.",
            "AddressPairAndPortSecurityRequired",
        )
    for pair in pairs:
        if "ip_address" not in pair:
            raise Refused("AllowedAddressPair must contain ip_address")
    return [
        {
            "ip_address": _plain(pair["ip_address"]),
            "mac_address": pair.get("mac_address") or values["mac_address"],
        }
        for pair in pairs
    ]


def _plain(prefix: str) -> str:
    """A single address without its length."""
    address, _, length = prefix.partition("/")
    return address if not length or int(length) == address_of(address).max_prefixlen else prefix


def _guard(work: Work, port_id: str, groups: Sequence[str]) -> None:
    bindings = tables.port_groups
    work.connection.execute(delete(bindings).where(bindings.c.port_id == port_id))
    for group in groups:
        work.connection.execute(insert(bindings).values(port_id=port_id, group_id=group))


def _groups_of(work: Work, port_ids: Sequence[str]) -> dict[str, list[str]]:
    rows = work.rows(tables.port_groups, tables.port_groups.c.port_id.in_(port_ids))
    return {port_id: sorted(row["group_id"] for row in each) for port_id, each in by(rows, "port_id").items()}


def _binding(row: Row) -> dict[str, Any]:
    details = {"bridge": names.bridge(row["network_id"]), "port_filter": True, "connectivity": "l2"}
    return {
        "binding:host_id": row["host"],
        "binding:profile": row["profile"],
        "binding:vif_type": "bridge" if row["host"] else "unbound",
        "binding:vif_details": details if row["host"] else {},
    }
