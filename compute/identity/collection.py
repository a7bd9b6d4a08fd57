"""Things of one kind: listed, shown, made, changed, removed.

    GET /v3/things?name=x ──▶ rows within reach, filtered ──▶ {"things": […], "links": {…}}
    POST, PATCH, DELETE   ──▶ policy ──▶ one transaction ──▶ the thing, or 204

A subclass says what is special about its kind: whose it is, who may, and what goes with it when it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Boolean, Connection, Select, select
from webob import Response

from ..api.call import Call
from ..api.faults import BadRequest, NotFound
from ..api.paging import Page
from ..api.reply import answer, empty
from ..api.routing import Routes
from . import policy
from .fields import Kind, shown, stored
from .world import Change, Record, World, new_id, record

_INEXACT: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda value, part: part in value,
    "startswith": lambda value, part: value.startswith(part),
    "endswith": lambda value, part: value.endswith(part),
    "equals": lambda value, part: value == part,
}
"""After two underscores, as in name__contains; with an i before it in whatever case."""


class Collection:
    """The operations that all kinds have."""

    kind: Kind

    def __init__(self, world: World) -> None:
        self.world = world

    def add_to(self, routes: Routes) -> None:
        """Serve the kind's paths."""
        one = f"/v3/{self.kind.plural}/{{thing_id}}"
        routes.get(f"/v3/{self.kind.plural}")(self.index)
        routes.post(f"/v3/{self.kind.plural}")(self.create)
        routes.get(one)(self.show)
        routes.patch(one)(self.update)
        routes.delete(one)(self.remove)

    def domain_of(self, row: Record) -> str | None:
        """Return the domain that a thing belongs to, None: to the installation."""
        del row
        return None

    def may_see(self, call: Call, row: Record) -> bool:
        """Whether the caller may see a thing."""
        return policy.sees(call.identity, self.domain_of(row))

    def within_reach(self, call: Call) -> Select[Any]:
        """Return the rows that the caller may see in a list.

        Raises:
            Forbidden: none.
        """
        reach = policy.reach_of(call.identity)
        rows = select(self.kind.table)
        if not reach.is_all:
            if "domain_id" not in self.kind.table.c:
                raise policy.forbidden()
            rows = rows.where(self.kind.table.c.domain_id == reach.domain_id)
        return rows

    def demand_change(self, call: Call, row: Record) -> None:
        """Refuse whom the thing is none of their business."""
        policy.demand(policy.administers(call.identity, self.domain_of(row)))

    def complete(self, call: Call, values: Record) -> None:
        """Set the columns of a new thing that the document leaves out and the caller's right depends on."""

    def prepare(self, change: Change, values: Record, before: Record | None) -> None:
        """Check and complete the columns of a thing that is made or changed; the caller may do that."""

    def received(self, call: Call, given: Record) -> Record:
        """Return the document that a client sent, with whatever takes long worked out."""
        del call
        return given

    def made(self, change: Change, row: Record, given: Record) -> None:
        """Do what follows from a new thing."""

    def changed(self, change: Change, before: Record, after: Record, given: Record) -> None:
        """Do what follows from a change."""

    def removing(self, change: Change, row: Record) -> None:
        """Remove what goes with a thing, or refuse."""

    def document(self, connection: Connection, row: Record, base: str) -> Record:
        """Return what is shown of a thing."""
        del connection
        return shown(self.kind, row, base)

    def index(self, call: Call) -> Response:
        """Answer a list."""
        wanted = filtered(self.within_reach(call), self.kind, call.query)
        with self.world.read() as connection:
            rows = [record(row) for row in connection.execute(wanted)]
            rows = self.selected(connection, call, rows)
            base = base_of(self.world, call)
            documents = [self.document(connection, row, base) for row in rows]
        return listing(self.world, call, self.kind.plural, inexact(documents, call.query))

    def selected(self, connection: Connection, call: Call, rows: list[Record]) -> list[Record]:
        """Return the rows that filters leave which are no columns."""
        del connection, call
        return rows

    def create(self, call: Call) -> Response:
        """Make one."""
        return self.create_from(call, call.member(self.kind.singular))

    def id_of_new(self, given: Record) -> str:
        """Return the id that a new thing gets."""
        del given
        return new_id()

    def create_from(self, call: Call, document: Record) -> Response:
        """Make what a document says."""
        given = self.received(call, document)

        def work(change: Change) -> Record:
            values = {"id": self.id_of_new(given), **stored(self.kind, given)}
            self.complete(call, values)
            self.demand_change(call, values)
            self.prepare(change, values, None)
            change.connection.execute(self.kind.table.insert().values(**values))
            row = found(change.connection, self.kind, values["id"])
            self.made(change, row, given)
            return self.document(change.connection, row, base_of(self.world, call))

        return answer(201, {self.kind.singular: self.world.change(work)})

    def show(self, call: Call, thing_id: str) -> Response:
        """Show one."""
        with self.world.read() as connection:
            row = self.visible(connection, call, thing_id)
            document = self.document(connection, row, base_of(self.world, call))
        return answer(200, {self.kind.singular: document})

    def visible(self, connection: Connection, call: Call, thing_id: str) -> Record:
        """Return a thing that the caller may see.

        Raises:
            NotFound: there is none, and the caller may know that.
            Forbidden: the caller may not see it, or may not know that there is none.
        """
        try:
            row = found(connection, self.kind, thing_id)
        except NotFound:
            policy.demand(policy.sees_all(call.identity))
            raise
        policy.demand(self.may_see(call, row))
        return row

    def changeable(self, connection: Connection, call: Call, thing_id: str) -> Record:
        """Return a thing that the caller may change; see `visible`."""
        try:
            row = found(connection, self.kind, thing_id)
        except NotFound:
            policy.demand(policy.sees_all(call.identity))
            raise
        self.demand_change(call, row)
        return row

    def update(self, call: Call, thing_id: str) -> Response:
        """Change one."""
        given = self.received(call, call.member(self.kind.singular))

        def work(change: Change) -> Record:
            before = self.changeable(change.connection, call, thing_id)
            values = stored(self.kind, given, before=before)
            self.demand_change(call, {**before, **values})
            self.prepare(change, values, before)
            after = {**before, **values}
            table = self.kind.table
            change.connection.execute(table.update().where(table.c.id == thing_id).values(**values))
            self.changed(change, before, after, given)
            return self.document(change.connection, after, base_of(self.world, call))

        return answer(200, {self.kind.singular: self.world.change(work)})

    def remove(self, call: Call, thing_id: str) -> Response:
        """Remove one."""

        def work(change: Change) -> None:
            row = self.changeable(change.connection, call, thing_id)
            self.removing(change, row)
            table = self.kind.table
            change.connection.execute(table.delete().where(table.c.id == thing_id))

        self.world.change(work)
        return empty(204)


def found(connection: Connection, kind: Kind, thing_id: str) -> Record:
    """Return the row of that id.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(select(kind.table).where(kind.table.c.id == thing_id)).first()
    if row is None:
        raise NotFound(f"Could not find {kind.singular}: {thing_id}.")
    return record(row)


def base_of(world: World, call: Call) -> str:
    """Return the service's URL with /v3, as links say it."""
    return f"{world.config.public_url.rstrip('/') or call.base_url}/v3"


def listing(world: World, call: Call, name: str, documents: Iterable[Any], **more: Any) -> Response:
    """Return a list's answer: everything, or the page of things with ids that the query asks for.

    Raises:
        BadRequest: the limit is no number, or the marker is not in the list.
    """
    base = base_of(world, call)
    path = call.request.path_qs.removeprefix("/v3")
    listed, following = list(documents), None
    if {"limit", "marker"} & set(call.query) and all("id" in document for document in listed):
        page = Page.of(call, maximum=max(1, len(listed)))
        listed, is_more = page.cut(listed, lambda document: str(document.get("id")))
        if is_more and listed:
            parameters = urlencode({**call.query, "marker": listed[-1]["id"]})
            following = f"{base}{call.request.path.removeprefix('/v3')}?{parameters}"
    links = {"self": f"{base}{path}", "previous": None, "next": following}
    return answer(200, {name: listed, "links": links, **more})


def filtered(rows: Select[Any], kind: Kind, query: Mapping[str, str]) -> Select[Any]:
    """Return the rows that have what the query names, as far as that are columns."""
    for name in kind.filters:
        if name in query and name in kind.table.c:
            column = kind.table.c[name]
            if isinstance(column.type, Boolean):
                rows = rows.where(column.is_(flag_in(query[name])))
            else:
                rows = rows.where(column == query[name])
    return rows.order_by(kind.table.c.id)


def flag_in(text: str) -> bool:
    """Read a filter's flag; whatever does not say no says yes, also where nothing follows the name."""
    return text.lower() not in ("false", "0", "no", "off")


def inexact(documents: list[Record], query: Mapping[str, str]) -> list[Record]:
    """Return the documents that fit filters such as name__icontains.

    Raises:
        BadRequest: for a comparison that is not known.
    """
    for name, part in query.items():
        field, mark, comparison = name.partition("__")
        if not mark:
            continue
        fold = comparison.startswith("i")
        compare = _INEXACT.get(comparison.removeprefix("i"))
        if compare is None:
            raise BadRequest(f"{name}: expected one of {', '.join(_INEXACT)} behind the underscores")
        text = part.lower() if fold else part
        documents = [
            each
            for each in documents
            if isinstance(each.get(field), str)
            and compare(each[field].lower() if fold else each[field], text)
        ]
    return documents
