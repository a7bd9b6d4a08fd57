"""Moving what is damaged out of the way, so that replication puts a good copy in its place.

    DEVICE/objects/PART/SUF/HASH ──▶ DEVICE/quarantined/objects/HASH   (HASH-<random> when that is taken)

Nothing is ever deleted: an operator may still want to look at it. The suffix is marked for rehashing, so
that the replicators of the other copies see the loss.
"""

from __future__ import annotations

import errno
import logging
import os
import uuid

from .invalidation import invalidate

log = logging.getLogger(__name__)

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)
_SUFFIX_DIGITS = 3


def quarantine(hash_directory: str, reason: str) -> str:
    """Move an object's folder (or a whole suffix) to its device's quarantine; return where it is now.

    Raises:
        FileNotFoundError: when it is gone already.
    """
    suffix_directory, name = os.path.split(hash_directory)
    datadir = os.path.dirname(os.path.dirname(suffix_directory))
    if len(name) == _SUFFIX_DIGITS:
        suffix_directory, datadir = hash_directory, os.path.dirname(os.path.dirname(hash_directory))
    device, policy_directory = os.path.split(datadir)
    invalidate(suffix_directory)
    goal = _move(hash_directory, f"{device}/quarantined/{policy_directory}", name)
    log.error("object quarantined", extra={"path": hash_directory, "now": goal, "reason": reason})
    return goal


def quarantine_file(path: str, device: str, folder: str = "objects") -> str:
    """Move a lone file (an unreadable update) to its device's quarantine; return where it is now."""
    return _move(path, f"{device}/quarantined/{folder}", os.path.basename(path))


def _move(source: str, folder: str, name: str) -> str:
    os.makedirs(folder, exist_ok=True)
    goal = f"{folder}/{name}"
    try:
        os.rename(source, goal)
    except OSError as problem:
        if problem.errno not in _TAKEN:
            raise
        goal = f"{goal}-{uuid.uuid4().hex}"
        os.rename(source, goal)
    return goal
