"""Flavors, their extra specs and who may use them.

GET /flavors[/detail] ──▶ those that the caller's project may use        POST, PUT, DELETE ──▶
administrators
"""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Conflict, NotFound
from ...api.paging import Page, next_link
from ...api.reply import answer, empty
from ...api.routing import served
from .. import fleet, tables
from ..records import Flavor
from ..views import flavor as view
from ..world import World
from .rim import api_url, minor, pairs, scope_of, since, text, truth, version_of, whole


class FlavorController:
    """Serves /flavors."""

    def __init__(self, world: World) -> None:
        self._catalogue = world.catalogue

    @served("GET HEAD", "/v2.1/flavors")
    def index(self, call: Call) -> Response:
        """List ids and names."""
        return self._listed(call, lambda f: view.reference(f, api_url(call), version_of(call)))

    @served("GET HEAD", "/v2.1/flavors/detail")
    def detail(self, call: Call) -> Response:
        """List whole flavors."""
        return self._listed(call, lambda f: view.document(f, api_url(call), version_of(call)))

    def _listed(self, call: Call, written: Any) -> Response:
        query = call.query
        page = Page.of(call)
        with self._catalogue.read() as connection:
            rows = connection.execute(select(tables.flavors))
            found = [Flavor.of(row) for row in rows]
        found = [flavor for flavor in found if self._shown(call, flavor)]
        if query.get("minDisk"):
            found = [flavor for flavor in found if flavor.disk >= whole(query, "minDisk")]
        if query.get("minRam"):
            found = [flavor for flavor in found if flavor.ram >= whole(query, "minRam")]
        columns = {"flavorid": "id", "memory_mb": "ram", "root_gb": "disk", "ephemeral_gb": "ephemeral"}
        key = columns.get(query.get("sort_key", "flavorid"), query.get("sort_key", "id"))
        if key not in ("id", "name", "vcpus", "ram", "disk", "ephemeral", "swap", "rxtx_factor", "is_public"):
            raise BadRequest(f"sort_key={key!r} is no column of a flavor")
        found.sort(
            key=lambda flavor: (getattr(flavor, key), flavor.id), reverse=query.get("sort_dir") == "desc"
        )
        shown, more = page.cut(found, lambda flavor: flavor.id)
        document: dict[str, Any] = {"flavors": [written(flavor) for flavor in shown]}
        if more and shown:
            document["flavors_links"] = [{"rel": "next", "href": next_link(call, shown[-1].id)}]
        return answer(200, document)

    def _shown(self, call: Call, flavor: Flavor) -> bool:
        asked = call.query.get("is_public", "true").lower()
        if call.is_admin:
            return asked == "none" or flavor.is_public == (asked in ("true", "1", "t", "yes"))
        return flavor.is_public or call.project_id in flavor.projects

    @served("GET HEAD", "/v2.1/flavors/{flavor_id}")
    def show(self, call: Call, flavor_id: str) -> Response:
        """Show one."""
        with self._catalogue.read() as connection:
            flavor = fleet.flavor_of(connection, flavor_id, scope_of(call))
        return answer(200, {"flavor": view.document(flavor, api_url(call), version_of(call))})

    @served("POST", "/v2.1/flavors")
    def create(self, call: Call) -> Response:
        """Make one."""
        call.require("admin")
        asked = call.member("flavor")
        given = asked.get("id")
        flavor = Flavor(
            id=str(uuid.uuid4()) if given in (None, "auto", "") else str(given),
            name=text(asked, "name"),
            vcpus=whole(asked, "vcpus", least=1),
            ram=whole(asked, "ram", least=1),
            disk=whole(asked, "disk", default=0),
            ephemeral=whole(asked, "OS-FLV-EXT-DATA:ephemeral", default=0),
            swap=whole(asked, "swap", default=0) if asked.get("swap") else 0,
            rxtx_factor=float(asked.get("rxtx_factor") or 1.0),
            is_public=truth(asked, "os-flavor-access:is_public", default=True),
            description=asked.get("description") if minor(call) >= 55 else None,
            extra_specs={},
            projects=[],
        )
        values = {name: getattr(flavor, name) for name in Flavor.__dataclass_fields__}
        try:
            with self._catalogue.write() as connection:
                connection.execute(insert(tables.flavors).values(**values))
        except IntegrityError as problem:
            raise Conflict(f"Flavor with name {flavor.name} or ID {flavor.id} already exists.") from problem
        return answer(200, {"flavor": view.document(flavor, api_url(call), version_of(call))})

    @served("PUT", "/v2.1/flavors/{flavor_id}")
    def change(self, call: Call, flavor_id: str) -> Response:
        """Change the description, the only part that may change."""
        since(call, 55)
        call.require("admin")
        description = call.member("flavor").get("description")
        if description is not None and not isinstance(description, str):
            raise BadRequest("The description must be a text or null.")
        with self._catalogue.write() as connection:
            self._set(connection, flavor_id, description=description)
            flavor = fleet.flavor_of(connection, flavor_id)
        return answer(200, {"flavor": view.document(flavor, api_url(call), version_of(call))})

    @served("DELETE", "/v2.1/flavors/{flavor_id}")
    def remove(self, call: Call, flavor_id: str) -> Response:
        """Remove one; servers keep what they have of it."""
        call.require("admin")
        with self._catalogue.write() as connection:
            fleet.flavor_of(connection, flavor_id)
            connection.execute(delete(tables.flavors).where(tables.flavors.c.id == flavor_id))
        return empty(202)

    def _set(self, connection: Connection, flavor_id: str, **values: Any) -> None:
        fleet.flavor_of(connection, flavor_id)
        connection.execute(update(tables.flavors).where(tables.flavors.c.id == flavor_id).values(**values))

    @served("GET HEAD", "/v2.1/flavors/{flavor_id}/os-extra_specs")
    def specs(self, call: Call, flavor_id: str) -> Response:
        """List the extra specs."""
        with self._catalogue.read() as connection:
            flavor = fleet.flavor_of(connection, flavor_id, scope_of(call))
        return answer(200, {"extra_specs": dict(flavor.extra_specs)})

    @served("POST", "/v2.1/flavors/{flavor_id}/os-extra_specs")
    def add_specs(self, call: Call, flavor_id: str) -> Response:
        """Add extra specs."""
        call.require("admin")
        raw = call.member("extra_specs")
        added = pairs({key: str(value) for key, value in raw.items()}, most=-1)
        with self._catalogue.write() as connection:
            flavor = fleet.flavor_of(connection, flavor_id)
            self._set(connection, flavor_id, extra_specs={**flavor.extra_specs, **added})
        return answer(200, {"extra_specs": added})

    @served("GET HEAD", "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}")
    def spec(self, call: Call, flavor_id: str, key: str) -> Response:
        """Show one extra spec."""
        with self._catalogue.read() as connection:
            flavor = fleet.flavor_of(connection, flavor_id, scope_of(call))
        if key not in flavor.extra_specs:
            raise NotFound(f"Flavor {flavor_id} has no extra specs with key {key}.")
        return answer(200, {key: flavor.extra_specs[key]})

    @served("PUT", "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}")
    def set_spec(self, call: Call, flavor_id: str, key: str) -> Response:
        """Set one extra spec."""
        call.require("admin")
        document = call.json(key)
        if len(document) != 1:
            raise BadRequest("The body must have the one key that the path names.")
        added = pairs({key: str(document[key])}, most=-1)
        with self._catalogue.write() as connection:
            flavor = fleet.flavor_of(connection, flavor_id)
            self._set(connection, flavor_id, extra_specs={**flavor.extra_specs, **added})
        return answer(200, added)

    @served("DELETE", "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}")
    def remove_spec(self, call: Call, flavor_id: str, key: str) -> Response:
        """Remove one extra spec."""
        call.require("admin")
        with self._catalogue.write() as connection:
            flavor = fleet.flavor_of(connection, flavor_id)
            if key not in flavor.extra_specs:
                raise NotFound(f"Flavor {flavor_id} has no extra specs with key {key}.")
            left = {name: value for name, value in flavor.extra_specs.items() if name != key}
            self._set(connection, flavor_id, extra_specs=left)
        return empty(200)

    @served("GET HEAD", "/v2.1/flavors/{flavor_id}/os-flavor-access")
    def access(self, call: Call, flavor_id: str) -> Response:
        """List the projects that may use a flavor that is not public."""
        call.require("admin")
        with self._catalogue.read() as connection:
            flavor = fleet.flavor_of(connection, flavor_id)
        if flavor.is_public:
            raise NotFound("Access list not available for public flavors.")
        return answer(200, _access(flavor.id, flavor.projects))

    @served("POST", "/v2.1/flavors/{flavor_id}/action")
    def act(self, call: Call, flavor_id: str) -> Response:
        """Let a project use it, or no longer."""
        call.require("admin")
        document = call.json()
        adding = "addTenantAccess" in document
        inner = document.get("addTenantAccess" if adding else "removeTenantAccess")
        if not isinstance(inner, dict) or len(document) != 1:
            raise BadRequest("Expected addTenantAccess or removeTenantAccess.")
        project = text(inner, "tenant")
        with self._catalogue.write() as connection:
            flavor = fleet.flavor_of(connection, flavor_id)
            if adding and flavor.is_public:
                raise Conflict("Can not add access to a public flavor.")
            if adding == (project in flavor.projects):
                if adding:
                    raise Conflict(
                        f"Flavor access already exists for flavor {flavor_id} and project {project}."
                    )
                raise NotFound(f"Flavor access not found for {flavor_id} / {project} combination.")
            left = [name for name in flavor.projects if name != project]
            projects = [*left, project] if adding else left
            self._set(connection, flavor_id, projects=projects)
        return answer(200, _access(flavor_id, projects))


def _access(flavor_id: str, projects: list[str]) -> dict[str, Any]:
    return {"flavor_access": [{"flavor_id": flavor_id, "tenant_id": project} for project in projects]}
