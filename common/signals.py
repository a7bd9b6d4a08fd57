"""Signals as values in a pipe, to be read where it suits.

    kernel ──▶ handler that does nothing ──▶ wakeup pipe ──▶ read() ──▶ numbers of the signals that came

A signal handler runs between any two instructions, often inside the hub: nothing can safely be done there.
"""

from __future__ import annotations

import os
import signal
from types import FrameType


class SignalPipe:
    """Listens to some signals in this process; one process has at most one of these."""

    def __init__(self, *numbers: int) -> None:
        self.descriptor, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, _ignore)

    def read(self) -> list[int]:
        """Return the signals that have come since the last time."""
        try:
            return list(read_now(self.descriptor))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Listen no more; a forked child does this before it listens for itself."""
        signal.set_wakeup_fd(-1)
        os.close(self.descriptor)
        os.close(self._writing)


def _ignore(number: int, frame: FrameType | None) -> None:
    del number, frame  # A handler must exist for the wakeup pipe to be written.


def read_now(descriptor: int) -> bytes:
    """Return what a non-blocking descriptor holds; raise BlockingIOError when that is nothing.

    os.read may have been replaced by a green one, and not every caller has a hub.
    """
    with open(descriptor, "rb", buffering=0, closefd=False) as pipe:
        data = pipe.read(65536)
    if data is None:
        raise BlockingIOError
    return data
