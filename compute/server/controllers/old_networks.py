"""Security groups, floating addresses and networks as clients of before 2.36 ask us for them.

    os-security-groups, os-security-group-rules, os-floating-ips, os-floating-ip-pools, os-networks ──▶ the
    network service, with the caller's own token ──▶ in the form of then

Since 2.36 (addFloatingIp: 2.44) these are 404: the network service itself is asked.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Fault, NotFound
from ...api.reply import answer, empty
from ...api.routing import served
from .. import fleet
from ..records import Interface, Server
from ..world import World
from .rim import text, until

LAST, LAST_OF_ACTIONS = 35, 43
ANYWHERE = "0.0.0.0/0"
ANY_PORT = -1  # Then's word for all ports, and all types of ICMP.
_CONFLICTS = (400, 409)
_WHOLE = re.compile(r"-?[0-9]{1,9}")


class OldNetworkController:
    """Serves the groups and addresses of then."""

    def __init__(self, world: World) -> None:
        self._world = world

    def actions(self) -> Mapping[str, Callable[[Call, Server, Any], Response]]:
        """Return the actions by their name in the request."""
        return {"addFloatingIp": self.lead, "removeFloatingIp": self.lead_no_more}

    def _ask(self, call: Call, method: str, path: str, document: Any = None, **query: str) -> dict[str, Any]:
        peer = self._world.networks.peer
        return peer.ask(method, f"/v2.0/{path}", document, token=call.token, query=query or None)

    # Security groups.

    @served("GET HEAD", "/v2.1/os-security-groups")
    def groups(self, call: Call) -> Response:
        """List the project's groups, or all for an administrator who says so."""
        until(call, LAST)
        everyone = call.is_admin and call.query.get("all_tenants", "").lower() in ("1", "true")
        only = {} if everyone else {"project_id": call.project_id}
        found = self._ask(call, "GET", "security-groups", **only)["security_groups"]
        names = {group["id"]: group for group in found}
        return answer(200, {"security_groups": [_group(group, names) for group in found]})

    @served("GET HEAD", "/v2.1/os-security-groups/{group_id}")
    def group(self, call: Call, group_id: str) -> Response:
        """Show one."""
        until(call, LAST)
        found = self._ask(call, "GET", f"security-groups/{group_id}")["security_group"]
        return answer(200, {"security_group": _group(found, self._named(call, found))})

    def _named(self, call: Call, group: Mapping[str, Any]) -> dict[str, Any]:
        """The groups that a group's rules name."""
        if not any(rule.get("remote_group_id") for rule in group["security_group_rules"]):
            return {}
        found = self._ask(call, "GET", "security-groups")["security_groups"]
        return {each["id"]: each for each in found}

    @served("POST", "/v2.1/os-security-groups")
    def add_group(self, call: Call) -> Response:
        """Make one."""
        until(call, LAST)
        document = {"security_group": _group_asked(call)}
        made = self._ask(call, "POST", "security-groups", document)["security_group"]
        return answer(200, {"security_group": _group(made, {})})

    @served("PUT", "/v2.1/os-security-groups/{group_id}")
    def change_group(self, call: Call, group_id: str) -> Response:
        """Change its name and description."""
        until(call, LAST)
        path, document = f"security-groups/{group_id}", {"security_group": _group_asked(call)}
        found = self._ask(call, "PUT", path, document)["security_group"]
        return answer(200, {"security_group": _group(found, self._named(call, found))})

    @served("DELETE", "/v2.1/os-security-groups/{group_id}")
    def remove_group(self, call: Call, group_id: str) -> Response:
        """Remove one that nothing uses."""
        until(call, LAST)
        self._refused_as_of_old(call, "DELETE", f"security-groups/{group_id}")
        return empty(202)

    def _refused_as_of_old(self, call: Call, *what: Any) -> dict[str, Any]:
        """Ask; what the network service calls a conflict is a bad request here."""
        try:
            return self._ask(call, *what)
        except Fault as problem:
            if problem.status in _CONFLICTS:
                raise BadRequest(problem.message) from problem
            raise

    @served("POST", "/v2.1/os-security-group-rules")
    def add_rule(self, call: Call) -> Response:
        """Let something in."""
        until(call, LAST)
        asked = call.member("security_group_rule")
        parent = self._ask(call, "GET", f"security-groups/{_id_of(asked, 'parent_group_id')}")
        rule = _rule_asked(asked, parent["security_group"]["id"])
        found = self._refused_as_of_old(call, "POST", "security-group-rules", {"security_group_rule": rule})
        made = found["security_group_rule"]
        remote = made.get("remote_group_id")
        named = {}
        if remote:
            named[remote] = self._ask(call, "GET", f"security-groups/{remote}")["security_group"]
        return answer(200, {"security_group_rule": _rule(made, named)})

    @served("DELETE", "/v2.1/os-security-group-rules/{rule_id}")
    def remove_rule(self, call: Call, rule_id: str) -> Response:
        """Let it in no more."""
        until(call, LAST)
        self._ask(call, "DELETE", f"security-group-rules/{rule_id}")
        return empty(202)

    # Floating addresses.

    def _pools(self, call: Call) -> list[dict[str, Any]]:
        return list(self._ask(call, "GET", "networks", **{"router:external": "True"})["networks"])

    @served("GET HEAD", "/v2.1/os-floating-ip-pools")
    def pools(self, call: Call) -> Response:
        """List the networks outside."""
        until(call, LAST)
        return answer(200, {"floating_ip_pools": [{"name": net["name"]} for net in self._pools(call)]})

    @served("GET HEAD", "/v2.1/os-floating-ips")
    def addresses(self, call: Call) -> Response:
        """List the project's floating addresses."""
        until(call, LAST)
        found = self._ask(call, "GET", "floatingips", project_id=call.project_id)["floatingips"]
        pools = {net["id"]: net["name"] for net in self._pools(call)}
        return answer(200, {"floating_ips": [_address(each, pools) for each in found]})

    @served("GET HEAD", "/v2.1/os-floating-ips/{address_id}")
    def address(self, call: Call, address_id: str) -> Response:
        """Show one."""
        until(call, LAST)
        found = self._ask(call, "GET", f"floatingips/{address_id}")["floatingip"]
        pools = {net["id"]: net["name"] for net in self._pools(call)}
        return answer(200, {"floating_ip": _address(found, pools)})

    @served("POST", "/v2.1/os-floating-ips")
    def add_address(self, call: Call) -> Response:
        """Take one of a pool; of the first, where none is named."""
        until(call, LAST)
        wanted = (call.json() if call.request.body else {}).get("pool")
        pools = self._pools(call)
        pool = next((net for net in pools if wanted in (None, net["name"], net["id"])), None)
        if pool is None:
            raise NotFound("Floating IP pool not found.")
        document = {"floatingip": {"floating_network_id": pool["id"]}}
        made = self._ask(call, "POST", "floatingips", document)["floatingip"]
        return answer(200, {"floating_ip": _address(made, {pool["id"]: pool["name"]})})

    @served("DELETE", "/v2.1/os-floating-ips/{address_id}")
    def remove_address(self, call: Call, address_id: str) -> Response:
        """Give one back."""
        until(call, LAST)
        self._ask(call, "DELETE", f"floatingips/{address_id}")
        return empty(202)

    def _floating(self, call: Call, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return the floating address that an action names."""
        until(call, LAST_OF_ACTIONS)
        address = text(dict(asked), "address")
        found = self._ask(call, "GET", "floatingips", floating_ip_address=address)["floatingips"]
        if not found:
            raise NotFound("floating IP not found")
        return dict(found[0])

    def lead(self, call: Call, server: Server, argument: Any) -> Response:
        """Let a floating address lead to the server."""
        asked = argument if isinstance(argument, dict) else {}
        floating = self._floating(call, asked)
        with self._world.catalogue.read() as connection:
            ports = fleet.interfaces_of(connection, [server.id])[server.id]
        place = _place(ports, asked.get("fixed_address"), self._world.networks.floating(server.project_id))
        if place is None:
            raise BadRequest("No fixed IPs associated to instance that a floating address could lead to.")
        port_id, fixed = place
        document = {"floatingip": {"port_id": port_id, "fixed_ip_address": fixed}}
        self._refused_as_of_old(call, "PUT", f"floatingips/{floating['id']}", document)
        return empty(202)

    def lead_no_more(self, call: Call, server: Server, argument: Any) -> Response:
        """Let a floating address lead nowhere."""
        floating = self._floating(call, argument if isinstance(argument, dict) else {})
        if (floating.get("port_details") or {}).get("device_id") != server.id:
            raise Fault(
                409, f"Floating IP {floating['floating_ip_address']} is not associated with {server.id}."
            )
        self._ask(call, "PUT", f"floatingips/{floating['id']}", {"floatingip": {"port_id": None}})
        return empty(202)

    # Networks.

    @served("GET HEAD", "/v2.1/os-networks", "/v2.1/os-tenant-networks")
    def networks(self, call: Call) -> Response:
        """List the networks that the caller sees."""
        until(call, LAST)
        found = self._ask(call, "GET", "networks")["networks"]
        return answer(200, {"networks": [_network(net) for net in found]})

    @served("GET HEAD", "/v2.1/os-networks/{network_id}", "/v2.1/os-tenant-networks/{network_id}")
    def network(self, call: Call, network_id: str) -> Response:
        """Show one."""
        until(call, LAST)
        found = self._ask(call, "GET", f"networks/{network_id}")["network"]
        return answer(200, {"network": _network(found)})


def _network(net: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network in a few words; of its ranges the network service tells."""
    return {"id": net["id"], "label": net["name"], "cidr": str(None)}


def _address(found: Mapping[str, Any], pools: Mapping[str, str]) -> dict[str, Any]:
    details = found.get("port_details") or {}
    return {
        "id": found["id"],
        "pool": pools.get(found["floating_network_id"], found["floating_network_id"]),
        "ip": found["floating_ip_address"],
        "fixed_ip": found.get("fixed_ip_address"),
        "instance_id": details.get("device_id") or None,
    }


def _group_asked(call: Call) -> dict[str, Any]:
    asked = call.member("security_group")
    return {"name": text(asked, "name"), "description": asked.get("description") or ""}


def _id_of(asked: Mapping[str, Any], name: str) -> str:
    try:
        return str(uuid.UUID(str(asked.get(name))))
    except ValueError as problem:
        raise BadRequest(f"Security group id is not a uuid: {asked.get(name)!r}.") from problem


def _rule_asked(asked: Mapping[str, Any], parent_id: str) -> dict[str, Any]:
    """Return the network service's words for a rule of then: -1 is any."""
    protocol, first, last = (asked.get(name) for name in ("ip_protocol", "from_port", "to_port"))
    numbers = []
    for port in (first, last):
        if not isinstance(port, int | str | None) or (isinstance(port, str) and not _WHOLE.fullmatch(port)):
            raise BadRequest(f"Invalid input for a port: {port!r}.")
        numbers.append(None if port is None or int(port) == ANY_PORT else int(port))
    rule = {
        "security_group_id": parent_id,
        "direction": "ingress",
        "protocol": protocol,
        "port_range_min": numbers[0],
        "port_range_max": numbers[1],
    }
    if asked.get("group_id"):
        return {**rule, "remote_group_id": asked["group_id"]}
    prefix = asked.get("cidr") or ANYWHERE
    return {**rule, "remote_ip_prefix": prefix, "ethertype": "IPv6" if ":" in str(prefix) else "IPv4"}


def _group(found: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": found["id"],
        "name": found["name"],
        "description": found.get("description") or "",
        "tenant_id": found["project_id"],
        "rules": [
            _rule(rule, named) for rule in found["security_group_rules"] if rule["direction"] == "ingress"
        ],
    }


def _rule(found: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    first, last = found["port_range_min"], found["port_range_max"]
    if found["protocol"] is not None and first is None and last is None:
        first = last = ANY_PORT
    remote = found.get("remote_group_id")
    group: dict[str, str] = {}
    if remote:
        of = named.get(remote, {"name": remote, "project_id": found["project_id"]})
        group = {"name": of["name"], "tenant_id": of["project_id"]}
    return {
        "id": found["id"],
        "parent_group_id": found["security_group_id"],
        "ip_protocol": found["protocol"],
        "from_port": first,
        "to_port": last,
        "ip_range": {} if remote else {"cidr": found.get("remote_ip_prefix") or ANYWHERE},
        "group": group,
    }


def _place(ports: list[Interface], wanted: str | None, led: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return port and address that a floating one shall lead to: the one named, or the first free one."""
    for port in ports:
        for entry in port.addresses:
            address = entry["address"]
            if entry.get("version", 4) == 4 and (wanted == address or (not wanted and address not in led)):
                return port.port_id, address
    return None
