"""What a volume type says of encryption: kept and told; but no volume is made of such a type.

GET POST /types/{id}/encryption   GET …/encryption/{key}   PUT DELETE …/encryption/{encryption_id}

Volumes are not encrypted one by one here, since equal blocks are kept once: the store encrypts what it keeps,
if told to. A volume that is meant to be encrypted and is not would be a lie, so `refuse_encrypted` says no.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Conflict, NotFound
from ...api.reply import answer, empty
from .. import rows
from ..office import Office
from ..reading import required_text, text, whole_number
from ..tables import types, volumes
from ..views.viewer import Row
from .doors import at
from .volume_making import type_by

_PLACES = ("front-end", "back-end")
_SPECS = ("provider", "cipher", "key_size", "control_location")


@dataclass(frozen=True, slots=True)
class EncryptionController:
    """Serves /types/{id}/encryption."""

    office: Office

    @at("GET HEAD", "/types/{type_id}/encryption")
    def show(self, call: Call, type_id: str) -> Response:
        """Show a type's encryption; an empty answer where it has none."""
        call.require("admin")
        with self.office.catalogue.read() as connection:
            row = type_by(connection, call, type_id)
        held = row["encryption"]
        return answer(200, {**held, "volume_type_id": row["id"]} if held else {})

    @at("GET HEAD", "/types/{type_id}/encryption/{key}")
    def spec(self, call: Call, type_id: str, key: str) -> Response:
        """Show one word of it."""
        call.require("admin")
        with self.office.catalogue.read() as connection:
            held = type_by(connection, call, type_id)["encryption"] or {}
        if key not in held:
            raise NotFound(f"Volume Type {type_id} has no encryption with key {key}.")
        return answer(200, {key: held[key]})

    @at("POST", "/types/{type_id}/encryption")
    def create(self, call: Call, type_id: str) -> Response:
        """Say how its volumes would be encrypted."""
        call.require("admin")
        document = call.member("encryption")
        required_text(document, "provider")
        made = {"encryption_id": rows.new_id(), "cipher": None, "key_size": None, **_specs(document)}
        made.setdefault("control_location", "front-end")

        def work(connection: Connection) -> str:
            row = _unused(connection, call, type_id)
            if row["encryption"]:
                raise BadRequest(f"Volume type encryption for type {row['id']} already exists.")
            rows.change(connection, types, row["id"], encryption=made)
            return str(row["id"])

        owner = self.office.catalogue.transaction(work)
        return answer(200, {"encryption": {**made, "volume_type_id": owner}})

    @at("PUT", "/types/{type_id}/encryption/{encryption_id}")
    def update(self, call: Call, type_id: str, encryption_id: str) -> Response:
        """Change some of its words."""
        call.require("admin")
        new = _specs(call.member("encryption"))

        def work(connection: Connection) -> None:
            row = _having(connection, call, type_id, encryption_id)
            rows.change(connection, types, row["id"], encryption={**row["encryption"], **new})

        self.office.catalogue.transaction(work)
        return answer(200, {"encryption": new})

    @at("DELETE", "/types/{type_id}/encryption/{encryption_id}")
    def delete(self, call: Call, type_id: str, encryption_id: str) -> Response:
        """Take it back; volumes of the type can be made again."""
        call.require("admin")

        def work(connection: Connection) -> None:
            row = _having(connection, call, type_id, encryption_id)
            rows.change(connection, types, row["id"], encryption=None)

        self.office.catalogue.transaction(work)
        return empty(202)


def _specs(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a document says of encryption, read."""
    unknown = set(document) - set(_SPECS)
    if unknown:
        raise BadRequest(f"There is no {min(unknown)} in an encryption.")
    new: dict[str, Any] = {name: text(document, name) for name in ("provider", "cipher") if name in document}
    if document.get("key_size") is not None:
        new["key_size"] = whole_number("key_size", document["key_size"])
    if "control_location" in document:
        place = new["control_location"] = required_text(document, "control_location")
        if place not in _PLACES:
            raise BadRequest(f"Valid control location are: {' or '.join(_PLACES)}, not {place}.")
    return new


def _unused(connection: Connection, call: Call, type_id: str) -> Row:
    """Return the type, which no volume has: theirs are not encrypted."""
    row = type_by(connection, call, type_id)
    if rows.counted(connection, volumes, [volumes.c.type_id == row["id"]]):
        raise Conflict(f"Volume type {row['id']} is in use.")
    return row


def _having(connection: Connection, call: Call, type_id: str, encryption_id: str) -> Row:
    row = type_by(connection, call, type_id)
    if not row["encryption"] or row["encryption"]["encryption_id"] != encryption_id:
        raise NotFound(f"Volume type encryption {encryption_id} for type {row['id']} does not exist.")
    return row
