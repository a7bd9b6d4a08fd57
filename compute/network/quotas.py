"""How many of each kind a project may have.

/v2.0/quotas[/{project}[/default|/details]] ──▶ Quotas ──▶ the project's own limits before the configured ones
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert
from webob import Response

from ...common.errors import Refused
from ..api.call import Call
from ..api.faults import Forbidden
from ..api.reply import answer, empty
from ..api.routing import Routes
from . import checks, tables
from .kinds import KINDS
from .resources import Desk, by
from .work import Work

LIMIT = checks.number(-1, 2**31 - 1)


class Quotas:
    """The collection, by project."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_to(self, routes: Routes) -> None:
        """Serve them."""
        routes.add(("GET", "HEAD"), "/v2.0/quotas", self.index)
        one = "/v2.0/quotas/{project_id}"
        routes.add(("GET", "HEAD"), one, self.show)
        routes.add(("PUT",), one, self.update)
        routes.add(("DELETE",), one, self.delete)
        for word in ("default", "defaults"):
            routes.add(("GET", "HEAD"), f"{one}/{word}", self.defaults)
        for word in ("details", "details.json"):
            routes.add(("GET", "HEAD"), f"{one}/{word}", self.details)

    def index(self, call: Call) -> Response:
        """GET the projects that have limits of their own."""

        def act(work: Work) -> list[dict[str, Any]]:
            if not work.is_admin:
                raise Forbidden("Only an administrator may list quotas.", "PolicyNotAuthorized")
            found = by(work.rows(tables.quotas), "project_id")
            return [
                {**self._limits(work, project), "project_id": project, "tenant_id": project}
                for project in sorted(found)
            ]

        return answer(200, {"quotas": self._desk.read(call, act)})

    def show(self, call: Call, project_id: str) -> Response:
        """GET a project's."""
        return answer(200, {"quota": self._desk.read(call, lambda work: self._own(work, project_id))})

    def defaults(self, call: Call, project_id: str) -> Response:
        """GET what a project without limits of its own has."""
        del project_id
        return answer(200, {"quota": dict(self._desk.read(call, lambda work: work.settings.quotas))})

    def details(self, call: Call, project_id: str) -> Response:
        """GET limits beside what is used."""

        def act(work: Work) -> dict[str, dict[str, int]]:
            limits = self._own(work, project_id)
            return {
                kind.quota: {"limit": limits[kind.quota], "used": work.used(kind, project_id), "reserved": 0}
                for kind in KINDS
                if kind.quota
            }

        return answer(200, {"quota": self._desk.read(call, act)})

    def update(self, call: Call, project_id: str) -> Response:
        """PUT limits."""
        body = call.member("quota")

        def act(work: Work) -> Mapping[str, int]:
            if not work.is_admin:
                raise Forbidden("Only an administrator may change quotas.", "PolicyNotAuthorized")
            for resource, value in body.items():
                if resource in ("project_id", "tenant_id", "force", "check_limit"):
                    continue
                if resource not in work.settings.quotas:
                    raise Refused(f"Unrecognized attribute(s) '{resource}'")
                self._forget(work, project_id, resource)
                row = {"project_id": project_id, "resource": resource, "limit": LIMIT(value)}
                work.connection.execute(insert(tables.quotas).values(row))
            return self._limits(work, project_id)

        return answer(200, {"quota": self._desk.write(call, act)})

    def delete(self, call: Call, project_id: str) -> Response:
        """DELETE: the configured ones count again."""

        def act(work: Work) -> None:
            if not work.is_admin:
                raise Forbidden("Only an administrator may change quotas.", "PolicyNotAuthorized")
            for resource in work.settings.quotas:
                self._forget(work, project_id, resource)

        self._desk.write(call, act)
        return empty(204)

    @staticmethod
    def _forget(work: Work, project_id: str, resource: str) -> None:
        quotas = tables.quotas
        work.connection.execute(
            delete(quotas).where(quotas.c.project_id == project_id, quotas.c.resource == resource)
        )

    def _own(self, work: Work, project_id: str) -> dict[str, int]:
        if not work.is_admin and project_id != work.project_id:
            raise Forbidden("Other projects' quotas are an administrator's to see.", "PolicyNotAuthorized")
        return self._limits(work, project_id)

    @staticmethod
    def _limits(work: Work, project_id: str) -> dict[str, int]:
        return {resource: work.limit(project_id, resource) for resource in work.settings.quotas}
