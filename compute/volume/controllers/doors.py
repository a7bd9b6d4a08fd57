"""How paths of this API come to their handlers: with the project in the path, or (3.67) without.

    @at("GET HEAD", "/volumes/{volume_id}") ──▶ /v3/{project_id}/volumes/{volume_id}
                                                   and /v3/volumes/{volume_id}

What changes something needs the role member (or admin, or another service's); a reader may look.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Table
from webob import Response

from ...api.call import Call
from ...api.faults import BadRequest, Fault, Forbidden, NotFound, OverLimit
from ...api.paging import next_link
from ...api.reply import answer
from ...api.routing import Routes
from .. import rows
from ..reading import yes_or_no
from ..views.viewer import Row

H = TypeVar("H", bound=Callable[..., Response])
WRITERS = ("member", "admin", "service", "manager")
OPERATORS = frozenset(("admin", "service"))


def at(methods: str, *templates: str) -> Callable[[H], H]:
    """Mark a controller's method as serving these paths below /v3."""

    def mark(handler: H) -> H:
        marks = [(tuple(methods.split()), template) for template in templates]
        handler.opens = [*getattr(handler, "opens", ()), *marks]  # type: ignore[attr-defined]
        return handler

    return mark


def mount(controller: object, routes: Routes) -> None:
    """Add all marked methods of a controller, each under both forms of its path."""
    for name in dir(type(controller)):
        for methods, template in getattr(getattr(type(controller), name), "opens", ()):
            door = _door(getattr(controller, name), writes="GET" not in methods)
            routes.add(methods, "/v3/{project_id}" + template, door)
            routes.add(methods, "/v3" + template, door)


def _door(handler: Callable[..., Response], *, writes: bool) -> Callable[..., Response]:
    def opened(call: Call, project_id: str | None = None, **parts: str) -> Response:
        if project_id is None:
            since(call, 67)
        elif project_id != call.identity.project_id and not OPERATORS & set(call.identity.roles):
            raise BadRequest("Malformed request url: the project in it is not the token's.")
        if not call.identity.project_id:
            raise Forbidden("The token is for no project. Ask for one that is scoped to a project.")
        if writes:
            call.require(*WRITERS)
        return handler(call, **parts)

    return opened


def since(call: Call, minor: int) -> None:
    """Refuse, as something that is not there, what came with version 3.minor to clients of an older one."""
    if call.version is None or call.version < (3, minor):
        raise NotFound("The resource could not be found.")


def has(call: Call, minor: int) -> bool:
    """Whether the client's version is at least 3.minor."""
    return call.version is not None and call.version >= (3, minor)


def operator(call: Call) -> bool:
    """Whether the caller sees all projects: an administrator, or another service of the cloud."""
    return bool(OPERATORS & set(call.identity.roles))


def found(
    connection: Connection, call: Call, table: Table, row_id: str, *, what: str, lock: bool = False
) -> Row:
    """Return a row that the caller may know of.

    Raises:
        NotFound: there is none, or it is another project's, which is told in the same words.
    """
    row = rows.one(connection, table, row_id, lock=lock)
    if row is None or (row["project_id"] != call.identity.project_id and not operator(call)):
        raise NotFound(f"{what} {row_id} could not be found.")
    return row


def wants_count(call: Call) -> bool:
    """Whether the caller asks how many there are on all pages together (since 3.45)."""
    return has(call, 45) and yes_or_no(call.query, "with_count")


def listing(
    call: Call,
    name: str,
    documents: list[dict[str, Any]],
    page: rows.Found,
    *,
    links: str = "",
    count: int | None = None,
) -> Response:
    """Return one page of a list and the way to the next; `links` is that member's name where it is odd."""
    document: dict[str, Any] = {name: documents}
    if page.more and page.rows:
        document[links or f"{name}_links"] = [{"rel": "next", "href": next_link(call, page.rows[-1]["id"])}]
    if count is not None:
        document["count"] = count
    return answer(200, document)


def refuse(sentence: str | None) -> None:
    """Raise what a pure rule said against it, if it said anything."""
    if sentence is not None:
        raise BadRequest(sentence)


def over_quota(sentence: str) -> Fault:
    """A quota would be exceeded: 413, as Cinder's clients know it."""
    return OverLimit(sentence, headers={"Retry-After": "0"})


def only_member(document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the one action that the body names, and what it says of it.

    Raises:
        BadRequest: it names none, or several.
    """
    if len(document) != 1:
        raise BadRequest("There is no such action: the body must name exactly one.")
    name, facts = next(iter(document.items()))
    if facts is None or facts == "":
        facts = {}
    if not isinstance(facts, dict):
        raise BadRequest(f"{name!r} must be a JSON object.")
    return name, facts
