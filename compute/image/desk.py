"""Where all requests for images meet: who asks, which image, may they, and the change.

    Call, image id ──▶ seen() ──▶ Caller, Image            404 for what the caller may not see
    Call, image id, edit ──▶ changed() ──▶ Image           403 for what they see and may not change

A change is read, judged and written in one transaction, and noted beside the image's data afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ...common.errors import ApusError
from ..api.call import Call
from ..api.faults import Forbidden, NotFound, OverLimit
from ..catalogue import Catalogue
from . import gallery
from .access import INSIDERS, Caller, may_change, may_publish, may_see
from .image import HAS_DATA, Image
from .settings import ImageSettings
from .shelf import Shelf

log = logging.getLogger(__name__)

Edit = Callable[[Caller, Image], Image]


class Desk:
    """What the controllers share."""

    def __init__(
        self, catalogue: Catalogue, shelf: Shelf, settings: ImageSettings, clock: Callable[[], float]
    ) -> None:
        self.catalogue = catalogue
        self.shelf = shelf
        self.settings = settings
        self.clock = clock

    def seen(self, call: Call, image_id: str) -> tuple[Caller, Image]:
        """Return who asks and the image that they name.

        Raises:
            NotFound: there is none that they may see.
        """
        caller = Caller.of(call)
        with self.catalogue.read() as connection:
            return caller, self.visible(connection, caller, image_id)

    def visible(self, connection: Any, caller: Caller, image_id: str) -> Image:
        """Return an image within a transaction; raises NotFound where the caller may not see it."""
        image = gallery.show(connection, image_id)
        if image is not None:
            membership = gallery.membership(connection, image_id, caller.project_id)
            if may_see(caller, image, membership):
                return image
        raise NotFound(f"No image found with ID {image_id}")

    def owned(self, call: Call, image_id: str) -> tuple[Caller, Image]:
        """Return who asks and the image, which they may change.

        Raises:
            Forbidden: they only see it.
        """
        caller, image = self.seen(call, image_id)
        require_owner(caller, image)
        return caller, image

    def told(self, call: Call, image_id: str) -> Image:
        """Return an image to another of the cloud's services, whosever it is.

        Raises:
            Forbidden: who asks is none.
        """
        call.require(*INSIDERS)
        _, image = self.seen(call, image_id)
        return image

    def changed(self, call: Call, image_id: str, edit: Edit) -> Image:
        """Change what is said of an image and return it as it is now."""
        caller = Caller.of(call)

        def work(connection: Any) -> Image:
            before = self.visible(connection, caller, image_id)
            require_owner(caller, before)
            after = edit(caller, before)
            if after == before:
                return before
            self.check(caller, before, after)
            after = after.changed(updated_at=self.clock())
            gallery.replace(connection, before, after)
            return after

        image = self.catalogue.transaction(work)
        self.note(image)
        return image

    def check(self, caller: Caller, before: Image | None, after: Image) -> None:
        """Refuse what a caller may not say of an image, and too much of it."""
        if (before is None or before.visibility != after.visibility) and not may_publish(
            caller, after.visibility
        ):
            raise Forbidden("You are not authorized to complete publicize_image action.")
        if after.owner != (before.owner if before else caller.project_id) and not caller.is_admin:
            raise Forbidden("You are not permitted to set the owner of an image.")
        had = (len(before.properties), len(before.tags)) if before else (0, 0)
        _check_count("properties", had[0], len(after.properties), self.settings.image_property_quota)
        _check_count("tags", had[1], len(after.tags), self.settings.image_tag_quota)

    def note(self, image: Image) -> None:
        """Keep the image's record beside its data; where that fails the catalogue still has it."""
        if image.status not in HAS_DATA:
            return
        try:
            with self.catalogue.read() as connection:
                members = gallery.members_of(connection, image.id)
            self.shelf.note(image, members)
        except ApusError as problem:
            log.warning("record of an image not kept", extra={"image": image.id, "why": str(problem)})


def require_owner(caller: Caller, image: Image) -> None:
    """Refuse callers who may see the image and not change it."""
    if not may_change(caller, image):
        raise Forbidden("You are not permitted to change this image: it is not yours.")


def _check_count(what: str, before: int, after: int, limit: int) -> None:
    """Refuse more than allowed; who has more from before may keep it and have less."""
    if after > max(limit, before):
        raise OverLimit(f"The limit has been exceeded on the number of allowed image {what}: {limit}.")
