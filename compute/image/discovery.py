"""What clients ask about the service itself: versions, schemas, methods and stores, usage.

GET /        GET /versions        GET /v2/schemas/…        GET /v2/info/…        GET /v2/tasks
"""

from __future__ import annotations

from typing import Any

from webob import Response

from ..api.call import Call
from ..api.faults import BadRequest, NotFound
from ..api.reply import answer
from ..api.routing import served
from . import gallery, task_list
from .desk import Desk
from .importing import import_methods
from .schemas import schema_of
from .views import STORE, task_document

MINOR_NEWEST = 15
"""Glance's minor versions say which features there are; 15 is that of one with a choice of stores."""
MINOR_WITHOUT = frozenset((14,))
TASK_LIMIT = 25


class Discovery:
    """What is the same for everybody, and what was used by whom."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @served("GET HEAD", "/", open_to_all=True)
    def root(self, call: Call) -> Response:
        """The versions, as choices."""
        return answer(300, _versions(call))

    @served("GET HEAD", "/versions", open_to_all=True)
    def versions(self, call: Call) -> Response:
        """The versions."""
        return answer(200, _versions(call))

    @served("GET HEAD", "/v2/schemas/{name:path}")
    def schema(self, _call: Call, name: str) -> Response:
        """One schema."""
        found = schema_of(name)
        if found is None:
            raise NotFound(f"There is no schema {name!r}.")
        return answer(200, dict(found))

    @served("GET HEAD", "/v2/info/import")
    def methods(self, _call: Call) -> Response:
        """How images may be imported."""
        value = list(import_methods(web=self._desk.settings.web_download))
        described = {"description": "Import methods available.", "type": "array", "value": value}
        return answer(200, {"import-methods": described})

    @served("GET HEAD", "/v2/info/stores")
    def stores(self, _call: Call) -> Response:
        """Where images may be: there is one place."""
        return answer(200, {"stores": [{"id": STORE, "default": "true", "description": "The object store"}]})

    @served("GET HEAD", "/v2/info/stores/detail")
    def stores_in_detail(self, call: Call) -> Response:
        """The same, for operators."""
        call.require("admin", "service")
        store: dict[str, Any] = {"id": STORE, "type": "swift", "default": "true", "properties": {}}
        return answer(200, {"stores": [{**store, "description": "The object store"}]})

    @served("GET HEAD", "/v2/info/usage")
    def usage(self, call: Call) -> Response:
        """How much of its quotas the caller's project uses; a limit of -1 is none."""
        with self._desk.catalogue.read() as connection:
            count, size = gallery.usage(connection, call.project_id)
        settings = self._desk.settings
        used = {
            "image_count_total": {"usage": count, "limit": settings.project_image_count or -1},
            "image_size_total": {"usage": size >> 20, "limit": (settings.project_image_bytes >> 20) or -1},
        }
        return answer(200, {"usage": used})

    @served("GET HEAD", "/v2/tasks")
    def tasks(self, call: Call) -> Response:
        """All tasks, for admins."""
        call.require("admin")
        limit = call.query.get("limit", str(TASK_LIMIT))
        if not limit.isascii() or not limit.isdigit() or len(limit) > 9:
            raise BadRequest("limit param must be a number that is not negative")
        count = min(int(limit), task_list.LISTED_MAX)
        filters = {name: value for name, value in call.query.items() if name in ("type", "status")}
        with self._desk.catalogue.read() as connection:
            found = task_list.listed(
                connection, filters=filters, marker=call.query.get("marker"), limit=count + 1
            )
        document: dict[str, Any] = {
            "tasks": [task_document(task, in_full=False) for task in found[:count]],
            "first": "/v2/tasks",
            "schema": "/v2/schemas/tasks",
        }
        if len(found) > count > 0:
            document["next"] = f"/v2/tasks?limit={count}&marker={found[count - 1].id}"
        return answer(200, document)

    @served("POST", "/v2/tasks")
    def refused(self, call: Call) -> Response:
        """Glance's older way to import, which its newer one has replaced."""
        call.require("admin")
        raise BadRequest("Tasks are made by POST /v2/images/{id}/import, with the method web-download.")

    @served("GET HEAD", "/v2/tasks/{task_id}")
    def task(self, call: Call, task_id: str) -> Response:
        """One task, for admins."""
        call.require("admin")
        with self._desk.catalogue.read() as connection:
            task = task_list.show(connection, task_id)
        if task is None:
            raise NotFound(f"No task found with ID {task_id}")
        return answer(200, task_document(task))

    @served("GET HEAD", "/v2/cache")
    def cache(self, _call: Call) -> Response:
        """There is no cache of images to be managed."""
        raise NotFound("Caching via API is not supported at this site.")


def _versions(call: Call) -> dict[str, Any]:
    minors = [minor for minor in range(MINOR_NEWEST, -1, -1) if minor not in MINOR_WITHOUT]
    links = [{"rel": "self", "href": f"{call.base_url}/v2/"}]
    return {"versions": [{"id": f"v2.{minor}", "status": _state(minor), "links": links} for minor in minors]}


def _state(minor: int) -> str:
    return "CURRENT" if minor == MINOR_NEWEST else "SUPPORTED"
