"""Where a name lives: MD5 of the salted path, as OpenStack Swift computes it.

    /account/container/object ──▶ path_hash() ──▶ partition (ring) and directory (disk)

The salt keeps strangers from choosing names that fall into one partition. Whoever changes it loses
the way to all data, so it is read from the cluster's configuration and refused when empty.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

try:
    from _md5 import md5 as _md5  # type: ignore[import-not-found]  # No stubs; part of CPython.
except ImportError:  # Python can be built without it.
    _md5 = partial(hashlib.md5, usedforsecurity=False)

short_md5: Callable[[bytes], Any] = _md5
"""MD5 for less than a kilobyte: OpenSSL's needs as long to be set up as it then takes for 400 bytes."""


@dataclass(frozen=True, slots=True)
class HashSalt:
    """The cluster-wide prefix and suffix that surround each path before hashing."""

    prefix: bytes = b""
    suffix: bytes = b""
    _start: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse to hash without a salt."""
        if not (self.prefix or self.suffix):
            raise ValueError("swift_hash_path_prefix and swift_hash_path_suffix are both empty: set one")
        object.__setattr__(self, "_start", self.prefix + b"/")

    def path_hash(self, account: str, container: str | None = None, obj: str | None = None) -> str:
        """Return the 32 hex digits of the path; `obj` needs `container`."""
        assert obj is None or container is not None
        if obj is not None:
            path = f"{account}/{container}/{obj}"
        else:
            path = account if container is None else f"{account}/{container}"
        salted = b"".join((self._start, path.encode("utf-8", "surrogateescape"), self.suffix))
        digest: str = short_md5(salted).hexdigest()
        return digest


def storage_directory(datadir: str, partition: int, path_hash: str) -> str:
    """Return `datadir/PARTITION/SUFFIX/HASH`, relative to a device; the suffix is the last three digits."""
    return f"{datadir}/{partition}/{path_hash[-3:]}/{path_hash}"
