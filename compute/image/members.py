"""Sharing: which projects an image is for, and what they say to it.

GET, POST /v2/images/{id}/members        GET, PUT, DELETE /v2/images/{id}/members/{project}
"""

from __future__ import annotations

import dataclasses
from typing import Any

from webob import Response

from ..api.call import Call
from ..api.faults import BadRequest, Forbidden, NotFound, OverLimit
from ..api.reply import answer, empty
from ..api.routing import served
from . import gallery
from .access import Caller, may_change
from .desk import Desk, require_owner
from .image import Image, Member, MemberStatus, Visibility
from .views import member_document

PROJECT_LENGTH_MAX = 255


class Members:
    """Whom images are shared with."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @served("GET HEAD", "/v2/images/{image_id}/members")
    def listed(self, call: Call, image_id: str) -> Response:
        """All members, for the owner; themselves, for members."""
        caller, image = self._desk.seen(call, image_id)
        _require_shared(image)
        members = [member_document(member) for member in self._visible(caller, image)]
        return answer(200, {"members": members, "schema": "/v2/schemas/members"})

    @served("GET HEAD", "/v2/images/{image_id}/members/{member_id}")
    def shown(self, call: Call, image_id: str, member_id: str) -> Response:
        """One member."""
        caller, image = self._desk.seen(call, image_id)
        for member in self._visible(caller, image):
            if member.member_id == member_id:
                return answer(200, member_document(member))
        raise NotFound(f"{member_id} not found in the member list of the image {image_id}.")

    def _visible(self, caller: Caller, image: Image) -> list[Member]:
        with self._desk.catalogue.read() as connection:
            members = gallery.members_of(connection, image.id)
        if may_change(caller, image) or image.owner == caller.project_id:
            return members
        return [member for member in members if member.member_id == caller.project_id]

    @served("POST", "/v2/images/{image_id}/members")
    def added(self, call: Call, image_id: str) -> Response:
        """One project more."""
        project_id = call.json("member")["member"]
        if not isinstance(project_id, str) or not 0 < len(project_id) <= PROJECT_LENGTH_MAX:
            raise BadRequest(f"A member is a project's id, text of 1 to {PROJECT_LENGTH_MAX} characters.")
        caller = Caller.of(call)
        now = self._desk.clock()
        member = Member(image_id=image_id, member_id=project_id, created_at=now, updated_at=now)

        def work(connection: Any) -> Image:
            image = self._desk.visible(connection, caller, image_id)
            require_owner(caller, image)
            _require_shared(image)
            limit = self._desk.settings.image_member_quota
            if len(gallery.members_of(connection, image_id)) >= limit:
                raise OverLimit(
                    f"The limit has been exceeded on the number of allowed image members: {limit}."
                )
            gallery.add_member(connection, member)
            return image

        self._desk.note(self._desk.catalogue.transaction(work))
        return answer(200, member_document(member))

    @served("PUT", "/v2/images/{image_id}/members/{member_id}")
    def answered(self, call: Call, image_id: str, member_id: str) -> Response:
        """What a member says to the image; nobody says it for them."""
        try:
            status = MemberStatus(call.json("status")["status"])
        except ValueError as problem:
            raise BadRequest(f"A member's status is one of {', '.join(MemberStatus)}.") from problem
        caller = Caller.of(call)

        def work(connection: Any) -> tuple[Image, Member]:
            image = self._desk.visible(connection, caller, image_id)
            found = [m for m in gallery.members_of(connection, image_id) if m.member_id == member_id]
            is_their_own = member_id == caller.project_id and caller.may_write
            if not caller.is_admin and not is_their_own:
                if found and image.owner == caller.project_id:
                    raise Forbidden(
                        "You are not permitted to change this member's status: it is theirs to say."
                    )
                raise NotFound(f"{member_id} not found in the member list of the image {image_id}.")
            if not found:
                raise NotFound(f"{member_id} not found in the member list of the image {image_id}.")
            member = dataclasses.replace(found[0], status=status, updated_at=self._desk.clock())
            gallery.replace_member(connection, member)
            return image, member

        image, member = self._desk.catalogue.transaction(work)
        self._desk.note(image)
        return answer(200, member_document(member))

    @served("DELETE", "/v2/images/{image_id}/members/{member_id}")
    def removed(self, call: Call, image_id: str, member_id: str) -> Response:
        """One project less."""
        caller = Caller.of(call)

        def work(connection: Any) -> Image:
            image = self._desk.visible(connection, caller, image_id)
            require_owner(caller, image)
            if not gallery.remove_member(connection, image_id, member_id):
                raise NotFound(f"{member_id} not found in the member list of the image {image_id}.")
            return image

        self._desk.note(self._desk.catalogue.transaction(work))
        return empty(204)


def _require_shared(image: Image) -> None:
    if image.visibility is not Visibility.SHARED:
        raise Forbidden("Only shared images have members.")
