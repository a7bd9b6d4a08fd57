"""Policies that let other projects see, or use, what is one project's; and tags, which anything may have.

{"object_type", "object_id", "action", "target_tenant"} ──▶ RbacPolicies        PUT …/tags/blue ──▶ Tags
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert
from webob import Response

from ...common.errors import Refused
from ..api.call import Call
from ..api.faults import Conflict, NotFound
from ..api.reply import answer, empty
from ..api.routing import Routes
from . import checks, tables
from .kinds import KINDS, NETWORK, RBAC_POLICY
from .resources import Desk, Resources, picked
from .work import EVERYBODY, EXTERNAL, Row, Work

TAGS_MAX = 50
TAG_LENGTH_MAX = 255


class RbacPolicies(Resources):
    """The collection."""

    kind = RBAC_POLICY

    def condition(self, work: Work) -> Any:
        """One's own, and those by which one sees others' things."""
        if work.is_admin:
            return True
        columns = self.kind.table.c
        return (columns.project_id == work.project_id) | (columns.target_tenant == work.project_id)

    def created(self, work: Work, values: dict[str, Any], project_id: str) -> Row:
        """Of what is the caller's; for everybody, or outside, only by an administrator."""
        kind = next(kind for kind in KINDS if kind.shared_as == values["object_type"])
        work.row(kind, values["object_id"], to_change=True)
        if values["action"] == EXTERNAL and kind is not NETWORK:
            raise Refused(f"Invalid action '{EXTERNAL}' for object type {values['object_type']}.")
        self._check_target(work, values["action"], values["target_tenant"])
        policies = self.kind.table
        names = ("object_id", "action", "target_tenant")
        if work.rows(policies, *(policies.c[name] == values[name] for name in names)):
            raise Conflict("An RBAC policy already exists with those values.", "DuplicateRbacPolicy")
        return super().created(work, values, project_id)

    def updated(self, work: Work, row: Row, values: dict[str, Any]) -> Row:
        """Another target."""
        if "target_tenant" in values:
            self._check_target(work, row["action"], values["target_tenant"])
        return super().updated(work, row, values)

    @staticmethod
    def _check_target(work: Work, action: str, target: str) -> None:
        if (target == EVERYBODY or action == EXTERNAL) and not work.is_admin:
            raise Refused("Only an administrator may share with everybody.", status=403)

    def removed(self, work: Work, row: Row) -> None:
        """Refuse where the other project has ports there by it."""
        if row["object_type"] == NETWORK.shared_as and row["action"] != EXTERNAL:
            network = work.one(tables.networks, row["object_id"])
            ports = work.rows(tables.ports, tables.ports.c.network_id == row["object_id"])
            others = {port["project_id"] for port in ports} - {"", network["project_id"] if network else ""}
            if row["target_tenant"] in others or (row["target_tenant"] == EVERYBODY and others):
                raise Conflict(
                    f"RBAC policy on object {row['object_id']} cannot be removed because other objects "
                    "depend "
                    "on it.",
                    "RbacPolicyInUse",
                )
        super().removed(work, row)

    def documents(self, work: Work, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Who may do what with which."""
        del work
        return [picked(row, "object_type", "object_id", "action", "target_tenant") for row in rows]


class Tags:
    """Words on resources."""

    def __init__(self, desk: Desk, collections: Sequence[Resources]) -> None:
        self._desk = desk
        self._collections = {collection.kind.path: collection for collection in collections}

    def add_to(self, routes: Routes) -> None:
        """Serve the tags of all kinds."""
        all_of = "/v2.0/{path}/{resource_id}/tags"
        routes.add(("GET", "HEAD"), all_of, self.index)
        routes.add(("PUT",), all_of, self.replace)
        routes.add(("DELETE",), all_of, self.clear)
        routes.add(("GET", "HEAD"), f"{all_of}/{{tag}}", self.show)
        routes.add(("PUT",), f"{all_of}/{{tag}}", self.add)
        routes.add(("DELETE",), f"{all_of}/{{tag}}", self.remove)

    def index(self, call: Call, path: str, resource_id: str) -> Response:
        """GET all of one resource."""
        return answer(200, {"tags": self._tags(call, path, resource_id)})

    def show(self, call: Call, path: str, resource_id: str, tag: str) -> Response:
        """GET one: whether it is there."""
        if tag not in self._tags(call, path, resource_id):
            raise NotFound(f"Tag {tag} could not be found.", "TagNotFound")
        return empty(204)

    def replace(self, call: Call, path: str, resource_id: str) -> Response:
        """PUT all."""
        said = checks.list_of(checks.text)
        return answer(
            200, {"tags": self._write(call, path, resource_id, lambda _: said(call.json("tags")["tags"]))}
        )

    def add(self, call: Call, path: str, resource_id: str, tag: str) -> Response:
        """PUT one."""
        self._write(call, path, resource_id, lambda had: sorted({*had, tag}))
        return empty(201)

    def remove(self, call: Call, path: str, resource_id: str, tag: str) -> Response:
        """DELETE one."""

        def without(had: list[str]) -> list[str]:
            if tag not in had:
                raise NotFound(f"Tag {tag} could not be found.", "TagNotFound")
            return [each for each in had if each != tag]

        self._write(call, path, resource_id, without)
        return empty(204)

    def clear(self, call: Call, path: str, resource_id: str) -> Response:
        """DELETE all."""
        self._write(call, path, resource_id, lambda _: [])
        return empty(204)

    def _tags(self, call: Call, path: str, resource_id: str) -> list[str]:
        def act(work: Work) -> list[str]:
            self._collection(path).found(work, resource_id)
            return work.tags_of([resource_id]).get(resource_id, [])

        return self._desk.read(call, act)

    def _write(self, call: Call, path: str, resource_id: str, changed: Any) -> list[str]:
        collection = self._collection(path)

        def act(work: Work) -> list[str]:
            row = collection.found(work, resource_id, to_change=True)
            tags: list[str] = changed(work.tags_of([resource_id]).get(resource_id, []))
            if len(tags) > TAGS_MAX or any(not tag or len(tag) > TAG_LENGTH_MAX for tag in tags):
                raise Refused(
                    f"A resource has at most {TAGS_MAX} tags of at most {TAG_LENGTH_MAX} characters."
                )
            work.connection.execute(delete(tables.tags).where(tables.tags.c.resource_id == resource_id))
            for tag in tags:
                work.connection.execute(insert(tables.tags).values(resource_id=resource_id, tag=tag))
            work.change(collection.kind.table, row, updated_at=work.now)
            return tags

        return self._desk.write(call, act)

    def _collection(self, path: str) -> Resources:
        try:
            return self._collections[path]
        except KeyError:
            raise NotFound("The resource could not be found.") from None
