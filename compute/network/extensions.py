"""Which of Neutron's extensions are true here, and the two small collections that are nobody's own.

GET /v2.0/extensions ──▶ ALIASES        /v2.0/availability_zones        /v2.0/network-ip-availabilities
"""

from __future__ import annotations

from typing import Any

from webob import Response

from ..api.call import Call
from ..api.faults import Forbidden, NotFound
from ..api.reply import answer
from ..api.routing import Routes
from . import tables
from .addresses import pool_of
from .allocation import subnets_of, taken
from .listing import chosen, trimmed
from .resources import Desk, paged, query_of
from .work import Row, Work

ALIASES = (
    "address-group", "address-scope", "agent", "allowed-address-pairs", "availability_zone", "binding",
    "default-subnetpools", "ext-gw-mode", "external-net", "extra_dhcp_opt", "extraroute",
    "extraroute-atomic", "fip-port-details", "ip-substring-filtering", "net-mtu", "net-mtu-writable",
    "network-ip-availability", "network_availability_zone", "pagination", "port-security", "project-id",
    "provider", "quota_details", "quotas", "rbac-address-group", "rbac-address-scope", "rbac-policies",
    "rbac-security-groups", "rbac-subnetpool", "revision-if-match", "router",
    "router_availability_zone", "security-group", "security-groups-remote-address-group",
    "security-groups-shared-filtering", "sorting", "standard-attr-description",
    "standard-attr-revisions", "standard-attr-tag", "standard-attr-timestamp",
    "stateful-security-group", "subnet_allocation",
)  # fmt: skip
_SINCE = "2026-01-01T00:00:00-00:00"


def _extension(alias: str) -> dict[str, Any]:
    words = alias.replace("_", " ").replace("-", " ").capitalize()
    return {"alias": alias, "name": words, "description": words, "updated": _SINCE, "links": []}


class Extensions:
    """The three."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_to(self, routes: Routes) -> None:
        """Serve them, and the versions."""
        routes.get("/", open_to_all=True)(self.versions)
        routes.get("/v2.0", open_to_all=True)(self.resources)
        routes.get("/v2.0/extensions")(self.index)
        routes.get("/v2.0/extensions/{alias}")(self.show)
        routes.get("/v2.0/availability_zones")(self.zones)
        routes.get("/v2.0/network-ip-availabilities")(self.availabilities)
        routes.get("/v2.0/network-ip-availabilities/{network_id}")(self.availability)

    def versions(self, call: Call) -> Response:
        """GET /: one version."""
        links = [{"rel": "self", "href": f"{call.base_url}/v2.0/"}]
        return answer(200, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})

    def resources(self, call: Call) -> Response:
        """GET /v2.0: what there is."""
        names = ("networks", "subnets", "ports", "routers", "floatingips", "security-groups")
        return answer(
            200,
            {
                "resources": [
                    {
                        "name": name.rstrip("s"),
                        "collection": name,
                        "links": [{"rel": "self", "href": f"{call.base_url}/v2.0/{name}"}],
                    }
                    for name in names
                ]
            },
        )

    def index(self, call: Call) -> Response:
        """GET all extensions."""
        del call
        return answer(200, {"extensions": [_extension(alias) for alias in ALIASES]})

    def show(self, call: Call, alias: str) -> Response:
        """GET one, or learn that it is not here."""
        del call
        if alias not in ALIASES:
            raise NotFound(f"Extension with alias {alias} does not exist", "ExtensionNotFound")
        return answer(200, {"extension": _extension(alias)})

    def zones(self, call: Call) -> Response:
        """GET the zone, for networks and for routers."""
        name = self._desk.settings.zone
        found = [{"name": name, "resource": kind, "state": "available"} for kind in ("network", "router")]
        return answer(200, {"availability_zones": chosen(found, query_of(call).filters)})

    def availabilities(self, call: Call) -> Response:
        """GET how many addresses of each network are taken."""
        query = query_of(call)
        found = self._desk.read(
            call, lambda work: [_availability(work, network) for network in _all_networks(work)]
        )
        part = paged(found, query)
        shown = [trimmed(each, query.fields) for each in part.documents]
        return answer(200, {"network_ip_availabilities": shown})

    def availability(self, call: Call, network_id: str) -> Response:
        """GET it for one."""

        def act(work: Work) -> dict[str, Any]:
            for network in _all_networks(work):
                if network["id"] == network_id:
                    return _availability(work, network)
            raise NotFound(f"Network {network_id} could not be found.", "NetworkNotFound")

        return answer(200, {"network_ip_availability": self._desk.read(call, act)})


def _all_networks(work: Work) -> list[Row]:
    if not work.is_admin:
        raise Forbidden("How full networks are is an administrator's to see.", "PolicyNotAuthorized")
    return work.rows(tables.networks)


def _availability(work: Work, network: Row) -> dict[str, Any]:
    subnets = [
        {
            "subnet_id": subnet["id"],
            "subnet_name": subnet["name"],
            "cidr": subnet["cidr"],
            "ip_version": subnet["ip_version"],
            "total_ips": sum(pool_of(pool["start"], pool["end"]).size for pool in subnet["allocation_pools"]),
            "used_ips": len(taken(work, subnet["id"])),
        }
        for subnet in subnets_of(work, network["id"])
    ]
    return {
        "network_id": network["id"],
        "network_name": network["name"],
        "project_id": network["project_id"],
        "tenant_id": network["project_id"],
        "total_ips": sum(subnet["total_ips"] for subnet in subnets),
        "used_ips": sum(subnet["used_ips"] for subnet in subnets),
        "subnet_ip_availability": subnets,
    }
