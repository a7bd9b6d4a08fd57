"""Objects put on a disk by hand, as the object server would have, for tests that need no server."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from apus.common.timestamp import Timestamp
from apus.object.files import metadata
from apus.object.files.blocks import ATTRIBUTE, BlockSums
from apus.object.files.names import DATA, META, TOMBSTONE, file_name


def directory(device: Path, partition: int, digest: str) -> Path:
    """The object's folder, made."""
    path = device / "objects" / str(partition) / digest[-3:] / digest
    path.mkdir(parents=True, exist_ok=True)
    return path


def lay_data(
    folder: Path,
    at: float,
    body: bytes = b"body",
    *,
    name: str = "/a/c/o",
    sums: bool = True,
    extra: Mapping[str, str] | None = None,
) -> Path:
    """Put a .data file there; without `sums` as stock Swift would have written it."""
    moment = Timestamp.of(at)
    path = folder / file_name(moment, DATA)
    path.write_bytes(body)
    metadata.write(
        str(path),  # type: ignore[arg-type]  # a path does as well as a descriptor
        {
            "X-Timestamp": moment.internal,
            "Content-Type": "text/plain",
            "Content-Length": str(len(body)),
            "ETag": hashlib.md5(body).hexdigest(),
            "name": name,
            **(extra or {}),
        },
    )
    if sums:
        blocks = BlockSums()
        blocks.update(body)
        os.setxattr(path, ATTRIBUTE, blocks.encode())
    return path


def lay_meta(
    folder: Path,
    at: float,
    extra: Mapping[str, str],
    *,
    content_type: float | None = None,
    name: str = "/a/c/o",
) -> Path:
    """Put a .meta file there."""
    moment = Timestamp.of(at)
    typed = Timestamp.of(content_type) if content_type is not None else None
    path = folder / file_name(moment, META, typed)
    path.touch()
    stored = {"X-Timestamp": moment.internal, "name": name, **extra}
    if typed is not None:
        stored["Content-Type-Timestamp"] = typed.internal
    metadata.write(str(path), stored)  # type: ignore[arg-type]  # as above
    return path


def lay_tombstone(folder: Path, at: float, *, name: str = "/a/c/o") -> Path:
    """Put a .ts file there."""
    moment = Timestamp.of(at)
    path = folder / file_name(moment, TOMBSTONE)
    path.touch()
    metadata.write(str(path), {"X-Timestamp": moment.internal, "name": name})  # type: ignore[arg-type]  # as above
    return path
