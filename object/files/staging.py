"""A body that was written before it was known whether, and as of when, it becomes the object.

    Writer.stage(content, name) ──▶ a durable file that is no object
    show(location, path, moment) ──▶ the same file under an object's name, its moment in its metadata

It does not know who decides.
"""

from __future__ import annotations

import os

from ...common.durability import committer_for
from ...common.timestamp import Timestamp
from . import hashes, metadata, names
from .invalidation import invalidate
from .metadata import Metadata
from .store import Location
from .writer import make_directory


def show(location: Location, path: str, moment: Timestamp) -> Metadata:
    """Make a staged file the object of that moment; return its metadata when that is durable.

    Raises:
        FileNotFoundError: when there is none.
        Corrupt: when it is damaged.
    """
    committer = committer_for(location.device_path, location.file_system)
    ticket = committer.begin()
    try:
        content = _stamped(path, moment)
        committer.sync(ticket)  # Found under its name, it must have its moment.
        name = names.FileName(names.file_name(moment, names.DATA), moment, names.DATA)
        make_directory(location.hash_directory)
        try:
            os.link(path, f"{location.hash_directory}/{name.name}")
        except FileExistsError:
            pass  # It was shown before; its answer was lost.
        invalidate(location.hash_directory.rpartition("/")[0])
        committer.sync(ticket)
    finally:
        committer.finish()
    hashes.remove_replaced(location.hash_directory, name)
    return content


def _stamped(path: str, moment: Timestamp) -> Metadata:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        content = metadata.read(descriptor)
        content["X-Timestamp"] = moment.internal
        metadata.write(descriptor, content)
    finally:
        os.close(descriptor)
    return content
