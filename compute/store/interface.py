"""What the cloud services ask of an object store, whoever keeps it.

    Store ◀── Account (account.py)     any Swift, by HTTP
          ◀── the tests' store in memory

All methods are safe to call from several threads. Errors are those of `common.errors` and of `errors.py`:
Missing (no such container or object), Exists (a condition failed), OutOfSpace (the store or a quota is
full), LoginRefused, Refused (any other 4xx), Unavailable (no answer, or a 5xx, after all repetitions).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

Contents = bytes | BinaryIO | Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a container's listing."""

    name: str
    size: int
    etag: str
    modified: float
    """Unix seconds, by the store's clock."""


class Store(Protocol):
    """One account."""

    def put(
        self,
        container: str,
        name: str,
        contents: Contents,
        *,
        length: int | None = None,
        headers: Mapping[str, str] | None = None,
        only_new: bool = False,
        query: str = "",
    ) -> str:
        """Keep an object and return its ETag; a missing container is made on the way.

        Bytes, and files that can seek, are sent again after a failure that a repetition can mend; other
        iterables are not. `only_new` is `If-None-Match: *`: Exists, when there is one already, which after
        a repetition may be the one just sent; Undecidable, when the store is in the middle of an upgrade.
        """
        ...

    def read(
        self, container: str, name: str, *, start: int = 0, length: int | None = None, newest: bool = False
    ) -> bytes:
        """Return an object, or `length` bytes of it from `start`; `newest` asks all replicas."""
        ...

    def stream(
        self, container: str, name: str, *, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """Yield an object in pieces; a broken connection is taken up where it broke."""
        ...

    def head(self, container: str, name: str, *, newest: bool = False) -> dict[str, str]:
        """Return an object's headers, names in lower case."""
        ...

    def delete(self, container: str, name: str, *, query: str = "") -> bool:
        """Remove an object; False when there was none."""
        ...

    def copy(self, container: str, name: str, to_container: str, to_name: str) -> None:
        """Have the store copy an object; no byte comes here. A missing container is made on the way."""
        ...

    def names(self, container: str, *, prefix: str = "", after: str = "") -> Iterator[Listed]:
        """Yield the objects of a container in order, page by page; nothing when there is no container."""
        ...

    def containers(self, *, prefix: str = "") -> Iterator[str]:
        """Yield the names of the account's containers in order."""
        ...

    def make_container(self, container: str, headers: Mapping[str, str] | None = None) -> None:
        """Make a container, or set headers of the one that is there."""
        ...

    def remove_container(self, container: str) -> None:
        """Remove an empty container; one that isn't there is as good. Refused, when it isn't empty."""
        ...

    def capabilities(self) -> dict[str, dict[str, object]]:
        """Return what `/info` of the store says; empty when it says nothing."""
        ...
