"""A tar archive, read from beginning to end as it arrives.

    source ──▶ Plain, Gzip or Bzip2 ──read──▶ Archive ──▶ Member(name, size, attributes), one after the other
                                                             └ read(n): the bytes of the current one

ustar, GNU and pax. Written for archives from strangers: what is read into memory is bounded, compressed data
is expanded piece by piece, and a member that says one thing and does another is an error, not a guess. (The
standard library takes extended headers of any size into memory, even those that compress to nothing.)
It does not know where the members go.
"""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ....common.concurrency import sleep
from ....common.errors import ApusError

BLOCK = 512
PIECE_BYTES = 1 << 16
HEADERS_BYTES_MAX = 1 << 20
"""Extended headers of one member: ten times what names and attributes within our limits take."""
COMMON_HEADERS_BYTES_MAX = 1 << 16
"""Extended headers that hold for all members behind them: each file is looked at in their light."""
IDLE_BYTES_MAX = 1 << 25
"""What compressed data may expand to without a file: a folder of half a kibibyte compresses to nothing."""
TRAILER_BYTES_MAX = 1 << 20
REGULAR = frozenset({0, ord("0"), ord("7")})
WITHOUT_DATA = frozenset(b"123456")
LONG_NAME, LONG_LINK, SPARSE = ord("L"), ord("K"), ord("S")
NEXT_HEADERS, ALL_HEADERS, SOLARIS_HEADERS = ord("x"), ord("g"), ord("X")
_END = bytes(BLOCK)


class BadArchive(ApusError):
    """What arrives is no archive, or not all of it."""


class Source(Protocol):
    """Where bytes come from."""

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""


class _Expander(Protocol):
    """A decompressor of one stream, with a bound on what it gives at a time."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def expand(self, data: bytes, size: int) -> bytes: ...

    @property
    def wants_input(self) -> bool: ...


class _Gunzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def wants_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def expand(self, data: bytes, size: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, size)


class _Bunzip2:
    def __init__(self) -> None:
        self._inner = bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def wants_input(self) -> bool:
        return self._inner.needs_input

    def expand(self, data: bytes, size: int) -> bytes:
        return self._inner.decompress(data, size)


class Expanded:
    """A compressed source, expanded as it is asked for; several streams in a row are one."""

    def __init__(self, source: Source, kind: type[_Gunzip | _Bunzip2]) -> None:
        self._source = source
        self._kind = kind
        self._stream: _Expander = kind()
        self._ready = b""
        self._taken = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""
        if self._taken == len(self._ready):  # A decompressor that is asked for little copies much each time.
            self._ready, self._taken = self._piece(), 0
            sleep()  # What is small on the wire may be long in here: others shall have their turn.
        data = self._ready[self._taken : self._taken + size]
        self._taken += len(data)
        return data

    def _piece(self) -> bytes:
        while True:
            data, ended = b"", False
            if self._stream.eof:
                data = self._stream.unused_data or self._source.read(PIECE_BYTES)
                if not data.strip(b"\0"):  # Tapes, and gzip itself, put zeros behind.
                    return b""
                self._stream = self._kind()
            elif self._stream.wants_input:
                data = self._source.read(PIECE_BYTES)
                ended = not data  # Which is no harm while the stream still holds something back.
            try:
                piece = self._stream.expand(data, PIECE_BYTES)
            except (zlib.error, OSError) as problem:
                raise BadArchive(f"the compressed data is damaged: {problem}") from problem
            if piece:
                return piece
            if ended and not self._stream.eof:
                raise BadArchive("the compressed data ends too early")


FORMATS: Mapping[str, type[_Gunzip | _Bunzip2] | None] = {
    "tar": None,
    "tar.gz": _Gunzip,
    "tar.bz2": _Bunzip2,
}


@dataclass(slots=True)
class Member:
    """A file in the archive; `name` and `attributes` are text, their bytes that are not UTF-8 surrogates."""

    name: str
    size: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    is_sparse: bool = False
    """Holes are left out of what is stored of it: it can't be taken as it is."""


class Archive:
    """The members of an archive; the current one can be read until the next is asked for."""

    def __init__(self, source: Source, form: str, *, skipped_bytes_max: int) -> None:
        """Read one of FORMATS; of compressed data so many bytes may be skipped, which cost nobody but us."""
        expander = FORMATS[form]
        self._source: Source = source if expander is None else Expanded(source, expander)
        self._may_skip: float = float("inf") if expander is None else skipped_bytes_max
        self._is_compressed = expander is not None
        self._idle = 0  # Bytes since the last file.
        self._left = 0  # Of the current member's bytes.
        self._padding = 0
        self._defaults: dict[str, str] = {}
        self._defaults_bytes = 0

    def __iter__(self) -> Iterator[Member]:
        """Yield the regular files."""
        first = True
        while True:
            member, kind = self._next(may_be_missing=not first)
            first = False
            if member is None:
                self._finish()
                return
            if kind == SPARSE or (kind in REGULAR and not member.name.endswith("/")):
                member.is_sparse |= kind == SPARSE
                self._idle = 0
                yield member
            else:
                self._spend(self._left)

    def read(self, size: int = -1) -> bytes:
        """Return the current member's next bytes, at most `size` and one piece; none at its end."""
        wanted = min(self._left, PIECE_BYTES if size < 0 else size, PIECE_BYTES)
        data = self._some(wanted) if wanted else b""
        self._left -= len(data)
        return data

    def _next(self, *, may_be_missing: bool) -> tuple[Member | None, int]:
        """Go to the next member that is no header of another one; return it and its type."""
        records: dict[str, str] = {}
        long_name = None
        budget = HEADERS_BYTES_MAX
        while True:
            self._skip()
            block = self._block(may_be_missing=may_be_missing)
            if block is None:
                return None, 0
            self._spend(BLOCK)
            may_be_missing = False
            kind, size = block[156], _number(block[124:136])
            if kind in (NEXT_HEADERS, SOLARIS_HEADERS, ALL_HEADERS, LONG_NAME, LONG_LINK):
                budget -= size
                if budget < 0:
                    raise BadArchive(f"headers of one member are larger than {HEADERS_BYTES_MAX} bytes")
                self._spend(size)
                self._begin(size)
                data = self._exactly(size)
                self._left = 0
                if kind == LONG_NAME:
                    long_name = _text(data.partition(b"\0")[0])
                elif kind == ALL_HEADERS:
                    self._take_defaults(data)
                elif kind != LONG_LINK:
                    records.update(pax_records(data))
                continue
            records = {**self._defaults, **records}
            if "size" in records:
                size = _decimal(records["size"])
            is_sparse = any(name.startswith("GNU.sparse.") for name in records)
            if kind == SPARSE:
                self._skip_sparse_map(block)
            self._begin(0 if kind in WITHOUT_DATA else size)
            name = records.get("path") or long_name or _name(block)
            return Member(name, size, records, is_sparse), kind

    def _take_defaults(self, data: bytes) -> None:
        self._defaults_bytes += len(data)
        if self._defaults_bytes > COMMON_HEADERS_BYTES_MAX:
            raise BadArchive(f"headers of all members are larger than {COMMON_HEADERS_BYTES_MAX} bytes")
        self._defaults.update(pax_records(data))

    def _spend(self, size: int) -> None:
        """Count bytes that belong to no file."""
        self._idle += size
        if self._is_compressed and self._idle > IDLE_BYTES_MAX:
            raise BadArchive("much compressed data holds no file")

    def _begin(self, size: int) -> None:
        self._left, self._padding = size, -size % BLOCK

    def _skip(self) -> None:
        """Go behind the current member."""
        size = self._left + self._padding
        self._may_skip -= self._left
        if self._may_skip < 0:
            raise BadArchive("too much of the compressed data is in files that can't be stored")
        self._left = self._padding = 0
        while size:
            size -= len(self._some(min(size, PIECE_BYTES)))
            sleep()  # Others shall not wait for what nobody wants.

    def _skip_sparse_map(self, block: bytes) -> None:
        extended = block[482]
        while extended:
            self._spend(BLOCK)
            extended = self._exactly(BLOCK)[504]

    def _block(self, *, may_be_missing: bool) -> bytes | None:
        """Return the next header, None at the archive's end."""
        block = self._source.read(BLOCK)
        while block and len(block) < BLOCK:
            more = self._source.read(BLOCK - len(block))
            if not more:
                raise BadArchive("a header ends too early")
            block += more
        if not block and not may_be_missing:
            raise BadArchive("it is empty")
        if not block or block == _END:
            return None
        said, summed = _number(block[148:156]), block[:148] + b" " * 8 + block[156:]
        if said != sum(summed) and said != sum(summed) - 256 * sum(byte > 127 for byte in summed):
            raise BadArchive("a header's checksum is wrong")
        return block

    def _finish(self) -> None:
        """Take what fills the last block, so that the connection can be used further."""
        left = TRAILER_BYTES_MAX
        while left > 0 and (data := self._source.read(PIECE_BYTES)):
            left -= len(data)

    def _some(self, size: int) -> bytes:
        data = self._source.read(size)
        if not data:
            raise BadArchive("a file ends too early")
        return data

    def _exactly(self, size: int) -> bytes:
        pieces = []
        while size:
            data = self._some(size)
            pieces.append(data)
            size -= len(data)
        return b"".join(pieces)


def pax_records(data: bytes) -> dict[str, str]:
    """Return the records of an extended header: each is `LENGTH KEY=VALUE` and a newline."""
    records = {}
    position = 0
    while position < len(data) and data[position]:
        blank = data.find(b" ", position, position + 20)
        digits = data[position : max(blank, position)]
        end = position + int(digits) if digits.isdigit() else 0
        if not blank < end <= len(data) or data[end - 1 : end] != b"\n":
            raise BadArchive("an extended header is damaged")
        key, equals, value = data[blank + 1 : end - 1].partition(b"=")
        if not equals:
            raise BadArchive("an extended header is damaged")
        records[_text(key)] = _text(value)
        position = end
    return records


def _name(block: bytes) -> str:
    name = block[:100].partition(b"\0")[0]
    if block[257:263] == b"ustar\0":
        prefix = block[345:500].partition(b"\0")[0]
        if prefix:
            name = prefix + b"/" + name
    return _text(name)


def _number(digits: bytes) -> int:
    """Return a number: octal digits, or GNU's binary form for those that are too large for them."""
    if digits[0] == 0x80:
        return int.from_bytes(digits[1:], "big")
    text = digits.strip(b" \0")
    if not text:
        return 0
    try:
        number = int(text, 8)
    except ValueError as problem:
        raise BadArchive("a header holds no number where one must be") from problem
    if number < 0:
        raise BadArchive("a header holds a negative number")
    return number


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 20:
        raise BadArchive("an extended header holds no number where one must be")
    return int(text)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def headers_of(attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the headers (text) that extended attributes stand for, as GNU and BSD tar write them."""
    for vendor in ("LIBARCHIVE.xattr.", "SCHILY.xattr."):  # BSD tar writes both; the second is plain.
        for key, value in attributes.items():
            name = key.removeprefix(vendor)
            if name == key:
                continue
            if name == "user.mime_type":
                yield "Content-Type", value
            elif name.startswith("user.meta."):
                yield f"X-Object-Meta-{name.removeprefix('user.meta.')}", value
