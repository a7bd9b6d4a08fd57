"""Security groups and their rules; every project has a group `default`, whose members may meet each other.

first need of a project ──▶ ensure_default() ──▶ the group with its four rules
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete
from webob import Response

from ...common.errors import Refused
from ..api.call import Call
from ..api.faults import Conflict, NotFound
from . import checks, tables
from .host.firewall import WITH_PORTS, protocol_number
from .kinds import ADDRESS_GROUP, SECURITY_GROUP, SECURITY_GROUP_RULE
from .resources import Resources, by, common, picked
from .work import Row, Work

DEFAULT = "default"
PORT_MAX = 65535
_ICMP = frozenset({1, 58})


def ensure_default(work: Work, project_id: str) -> str:
    """Return the id of the project's default group, made with its four rules where it was not there."""
    groups = tables.security_groups
    if found := work.rows(groups, groups.c.default_of == project_id):
        return str(found[0]["id"])
    words = {"name": DEFAULT, "description": "Default security group", "stateful": True}
    row = work.add(SECURITY_GROUP, {**words, "project_id": project_id, "default_of": project_id})
    for ethertype in ("IPv4", "IPv6"):
        _add_rule(work, row, direction="egress", ethertype=ethertype)
        _add_rule(work, row, direction="ingress", ethertype=ethertype, remote_group_id=row["id"])
    return str(row["id"])


def _add_rule(work: Work, group: Row, **values: Any) -> Row:
    blank = {
        "protocol": None,
        "port_range_min": None,
        "port_range_max": None,
        "remote_ip_prefix": None,
        "remote_group_id": None,
        "remote_address_group_id": None,
    }
    given = {"project_id": group["project_id"], "security_group_id": group["id"], **blank, **values}
    return work.add(SECURITY_GROUP_RULE, given)


class SecurityGroups(Resources):
    """The collection of groups."""

    kind = SECURITY_GROUP

    def index(self, call: Call) -> Response:
        """Who looks for its groups finds at least the default one."""
        project_id = call.identity.project_id
        groups = tables.security_groups
        if project_id and not self.desk.read(
            call, lambda work: work.rows(groups, groups.c.default_of == project_id)
        ):
            self.desk.write(call, lambda work: ensure_default(work, project_id))
        return super().index(call)

    def created(self, work: Work, values: dict[str, Any], project_id: str) -> Row:
        """A new group lets everything out, and nothing in."""
        if values["name"] == DEFAULT:
            raise Conflict("Default security group already exists.", "SecurityGroupDefaultAlreadyExists")
        ensure_default(work, project_id)
        row = super().created(work, {**values}, project_id)
        for ethertype in ("IPv4", "IPv6"):
            _add_rule(work, row, direction="egress", ethertype=ethertype)
        return row

    def updated(self, work: Work, row: Row, values: dict[str, Any]) -> Row:
        """The default group keeps its name, and no other takes it."""
        if row["default_of"] and values.get("name", DEFAULT) != DEFAULT:
            raise Conflict(
                "Updating the name of the default security group is not allowed.",
                "SecurityGroupCannotUpdateDefault",
            )
        if not row["default_of"] and values.get("name") == DEFAULT:
            raise Conflict("Default security group already exists.", "SecurityGroupDefaultAlreadyExists")
        if values.get("stateful", row["stateful"]) != row["stateful"] and self._is_used(work, row):
            raise Conflict(f"Security Group {row['id']} in use.", "SecurityGroupInUse")
        return super().updated(work, row, values)

    def removed(self, work: Work, row: Row) -> None:
        """Its rules go with it, and others' rules that mean it."""
        if row["default_of"] and not work.is_admin:
            raise Conflict("Removing default security group not allowed.", "SecurityGroupCannotRemoveDefault")
        if self._is_used(work, row):
            raise Conflict(f"Security Group {row['id']} in use.", "SecurityGroupInUse")
        rules = tables.security_group_rules
        for column in (rules.c.security_group_id, rules.c.remote_group_id):
            work.connection.execute(delete(rules).where(column == row["id"]))
        super().removed(work, row)

    @staticmethod
    def _is_used(work: Work, row: Row) -> bool:
        return bool(work.rows(tables.port_groups, tables.port_groups.c.group_id == row["id"]))

    def documents(self, work: Work, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """With all rules."""
        rules = tables.security_group_rules
        found = by(
            work.rows(rules, rules.c.security_group_id.in_([row["id"] for row in rows])), "security_group_id"
        )
        shared = work.shared_ids(SECURITY_GROUP.shared_as)
        return [
            {
                **picked(row, "name", "stateful"),
                "shared": row["id"] in shared,
                "security_group_rules": [
                    {**rule_document(rule), **common(rule), "tags": []}
                    for rule in sorted(
                        found.get(row["id"], []), key=lambda rule: (rule["created_at"], rule["id"])
                    )
                ],
            }
            for row in rows
        ]


def rule_document(row: Row) -> dict[str, Any]:
    """Return what is a rule's own."""
    return {
        **picked(
            row,
            "security_group_id",
            "direction",
            "ethertype",
            "protocol",
            "port_range_min",
            "port_range_max",
            "remote_ip_prefix",
            "remote_group_id",
            "remote_address_group_id",
        ),
        "normalized_cidr": checks.network_of(row["remote_ip_prefix"]) if row["remote_ip_prefix"] else None,
        "belongs_to_default_sg": False,
    }


class SecurityGroupRules(Resources):
    """The collection of rules."""

    kind = SECURITY_GROUP_RULE

    def created(self, work: Work, values: dict[str, Any], project_id: str) -> Row:
        """Refuse what makes no sense, and what is there already."""
        del project_id  # A rule is its group's project's.
        group = work.row(SECURITY_GROUP, values["security_group_id"], to_change=True)
        check_rule(values)
        if remote := values["remote_group_id"]:
            work.row(SECURITY_GROUP, remote)
        if remote := values["remote_address_group_id"]:
            work.row(ADDRESS_GROUP, remote)
        rules = tables.security_group_rules
        for other in work.rows(rules, rules.c.security_group_id == group["id"]):
            if all(other[name] == value for name, value in values.items() if name != "description"):
                raise Conflict(
                    f"Security group rule already exists. Rule id is {other['id']}.",
                    "SecurityGroupRuleExists",
                )
        self._note(work, group)
        return super().created(work, values, group["project_id"])

    def removed(self, work: Work, row: Row) -> None:
        """The group is another one then."""
        group = work.one(tables.security_groups, row["security_group_id"])
        if group is not None:
            self._note(work, group)
        super().removed(work, row)

    @staticmethod
    def _note(work: Work, group: Row) -> None:
        work.change(tables.security_groups, group, updated_at=work.now)

    def found(self, work: Work, resource_id: str, *, to_change: bool = False) -> Row:
        """Rules of a group that is shared may be seen with it."""
        row = work.one(self.kind.table, resource_id)
        if row is not None:
            group = work.one(tables.security_groups, row["security_group_id"])
            if work.owns(row) or (not to_change and group is not None and work.sees(SECURITY_GROUP, group)):
                return row
        raise NotFound(f"Security group rule {resource_id} does not exist", "SecurityGroupRuleNotFound")

    def documents(self, work: Work, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Nothing but the rule."""
        del work
        return [rule_document(row) for row in rows]


def check_rule(values: Mapping[str, Any]) -> None:
    """Refuse a rule whose members don't go together.

    Raises:
        Refused: saying which.
    """
    first, last = values["port_range_min"], values["port_range_max"]
    number = protocol_number(values["protocol"] or "")
    remotes = [values[name] for name in ("remote_ip_prefix", "remote_group_id", "remote_address_group_id")]
    if sum(each is not None for each in remotes) > 1:
        raise Refused("Only remote_ip_prefix or remote_group_id may be provided.")
    if values["remote_ip_prefix"] and (":" in values["remote_ip_prefix"]) != (values["ethertype"] == "IPv6"):
        raise Refused(
            f"Conflicting value ethertype {values['ethertype']} for CIDR {values['remote_ip_prefix']}"
        )
    if number == 58 and values["ethertype"] == "IPv4":
        raise Refused(f"Invalid ethertype {values['ethertype']} for protocol {values['protocol']}.")
    if first is None and last is None:
        return
    if number in _ICMP:
        _check_icmp(first, last)
        return
    if number not in WITH_PORTS:
        raise Refused("Must also specify protocol if port range is given, one that has ports.")
    for port in (first, last):
        if port is not None and not 1 <= port <= PORT_MAX:
            raise Refused(f"Invalid value for port {port}. It must be 1 to {PORT_MAX}.")
    if first is None or last is None or first > last:
        raise Refused("For TCP/UDP protocols, port_range_min must be <= port_range_max, and both given.")


def _check_icmp(kind: int | None, code: int | None) -> None:
    if kind is None:
        raise Refused("ICMP code (port-range-max) is provided but ICMP type (port-range-min) is missing.")
    for name, value in (("type", kind), ("code", code)):
        if value is not None and not 0 <= value <= 255:
            raise Refused(f"Invalid value for ICMP {name} {value}. It must be 0 to 255.")
