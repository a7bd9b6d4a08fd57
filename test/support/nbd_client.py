"""A small client of NBD for tests: newstyle, one request at a time or several, no library."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from types import TracebackType
from typing import Self


class Refusal(Exception):
    """The server's error number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class NbdClient:
    """One connection, beyond its handshake by GO."""

    def __init__(self, path: Path | str, name: str = "") -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        assert self.exactly(18) == b"NBDMAGICIHAVEOPT\0\3"
        self.socket.sendall(struct.pack(">I", 3))
        encoded = name.encode()
        data = struct.pack(">I", len(encoded)) + encoded + struct.pack(">H", 0)
        self.option(7, data)
        self.size = self.flags = 0
        while True:
            _, _, kind, length = struct.unpack(">QIII", self.exactly(20))
            found = self.exactly(length)
            if kind == 1:
                break
            if kind >= 1 << 31:
                raise Refusal(kind - (1 << 31))
            if found[:2] == b"\0\0":
                self.size, self.flags = struct.unpack(">QH", found[2:])
        self.cookie = 0

    def option(self, kind: int, data: bytes = b"") -> None:
        """Send an option."""
        self.socket.sendall(struct.pack(">8sII", b"IHAVEOPT", kind, len(data)) + data)

    def exactly(self, length: int) -> bytes:
        """Return so many bytes; EOFError when there are fewer."""
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def ask(self, kind: int, offset: int = 0, length: int = 0, data: bytes = b"", flags: int = 0) -> bytes:
        """Make a request and return its data, or raise its Refusal."""
        self.send(kind, offset, length, data, flags)
        magic, error, cookie = struct.unpack(">IIQ", self.exactly(16))
        assert (magic, cookie) == (0x67446698, self.cookie)
        if error:
            raise Refusal(error)
        return self.exactly(length) if kind == 0 else b""

    def send(self, kind: int, offset: int, length: int, data: bytes = b"", flags: int = 0) -> None:
        """Send a request without waiting for its answer."""
        self.cookie += 1
        head = struct.pack(">IHHQQI", 0x25609513, flags, kind, self.cookie, offset, length)
        self.socket.sendall(head + data)

    def read(self, offset: int, length: int) -> bytes:
        """Read."""
        return self.ask(0, offset, length)

    def write(self, offset: int, data: bytes, flags: int = 0) -> None:
        """Write."""
        self.ask(1, offset, len(data), data, flags)

    def flush(self) -> None:
        """Flush."""
        self.ask(3)

    def trim(self, offset: int, length: int) -> None:
        """Trim."""
        self.ask(4, offset, length)

    def zero(self, offset: int, length: int) -> None:
        """Write zeros."""
        self.ask(6, offset, length)

    def close(self) -> None:
        """Say goodbye."""
        self.send(2, 0, 0)
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
