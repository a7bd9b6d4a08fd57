"""Where things of a project are in the account: containers, and names in them.

    <project>-blocks    ab/abcdef…            blocks and pages of maps, by the SHA-256 of their bytes
    <project>-maps      roots/<map id>        what a disk is made of
                        writers/<id>          who is writing now
                        sweep, sweeper, condemned/<generation>, reprieves/<generation>/<sha256>
    <project>-records   <kind>/<id>           what the services know about maps, as JSON

A digest is the 32 bytes of a SHA-256; outside of maps it is written in hexadecimal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256

from ...common.errors import Refused
from ..store.interface import Store

DIGEST_BYTES = 32
ROOTS, WRITERS, CONDEMNED, REPRIEVES = "roots/", "writers/", "condemned/", "reprieves/"
MAPS_SUFFIX = "-maps"
SWEEP, SWEEPER = "sweep", "sweeper"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


def checked_id(text: str) -> str:
    """Return an id that may be part of a name.

    Raises:
        Refused: when it is empty, long, or has another character than letters, digits, dot, dash, underscore.
    """
    if not _ID.fullmatch(text):
        raise Refused(f"{text[:40]!r} cannot be an id")
    return text


def blocks_container(project_id: str) -> str:
    """Return the container of a project's blocks and pages."""
    return f"{checked_id(project_id)}-blocks"


def maps_container(project_id: str) -> str:
    """Return the container of a project's maps."""
    return f"{checked_id(project_id)}{MAPS_SUFFIX}"


def projects_in(store: Store) -> Iterator[str]:
    """Yield the ids of all projects that have maps in the account."""
    for container in store.containers():
        if container.endswith(MAPS_SUFFIX):
            yield container.removesuffix(MAPS_SUFFIX)


def records_container(project_id: str) -> str:
    """Return the container of a project's records."""
    return f"{checked_id(project_id)}-records"


def digest_of(data: bytes) -> bytes:
    """Return the name of some bytes, in binary."""
    return sha256(data, usedforsecurity=False).digest()


def block_name(digest: bytes) -> str:
    """Return the object name of a block."""
    assert len(digest) == DIGEST_BYTES
    text = digest.hex()
    return f"{text[:2]}/{text}"


def digest_in(name: str) -> bytes | None:
    """Return the digest that an object name says, None when it is no block's name."""
    folder, slash, text = name.partition("/")
    if not slash or len(text) != 2 * DIGEST_BYTES or folder != text[:2]:
        return None
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        return None
    return digest if digest.hex() == text else None
