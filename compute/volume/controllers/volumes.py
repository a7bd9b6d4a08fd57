"""Volumes: made, listed, shown, renamed, deleted; their metadata.

GET POST /volumes   GET /volumes/detail /volumes/summary
GET PUT DELETE /volumes/{id}   /volumes/{id}/metadata
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest
from ...api.reply import answer, empty
from .. import rows
from ..asking import VOLUMES, asked, truth
from ..jobs import ordered
from ..office import Office
from ..reading import string_map, text
from ..status import VOLUME_ACTIONS, Condition, forced_delete_refusal, refusal
from ..tables import attachments, snapshots, types, volumes
from ..views import volume as view
from ..views.viewer import Row, Viewer
from ..work.ending import attached_count
from .doors import at, found, has, listing, refuse, since, wants_count
from .volume_making import image_source, make_volume


@dataclass(frozen=True, slots=True)
class VolumeController:
    """Serves /volumes."""

    office: Office

    @at("POST", "/volumes")
    def create(self, call: Call) -> Response:
        """Make a volume: empty, or of an image, a snapshot, a volume, a backup."""
        document = call.member("volume")
        image_ref = text(document, "imageRef")
        image = image_source(self.office, call, image_ref) if image_ref else None
        row = self.office.written(
            lambda connection: make_volume(connection, self.office, call, document, image)
        )
        with self.office.catalogue.read() as connection:
            return answer(202, {"volume": _changed(connection, call, row)})

    @at("GET HEAD", "/volumes")
    def index(self, call: Call) -> Response:
        """List volumes in short."""
        return self._list(call, detailed=False)

    @at("GET HEAD", "/volumes/detail")
    def details(self, call: Call) -> Response:
        """List volumes in full."""
        return self._list(call, detailed=True)

    def _list(self, call: Call, *, detailed: bool) -> Response:
        ask = asked(call, volumes, VOLUMES)
        viewer = Viewer.of(call)
        with self.office.catalogue.read() as connection:
            page = rows.listed(connection, volumes, ask)
            if detailed:
                documents = details(connection, self.office, viewer, page.rows)
            else:
                documents = [view.summary(viewer, row) for row in page.rows]
            count = rows.counted(connection, volumes, ask.conditions) if wants_count(call) else None
        return listing(call, "volumes", documents, page, count=count)

    @at("GET HEAD", "/volumes/summary")
    def summary(self, call: Call) -> Response:
        """Count volumes and their size."""
        since(call, 12)
        ask = asked(call, volumes, VOLUMES)
        with self.office.catalogue.read() as connection:
            counted = rows.where(connection, volumes, *ask.conditions)
        return answer(200, view.counted(Viewer.of(call), counted))

    @at("GET HEAD", "/volumes/{volume_id}")
    def show(self, call: Call, volume_id: str) -> Response:
        """Show one."""
        with self.office.catalogue.read() as connection:
            row = found(connection, call, volumes, volume_id, what="Volume")
            return answer(200, {"volume": details(connection, self.office, Viewer.of(call), [row])[0]})

    @at("PUT", "/volumes/{volume_id}")
    def update(self, call: Call, volume_id: str) -> Response:
        """Change name, description or metadata."""
        document = call.member("volume")
        changes: dict[str, Any] = {}
        for column, *names in (
            ("name", "name", "display_name"),
            ("description", "description", "display_description"),
        ):
            if any(name in document for name in names):
                changes[column] = text(document, *names)
        if document.get("metadata") is not None:
            changes["metadata"] = string_map(document["metadata"])
        if not changes:
            raise BadRequest("The body must have a name, a description or metadata.")

        def work(connection: Connection) -> dict[str, Any]:
            found(connection, call, volumes, volume_id, what="Volume", lock=True)
            rows.change(connection, volumes, volume_id, **changes, updated_at=self.office.clock())
            return _changed(connection, call, found(connection, call, volumes, volume_id, what="Volume"))

        return answer(200, {"volume": self.office.written(work)})

    @at("DELETE", "/volumes/{volume_id}")
    def delete(self, call: Call, volume_id: str) -> Response:
        """Delete one; with ?cascade its snapshots too, with ?force (3.23) in whatever status."""
        cascade = truth("cascade", call.query.get("cascade", "false"))
        force = has(call, 23) and truth("force", call.query.get("force", "false"))
        if force:
            call.require("admin", "service")
        self.office.written(
            lambda connection: order_deletion(
                connection, self.office, call, volume_id, cascade=cascade, force=force
            )
        )
        return empty(202)


def details(
    connection: Connection, office: Office, viewer: Viewer, chosen: Sequence[Row]
) -> list[dict[str, Any]]:
    """Return the full form of volumes, with what other tables say of them."""
    names = _type_names(connection)
    held = _holders(connection, [row["id"] for row in chosen])
    return [
        view.detail(
            viewer,
            row,
            attached=held.get(row["id"], ()),
            type_name=names.get(row["type_id"]),
            host=office.pool,
        )
        for row in chosen
    ]


def _changed(connection: Connection, call: Call, row: Row) -> dict[str, Any]:
    """Return what is answered where a volume was made or changed."""
    held = _holders(connection, [row["id"]]).get(row["id"], ())
    name = _type_names(connection).get(row["type_id"])
    return view.changed(Viewer.of(call), row, attached=held, type_name=name)


def _type_names(connection: Connection) -> dict[str, str]:
    return {row.id: row.name for row in connection.execute(select(types.c.id, types.c.name))}


def _holders(connection: Connection, ids: Sequence[str]) -> dict[str, list[Row]]:
    """Return, by volume, the attachments that hold it now."""
    held: dict[str, list[Row]] = {}
    for row in rows.where(
        connection,
        attachments,
        attachments.c.volume_id.in_(ids),
        attachments.c.status.in_(("attached", "detaching")),
    ):
        held.setdefault(row["volume_id"], []).append(row)
    return held


def order_deletion(
    connection: Connection, office: Office, call: Call, volume_id: str, *, cascade: bool, force: bool
) -> None:
    """Mark a volume, and where asked its snapshots, for deletion, and order it."""
    row = found(connection, call, volumes, volume_id, what="Volume", lock=True)
    condition = Condition(status=row["status"], attachments=attached_count(connection, volume_id))
    if force:
        refuse(forced_delete_refusal(condition))
    else:
        refuse(refusal(VOLUME_ACTIONS["delete"], condition))
    own = rows.where(connection, snapshots, snapshots.c.volume_id == volume_id)
    if own and not cascade:
        raise BadRequest(
            f"Invalid volume: Volume has {len(own)} dependent snapshot(s); delete them first, or say cascade."
        )
    busy = [one["id"] for one in own if one["status"] not in ("available", "error", "error_deleting")]
    if busy and not force:
        raise BadRequest(f"Invalid volume: Snapshot {busy[0]} of the volume is busy.")
    now = office.clock()
    for one in own:
        rows.change(connection, snapshots, one["id"], status="deleting", updated_at=now)
    rows.change(
        connection, volumes, volume_id, status="deleting", previous_status=row["status"], updated_at=now
    )
    ordered(
        connection, "delete volume", resource_id=volume_id, project_id=row["project_id"], now=now,
        request_id=call.request_id, snapshots=[one["id"] for one in own],
    )  # fmt: skip
