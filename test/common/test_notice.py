"""Laws of saying that we are ready."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from apus.common.notice import announce_ready, announce_stopping


def test_whoever_waits_on_a_descriptor_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newline, then its end."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    reading, writing = os.pipe()
    announce_ready(writing)
    assert (os.read(reading, 10), os.read(reading, 10)) == (b"\n", b"")
    os.close(reading)


def test_nobody_listening_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manager that has gone, a reader that has closed: we go on."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    reading, writing = os.pipe()
    os.close(reading)
    announce_ready(writing)
    announce_stopping()


def test_an_abstract_socket_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name begins with @ in the environment and with a zero byte in the kernel."""
    name = f"apus-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        announce_stopping()
        assert manager.recv(100) == b"STOPPING=1"
