"""Snapshots: one more map of a volume's blocks each.

GET POST /snapshots   GET /snapshots/detail   GET PUT DELETE /snapshots/{id}   metadata   action
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, NotFound
from ...api.reply import answer, empty
from .. import rows
from ..asking import SNAPSHOTS, asked
from ..jobs import ordered
from ..office import Office
from ..reading import identifier, string_map, text, yes_or_no
from ..status import SNAPSHOT_ACTIONS, SNAPSHOT_STATUSES, VOLUME_ACTIONS, Condition, refusal
from ..tables import snapshots, types, volumes
from ..views import volume as view
from ..views.viewer import Row, Viewer
from ..work.ending import attached_count
from .doors import at, found, has, listing, only_member, refuse, wants_count
from .quota_check import check

_REPORTED = {"creating": ("creating", "available", "error"), "deleting": ("deleting", "error_deleting")}
"""What a snapshot in a status may be said to have become."""
_PROGRESS = re.compile(r"(100|[0-9]{1,2})%")


@dataclass(frozen=True, slots=True)
class SnapshotController:
    """Serves /snapshots."""

    office: Office

    @at("POST", "/snapshots")
    def create(self, call: Call) -> Response:
        """Take a snapshot; of an attached volume with force, or since 3.66 without a word."""
        document = call.member("snapshot")
        if "volume_id" not in document:
            raise BadRequest("'volume_id' must be specified.")
        volume_id = identifier(document, "volume_id")
        if volume_id is None:
            raise NotFound("Volume None could not be found.")
        attached_too = yes_or_no(document, "force")
        if has(call, 66):
            if "force" in document and not attached_too:
                raise BadRequest("Invalid input received: force is always true since 3.66; leave it out.")
            attached_too = True

        def work(connection: Connection) -> Row:
            return self._make(connection, call, document, volume_id, attached_too=attached_too)

        row = self.office.written(work)
        return answer(202, {"snapshot": view.snapshot_summary(Viewer.of(call), row)})

    def _make(
        self,
        connection: Connection,
        call: Call,
        document: dict[str, Any],
        volume_id: str,
        *,
        attached_too: bool,
    ) -> Row:
        volume = found(connection, call, volumes, volume_id, what="Volume", lock=True)
        action = VOLUME_ACTIONS["snapshot attached" if attached_too else "snapshot"]
        condition = Condition(status=volume["status"], attachments=attached_count(connection, volume_id))
        refuse(refusal(action, condition))
        kind = rows.one(connection, types, volume["type_id"]) if volume["type_id"] else None
        wanted = {"snapshots": 1, "gigabytes": volume["size"]}
        check(connection, volume["project_id"], wanted, type_name=kind["name"] if kind else None)
        now, snapshot_id = self.office.clock(), rows.new_id()
        row: dict[str, Any] = {
            "id": snapshot_id,
            "project_id": volume["project_id"],
            "user_id": call.identity.user_id,
            "name": text(document, "name", "display_name"),
            "description": text(document, "description", "display_description"),
            "created_at": now,
            "updated_at": now,
            "volume_id": volume_id,
            "type_id": volume["type_id"],
            "size": volume["size"],
            "status": "creating",
            "progress": "0%",
            "metadata": string_map(document.get("metadata")),
            "image_metadata": volume["image_metadata"],
            "bootable": volume["bootable"],
            "map_id": None,
            "map_project": volume["map_project"],
        }
        rows.add(connection, snapshots, row)
        ordered(
            connection, "create snapshot", resource_id=snapshot_id, project_id=row["project_id"], now=now,
            request_id=call.request_id, map_id=rows.new_id(),
        )  # fmt: skip
        return row

    @at("GET HEAD", "/snapshots")
    def index(self, call: Call) -> Response:
        """List snapshots in short."""
        return self._list(call, view.snapshot_summary)

    @at("GET HEAD", "/snapshots/detail")
    def details(self, call: Call) -> Response:
        """List snapshots in full."""
        return self._list(call, view.snapshot_detail)

    def _list(self, call: Call, shown: Callable[[Viewer, Row], dict[str, Any]]) -> Response:
        ask = asked(call, snapshots, SNAPSHOTS)
        viewer = Viewer.of(call)
        with self.office.catalogue.read() as connection:
            page = rows.listed(connection, snapshots, ask)
            count = rows.counted(connection, snapshots, ask.conditions) if wants_count(call) else None
        return listing(call, "snapshots", [shown(viewer, row) for row in page.rows], page, count=count)

    @at("GET HEAD", "/snapshots/{snapshot_id}")
    def show(self, call: Call, snapshot_id: str) -> Response:
        """Show one."""
        with self.office.catalogue.read() as connection:
            row = found(connection, call, snapshots, snapshot_id, what="Snapshot")
        return answer(200, {"snapshot": view.snapshot_detail(Viewer.of(call), row)})

    @at("PUT", "/snapshots/{snapshot_id}")
    def update(self, call: Call, snapshot_id: str) -> Response:
        """Change name or description."""
        document = call.member("snapshot")
        changes: dict[str, Any] = {}
        for column, *names in (
            ("name", "name", "display_name"),
            ("description", "description", "display_description"),
        ):
            if any(name in document for name in names):
                changes[column] = text(document, *names)
        if not changes:
            raise BadRequest("The body must have a name or a description.")

        def work(connection: Connection) -> Row:
            found(connection, call, snapshots, snapshot_id, what="Snapshot", lock=True)
            rows.change(connection, snapshots, snapshot_id, **changes, updated_at=self.office.clock())
            return found(connection, call, snapshots, snapshot_id, what="Snapshot")

        row = self.office.written(work)
        return answer(200, {"snapshot": view.snapshot_summary(Viewer.of(call), row)})

    @at("DELETE", "/snapshots/{snapshot_id}")
    def delete(self, call: Call, snapshot_id: str) -> Response:
        """Delete one; nothing made of it needs it."""
        self._order_deletion(call, snapshot_id, force=False)
        return empty(202)

    def _order_deletion(self, call: Call, snapshot_id: str, *, force: bool) -> None:
        def work(connection: Connection) -> None:
            row = found(connection, call, snapshots, snapshot_id, what="Snapshot", lock=True)
            if not force:
                refuse(refusal(SNAPSHOT_ACTIONS["delete"], Condition(status=row["status"]), what="Snapshot"))
            now = self.office.clock()
            rows.change(connection, snapshots, snapshot_id, status="deleting", updated_at=now)
            ordered(
                connection, "delete snapshot", resource_id=snapshot_id, project_id=row["project_id"], now=now,
                request_id=call.request_id,
            )  # fmt: skip

        self.office.written(work)

    @at("POST", "/snapshots/{snapshot_id}/action")
    def act(self, call: Call, snapshot_id: str) -> Response:
        """os-reset_status, os-force_delete (administrators); os-update_snapshot_status."""
        name, facts = only_member(call.json())
        if name == "os-update_snapshot_status":
            self._report(call, snapshot_id, facts)
            return empty(202)
        call.require("admin", "service")
        match name:
            case "os-force_delete":
                self._order_deletion(call, snapshot_id, force=True)
            case "os-reset_status":
                self._reset(call, snapshot_id, facts)
            case _:
                raise BadRequest(f"There is no such action: {name}")
        return empty(202)

    def _report(self, call: Call, snapshot_id: str, facts: dict[str, Any]) -> None:
        """Say how far somebody is with a snapshot that is being made or deleted."""
        status, progress = text(facts, "status"), text(facts, "progress")
        if progress is not None and not _PROGRESS.fullmatch(progress):
            raise BadRequest("progress must be a percentage, as 80%.")

        def work(connection: Connection) -> None:
            row = found(connection, call, snapshots, snapshot_id, what="Snapshot", lock=True)
            if status not in _REPORTED.get(row["status"], ()):
                raise BadRequest(
                    f"Provided snapshot status {status} not allowed for snapshot with status {row['status']}."
                )
            changes = {"status": status, **({"progress": progress} if progress else {})}
            rows.change(connection, snapshots, snapshot_id, **changes, updated_at=self.office.clock())

        self.office.written(work)

    def _reset(self, call: Call, snapshot_id: str, facts: dict[str, Any]) -> None:
        status = (text(facts, "status") or "").lower()
        if status not in SNAPSHOT_STATUSES:
            raise BadRequest(f"status must be one of {', '.join(sorted(SNAPSHOT_STATUSES))}.")
        with self.office.catalogue.write() as connection:
            found(connection, call, snapshots, snapshot_id, what="Snapshot", lock=True)
            rows.change(connection, snapshots, snapshot_id, status=status, updated_at=self.office.clock())
