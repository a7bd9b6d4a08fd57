"""Removing what was replaced a moment later, and elsewhere: the next request need not wait for it.

    remove(path) ──▶ ┐                               ┌──▶ removed by a program of its own (remover.py)
    remove(path) ──▶ ├─ gathered for 50 ms ──▶ pipe ─┤
    remove(path) ──▶ ┘                               └──▶ the program is gone, or late: removed here

Giving a file's blocks back can wait for the device: ext4 without a journal, mounted with `discard`, tells the
disk of each at once, and a large file has many. The server's one thread stood still and came back to cold
caches. Nothing depends on when a file goes, or whether: it is obsolete by its name, and whoever hashes its
suffix removes it too. Without `remove_later` it goes at once.

It does not know why a file is to go.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from posix import write as write_file  # The hub library replaces os.write by one that may switch.

from ...common import concurrency
from . import remover

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
LETTER_BYTES_MAX = 4096  # What a pipe takes whole or not at all (PIPE_BUF).
LETTERS_MAX = 64  # Some 1,500 paths. Beyond, whoever replaces files waits for the disk, as he should.


class Removal:
    """The files that one process wants removed."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        """Start afresh: in the first use of a process, and in a forked child."""
        self._process_id = os.getpid()
        self._letters: list[bytes] = []
        self._pipe = -1
        self._program = 0
        self._is_due = False

    def remove(self, path: str) -> None:
        """See to it that the file goes soon."""
        if self._process_id != os.getpid():
            self._reset()
        if len(self._letters) > LETTERS_MAX:
            remover.remove(path)
            return
        line = os.fsencode(path) + b"\0"
        if self._letters and len(self._letters[-1]) + len(line) <= LETTER_BYTES_MAX:
            self._letters[-1] += line
        else:
            self._letters.append(line)
        if not self._is_due:
            self._is_due = True
            concurrency.call_later(GATHER_SECONDS, self._hand_over)

    def _hand_over(self) -> None:
        """Send what was gathered; what the pipe has no room for is sent the next time (in the hub)."""
        self._is_due = False
        try:
            if self._pipe < 0:
                self._start()
            while self._letters:
                write_file(self._pipe, self._letters[0])
                del self._letters[0]
        except BlockingIOError:
            self._is_due = True
            concurrency.call_later(GATHER_SECONDS, self._hand_over)
        except OSError as problem:
            log.info("files are removed by the server itself", extra={"problem": str(problem)})
            self._hang_up()
            paths = b"".join(self._letters).split(b"\0")[:-1]
            self._letters.clear()
            remover.remove_all(paths)

    def _start(self) -> None:
        """Start the program; one that has died before is gone for good then."""
        if self._program:
            with suppress(ChildProcessError):
                os.waitpid(self._program, os.WNOHANG)
        reader, self._pipe = os.pipe()
        try:
            os.set_blocking(self._pipe, False)
            # Isolated and without site: it needs nothing but the standard library, and starts in 15 ms.
            command = [sys.executable, "-I", "-S", remover.__file__]
            actions = [(os.POSIX_SPAWN_DUP2, reader, 0)]
            self._program = os.posix_spawn(
                sys.executable, command, os.environ, file_actions=actions, setsid=True
            )
        finally:
            os.close(reader)

    def _hang_up(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


_removal: Removal | None = None


def remove_later() -> None:
    """Have files removed a moment later from now on; for servers, at start."""
    global _removal
    _removal = Removal()


def remove(path: str) -> None:
    """Remove a file that nobody needs any longer, now or soon."""
    if _removal is None:
        remover.remove(path)
    else:
        _removal.remove(path)
