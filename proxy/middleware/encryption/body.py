"""The body of an answer, decrypted as it passes.

    status, headers ──decryption_of()──▶ Whole (from an offset) or Several (ranges in a MIME frame)
    DecryptedBody(body, that) ──▶ as many bytes as there were, decrypted

A counter mode can begin anywhere, so a range costs what its bytes cost. Not a byte more or less comes out
than goes in: what is said of the length stays true.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from ....common.http.wsgi import let_go
from .cipher import CannotDecrypt, counter_mode

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(?:\d+|\*)")
_PART_RANGE = re.compile(rb"(?i)\r\ncontent-range:[ \t]*bytes (\d+)-(\d+)/")
_HEAD_END = b"\r\n\r\n"
HEAD_BYTES_MAX = 65536


class Decryption(Protocol):
    """What decrypts a body."""

    def take(self, data: bytes) -> bytes:
        """Return the next bytes, decrypted; some may be held back until more come."""

    def rest(self) -> bytes:
        """Return what was held back, at the end."""


class Whole:
    """All bytes are the object's, from an offset on."""

    def __init__(self, key: bytes, iv: bytes, offset: int = 0) -> None:
        self._context = counter_mode(key, iv, offset)

    def take(self, data: bytes) -> bytes:
        """Return the next bytes, decrypted."""
        return self._context.update(data)

    def rest(self) -> bytes:
        """Nothing is ever held back."""
        return b""


class Several:
    """Some bytes are the object's, between those of a MIME frame: each part says from where to where."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        self._key = key
        self._iv = iv
        self._held = b"\r\n"  # So that the first line of a frame begins as the others do.
        self._is_first = True
        self._owed = 0
        self._context = counter_mode(key, iv)

    def take(self, data: bytes) -> bytes:
        """Return the next bytes, the object's decrypted; a part's head is held back until it is whole."""
        found = []
        data, self._held = self._held + data if not self._owed else data, b""
        while data:
            if self._owed:
                piece, data = data[: self._owed], data[self._owed :]
                self._owed -= len(piece)
                found.append(self._context.update(piece))
                continue
            end = data.find(_HEAD_END, 0 if not self._is_first else 2)
            if end < 0:
                if len(data) > HEAD_BYTES_MAX:
                    raise CannotDecrypt("a part of the answer has no end to its head")
                self._held = data
                break
            head, data = data[: end + len(_HEAD_END)], data[end + len(_HEAD_END) :]
            found.append(self._shown(head))
            self._begin(head)
        return b"".join(found)

    def rest(self) -> bytes:
        """Return the frame's last line."""
        return self._shown(self._held)

    def _shown(self, head: bytes) -> bytes:
        if self._is_first:
            self._is_first = False
            return head[2:]
        return head

    def _begin(self, head: bytes) -> None:
        match = _PART_RANGE.search(head)
        if match is None:
            raise CannotDecrypt("a part of the answer does not say which bytes it holds")
        first, last = int(match[1]), int(match[2])
        self._owed = last - first + 1
        self._context = counter_mode(self._key, self._iv, first)


def decryption_of(status: int, headers: Mapping[str, str], key: bytes, iv: bytes) -> Decryption:
    """Return what decrypts the body of an answer with these headers, whose names are in lower case."""
    if status != 206:
        return Whole(key, iv)
    if headers.get("content-type", "").lower().startswith("multipart/byteranges"):
        return Several(key, iv)
    match = _RANGE.match(headers.get("content-range", ""))
    if match is None:
        raise CannotDecrypt("the answer does not say which bytes it holds")
    return Whole(key, iv, int(match[1]))


class DecryptedBody:
    """An answer's body, decrypted as it passes."""

    def __init__(self, body: Iterable[bytes], decryption: Decryption) -> None:
        self._body: Any = body
        self._decryption = decryption

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body:
            if decrypted := self._decryption.take(piece):
                yield decrypted
        if rest := self._decryption.rest():
            yield rest

    def close(self) -> None:
        """Let go of the body."""
        let_go(self._body)
