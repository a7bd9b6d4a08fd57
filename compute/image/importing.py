"""Interoperable import: what was staged, or what the web or another region has, made an image by a task.

POST /v2/images/{id}/import {"method": {"name": "web-download", …}} ──▶ 202, a task, work in a green thread

The task's end says what came of it; the image is active, or back where it can be tried again.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from webob import Response

from ...common.errors import ApusError, Refused
from ..api.call import Call
from ..api.faults import BadRequest, Conflict
from ..api.reply import answer, empty
from ..api.routing import served
from . import gallery, task_list
from .desk import Desk
from .image import HAS_DATA, Image, ImageTask
from .intake import Intake, told_of_import
from .other_regions import OtherRegions, Wanted, copied
from .views import STORE, task_document
from .web_fetch import Resolve, fetch, resolve
from .web_guard import target_of

log = logging.getLogger(__name__)

UNFORESEEN = "The import failed; the service's log says why."
DIRECT, WEB, COPY, REGION = "glance-direct", "web-download", "copy-image", "glance-download"
Spawn = Callable[[Callable[[], None]], object]


def import_methods(*, web: bool) -> tuple[str, ...]:
    """Return the methods that are offered."""
    return (DIRECT, WEB, COPY, REGION) if web else (DIRECT, COPY, REGION)


class Importing:
    """Imports and their tasks."""

    def __init__(self, desk: Desk, intake: Intake, *, spawn: Spawn, resolve: Resolve = resolve) -> None:
        self._desk = desk
        self._intake = intake
        self._spawn = spawn
        self._resolve = resolve
        self._rules = desk.settings.web_rules()
        self._methods = import_methods(web=desk.settings.web_download)
        self._regions = OtherRegions(
            desk.settings.identity_url, timeout_seconds=desk.settings.web_download_timeout_seconds
        )

    @served("POST", "/v2/images/{image_id}/import")
    def begun(self, call: Call, image_id: str) -> Response:
        """An import, accepted."""
        document = call.json("method")
        method = document["method"]
        if not isinstance(method, dict) or method.get("name") not in self._methods:
            raise BadRequest(f"The import method is one of {', '.join(self._methods)}.")
        _check_stores(document)
        _, image = self._desk.owned(call, image_id)
        name = method["name"]
        if name == COPY:
            return self._copied(call, image, document)
        if name == WEB:
            uri = self._checked_uri(method)
            claimed = self._intake.claim_import(image_id, staged=False)
            work = lambda: self._fetched(claimed, uri)  # noqa: E731 - a def in a branch reads worse
        elif name == REGION:
            wanted = _wanted(call, method)
            claimed = self._intake.claim_import(image_id, staged=False)
            work = lambda: self._brought_over(claimed, wanted)  # noqa: E731
        else:
            claimed = self._intake.claim_import(image_id, staged=True)
            work = lambda: self._intake.finish_staged(claimed)  # noqa: E731
        task = self._task(call, claimed, document)
        self._spawn(lambda: self._run(task, claimed, work))
        return empty(202)

    def _checked_uri(self, method: Mapping[str, Any]) -> str:
        uri = method.get("uri")
        if not isinstance(uri, str):
            raise BadRequest("The method web-download needs a 'uri'.")
        try:
            target_of(uri, self._rules)
        except Refused as problem:
            raise BadRequest(f"URI for web-download does not pass filtering: {problem}") from problem
        return uri

    def _copied(self, call: Call, image: Image, document: Mapping[str, Any]) -> Response:
        """There is one store, which has the image: the task is done as it begins."""
        if image.status not in HAS_DATA:
            raise Conflict("Only images with status active can be targeted for copying")
        task = self._task(call, image, document)

        def work(connection: Any) -> Image:
            before = gallery.show(connection, image.id) or image
            after = told_of_import(before)
            gallery.replace(connection, before, after)
            return after

        self._desk.note(self._desk.catalogue.transaction(work))
        self._end(task, status=task_list.SUCCESS, result={"image_id": image.id})
        return empty(202)

    def _fetched(self, image: Image, uri: str) -> Image:
        settings = self._desk.settings
        try:
            with fetch(
                uri,
                self._rules,
                timeout_seconds=settings.web_download_timeout_seconds,
                resolve=self._resolve,
            ) as found:
                return self._intake.finish_fetched(image, found.pieces, found.length)
        except ApusError:
            self._intake.give_up_import(image)
            raise

    def _brought_over(self, image: Image, wanted: Wanted) -> Image:
        try:
            with self._regions.opened(wanted) as (document, found):
                facts, properties = copied(document)
                return self._intake.finish_fetched(
                    image,
                    found.pieces,
                    found.length,
                    **facts,
                    properties={**image.properties, **properties},
                )
        except ApusError:
            self._intake.give_up_import(image)
            raise

    def _task(self, call: Call, image: Image, document: Mapping[str, Any]) -> ImageTask:
        now = self._desk.clock()
        task = ImageTask(
            id=str(uuid.uuid4()),
            type="api_image_import",
            status=task_list.PROCESSING,
            owner=image.owner,
            image_id=image.id,
            user_id=call.identity.user_id,
            request_id=call.request_id,
            input={"image_id": image.id, "import_req": dict(document), "backend": [STORE]},
            created_at=now,
            updated_at=now,
        )
        self._desk.catalogue.transaction(lambda connection: task_list.add(connection, task))
        return task

    def _run(self, task: ImageTask, image: Image, work: Callable[[], object]) -> None:
        try:
            work()
        except ApusError as problem:
            log.info("import failed", extra={"image": image.id, "why": str(problem)})
            self._end(task, status=task_list.FAILURE, message=str(problem))
            return
        except Exception:
            self._end(task, status=task_list.FAILURE, message=UNFORESEEN)
            raise

    def _end(self, task: ImageTask, **values: Any) -> None:
        now = self._desk.clock()
        self._desk.catalogue.transaction(lambda connection: task_list.end(connection, task.id, now, **values))

    @served("GET HEAD", "/v2/images/{image_id}/tasks")
    def tasks(self, call: Call, image_id: str) -> Response:
        """An image's tasks, for those who may change it."""
        self._desk.owned(call, image_id)
        with self._desk.catalogue.read() as connection:
            found = task_list.of_image(connection, image_id)
        return answer(200, {"tasks": [task_document(task) for task in found]})


def _wanted(call: Call, method: Mapping[str, Any]) -> Wanted:
    """Read which image of which region is to be brought here."""
    image_id, region = method.get("glance_image_id"), method.get("glance_region")
    interface = method.get("glance_service_interface") or "public"
    if not isinstance(region, str) or not isinstance(interface, str):
        raise BadRequest("The method glance-download needs a 'glance_region'.")
    try:
        image_id = str(uuid.UUID(str(image_id)))
    except ValueError as problem:
        raise BadRequest("The remote glance image id does not look like a UUID.") from problem
    return Wanted(image_id, region, interface, call.token)


def _check_stores(document: Mapping[str, Any]) -> None:
    """There is one store; whoever asks for another asks in vain."""
    stores = document.get("stores") or []
    if not isinstance(stores, list) or set(map(str, stores)) - {STORE}:
        raise BadRequest(f"There is one store, and its name is {STORE}.")
    if document.get("all_stores") and stores:
        raise BadRequest("'stores' and 'all_stores' exclude each other.")
    if document.get("all_stores") not in (None, True, False):
        raise BadRequest("'all_stores' is true or false.")
