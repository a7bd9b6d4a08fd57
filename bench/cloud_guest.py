"""A real machine from a disk that an NBD server serves: qemu, its serial console, nothing else.

Guest(socket, export) ──▶ wait(word on the console), do(command of its shell)

Without KVM, so that it is the same everywhere: what is counted is bytes, not how fast a processor is.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from types import TracebackType
from typing import Self

from .load import Unfit

PATIENCE_SECONDS = 180.0
DONE = "it-is-done"


class Guest:
    """One qemu process, ended with the block."""

    def __init__(self, socket: str, export: str) -> None:
        disk = f"file.driver=nbd,file.server.type=unix,file.server.path={socket},file.export={export}"
        command = [
            "qemu-system-x86_64", "-m", "192", "-nodefaults", "-display", "none", "-serial", "stdio",
            "-drive", f"{disk},format=raw,if=virtio", "-accel", "tcg",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._printed = ""
        self._done = 0

    def wait(self, words: str) -> None:
        """Return when it has printed them.

        Raises:
            Unfit: it does not.
        """
        assert self._process.stdout is not None
        console = self._process.stdout.fileno()
        end = time.monotonic() + PATIENCE_SECONDS
        while words not in self._printed:
            if not select.select([console], [], [], max(0.0, end - time.monotonic()))[0]:
                raise Unfit(f"the guest does not say {words!r}; its last words: {self._printed[-300:]!r}")
            piece = os.read(console, 1 << 16)
            if not piece:
                raise Unfit(f"qemu has ended: {self._printed[-300:]!r}")
            self._printed += piece.decode(errors="replace")

    def do(self, command: str) -> None:
        """Have its shell do something, and return when that is done."""
        assert self._process.stdin is not None
        self._done += 1
        # The console repeats what is typed: the words that are waited for must not be in it.
        self._process.stdin.write(f"{command}; echo {DONE}-$(({self._done} + 0))-\n".encode())
        self._process.stdin.flush()
        self.wait(f"{DONE}-{self._done}-")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
