"""Telling whoever started us that we are ready, so that nobody needs to guess or sleep.

ready ──▶ READY=1 to the service manager's NOTIFY_SOCKET, if there is one
      └─▶ a newline to the descriptor given as --ready-fd, which is then closed
"""

from __future__ import annotations

import os
import socket


def announce_ready(descriptor: int | None = None) -> None:
    """Say that requests are served from now on."""
    _notify_manager(f"READY=1\nMAINPID={os.getpid()}")
    if descriptor is not None:
        try:
            os.write(descriptor, b"\n")
        except BrokenPipeError:
            pass  # Whoever asked has not waited.
        os.close(descriptor)


def announce_stopping() -> None:
    """Say that we are about to end, on purpose."""
    _notify_manager("STOPPING=1")


def _notify_manager(text: str) -> None:
    name = os.environ.get("NOTIFY_SOCKET")
    if not name:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(text.encode(), f"\0{name[1:]}" if name.startswith("@") else name)
        except OSError:
            pass  # The manager went away; that is no reason to fail.
