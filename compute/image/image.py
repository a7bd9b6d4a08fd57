"""An image and its members, as values; and the few states that an image passes through.

    queued ──PUT file──▶ saving ──▶ active ◀──▶ deactivated
    queued ──PUT stage─▶ uploading ──import──▶ importing ──▶ active
    any ──DELETE──▶ deleted (gone for clients; the row stays until its data is gone, too)

What breaks off goes back to where it can be tried again: saving to queued, importing to uploading or queued.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """Where an image is in its life."""

    QUEUED = "queued"
    SAVING = "saving"
    UPLOADING = "uploading"
    IMPORTING = "importing"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    DELETED = "deleted"


class Visibility(StrEnum):
    """Who may see an image beside its owner."""

    PUBLIC = "public"
    COMMUNITY = "community"
    SHARED = "shared"
    PRIVATE = "private"


class MemberStatus(StrEnum):
    """What a project says to an image that is shared with it."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


HAS_DATA = frozenset((Status.ACTIVE, Status.DEACTIVATED))
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "ploop", "iso", "gpt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What is known of one image. Sizes are bytes, times Unix seconds."""

    id: str
    owner: str
    name: str | None = None
    status: Status = Status.QUEUED
    visibility: Visibility = Visibility.SHARED
    disk_format: str | None = None
    container_format: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    protected: bool = False
    os_hidden: bool = False
    size: int | None = None
    virtual_size: int | None = None
    checksum: str | None = None
    os_hash_value: str | None = None
    """SHA-512 of the data, in hexadecimal."""
    created_at: float
    updated_at: float
    properties: Mapping[str, str] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    map_project: str = ""
    """Whose map holds the data; stays when the image changes its owner."""
    map_id: str = ""
    staged: bool = False
    """Whether the map is there without being inspected: `stage` has been, `import` has not."""
    attempt: int = 0
    """Counts whoever tries to bring data; each has a map of its own, named by `attempt_map_id`."""
    lease_until: float = 0.0
    """When whoever works on it is taken for dead; in the past when nobody does."""

    @property
    def is_busy(self) -> bool:
        """Whether somebody works on its data, who must say so again and again: see `lease_until`."""
        half_staged = self.status is Status.UPLOADING and not self.staged
        return half_staged or self.status in (Status.SAVING, Status.IMPORTING)

    def changed(self, **values: object) -> Image:
        """Return it with other values."""
        return dataclasses.replace(self, **values)  # type: ignore[arg-type]  # names and types are the callers'


def attempt_map_id(image_id: str, attempt: int) -> str:
    """Return the name of the map that one attempt to bring an image's data writes."""
    return f"image-{image_id}-{attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A project that an image is shared with."""

    image_id: str
    member_id: str
    status: MemberStatus = MemberStatus.PENDING
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTask:
    """Work on an image that goes on after the request that began it."""

    id: str
    type: str
    status: str
    owner: str
    image_id: str = ""
    user_id: str = ""
    request_id: str = ""
    input: Mapping[str, object] = field(default_factory=dict)
    result: Mapping[str, object] = field(default_factory=dict)
    message: str = ""
    created_at: float
    updated_at: float
    expires_at: float | None = None
