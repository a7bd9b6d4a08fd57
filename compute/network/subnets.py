"""Subnets: ranges of a network, said by the client or carved from a pool.

values ──▶ Subnets.created() ──▶ a row, with gateway and pools of addresses chosen where nobody said them
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import or_

from ...common.errors import Refused
from ..api.faults import Conflict, NotFound
from . import tables
from .addresses import (
    Address,
    Subnet,
    address_of,
    carve,
    check_pools,
    default_gateway,
    default_pools,
    overlap,
    pool_of,
    subnet_of,
)
from .allocation import MAKES_ITS_OWN, free, subnets_of
from .kinds import NETWORK, SUBNET, SUBNETPOOL
from .networks import OURS, remove_port_row
from .resources import Resources, picked
from .work import SHARED, Row, Work

NAMESERVERS_MAX = 5
ROUTES_MAX = 20


class SubnetCollection(Resources):
    """The collection."""

    kind = SUBNET

    def condition(self, work: Work) -> Any:
        """Who may use a network sees its subnets; those of a network outside are its owner's matter."""
        if work.is_admin:
            return True
        return self.kind.table.c.network_id.in_(_networks_used(work))

    def found(self, work: Work, resource_id: str, *, to_change: bool = False) -> Row:
        """Return it where its network may be used; the network's owner may change it."""
        row = work.one(self.kind.table, resource_id)
        if row is not None and (
            work.owns(row) or (not to_change and row["network_id"] in _networks_used(work))
        ):
            return row
        raise NotFound(f"Subnet {resource_id} could not be found.", "SubnetNotFound")

    def created(self, work: Work, values: dict[str, Any], project_id: str) -> Row:
        """Choose what was left to us; refuse a range that the network has already."""
        network = work.row(NETWORK, values["network_id"], to_change=True)
        subnet = _range_of(work, values)
        values |= {"cidr": str(subnet), "ip_version": subnet.version}
        _check_modes(values)
        for other in subnets_of(work, network["id"]):
            if overlap(subnet, subnet_of(other["cidr"])):
                raise Refused(
                    f"Invalid input for operation: Requested subnet with cidr: {subnet} for network: "
                    f"{network['id']} overlaps with another subnet."
                )
        gateway = _gateway_of(values, subnet)
        if "allocation_pools" not in values or not values["allocation_pools"]:
            pools = default_pools(subnet, gateway)
        else:
            pools = [pool_of(pool.get("start"), pool.get("end")) for pool in values["allocation_pools"]]
            check_pools(subnet, pools, gateway)
        values["gateway_ip"] = str(gateway) if gateway is not None else None
        values["allocation_pools"] = [{"start": str(pool.start), "end": str(pool.end)} for pool in pools]
        _check_lists(values, subnet.version)
        return super().created(work, values, project_id)

    def updated(self, work: Work, row: Row, values: dict[str, Any]) -> Row:
        """Pools and gateway must go on fitting each other."""
        subnet = subnet_of(row["cidr"])
        if "gateway_ip" in values or "allocation_pools" in values:
            text = values.get("gateway_ip", row["gateway_ip"])
            gateway = address_of(text) if text else None
            said = values.get("allocation_pools") or row["allocation_pools"]
            pools = [pool_of(pool.get("start"), pool.get("end")) for pool in said]
            if gateway is not None and gateway.version != subnet.version:
                raise Refused(f"gateway_ip {gateway} is not of IP version {subnet.version}")
            check_pools(subnet, pools, gateway)
            values["allocation_pools"] = [{"start": str(pool.start), "end": str(pool.end)} for pool in pools]
        _check_lists(values, subnet.version)
        return super().updated(work, row, values)

    def removed(self, work: Work, row: Row) -> None:
        """Refuse while ports were given addresses of it; DHCP's own go, and those that guests make."""
        books, ports = tables.allocations, tables.ports
        booked = work.rows(books, books.c.subnet_id == row["id"])
        held = work.rows(ports, ports.c.id.in_({each["port_id"] for each in booked}))
        if row["ipv6_address_mode"] in MAKES_ITS_OWN:
            ours = [port for port in held if port["device_owner"].startswith("network:")]
            keepers = {port["id"] for port in ours}
            for each in booked:
                if each["port_id"] not in keepers:
                    free(work, each["port_id"], [(row["id"], each["ip_address"])])
            held = ours
        if any(port["device_owner"] not in OURS for port in held):
            raise Conflict(
                f"Unable to complete operation on subnet {row['id']}: One or more ports have an IP "
                "allocation "
                "from this subnet.",
                "SubnetInUse",
            )
        for port in held:
            remove_port_row(work, port["id"])
        super().removed(work, row)

    def documents(self, work: Work, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Everything but what a pool needed to know."""
        del work
        return [
            picked(
                row, "name", "network_id", "ip_version", "cidr", "gateway_ip", "enable_dhcp",
                "allocation_pools",
                "dns_nameservers", "host_routes", "service_types", "ipv6_ra_mode", "ipv6_address_mode",
                "subnetpool_id", "dns_publish_fixed_ip",
            )
            for row in rows
        ]  # fmt: skip


def _networks_used(work: Work) -> list[str]:
    shared = work.shared_ids(NETWORK.shared_as, (SHARED,))
    columns = tables.networks.c
    condition = or_(columns.project_id == work.project_id, columns.id.in_(shared))
    return [row["id"] for row in work.rows(tables.networks, condition)]


def _range_of(work: Work, values: dict[str, Any]) -> Subnet:
    """Return the range that was said, or one of the pool."""
    pool = _pool_of(work, values)
    if pool is None:
        if not values.get("cidr"):
            raise Refused("Bad subnets request: a subnetpool must be specified in the absence of a cidr.")
        subnet = subnet_of(values["cidr"])
        if values.get("ip_version", subnet.version) != subnet.version:
            raise Refused(f"Invalid input for operation: cidr {subnet} is not of the ip_version given.")
        return subnet
    values["subnetpool_id"] = pool["id"]
    others = work.rows(tables.subnets, tables.subnets.c.subnetpool_id == pool["id"])
    taken = [subnet_of(other["cidr"]) for other in others]
    prefixes = [subnet_of(prefix) for prefix in pool["prefixes"]]
    if values.get("cidr"):
        prefixes = [subnet_of(values["cidr"])]
        if not any(prefixes[0].subnet_of(subnet_of(each)) for each in pool["prefixes"]):  # type: ignore[arg-type]
            raise Refused(f"Cidr {values['cidr']} is not of the subnetpool's prefixes.")
    length = prefixes[0].prefixlen if values.get("cidr") else values.get("prefixlen")
    if length is None:
        length = pool["default_prefixlen"]
    if not pool["min_prefixlen"] <= length <= pool["max_prefixlen"]:
        raise Refused(
            f"Unable to allocate subnet with prefix length {length}, allowed are {pool['min_prefixlen']} "
            f"to {pool['max_prefixlen']}."
        )
    subnet_found = carve(prefixes, taken, length)
    if subnet_found is None:
        raise Conflict(
            f"Failed to allocate subnet: Insufficient prefix space to allocate subnet size /{length}.",
            "SubnetAllocationError",
        )
    return subnet_found


def _pool_of(work: Work, values: Mapping[str, Any]) -> Row | None:
    """Return the pool that is meant, None for none."""
    if values.get("subnetpool_id"):
        return work.row(SUBNETPOOL, values["subnetpool_id"])
    if not values.get("use_default_subnetpool"):
        return None
    pools = tables.subnetpools
    version = values.get("ip_version", 4)
    found = work.rows(pools, pools.c.is_default.is_(True), pools.c.ip_version == version)
    if not found:
        raise Refused("No default subnetpool was found.")
    return found[0]


def _gateway_of(values: Mapping[str, Any], subnet: Subnet) -> Address | None:
    """Return the gateway that was said (null means none), or the usual one."""
    if "gateway_ip" not in values:
        return default_gateway(subnet)
    if values["gateway_ip"] is None:
        return None
    gateway = address_of(values["gateway_ip"])
    if gateway.version != subnet.version:
        raise Refused(f"gateway_ip {gateway} is not of IP version {subnet.version}")
    return gateway


def _check_modes(values: Mapping[str, Any]) -> None:
    modes = [values["ipv6_ra_mode"], values["ipv6_address_mode"]]
    if not any(modes):
        return
    if values["ip_version"] == 4:
        raise Refused("ipv6_ra_mode and ipv6_address_mode are for IPv6 only.")
    if all(modes) and modes[0] != modes[1]:
        raise Refused(f"ipv6_ra_mode {modes[0]} and ipv6_address_mode {modes[1]} must be the same.")
    if "slaac" in modes and subnet_of(values["cidr"]).prefixlen != 64:
        raise Refused("Invalid CIDR for SLAAC: its prefix length must be 64.")


def _check_lists(values: Mapping[str, Any], version: int) -> None:
    if len(values.get("dns_nameservers", ())) > NAMESERVERS_MAX:
        raise Refused(f"The number of DNS nameservers exceeds the limit {NAMESERVERS_MAX}")
    if len(values.get("host_routes", ())) > ROUTES_MAX:
        raise Refused(f"The number of host routes exceeds the limit {ROUTES_MAX}")
    for route in values.get("host_routes", ()):
        if address_of(route["nexthop"]).version != version:
            raise Refused(f"The host route {route} is not of IP version {version}.")
