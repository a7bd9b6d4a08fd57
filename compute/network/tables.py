"""The tables of networks: one for each kind of resource, and those that keep addresses and MACs apart.

Lists and maps that nobody searches by are JSON. Two ports can't have one address of a subnet, nor one MAC in
a network: the database says so, whatever two processes do at one time.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

METADATA = MetaData()
ID = String(64)
NAME = String(255)


def _resource(name: str, *columns: Any) -> Table:
    """A table of resources, with what all of them have."""
    return Table(
        name,
        METADATA,
        Column("id", ID, primary_key=True),
        Column("project_id", NAME, nullable=False, index=True),
        Column("name", NAME, nullable=False, default=""),
        Column("description", NAME, nullable=False, default=""),
        Column("revision_number", Integer, nullable=False, default=0),
        Column("created_at", Double, nullable=False),
        Column("updated_at", Double, nullable=False),
        *columns,
    )


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _word(name: str) -> Column[str]:
    return Column(name, NAME, nullable=False, default="")


def _maybe(name: str, kind: Any = NAME) -> Column[Any]:
    return Column(name, kind, nullable=True)


def _json(name: str) -> Column[Any]:
    return Column(name, JSON, nullable=False)


networks = _resource(
    "networks",
    _flag("admin_state_up"),
    _flag("port_security_enabled"),
    _flag("is_default"),
    Column("mtu", Integer, nullable=False),
    Column("network_type", String(32), nullable=False),
    _maybe("physical_network"),
    _maybe("segmentation_id", Integer),
    _word("dns_domain"),
    _json("availability_zone_hints"),
    _word("dhcp_host"),
)
segments = Table(
    "segments",
    METADATA,
    Column("network_type", String(32), primary_key=True),
    Column("physical_network", String(128), primary_key=True),
    Column("segmentation_id", Integer, primary_key=True, autoincrement=False),
    Column("network_id", ID, nullable=False),
)
subnets = _resource(
    "subnets",
    Column("network_id", ID, nullable=False, index=True),
    Column("ip_version", Integer, nullable=False),
    Column("cidr", String(64), nullable=False),
    _maybe("gateway_ip", String(64)),
    _flag("enable_dhcp"),
    _json("allocation_pools"),
    _json("dns_nameservers"),
    _json("host_routes"),
    _json("service_types"),
    _maybe("ipv6_ra_mode", String(32)),
    _maybe("ipv6_address_mode", String(32)),
    _maybe("subnetpool_id", ID),
    _flag("dns_publish_fixed_ip"),
)
ports = _resource(
    "ports",
    Column("network_id", ID, nullable=False, index=True),
    Column("mac_address", String(17), nullable=False),
    _flag("admin_state_up"),
    Column("status", String(16), nullable=False),
    Column("device_id", NAME, nullable=False, default="", index=True),
    _word("device_owner"),
    Column("host", NAME, nullable=False, default="", index=True),
    Column("vnic_type", String(32), nullable=False),
    _json("profile"),
    _json("allowed_address_pairs"),
    _json("extra_dhcp_opts"),
    _flag("port_security_enabled"),
    _word("dns_name"),
    UniqueConstraint("network_id", "mac_address", name="one_mac_in_a_network"),
)
allocations = Table(
    "allocations",
    METADATA,
    Column("subnet_id", ID, primary_key=True),
    Column("ip_address", String(64), primary_key=True),
    Column("port_id", ID, nullable=False, index=True),
)
port_groups = Table(
    "port_groups",
    METADATA,
    Column("port_id", ID, primary_key=True),
    Column("group_id", ID, primary_key=True, index=True),
)
security_groups = _resource(
    "security_groups",
    _flag("stateful"),
    Column("default_of", NAME, nullable=True, unique=True),  # The project whose default group it is.
)
security_group_rules = _resource(
    "security_group_rules",
    Column("security_group_id", ID, nullable=False, index=True),
    Column("direction", String(16), nullable=False),
    Column("ethertype", String(8), nullable=False),
    _maybe("protocol", String(32)),
    _maybe("port_range_min", Integer),
    _maybe("port_range_max", Integer),
    _maybe("remote_ip_prefix", String(64)),
    _maybe("remote_group_id", ID),
    _maybe("remote_address_group_id", ID),
)
routers = _resource(
    "routers",
    _flag("admin_state_up"),
    _flag("enable_snat"),
    _maybe("gateway_port_id", ID),
    _json("routes"),
    _json("availability_zone_hints"),
    _word("host"),
)
floating_ips = _resource(
    "floating_ips",
    Column("floating_network_id", ID, nullable=False),
    Column("floating_ip_address", String(64), nullable=False),
    Column("floating_port_id", ID, nullable=False),
    _maybe("port_id", ID),
    _maybe("fixed_ip_address", String(64)),
    _maybe("router_id", ID),
    UniqueConstraint("port_id", "fixed_ip_address", name="one_floating_address_for_a_fixed_one"),
)
subnetpools = _resource(
    "subnetpools",
    _json("prefixes"),
    Column("ip_version", Integer, nullable=False),
    Column("min_prefixlen", Integer, nullable=False),
    Column("max_prefixlen", Integer, nullable=False),
    Column("default_prefixlen", Integer, nullable=False),
    _maybe("default_quota", Integer),
    _maybe("address_scope_id", ID),
    _flag("is_default"),
)
address_scopes = _resource("address_scopes", Column("ip_version", Integer, nullable=False))
address_groups = _resource("address_groups", _json("addresses"))
rbac_policies = _resource(
    "rbac_policies",
    Column("object_type", String(32), nullable=False),
    Column("object_id", ID, nullable=False, index=True),
    Column("action", String(32), nullable=False),
    Column("target_tenant", NAME, nullable=False),
    UniqueConstraint("object_id", "action", "target_tenant", name="one_policy_for_a_target"),
)
tags = Table(
    "tags",
    METADATA,
    Column("resource_id", ID, primary_key=True),
    Column("tag", NAME, primary_key=True),
)
quotas = Table(
    "quotas",
    METADATA,
    Column("project_id", NAME, primary_key=True),
    Column("resource", String(64), primary_key=True),
    Column("limit", Integer, nullable=False),
)
hosts = Table(
    "hosts",
    METADATA,
    Column("id", ID, primary_key=True),
    Column("host", NAME, nullable=False, unique=True),
    Column("tunnel_address", String(64), nullable=False),
    Column("physical_networks", JSON, nullable=False),
    Column("admin_state_up", Boolean, nullable=False),
    Column("description", NAME, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("heartbeat_at", Double, nullable=False),
)
generations = Table(
    "generations",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", Integer, nullable=False),
)
Index("rules_by_remote_group", security_group_rules.c.remote_group_id)
