"""What a host shall have, put together from the catalogue for its agent.

    Work, host ──▶ wanted() ──▶ the document that host/wanted.py reads

A host has a part in a network where it has a guest's port there, serves its DHCP, or runs a router with an
interface in it. It is told of nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from . import checks, tables
from .addresses import subnet_of
from .allocation import Place, places_of
from .resources import by
from .work import Row, Work

DHCP_OWNER = "network:dhcp"
GUEST_OWNER = "compute:"
OWN = "network:"


class _View:
    """What is read once for a document."""

    def __init__(self, work: Work, host: str) -> None:
        self.work = work
        self.host = host
        self.routers = {row["id"]: row for row in work.rows(tables.routers) if row["admin_state_up"]}
        self.here = {row["id"]: row for row in self.routers.values() if row["host"] == host}
        self.parts = self._parts()
        mine = [network_id for network_id, hosts in self.parts.items() if host in hosts]
        self.networks = work.rows(tables.networks, tables.networks.c.id.in_(mine))
        self.subnets = {
            row["id"]: row for row in work.rows(tables.subnets, tables.subnets.c.network_id.in_(mine))
        }
        self.ports = work.rows(tables.ports, tables.ports.c.network_id.in_(mine))
        self.places = places_of(work, [port["id"] for port in self.ports])
        self.tunnels = {row["host"]: row["tunnel_address"] for row in work.rows(tables.hosts)}

    def _parts(self) -> dict[str, set[str]]:
        """The hosts that have a part in each network."""
        parts: dict[str, set[str]] = {}
        for network in self.work.rows(tables.networks, tables.networks.c.dhcp_host != ""):
            parts.setdefault(network["id"], set()).add(network["dhcp_host"])
        for port in self.work.rows(tables.ports, tables.ports.c.host != ""):
            parts.setdefault(port["network_id"], set()).add(port["host"])
        for port in self.work.rows(tables.ports, tables.ports.c.device_id.in_(self.routers)):
            if self.routers[port["device_id"]]["host"]:
                parts.setdefault(port["network_id"], set()).add(self.routers[port["device_id"]]["host"])
        return parts

    def spans(self, port: Row) -> list[str]:
        """A port's addresses with their prefix lengths."""
        return [
            f"{address}/{subnet_of(self.subnets[subnet]['cidr']).prefixlen}"
            for subnet, address in self.places.get(port["id"], [])
        ]

    def socket(self, port: Row) -> dict[str, Any]:
        """A port in a namespace of ours."""
        return {
            "port_id": port["id"],
            "network_id": port["network_id"],
            "mac": port["mac_address"],
            "addresses": self.spans(port),
        }


def wanted(work: Work, host: str) -> dict[str, Any]:
    """Return the document."""
    view = _View(work, host)
    guests = [
        port for port in view.ports if port["host"] == host and not port["device_owner"].startswith(OWN)
    ]
    guards = by(
        work.rows(tables.port_groups, tables.port_groups.c.port_id.in_([port["id"] for port in guests])),
        "port_id",
    )
    groups_here = {each["group_id"] for rows in guards.values() for each in rows}
    return {
        "generation": work.generation(),
        "networks": [_network(view, network) for network in view.networks],
        "ports": [
            _port(view, port, [each["group_id"] for each in guards.get(port["id"], [])]) for port in guests
        ],
        "groups": _groups(work, groups_here),
        "routers": [_router(view, router) for router in view.here.values()],
    }


def _network(view: _View, network: Row) -> dict[str, Any]:
    ports = [port for port in view.ports if port["network_id"] == network["id"]]
    serves = network["dhcp_host"] == view.host
    dhcp = next((port for port in ports if port["device_owner"] == DHCP_OWNER), None) if serves else None
    routed = any(port["device_id"] in view.here for port in ports)
    others = sorted(view.parts[network["id"]] - {view.host})
    return {
        "id": network["id"],
        "project_id": network["project_id"],
        "tunnel_id": network["segmentation_id"] if network["network_type"] == "vxlan" else None,
        "mtu": network["mtu"],
        "physical_network": network["physical_network"],
        "subnets": [_subnet(row) for row in view.subnets.values() if row["network_id"] == network["id"]],
        "leases": [_lease(view, port) for port in ports if _is_guest(port)] if dhcp or routed else [],
        "dhcp": view.socket(dhcp) if dhcp is not None else None,
        "peers": [view.tunnels[other] for other in others if view.tunnels.get(other)],
    }


def _is_guest(port: Row) -> bool:
    return not port["device_owner"].startswith(OWN)


def _subnet(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "cidr": row["cidr"],
        "gateway": row["gateway_ip"],
        "has_dhcp": row["enable_dhcp"],
        "nameservers": row["dns_nameservers"],
        "routes": [[route["destination"], route["nexthop"]] for route in row["host_routes"]],
        "ra_mode": row["ipv6_ra_mode"],
        "address_mode": row["ipv6_address_mode"],
    }


def _lease(view: _View, port: Row) -> dict[str, Any]:
    return {
        "port_id": port["id"],
        "mac": port["mac_address"],
        "addresses": [address for _, address in view.places.get(port["id"], [])],
        "hostname": port["dns_name"],
        "device_id": port["device_id"] if port["device_owner"].startswith(GUEST_OWNER) else "",
        "project_id": port["project_id"],
        "options": [
            [option["opt_name"], option["opt_value"], option["ip_version"]]
            for option in port["extra_dhcp_opts"]
            if option["opt_value"] is not None
        ],
    }


def _port(view: _View, port: Row, groups: list[str]) -> dict[str, Any]:
    """A port that is switched off has no address and no rule: nothing passes."""
    is_up = port["admin_state_up"]
    pairs = [(pair["ip_address"], pair["mac_address"]) for pair in port["allowed_address_pairs"]]
    return {
        "id": port["id"],
        "network_id": port["network_id"],
        "mac": port["mac_address"],
        "addresses": [address for _, address in view.places.get(port["id"], [])] if is_up else [],
        "pairs": pairs if is_up else [],
        "is_guarded": port["port_security_enabled"] or not is_up,
        "groups": groups if is_up else [],
    }


def _groups(work: Work, ids: Collection[str]) -> dict[str, Any]:
    """The groups with their rules, and those that the rules name, with their members."""
    table = tables.security_group_rules
    rules = work.rows(table, table.c.security_group_id.in_(ids))
    named = {rule["remote_group_id"] for rule in rules if rule["remote_group_id"]}
    stateful = {
        row["id"]: row["stateful"]
        for row in work.rows(tables.security_groups, tables.security_groups.c.id.in_({*ids, *named}))
    }
    members = _members(work, named)
    listed = {row["id"]: row["addresses"] for row in work.rows(tables.address_groups)}
    rules_of = by(rules, "security_group_id")
    return {
        group: {
            "rules": [each for rule in rules_of.get(group, []) for each in _rules(rule, listed)],
            "members": members.get(group, []),
            "is_stateful": is_stateful,
        }
        for group, is_stateful in stateful.items()
    }


def _rules(rule: Row, listed: Mapping[str, Sequence[str]]) -> Iterable[dict[str, Any]]:
    """A rule; one for each address of its address group that is of its IP version."""
    said = rule["remote_ip_prefix"]
    prefixes: list[str | None] = [checks.network_of(said) if said else None]
    if rule["remote_address_group_id"]:
        is_six = rule["ethertype"] == "IPv6"
        prefixes = [
            each for each in listed.get(rule["remote_address_group_id"], ()) if (":" in each) == is_six
        ]
    for prefix in prefixes:
        yield {
            "direction": rule["direction"],
            "ethertype": rule["ethertype"],
            "protocol": rule["protocol"],
            "first": rule["port_range_min"],
            "last": rule["port_range_max"],
            "prefix": prefix,
            "group_id": rule["remote_group_id"],
        }


def _members(work: Work, groups: Collection[str]) -> dict[str, list[str]]:
    bindings = work.rows(tables.port_groups, tables.port_groups.c.group_id.in_(groups))
    ids = [each["port_id"] for each in bindings]
    places: Mapping[str, Sequence[Place]] = places_of(work, ids)
    pairs = {
        port["id"]: [pair["ip_address"] for pair in port["allowed_address_pairs"]]
        for port in work.rows(tables.ports, tables.ports.c.id.in_(ids))
    }
    members: dict[str, set[str]] = {}
    for each in bindings:
        found = [address for _, address in places.get(each["port_id"], [])]
        members.setdefault(each["group_id"], set()).update(found, pairs.get(each["port_id"], []))
    return {group: sorted(addresses) for group, addresses in members.items()}


def _router(view: _View, router: Row) -> dict[str, Any]:
    own = [port for port in view.ports if port["device_id"] == router["id"]]
    gateway = next((port for port in own if port["id"] == router["gateway_port_id"]), None)
    hops = (
        [view.subnets[subnet]["gateway_ip"] for subnet, _ in view.places.get(gateway["id"], [])]
        if gateway
        else []
    )
    floating = tables.floating_ips
    pairs = view.work.rows(floating, floating.c.router_id == router["id"])
    return {
        "id": router["id"],
        "interfaces": [view.socket(port) for port in own if port["id"] != router["gateway_port_id"]],
        "gateway": view.socket(gateway) if gateway is not None else None,
        "next_hops": sorted({hop for hop in hops if hop}),
        "hides": router["enable_snat"],
        "floating": sorted([each["floating_ip_address"], each["fixed_ip_address"]] for each in pairs),
        "routes": [[route["destination"], route["nexthop"]] for route in router["routes"]],
    }
