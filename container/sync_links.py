"""Which containers of a device are synchronised, where stock Swift's daemon looks for it.

    DEVICE/containers/PART/SUF/HASH/HASH.db ◀──link── DEVICE/sync_containers/PART/SUF/HASH/HASH.db

Our own daemon asks every container; stock's swift-container-sync follows these links alone. The server keeps
them when a client says what is synchronised, the replicator where it has come with a replica.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

FOLDER = "sync_containers"
TARGET, KEY = "X-Container-Sync-To", "X-Container-Sync-Key"


def concerns(names: Mapping[str, object]) -> bool:
    """Whether metadata of these names may change what is synchronised."""
    return TARGET in names or KEY in names


def follow(database: str, metadata: Mapping[str, tuple[str, str]], *, is_deleted: bool = False) -> None:
    """Link a database, or not, as its metadata says; what was never to be synchronised has no link."""
    if concerns(metadata):
        both = (metadata.get(name, ("", ""))[0] for name in (TARGET, KEY))
        keep(database, wanted=not is_deleted and all(both))


def keep(database: str, *, wanted: bool) -> None:
    """Make or remove the link of a database."""
    top, partition, suffix, name, file = database.rsplit("/", 4)
    folder = os.path.join(os.path.dirname(top), FOLDER, partition, suffix, name)
    link = os.path.join(folder, file)
    if wanted:
        os.makedirs(folder, exist_ok=True)
        try:
            os.symlink(database, link)
        except FileExistsError:
            return
    else:
        try:
            os.unlink(link)
            os.removedirs(folder)
        except OSError:
            return  # There was none, or other links are left in the folders.
