"""Bytes of the NBD protocol, packed and parsed: newstyle handshake, simple replies.

    bytes of fixed length ──▶ Option, Request        option_reply(), simple_reply(), export_info() ──▶ bytes

Numbers are those of the protocol's public description (doc/proto.md of the NBD project). All integers are
big-endian. Nothing here reads from a socket; what is wrong raises Broken, after which the connection has no
meaning.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

from ....common.errors import ApusError

GREETING_MAGIC = b"NBDMAGIC"
OPTION_MAGIC = b"IHAVEOPT"
OPTION_REPLY_MAGIC = 0x3E889045565A9
REQUEST_MAGIC = 0x25609513
REPLY_MAGIC = 0x67446698

FIXED_NEWSTYLE, NO_ZEROES = 1, 2
CLIENT_FLAGS_BYTES = 4
OPTION_BYTES = 16
REQUEST_BYTES = 28
OPTION_DATA_BYTES_MAX = 8192
NAME_BYTES_MAX = 4096
REQUEST_LENGTH_MAX = 32 << 20
"""Most bytes of one read or write; what clients assume when nothing is said."""
PREFERRED_BLOCK_BYTES = 4096


class OptionKind(enum.IntEnum):
    """What a client may ask for before it begins."""

    EXPORT_NAME = 1
    ABORT = 2
    LIST = 3
    INFO = 6
    GO = 7


class Answer(enum.IntEnum):
    """Types of replies to options."""

    ACK = 1
    SERVER = 2
    INFO = 3
    UNSUPPORTED = 2**31 + 1
    INVALID = 2**31 + 3
    UNKNOWN = 2**31 + 6
    TOO_BIG = 2**31 + 9


class Info(enum.IntEnum):
    """Kinds of information about an export."""

    EXPORT = 0
    BLOCK_SIZE = 3


class Transmission(enum.IntFlag):
    """What an export can do."""

    HAS_FLAGS = 1
    READ_ONLY = 2
    FLUSH = 4
    FUA = 8
    TRIM = 32
    WRITE_ZEROES = 64
    MULTI_CONN = 256


class Command(enum.IntEnum):
    """Requests."""

    READ = 0
    WRITE = 1
    DISCONNECT = 2
    FLUSH = 3
    TRIM = 4
    WRITE_ZEROES = 6


FUA, NO_HOLE = 1, 2
FLAGS_KNOWN = {
    Command.READ: FUA,
    Command.WRITE: FUA,
    Command.FLUSH: FUA,
    Command.TRIM: FUA,
    Command.WRITE_ZEROES: FUA | NO_HOLE,
    Command.DISCONNECT: FUA,
}


class Errno(enum.IntEnum):
    """Errors of a request, which the protocol numbers as Linux does."""

    OK = 0
    PERM = 1
    IO = 5
    INVALID = 22
    NO_SPACE = 28
    NOT_SUPPORTED = 95
    SHUTDOWN = 108


class Broken(ApusError):
    """The other side doesn't speak the protocol; the connection ends."""


@dataclass(frozen=True, slots=True)
class Option:
    """The head of an option; `length` bytes of data follow."""

    kind: int
    length: int


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request; a write's data follow."""

    flags: int
    kind: int
    cookie: int
    offset: int
    length: int

    @property
    def payload_length(self) -> int:
        """How many bytes follow."""
        return self.length if self.kind == Command.WRITE else 0


def greeting() -> bytes:
    """Return what the server says first."""
    return GREETING_MAGIC + OPTION_MAGIC + struct.pack(">H", FIXED_NEWSTYLE | NO_ZEROES)


def client_flags(data: bytes) -> bool:
    """Return whether the client wants no padding after an export's description.

    Raises:
        Broken: it has flags of another protocol, or is too old to have any.
    """
    (flags,) = struct.unpack(">I", data)
    if flags & ~(FIXED_NEWSTYLE | NO_ZEROES) or not flags & FIXED_NEWSTYLE:
        raise Broken(f"client flags {flags:#x}")
    return bool(flags & NO_ZEROES)


def option(data: bytes) -> Option:
    """Parse the head of an option."""
    magic, kind, length = struct.unpack(">8sII", data)
    if magic != OPTION_MAGIC:
        raise Broken("no option begins so")
    if length > OPTION_DATA_BYTES_MAX:
        raise Broken(f"an option of {length} bytes")
    return Option(kind, length)


def request(data: bytes) -> Request:
    """Parse the head of a request."""
    magic, flags, kind, cookie, offset, length = struct.unpack(">IHHQQI", data)
    if magic != REQUEST_MAGIC:
        raise Broken("no request begins so")
    if kind == Command.WRITE and length > REQUEST_LENGTH_MAX:
        raise Broken(f"a write of {length} bytes")
    return Request(flags, kind, cookie, offset, length)


def option_reply(kind: int, answer: Answer, data: bytes = b"") -> bytes:
    """Return a reply to an option."""
    return struct.pack(">QIII", OPTION_REPLY_MAGIC, kind, answer, len(data)) + data


def simple_reply(cookie: int, error: Errno = Errno.OK) -> bytes:
    """Return the head of the answer to a request; a read's data follow it when there is no error."""
    return struct.pack(">IIQ", REPLY_MAGIC, error, cookie)


def export_info(size: int, flags: Transmission) -> bytes:
    """Return the data of an INFO reply about size and flags."""
    return struct.pack(">HQH", Info.EXPORT, size, flags)


def block_size_info() -> bytes:
    """Return the data of an INFO reply about lengths: any byte, best 4 KiB, at most 32 MiB."""
    return struct.pack(">HIII", Info.BLOCK_SIZE, 1, PREFERRED_BLOCK_BYTES, REQUEST_LENGTH_MAX)


def old_export(size: int, flags: Transmission, *, padding: bool) -> bytes:
    """Return the answer to EXPORT_NAME, which has no head."""
    return struct.pack(">QH", size, flags) + bytes(124 if padding else 0)


def listed_export(name: str) -> bytes:
    """Return the data of a SERVER reply."""
    encoded = name.encode()
    return struct.pack(">I", len(encoded)) + encoded


def wanted_export(data: bytes) -> tuple[str, list[int]]:
    """Parse the data of INFO or GO: the export's name, and the kinds of information asked for.

    Raises:
        ValueError: when it isn't laid out so.
    """
    try:
        (length,) = struct.unpack_from(">I", data)
        if length > NAME_BYTES_MAX or len(data) < 4 + length + 2:
            raise ValueError("the name is longer than the data")
        name = data[4 : 4 + length].decode()
        (count,) = struct.unpack_from(">H", data, 4 + length)
        kinds = struct.unpack_from(f">{count}H", data, 6 + length)
    except struct.error as problem:
        raise ValueError(str(problem)) from problem
    if len(data) != 6 + length + 2 * count:
        raise ValueError("there is more than was announced")
    return name, list(kinds)
