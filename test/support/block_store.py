"""A store in memory for the block layer: it can die at a step, fail, and flip bits.

    MemoryStore ◀── compute.block, compute.store's users      the interface of `compute.store.interface`

`steps` counts requests; `dying_at(n)` raises Died at the n-th from now on and at all after it, before the request
has its effect or, with `after=True`, when it has had it. `flip(container, name, times)` serves that many reads with
one bit changed. `failures` are raised one by one, by the methods named.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5

import orjson

from apus.common.errors import Missing, Refused
from apus.compute.store.errors import Exists
from apus.compute.store.interface import Contents, Listed


class Died(BaseException):
    """The process that made the request is gone; nothing of its code runs any more."""


@dataclass
class MemoryStore:
    """One account."""

    clock: Callable[[], float] = time.time
    objects: dict[str, dict[str, tuple[bytes, float, dict[str, str]]]] = field(default_factory=dict)
    """By container and name: body, time of modification, headers."""
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Methods and `container/name` of all requests."""
    failures: dict[str, list[Exception]] = field(default_factory=dict)
    """By method, what its next calls raise."""
    bytes_in: int = 0
    bytes_out: int = 0
    on_step: Callable[[str, str], None] | None = None
    """Called before each request, outside of all locks: a simulation's place to change tasks."""
    _flips: dict[tuple[str, str], int] = field(default_factory=dict)
    _dies_at: int | None = None
    _dies_after: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _steps: Iterator[int] = field(default_factory=itertools.count)

    def flip(self, container: str, name: str, times: int = 1) -> None:
        """Serve the next so many reads of the object with one bit changed."""
        self._flips[container, name] = times

    @contextmanager
    def dying_at(self, step: int, *, after: bool = False) -> Iterator[None]:
        """Die at that request of what is done meanwhile; live again when the block is left."""
        self._dies_at, self._dies_after, self._steps = step, after, itertools.count()
        try:
            yield
        except Died:
            pass
        finally:
            self._dies_at = None

    def count(self, method: str) -> int:
        """Return how many requests of a method were made."""
        return sum(seen == method for seen, _ in self.seen)

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
        """Keep an object."""
        with self._request("put", f"{container}/{name}"):
            body = _whole(contents)
            if length is not None and length != len(body):
                raise Refused("the body has another length", 499)
            kept = dict(headers or {})
            if "multipart-manifest=put" in query:
                kept["X-Static-Large-Object"] = "True"
            within = self.objects.setdefault(container, {})
            if only_new and name in within:
                raise Exists(f"{container}/{name} exists")
            within[name] = (body, self.clock(), kept)
            self.bytes_in += len(body)
            return md5(body, usedforsecurity=False).hexdigest()

    def read(
        self, container: str, name: str, *, start: int = 0, length: int | None = None, newest: bool = False
    ) -> bytes:
        """Return an object or a range of it."""
        with self._request("read", f"{container}/{name}"):
            whole = self._whole_object(container, name)
            body = whole[start:] if length is None else whole[start : start + length]
            self.bytes_out += len(body)
            if self._flips.get((container, name)):
                self._flips[container, name] -= 1
                return bytes([body[0] ^ 1]) + body[1:] if body else body
            return body

    def _whole_object(self, container: str, name: str) -> bytes:
        body, _, headers = self._object(container, name)
        if "X-Static-Large-Object" not in headers:
            return body
        parts = []
        for segment in orjson.loads(body):
            where, _, what = segment["path"].lstrip("/").partition("/")
            part = self._whole_object(where, what)
            if "size_bytes" in segment and segment["size_bytes"] != len(part):
                raise Refused("a segment has another size", 409)
            first, _, last = segment.get("range", "").partition("-")
            parts.append(part[int(first) : int(last) + 1] if first else part)
        return b"".join(parts)

    def stream(
        self, container: str, name: str, *, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """Yield an object in pieces."""
        body = self.read(container, name, start=start, length=length)
        for at in range(0, len(body), 1 << 16):
            yield body[at : at + (1 << 16)]

    def head(self, container: str, name: str, *, newest: bool = False) -> dict[str, str]:
        """Return an object's headers."""
        with self._request("head", f"{container}/{name}"):
            body, moment, headers = self._object(container, name)
            lower = {key.lower(): value for key, value in headers.items()}
            etag = md5(body, usedforsecurity=False).hexdigest()
            return {**lower, "content-length": str(len(body)), "etag": etag, "x-timestamp": f"{moment:.5f}"}

    def delete(self, container: str, name: str, *, query: str = "") -> bool:
        """Remove an object; False when there was none."""
        with self._request("delete", f"{container}/{name}"):
            if "multipart-manifest=delete" in query and name in self.objects.get(container, {}):
                body, _, headers = self._object(container, name)
                for segment in orjson.loads(body) if "X-Static-Large-Object" in headers else ():
                    where, _, what = segment["path"].lstrip("/").partition("/")
                    self.delete(where, what, query=query)
            return self.objects.get(container, {}).pop(name, None) is not None

    def copy(self, container: str, name: str, to_container: str, to_name: str) -> None:
        """Copy an object."""
        with self._request("copy", f"{container}/{name}"):
            body, _, headers = self._object(container, name)
            self.objects.setdefault(to_container, {})[to_name] = (body, self.clock(), dict(headers))

    def names(self, container: str, *, prefix: str = "", after: str = "") -> Iterator[Listed]:
        """Yield the objects of a container in order."""
        with self._request("names", f"{container}/{prefix}"):
            rows = [
                Listed(name, len(body), md5(body, usedforsecurity=False).hexdigest(), moment)
                for name, (body, moment, _) in sorted(self.objects.get(container, {}).items())
                if name.startswith(prefix) and name > after
            ]
        yield from rows

    def containers(self, *, prefix: str = "") -> Iterator[str]:
        """Yield the names of containers in order."""
        with self._request("containers", prefix):
            found = sorted(name for name in self.objects if name.startswith(prefix))
        yield from found

    def make_container(self, container: str, headers: Mapping[str, str] | None = None) -> None:
        """Make a container."""
        with self._request("make_container", container):
            self.objects.setdefault(container, {})

    def remove_container(self, container: str) -> None:
        """Remove an empty container."""
        with self._request("remove_container", container):
            if self.objects.get(container):
                raise Refused(f"{container} is not empty", 409)
            self.objects.pop(container, None)

    def capabilities(self) -> dict[str, dict[str, object]]:
        """Return what the store can do."""
        return {"slo": {"max_manifest_segments": 1000}}

    def _object(self, container: str, name: str) -> tuple[bytes, float, dict[str, str]]:
        try:
            return self.objects[container][name]
        except KeyError:
            raise Missing(f"{container}/{name} is not there") from None

    @contextmanager
    def _request(self, method: str, what: str) -> Iterator[None]:
        if self.on_step is not None:
            self.on_step(method, what)
        step = next(self._steps)
        dies = self._dies_at is not None and step >= self._dies_at
        if dies and not (self._dies_after and step == self._dies_at):
            raise Died
        with self._lock:
            self.seen.append((method, what))
            waiting = self.failures.get(method)
            if waiting:
                raise waiting.pop(0)
            yield
        if dies:
            raise Died


def _whole(contents: Contents) -> bytes:
    if isinstance(contents, bytes):
        return contents
    read: Callable[[], bytes] | None = getattr(contents, "read", None)
    if read is not None:
        return read()
    pieces: Iterable[bytes] = contents
    return b"".join(pieces)
