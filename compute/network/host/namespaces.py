"""Sockets that belong to another network namespace than the process.

    listener("qdhcp-…", "169.254.169.254", 80) ──▶ a socket; who uses it need not be in the namespace

A native thread enters the namespace, makes the socket and ends: a socket stays where it was made.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

from ....common import concurrency
from ....common.errors import Unavailable

FOLDER = "/run/netns"
CLONE_NEWNET = 0x40000000
BACKLOG = 128


def listener(namespace: str, address: str, port: int) -> Any:
    """Return a listening TCP socket of that namespace.

    Raises:
        Unavailable: there is no such namespace, or the address can't be had in it.
    """
    outcome: list[Any] = []
    thread = concurrency.native_thread(lambda: outcome.append(_made(namespace, address, port)), "namespace")
    thread.join()
    if isinstance(outcome[0], OSError):
        raise Unavailable(f"no listener in {namespace}: {outcome[0]}") from outcome[0]
    return outcome[0]


def _made(namespace: str, address: str, port: int) -> Any:
    """Return the socket, or what went wrong."""
    socket = concurrency.original("socket")
    try:
        enter(namespace)
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, port))
            made.listen(BACKLOG)
        except OSError:
            made.close()
            raise
    except OSError as problem:
        return problem
    return made


def enter(namespace: str) -> None:
    """Move the calling native thread into the namespace, for the rest of its life."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"{FOLDER}/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)


def namespace_number(namespace: str) -> int:
    """Return what tells a namespace from a later one of its name, 0 where there is none."""
    try:
        return os.stat(f"{FOLDER}/{namespace}").st_ino
    except OSError:
        return 0
