"""Backups: made, listed, restored, carried to another cloud and back.

POST /backups   /backups/{id}/restore   /backups/{id}/export_record   /backups/import_record   action
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from webob import Response

from ....common.errors import Refused
from ...api.call import Call
from ...api.faults import BadRequest
from ...api.reply import answer, empty
from .. import record, rows
from ..asking import BACKUPS, asked
from ..jobs import ordered
from ..office import Office
from ..reading import identifier, required_text, string_map, text, yes_or_no
from ..status import BACKUP_ACTIONS, BACKUP_STATUSES, Condition, refusal
from ..tables import backups, volumes
from ..views import backup as view
from ..views.viewer import Row, Viewer
from .backup_making import Wish, make_backup, make_imported, volume_to_restore
from .doors import at, found, has, listing, only_member, refuse, since, wants_count


@dataclass(frozen=True, slots=True)
class BackupController:
    """Serves /backups."""

    office: Office

    @at("POST", "/backups")
    def create(self, call: Call) -> Response:
        """Back up a volume, or a snapshot of it."""
        document = call.member("backup")
        volume_id = identifier(document, "volume_id")
        if volume_id is None:
            raise BadRequest("'volume_id' must be specified.")
        wish = Wish(
            volume_id=volume_id,
            user_id=call.identity.user_id,
            request_id=call.request_id,
            snapshot_id=identifier(document, "snapshot_id"),
            name=text(document, "name"),
            description=text(document, "description"),
            container=text(document, "container"),
            incremental=yes_or_no(document, "incremental"),
            attached_too=yes_or_no(document, "force"),
            metadata=string_map(document.get("metadata")) if has(call, 43) else {},
        )
        zone = text(document, "availability_zone") if has(call, 51) else None
        if zone not in (None, "", self.office.config.availability_zone):
            raise BadRequest(f"Availability zone '{zone}' is invalid.")

        def work(connection: Connection) -> Row:
            found(connection, call, volumes, volume_id, what="Volume")
            return make_backup(connection, self.office, wish)

        row = self.office.written(work)
        return answer(202, {"backup": view.summary(Viewer.of(call), row)})

    @at("GET HEAD", "/backups")
    def index(self, call: Call) -> Response:
        """List backups in short."""
        return self._list(call, view.summary)

    @at("GET HEAD", "/backups/detail")
    def details(self, call: Call) -> Response:
        """List backups in full."""
        return self._list(call, view.detail)

    def _list(self, call: Call, shown: Callable[[Viewer, Row], dict[str, Any]]) -> Response:
        ask = asked(call, backups, BACKUPS)
        viewer = Viewer.of(call)
        with self.office.catalogue.read() as connection:
            page = rows.listed(connection, backups, ask)
            count = rows.counted(connection, backups, ask.conditions) if wants_count(call) else None
        return listing(call, "backups", [shown(viewer, row) for row in page.rows], page, count=count)

    @at("GET HEAD", "/backups/{backup_id}")
    def show(self, call: Call, backup_id: str) -> Response:
        """Show one."""
        with self.office.catalogue.read() as connection:
            row = found(connection, call, backups, backup_id, what="Backup")
        return answer(200, {"backup": view.detail(Viewer.of(call), row)})

    @at("PUT", "/backups/{backup_id}")
    def update(self, call: Call, backup_id: str) -> Response:
        """Change name, description, or (3.43) metadata."""
        since(call, 9)
        document = call.member("backup")
        changes: dict[str, Any] = {
            name: text(document, name) for name in ("name", "description") if name in document
        }
        if has(call, 43) and document.get("metadata") is not None:
            changes["metadata"] = string_map(document["metadata"])
        if not changes:
            raise BadRequest("The body must have a name, a description or metadata.")

        def work(connection: Connection) -> Row:
            found(connection, call, backups, backup_id, what="Backup", lock=True)
            rows.change(connection, backups, backup_id, **changes, updated_at=self.office.clock())
            return found(connection, call, backups, backup_id, what="Backup")

        row = self.office.written(work)
        return answer(200, {"backup": view.summary(Viewer.of(call), row)})

    @at("DELETE", "/backups/{backup_id}")
    def delete(self, call: Call, backup_id: str) -> Response:
        """Delete one, whatever increments were made after it: none of them needs it."""
        self._order_deletion(call, backup_id, force=False)
        return empty(202)

    def _order_deletion(self, call: Call, backup_id: str, *, force: bool) -> None:
        def work(connection: Connection) -> None:
            row = found(connection, call, backups, backup_id, what="Backup", lock=True)
            if not force:
                refuse(refusal(BACKUP_ACTIONS["delete"], Condition(status=row["status"]), what="Backup"))
            order_backup_deletion(connection, self.office, row, request_id=call.request_id)

        self.office.written(work)

    @at("POST", "/backups/{backup_id}/restore")
    def restore(self, call: Call, backup_id: str) -> Response:
        """Restore into a volume that is there, or into a new one."""
        document = call.member("restore")
        volume_id, name = identifier(document, "volume_id"), text(document, "name")

        def work(connection: Connection) -> Row:
            backup = found(connection, call, backups, backup_id, what="Backup", lock=True)
            refuse(refusal(BACKUP_ACTIONS["restore"], Condition(status=backup["status"]), what="Backup"))
            volume = volume_to_restore(connection, self.office, call, backup, volume_id=volume_id, name=name)
            now = self.office.clock()
            rows.change(connection, backups, backup_id, status="restoring", updated_at=now)
            ordered(
                connection, "restore backup", resource_id=volume["id"], project_id=volume["project_id"],
                now=now, request_id=call.request_id, backup_id=backup_id, doing="restoring-backup",
                map_id=rows.new_id(),
                values={"bootable": bool(backup["volume_facts"].get("bootable"))},
            )  # fmt: skip
            return volume

        volume = self.office.written(work)
        told = {"backup_id": backup_id, "volume_id": volume["id"], "volume_name": volume["name"]}
        return answer(202, {"restore": told})

    @at("GET HEAD", "/backups/{backup_id}/export_record")
    def export_record(self, call: Call, backup_id: str) -> Response:
        """Tell an administrator what another catalogue must know to have this backup, too."""
        call.require("admin", "service")
        with self.office.catalogue.read() as connection:
            row = found(connection, call, backups, backup_id, what="Backup")
        refuse(refusal(BACKUP_ACTIONS["read"], Condition(status=row["status"]), what="Backup"))
        fields = {
            "id": row["id"],
            "volume_id": row["volume_id"],
            "size": row["size"],
            "container": row["container"],
            "display_name": row["name"],
            "display_description": row["description"],
            "metadata": row["metadata"],
            "map_id": row["map_id"],
            "map_project": row["map_project"],
            "status": row["status"],
        }
        told = {"backup_service": record.SERVICE, "backup_url": record.exported(fields)}
        return answer(200, {"backup-record": told})

    @at("POST", "/backups/import_record")
    def import_record(self, call: Call) -> Response:
        """Take in a backup that was exported here, or by Cinder with its Swift driver (administrators)."""
        call.require("admin", "service")
        document = call.member("backup-record")
        service, url = required_text(document, "backup_service"), text(document, "backup_url", most=1 << 20)
        try:
            known = record.imported(service, url or "")
        except Refused as problem:
            raise BadRequest(f"Invalid input received: {problem}") from problem
        row = self.office.written(
            lambda connection: make_imported(connection, self.office, call, known, service=service)
        )
        return answer(201, {"backup": view.summary(Viewer.of(call), row)})

    @at("POST", "/backups/{backup_id}/action")
    def act(self, call: Call, backup_id: str) -> Response:
        """os-reset_status, os-force_delete (administrators)."""
        name, facts = only_member(call.json())
        call.require("admin", "service")
        match name:
            case "os-force_delete":
                self._order_deletion(call, backup_id, force=True)
            case "os-reset_status":
                self._reset(call, backup_id, (text(facts, "status") or "").lower())
            case _:
                raise BadRequest(f"There is no such action: {name}")
        return empty(202)

    def _reset(self, call: Call, backup_id: str, status: str) -> None:
        if status not in BACKUP_STATUSES:
            raise BadRequest(f"status must be one of {', '.join(sorted(BACKUP_STATUSES))}.")
        with self.office.catalogue.write() as connection:
            row = found(connection, call, backups, backup_id, what="Backup", lock=True)
            if status == "available" and row["map_id"] is None:
                raise BadRequest("Invalid backup: The backup has no data; it can't become available.")
            rows.change(connection, backups, backup_id, status=status, updated_at=self.office.clock())


def order_backup_deletion(
    connection: Connection, office: Office, row: Row, *, request_id: str | None
) -> None:
    """Mark a backup for deletion, and order it."""
    now = office.clock()
    rows.change(connection, backups, row["id"], status="deleting", updated_at=now)
    ordered(
        connection, "delete backup", resource_id=row["id"], project_id=row["project_id"], now=now,
        request_id=request_id,
    )  # fmt: skip
