"""The parts of a multipart body, read as it arrives.

    source, boundary ──▶ Multipart ──▶ Part(headers) …, each before its bytes ──read──▶ those bytes

As browsers send forms with files. A part ends at its boundary and nowhere else: a body that breaks off before
is an error. It does not know what the parts are for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from ...common.errors import Refused

PIECE_BYTES = 1 << 16
HEADERS_BYTES_MAX = 1 << 14
HEADERS_MAX = 64
"""Of one part: browsers send two."""
PARTS_MAX = 1000
_blank_lines = re.compile(rb"(?:\r\n)*").match
_ATTRIBUTE = re.compile(r';\s*([\w*.-]+)\s*=\s*("[^"]*"|[^;"\s]*)')


class Source(Protocol):
    """Where bytes come from."""

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is said of a part before its bytes; header names are in lower case, values are text."""

    headers: Mapping[str, str]

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes of its Content-Disposition, where that is a form's."""
        kind, attributes = attributes_of(self.headers.get("content-disposition", ""))
        return attributes if kind == "form-data" else {}


def attributes_of(value: str) -> tuple[str, dict[str, str]]:
    """Return the first word of a header's value, in lower case, and its attributes."""
    kind = value.partition(";")[0].strip().lower()
    return kind, {name.lower(): text.strip('"') for name, text in _ATTRIBUTE.findall(value)}


class Multipart:
    """The parts in their order; the current one can be read until the next is asked for."""

    def __init__(self, source: Source, boundary: bytes) -> None:
        self._source = source
        self._delimiter = b"\r\n--" + boundary
        self._buffer = b"\r\n"  # What would stand before the first delimiter, were it not the first.
        self._is_read = True
        self._is_last = False

    def __iter__(self) -> Iterator[Part]:
        """Yield the parts.

        Raises:
            Refused: where the body is none of that boundary, or breaks off.
        """
        self._begin()
        for _count in range(PARTS_MAX):
            if self._is_last:
                return
            self._is_read = False
            yield Part(self._headers())
            while not self._is_read:
                self.read()
        raise Refused(f"there are more than {PARTS_MAX} parts")

    def read(self, size: int = -1) -> bytes:
        """Return the current part's next bytes, at most `size` and one piece; none at its end."""
        if self._is_read:
            return b""
        wanted = min(size, PIECE_BYTES) if size >= 0 else PIECE_BYTES
        while True:
            found = self._buffer.find(self._delimiter)
            if found == 0:
                self._pass_delimiter()
                return b""
            # A delimiter may begin in the last bytes that have come.
            known = found if found > 0 else len(self._buffer) - len(self._delimiter) + 1
            if known > 0:
                data, self._buffer = self._buffer[: min(wanted, known)], self._buffer[min(wanted, known) :]
                return data
            self._fill()

    def _begin(self) -> None:
        while len(self._buffer) < len(self._delimiter):
            self._fill()
            blank = _blank_lines(self._buffer)
            assert blank is not None
            self._buffer = self._buffer[max(blank.end() - 2, 0) :]  # The last one belongs to the delimiter.
        if not self._buffer.startswith(self._delimiter):
            raise Refused("invalid starting boundary")
        self._pass_delimiter()

    def _pass_delimiter(self) -> None:
        """Go behind a delimiter, and see whether it was the last."""
        self._buffer = self._buffer[len(self._delimiter) :]
        while len(self._buffer) < 2:
            self._fill()
        self._is_last = self._buffer.startswith(b"--")
        self._is_read = True
        if not self._is_last and self._line().strip():
            raise Refused("invalid boundary")

    def _headers(self) -> dict[str, str]:
        headers, left = {}, HEADERS_BYTES_MAX
        while line := self._line():
            left -= max(len(line), HEADERS_BYTES_MAX // HEADERS_MAX)
            if left < 0:
                raise Refused(
                    f"a part's headers are more than {HEADERS_MAX}, or longer than {HEADERS_BYTES_MAX} bytes"
                )
            name, _, value = line.decode("utf-8", "surrogateescape").partition(":")
            headers[name.strip().lower()] = value.strip()
        return headers

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > HEADERS_BYTES_MAX:
                raise Refused(f"a line is longer than {HEADERS_BYTES_MAX} bytes")
            self._fill()
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def _fill(self) -> None:
        data = self._source.read(PIECE_BYTES)
        if not data:
            raise Refused("the form ends too early")
        self._buffer += data
