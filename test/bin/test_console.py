"""A person at a serial console."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from apus.bin.console import LEAVE, attend, main

PATIENCE_SECONDS = 60


class Guest:
    """What stands behind the websocket: it hears, and answers in capitals until it is told to go."""

    def __init__(self) -> None:
        self.heard = b""
        self.ended = threading.Event()

    def serve(self, connection: ServerConnection) -> None:
        try:
            for piece in connection:
                assert isinstance(piece, bytes)
                self.heard += piece
                connection.send(piece.upper())
                if piece.endswith(b"exit\n"):
                    return
        except ConnectionClosed:
            return
        finally:
            self.ended.set()


@pytest.fixture
def guest() -> Iterator[tuple[Guest, str]]:
    made = Guest()
    with serve(made.serve, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made, f"ws://127.0.0.1:{server.socket.getsockname()[1]}/?token=t"
        server.shutdown()


def test_what_is_typed_arrives_and_what_is_printed_is_shown(guest: tuple[Guest, str]) -> None:
    """Until the console ends by itself."""
    theirs, url = guest
    hears, types = os.pipe()
    screen = io.BytesIO()
    os.write(types, b"ls\x03 exit\n")
    with connect(url) as connection:
        attend(connection, hears, screen)
    assert theirs.heard == b"ls\x03 exit\n"
    assert screen.getvalue() == b"LS\x03 EXIT\n"


def test_one_key_leaves_and_the_guest_does_not_hear_it(guest: tuple[Guest, str]) -> None:
    """What was typed before it does arrive."""
    theirs, url = guest
    hears, types = os.pipe()
    os.write(types, b"half" + LEAVE + b"other")
    with connect(url) as connection:
        attend(connection, hears, io.BytesIO())
    assert theirs.ended.wait(PATIENCE_SECONDS)
    assert theirs.heard == b"half"


def test_a_url_that_leads_nowhere_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """And an exit code."""
    assert main(["ws://127.0.0.1:1/?token=t"]) == 1
    assert capsys.readouterr().err.startswith("apus-console: ")
    assert main(["no address"]) == 1
