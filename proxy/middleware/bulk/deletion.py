"""Deleting many objects and containers at one request's cost.

    body, a percent-encoded name a line ──▶ names_in() ──▶ Doomed(name) …
    Doomed … ──▶ Deletion.run() ──DELETE each, a few at a time, containers last──▶ Tally

What is gone already counts as not found, never as a failure: whoever was cut off in the middle asks again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote, unquote_to_bytes

from ....common.concurrency import Task, spawn
from ....common.constraints import is_valid_name
from ....common.errors import Refused
from ....common.http.answer import status_line
from ....common.http.wsgi import Environ, WSGIApp
from ..inner import ask, path_of
from .archive import Source
from .credentials import credentials

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Doomed:
    """What is to be deleted: `container/object` or `container`, as text."""

    name: str

    @property
    def is_container(self) -> bool:
        """Whether it is no object."""
        return "/" not in self.name.strip("/")

    @property
    def shown(self) -> str:
        """The name as the answer has it."""
        return quote(self.name, errors="surrogateescape")


@dataclass(slots=True)
class Tally:
    """How it went."""

    deleted: int = 0
    not_found: int = 0
    errors: list[tuple[str, str]] = field(default_factory=list)
    is_servers_fault: bool = False

    @property
    def status(self) -> str:
        """The status that all of it together has."""
        if self.errors:
            return status_line(502 if self.is_servers_fault else 400)
        return status_line(200)

    def add(self, doomed: Doomed, status: int) -> None:
        """Count what became of one of them."""
        if status // 100 == 2:
            self.deleted += 1
        elif status == 404:
            self.not_found += 1
        else:
            self.is_servers_fault |= status >= 500
            self.errors.append((doomed.shown, status_line(status)))


def names_in(source: Source, *, names_max: int, name_bytes_max: int) -> list[Doomed]:
    """Return the names of a request's body; blank lines name nothing.

    Raises:
        Refused: for too many of them, or one that is too long to be one.
    """
    names: list[Doomed] = []
    rest = b""
    while True:
        data = source.read(name_bytes_max)
        *lines, rest = (rest + data).split(b"\n")
        if not data:
            lines.append(rest)
        names += [Doomed(_decoded(line)) for line in map(bytes.strip, lines) if line]
        if len(names) > names_max:
            raise Refused(f"Maximum Bulk Deletes: {names_max} per request", 413)
        if not data:
            return names
        if len(rest) > 3 * name_bytes_max:  # Percent-encoding takes three bytes for one.
            raise Refused("Invalid File Name")


def _decoded(line: bytes) -> str:
    return unquote_to_bytes(line).decode("utf-8", "surrogateescape").lstrip("/")


@dataclass(frozen=True, slots=True)
class Deletion:
    """The work, for one pipeline."""

    app: WSGIApp
    concurrency: int
    errors_max: int

    def run(self, environ: Environ, account: str, names: Sequence[Doomed], tally: Tally) -> None:
        """Delete objects, then containers, on behalf of a request.

        Raises:
            Refused: when `errors_max` of them could not be deleted.
        """

        def delete(doomed: Doomed) -> tuple[Doomed, int]:
            return doomed, self._delete(environ, account, doomed)

        for wants_containers in (False, True):  # A container must be empty first.
            batch = (doomed for doomed in names if doomed.name and doomed.is_container is wants_containers)
            for doomed, status in in_parallel(delete, batch, self.concurrency):
                tally.add(doomed, status)
                if len(tally.errors) >= self.errors_max:
                    raise Refused("Max delete failures exceeded")

    def _delete(self, environ: Environ, account: str, doomed: Doomed) -> int:
        if not is_valid_name(doomed.name):
            return 412
        path = path_of(environ, account, doomed.name)
        reply = ask(self.app, environ, "DELETE", path, headers=credentials(environ))
        reply.close()
        return reply.status


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item], concurrency: int) -> Iterator[Result]:
    """Yield the results in the items' order, with so many at work; who stops early waits for those."""
    tasks: deque[Task[Result]] = deque()
    try:
        for item in items:
            if len(tasks) == concurrency:
                yield tasks.popleft().wait()
            tasks.append(spawn(work, item))
        while tasks:
            yield tasks.popleft().wait()
    finally:
        for task in tasks:
            task.join()
