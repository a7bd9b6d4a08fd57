r"""Under which names earlier versions of an object are kept.

    X-Versions-Location   archive container  ◀── 003a/b/1700000000.00000        length, name, moment
    X-Versions-Enabled    \0versions\0photos ◀── \0a/b\0998299999.99999…         name, moment inverted

The names are OpenStack Swift's, so that either program finds what the other one has kept. Inverted moments
make a listing show the newest version of a name first. Pure.
"""

from __future__ import annotations

from ....common.timestamp import TICKS_MAX, Timestamp

RESERVED = "\0"
_HIDDEN_CONTAINERS = f"{RESERVED}versions{RESERVED}"


# --- in an archive container -----------------------------------------------------------------


def archive_prefix(name: str) -> str:
    """Return what the names of all archived versions of one object begin with, and no other's do."""
    length = len(name.encode("utf-8", "surrogateescape"))
    return f"{length:03x}{name}/"


def archive_name(name: str, moment: Timestamp) -> str:
    """Return the name of an archived version."""
    return archive_prefix(name) + moment.internal


def is_archived(archived: str, name: str) -> bool:
    """Tell whether an object of an archive container is a version of this one, and nobody's own upload."""
    prefix = archive_prefix(name)
    if not archived.startswith(prefix):
        return False
    try:
        Timestamp.parse(archived[len(prefix) :])
    except ValueError:
        return False
    return True


# --- in the reserved container of a versioned one ---------------------------------------------


def hidden_container(container: str) -> str:
    """Return the container that keeps the versions of another one's objects."""
    return _HIDDEN_CONTAINERS + container


def container_of(hidden: str) -> str | None:
    """Return the container whose versions are kept in this one, None where it is no such container."""
    return hidden.removeprefix(_HIDDEN_CONTAINERS) if hidden.startswith(_HIDDEN_CONTAINERS) else None


def versions_prefix(name: str) -> str:
    """Return what the names of all versions of one object begin with."""
    return f"{RESERVED}{name}{RESERVED}"


def after_versions(name: str) -> str:
    """Return a name behind all versions of an object, before those of the next: ':' follows the digits."""
    return versions_prefix(name) + ":"


def version_name(name: str, version_id: str) -> str:
    """Return the name under which a version is kept; ValueError for what is no version id."""
    moment = Timestamp.parse(version_id)
    if moment.offset:
        raise ValueError(f"a version id has no offset: {version_id!r}")
    return versions_prefix(name) + Timestamp(TICKS_MAX - 1 - moment.ticks).normal


def version_of(kept: str) -> tuple[str, str] | None:
    """Return object name and version id of what is kept under a name, None where that is no version."""
    pieces = kept.split(RESERVED)
    if len(pieces) != 3 or pieces[0]:
        return None
    try:
        inverted = Timestamp.parse(pieces[2])
    except ValueError:
        return None
    return pieces[1], version_id_of(Timestamp(TICKS_MAX - 1 - inverted.ticks))


def version_id_of(moment: Timestamp) -> str:
    """Return the id of the version that was made in this moment."""
    return moment.normal


def is_version_id(text: str) -> bool:
    """Tell whether this can name a version."""
    try:
        return not Timestamp.parse(text).offset
    except ValueError:
        return False
