"""Hosts: what their agents tell and are told, and how operators see them.

    PUT /v2.0/hosts/HOST {"host": report} ──▶ heartbeat, ports that became ACTIVE ──▶ 204, or {"wanted": …}

An agent that has what is wanted is answered without a write; so a thousand of them may ask every second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, update
from webob import Response

from ...common.errors import Refused
from ..api.call import Call
from ..api.faults import BadRequest, Forbidden, NotFound
from ..api.reply import answer, empty
from ..api.routing import Routes
from ..api.times import zulu
from . import checks, tables
from .allocation import chosen, keep, places_of, subnets_of
from .desired import DHCP_OWNER, wanted
from .listing import trimmed
from .ports import ACTIVE, own_port
from .resources import Desk, paged, query_of
from .schedule import placed
from .work import Row, Work

ADDRESS = checks.maybe(lambda value: checks.address(value) if value else "")
NAMES = checks.list_of(checks.text)


class Hosts:
    """The agents' door, and /v2.0/agents."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_to(self, routes: Routes) -> None:
        """Serve both."""
        routes.add(("PUT",), "/v2.0/hosts/{host}", self.exchange)
        routes.add(("GET", "HEAD"), "/v2.0/agents", self.index)
        one = "/v2.0/agents/{agent_id}"
        routes.add(("GET", "HEAD"), one, self.show)
        routes.add(("PUT",), one, self.update)
        routes.add(("DELETE",), one, self.delete)

    def exchange(self, call: Call, host: str) -> Response:
        """PUT: hear how a host is, tell it what it shall have."""
        report = _report(call.member("host"))
        if not self._desk.read(call, lambda work: _is_quiet(work, host, report)):
            self._desk.write(call, lambda work: _note(work, host, report))

        def act(work: Work) -> dict[str, Any] | None:
            return None if work.generation() == report["applied"] else wanted(work, host)

        document = self._desk.read(call, act)
        return empty(204) if document is None else answer(200, {"wanted": document})

    def index(self, call: Call) -> Response:
        """GET all agents."""
        query = query_of(call)

        def act(work: Work) -> list[dict[str, Any]]:
            """To whom they are not shown, there are none."""
            return [_agent(work, row) for row in _hosts(work)] if work.is_admin else []

        found = self._desk.read(call, act)
        part = paged(found, query)
        return answer(200, {"agents": [trimmed(each, query.fields) for each in part.documents]})

    def show(self, call: Call, agent_id: str) -> Response:
        """GET one."""
        return answer(200, {"agent": self._desk.read(call, lambda work: _agent(work, _host(work, agent_id)))})

    def update(self, call: Call, agent_id: str) -> Response:
        """PUT: switch it off or on, describe it."""
        body = call.member("agent")

        def act(work: Work) -> dict[str, Any]:
            row = _host(work, agent_id)
            given = {"admin_state_up": checks.flag, "description": checks.text}
            if strange := sorted(set(body) - set(given)):
                raise Refused(f"Unrecognized attribute(s) '{', '.join(strange)}'")
            values = {name: given[name](value) for name, value in body.items()}
            if values:
                work.connection.execute(
                    update(tables.hosts).where(tables.hosts.c.id == row["id"]).values(values)
                )
                work.note_change()
            return _agent(work, {**row, **values})

        return answer(200, {"agent": self._desk.write(call, act)})

    def delete(self, call: Call, agent_id: str) -> Response:
        """DELETE one that is no more; one that is comes again."""

        def act(work: Work) -> None:
            row = _host(work, agent_id)
            work.connection.execute(delete(tables.hosts).where(tables.hosts.c.id == row["id"]))
            work.note_change()

        self._desk.write(call, act)
        return empty(204)


def _report(body: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(body.get("applied"), int) or not isinstance(body.get("ports"), list):
        raise BadRequest("A report has applied and ports.")
    try:
        return {
            "tunnel_address": ADDRESS(body.get("tunnel_address")) or "",
            "physical_networks": NAMES(body.get("physical_networks")),
            "applied": body["applied"],
            "ports": [str(each) for each in body["ports"]],
        }
    except Refused as problem:
        raise BadRequest(str(problem)) from problem


def _hosts(work: Work) -> list[Row]:
    if not work.is_admin:
        raise Forbidden("Hosts are an administrator's to see.", "PolicyNotAuthorized")
    return work.rows(tables.hosts)


def _host(work: Work, agent_id: str) -> Row:
    for row in _hosts(work):
        if row["id"] == agent_id:
            return row
    raise NotFound(f"Agent {agent_id} could not be found.", "AgentNotFound")


def _is_alive(work: Work, row: Row) -> bool:
    return bool(work.now - row["heartbeat_at"] < work.settings.agent_down_time)


def _is_quiet(work: Work, host: str, report: Mapping[str, Any]) -> bool:
    """Whether the report says nothing that must be written."""
    known = next((row for row in _hosts(work) if row["host"] == host), None)
    return (
        known is not None
        and work.now - known["heartbeat_at"] < work.settings.agent_down_time / 3
        and all(known[name] == report[name] for name in ("tunnel_address", "physical_networks"))
        and work.generation() == report["applied"]
        and not _waiting(work, host, report)
    )


def _waiting(work: Work, host: str, report: Mapping[str, Any]) -> list[Row]:
    """The ports of the report that are not known to be ready."""
    ports = tables.ports
    rows = work.rows(ports, ports.c.id.in_(report["ports"]), ports.c.status != ACTIVE)
    return [row for row in rows if row["host"] in ("", host)]


def _needless(work: Work) -> list[Row]:
    """The ports for which no host has anything to do: interfaces of routers that are switched off."""
    ports, routers = tables.ports, tables.routers
    off = [row["id"] for row in work.rows(routers, routers.c.admin_state_up.is_(False))]
    if not off:
        return []
    return work.rows(ports, ports.c.device_id.in_(off), ports.c.status != ACTIVE)


def _note(work: Work, host: str, report: Mapping[str, Any]) -> None:
    """Write down heartbeat, facts and ready ports; place what has no living host."""
    facts = {name: report[name] for name in ("tunnel_address", "physical_networks")}
    known = next((row for row in _hosts(work) if row["host"] == host), None)
    if known is None:
        new = {
            "id": work.new_id(),
            "host": host,
            "admin_state_up": True,
            "description": "",
            "created_at": work.now,
        }
        work.connection.execute(insert(tables.hosts).values(**new, **facts, heartbeat_at=work.now))
        work.note_change()
    else:
        beat = update(tables.hosts).where(tables.hosts.c.id == known["id"])
        work.connection.execute(beat.values(**facts, heartbeat_at=work.now))
        if any(known[name] != value for name, value in facts.items()):
            work.note_change()
    ports = tables.ports
    for row in (*_waiting(work, host, report), *_needless(work)):
        ready = {"status": ACTIVE, "revision_number": row["revision_number"] + 1, "updated_at": work.now}
        work.connection.execute(update(ports).where(ports.c.id == row["id"]).values(ready))
    _place_everything(work)


def _place_everything(work: Work) -> None:
    """Give each network with DHCP, and each router, a host that lives and can serve it."""
    alive = [row for row in _hosts(work) if row["admin_state_up"] and _is_alive(work, row)]
    networks = {row["id"]: row for row in work.rows(tables.networks)}
    for network in networks.values():
        subnets = [subnet for subnet in subnets_of(work, network["id"]) if subnet["enable_dhcp"]]
        host = placed(network["id"], network["dhcp_host"], _able(alive, [network])) if subnets else ""
        work.change(tables.networks, network, dhcp_host=host)
        if host:
            _ensure_dhcp_port(work, network, subnets)
    for router in work.rows(tables.routers):
        ports = work.rows(tables.ports, tables.ports.c.device_id == router["id"])
        needed = [networks[port["network_id"]] for port in ports if port["network_id"] in networks]
        host = placed(router["id"], router["host"], _able(alive, needed)) if ports else ""
        work.change(tables.routers, router, host=host)


def _able(alive: list[Row], networks: list[Row]) -> list[str]:
    """The hosts that have all physical networks among these."""
    needed = {network["physical_network"] for network in networks if network["physical_network"]}
    return [row["host"] for row in alive if needed <= set(row["physical_networks"])]


def _ensure_dhcp_port(work: Work, network: Row, subnets: list[Row]) -> None:
    """Let DHCP have an address in each of the subnets."""
    ports = tables.ports
    found = work.rows(ports, ports.c.network_id == network["id"], ports.c.device_owner == DHCP_OWNER)
    asked = [{"subnet_id": subnet["id"]} for subnet in subnets]
    if not found:
        device = f"dhcp-{network['id']}"
        project = network["project_id"]
        own_port(
            work,
            network_id=network["id"],
            owner=DHCP_OWNER,
            device_id=device,
            project_id=project,
            asked=asked,
        )
        return
    having = {subnet for subnet, _ in places_of(work, [found[0]["id"]]).get(found[0]["id"], [])}
    new = [each for each in asked if each["subnet_id"] not in having]
    if new:
        keep(work, found[0]["id"], chosen(work, network["id"], new, found[0]["mac_address"]))
        work.note_change()


def _agent(work: Work, row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "agent_type": "Apus network agent",
        "binary": "apus-network-agent",
        "topic": "network",
        "host": row["host"],
        "admin_state_up": row["admin_state_up"],
        "alive": _is_alive(work, row),
        "availability_zone": work.settings.zone,
        "description": row["description"],
        "configurations": {
            "tunnel_address": row["tunnel_address"],
            "physical_networks": row["physical_networks"],
        },
        "created_at": zulu(row["created_at"]).replace("T", " ").rstrip("Z"),
        "started_at": zulu(row["created_at"]).replace("T", " ").rstrip("Z"),
        "heartbeat_timestamp": zulu(row["heartbeat_at"]).replace("T", " ").rstrip("Z"),
        "resources_synced": None,
    }
