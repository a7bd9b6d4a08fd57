"""Transfers: a volume offered to whoever knows a key, and taken.

POST /os-volume-transfer ──▶ {"id", "auth_key"} ──▶ POST /os-volume-transfer/{id}/accept by the other project
The same under /volume-transfers (3.55), where the volume's snapshots go with it, unless no_snapshots says
otherwise.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, or_
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, NotFound
from ...api.reply import answer, empty
from .. import rows
from ..asking import TRANSFERS, asked
from ..jobs import ordered
from ..office import Office
from ..reading import identifier, required_text, text, yes_or_no
from ..status import VOLUME_ACTIONS, Condition, refusal
from ..tables import schedules, snapshots, transfers, types, volumes
from ..views import backup as view
from ..views.viewer import Row, Viewer
from ..work.ending import attached_count, rest
from .doors import at, found, has, listing, operator, refuse
from .quota_check import check

OLD, NEW = "/os-volume-transfer", "/volume-transfers"
FAILURES_MAX = 10  # A key of 16 hexadecimal digits is beyond guessing long before; nobody needs more tries.


@dataclass(frozen=True, slots=True)
class TransferController:
    """Serves both paths."""

    office: Office

    @at("POST", OLD, NEW)
    def create(self, call: Call) -> Response:
        """Offer a volume; the key is told here and never again."""
        document = call.member("transfer")
        volume_id = identifier(document, "volume_id")
        if volume_id is None:
            raise BadRequest("'volume_id' must be specified.")
        key, salt = secrets.token_hex(8), secrets.token_hex(8)
        now = self.office.clock()
        row: dict[str, Any] = {
            "id": rows.new_id(),
            "name": text(document, "name"),
            "volume_id": volume_id,
            "source_project_id": "",
            "destination_project_id": None,
            "accepted": False,
            "no_snapshots": has(call, 55) and yes_or_no(document, "no_snapshots"),
            "salt": salt,
            "key_hash": _hashed(key, salt),
            "failures": 0,
            "created_at": now,
        }

        def work(connection: Connection) -> None:
            volume = found(connection, call, volumes, volume_id, what="Volume", lock=True)
            condition = Condition(status=volume["status"], attachments=attached_count(connection, volume_id))
            refuse(refusal(VOLUME_ACTIONS["transfer"], condition))
            own = rows.where(connection, snapshots, snapshots.c.volume_id == volume_id)
            busy = [one for one in own if one["status"] != "available"]
            if busy and not row["no_snapshots"]:
                raise BadRequest(f"Invalid snapshot: Snapshot {busy[0]['id']} is {busy[0]['status']}.")
            row["source_project_id"] = volume["project_id"]
            rows.change(connection, volumes, volume_id, status="awaiting-transfer", updated_at=now)
            rows.add(connection, transfers, row)

        self.office.catalogue.transaction(work)
        return answer(202, {"transfer": {**view.transfer_detail(Viewer.of(call), row), "auth_key": key}})

    @at("GET HEAD", OLD, NEW)
    def index(self, call: Call) -> Response:
        """List one's own offers in short."""
        return self._list(call, detailed=False)

    @at("GET HEAD", OLD + "/detail", NEW + "/detail")
    def details(self, call: Call) -> Response:
        """List them in full."""
        return self._list(call, detailed=True)

    def _list(self, call: Call, *, detailed: bool) -> Response:
        viewer = Viewer.of(call)
        everybody = call.is_admin and yes_or_no(call.query, "all_tenants")
        owner = transfers.c.source_project_id == call.project_id
        ask = asked(
            call, transfers, TRANSFERS, owner=or_(transfers.c.id.is_not(None)) if everybody else owner
        )
        with self.office.catalogue.read() as connection:
            page = rows.listed(connection, transfers, ask)
        shown = view.transfer_detail if detailed else view.transfer_summary
        return listing(call, "transfers", [shown(viewer, row) for row in page.rows], page)

    @at("GET HEAD", OLD + "/{transfer_id}", NEW + "/{transfer_id}")
    def show(self, call: Call, transfer_id: str) -> Response:
        """Show one of one's own."""
        with self.office.catalogue.read() as connection:
            row = self._own(connection, call, transfer_id)
        return answer(200, {"transfer": view.transfer_detail(Viewer.of(call), row)})

    def _own(self, connection: Connection, call: Call, transfer_id: str) -> Row:
        row = rows.one(connection, transfers, transfer_id, lock=True)
        mine = row is not None and (row["source_project_id"] == call.identity.project_id or operator(call))
        if row is None or not mine or row["accepted"]:
            raise NotFound(f"Transfer {transfer_id} could not be found.")
        return row

    @at("DELETE", OLD + "/{transfer_id}", NEW + "/{transfer_id}")
    def delete(self, call: Call, transfer_id: str) -> Response:
        """Take an offer back."""

        def work(connection: Connection) -> None:
            row = self._own(connection, call, transfer_id)
            rows.drop(connection, transfers, transfers.c.id == transfer_id)
            volume = rows.one(connection, volumes, row["volume_id"], lock=True)
            if volume is not None and volume["status"] == "awaiting-transfer":
                rest(connection, volume["id"], updated_at=self.office.clock())

        self.office.catalogue.transaction(work)
        return empty(202)

    @at("POST", OLD + "/{transfer_id}/accept", NEW + "/{transfer_id}/accept")
    def accept(self, call: Call, transfer_id: str) -> Response:
        """Take a volume whose key one knows."""
        key = required_text(call.member("accept"), "auth_key")
        self._check_key(transfer_id, key)
        row = self.office.written(lambda connection: self._taken(connection, call, transfer_id))
        return answer(202, {"transfer": view.transfer_summary(Viewer.of(call), row)})

    def _check_key(self, transfer_id: str, key: str) -> None:
        """Compare the key, and count wrong ones in a transaction of its own, so that they stay counted."""

        def work(connection: Connection) -> bool:
            row = rows.one(connection, transfers, transfer_id, lock=True)
            if row is None or row["accepted"]:
                raise NotFound(f"Transfer {transfer_id} could not be found.")
            right = row["failures"] < FAILURES_MAX and hmac.compare_digest(
                _hashed(key, row["salt"]), row["key_hash"]
            )
            if not right:
                rows.change(connection, transfers, transfer_id, failures=row["failures"] + 1)
            return right

        if not self.office.catalogue.transaction(work):
            raise BadRequest(f"Invalid auth key: Attempt to transfer {transfer_id} with invalid auth key.")

    def _taken(self, connection: Connection, call: Call, transfer_id: str) -> Row:
        row = rows.one(connection, transfers, transfer_id, lock=True)
        if row is None:
            raise NotFound(f"Transfer {transfer_id} could not be found.")
        volume = rows.one(connection, volumes, row["volume_id"], lock=True)
        if volume is None:
            raise NotFound(f"Volume {row['volume_id']} could not be found.")
        refuse(refusal(VOLUME_ACTIONS["accept"], Condition(status=volume["status"])))
        project_id, now = call.project_id, self.office.clock()
        kind = rows.one(connection, types, volume["type_id"]) if volume["type_id"] else None
        going = (
            []
            if row["no_snapshots"]
            else rows.where(connection, snapshots, snapshots.c.volume_id == volume["id"])
        )
        if project_id != volume["project_id"]:
            wanted = {
                "volumes": 1,
                "snapshots": len(going),
                "gigabytes": volume["size"] + sum(one["size"] for one in going),
            }
            check(connection, project_id, wanted, type_name=kind["name"] if kind else None)
        owner = {"project_id": project_id, "user_id": call.identity.user_id, "updated_at": now}
        rows.change(connection, volumes, volume["id"], status="maintenance", **owner)
        for one in going:
            rows.change(connection, snapshots, one["id"], **owner)
        rows.drop(connection, schedules, schedules.c.volume_id == volume["id"])
        rows.drop(connection, transfers, transfers.c.id == transfer_id)
        ordered(
            connection, "accept transfer", resource_id=volume["id"], project_id=project_id, now=now,
            request_id=call.request_id, map_id=rows.new_id(),
            snapshots={one["id"]: rows.new_id() for one in going},
        )  # fmt: skip
        return {**row, "accepted": True, "destination_project_id": project_id}


def _hashed(key: str, salt: str) -> str:
    """Return what is kept of a key: it is random, so one round of a keyed hash is as good as many."""
    return hmac.new(salt.encode(), key.encode(), hashlib.sha256).hexdigest()
