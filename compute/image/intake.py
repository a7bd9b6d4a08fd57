"""How data comes to an image, and how it goes: each step may be the last, and the next try cleans up.

    claim ──▶ data into a map ──▶ inspection ──▶ record ──▶ active       upload(), adopt()
    claim ──▶ data into a map ──▶ uploading                              stage()
    claim ──▶ inspection of what was staged, or upload from the web      imported()
    any failure ──▶ back to where the client can try again; the map is removed

Each attempt to bring data has a number; its map and record have names with that number. Whoever works on an
image says so by a lease in its row; `settle_lapsed` takes silence for death and undoes the attempt. A worker
that was only slow finds at its end that the attempt is no longer its own, and removes what it made.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import Any

from ...common.errors import ApusError, Missing, OutOfSpace, Refused
from ...common.errors import Unavailable as StoreUnavailable
from ..api.faults import BadRequest, Conflict, Fault, NotFound, OverLimit, Unavailable, UnsupportedMedia
from . import gallery, task_list
from .desk import Desk
from .image import Image, Status, attempt_map_id
from .shelf import Brought
from .views import STORE

log = logging.getLogger(__name__)

BROKEN_OFF = "The service that worked on the image stopped; try again."


class Intake:
    """Brings data to images and removes it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._catalogue = desk.catalogue
        self._shelf = desk.shelf

    def upload(self, image_id: str, pieces: Iterable[bytes], size: int | None) -> Image:
        """Make a queued image active with this data.

        Raises:
            Conflict: it is not queued.
            UnsupportedMedia: the data isn't what the image says it is, or must not be used.
            OverLimit: too many bytes.
            BadRequest: another number of bytes than announced.
        """
        image = self._claim(image_id, Status.QUEUED, Status.SAVING)
        with self._undone_on_failure(image, Status.QUEUED):
            return self._finish(image, self._brought(image, pieces, size))

    def adopt(self, image_id: str, project_id: str, map_id: str) -> Image:
        """Make a queued image active with the data of another map in the same account."""
        image = self._claim(image_id, Status.QUEUED, Status.SAVING)
        with self._undone_on_failure(image, Status.QUEUED):
            return self._finish(image, self._shelf.adopt(image, project_id, map_id))

    def stage(self, image_id: str, pieces: Iterable[bytes], size: int | None) -> Image:
        """Keep data for a queued image that an import will look at."""
        image = self._claim(image_id, Status.QUEUED, Status.UPLOADING)
        with self._undone_on_failure(image, Status.QUEUED):
            brought = self._brought(image, pieces, size)
            return self._still_mine(image, staged=True, **_measured(brought))

    def claim_import(self, image_id: str, *, staged: bool) -> Image:
        """Take an image for an import: of what was staged, or of what is to be fetched."""
        return self._claim(image_id, Status.UPLOADING if staged else Status.QUEUED, Status.IMPORTING)

    def finish_staged(self, image: Image) -> Image:
        """Make an image active with what was staged; data that is refused must be staged anew."""
        assert image.size is not None
        brought = Brought(image.size, image.checksum, image.os_hash_value)
        try:
            return self._finish(image, brought)
        except ApusError as problem:
            if isinstance(problem, Refused | Fault | Missing):
                self._give_up(image, Status.QUEUED)
            else:
                self._released(image, Status.UPLOADING)
            raise

    def finish_fetched(self, image: Image, pieces: Iterable[bytes], size: int | None, **facts: Any) -> Image:
        """Make an image active with data from elsewhere, and with what is said of them there."""
        with self._undone_on_failure(image, Status.QUEUED):
            return self._finish(image, self._brought(image, pieces, size), **facts)

    def give_up_import(self, image: Image) -> None:
        """Put an image back whose data could not be had."""
        self._give_up(image, Status.QUEUED)

    def remove(self, image: Image) -> None:
        """Remove a deleted image's data, record and row; what fails is done again by `settle_lapsed`."""
        try:
            self._shelf.drop(image)
        except ApusError as problem:
            log.warning(
                "data of a deleted image not removed yet", extra={"image": image.id, "why": str(problem)}
            )
            return
        self._catalogue.transaction(lambda connection: gallery.forget(connection, image.id))

    def settle_lapsed(self) -> int:
        """Undo what was broken off, remove what was deleted, and return how many images that were."""
        with self._catalogue.read() as connection:
            lapsed = gallery.lapsed(connection, self._desk.clock())
        for image in lapsed:
            self._catalogue.transaction(
                functools.partial(
                    task_list.end_all_of,
                    image_id=image.id,
                    now=self._desk.clock(),
                    status=task_list.FAILURE,
                    message=BROKEN_OFF,
                )
            )
            if image.status is Status.DELETED:
                self.remove(image)
            elif image.status is Status.IMPORTING and image.staged:
                self._released(image, Status.UPLOADING)
            else:
                self._give_up(image, Status.QUEUED)
        return len(lapsed)

    def _claim(self, image_id: str, wanted: Status, next_status: Status) -> Image:
        """Take an image for work that nobody else does meanwhile."""
        before = self._claimable(image_id, wanted)
        if not before.staged:
            self._translated(lambda: self._shelf.drop(before))

        def work(connection: Any) -> Image:
            now = self._desk.clock()
            image = gallery.show(connection, image_id)
            if image is None or image.status is not wanted or image.attempt != before.attempt:
                raise Conflict(f"Image {image_id} is being worked on by another request.")
            taken = image.changed(
                status=next_status, lease_until=now + self._desk.settings.upload_lease_seconds, updated_at=now
            )
            if not image.staged:
                attempt = image.attempt + 1
                map_id = attempt_map_id(image_id, attempt)
                taken = taken.changed(attempt=attempt, map_id=map_id, map_project=image.owner)
            if next_status is Status.IMPORTING:
                taken = told_of_import(taken, under_way=True)
            gallery.replace(connection, image, taken)
            return taken

        return self._catalogue.transaction(work)

    def _claimable(self, image_id: str, wanted: Status) -> Image:
        with self._catalogue.read() as connection:
            image = gallery.show(connection, image_id)
        if image is None or image.status is Status.DELETED:
            raise NotFound(f"No image found with ID {image_id}")
        if image.is_busy and image.lease_until < self._desk.clock():
            self.settle_lapsed()
            with self._catalogue.read() as connection:
                image = gallery.show(connection, image_id) or image
        if image.status is not wanted or image.is_busy:
            raise Conflict(
                f"Image status transition from {image.status} is not allowed: "
                f"this needs an image that is {wanted}."
            )
        if image.disk_format is None or image.container_format is None:
            raise BadRequest("Properties disk_format, container_format must be set prior to saving data.")
        return image

    def _brought(self, image: Image, pieces: Iterable[bytes], size: int | None) -> Brought:
        size_max = self._size_max(image)
        if size is not None and size_max is not None and size > size_max:
            raise OverLimit(f"The image is larger than the {size_max} bytes that are allowed.")
        return self._shelf.bring(image, pieces, size=size, size_max=size_max, passing=self._renewing(image))

    def _size_max(self, image: Image) -> int | None:
        """Return how many bytes the image may have, by all limits."""
        settings = self._desk.settings
        limits = [settings.image_size_cap] if settings.image_size_cap else []
        if settings.project_image_bytes:
            with self._catalogue.read() as connection:
                _, used = gallery.usage(connection, image.owner)
            limits.append(max(0, settings.project_image_bytes - used))
        return min(limits, default=None)

    def _renewing(self, image: Image) -> Callable[[], None]:
        """Return what renews the lease in time, and ends the work when it is no longer ours."""
        lease = self._desk.settings.upload_lease_seconds
        renewed = self._desk.clock()

        def renew() -> None:
            nonlocal renewed
            now = self._desk.clock()
            if now - renewed >= lease / 4:
                self._still_mine(image, lease_until=now + lease)
                renewed = now

        return renew

    def _finish(self, image: Image, brought: Brought, **facts: Any) -> Image:
        limit = self._desk.settings.virtual_size_cap
        virtual = self._shelf.inspect(image.changed(**facts), virtual_size_max=limit)
        values = {
            **facts,
            **_measured(brought),
            "virtual_size": virtual,
            "status": Status.ACTIVE,
            "staged": False,
        }
        with self._catalogue.read() as connection:
            members = gallery.members_of(connection, image.id)
        active = image.changed(**values, lease_until=0.0)
        self._shelf.note(told_of_import(active) if image.status is Status.IMPORTING else active, members)
        return self._still_mine(image, **values)

    def _still_mine(self, image: Image, **values: Any) -> Image:
        """Write what the work came to, if nobody has deleted the image or taken it over.

        Raises:
            NotFound: it has been deleted.
            Conflict: we were taken for dead.
        """

        def work(connection: Any) -> Image:
            now = self._desk.clock()
            current = gallery.show(connection, image.id)
            if current is None or current.status is Status.DELETED:
                raise NotFound(f"Image {image.id} has been deleted meanwhile.")
            if current.attempt != image.attempt or current.status is not image.status:
                raise Conflict(f"The upload of image {image.id} took too long between two pieces.")
            lease = {} if "lease_until" in values else {"lease_until": 0.0, "updated_at": now}
            after = current.changed(**values, **lease)
            if image.status is Status.IMPORTING and after.status is Status.ACTIVE:
                after = told_of_import(after)
            gallery.replace(connection, current, after)
            if values.get("status") is Status.ACTIVE:
                done = {"image_id": image.id}
                task_list.end_all_of(connection, image.id, now, status=task_list.SUCCESS, result=done)
            return after

        return self._catalogue.transaction(work)

    @contextmanager
    def _undone_on_failure(self, image: Image, status: Status) -> Any:
        try:
            yield
        except Exception as problem:
            self._give_up(image, status)
            raise _as_fault(problem) from problem

    def _give_up(self, image: Image, status: Status) -> None:
        """Undo an attempt: its map goes, and the image can be tried again."""
        try:
            self._shelf.drop(image)
        except ApusError as problem:
            log.info("data of a failed upload goes later", extra={"image": image.id, "why": str(problem)})
        self._released(
            image, status, staged=False, size=None, virtual_size=None, checksum=None, os_hash_value=None
        )

    def _released(self, image: Image, status: Status, **values: Any) -> None:
        def work(connection: Any) -> None:
            now = self._desk.clock()
            current = gallery.show(connection, image.id)
            if current is None or (current.attempt, current.status) != (image.attempt, image.status):
                return
            after = current.changed(status=status, lease_until=0.0, updated_at=now, **values)
            if image.status is Status.IMPORTING:
                after = told_of_import(after, has_failed=True)
            gallery.replace(connection, current, after)

        self._catalogue.transaction(work)

    def _translated(self, work: Callable[[], None]) -> None:
        try:
            work()
        except ApusError as problem:
            raise _as_fault(problem) from problem


def told_of_import(image: Image, *, under_way: bool = False, has_failed: bool = False) -> Image:
    """Return the image with what Glance's clients wait for: stores still to be had, and those failed."""
    said = {
        "os_glance_importing_to_stores": STORE if under_way else "",
        "os_glance_failed_import": STORE if has_failed else "",
    }
    return image.changed(properties={**image.properties, **said})


def _measured(brought: Brought) -> dict[str, Any]:
    return {"size": brought.size, "checksum": brought.checksum, "os_hash_value": brought.os_hash_value}


def _as_fault(problem: Exception) -> Exception:
    """Return what a client is told of a failure; what nobody foresaw stays what it is."""
    if isinstance(problem, Fault):
        return problem
    if isinstance(problem, OutOfSpace):
        return OverLimit(f"The store has no room for this image: {problem}")
    if isinstance(problem, Refused):
        return UnsupportedMedia(str(problem)) if problem.status == 415 else BadRequest(str(problem))
    if isinstance(problem, Missing):
        return Conflict(f"The image's data is not there: {problem}")
    if isinstance(problem, StoreUnavailable):
        return Unavailable(f"The store does not answer; try again later: {problem}")
    return problem
