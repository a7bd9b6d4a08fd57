"""Images as clients see and change them: everything but their data.

GET, POST /v2/images        GET, PATCH, DELETE /v2/images/{id}        tags, deactivate and reactivate
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from webob import Response

from ..api.call import Call
from ..api.faults import Forbidden, NotFound, OverLimit
from ..api.reply import answer, empty
from ..api.routing import served
from . import gallery
from .access import Caller
from .desk import Desk, require_owner
from .image import HAS_DATA, Image, Status
from .intake import Intake
from .listing_query import LIMIT_MAX, ListingQuery
from .patching import apply, parse
from .properties import WRITABLE, check_name, checked_id, checked_tag, checked_value
from .views import image_document

METHODS_HEADER = "OpenStack-image-import-methods"


class Images:
    """The collection and its members."""

    def __init__(self, desk: Desk, intake: Intake, import_methods: tuple[str, ...]) -> None:
        self._desk = desk
        self._intake = intake
        self._import_methods = import_methods

    @served("GET HEAD", "/v2/images")
    def listed(self, call: Call) -> Response:
        """A page of the images that the caller sees."""
        if call.request.path_info.endswith("/"):
            raise NotFound("No image found with ID ''")
        caller = Caller.of(call)
        query = ListingQuery.of(call.request.GET.items())
        with self._desk.catalogue.read() as connection:
            found = gallery.page(connection, caller, query)
        shown = found[: query.limit]
        parameters = {**call.query}
        parameters.pop("marker", None)
        first = "/v2/images" + (f"?{urlencode(parameters)}" if parameters else "")
        document: dict[str, Any] = {
            "images": [image_document(image) for image in shown],
            "first": first,
            "schema": "/v2/schemas/images",
        }
        if len(found) > len(shown) and shown:
            if "limit" in parameters:
                parameters["limit"] = str(min(query.limit, LIMIT_MAX))
            document["next"] = f"/v2/images?{urlencode({**parameters, 'marker': shown[-1].id})}"
        return answer(200, document)

    @served("POST", "/v2/images")
    def created(self, call: Call) -> Response:
        """A new image, without data."""
        caller = Caller.of(call)
        if not caller.may_write or not (caller.project_id or caller.is_admin):
            raise Forbidden("You are not authorized to complete add_image action.")
        image = self._new(caller, call.json())
        self._desk.check(caller, None, image)
        limit = self._desk.settings.project_image_count

        def work(connection: Any) -> None:
            if limit and gallery.usage(connection, image.owner)[0] >= limit:
                raise OverLimit(f"Project {image.owner} may have {limit} images, and has them.")
            gallery.add(connection, image)

        self._desk.catalogue.transaction(work)
        headers = {
            "Location": f"{call.base_url}/v2/images/{image.id}",
            METHODS_HEADER: ",".join(self._import_methods),
        }
        return answer(201, image_document(image), headers)

    def _new(self, caller: Caller, document: Mapping[str, Any]) -> Image:
        """Return the image that a document asks for."""
        known: dict[str, Any] = {}
        custom: dict[str, str] = {}
        for name, value in document.items():
            if name == "id":
                known[name] = checked_id(value)
                continue
            check_name(name)
            (known if name in WRITABLE else custom)[name] = checked_value(name, value)
        now = self._desk.clock()
        owned = {"id": str(uuid.uuid4()), "owner": caller.project_id, **known}
        return Image(**owned, properties=custom, created_at=now, updated_at=now)

    @served("DELETE", "/v2/images")
    def nameless(self, _call: Call) -> Response:
        """Nothing has no name."""
        raise NotFound("No image found with ID ''")

    @served("GET HEAD", "/v2/images/{image_id}")
    def shown(self, call: Call, image_id: str) -> Response:
        """One image."""
        _, image = self._desk.seen(call, image_id)
        return answer(200, image_document(image))

    @served("PATCH", "/v2/images/{image_id}")
    def patched(self, call: Call, image_id: str) -> Response:
        """One image, changed."""
        self._desk.owned(call, image_id)
        changes = parse(call.request.headers.get("Content-Type", ""), call.document())
        image = self._desk.changed(call, image_id, lambda _, before: apply(before, changes))
        return answer(200, image_document(image))

    @served("DELETE", "/v2/images/{image_id}")
    def deleted(self, call: Call, image_id: str) -> Response:
        """Gone for clients at once; its data goes now, or when whoever works on it notices."""
        caller = Caller.of(call)

        def work(connection: Any) -> Image:
            image = self._desk.visible(connection, caller, image_id)
            require_owner(caller, image)
            if image.protected:
                raise Forbidden(f"Image {image_id} is protected and cannot be deleted.")
            gallery.settle(connection, id=image_id, status=Status.DELETED, updated_at=self._desk.clock())
            return image

        image = self._desk.catalogue.transaction(work)
        if not image.is_busy:
            self._intake.remove(image)
        return empty(204)

    @served("PUT", "/v2/images/{image_id}/tags/{tag}")
    def tagged(self, call: Call, image_id: str, tag: str) -> Response:
        """One tag more."""
        name = checked_tag(tag)
        self._desk.changed(call, image_id, lambda _, image: image.changed(tags=image.tags | {name}))
        return empty(204)

    @served("DELETE", "/v2/images/{image_id}/tags/{tag}")
    def untagged(self, call: Call, image_id: str, tag: str) -> Response:
        """One tag less."""

        def edit(_: Caller, image: Image) -> Image:
            if tag not in image.tags:
                raise NotFound(f"Image {image_id} has no tag {tag!r}.")
            return image.changed(tags=image.tags - {tag})

        self._desk.changed(call, image_id, edit)
        return empty(204)

    @served("POST", "/v2/images/{image_id}/actions/{action}")
    def acted(self, call: Call, image_id: str, action: str) -> Response:
        """Data withheld from all but admins, or given again."""
        wanted = {"deactivate": Status.DEACTIVATED, "reactivate": Status.ACTIVE}.get(action)
        if wanted is None:
            raise NotFound(f"There is no action {action!r}.")

        def edit(_: Caller, image: Image) -> Image:
            if image.status not in HAS_DATA:
                raise Forbidden(f"Not allowed to {action} image in status '{image.status}'")
            return image.changed(status=wanted)

        self._desk.changed(call, image_id, edit)
        return empty(204)
