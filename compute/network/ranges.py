"""Pools that subnets are carved from, scopes in which pools don't overlap, and groups of addresses for rules.

values ──▶ SubnetPools, AddressScopes, AddressGroups ──▶ rows
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from webob import Response

from ...common.errors import Refused
from ..api.call import Call
from ..api.faults import Conflict
from ..api.reply import answer
from ..api.routing import Routes
from . import checks, tables
from .addresses import overlap, subnet_of
from .kinds import ADDRESS_GROUP, ADDRESS_SCOPE, SUBNETPOOL
from .resources import Resources, picked
from .work import SHARED, Row, Work

LEAST = {4: 8, 6: 64}
ADDRESSES = checks.list_of(checks.prefix)


class SubnetPools(Resources):
    """Pools of prefixes."""

    kind = SUBNETPOOL

    def created(self, work: Work, values: dict[str, Any], project_id: str) -> Row:
        """Prefixes of one IP version, joined where they touch."""
        prefixes, version = _joined(values["prefixes"])
        if not prefixes:
            raise Refused("Failed to parse request. Required attribute 'prefixes' not specified")
        longest = 32 if version == 4 else 128
        lengths = {
            "min_prefixlen": values.get("min_prefixlen") or LEAST[version],
            "max_prefixlen": values.get("max_prefixlen") or longest,
        }
        lengths["default_prefixlen"] = values.get("default_prefixlen") or lengths["min_prefixlen"]
        _check_lengths(lengths)
        self._check_scope(work, values["address_scope_id"], prefixes, version, "")
        if values["is_default"] and _default_of(work, version):
            raise Conflict("A default subnetpool for this IP family has already been set.", "HTTPConflict")
        columns = {**self.kind.columns(values), **lengths, "prefixes": prefixes, "ip_version": version}
        row = work.add(self.kind, {**columns, "project_id": project_id})
        if values["shared"]:
            work.share(self.kind, row["id"], project_id)
        return row

    def updated(self, work: Work, row: Row, values: dict[str, Any]) -> Row:
        """A pool may grow, never shrink."""
        if "prefixes" in values:
            prefixes, version = _joined(values["prefixes"])
            spans = [subnet_of(prefix) for prefix in prefixes]
            for old in row["prefixes"]:
                if not any(subnet_of(old).subnet_of(span) for span in spans if span.version == version):  # type: ignore[arg-type]
                    raise Refused(
                        "Illegal subnetpool update : existing prefixes must be a subset of the new."
                    )
            values["prefixes"] = prefixes
        _check_lengths({**row, **{name: value for name, value in values.items() if value is not None}})
        after = {**row, **values}
        self._check_scope(work, after["address_scope_id"], after["prefixes"], row["ip_version"], row["id"])
        return super().updated(work, row, values)

    @staticmethod
    def _check_scope(
        work: Work, scope_id: str | None, prefixes: Sequence[str], version: int, own_id: str
    ) -> None:
        """Pools of one scope don't overlap, and are of its IP version."""
        if not scope_id:
            return
        scope = work.row(ADDRESS_SCOPE, scope_id)
        if scope["ip_version"] != version:
            raise Refused(
                f"Illegal subnetpool association: address scope {scope_id} is of another IP version."
            )
        pools = tables.subnetpools
        for other in work.rows(pools, pools.c.address_scope_id == scope_id, pools.c.id != own_id):
            if any(
                overlap(subnet_of(ours), subnet_of(each)) for ours in prefixes for each in other["prefixes"]
            ):
                raise Conflict(
                    f"Address scope {scope_id} has a pool with an overlapping prefix.",
                    "AddressScopePrefixConflict",
                )

    def removed(self, work: Work, row: Row) -> None:
        """Refuse while subnets are of it."""
        if work.rows(tables.subnets, tables.subnets.c.subnetpool_id == row["id"]):
            raise Conflict(
                f"Unable to complete operation on subnet pool {row['id']}. There are one or more subnets "
                "still "
                "in use on the subnet pool.",
                "SubnetPoolInUse",
            )
        super().removed(work, row)

    def documents(self, work: Work, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Everything."""
        shared = work.shared_ids(SUBNETPOOL.shared_as, (SHARED,))
        return [
            {
                **picked(
                    row, "name", "prefixes", "ip_version", "default_quota", "address_scope_id", "is_default"
                ),
                **{name: row[name] for name in ("min_prefixlen", "max_prefixlen", "default_prefixlen")},
                "shared": row["id"] in shared,
            }
            for row in rows
        ]


class AddressScopes(Resources):
    """Scopes."""

    kind = ADDRESS_SCOPE

    def created(self, work: Work, values: dict[str, Any], project_id: str) -> Row:
        """Perhaps shared at once."""
        row = super().created(work, values, project_id)
        if values["shared"]:
            work.share(self.kind, row["id"], project_id)
        return row

    def removed(self, work: Work, row: Row) -> None:
        """Refuse while pools are of it."""
        if work.rows(tables.subnetpools, tables.subnetpools.c.address_scope_id == row["id"]):
            raise Conflict(f"Unable to complete operation on address scope {row['id']}.", "AddressScopeInUse")
        super().removed(work, row)

    def documents(self, work: Work, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Name and version."""
        shared = work.shared_ids(ADDRESS_SCOPE.shared_as, (SHARED,))
        return [{**picked(row, "name", "ip_version"), "shared": row["id"] in shared} for row in rows]


class AddressGroups(Resources):
    """Groups of addresses that rules may name."""

    kind = ADDRESS_GROUP

    def add_to(self, routes: Routes) -> None:
        """Also addresses in and out."""
        super().add_to(routes)
        for action in (self.add_addresses, self.remove_addresses):
            routes.add(("PUT",), f"/v2.0/address-groups/{{resource_id}}/{action.__name__}", action)

    def add_addresses(self, call: Call, resource_id: str) -> Response:
        """PUT: these too."""
        return self._changed(call, resource_id, lambda had, said: [*had, *(a for a in said if a not in had)])

    def remove_addresses(self, call: Call, resource_id: str) -> Response:
        """PUT: these no longer."""
        return self._changed(call, resource_id, lambda had, said: [a for a in had if a not in said])

    def _changed(self, call: Call, resource_id: str, merged: Any) -> Response:
        said = call.member(self.kind.name).get("addresses")

        def act(work: Work) -> Mapping[str, Any]:
            row = self.found(work, resource_id, to_change=True)
            changed = work.change(self.kind.table, row, addresses=merged(row["addresses"], ADDRESSES(said)))
            return self.shown(work, [changed])[0]

        return answer(200, {self.kind.name: self.desk.write(call, act)})

    def removed(self, work: Work, row: Row) -> None:
        """Refuse while rules name it."""
        rules = tables.security_group_rules
        if work.rows(rules, rules.c.remote_address_group_id == row["id"]):
            raise Conflict(
                f"Address group {row['id']} is in use on one or more security group rules",
                "AddressGroupInUse",
            )
        super().removed(work, row)

    def documents(self, work: Work, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Name and addresses."""
        shared = work.shared_ids(ADDRESS_GROUP.shared_as)
        return [{**picked(row, "name", "addresses"), "shared": row["id"] in shared} for row in rows]


def _joined(prefixes: Sequence[str]) -> tuple[list[str], int]:
    """Return the prefixes, joined where they touch, and their IP version."""
    spans = [subnet_of(prefix) for prefix in prefixes]
    versions = {span.version for span in spans}
    if len(versions) > 1:
        raise Refused("Mixed IP versions in the prefixes of a subnetpool are not supported.")
    joined = [str(span) for span in ipaddress.collapse_addresses(spans)]  # type: ignore[type-var]
    return joined, versions.pop() if versions else 4


def _check_lengths(lengths: Mapping[str, Any]) -> None:
    if not lengths["min_prefixlen"] <= lengths["default_prefixlen"] <= lengths["max_prefixlen"]:
        raise Refused("Illegal prefix bounds: min_prefixlen <= default_prefixlen <= max_prefixlen must hold.")


def _default_of(work: Work, version: int) -> list[Row]:
    pools = tables.subnetpools
    return work.rows(pools, pools.c.is_default.is_(True), pools.c.ip_version == version)
