"""A lost catalogue made again: a walk over the records that stand beside the maps.

containers of the account ──▶ records of images whose maps are there ──▶ rows

What was queued, or was being uploaded when the catalogue was lost, had no record and is not found again.
"""

from __future__ import annotations

import logging
from typing import Any

from ...common.errors import Corrupt
from ..block.records import projects
from ..catalogue import Catalogue
from . import gallery
from .image import Image, Member
from .record import KIND, image_in
from .shelf import Shelf

log = logging.getLogger(__name__)


def rebuild(catalogue: Catalogue, shelf: Shelf) -> int:
    """Add the images that the store knows and the catalogue does not; return how many."""
    added = 0
    for project_id in projects(shelf.store):
        for image, members in _images_of(shelf, project_id).values():

            def work(connection: Any, image: Image = image, members: list[Member] = members) -> bool:
                if gallery.show(connection, image.id) is not None:
                    return False
                gallery.add(connection, image)
                for member in members:
                    gallery.add_member(connection, member)
                return True

            added += catalogue.transaction(work)
    return added


def _images_of(shelf: Shelf, project_id: str) -> dict[str, tuple[Image, list[Member]]]:
    """Return a project's images by id: of several attempts' records the last whose map is there."""
    found: dict[str, tuple[Image, list[Member]]] = {}
    project = shelf.project(project_id)
    for name, document in project.records.list(KIND):
        try:
            image, members = image_in(document)
        except Corrupt as problem:
            log.error("record of an image not readable", extra={"record": name, "why": str(problem)})
            continue
        known = found.get(image.id)
        if project.maps.exists(image.map_id) and (known is None or known[0].attempt < image.attempt):
            found[image.id] = (image, members)
    return found
