"""Routers: between networks of a project, and outside.

add_router_interface {subnet_id | port_id} ──▶ a port of the router's
external_gateway_info ──▶ its gateway's port
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from webob import Response

from ...common.errors import Refused
from ..api.call import Call
from ..api.faults import BadRequest, Conflict, NotFound
from ..api.reply import answer
from ..api.routing import Routes
from . import checks, tables
from .addresses import overlap, subnet_of
from .allocation import Place, places_of
from .kinds import NETWORK, ROUTER
from .networks import outside, remove_port_row, usable
from .ports import own_port
from .resources import Resources, by, picked
from .work import Row, Work

INTERFACE, GATEWAY = "network:router_interface", "network:router_gateway"
ROUTES = checks.list_of(checks.route)
ROUTES_MAX = 30


class Routers(Resources):
    """The collection."""

    kind = ROUTER

    def add_to(self, routes: Routes) -> None:
        """Also what is done to a router."""
        super().add_to(routes)
        for action in (
            self.add_router_interface,
            self.remove_router_interface,
            self.add_extraroutes,
            self.remove_extraroutes,
        ):
            routes.add(("PUT",), f"/v2.0/routers/{{resource_id}}/{action.__name__}", action)

    def created(self, work: Work, values: dict[str, Any], project_id: str) -> Row:
        """Perhaps with a gateway."""
        info = values.get("external_gateway_info") or {}
        snat = _snat(work, info, default=True)
        columns = {**self.kind.columns(values), "project_id": project_id, "enable_snat": snat, "host": ""}
        row = work.add(self.kind, {**columns, "gateway_port_id": None})
        return self._with_gateway(work, row, info)

    def updated(self, work: Work, row: Row, values: dict[str, Any]) -> Row:
        """The gateway may be another one, or none."""
        if "routes" in values:
            self._check_routes(work, row, values["routes"])
        row = super().updated(work, row, values)
        if "external_gateway_info" not in values:
            return row
        info = values["external_gateway_info"] or {}
        row = work.change(self.kind.table, row, enable_snat=_snat(work, info, default=row["enable_snat"]))
        return self._with_gateway(work, row, info)

    def _with_gateway(self, work: Work, row: Row, info: Mapping[str, Any]) -> Row:
        """Return the router with the gateway that is asked for; {} takes it away."""
        network_id = info.get("network_id")
        had = work.one(tables.ports, row["gateway_port_id"]) if row["gateway_port_id"] else None
        asked = info.get("external_fixed_ips") or None
        if had is not None:
            if had["network_id"] == network_id and asked is None:
                return row
            floating = tables.floating_ips
            if had["network_id"] != network_id and work.rows(floating, floating.c.router_id == row["id"]):
                raise Conflict(
                    f"Gateway cannot be updated for router {row['id']}, since a gateway to external network "
                    f"{had['network_id']} is required by one or more floating IPs.",
                    "RouterExternalGatewayInUseByFloatingIp",
                )
            remove_port_row(work, had["id"])
        if not network_id:
            return work.change(self.kind.table, row, gateway_port_id=None)
        work.row(NETWORK, network_id)
        if network_id not in outside(work):
            raise Refused(f"Bad router request: Network {network_id} is not an external network.")
        port = own_port(
            work, network_id=network_id, owner=GATEWAY, device_id=row["id"], project_id="", asked=asked
        )
        return work.change(self.kind.table, row, gateway_port_id=port["id"])

    def removed(self, work: Work, row: Row) -> None:
        """Refuse while it has interfaces."""
        if _interfaces(work, row["id"]):
            raise Conflict(f"Router {row['id']} still has ports", "RouterInUse")
        floating = tables.floating_ips
        if work.rows(floating, floating.c.router_id == row["id"]):
            raise Conflict(f"Router {row['id']} still has floating addresses", "RouterInUse")
        if row["gateway_port_id"]:
            remove_port_row(work, row["gateway_port_id"])
        super().removed(work, row)

    def documents(self, work: Work, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """With the gateway as clients see it."""
        gateways = [row["gateway_port_id"] for row in rows if row["gateway_port_id"]]
        ports = by(work.rows(tables.ports, tables.ports.c.id.in_(gateways)), "id")
        places = places_of(work, gateways)
        return [
            {
                **picked(row, "name", "admin_state_up", "routes", "availability_zone_hints"),
                "status": "ACTIVE",
                "availability_zones": [work.settings.zone] if row["host"] else [],
                "external_gateway_info": _gateway_document(row, ports, places),
                "flavor_id": None,
                **({"distributed": False, "ha": False} if work.is_admin else {}),
            }
            for row in rows
        ]

    # What is done to a router.

    def add_router_interface(self, call: Call, resource_id: str) -> Response:
        """PUT: a port for a subnet's gateway, or a port that is there."""
        body = call.json()

        def act(work: Work) -> dict[str, Any]:
            router = self.found(work, resource_id, to_change=True)
            port_id, subnet_id = body.get("port_id"), body.get("subnet_id")
            if bool(port_id) == bool(subnet_id):
                raise BadRequest("Either subnet_id or port_id must be specified", "BadRequest")
            port = (
                self._port_of(work, router, port_id) if port_id else self._port_for(work, router, subnet_id)
            )
            work.change(self.kind.table, router, updated_at=work.now)
            return _interface_document(work, router, port)

        return answer(200, self.desk.write(call, act))

    def _port_for(self, work: Work, router: Row, subnet_id: Any) -> Row:
        subnet = work.one(tables.subnets, str(subnet_id))
        if subnet is None:
            raise NotFound(f"Subnet {subnet_id} could not be found.", "SubnetNotFound")
        usable(work, subnet["network_id"])
        if not subnet["gateway_ip"]:
            raise BadRequest(f"Bad router request: Subnet {subnet_id} must have a gateway IP.", "BadRequest")
        self._check_overlap(work, router, subnet)
        asked = [{"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}]
        return own_port(
            work,
            network_id=subnet["network_id"],
            owner=INTERFACE,
            device_id=router["id"],
            project_id=router["project_id"],
            asked=asked,
        )

    def _port_of(self, work: Work, router: Row, port_id: Any) -> Row:
        port = work.one(tables.ports, str(port_id))
        if port is None or not work.owns(port):
            raise NotFound(f"Port {port_id} could not be found.", "PortNotFound")
        if port["device_id"]:
            raise Conflict(
                f"Unable to complete operation on port {port_id}. Port already has an attached device.",
                "PortInUse",
            )
        places = places_of(work, [port["id"]]).get(port["id"], [])
        if not places:
            raise BadRequest("Bad router request: Router port must have at least one fixed IP.", "BadRequest")
        for subnet_id, _ in places:
            subnet = work.one(tables.subnets, subnet_id)
            assert subnet is not None
            self._check_overlap(work, router, subnet)
        values = {"device_id": router["id"], "device_owner": INTERFACE, "port_security_enabled": False}
        return work.change(tables.ports, port, **values)

    @staticmethod
    def _check_overlap(work: Work, router: Row, subnet: Row) -> None:
        for port in _interfaces(work, router["id"]):
            for other_id, _ in places_of(work, [port["id"]]).get(port["id"], []):
                other = work.one(tables.subnets, other_id)
                assert other is not None
                if other_id == subnet["id"]:
                    raise Conflict(
                        f"Bad router request: Router already has a port on subnet {other_id}.", "BadRequest"
                    )
                if overlap(subnet_of(other["cidr"]), subnet_of(subnet["cidr"])):
                    raise BadRequest(
                        f"Bad router request: Cidr {subnet['cidr']} of subnet {subnet['id']} overlaps "
                        "with cidr "
                        f"{other['cidr']} of subnet {other_id}.",
                        "BadRequest",
                    )

    def remove_router_interface(self, call: Call, resource_id: str) -> Response:
        """PUT: the port goes, unless floating addresses or routes need it."""
        body = call.json()

        def act(work: Work) -> dict[str, Any]:
            router = self.found(work, resource_id, to_change=True)
            port = _meant(work, router, body)
            shown = _interface_document(work, router, port)
            _check_unneeded(work, router, port)
            remove_port_row(work, port["id"])
            work.change(self.kind.table, router, updated_at=work.now)
            return shown

        return answer(200, self.desk.write(call, act))

    def add_extraroutes(self, call: Call, resource_id: str) -> Response:
        """PUT: these too, in one step."""
        return self._extraroutes(
            call, resource_id, lambda had, said: [*had, *(r for r in said if r not in had)]
        )

    def remove_extraroutes(self, call: Call, resource_id: str) -> Response:
        """PUT: these no longer, in one step."""
        return self._extraroutes(call, resource_id, lambda had, said: [r for r in had if r not in said])

    def _extraroutes(self, call: Call, resource_id: str, merged: Any) -> Response:
        said = call.member(self.kind.name).get("routes")

        def act(work: Work) -> dict[str, Any]:
            row = self.found(work, resource_id, to_change=True)
            routes = merged(row["routes"], ROUTES(said))
            self._check_routes(work, row, routes)
            changed = work.change(self.kind.table, row, routes=routes)
            return {self.kind.name: self.shown(work, [changed])[0]}

        return answer(200, self.desk.write(call, act))

    @staticmethod
    def _check_routes(work: Work, row: Row, routes: Sequence[Mapping[str, Any]]) -> None:
        """Each next hop is a neighbour."""
        if len(routes) > ROUTES_MAX:
            raise Refused(f"Unable to set more than {ROUTES_MAX} routes of a router")
        ports = [port["id"] for port in _interfaces(work, row["id"])]
        ports += [row["gateway_port_id"]] if row["gateway_port_id"] else []
        near = {subnet for places in places_of(work, ports).values() for subnet, _ in places}
        spans = [subnet_of(each["cidr"]) for each in work.rows(tables.subnets, tables.subnets.c.id.in_(near))]
        for route in routes:
            if not any(subnet_of(checks.prefix(route["nexthop"])).network_address in span for span in spans):
                raise Refused(f"Invalid format for routes: {route['nexthop']} is not connected with router")


def _snat(work: Work, info: Mapping[str, Any], *, default: bool) -> bool:
    if "enable_snat" in info and info["enable_snat"] != default and not work.is_admin:
        raise Refused("Only an administrator may set 'enable_snat'.", status=403)
    return bool(info.get("enable_snat", default))


def _interfaces(work: Work, router_id: str) -> list[Row]:
    ports = tables.ports
    return work.rows(ports, ports.c.device_id == router_id, ports.c.device_owner == INTERFACE)


def _meant(work: Work, router: Row, body: Mapping[str, Any]) -> Row:
    """Return the interface that a body names by port or subnet."""
    for port in _interfaces(work, router["id"]):
        subnets = [subnet for subnet, _ in places_of(work, [port["id"]]).get(port["id"], [])]
        if body.get("port_id") in (None, port["id"]) and body.get("subnet_id") in (None, *subnets):
            if body.get("port_id") or body.get("subnet_id"):
                return port
            raise BadRequest("Either subnet_id or port_id must be specified", "BadRequest")
    raise NotFound(
        f"Router {router['id']} has no interface on {body.get('port_id') or body.get('subnet_id')}",
        "RouterInterfaceNotFound",
    )


def _check_unneeded(work: Work, router: Row, port: Row) -> None:
    """Refuse to take away an interface that something leads over."""
    subnets = {subnet for subnet, _ in places_of(work, [port["id"]]).get(port["id"], [])}
    floating = tables.floating_ips
    for each in work.rows(floating, floating.c.router_id == router["id"]):
        places = places_of(work, [each["port_id"]]).get(each["port_id"], [])
        if any(place[0] in subnets and place[1] == each["fixed_ip_address"] for place in places):
            raise Conflict(
                f"Router interface for subnet {min(subnets)} on router {router['id']} cannot be deleted, "
                "as it is "
                "required by one or more floating IPs.",
                "RouterInterfaceInUseByFloatingIP",
            )
    spans = [subnet_of(each["cidr"]) for each in work.rows(tables.subnets, tables.subnets.c.id.in_(subnets))]
    for route in router["routes"]:
        if any(subnet_of(checks.prefix(route["nexthop"])).network_address in span for span in spans):
            raise Conflict(
                f"Router interface on router {router['id']} cannot be deleted, as it is required by one "
                "or more "
                "routes.",
                "RouterInterfaceInUseByRoute",
            )


def _interface_document(work: Work, router: Row, port: Row) -> dict[str, Any]:
    subnets = [subnet for subnet, _ in places_of(work, [port["id"]]).get(port["id"], [])]
    return {
        "id": router["id"],
        "project_id": router["project_id"],
        "tenant_id": router["project_id"],
        "network_id": port["network_id"],
        "port_id": port["id"],
        "subnet_id": subnets[0],
        "subnet_ids": subnets,
        "tags": [],
    }


def _gateway_document(
    row: Row, ports: Mapping[str, Sequence[Row]], places: Mapping[str, Sequence[Place]]
) -> dict[str, Any] | None:
    if not row["gateway_port_id"] or row["gateway_port_id"] not in ports:
        return None
    port = ports[row["gateway_port_id"]][0]
    fixed = [{"subnet_id": subnet, "ip_address": address} for subnet, address in places.get(port["id"], [])]
    return {"network_id": port["network_id"], "enable_snat": row["enable_snat"], "external_fixed_ips": fixed}
