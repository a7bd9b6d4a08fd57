"""The actions of attaching from before the attachments API, upload to the image service, our commit.

os-reserve ─▶ os-initialize_connection ─▶ os-attach
  ─▶ os-begin_detaching ─▶ os-terminate_connection ─▶ os-detach
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from webob import Response

from ....common.errors import Missing, Refused, Unavailable
from ...api.call import Call
from ...api.faults import BadRequest
from ...api.faults import Unavailable as UnavailableFault
from ...api.reply import answer, empty
from ...api.times import plain
from .. import rows
from ..jobs import ordered
from ..office import Office
from ..reading import identifier, member, required_text, text, yes_or_no
from ..status import VOLUME_ACTIONS, Condition, refusal
from ..tables import attachments, types, volumes
from ..views.viewer import Row
from ..work.ending import attached_count, rest
from ..work.image_data import CONVERTED_FORMATS
from .attachments import detach, only_attachment
from .doors import at, found, has, refuse
from .leases import check_map, commit, connect, disconnect, host_of

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AttachActions:
    """The actions by name, for VolumeActionController; and the list of leases."""

    office: Office

    def by_name(self) -> Mapping[str, Callable[[Call, str, Facts], Response]]:
        """Return which method does which action."""
        return {
            "os-reserve": self.reserve,
            "os-unreserve": self.unreserve,
            "os-attach": self.attach,
            "os-detach": self.detach,
            "os-force_detach": self.force_detach,
            "os-begin_detaching": self.begin_detaching,
            "os-roll_detaching": self.roll_detaching,
            "os-initialize_connection": self.initialize_connection,
            "os-terminate_connection": self.terminate_connection,
            "os-volume_upload_image": self.upload_image,
            "apus-commit": self.commit,
        }

    def _changed(
        self, call: Call, volume_id: str, actions: tuple[str, str], change: Callable[[Connection, Row], None]
    ) -> None:
        """Change a volume that is in a status for the first action (for the second, if it is multiattach)."""

        def work(connection: Connection) -> None:
            row = found(connection, call, volumes, volume_id, what="Volume", lock=True)
            condition = Condition(status=row["status"], attachments=attached_count(connection, volume_id))
            refuse(refusal(VOLUME_ACTIONS[actions[row["multiattach"]]], condition))
            change(connection, row)

        self.office.written(work)

    def _to(self, status: str) -> Callable[[Connection, Row], None]:
        def change(connection: Connection, row: Row) -> None:
            rows.change(connection, volumes, row["id"], status=status, updated_at=self.office.clock())

        return change

    def reserve(self, call: Call, volume_id: str, _facts: Facts) -> Response:
        """Mark as about to be attached."""
        self._changed(call, volume_id, ("reserve", "reserve again"), self._to("attaching"))
        return empty(202)

    def unreserve(self, call: Call, volume_id: str, _facts: Facts) -> Response:
        """Take that back."""

        def change(connection: Connection, row: Row) -> None:
            rest(connection, row["id"], updated_at=self.office.clock())

        self._changed(call, volume_id, ("unreserve", "unreserve"), change)
        return empty(202)

    def begin_detaching(self, call: Call, volume_id: str, _facts: Facts) -> Response:
        """Mark as about to be detached."""
        self._changed(call, volume_id, ("begin detaching", "begin detaching"), self._to("detaching"))
        return empty(202)

    def roll_detaching(self, call: Call, volume_id: str, _facts: Facts) -> Response:
        """Take that back."""
        self._changed(call, volume_id, ("roll detaching", "roll detaching"), self._to("in-use"))
        return empty(202)

    def attach(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Record that a machine or a host has it."""
        instance_id, host = identifier(facts, "instance_uuid"), text(facts, "host_name")
        mode = text(facts, "mode") or "rw"
        if instance_id is None and not host:
            raise BadRequest("Invalid request to attach volume to an invalid target.")
        if mode not in ("rw", "ro"):
            raise BadRequest("Invalid request to attach volume with an invalid mode. It must be rw or ro.")

        def change(connection: Connection, row: Row) -> None:
            now = self.office.clock()
            if row["read_only"] and mode == "rw" and facts.get("mode"):
                raise BadRequest("Invalid volume: Volume is read-only and cannot be attached as rw.")
            values = {
                "id": rows.new_id(),
                "volume_id": row["id"],
                "project_id": row["project_id"],
                "instance_id": instance_id,
                "host": host or row["lease_host"],
                "device": text(facts, "mountpoint"),
                "mode": "ro" if row["read_only"] else mode,
                "status": "attached",
                "connector": None,
                "old_api": True,
                "attached_at": now,
                "created_at": now,
            }
            rows.add(connection, attachments, values)
            rest(connection, row["id"], updated_at=now)

        self._changed(call, volume_id, ("attach", "attach again"), change)
        return empty(202)

    def detach(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Record that it is detached; again where nothing has it, which changes nothing."""
        attachment_id = identifier(facts, "attachment_id")

        def work(connection: Connection) -> None:
            row = found(connection, call, volumes, volume_id, what="Volume", lock=True)
            if not rows.counted(connection, attachments, [attachments.c.volume_id == row["id"]]):
                return
            refuse(refusal(VOLUME_ACTIONS["detach"], Condition(status=row["status"])))
            detach(connection, self.office, only_attachment(connection, row["id"], attachment_id))

        self.office.written(work)
        return empty(202)

    def force_detach(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Detach it whatever its host says (administrators); what that host has not committed is lost."""
        call.require("admin", "service")
        attachment_id = identifier(facts, "attachment_id")

        def work(connection: Connection) -> None:
            row = found(connection, call, volumes, volume_id, what="Volume", lock=True)
            detach(connection, self.office, only_attachment(connection, row["id"], attachment_id))

        self.office.written(work)
        return empty(202)

    def initialize_connection(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Give a host what it needs to attach the volume."""
        connector = member(facts, "connector")
        host = host_of(connector)
        mode = text(facts, "mode") or ("ro" if connector.get("mode") == "ro" else "rw")

        def work(connection: Connection) -> dict[str, Any]:
            row = found(connection, call, volumes, volume_id, what="Volume", lock=True)
            refuse(refusal(VOLUME_ACTIONS["connect"], Condition(status=row["status"])))
            return connect(connection, self.office, row, host=host, mode=mode, attachment_id=None)

        return answer(200, {"connection_info": self.office.catalogue.transaction(work)})

    def terminate_connection(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """End the host's lease; it has committed before."""
        connector = facts.get("connector")
        host = host_of(connector) if isinstance(connector, dict) else None

        def work(connection: Connection) -> None:
            found(connection, call, volumes, volume_id, what="Volume", lock=True)
            own = [attachments.c.volume_id == volume_id, attachments.c.old_api.is_(True)]
            for row in rows.where(connection, attachments, *own):
                rows.change(connection, attachments, row["id"], host=None)
            disconnect(connection, volume_id, host)

        self.office.written(work)
        return empty(202)

    def commit(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Take the map that the host made of what its machines wrote (hosts only)."""
        call.require("admin", "service")
        map_id, base = required_text(facts, "map_id", most=64), required_text(facts, "base_map_id", most=64)
        lease, answers = required_text(facts, "lease"), facts.get("answers")
        if answers is not None and not isinstance(answers, int | float):
            raise BadRequest("answers must be the number that commit_wanted was.")
        with self.office.catalogue.read() as connection:
            row = found(connection, call, volumes, volume_id, what="Volume")
        if map_id != row["map_id"]:
            check_map(self.office, row, map_id)

        def work(connection: Connection) -> None:
            volume = found(connection, call, volumes, volume_id, what="Volume", lock=True)
            commit(
                connection, self.office, volume, lease=lease, base_map_id=base, map_id=map_id,
                answers=answers, request_id=call.request_id,
            )  # fmt: skip

        self.office.written(work)
        return answer(200, {"map_id": map_id})

    @at("GET HEAD", "/apus-leases")
    def leases(self, call: Call) -> Response:
        """List the leases of a host, and which of them are to be committed now (hosts only)."""
        call.require("admin", "service")
        host = call.query.get("host")
        with self.office.catalogue.read() as connection:
            held = rows.where(connection, volumes, volumes.c.lease.is_not(None), volumes.c.lease_host == host)
        return answer(
            200,
            {
                "leases": [
                    {
                        "volume_id": row["id"],
                        "volume_project_id": row["project_id"],
                        "project_id": row["map_project"],
                        "lease": row["lease"],
                        "map_id": row["map_id"],
                        "commit_wanted": _wanted(row),
                    }
                    for row in held
                ]
            },
        )

    def upload_image(self, call: Call, volume_id: str, facts: Facts) -> Response:
        """Make an image of the volume."""
        document = _image_document(call, facts)
        action = "upload attached" if yes_or_no(facts, "force") else "upload"
        with self.office.catalogue.read() as connection:
            self._may_upload(connection, call, volume_id, action)
        try:
            image = self.office.images.create(document, call.token)
        except (Missing, Refused) as problem:
            raise BadRequest(str(problem)) from problem
        except Unavailable as problem:
            raise UnavailableFault(str(problem)) from problem

        def work(connection: Connection) -> dict[str, Any]:
            row = self._may_upload(connection, call, volume_id, action)
            now = self.office.clock()
            rows.change(connection, volumes, volume_id, status="uploading", updated_at=now)
            ordered(
                connection, "upload volume", resource_id=volume_id, project_id=row["project_id"], now=now,
                request_id=call.request_id, map_id=rows.new_id(), image_id=image["id"],
                disk_format=document["disk_format"],
            )  # fmt: skip
            kind = rows.one(connection, types, row["type_id"]) if row["type_id"] else None
            return {
                "id": volume_id,
                "updated_at": plain(row["updated_at"]),
                "status": "uploading",
                "display_description": row["description"],
                "size": row["size"],
                "volume_type": None if kind is None else {"id": kind["id"], "name": kind["name"]},
                "image_id": image["id"],
                "image_name": document["name"],
                "container_format": document["container_format"],
                "disk_format": document["disk_format"],
                **{name: document[name] for name in ("visibility", "protected") if name in document},
            }

        return answer(202, {"os-volume_upload_image": self.office.written(work)})

    def _may_upload(self, connection: Connection, call: Call, volume_id: str, action: str) -> Row:
        row = found(connection, call, volumes, volume_id, what="Volume", lock=True)
        condition = Condition(status=row["status"], attachments=attached_count(connection, volume_id))
        refuse(refusal(VOLUME_ACTIONS[action], condition))
        return row


def _wanted(row: Row) -> float | None:
    """Return when somebody began to wait for the host's commit, None where nobody waits."""
    wanted_at: float | None = row["commit_wanted_at"]
    return wanted_at if wanted_at is not None and (row["committed_at"] or 0.0) < wanted_at else None


def _image_document(call: Call, facts: Facts) -> dict[str, Any]:
    """Return what the image service is told of the new image."""
    disk_format = text(facts, "disk_format") or "raw"
    if disk_format != "raw" and disk_format not in CONVERTED_FORMATS:
        known = ", ".join(("raw", *CONVERTED_FORMATS))
        raise BadRequest(f"No image of the format {disk_format} is made of a volume here; known: {known}.")
    document: dict[str, Any] = {
        "name": required_text(facts, "image_name"),
        "disk_format": disk_format,
        "container_format": text(facts, "container_format") or "bare",
    }
    if has(call, 1):
        document["visibility"] = text(facts, "visibility") or "private"
        document["protected"] = yes_or_no(facts, "protected")
    return document
