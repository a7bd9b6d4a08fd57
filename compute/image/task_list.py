"""Tasks in the catalogue: work that goes on after its request, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Row, insert, select, update

from .image import ImageTask
from .tables import tasks

PROCESSING, SUCCESS, FAILURE = "processing", "success", "failure"
KEPT_SECONDS = 48 * 3600.0
"""How long a finished task is said to be remembered, as in Glance; the row stays with its image."""
LISTED_MAX = 1000


def add(connection: Connection, task: ImageTask) -> None:
    """Keep a new task."""
    values = {column.name: getattr(task, column.name) for column in tasks.columns}
    values |= {"input": _text(task.input), "result": _text(task.result)}
    connection.execute(insert(tasks).values(**values))


def show(connection: Connection, task_id: str) -> ImageTask | None:
    """Return a task."""
    row = connection.execute(select(tasks).where(tasks.c.id == task_id)).one_or_none()
    return None if row is None else _task(row)


def of_image(connection: Connection, image_id: str) -> list[ImageTask]:
    """Return an image's tasks, newest first."""
    found = select(tasks).where(tasks.c.image_id == image_id).order_by(tasks.c.created_at.desc())
    return [_task(row) for row in connection.execute(found)]


def listed(
    connection: Connection, *, filters: Mapping[str, str], marker: str | None, limit: int
) -> Sequence[ImageTask]:
    """Return tasks, newest first; `filters` are type and status."""
    found = select(tasks).order_by(tasks.c.created_at.desc(), tasks.c.id.desc()).limit(limit)
    for name, value in filters.items():
        found = found.where(tasks.c[name] == value)
    last = None if marker is None else show(connection, marker)
    if last is not None:
        later = (tasks.c.created_at == last.created_at) & (tasks.c.id < last.id)
        found = found.where((tasks.c.created_at < last.created_at) | later)
    return [_task(row) for row in connection.execute(found)]


def end(
    connection: Connection,
    task_id: str,
    now: float,
    *,
    status: str,
    message: str = "",
    result: Mapping[str, Any] | None = None,
) -> None:
    """Say what came of a task; what has ended stays as it is."""
    values = {"status": status, "message": message, "result": _text(result or {}), "updated_at": now}
    mine = (tasks.c.id == task_id, tasks.c.status == PROCESSING)
    connection.execute(update(tasks).where(*mine).values(**values, expires_at=now + KEPT_SECONDS))


def end_all_of(
    connection: Connection,
    image_id: str,
    now: float,
    *,
    status: str,
    message: str = "",
    result: Mapping[str, Any] | None = None,
) -> None:
    """End the tasks of an image with whose data all has been done, or nothing more will be."""
    for task in of_image(connection, image_id):
        end(connection, task.id, now, status=status, message=message, result=result)


def _text(document: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(document)).decode()


def _task(row: Row[Any]) -> ImageTask:
    values = dict(row._mapping)
    return ImageTask(**{**values, "input": orjson.loads(row.input), "result": orjson.loads(row.result)})
