"""Who listens where."""

from __future__ import annotations

import os
import socket

from apus.bin.allinone.ports import is_free, is_open, owner


def test_a_port_is_free_until_somebody_listens() -> None:
    """And then its owner is named with its pid."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.listen()
        assert not is_free("127.0.0.1", port)
        assert is_open("127.0.0.1", port)
        assert f"pid {os.getpid()}" in owner(port)
    assert is_free("127.0.0.1", port)
    assert not is_open("127.0.0.1", port)
