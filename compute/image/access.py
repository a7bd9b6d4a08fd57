"""Who may see an image, and who may change it.

    Caller, Image, member status ──▶ may_see, may_change, may_download …

Pure. What somebody may not see does not exist for them (404); what they see and may not change is refused
(403). The rules are the default policies of Glance.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..api.call import Call
from .image import Image, MemberStatus, Status, Visibility

INSIDERS = frozenset(("admin", "service"))
"""Who may do everything with every image. `service` is the role of the cloud's other services, which finish
for users what these began: a snapshot's data comes when the user's token may have ended."""
WRITERS = INSIDERS | {"member", "manager"}


@dataclass(frozen=True, slots=True)
class Caller:
    """What counts of who asks."""

    project_id: str
    is_admin: bool = False
    may_write: bool = True

    @classmethod
    def of(cls, call: Call) -> Caller:
        """Return who made a request; raises Forbidden where a token is for no project, but for admins'."""
        roles = set(call.identity.roles)
        is_admin = bool(INSIDERS & roles)
        project_id = (call.identity.project_id or "") if is_admin else call.project_id
        return cls(project_id, is_admin, bool(WRITERS & roles))


def may_see(caller: Caller, image: Image, membership: MemberStatus | None) -> bool:
    """Whether the image exists for the caller; members see it whatever they answered."""
    if image.status is Status.DELETED:
        return False
    if caller.is_admin or image.owner == caller.project_id:
        return True
    if image.visibility in (Visibility.PUBLIC, Visibility.COMMUNITY):
        return True
    return image.visibility is Visibility.SHARED and membership is not None


def may_change(caller: Caller, image: Image) -> bool:
    """Whether the caller may change, fill, share or delete the image."""
    return caller.is_admin or (image.owner == caller.project_id and caller.may_write)


def may_download(caller: Caller, image: Image) -> bool:
    """Whether the caller, who sees the image, may read its data: deactivated ones are for admins only."""
    return caller.is_admin or image.status is not Status.DEACTIVATED


def may_publish(caller: Caller, visibility: Visibility) -> bool:
    """Whether the caller may give an image of theirs this visibility."""
    return caller.is_admin or visibility is not Visibility.PUBLIC
