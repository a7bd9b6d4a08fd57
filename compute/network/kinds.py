"""The kinds of resources, and the members of their documents.

    Kind("network", …, Attribute("mtu", number(…), default=0)) ──▶ Kind.created(body), Kind.changed(body)

Here is only which members there are, who may set them when, and what each may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from ...common.errors import Refused
from . import checks, tables
from .checks import Check

INTEGER = 2**31 - 1  # What a column of the catalogue holds.
REQUIRED = object()
UNSET = object()
"""The default of what the service itself chooses where the client says nothing."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One member: `column` keeps it (its own name unless told, "" for none); `admin`: only they set it."""

    name: str
    check: Check
    default: Any = UNSET
    post: bool = True
    put: bool = True
    admin: bool = False
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its name in bodies, in paths ("security-groups") and in quotas, and its fault's name."""

    name: str
    plural: str
    table: Table
    title: str
    attributes: tuple[Attribute, ...]
    quota: str | None = None
    shared_as: str = ""  # Its object_type in policies of sharing.

    @property
    def path(self) -> str:
        """Its collection's name in paths."""
        return self.plural.replace("_", "-")

    def created(self, body: Mapping[str, Any], *, is_admin: bool) -> dict[str, Any]:
        """Return what a new one is asked to be, by attribute, with defaults.

        Raises:
            Refused: (400, 403) a member is unknown, wrong, missing, or not this client's to say.
        """
        given = self._judged(body, "post", is_admin=is_admin)
        for attribute in self.attributes:
            if attribute.name not in given:
                if attribute.default is REQUIRED:
                    raise Refused(
                        f"Failed to parse request. Required attribute '{attribute.name}' not specified"
                    )
                if attribute.default is not UNSET:
                    default = attribute.default
                    given[attribute.name] = default.copy() if isinstance(default, list | dict) else default
        return given

    def changed(self, body: Mapping[str, Any], *, is_admin: bool) -> dict[str, Any]:
        """Return what shall be different."""
        return self._judged(body, "put", is_admin=is_admin)

    def columns(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values by column, of those that have one."""
        return {
            column: values[attribute.name]
            for attribute in self.attributes
            if attribute.name in values
            and (column := attribute.name if attribute.column is None else attribute.column)
        }

    def _judged(self, body: Mapping[str, Any], when: str, *, is_admin: bool) -> dict[str, Any]:
        known = {attribute.name: attribute for attribute in self.attributes}
        given: dict[str, Any] = {}
        for name, value in body.items():
            if name in ("project_id", "tenant_id"):
                continue
            attribute = known.get(name)
            if attribute is None:
                raise Refused(f"Unrecognized attribute(s) '{name}'")
            if not getattr(attribute, when):
                raise Refused(f"Attribute '{name}' not allowed in {when.upper()}")
            if attribute.admin and not is_admin:
                raise Refused(f"Only an administrator may set '{name}'.", status=403)
            try:
                given[name] = attribute.check(value)
            except Refused as problem:
                raise Refused(f"Invalid input for {name}. Reason: {problem}.") from problem
        return given


def _named(*attributes: Attribute) -> tuple[Attribute, ...]:
    return (
        Attribute("name", checks.text, ""),
        Attribute("description", checks.text, ""),
        *attributes,
    )


UP = Attribute("admin_state_up", checks.flag, default=True)
HINTS = Attribute("availability_zone_hints", checks.list_of(checks.text), [], put=False)
POOLS = checks.list_of(checks.members(start=checks.address, end=checks.address))
RA_MODES = checks.maybe(checks.one_of("dhcpv6-stateful", "dhcpv6-stateless", "slaac"))
FIXED_IPS = checks.list_of(checks.members(subnet_id=checks.maybe_text, ip_address=checks.address))
PAIRS = checks.list_of(checks.members(ip_address=checks.prefix, mac_address=checks.mac))

NETWORK = Kind(
    "network",
    "networks",
    tables.networks,
    "Network",
    _named(
        UP,
        Attribute("shared", checks.flag, default=False, admin=True, column=""),
        Attribute("router:external", checks.flag, default=False, admin=True, column=""),
        Attribute("is_default", checks.flag, default=False, admin=True),
        Attribute("mtu", checks.number(0, 65535)),
        Attribute("port_security_enabled", checks.flag, default=True),
        Attribute("dns_domain", checks.dns_name, ""),
        Attribute("provider:network_type", checks.text, admin=True, put=False, column="network_type"),
        Attribute(
            "provider:physical_network", checks.maybe_text, admin=True, put=False, column="physical_network"
        ),
        Attribute(
            "provider:segmentation_id",
            checks.maybe(checks.number(1, 65535)),
            admin=True,
            put=False,
            column="segmentation_id",
        ),
        HINTS,
    ),
    quota="network",
    shared_as="network",
)
SUBNET = Kind(
    "subnet",
    "subnets",
    tables.subnets,
    "Subnet",
    _named(
        Attribute("network_id", checks.text, REQUIRED, put=False),
        Attribute("ip_version", checks.number(4, 6), put=False),
        Attribute("cidr", checks.maybe(checks.cidr), put=False),
        Attribute("prefixlen", checks.maybe(checks.number(0, 128)), put=False, column=""),
        Attribute("gateway_ip", checks.maybe(checks.address)),
        Attribute("enable_dhcp", checks.flag, default=True),
        Attribute("allocation_pools", POOLS),
        Attribute("dns_nameservers", checks.list_of(checks.address), []),
        Attribute("host_routes", checks.list_of(checks.route), []),
        Attribute("service_types", checks.list_of(checks.text), []),
        Attribute("ipv6_ra_mode", RA_MODES, None, put=False),
        Attribute("ipv6_address_mode", RA_MODES, None, put=False),
        Attribute("subnetpool_id", checks.maybe_text, None, put=False),
        Attribute("use_default_subnetpool", checks.flag, default=False, put=False, column=""),
        Attribute("dns_publish_fixed_ip", checks.flag, default=False),
    ),
    quota="subnet",
)
PORT = Kind(
    "port",
    "ports",
    tables.ports,
    "Port",
    _named(
        UP,
        Attribute("network_id", checks.text, REQUIRED, put=False),
        Attribute("mac_address", checks.mac),
        Attribute("fixed_ips", FIXED_IPS, column=""),
        Attribute("device_id", checks.text, ""),
        Attribute("device_owner", checks.text, ""),
        Attribute("security_groups", checks.list_of(checks.text), column=""),
        Attribute("allowed_address_pairs", PAIRS, []),
        Attribute("extra_dhcp_opts", checks.list_of(checks.dhcp_option), []),
        Attribute("port_security_enabled", checks.flag),
        Attribute("dns_name", checks.dns_name, ""),
        Attribute("binding:vnic_type", checks.one_of("normal"), "normal", column="vnic_type"),
        Attribute("binding:host_id", checks.text, "", admin=True, column="host"),
        Attribute("binding:profile", checks.mapping, {}, admin=True, column="profile"),
    ),
    quota="port",
)
SECURITY_GROUP = Kind(
    "security_group",
    "security_groups",
    tables.security_groups,
    "SecurityGroup",
    _named(Attribute("stateful", checks.flag, default=True)),
    quota="security_group",
    shared_as="security_group",
)
SECURITY_GROUP_RULE = Kind(
    "security_group_rule",
    "security_group_rules",
    tables.security_group_rules,
    "SecurityGroupRule",
    (
        Attribute("description", checks.text, "", put=False),
        Attribute("security_group_id", checks.text, REQUIRED, put=False),
        Attribute("direction", checks.one_of("ingress", "egress"), REQUIRED, put=False),
        Attribute("ethertype", checks.one_of("IPv4", "IPv6"), "IPv4", put=False),
        Attribute("protocol", checks.protocol, None, put=False),
        Attribute("port_range_min", checks.maybe(checks.number(-INTEGER, INTEGER)), None, put=False),
        Attribute("port_range_max", checks.maybe(checks.number(-INTEGER, INTEGER)), None, put=False),
        Attribute("remote_ip_prefix", checks.maybe(checks.said_prefix), None, put=False),
        Attribute("remote_group_id", checks.maybe_text, None, put=False),
        Attribute("remote_address_group_id", checks.maybe_text, None, put=False),
    ),
    quota="security_group_rule",
)
GATEWAY = checks.members(network_id=checks.maybe_text, enable_snat=checks.flag, external_fixed_ips=FIXED_IPS)
ROUTER = Kind(
    "router",
    "routers",
    tables.routers,
    "Router",
    _named(
        UP,
        Attribute("external_gateway_info", GATEWAY, column=""),
        Attribute("routes", checks.list_of(checks.route), [], post=False),
        HINTS,
    ),
    quota="router",
)
FLOATING_IP = Kind(
    "floatingip",
    "floatingips",
    tables.floating_ips,
    "FloatingIP",
    (
        Attribute("description", checks.text, ""),
        Attribute("floating_network_id", checks.text, REQUIRED, put=False),
        Attribute("floating_ip_address", checks.maybe(checks.address), put=False, column=""),
        Attribute("subnet_id", checks.maybe_text, None, put=False, column=""),
        Attribute("port_id", checks.maybe_text, column=""),
        Attribute("fixed_ip_address", checks.maybe(checks.address), column=""),
    ),
    quota="floatingip",
)
LENGTH = checks.maybe(checks.number(0, 128))
SUBNETPOOL = Kind(
    "subnetpool",
    "subnetpools",
    tables.subnetpools,
    "SubnetPool",
    _named(
        Attribute("prefixes", checks.list_of(checks.cidr), REQUIRED),
        Attribute("min_prefixlen", LENGTH),
        Attribute("max_prefixlen", LENGTH),
        Attribute("default_prefixlen", LENGTH),
        Attribute("default_quota", checks.maybe(checks.number(0, 2**31 - 1)), None),
        Attribute("address_scope_id", checks.maybe_text, None),
        Attribute("shared", checks.flag, default=False, admin=True, put=False, column=""),
        Attribute("is_default", checks.flag, default=False, admin=True),
    ),
    quota="subnetpool",
    shared_as="subnetpool",
)
ADDRESS_SCOPE = Kind(
    "address_scope",
    "address_scopes",
    tables.address_scopes,
    "AddressScope",
    _named(
        Attribute("ip_version", checks.one_of(4, 6), REQUIRED, put=False),
        Attribute("shared", checks.flag, default=False, admin=True, put=False, column=""),
    ),
    shared_as="address_scope",
)
ADDRESS_GROUP = Kind(
    "address_group",
    "address_groups",
    tables.address_groups,
    "AddressGroup",
    _named(Attribute("addresses", checks.list_of(checks.prefix), [], put=False)),
    shared_as="address_group",
)
OBJECT_TYPES = ("network", "security_group", "subnetpool", "address_scope", "address_group")
RBAC_POLICY = Kind(
    "rbac_policy",
    "rbac_policies",
    tables.rbac_policies,
    "RbacPolicy",
    (
        Attribute("object_type", checks.one_of(*OBJECT_TYPES), REQUIRED, put=False),
        Attribute("object_id", checks.text, REQUIRED, put=False),
        Attribute("action", checks.one_of("access_as_shared", "access_as_external"), REQUIRED, put=False),
        Attribute("target_tenant", checks.text, REQUIRED),
    ),
    quota="rbac_policy",
)
KINDS = (
    NETWORK, SUBNET, PORT, SECURITY_GROUP, SECURITY_GROUP_RULE, ROUTER, FLOATING_IP, SUBNETPOOL,
    ADDRESS_SCOPE, ADDRESS_GROUP, RBAC_POLICY,
)  # fmt: skip
