"""apus-console URL: sit at a server's serial console, as at a terminal; Ctrl-] leaves.

apus-console $(openstack console url show --serial -f value -c url SERVER)

keys ──▶ attend() ──▶ websocket ──▶ guest        what it prints ◀──
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

LEAVE = b"\x1d"
PIECE_BYTES = 4096
LOOK_SECONDS = 0.2


def main(argv: Sequence[str] | None = None) -> int:
    """Connect standard input and output with the console; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="apus-console", description="Sit at a server's serial console; Ctrl-] leaves."
    )
    parser.add_argument("url", help="what `openstack console url show --serial SERVER` says: ws://…")
    arguments = parser.parse_args(argv)
    try:
        with connect(arguments.url, subprotocols=[Subprotocol("binary")]) as connection:
            keys = sys.stdin.fileno()
            with every_key(keys):
                attend(connection, keys, sys.stdout.buffer)
    except (OSError, WebSocketException) as problem:
        print(f"apus-console: {problem}", file=sys.stderr)
        return 1
    return 0


def attend(connection: ClientConnection, keys: int, screen: BinaryIO) -> None:
    """Pass both ways what comes, until Ctrl-], the end of the keys, or the end of the console."""
    prints = threading.Thread(target=_show, args=(connection, screen), name="screen", daemon=True)
    prints.start()
    while prints.is_alive():
        if not select.select([keys], [], [], LOOK_SECONDS)[0]:
            continue
        typed = os.read(keys, PIECE_BYTES)
        before, leaves, _ = typed.partition(LEAVE)
        if before:
            connection.send(before)
        if leaves or not typed:
            return


def _show(connection: ClientConnection, screen: BinaryIO) -> None:
    with contextlib.suppress(ConnectionClosed):
        for piece in connection:
            screen.write(piece if isinstance(piece, bytes) else piece.encode())
            screen.flush()


@contextlib.contextmanager
def every_key(terminal: int) -> Iterator[None]:
    """Have a terminal hand on each key as it is pressed, Ctrl-C among them: the guest's shell is meant."""
    if not os.isatty(terminal):
        yield
        return
    before = termios.tcgetattr(terminal)
    print("Ctrl-] leaves.", end="\r\n", file=sys.stderr)
    tty.setraw(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


if __name__ == "__main__":
    sys.exit(main())
