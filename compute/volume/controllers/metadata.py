"""What clients write on volumes and snapshots: keys with values, one by one or as a whole.

GET POST PUT /volumes/{id}/metadata   GET PUT DELETE /volumes/{id}/metadata/{key}   the same of snapshots
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Table
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, NotFound
from ...api.reply import answer, empty
from .. import rows
from ..office import Office
from ..reading import member, string_map
from ..status import VOLUME_ACTIONS, Condition, refusal
from ..tables import snapshots, volumes
from .doors import at, found, refuse

Change = Callable[[dict[str, str]], dict[str, str]]
_KINDS: Mapping[str, tuple[Table, str]] = {
    "volumes": (volumes, "Volume"),
    "snapshots": (snapshots, "Snapshot"),
}
_ALL = "/{kind}/{thing_id}/metadata"
_ONE = "/{kind}/{thing_id}/metadata/{key}"


@dataclass(frozen=True, slots=True)
class MetadataController:
    """Serves the metadata of whatever has some."""

    office: Office

    @at("GET HEAD", _ALL)
    def metadata(self, call: Call, kind: str, thing_id: str) -> Response:
        """Show all metadata."""
        return answer(200, {"metadata": self._held(call, kind, thing_id)})

    @at("POST", _ALL)
    def add_metadata(self, call: Call, kind: str, thing_id: str) -> Response:
        """Set these keys and leave the others."""
        new = string_map(member(call.json("metadata"), "metadata"))
        return answer(200, {"metadata": self._change(call, kind, thing_id, lambda old: {**old, **new})})

    @at("PUT", _ALL)
    def replace_metadata(self, call: Call, kind: str, thing_id: str) -> Response:
        """Have these keys and no others."""
        new = string_map(member(call.json("metadata"), "metadata"))
        return answer(200, {"metadata": self._change(call, kind, thing_id, lambda _old: new)})

    @at("GET HEAD", _ONE)
    def metadatum(self, call: Call, kind: str, thing_id: str, key: str) -> Response:
        """Show one key."""
        return answer(200, {"meta": {key: _of_key(self._held(call, kind, thing_id), key)}})

    @at("PUT", _ONE)
    def set_metadatum(self, call: Call, kind: str, thing_id: str, key: str) -> Response:
        """Set one key."""
        new = string_map(member(call.json("meta"), "meta"))
        if set(new) != {key}:
            raise BadRequest("Request body contains too many items, or another key than its path.")
        self._change(call, kind, thing_id, lambda old: {**old, **new})
        return answer(200, {"meta": new})

    @at("DELETE", _ONE)
    def delete_metadatum(self, call: Call, kind: str, thing_id: str, key: str) -> Response:
        """Remove one key."""

        def without(old: dict[str, str]) -> dict[str, str]:
            _of_key(old, key)
            return {name: value for name, value in old.items() if name != key}

        self._change(call, kind, thing_id, without)
        return empty(200)

    def _held(self, call: Call, kind: str, thing_id: str) -> dict[str, str]:
        table, what = _of_kind(kind)
        with self.office.catalogue.read() as connection:
            held: dict[str, str] = found(connection, call, table, thing_id, what=what)["metadata"]
        return held

    def _change(self, call: Call, kind: str, thing_id: str, change: Change) -> dict[str, str]:
        table, what = _of_kind(kind)

        def work(connection: Connection) -> dict[str, str]:
            row = found(connection, call, table, thing_id, what=what, lock=True)
            if table is volumes:
                refuse(refusal(VOLUME_ACTIONS["change metadata"], Condition(status=row["status"])))
            new = change(row["metadata"])
            rows.change(connection, table, thing_id, metadata=new, updated_at=self.office.clock())
            return new

        return self.office.written(work)


def _of_kind(kind: str) -> tuple[Table, str]:
    if kind not in _KINDS:
        raise NotFound("The resource could not be found.")
    return _KINDS[kind]


def _of_key(held: dict[str, str], key: str) -> str:
    if key not in held:
        raise NotFound(f"Metadata has no item with key {key}.")
    return held[key]
