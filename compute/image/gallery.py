"""The catalogue of images: rows in, values out.

    gallery.show(connection, id) ──▶ Image        gallery.page(connection, caller, query) ──▶ [Image, …]

Each function works in a transaction that its caller holds; what may be seen is decided by SQL here, for
lists, as `access.may_see` decides it for one image (a test holds them against each other).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Table,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from ..api.faults import BadRequest, Conflict
from .access import Caller
from .image import Image, Member, MemberStatus, Status, Visibility
from .listing_query import ListingQuery
from .tables import images, members, properties, tags

_COLUMNS = [column.name for column in images.columns]


def show(connection: Connection, image_id: str) -> Image | None:
    """Return an image, whoever asks; deleted ones, too."""
    rows = connection.execute(select(images).where(images.c.id == image_id)).all()
    return _whole(connection, rows)[0] if rows else None


def add(connection: Connection, image: Image) -> None:
    """Keep a new image.

    Raises:
        Conflict: there is one of that id, or has been.
    """
    try:
        connection.execute(insert(images).values(**_values(image)))
    except IntegrityError as problem:
        raise Conflict(f"Image ID {image.id} already exists!") from problem
    _add_beside(connection, image)


def replace(connection: Connection, before: Image, image: Image) -> None:
    """Keep an image's new values; `before` is what was read in this transaction."""
    connection.execute(update(images).where(images.c.id == image.id).values(**_values(image)))
    if image.properties != before.properties:
        connection.execute(delete(properties).where(properties.c.image_id == image.id))
    if image.tags != before.tags:
        connection.execute(delete(tags).where(tags.c.image_id == image.id))
    _add_beside(
        connection,
        image.changed(
            properties={} if image.properties == before.properties else image.properties,
            tags=frozenset() if image.tags == before.tags else image.tags,
        ),
    )


def forget(connection: Connection, image_id: str) -> None:
    """Remove an image's row and all that stands beside it."""
    for table in (properties, tags, members):
        connection.execute(delete(table).where(table.c.image_id == image_id))
    connection.execute(delete(images).where(images.c.id == image_id))


def settle(connection: Connection, **values: Any) -> None:
    """Change some columns of one image and nothing beside it."""
    image_id = values.pop("id")
    plain = {name: _plain(value) for name, value in values.items()}
    connection.execute(update(images).where(images.c.id == image_id).values(**plain))


def lapsed(connection: Connection, now: float) -> list[Image]:
    """Return images whose worker is taken for dead, and deleted ones that still have a row."""
    begun = images.c.status.in_((Status.SAVING.value, Status.IMPORTING.value, Status.DELETED.value))
    half_staged = and_(images.c.status == Status.UPLOADING.value, images.c.staged.is_(False))
    found = select(images).where(or_(begun, half_staged), images.c.lease_until < now)
    return _whole(connection, connection.execute(found).all())


def usage(connection: Connection, project_id: str) -> tuple[int, int]:
    """Return how many images a project has, and their bytes."""
    counted = select(func.count(), func.coalesce(func.sum(images.c.size), 0)).where(
        images.c.owner == project_id, images.c.status != Status.DELETED.value
    )
    count, size = connection.execute(counted).one()
    return int(count), int(size)


def all_of(connection: Connection) -> list[Image]:
    """Return every image that is not deleted."""
    return _whole(
        connection, connection.execute(select(images).where(images.c.status != Status.DELETED.value)).all()
    )


def page(connection: Connection, caller: Caller, query: ListingQuery) -> list[Image]:
    """Return the images of a list that a caller may see, one more than asked for where more follow.

    Raises:
        BadRequest: the marker is no image that the caller sees.
    """
    statement = select(images).where(images.c.status != Status.DELETED.value, *_filters(caller, query))
    if query.marker is not None:
        statement = statement.where(_after(connection, caller, query))
    for key, direction in query.sort:
        column = images.c[key]
        nulls = column.is_(None)  # Databases disagree where nothing goes: here it is less than anything.
        statement = statement.order_by(
            *((nulls.desc(), column.asc()) if direction == "asc" else (nulls.asc(), column.desc()))
        )
    return _whole(connection, connection.execute(statement.limit(query.limit + 1)).all())


def _after(connection: Connection, caller: Caller, query: ListingQuery) -> ColumnElement[bool]:
    marker = connection.execute(
        select(images).where(images.c.id == query.marker, images.c.status != Status.DELETED.value)
    ).one_or_none()
    visible = select(images.c.id).where(images.c.id == query.marker, _visible(caller, query, everything=True))
    if marker is None or connection.execute(visible).one_or_none() is None:
        raise BadRequest(f"Marker {query.marker} could not be found.")
    alternatives: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for key, direction in query.sort:
        column: Any = images.c[key]
        value = marker._mapping[key]
        if isinstance(value, bool):  # SQLAlchemy compares truths with `=` only.
            column, value = cast(column, Integer), int(value)
        alternatives.append(and_(*equal, _beyond(column, value, is_ascending=direction == "asc")))
        equal.append(column.is_(None) if value is None else column == value)
    return or_(*alternatives)


def _beyond(column: Any, value: Any, *, is_ascending: bool) -> Any:
    """What comes later in an order in which nothing is less than anything."""
    if is_ascending:
        return column.is_not(None) if value is None else column > value
    if value is None:
        return images.c.id != images.c.id  # Nothing is less than nothing.
    return or_(column < value, column.is_(None))


def _filters(caller: Caller, query: ListingQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_visible(caller, query), images.c.os_hidden == query.os_hidden]
    for name, values in query.choices.items():
        if name == "os_hash_algo":
            found.append(images.c.os_hash_value.is_not(None) if "sha512" in values else images.c.id == "")
        else:
            found.append(images.c[name].in_(values))
    for name, number in query.numbers.items():
        if name in ("size_min", "size_max"):
            found.append(images.c.size >= number if name == "size_min" else images.c.size <= number)
        else:
            found.append(images.c[name] == number)
    if query.protected is not None:
        found.append(images.c.protected == query.protected)
    if query.visibility is not None:
        found.append(images.c.visibility == query.visibility.value)
    for name, operator, seconds in query.times:
        found.append(_at(images.c[name], operator, seconds))
    for tag in query.tags:
        found.append(exists().where(tags.c.image_id == images.c.id, tags.c.tag == tag))
    for name, value in query.properties.items():
        found.append(
            exists().where(
                properties.c.image_id == images.c.id, properties.c.name == name, properties.c.value == value
            )
        )
    return found


def _at(column: Any, operator: str, seconds: float) -> Any:
    """Compare whole seconds: that is what clients have been shown."""
    if operator == "eq":
        return and_(column >= seconds, column < seconds + 1)
    if operator == "neq":
        return or_(column < seconds, column >= seconds + 1)
    if operator in ("gt", "lte"):
        return column >= seconds + 1 if operator == "gt" else column < seconds + 1
    return column >= seconds if operator == "gte" else column < seconds


def _visible(caller: Caller, query: ListingQuery, *, everything: bool = False) -> ColumnElement[bool]:
    """What the caller sees; of others' community images and unanswered shares only what was asked for."""
    if caller.is_admin:
        return images.c.id != ""
    own = images.c.owner == caller.project_id
    shared = [members.c.image_id == images.c.id, members.c.member_id == caller.project_id]
    if query.member_status is not None and not everything:
        shared.append(members.c.status == query.member_status.value)
    ways = [
        own,
        images.c.visibility == Visibility.PUBLIC.value,
        and_(images.c.visibility == Visibility.SHARED.value, exists().where(*shared)),
    ]
    if query.with_community or everything:
        ways.append(images.c.visibility == Visibility.COMMUNITY.value)
    return or_(*ways)


def membership(connection: Connection, image_id: str, project_id: str) -> MemberStatus | None:
    """Return what a project says to an image that is shared with it, None where it is not."""
    found = connection.execute(
        select(members.c.status).where(members.c.image_id == image_id, members.c.member_id == project_id)
    ).scalar_one_or_none()
    return None if found is None else MemberStatus(found)


def members_of(connection: Connection, image_id: str) -> list[Member]:
    """Return all whom an image is shared with, in order."""
    rows = connection.execute(
        select(members)
        .where(members.c.image_id == image_id)
        .order_by(members.c.created_at, members.c.member_id)
    )
    return [_member(row) for row in rows]


def add_member(connection: Connection, member: Member) -> None:
    """Share an image.

    Raises:
        Conflict: it is shared with that project already.
    """
    try:
        connection.execute(insert(members).values(**_member_values(member)))
    except IntegrityError as problem:
        raise Conflict(f"Member {member.member_id} is duplicated for image {member.image_id}") from problem


def replace_member(connection: Connection, member: Member) -> None:
    """Keep what a member says."""
    mine = (members.c.image_id == member.image_id, members.c.member_id == member.member_id)
    connection.execute(update(members).where(*mine).values(**_member_values(member)))


def remove_member(connection: Connection, image_id: str, member_id: str) -> bool:
    """Share an image no longer; False when it was not shared."""
    mine = (members.c.image_id == image_id, members.c.member_id == member_id)
    return bool(connection.execute(delete(members).where(*mine)).rowcount)


def _values(image: Image) -> dict[str, Any]:
    return {name: _plain(getattr(image, name)) for name in _COLUMNS}


def _plain(value: Any) -> Any:
    """Return what every driver takes: not all of them know enumerations."""
    return value.value if isinstance(value, StrEnum) else value


def _member_values(member: Member) -> dict[str, Any]:
    return {column.name: _plain(getattr(member, column.name)) for column in members.columns}


def _member(row: Row[Any]) -> Member:
    values = dict(row._mapping)
    return Member(**{**values, "status": MemberStatus(values["status"])})


def _add_beside(connection: Connection, image: Image) -> None:
    if image.properties:
        rows = [{"image_id": image.id, "name": n, "value": v} for n, v in image.properties.items()]
        connection.execute(insert(properties), rows)
    if image.tags:
        connection.execute(insert(tags), [{"image_id": image.id, "tag": tag} for tag in sorted(image.tags)])


def _whole(connection: Connection, rows: Sequence[Row[Any]]) -> list[Image]:
    """Join the rows with what stands beside them, in two statements however many there are."""
    ids = [row._mapping["id"] for row in rows]
    custom: dict[str, dict[str, str]] = defaultdict(dict)
    tagged: dict[str, set[str]] = defaultdict(set)
    for image_id, name, value in _beside(connection, properties, ids):
        custom[image_id][name] = value
    for image_id, tag in _beside(connection, tags, ids):
        tagged[image_id].add(tag)
    return [_image(row, custom[at], frozenset(tagged[at])) for at, row in zip(ids, rows, strict=True)]


def _beside(connection: Connection, table: Table, ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for at in range(0, len(ids), 500):  # SQLite takes so many parameters and not many more.
        found = connection.execute(select(table).where(table.c.image_id.in_(ids[at : at + 500])))
        yield from (tuple(row) for row in found)


def _image(row: Row[Any], custom: dict[str, str], tagged: frozenset[str]) -> Image:
    values = dict(row._mapping)
    values["status"] = Status(values["status"])
    values["visibility"] = Visibility(values["visibility"])
    return Image(**values, properties=custom, tags=tagged)
