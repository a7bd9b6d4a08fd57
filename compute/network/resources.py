"""What is the same for all kinds of resources: list, show, create (one or many), change, remove.

    request ──▶ Resources ──transaction──▶ Work, hooks of the kind ──▶ document ──▶ answer

A kind's own class says what a new one means, what may change, and what is in the way of a removal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from sqlalchemy import String
from sqlalchemy.exc import IntegrityError
from webob import Response

from ...common.errors import Refused
from ..api.call import Call
from ..api.faults import BadRequest, Conflict, Fault, Forbidden
from ..api.reply import answer, empty
from ..api.routing import Routes
from ..api.times import zulu
from ..catalogue import Catalogue
from .kinds import Kind
from .listing import Document, Page, Query, arranged, chosen, page, trimmed
from .settings import NetworkSettings
from .work import Row, Work

T = TypeVar("T")
BULK_MAX = 200
ATTEMPTS = 4


class Desk:
    """Where requests become work: the catalogue, and what all kinds share."""

    def __init__(self, catalogue: Catalogue, settings: NetworkSettings) -> None:
        self.catalogue = catalogue
        self.settings = settings

    def read(self, call: Call, act: Callable[[Work], T]) -> T:
        """Look at the catalogue as it is at one moment."""
        with self.catalogue.read() as connection:
            return _translated(lambda: act(Work(connection, call.identity, self.settings)))

    def write(self, call: Call, act: Callable[[Work], T]) -> T:
        """Change the catalogue, all or nothing; again, where somebody was faster to take an address."""
        identity = call.identity
        for attempt in range(ATTEMPTS):
            try:
                return self.catalogue.transaction(
                    lambda connection: _translated(lambda: act(Work(connection, identity, self.settings)))
                )
            except IntegrityError as problem:
                if attempt + 1 == ATTEMPTS:
                    raise Conflict("The address, MAC or name is somebody's already.", "Conflict") from problem
        raise AssertionError("every attempt returns or raises")


def _translated(act: Callable[[], T]) -> T:
    """Run it; say as a fault what the core refuses."""
    try:
        return act()
    except Refused as problem:
        kinds = {400: "HTTPBadRequest", 403: "PolicyNotAuthorized", 409: "Conflict"}
        raise Fault(problem.status, str(problem), kinds.get(problem.status, "")) from problem


class Resources:
    """One kind."""

    kind: Kind

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def add_to(self, routes: Routes) -> None:
        """Serve the collection and its members."""
        collection = f"/v2.0/{self.kind.path}"
        routes.add(("GET", "HEAD"), collection, self.index)
        routes.add(("POST",), collection, self.create)
        routes.add(("GET", "HEAD"), f"{collection}/{{resource_id}}", self.show)
        routes.add(("PUT",), f"{collection}/{{resource_id}}", self.update)
        routes.add(("DELETE",), f"{collection}/{{resource_id}}", self.delete)

    # What a kind says of itself.

    def created(self, work: Work, values: dict[str, Any], project_id: str) -> Row:
        """Write a new one; `values` are by attribute, checked one by one."""
        return work.add(self.kind, {"project_id": project_id, **self.kind.columns(values)})

    def updated(self, work: Work, row: Row, values: dict[str, Any]) -> Row:
        """Write what is different."""
        return work.change(self.kind.table, row, **self.kind.columns(values))

    def removed(self, work: Work, row: Row) -> None:
        """Remove it, or raise Conflict with what is in the way."""
        work.remove(self.kind, row["id"])

    def documents(self, work: Work, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Return what clients see, without what all kinds have in common."""
        raise NotImplementedError

    def condition(self, work: Work) -> Any:
        """Return which rows the caller may see."""
        return work.visible(self.kind)

    def found(self, work: Work, resource_id: str, *, to_change: bool = False) -> Row:
        """Return the row that the caller may see or change; raise NotFound."""
        return work.row(self.kind, resource_id, to_change=to_change)

    # The operations.

    def index(self, call: Call) -> Response:
        """GET the list."""
        query = query_of(call)
        documents = self.desk.read(call, lambda work: self.listed(work, query.filters))
        part = paged(documents, query)
        shown: dict[str, Any] = {self.kind.plural: [trimmed(each, query.fields) for each in part.documents]}
        links = [
            {"rel": rel, "href": _link(call, str(part.documents[place]["id"]), rel)}
            for rel, place, is_there in (("next", -1, part.has_next), ("previous", 0, part.has_previous))
            if is_there and part.documents and query.limit is not None
        ]
        if links:
            shown[f"{self.kind.plural}_links"] = links
        return answer(200, shown)

    def listed(self, work: Work, filters: Mapping[str, Sequence[str]]) -> list[Document]:
        """Return the documents that may match; the database filters where it can."""
        conditions = [self.condition(work)]
        names = {attribute.name: attribute.column for attribute in self.kind.attributes}
        for name, values in filters.items():
            column = {"tenant_id": "project_id"}.get(name) or names.get(name) or name
            is_text = column in self.kind.table.c and isinstance(self.kind.table.c[column].type, String)
            if is_text and all(values):
                conditions.append(self.kind.table.c[column].in_(values))
        return [*self.shown(work, work.rows(self.kind.table, *conditions))]

    def show(self, call: Call, resource_id: str) -> Response:
        """GET one."""
        fields = call.request.GET.getall("fields")

        def act(work: Work) -> Document:
            return self.shown(work, [self.found(work, resource_id)])[0]

        return answer(200, {self.kind.name: trimmed(self.desk.read(call, act), fields)})

    def create(self, call: Call) -> Response:
        """POST one, or a list of them: all or none."""
        body = call.json()
        if self.kind.plural in body:
            many = body[self.kind.plural]
            if not isinstance(many, list) or not many or len(many) > BULK_MAX:
                raise BadRequest(f"{self.kind.plural} must be a list of 1 to {BULK_MAX}.")
            made = self.desk.write(call, lambda work: [self.made(work, each) for each in many])
            return answer(201, {self.kind.plural: made})
        if self.kind.name not in body:
            raise BadRequest(f"The body lacks {self.kind.name!r}.", "HTTPBadRequest")
        one = body[self.kind.name]
        return answer(201, {self.kind.name: self.desk.write(call, lambda work: self.made(work, one))})

    def made(self, work: Work, body: Any) -> Document:
        """Make one of what a client says; return its document."""
        if not isinstance(body, dict):
            raise BadRequest(f"{self.kind.name!r} must be a JSON object.")
        project_id = body.get("project_id") or body.get("tenant_id") or work.project_id
        if not isinstance(project_id, str) or (project_id != work.project_id and not work.is_admin):
            raise Forbidden(
                "Only an administrator may make things for other projects.", "PolicyNotAuthorized"
            )
        values = self.kind.created(body, is_admin=work.is_admin)
        work.reserve(self.kind, project_id)
        return self.shown(work, [self.created(work, values, project_id)])[0]

    def update(self, call: Call, resource_id: str) -> Response:
        """PUT: change some members."""
        body = call.member(self.kind.name)

        def act(work: Work) -> Document:
            row = self.found(work, resource_id, to_change=True)
            _check_revision(call, row)
            values = self.kind.changed(body, is_admin=work.is_admin)
            return self.shown(work, [self.updated(work, row, values)])[0]

        return answer(200, {self.kind.name: self.desk.write(call, act)})

    def delete(self, call: Call, resource_id: str) -> Response:
        """DELETE one."""

        def act(work: Work) -> None:
            row = self.found(work, resource_id, to_change=True)
            _check_revision(call, row)
            self.removed(work, row)

        self.desk.write(call, act)
        return empty(204)

    def shown(self, work: Work, rows: Sequence[Row]) -> list[Document]:
        """Return whole documents of rows."""
        tags = work.tags_of([row["id"] for row in rows])
        return [
            {**document, **common(row), "tags": tags.get(row["id"], [])}
            for row, document in zip(rows, self.documents(work, rows), strict=True)
        ]


def common(row: Row) -> dict[str, Any]:
    """Return the members that all documents have."""
    return {
        "id": row["id"],
        "project_id": row["project_id"],
        "tenant_id": row["project_id"],
        "description": row["description"],
        "revision_number": row["revision_number"],
        "created_at": zulu(row["created_at"]),
        "updated_at": zulu(row["updated_at"]),
    }


def picked(row: Row, *names: str) -> dict[str, Any]:
    """Return these columns as members."""
    return {name: row[name] for name in names}


def by(rows: Iterable[Row], name: str) -> dict[str, list[Row]]:
    """Return rows by a column."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[name], []).append(row)
    return found


def _read(act: Callable[[], T]) -> T:
    try:
        return act()
    except Refused as problem:
        raise BadRequest(str(problem), "HTTPBadRequest") from problem


def query_of(call: Call) -> Query:
    """Return the query of a list; raise BadRequest where it is wrong."""
    return _read(lambda: Query.of(call.request.GET.items()))


def paged(documents: Iterable[Document], query: Query) -> Page:
    """Return the page that a query asks for; raise BadRequest where it can't be had."""
    return _read(lambda: page(arranged(chosen(documents, query.filters), query.sort), query))


def _link(call: Call, marker: str, rel: str) -> str:
    """Return the URL of the next page, or the previous."""
    kept = [
        (name, value) for name, value in call.request.GET.items() if name not in ("marker", "page_reverse")
    ]
    reverse = [("page_reverse", "True")] if rel == "previous" else []
    return f"{call.request.path_url}?{urlencode([*kept, ('marker', marker), *reverse])}"


def _check_revision(call: Call, row: Row) -> None:
    """Refuse a change of what is not as the client last saw it (If-Match: revision_number=N)."""
    said = call.request.headers.get("If-Match")
    if said is None:
        return
    name, _, number = said.partition("=")
    if name != "revision_number" or not number.isdigit():
        raise BadRequest(f"Invalid If-Match header: {said}. It must be revision_number=N.")
    if int(number) != row["revision_number"]:
        raise Fault(
            412,
            f"Constrained to {number}, but current revision is {row['revision_number']}",
            "RevisionNumberConstraintFailed",
        )
