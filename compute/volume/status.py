"""Which action a volume, snapshot or backup allows in which status, and what it becomes.

    (action, Condition of a volume) ──▶ refusal()   None, or the sentence the client is told
                                    └─▶ target()    the status while the action runs, or None: unchanged

No catalogue here: whoever asks has read the row inside the transaction that will write it. The statuses and
their names are Cinder's, because clients wait for them by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transition:
    """One action: the statuses it may start from, and the one it leads to (None: it stays)."""

    sources: frozenset[str]
    target: str | None = None
    detached_only: bool = False


def _from(*sources: str, to: str | None = None, detached_only: bool = False) -> Transition:
    return Transition(frozenset(sources), to, detached_only)


_STRANDED = ("error", "error_restoring", "error_extending", "error_deleting", "error_backing-up")

VOLUME_ACTIONS: Mapping[str, Transition] = {
    "delete": _from("available", *_STRANDED, "maintenance", to="deleting", detached_only=True),
    "extend": _from("available", to="extending", detached_only=True),
    "extend attached": _from("available", "in-use", to="extending"),
    "reserve": _from("available", to="attaching", detached_only=True),
    "reserve again": _from("available", "in-use", to="attaching"),
    "unreserve": _from("attaching"),
    "attach": _from("available", "attaching", "reserved", to="in-use"),
    "attach again": _from("available", "attaching", "reserved", "in-use", to="in-use"),
    "begin detaching": _from("in-use", to="detaching"),
    "roll detaching": _from("detaching", to="in-use"),
    "detach": _from("in-use", "detaching"),
    "connect": _from("available", "attaching", "reserved", "in-use", "detaching"),
    "reserve attachment": _from("available", "reserved", "downloading", to="reserved"),
    "reserve another attachment": _from("available", "reserved", "in-use", to=None),
    "readonly": _from("available", detached_only=True),
    "retype": _from("available", "in-use"),
    "upload": _from("available", to="uploading", detached_only=True),
    "upload attached": _from("available", "in-use", to="uploading"),
    "back up": _from("available", to="backing-up", detached_only=True),
    "back up attached": _from("available", "in-use", to="backing-up"),
    "restore into": _from("available", to="restoring-backup", detached_only=True),
    "snapshot": _from("available", detached_only=True),
    "snapshot attached": _from("available", "in-use"),
    "clone": _from("available", "in-use"),
    "revert": _from("available", to="reverting", detached_only=True),
    "reimage": _from("available", "error", to="downloading", detached_only=True),
    "reimage reserved": _from("available", "error", "reserved", to="downloading"),
    "transfer": _from("available", to="awaiting-transfer", detached_only=True),
    "accept": _from("awaiting-transfer", to="maintenance"),
    "change metadata": _from(
        "available", "in-use", "creating", "attaching", "detaching", "reserved", "error", "downloading",
        "uploading", "backing-up", "awaiting-transfer", "extending", "retyping", "restoring-backup",
        "error_restoring", "error_extending", "error_deleting", "reverting", "error_backing-up",
    ),
}  # fmt: skip
"""What may be done with a volume; an action by force has an entry of its own or asks `forced_delete`."""

SNAPSHOT_ACTIONS: Mapping[str, Transition] = {
    "delete": _from("available", "error", "error_deleting", to="deleting"),
    "read": _from("available"),
    "back up": _from("available", to="backing-up"),
}

BACKUP_ACTIONS: Mapping[str, Transition] = {
    "delete": _from("available", "error", "error_deleting", to="deleting"),
    "restore": _from("available", to="restoring"),
    "read": _from("available"),
}

VOLUME_STATUSES = frozenset(
    (
        "creating",
        "available",
        "deleting",
        "error",
        "error_deleting",
        "attaching",
        "detaching",
        "in-use",
        "maintenance",
        "backing-up",
        "restoring-backup",
        "error_restoring",
        "error_extending",
        "reserved",
        "awaiting-transfer",
        "uploading",
        "downloading",
        "retyping",
        "extending",
        "error_backing-up",
    )
)
"""What an operator may set a volume to by os-reset_status."""

SNAPSHOT_STATUSES = frozenset(("creating", "available", "deleting", "error", "error_deleting"))
BACKUP_STATUSES = frozenset(("available", "error"))
ATTACH_STATUSES = frozenset(("attached", "detached", "attaching", "detaching"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What decides whether an action may start: the status, and how many hosts or machines hold it."""

    status: str
    attachments: int = 0


def refusal(action: Transition, condition: Condition, *, what: str = "Volume") -> str | None:
    """Return why the action may not start now, or None when it may.

    The sentence begins as Cinder's do, since people search for them by these words.
    """
    allowed = " or ".join(sorted(action.sources))
    if condition.status not in action.sources:
        return (
            f"Invalid {what.lower()}: {what} status must be {allowed}, "
            f"but current status is: {condition.status}."
        )
    if action.detached_only and condition.attachments:
        return (
            f"Invalid {what.lower()}: {what} must not be attached, "
            f"but has {condition.attachments} attachment(s)."
        )
    return None


def forced_delete_refusal(condition: Condition) -> str | None:
    """Return why even a forced delete may not begin: only what a machine holds is safe from force."""
    if condition.attachments:
        return f"Invalid volume: Volume is attached {condition.attachments} time(s); detach it first."
    if condition.status == "deleting":
        return "Invalid volume: Volume is being deleted already."
    return None


def resting(attachments: int, *, reserved: int = 0) -> str:
    """Return the status of a volume that nothing is being done with."""
    assert attachments >= 0
    assert reserved >= 0
    if attachments:
        return "in-use"
    return "reserved" if reserved else "available"


def attach_status(attachments: int) -> str:
    """Return Cinder's second word for it."""
    return "attached" if attachments else "detached"


def failed(doing: str) -> str:
    """Return the status that tells a client which work on its volume did not end well.

    What only reads a volume leaves it as it was, so a failed backup or upload is no fault of the volume.
    """
    return _FAILED.get(doing, "error")


_FAILED: Mapping[str, str] = {
    "deleting": "error_deleting",
    "extending": "error_extending",
    "restoring-backup": "error_restoring",
}
