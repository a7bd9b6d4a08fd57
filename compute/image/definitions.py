"""Definitions of metadata: which properties things may have, for people who choose them from lists.

GET, POST /v2/metadefs/namespaces        GET, PUT, DELETE /v2/metadefs/namespaces/{namespace}
…/{namespace}/{objects,properties,tags}[/{name}]        …/{namespace}/resource_types[/{name}]

Admins write them; public ones are for everybody, private ones for the project that owns them. Nothing is
checked against them: they are a catalogue that dashboards read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, Row, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from webob import Response

from ..api.call import Call
from ..api.faults import BadRequest, Conflict, Forbidden, NotFound
from ..api.paging import Page
from ..api.reply import answer, empty
from ..api.routing import served
from ..api.times import zulu
from .access import INSIDERS, Caller
from .desk import Desk
from .tables import metadef_items, metadef_namespaces

NAME_LENGTH_MAX = 80
DOCUMENT_BYTES_MAX = 65535
KINDS = {"objects": "object", "properties": "property", "tags": "tag"}
RESOURCE_TYPES = ("OS::Cinder::Volume", "OS::Glance::Image", "OS::Nova::Flavor", "OS::Nova::Server")
ASSOCIATIONS = "resource_type_associations"
_SAID = ("display_name", "description", ASSOCIATIONS)


class Definitions:
    """Namespaces, and what is in them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @served("GET HEAD", "/v2/metadefs/resource_types")
    def resource_types(self, _call: Call) -> Response:
        """What definitions can be for."""
        return answer(200, {"resource_types": [{"name": name} for name in RESOURCE_TYPES]})

    @served("GET HEAD", "/v2/metadefs/namespaces")
    def listed(self, call: Call) -> Response:
        """The namespaces that the caller sees."""
        caller, page = Caller.of(call), Page.of(call)
        found = select(metadef_namespaces).order_by(metadef_namespaces.c.namespace)
        if not caller.is_admin:
            mine = metadef_namespaces.c.owner == caller.project_id
            found = found.where(or_(mine, metadef_namespaces.c.visibility == "public"))
        if "visibility" in call.query:
            found = found.where(metadef_namespaces.c.visibility == call.query["visibility"])
        with self._desk.catalogue.read() as connection:
            rows, more = page.cut(connection.execute(found).all(), lambda row: str(row.namespace))
        document: dict[str, Any] = {
            "namespaces": [_namespace(row) for row in rows],
            "first": "/v2/metadefs/namespaces",
            "schema": "/v2/schemas/metadefs/namespaces",
        }
        if more and rows:
            document["next"] = f"/v2/metadefs/namespaces?limit={page.limit}&marker={rows[-1].namespace}"
        return answer(200, document)

    @served("POST", "/v2/metadefs/namespaces")
    def created(self, call: Call) -> Response:
        """A namespace, with what the document says is in it."""
        call.require(*INSIDERS)
        document = call.json("namespace")
        name, now = _name(document["namespace"]), self._desk.clock()
        values = {**_values(document), "namespace": name, "created_at": now, "updated_at": now}
        values["owner"] = str(document.get("owner") or call.identity.project_id or "")

        def work(connection: Connection) -> dict[str, Any]:
            _insert(connection, metadef_namespaces, values)
            for kind in KINDS:
                for item in _items_said(document, kind):
                    self._add(connection, name, kind, item)
            return self._whole(connection, name)

        headers = {"Location": f"{call.base_url}/v2/metadefs/namespaces/{name}"}
        return answer(201, self._desk.catalogue.transaction(work), headers)

    @served("GET HEAD", "/v2/metadefs/namespaces/{namespace}")
    def shown(self, call: Call, namespace: str) -> Response:
        """One namespace and all that is in it."""
        with self._desk.catalogue.read() as connection:
            self._seen(connection, call, namespace)
            return answer(200, self._whole(connection, namespace))

    @served("PUT", "/v2/metadefs/namespaces/{namespace}")
    def replaced(self, call: Call, namespace: str) -> Response:
        """What is said of a namespace, its name included."""
        call.require(*INSIDERS)
        document = call.json("namespace")
        name = _name(document["namespace"])

        def work(connection: Connection) -> dict[str, Any]:
            known = orjson.loads(self._seen(connection, call, namespace).document)
            said = {ASSOCIATIONS: known.get(ASSOCIATIONS), **document}
            values = {**_values(said), "namespace": name, "updated_at": self._desk.clock()}
            at = metadef_namespaces.c.namespace == namespace
            try:
                connection.execute(update(metadef_namespaces).where(at).values(**values))
            except IntegrityError as problem:
                raise Conflict(f"There is a namespace {name!r} already.") from problem
            within = metadef_items.c.namespace == namespace
            connection.execute(update(metadef_items).where(within).values(namespace=name))
            return self._whole(connection, name)

        return answer(200, self._desk.catalogue.transaction(work))

    @served("DELETE", "/v2/metadefs/namespaces/{namespace}")
    def deleted(self, call: Call, namespace: str) -> Response:
        """Gone with all that is in it, unless it is protected."""
        call.require(*INSIDERS)

        def work(connection: Connection) -> None:
            if self._seen(connection, call, namespace).protected:
                raise Forbidden(f"Metadata definition namespace {namespace!r} is protected.")
            connection.execute(delete(metadef_items).where(metadef_items.c.namespace == namespace))
            connection.execute(delete(metadef_namespaces).where(metadef_namespaces.c.namespace == namespace))

        self._desk.catalogue.transaction(work)
        return empty(204)

    @served("GET HEAD", "/v2/metadefs/namespaces/{namespace}/resource_types")
    def associations(self, call: Call, namespace: str) -> Response:
        """What a namespace is for."""
        with self._desk.catalogue.read() as connection:
            row = self._seen(connection, call, namespace)
        return answer(200, {ASSOCIATIONS: orjson.loads(row.document).get(ASSOCIATIONS, [])})

    @served("POST", "/v2/metadefs/namespaces/{namespace}/resource_types")
    def associated(self, call: Call, namespace: str) -> Response:
        """One thing more that a namespace is for."""
        call.require(*INSIDERS)
        now = zulu(self._desk.clock())
        said = {**call.json("name"), "created_at": now, "updated_at": now}
        name = _name(said["name"])
        self._associate(call, namespace, lambda known: [*_without(known, name), said])
        return answer(201, said)

    @served("DELETE", "/v2/metadefs/namespaces/{namespace}/resource_types/{name}")
    def dissociated(self, call: Call, namespace: str, name: str) -> Response:
        """One less."""
        call.require(*INSIDERS)

        def change(known: list[Any]) -> list[Any]:
            left = _without(known, name)
            if len(left) == len(known):
                raise NotFound(f"The namespace {namespace!r} is not for {name!r}.")
            return left

        self._associate(call, namespace, change)
        return empty(204)

    def _associate(self, call: Call, namespace: str, change: Callable[[list[Any]], list[Any]]) -> None:
        def work(connection: Connection) -> None:
            document = orjson.loads(self._seen(connection, call, namespace).document)
            document[ASSOCIATIONS] = change(document.get(ASSOCIATIONS) or [])
            values = {"document": _text(document), "updated_at": self._desk.clock()}
            at = metadef_namespaces.c.namespace == namespace
            connection.execute(update(metadef_namespaces).where(at).values(**values))

        self._desk.catalogue.transaction(work)

    @served("GET HEAD", "/v2/metadefs/namespaces/{namespace}/{kind}")
    def items(self, call: Call, namespace: str, kind: str) -> Response:
        """All objects, properties or tags of a namespace."""
        _check_kind(kind)
        with self._desk.catalogue.read() as connection:
            self._seen(connection, call, namespace)
            found = self._items(connection, namespace, kind)
        if kind == "properties":
            return answer(200, {kind: {item["name"]: item for item in found}})
        return answer(200, {kind: found, "schema": f"/v2/schemas/metadefs/{kind}"})

    @served("POST", "/v2/metadefs/namespaces/{namespace}/{kind}")
    def item_created(self, call: Call, namespace: str, kind: str) -> Response:
        """One object or property more; or these tags instead of those there were."""
        call.require(*INSIDERS)
        _check_kind(kind)
        document = call.json()

        def work(connection: Connection) -> Any:
            self._seen(connection, call, namespace)
            if kind != "tags":
                return self._add(connection, namespace, kind, document)
            self._clear(connection, namespace, kind)
            return {
                kind: [self._add(connection, namespace, kind, tag) for tag in _items_said(document, kind)]
            }

        return answer(201, self._desk.catalogue.transaction(work))

    @served("DELETE", "/v2/metadefs/namespaces/{namespace}/{kind}")
    def items_deleted(self, call: Call, namespace: str, kind: str) -> Response:
        """None of a kind any more."""
        call.require(*INSIDERS)
        _check_kind(kind)

        def work(connection: Connection) -> None:
            self._seen(connection, call, namespace)
            self._clear(connection, namespace, kind)

        self._desk.catalogue.transaction(work)
        return empty(204)

    @served("POST", "/v2/metadefs/namespaces/{namespace}/tags/{name}")
    def tag_created(self, call: Call, namespace: str, name: str) -> Response:
        """One tag more."""
        call.require(*INSIDERS)

        def work(connection: Connection) -> dict[str, Any]:
            self._seen(connection, call, namespace)
            return self._add(connection, namespace, "tags", {"name": name})

        return answer(201, self._desk.catalogue.transaction(work))

    @served("GET HEAD", "/v2/metadefs/namespaces/{namespace}/{kind}/{name}")
    def item_shown(self, call: Call, namespace: str, kind: str, name: str) -> Response:
        """One of them."""
        _check_kind(kind)
        with self._desk.catalogue.read() as connection:
            self._seen(connection, call, namespace)
            return answer(200, self._item(connection, namespace, kind, name))

    @served("PUT", "/v2/metadefs/namespaces/{namespace}/{kind}/{name}")
    def item_replaced(self, call: Call, namespace: str, kind: str, name: str) -> Response:
        """What is said of one of them, its name included."""
        call.require(*INSIDERS)
        _check_kind(kind)
        document = call.json("name")

        def work(connection: Connection) -> dict[str, Any]:
            self._seen(connection, call, namespace)
            before = self._item(connection, namespace, kind, name)
            connection.execute(delete(metadef_items).where(*_at(namespace, kind, name)))
            return self._add(connection, namespace, kind, {**document, "created_at": before["created_at"]})

        return answer(200, self._desk.catalogue.transaction(work))

    @served("DELETE", "/v2/metadefs/namespaces/{namespace}/{kind}/{name}")
    def item_deleted(self, call: Call, namespace: str, kind: str, name: str) -> Response:
        """One less."""
        call.require(*INSIDERS)
        _check_kind(kind)

        def work(connection: Connection) -> None:
            self._seen(connection, call, namespace)
            self._item(connection, namespace, kind, name)
            connection.execute(delete(metadef_items).where(*_at(namespace, kind, name)))

        self._desk.catalogue.transaction(work)
        return empty(204)

    def _seen(self, connection: Connection, call: Call, namespace: str) -> Row[Any]:
        caller = Caller.of(call)
        found = select(metadef_namespaces).where(metadef_namespaces.c.namespace == namespace)
        row = connection.execute(found).one_or_none()
        if row is not None and (
            caller.is_admin or row.visibility == "public" or row.owner == caller.project_id
        ):
            return row
        raise NotFound(f"Metadata definition namespace {namespace!r} was not found.")

    def _whole(self, connection: Connection, namespace: str) -> dict[str, Any]:
        found = select(metadef_namespaces).where(metadef_namespaces.c.namespace == namespace)
        document = _namespace(connection.execute(found).one())
        for kind in KINDS:
            items = self._items(connection, namespace, kind)
            if items:
                document[kind] = {i["name"]: i for i in items} if kind == "properties" else items
        return document

    def _items(self, connection: Connection, namespace: str, kind: str) -> list[dict[str, Any]]:
        within = (metadef_items.c.namespace == namespace, metadef_items.c.kind == kind)
        found = select(metadef_items).where(*within).order_by(metadef_items.c.name)
        return [_item(row) for row in connection.execute(found)]

    def _item(self, connection: Connection, namespace: str, kind: str, name: str) -> dict[str, Any]:
        row = connection.execute(select(metadef_items).where(*_at(namespace, kind, name))).one_or_none()
        if row is None:
            raise NotFound(f"There is no {KINDS[kind]} {name!r} in the namespace {namespace!r}.")
        return _item(row)

    def _add(
        self, connection: Connection, namespace: str, kind: str, document: Mapping[str, Any]
    ) -> dict[str, Any]:
        name, now = _name(document.get("name")), zulu(self._desk.clock())
        kept = {**document, "name": name, "created_at": document.get("created_at", now), "updated_at": now}
        place = {"namespace": namespace, "kind": kind, "name": name}
        _insert(connection, metadef_items, {**place, "document": _text(kept)})
        return self._item(connection, namespace, kind, name)

    def _clear(self, connection: Connection, namespace: str, kind: str) -> None:
        within = (metadef_items.c.namespace == namespace, metadef_items.c.kind == kind)
        connection.execute(delete(metadef_items).where(*within))


def _without(associations: list[Any], name: str) -> list[Any]:
    return [each for each in associations if each.get("name") != name]


def _at(namespace: str, kind: str, name: str) -> tuple[Any, ...]:
    table = metadef_items.c
    return table.namespace == namespace, table.kind == kind, table.name == name


def _insert(connection: Connection, table: Any, values: Mapping[str, Any]) -> None:
    try:
        connection.execute(insert(table).values(**values))
    except IntegrityError as problem:
        raise Conflict("There is a definition of that name already.") from problem


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise NotFound("The resource could not be found.")


def _name(value: object) -> str:
    if (
        isinstance(value, str)
        and 0 < len(value) <= NAME_LENGTH_MAX
        and "\0" not in value
        and "/" not in value
    ):
        return value
    raise BadRequest(f"A definition's name has 1 to {NAME_LENGTH_MAX} characters, and no slash.")


def _text(document: Mapping[str, Any]) -> str:
    text = orjson.dumps(dict(document))
    if len(text) > DOCUMENT_BYTES_MAX:
        raise BadRequest(f"A definition has at most {DOCUMENT_BYTES_MAX} bytes.")
    return text.decode()


def _values(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a namespace's columns but for its name and owner."""
    visibility, protected = document.get("visibility", "private"), document.get("protected", False)
    if visibility not in ("public", "private") or not isinstance(protected, bool):
        raise BadRequest("A namespace is public or private, and protected is true or false.")
    said = {name: document[name] for name in _SAID if name in document}
    said[ASSOCIATIONS] = _items_said(document, ASSOCIATIONS)
    return {"visibility": visibility, "protected": protected, "document": _text(said)}


def _items_said(document: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    """Return the items of a kind that a document lists, or has by their names."""
    said = document.get(kind) or []
    if isinstance(said, dict):
        said = [{**item, "name": name} for name, item in said.items() if isinstance(item, dict)]
    if not isinstance(said, list) or not all(isinstance(item, dict) for item in said):
        raise BadRequest(f"{kind!r} must be a list of objects.")
    return said


def _namespace(row: Row[Any]) -> dict[str, Any]:
    return {
        **orjson.loads(row.document),
        "namespace": row.namespace,
        "visibility": row.visibility,
        "protected": bool(row.protected),
        "owner": row.owner,
        "created_at": zulu(row.created_at),
        "updated_at": zulu(row.updated_at),
        "self": f"/v2/metadefs/namespaces/{row.namespace}",
        "schema": "/v2/schemas/metadefs/namespace",
    }


def _item(row: Row[Any]) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(row.document)
    if row.kind == "objects":
        document["self"] = f"/v2/metadefs/namespaces/{row.namespace}/objects/{row.name}"
        document["schema"] = "/v2/schemas/metadefs/object"
    return document
