"""POST /volumes/{id}/action: everything that is done with a volume besides making and deleting it.

{"os-extend": {"new_size": 2}} ──▶ ACTIONS["os-extend"] ──▶ row changed, job ordered ──▶ 202
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest
from ...api.reply import answer, empty
from .. import rows
from ..back_end import unsuited
from ..jobs import ordered
from ..office import Office
from ..reading import identifier, required_text, size, string_map, text, yes_or_no
from ..status import ATTACH_STATUSES, VOLUME_ACTIONS, VOLUME_STATUSES, Condition, refusal
from ..tables import snapshots, types, volumes
from ..views.viewer import Row
from ..work.ending import attached_count
from .doors import at, found, has, only_member, refuse, since
from .quota_check import check, check_size
from .volume_making import image_source, is_multiattach, refuse_encrypted, type_by
from .volumes import order_deletion

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class VolumeActionController:
    """Serves the actions; those of attaching are in `attach_actions`."""

    office: Office
    further: Mapping[str, Callable[[Call, str, Facts], Response]]

    @at("POST", "/volumes/{volume_id}/action")
    def act(self, call: Call, volume_id: str) -> Response:
        """Do the one thing that the body names."""
        name, facts = only_member(call.json())
        action = self._actions().get(name) or self.further.get(name)
        if action is None:
            raise BadRequest(f"There is no such action: {name}")
        return action(call, volume_id, facts)

    def _actions(self) -> Mapping[str, Callable[[Call, str, Facts], Response]]:
        return {
            "os-extend": self.extend,
            "os-set_bootable": self.set_bootable,
            "os-update_readonly_flag": self.set_read_only,
            "os-retype": self.retype,
            "os-reset_status": self.reset_status,
            "os-force_delete": self.force_delete,
            "os-migrate_volume": self.migrate,
            "os-set_image_metadata": self.set_image_metadata,
            "os-unset_image_metadata": self.unset_image_metadata,
            "os-show_image_metadata": self.show_image_metadata,
            "os-reimage": self.reimage,
            "revert": self.revert,
        }

    def _changed(
        self, call: Call, volume_id: str, action: str, change: Callable[[Connection, Row], None]
    ) -> None:
        """Change a volume that is in a status for it."""

        def work(connection: Connection) -> None:
            row = found(connection, call, volumes, volume_id, what="Volume", lock=True)
            condition = Condition(status=row["status"], attachments=attached_count(connection, volume_id))
            refuse(refusal(VOLUME_ACTIONS[action], condition))
            change(connection, row)

        self.office.written(work)

    def _order(
        self, connection: Connection, call: Call, row: Row, kind: str, doing: str, **state: Any
    ) -> None:
        now = self.office.clock()
        rows.change(
            connection, volumes, row["id"], status=doing, previous_status=row["status"], updated_at=now
        )
        ordered(
            connection, kind, resource_id=row["id"], project_id=row["project_id"], now=now,
            request_id=call.request_id, doing=doing, map_id=rows.new_id(), **state,
        )  # fmt: skip

    def extend(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Grow a volume. One that a host writes to is grown after it is detached."""
        new = size(facts, "new_size")
        if new is None:
            raise BadRequest("new_size must be given.")

        def change(connection: Connection, row: Row) -> None:
            if row["lease"] is not None:
                raise BadRequest("Invalid volume: Volume is attached to a host; detach it to extend it.")
            if new <= row["size"]:
                raise BadRequest(
                    f"Invalid input received: New size for extend must be greater than current size. "
                    f"(current: {row['size']}, extended: {new})."
                )
            kind = rows.one(connection, types, row["type_id"]) if row["type_id"] else None
            check_size(connection, row["project_id"], new)
            wanted = {"gigabytes": new - row["size"]}
            check(connection, row["project_id"], wanted, type_name=kind["name"] if kind else None)
            self._order(connection, call, row, "extend volume", "extending", size=new)

        self._changed(call, volume_id, "extend attached" if has(call, 42) else "extend", change)
        return empty(202)

    def set_bootable(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Say whether machines may start from it."""
        if "bootable" not in facts:
            raise BadRequest("Must specify bootable in request.")
        bootable = yes_or_no(facts, "bootable")
        with self.office.catalogue.write() as connection:
            found(connection, call, volumes, volume_id, what="Volume", lock=True)
            rows.change(connection, volumes, volume_id, bootable=bootable, updated_at=self.office.clock())
        return empty(200)

    def set_read_only(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Say whether hosts may write to it."""
        if "readonly" not in facts:
            raise BadRequest("Must specify readonly in request.")
        read_only = yes_or_no(facts, "readonly")

        def change(connection: Connection, row: Row) -> None:
            now = self.office.clock()
            told = {**row["metadata"], "readonly": str(read_only)}  # Cinder tells it among the metadata.
            rows.change(connection, volumes, row["id"], read_only=read_only, metadata=told, updated_at=now)

        self._changed(call, volume_id, "readonly", change)
        return empty(202)

    def retype(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Give it another type. All types lie in the same store, so no data move."""
        wanted = required_text(facts, "new_type")
        if (text(facts, "migration_policy") or "never") not in ("never", "on-demand"):
            raise BadRequest("migration_policy must be never or on-demand.")

        def change(connection: Connection, row: Row) -> None:
            kind = type_by(connection, call, wanted)
            refuse_encrypted(kind)
            refuse(unsuited(kind["extra_specs"]))
            if kind["id"] == row["type_id"]:
                raise BadRequest("Invalid input received: The volume has that type already.")
            if row["status"] == "in-use" and is_multiattach(kind) != row["multiattach"]:
                raise BadRequest("Invalid volume: multiattach can't be changed while the volume is attached.")
            by_type = {f"volumes_{kind['name']}": 1, f"gigabytes_{kind['name']}": row["size"]}
            check(connection, row["project_id"], by_type)
            now = self.office.clock()
            rows.change(
                connection,
                volumes,
                row["id"],
                type_id=kind["id"],
                multiattach=is_multiattach(kind),
                updated_at=now,
            )

        self._changed(call, volume_id, "retype", change)
        return empty(202)

    def reset_status(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Set the status by hand (administrators)."""
        call.require("admin", "service")
        status, attach_status = text(facts, "status"), text(facts, "attach_status")
        if status is None and attach_status is None and text(facts, "migration_status") is None:
            raise BadRequest("Must specify 'status', 'attach_status' or 'migration_status' for update.")
        if status is not None and status.lower() not in VOLUME_STATUSES:
            raise BadRequest(
                f"Invalid input received: status must be one of {', '.join(sorted(VOLUME_STATUSES))}."
            )
        if attach_status is not None and attach_status.lower() not in ATTACH_STATUSES:
            raise BadRequest(f"attach_status must be one of {', '.join(sorted(ATTACH_STATUSES))}.")
        with self.office.catalogue.write() as connection:
            row = found(connection, call, volumes, volume_id, what="Volume", lock=True)
            new = row["status"] if status is None else status.lower()
            rows.change(connection, volumes, volume_id, status=new, updated_at=self.office.clock())
        return empty(202)

    def force_delete(self, call: Call, volume_id: str, _facts: Facts) -> Response:
        """Delete it in whatever status it is (administrators)."""
        call.require("admin", "service")
        self.office.written(
            lambda connection: order_deletion(
                connection, self.office, call, volume_id, cascade=True, force=True
            )
        )
        return empty(202)

    def migrate(self, call: Call, volume_id: str, _facts: Facts) -> Response:
        """Refuse: there is one back end, and every host reaches it."""
        call.require("admin")
        with self.office.catalogue.read() as connection:
            found(connection, call, volumes, volume_id, what="Volume")
        raise BadRequest("Invalid host: there is no other back end to migrate to.")

    def set_image_metadata(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Set keys of what the volume knows of its image."""
        new = string_map(facts.get("metadata"), values_max=65535)
        return answer(200, {"metadata": self._image_metadata(call, volume_id, lambda old: {**old, **new})})

    def unset_image_metadata(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Remove a key of it."""
        key = required_text(facts, "key")

        def without(old: dict[str, str]) -> dict[str, str]:
            if key not in old:
                raise BadRequest(f"Image metadata has no key {key}.")
            return {name: value for name, value in old.items() if name != key}

        self._image_metadata(call, volume_id, without)
        return empty(200)

    def show_image_metadata(self, call: Call, volume_id: str, _facts: Facts) -> Response:
        """Show it."""
        with self.office.catalogue.read() as connection:
            row = found(connection, call, volumes, volume_id, what="Volume")
        return answer(200, {"metadata": row["image_metadata"]})

    def _image_metadata(
        self, call: Call, volume_id: str, change: Callable[[dict[str, str]], dict[str, str]]
    ) -> dict[str, str]:
        with self.office.catalogue.write() as connection:
            row = found(connection, call, volumes, volume_id, what="Volume", lock=True)
            new = change(row["image_metadata"])
            rows.change(connection, volumes, volume_id, image_metadata=new, updated_at=self.office.clock())
        return new

    def reimage(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Write an image over the volume."""
        since(call, 68)
        source = image_source(self.office, call, required_text(facts, "image_id"))
        reserved_too = yes_or_no(facts, "reimage_reserved")

        def change(connection: Connection, row: Row) -> None:
            if source.size > row["size"]:
                raise BadRequest(
                    f"Invalid volume: The image needs {source.size} GiB, the volume has {row['size']}."
                )
            values = {"image_metadata": source.image_metadata, "bootable": True}
            self._order(connection, call, row, "reimage volume", "downloading", values=values, **source.state)

        self._changed(call, volume_id, "reimage reserved" if reserved_too else "reimage", change)
        return empty(202)

    def revert(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Put the volume back to what a snapshot of it has: any of them, not only the last."""
        since(call, 40)
        snapshot_id = identifier(facts, "snapshot_id")
        if snapshot_id is None:
            raise BadRequest("snapshot_id must be given.")

        def change(connection: Connection, row: Row) -> None:
            snapshot = found(connection, call, snapshots, snapshot_id, what="Snapshot")
            if snapshot["volume_id"] != volume_id or snapshot["status"] != "available":
                raise BadRequest(f"Invalid snapshot: {snapshot_id} is no available snapshot of the volume.")
            self._order(connection, call, row, "revert volume", "reverting", snapshot_id=snapshot_id)

        self._changed(call, volume_id, "revert", change)
        return empty(202)
