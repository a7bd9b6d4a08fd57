"""A server's serial console, as a person at it: lines typed, answers read.

with console(url) as terminal: terminal.do("ls /disk") ──▶ what the shell printed
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

PATIENCE_SECONDS = 180
_AGAIN_SECONDS = 10
_SIGNS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Terminal:
    """One connection to a console on which a shell listens."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._read = ""
        self._count = 0

    def do(self, command: str) -> str:
        """Run a command to its end; return what it printed, AssertionError where it failed."""
        self._count += 1
        mark = f"ended-{self._count}-"
        # What is typed is echoed: the mark is only whole in what is printed.
        self._type(f"{command}; echo ended-'{self._count}'-$?-")
        text, status = self._until(re.compile(rf"^(.*)\n{mark}(\d+)-", re.DOTALL | re.MULTILINE))
        assert status == "0", f"{command}: exit code {status}: {text[-2000:]}"
        return text

    def _type(self, line: str) -> None:
        self._read = ""
        self._connection.send(line.encode() + b"\n")

    def _until(self, pattern: re.Pattern[str]) -> tuple[str, str]:
        end = time.monotonic() + PATIENCE_SECONDS
        while (found := pattern.search(self._read)) is None:
            assert time.monotonic() < end, f"the console said only {self._read[-2000:]!r}"
            try:
                piece = self._connection.recv(timeout=_AGAIN_SECONDS)
            except TimeoutError:
                continue
            except ConnectionClosed as problem:
                raise AssertionError(f"the console was closed after {self._read[-2000:]!r}") from problem
            data = piece if isinstance(piece, bytes) else piece.encode()
            self._read += _SIGNS.sub("", data.decode(errors="replace"))
        return found[1], found[2]


@contextmanager
def console(url: str) -> Iterator[Terminal]:
    """Open a console by the URL that `openstack console url show --serial` says."""
    with connect(url, subprotocols=["binary"], open_timeout=PATIENCE_SECONDS) as connection:  # type: ignore[list-item]  # a NewType of str
        yield Terminal(connection)
