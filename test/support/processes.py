"""Watching processes that are not ours to wait for."""

from __future__ import annotations

import os
import select
import signal

_PATIENCE_SECONDS = 60


def await_exit(handle: int) -> None:
    """Return when the process of the pidfd has ended."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    assert poll.poll(_PATIENCE_SECONDS * 1000), "a killed process is still there"


def kill_and_wait(pid: int) -> None:
    """SIGKILL a process by its pid and return when it is gone."""
    handle = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        await_exit(handle)
    finally:
        os.close(handle)
