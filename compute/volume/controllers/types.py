"""Volume types: their specs, who may use them, what they are by default.

GET POST /types   GET PUT DELETE /types/{id}   /types/{id}/extra_specs   access   /default-types
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, or_
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Conflict, NotFound
from ...api.reply import answer, empty
from .. import rows
from ..asking import TYPES, asked, truth
from ..office import Office
from ..reading import required_text, string_map, text, yes_or_no
from ..tables import default_types, types, volumes
from ..views import type as view
from ..views.viewer import Row, Viewer
from .doors import at, listing, only_member, since
from .volume_making import default_type, type_by


@dataclass(frozen=True, slots=True)
class TypeController:
    """Serves /types and /default-types."""

    office: Office

    @at("GET HEAD", "/types")
    def index(self, call: Call) -> Response:
        """List the types that the caller may use."""
        asks = asked(call, types, TYPES, owner=or_(*self._visible(call)))
        viewer = Viewer.of(call)
        with self.office.catalogue.read() as connection:
            page = rows.listed(connection, types, asks)
        own = call.identity.project_id
        shown = [row for row in page.rows if row["is_public"] or call.is_admin or own in row["projects"]]
        documents = [view.volume_type(viewer, row) for row in shown]
        return listing(call, "volume_types", documents, page, links="volume_type_links")

    def _visible(self, call: Call) -> list[Any]:
        """Return conditions, one of which a listed type fulfils; what is not public is looked at again."""
        word = call.query.get("is_public")
        if not call.is_admin:
            return [types.c.id.is_not(None)]
        if word is None:
            return [types.c.is_public.is_(True)]
        if word.strip().lower() == "none":
            return [types.c.id.is_not(None)]
        return [types.c.is_public.is_(truth("is_public", word))]

    @at("POST", "/types")
    def create(self, call: Call) -> Response:
        """Make one (administrators)."""
        call.require("admin")
        document = call.member("volume_type")
        now = self.office.clock()
        row: dict[str, Any] = {
            "id": rows.new_id(),
            "name": required_text(document, "name"),
            "description": text(document, "description"),
            "is_public": yes_or_no(document, "os-volume-type-access:is_public", otherwise=True),
            "extra_specs": string_map(document.get("extra_specs"), "extra_specs"),
            "projects": [],
            "qos_specs_id": None,
            "encryption": None,
            "created_at": now,
            "updated_at": now,
        }
        self.office.catalogue.transaction(lambda connection: _add(connection, row))
        return answer(200, {"volume_type": view.made_type(Viewer.of(call), row)})

    @at("GET HEAD", "/types/{type_id}")
    def show(self, call: Call, type_id: str) -> Response:
        """Show one; "default" is what volumes get that name none."""
        with self.office.catalogue.read() as connection:
            if type_id == "default":
                row = default_type(connection, self.office, call.project_id)
            else:
                row = type_by(connection, call, type_id)
        return answer(200, {"volume_type": view.volume_type(Viewer.of(call), row)})

    @at("PUT", "/types/{type_id}")
    def update(self, call: Call, type_id: str) -> Response:
        """Change name, description, whether it is public (administrators)."""
        call.require("admin")
        document = call.member("volume_type")
        changes: dict[str, Any] = {}
        if document.get("name") is not None:
            changes["name"] = required_text(document, "name")
        if "description" in document:
            changes["description"] = text(document, "description")
        if document.get("is_public") is not None:
            changes["is_public"] = yes_or_no(document, "is_public")
        if not changes:
            raise BadRequest("Specify volume type name, description or is_public.")
        row = self._change(call, type_id, changes)
        return answer(200, {"volume_type": view.changed_type(Viewer.of(call), row)})

    def _change(self, call: Call, type_id: str, changes: dict[str, Any]) -> Row:
        def work(connection: Connection) -> Row:
            row = type_by(connection, call, type_id)
            if "name" in changes:
                _check_name(connection, changes["name"], other_than=row["id"])
            rows.change(connection, types, row["id"], **changes, updated_at=self.office.clock())
            return {**row, **changes}

        return self.office.catalogue.transaction(work)

    @at("DELETE", "/types/{type_id}")
    def delete(self, call: Call, type_id: str) -> Response:
        """Delete one that no volume has (administrators)."""
        call.require("admin")

        def work(connection: Connection) -> None:
            row = type_by(connection, call, type_id)
            if rows.counted(connection, volumes, [volumes.c.type_id == row["id"]]):
                raise BadRequest("Target volume type is still in use.")
            if row["name"] == self.office.config.default_type:
                raise BadRequest("The default volume type cannot be deleted.")
            rows.drop(connection, default_types, default_types.c.type_id == row["id"])
            rows.drop(connection, types, types.c.id == row["id"])

        self.office.catalogue.transaction(work)
        return empty(202)

    @at("GET HEAD", "/types/{type_id}/extra_specs")
    def specs(self, call: Call, type_id: str) -> Response:
        """Show the extra specs."""
        with self.office.catalogue.read() as connection:
            row = type_by(connection, call, type_id)
        return answer(200, {"extra_specs": view.volume_type(Viewer.of(call), row)["extra_specs"]})

    @at("POST", "/types/{type_id}/extra_specs")
    def add_specs(self, call: Call, type_id: str) -> Response:
        """Set keys and leave the others (administrators)."""
        call.require("admin")
        new = string_map(call.member("extra_specs"), "extra_specs")
        with self.office.catalogue.write() as connection:
            row = type_by(connection, call, type_id)
            rows.change(connection, types, row["id"], extra_specs={**row["extra_specs"], **new})
        return answer(200, {"extra_specs": new})

    @at("GET HEAD", "/types/{type_id}/extra_specs/{key}")
    def spec(self, call: Call, type_id: str, key: str) -> Response:
        """Show one key."""
        with self.office.catalogue.read() as connection:
            held = type_by(connection, call, type_id)["extra_specs"]
        if key not in held:
            raise NotFound(f"Volume Type {type_id} has no extra specs with key {key}.")
        return answer(200, {key: held[key]})

    @at("PUT", "/types/{type_id}/extra_specs/{key}")
    def set_spec(self, call: Call, type_id: str, key: str) -> Response:
        """Set one key (administrators)."""
        call.require("admin")
        new = string_map(call.json(), "extra_specs")
        if set(new) != {key}:
            raise BadRequest("Request body contains too many items, or another key than its path.")
        with self.office.catalogue.write() as connection:
            row = type_by(connection, call, type_id)
            rows.change(connection, types, row["id"], extra_specs={**row["extra_specs"], **new})
        return answer(200, new)

    @at("DELETE", "/types/{type_id}/extra_specs/{key}")
    def delete_spec(self, call: Call, type_id: str, key: str) -> Response:
        """Remove one key (administrators)."""
        call.require("admin")
        with self.office.catalogue.write() as connection:
            row = type_by(connection, call, type_id)
            if key not in row["extra_specs"]:
                raise NotFound(f"Volume Type {type_id} has no extra specs with key {key}.")
            left = {name: value for name, value in row["extra_specs"].items() if name != key}
            rows.change(connection, types, row["id"], extra_specs=left)
        return empty(202)

    @at("GET HEAD", "/types/{type_id}/os-volume-type-access")
    def access(self, call: Call, type_id: str) -> Response:
        """List the projects that may use a type that is not public (administrators)."""
        call.require("admin")
        with self.office.catalogue.read() as connection:
            row = type_by(connection, call, type_id)
        if row["is_public"]:
            raise NotFound("Access list not available for public volume types.")
        listed = [{"volume_type_id": row["id"], "project_id": project} for project in row["projects"]]
        return answer(200, {"volume_type_access": listed})

    @at("POST", "/types/{type_id}/action")
    def act(self, call: Call, type_id: str) -> Response:
        """addProjectAccess, removeProjectAccess (administrators)."""
        call.require("admin")
        name, facts = only_member(call.json())
        project = required_text(facts, "project")

        def work(connection: Connection) -> None:
            row = type_by(connection, call, type_id)
            there = project in row["projects"]
            if row["is_public"]:
                raise Conflict("Type access modification is not applicable to public volume type.")
            if name == "addProjectAccess":
                if there:
                    raise Conflict(
                        f"Volume type access for {type_id} / {project} combination already exists."
                    )
                left = [*row["projects"], project]
            elif name == "removeProjectAccess":
                if not there:
                    raise NotFound(f"Volume type access not found for {type_id} / {project} combination.")
                left = [one for one in row["projects"] if one != project]
            else:
                raise BadRequest(f"There is no such action: {name}")
            rows.change(connection, types, row["id"], projects=left)

        self.office.catalogue.transaction(work)
        return empty(202)

    @at("GET HEAD", "/default-types")
    def defaults(self, call: Call) -> Response:
        """List the projects' own default types (administrators)."""
        since(call, 62)
        call.require("admin")
        with self.office.catalogue.read() as connection:
            listed = connection.execute(
                default_types.select().order_by(default_types.c.project_id)
            ).mappings()
            shown = [{"project_id": row["project_id"], "volume_type_id": row["type_id"]} for row in listed]
        return answer(200, {"default_types": shown})

    @at("GET HEAD", "/default-types/{target}")
    def default(self, call: Call, target: str) -> Response:
        """Show one project's (administrators)."""
        since(call, 62)
        call.require("admin")
        chosen = default_types.select().where(default_types.c.project_id == target)
        with self.office.catalogue.read() as connection:
            row = connection.execute(chosen).mappings().first()
        if row is None:
            raise NotFound(f"Default type for project {target} not found.")
        return answer(200, {"default_type": {"project_id": target, "volume_type_id": row["type_id"]}})

    @at("PUT", "/default-types/{target}")
    def set_default(self, call: Call, target: str) -> Response:
        """Set it (administrators)."""
        since(call, 62)
        call.require("admin")
        wanted = required_text(call.member("default_type"), "volume_type")

        def work(connection: Connection) -> str:
            kind = type_by(connection, call, wanted)
            rows.drop(connection, default_types, default_types.c.project_id == target)
            rows.add(connection, default_types, {"project_id": target, "type_id": kind["id"]})
            return str(kind["id"])

        type_id = self.office.catalogue.transaction(work)
        return answer(200, {"default_type": {"project_id": target, "volume_type_id": type_id}})

    @at("DELETE", "/default-types/{target}")
    def unset_default(self, call: Call, target: str) -> Response:
        """Take it back (administrators)."""
        since(call, 62)
        call.require("admin")
        with self.office.catalogue.write() as connection:
            rows.drop(connection, default_types, default_types.c.project_id == target)
        return empty(204)


def _add(connection: Connection, row: dict[str, Any]) -> None:
    _check_name(connection, row["name"], other_than=row["id"])
    rows.add(connection, types, row)


def _check_name(connection: Connection, name: str, *, other_than: str) -> None:
    if any(row["id"] != other_than for row in rows.where(connection, types, types.c.name == name)):
        raise Conflict(f"Volume Type {name} already exists.")
