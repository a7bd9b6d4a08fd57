"""Which services there are and where: what clients learn from a token, and who keeps that list.

    services ◀── endpoints ──▶ regions ──catalog_for(project)──▶ the catalogue in a token's answer

$(project_id)s and $(user_id)s in a URL stand for the token's; an endpoint whose URL needs a project is left
out where the token has none.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection, Select, delete, select
from webob import Response

from ...common.identity import Identity
from ..api.call import Call
from ..api.faults import BadRequest, Forbidden
from ..api.routing import Routes
from . import policy, tables
from .collection import Collection
from .fields import FLAG, Field, Kind
from .places import exists
from .world import Change, Record, new_id

REGION_CHARACTERS_MAX = 255
INTERFACES = ("public", "internal", "admin")
REGIONS = Kind(
    "regions",
    "region",
    tables.regions,
    (Field("description"), Field("parent_region_id")),
    filters=("parent_region_id",),
)
SERVICES = Kind(
    "services",
    "service",
    tables.services,
    (
        Field("type", required=True, nullable=False),
        Field("name"),
        Field("description"),
        Field("enabled", FLAG, nullable=False),
    ),
    filters=("type", "name"),
)
ENDPOINTS = Kind(
    "endpoints",
    "endpoint",
    tables.endpoints,
    (
        Field("service_id", required=True, nullable=False),
        Field("interface", required=True, nullable=False, choices=INTERFACES),
        Field("url", required=True, nullable=False),
        Field("region_id"),
        Field("name"),
        Field("description"),
        Field("enabled", FLAG, nullable=False),
    ),
    filters=("service_id", "interface", "region_id"),
    hidden=("region",),
)
_PLACEHOLDER = re.compile(r"[%$]\((\w+)\)s")


class _Installation(Collection):
    """What belongs to the installation: seen by who sees all, changed by who administers all."""

    def may_see(self, call: Call, row: Record) -> bool:
        """Whether the caller sees everything."""
        del row
        return policy.sees_all(call.identity)


class Regions(_Installation):
    """/v3/regions; anybody with a token may know them."""

    kind = REGIONS

    def may_see(self, call: Call, row: Record) -> bool:
        """Return True: they are names of places."""
        del row
        return bool(call.identity)

    def within_reach(self, call: Call) -> Select[Any]:
        """Return all of them."""
        assert call.identity
        return select(tables.regions)

    def add_to(self, routes: Routes) -> None:
        """Serve the paths of regions, one of which may be made where it shall be."""
        super().add_to(routes)
        routes.put("/v3/regions/{thing_id}")(self.create_there)

    def create_there(self, call: Call, thing_id: str) -> Response:
        """Make a region whose id the path says."""
        return self.create_from(call, {**call.member("region"), "id": thing_id})

    def received(self, call: Call, given: Record) -> Record:
        """Let a region's maker choose its id."""
        del call
        chosen = given.get("id")
        if chosen is not None and (not isinstance(chosen, str) or len(chosen) > REGION_CHARACTERS_MAX):
            raise BadRequest(f"A region's id is a text of at most {REGION_CHARACTERS_MAX} characters.")
        return given if chosen else {name: value for name, value in given.items() if name != "id"}

    def id_of_new(self, given: Record) -> str:
        """Return the id that was chosen."""
        return str(given.get("id") or new_id())

    def prepare(self, change: Change, values: Record, before: Record | None) -> None:
        """Check the region around it."""
        del before
        parent = values.get("parent_region_id")
        if parent is not None and not exists(change.connection, tables.regions, parent):
            raise BadRequest(f"There is no region {parent}.")

    def removing(self, change: Change, row: Record) -> None:
        """Refuse while something is in it."""
        column, inner = tables.endpoints.c, tables.regions.c
        used = change.connection.scalar(select(column.id).where(column.region_id == row["id"]).limit(1))
        inside = change.connection.scalar(
            select(inner.id).where(inner.parent_region_id == row["id"]).limit(1)
        )
        if used or inside:
            raise Forbidden("There are endpoints or regions in the region.")


class Services(_Installation):
    """/v3/services."""

    kind = SERVICES

    def removing(self, change: Change, row: Record) -> None:
        """Remove the endpoints, too."""
        change.connection.execute(delete(tables.endpoints).where(tables.endpoints.c.service_id == row["id"]))


class Endpoints(_Installation):
    """/v3/endpoints."""

    kind = ENDPOINTS

    def received(self, call: Call, given: Record) -> Record:
        """Take the region's old name, too."""
        del call
        if given.get("region") and not given.get("region_id"):
            return {**given, "region_id": given["region"]}
        return given

    def prepare(self, change: Change, values: Record, before: Record | None) -> None:
        """Check the service, and make the region that is not there yet."""
        del before
        service_id = values.get("service_id")
        if service_id is not None and not exists(change.connection, tables.services, service_id):
            raise BadRequest(f"There is no service {service_id}.")
        if values.get("region_id") is not None:
            region_there(change.connection, values["region_id"])

    def document(self, connection: Connection, row: Record, base: str) -> Record:
        """Return an endpoint, its region under both names."""
        document = Collection.document(self, connection, row, base)
        if document["name"] is None:
            del document["name"]
        return {**document, "region": row["region_id"]}


def region_there(connection: Connection, region_id: str) -> None:
    """Make a region unless it is there."""
    if not exists(connection, tables.regions, region_id):
        connection.execute(tables.regions.insert().values(id=region_id))


def endpoint_there(connection: Connection, *, kind: str, name: str, region: str, url: str) -> bool:
    """Let a service have this URL on all interfaces; return whether that is news."""
    region_there(connection, region)
    column = tables.services.c
    service_id = connection.scalar(select(column.id).where(column.type == kind, column.name == name))
    if service_id is None:
        service_id = new_id()
        connection.execute(tables.services.insert().values(id=service_id, type=kind, name=name))
    news = False
    point = tables.endpoints
    for interface in INTERFACES:
        where = (
            (point.c.service_id == service_id)
            & (point.c.interface == interface)
            & (point.c.region_id == region)
        )
        known = connection.scalar(select(point.c.url).where(where))
        if known == url:
            continue
        news = True
        if known is not None:
            connection.execute(point.update().where(where).values(url=url))
            continue
        values = {"service_id": service_id, "interface": interface, "region_id": region, "url": url}
        connection.execute(point.insert().values(id=new_id(), **values))
    return news


def catalog_for(connection: Connection, who: Identity) -> list[Record]:
    """Return the catalogue as a token's answer has it."""
    known = {"user_id": who.user_id}
    if who.project_id is not None:
        known |= {"project_id": who.project_id, "tenant_id": who.project_id}
    listed: dict[str, Record] = {}
    service, point = tables.services.c, tables.endpoints.c
    rows = connection.execute(
        select(tables.services).where(service.enabled.is_(True)).order_by(service.type, service.id)
    )
    for row in rows:
        listed[row.id] = {"id": row.id, "type": row.type, "name": row.name or "", "endpoints": []}
    endpoints = connection.execute(
        select(tables.endpoints).where(point.enabled.is_(True)).order_by(point.id)
    ).all()
    for row in endpoints:
        url = filled(row.url, known)
        if row.service_id in listed and url is not None:
            listed[row.service_id]["endpoints"].append(
                {
                    "id": row.id,
                    "interface": row.interface,
                    "region": row.region_id,
                    "region_id": row.region_id,
                    "url": url,
                }
            )
    return list(listed.values())


def filled(url: str, known: dict[str, str]) -> str | None:
    """Return a URL with its placeholders filled; None where one is not known."""
    if not set(_PLACEHOLDER.findall(url)) <= set(known):
        return None
    return _PLACEHOLDER.sub(lambda match: known[match[1]], url)
