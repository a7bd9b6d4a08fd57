"""Attachments (3.27; completed by word since 3.44): how machines of the compute service get volumes.

POST /attachments ──▶ reserved, or with a connector connected ──▶ os-complete ──▶ attached ──▶ DELETE
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Conflict
from ...api.reply import answer, empty
from .. import rows
from ..asking import ATTACHMENTS, asked
from ..office import Office
from ..reading import identifier, text
from ..status import VOLUME_ACTIONS, Condition, refusal
from ..tables import attachments, volumes
from ..views import volume as view
from ..views.viewer import Row
from ..work.ending import rest
from .doors import at, found, has, listing, only_member, operator, refuse, since
from .leases import HOLDING, connect, disconnect, host_of

_HELD = ("in-use", "detaching", "attaching", "reserved", "error")


@dataclass(frozen=True, slots=True)
class AttachmentController:
    """Serves /attachments."""

    office: Office

    @at("POST", "/attachments")
    def create(self, call: Call) -> Response:
        """Reserve a volume for a machine; with a connector, connect it at once."""
        since(call, 27)
        document = call.member("attachment")
        volume_id, instance_id = identifier(document, "volume_uuid"), identifier(document, "instance_uuid")
        if volume_id is None:
            raise BadRequest("'volume_uuid' must be specified.")
        connector = _connector(document, required=False)
        mode = text(document, "mode") or "rw"
        if mode not in ("rw", "ro"):
            raise BadRequest("mode must be rw or ro.")

        def work(connection: Connection) -> tuple[Row, dict[str, Any]]:
            row = self._reserve(connection, call, volume_id, instance_id, mode=mode)
            if not connector:
                return row, {}
            return self._connect(connection, call, row, connector)

        row, info = self.office.written(work)
        return answer(200, {"attachment": view.attachment(row, info)})

    def _reserve(
        self, connection: Connection, call: Call, volume_id: str, instance_id: str | None, *, mode: str
    ) -> Row:
        volume = found(connection, call, volumes, volume_id, what="Volume", lock=True)
        holding = rows.where(
            connection, attachments, attachments.c.volume_id == volume_id, attachments.c.status.in_(HOLDING)
        )
        # A machine that moves to another host is attached twice for a moment.
        again = volume["multiattach"] or any(
            instance_id and one["instance_id"] == instance_id for one in holding
        )
        if holding and not again:
            raise BadRequest(
                f"Invalid volume: Volume {volume_id} status must be available or downloading to reserve, "
                f"but the current status is {volume['status']}."
            )
        action = VOLUME_ACTIONS["reserve another attachment" if holding else "reserve attachment"]
        refuse(refusal(action, Condition(status=volume["status"], attachments=len(holding))))
        now = self.office.clock()
        row: dict[str, Any] = {
            "id": rows.new_id(),
            "volume_id": volume_id,
            "project_id": volume["project_id"],
            "instance_id": instance_id,
            "host": None,
            "device": None,
            "mode": "ro" if volume["read_only"] else mode,
            "status": "reserved",
            "connector": None,
            "old_api": False,
            "attached_at": None,
            "detached_at": None,
            "created_at": now,
            "updated_at": now,
        }
        rows.add(connection, attachments, row)
        if volume["status"] != "in-use":
            rows.change(connection, volumes, volume_id, status="reserved", updated_at=now)
        return row

    def _connect(
        self, connection: Connection, call: Call, row: Row, connector: dict[str, Any]
    ) -> tuple[Row, dict[str, Any]]:
        volume = found(connection, call, volumes, row["volume_id"], what="Volume", lock=True)
        refuse(refusal(VOLUME_ACTIONS["connect"], Condition(status=volume["status"])))
        host = host_of(connector)
        info = connect(connection, self.office, volume, host=host, mode=row["mode"], attachment_id=row["id"])
        now = self.office.clock()
        at_once = not has(call, 44)
        changes = {
            "host": host,
            "connector": connector,
            "device": connector.get("mountpoint"),
            "status": "attached" if at_once else "attaching",
            "attached_at": now if at_once else None,
            "updated_at": now,
        }
        rows.change(connection, attachments, row["id"], **changes)
        if at_once:
            rest(connection, volume["id"], updated_at=now)
        elif volume["status"] != "in-use":
            rows.change(connection, volumes, volume["id"], status="attaching", updated_at=now)
        return {**row, **changes}, info

    @at("GET HEAD", "/attachments")
    def index(self, call: Call) -> Response:
        """List attachments in short."""
        return self._list(call, detailed=False)

    @at("GET HEAD", "/attachments/detail")
    def details(self, call: Call) -> Response:
        """List attachments in full."""
        return self._list(call, detailed=True)

    def _list(self, call: Call, *, detailed: bool) -> Response:
        since(call, 27)
        with self.office.catalogue.read() as connection:
            page = rows.listed(connection, attachments, asked(call, attachments, ATTACHMENTS))
        documents = [
            view.attachment(row, {})
            if detailed
            else {
                "id": row["id"],
                "status": row["status"],
                "instance": row["instance_id"],
                "volume_id": row["volume_id"],
            }
            for row in page.rows
        ]
        return listing(call, "attachments", documents, page)

    @at("GET HEAD", "/attachments/{attachment_id}")
    def show(self, call: Call, attachment_id: str) -> Response:
        """Show one; what connects it is shown to services only, since the lease in it is a secret."""
        since(call, 27)

        def work(connection: Connection) -> tuple[Row, dict[str, Any]]:
            row = found(connection, call, attachments, attachment_id, what="Volume attachment")
            volume = rows.one(connection, volumes, row["volume_id"])
            if not operator(call) or row["host"] is None or volume is None or row["status"] not in HOLDING:
                return row, {}
            return row, connect(
                connection, self.office, volume, host=row["host"], mode=row["mode"], attachment_id=row["id"]
            )

        row, info = self.office.catalogue.transaction(work)
        return answer(200, {"attachment": view.attachment(row, info)})

    @at("PUT", "/attachments/{attachment_id}")
    def update(self, call: Call, attachment_id: str) -> Response:
        """Connect a reserved volume to a host."""
        since(call, 27)
        connector = _connector(call.member("attachment"), required=True)

        def work(connection: Connection) -> tuple[Row, dict[str, Any]]:
            row = found(connection, call, attachments, attachment_id, what="Volume attachment", lock=True)
            if row["host"] is not None and row["host"] != host_of(connector):
                raise BadRequest(
                    "Invalid input received: The attachment is connected to another host already."
                )
            return self._connect(connection, call, row, connector)

        row, info = self.office.written(work)
        return answer(200, {"attachment": view.attachment(row, info)})

    @at("DELETE", "/attachments/{attachment_id}")
    def delete(self, call: Call, attachment_id: str) -> Response:
        """End an attachment; the host has committed before, since its lease ends here."""
        since(call, 27)

        def work(connection: Connection) -> list[Row]:
            row = found(connection, call, attachments, attachment_id, what="Volume attachment", lock=True)
            detach(connection, self.office, row)
            return rows.where(connection, attachments, attachments.c.volume_id == row["volume_id"])

        left = self.office.written(work)
        return answer(200, {"attachments": [view.attachment(row, {}) for row in left]})

    @at("POST", "/attachments/{attachment_id}/action")
    def act(self, call: Call, attachment_id: str) -> Response:
        """os-complete: the host has it."""
        since(call, 44)
        name, _facts = only_member(call.json())
        if name != "os-complete":
            raise BadRequest(f"There is no such action: {name}")

        def work(connection: Connection) -> None:
            row = found(connection, call, attachments, attachment_id, what="Volume attachment", lock=True)
            if row["status"] not in ("attaching", "attached"):
                raise Conflict(f"The attachment is {row['status']}: it has no connector yet.")
            now = self.office.clock()
            rows.change(
                connection, attachments, attachment_id, status="attached",
                attached_at=row["attached_at"] or now, updated_at=now,
            )  # fmt: skip
            rest(connection, row["volume_id"], updated_at=now)

        self.office.written(work)
        return empty(204)


def _connector(document: dict[str, Any], *, required: bool) -> dict[str, Any]:
    connector = document.get("connector")
    if connector in (None, {}):
        if required:
            raise BadRequest("'connector' must be specified.")
        return {}
    if not isinstance(connector, dict):
        raise BadRequest("'connector' must be a JSON object.")
    return connector


def detach(connection: Connection, office: Office, row: Row) -> None:
    """Take an attachment away; the volume rests when it was the last, whatever it was set to by hand."""
    rows.drop(connection, attachments, attachments.c.id == row["id"])
    disconnect(connection, row["volume_id"], row["host"])
    volume = rows.one(connection, volumes, row["volume_id"], lock=True)
    if volume is not None and volume["status"] in _HELD:
        rest(connection, volume["id"], updated_at=office.clock())


def only_attachment(connection: Connection, volume_id: str, attachment_id: str | None) -> Row:
    """Return the attachment that is meant where at most one can be.

    Raises:
        BadRequest: there is none, or several and none is named.
    """
    own = rows.where(connection, attachments, attachments.c.volume_id == volume_id)
    if attachment_id is not None:
        own = [row for row in own if row["id"] == attachment_id]
    if not own:
        raise BadRequest("Invalid volume: Volume has no such attachment.")
    if len(own) > 1:
        raise BadRequest("Invalid volume: Volume is attached more than once; say which attachment.")
    return own[0]
