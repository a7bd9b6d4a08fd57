"""An object's metadata as it lies in extended attributes, readable by stock Swift and from it.

    {"Content-Type": …, "name": "/a/c/o"} ──encode()──▶ pickle    ──▶ user.swift.metadata, …1, …2
                                                        MD5 of it ──▶ user.swift.metadata_checksum

Names and values are WSGI strings (one character per byte a client sent); only `name` is text. Where all is
ASCII they are pickled as text, which stock Swift reads too; else as it pickles them itself, as the bytes of
their UTF-8, for which a pickler needs 20 µs more. Python 2 stored a client's bytes as they were: such files
are known by their first bytes. A wrong checksum, an unreadable pickle and a missing attribute are all
`Corrupt`.

It does not know what the metadata means.
"""

from __future__ import annotations

import _codecs
import ctypes
import errno
import os

from ...common import restricted_pickle
from ...common.errors import ApusError, Corrupt, OutOfSpace, Refused, Unavailable
from ...common.hashing import short_md5

METADATA_ATTRIBUTE = "user.swift.metadata"
CHECKSUM_ATTRIBUTE = "user.swift.metadata_checksum"
CHUNK_BYTES = 65536  # The largest attribute that Linux takes, and how stock Swift splits.
_PROTOCOL_BYTES = 2  # The first of them is the only one beyond ASCII where all strings are ASCII and few.
_PYTHON3_MARK = b"_codecs\nencode"
_ATTRIBUTE_NAME = METADATA_ATTRIBUTE.encode("ascii")
_USUAL_BYTES_MAX = 1024
_UsualBuffer = ctypes.c_char * _USUAL_BYTES_MAX
_libc = ctypes.CDLL(None)
_getxattr, _fgetxattr = _libc.getxattr, _libc.fgetxattr
_getxattr.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)
_fgetxattr.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)
_getxattr.restype = _fgetxattr.restype = ctypes.c_ssize_t
ROOMY_BYTES = 1 << 20  # With so much room left it is not the device that is full.
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.E2BIG, errno.ERANGE)
Metadata = dict[str, str]


def encode(metadata: Metadata) -> bytes:
    """Return bytes in which stock Swift finds this metadata, in this order; beyond ASCII its very own."""
    as_text = restricted_pickle.dumps(metadata)
    if as_text[_PROTOCOL_BYTES:].isascii():
        return as_text
    return restricted_pickle.dumps(
        {
            key.encode("utf-8", "surrogateescape"): value.encode("utf-8", "surrogateescape")
            for key, value in metadata.items()
        }
    )


def decode(data: bytes) -> Metadata:
    """Return the metadata in what `encode`, stock Swift or stock Swift on Python 2 stored.

    Raises:
        Corrupt: when it is anything else.
    """
    if data[_PROTOCOL_BYTES:].isascii():
        return _checked(restricted_pickle.loads(data))
    if _PYTHON3_MARK in data[:32]:
        return _checked(restricted_pickle.loads(data, allowed=_TEXT_WRITER))
    stored = _checked(restricted_pickle.loads(data, allowed=_BYTES_WRITER))
    return {_python2_text(key): _python2_value(key, value) for key, value in stored.items()}


def _checked(stored: object) -> Metadata:
    """Return what was unpickled if it is a dictionary of text."""
    if not isinstance(stored, dict):
        raise Corrupt("metadata is no mapping")
    try:
        "".join(stored), "".join(stored.values())  # The cheapest way to see that all of it is text.
    except TypeError as problem:
        raise Corrupt("metadata holds something other than text") from problem
    return stored


def _text(characters: str, encoding: str) -> str:
    """Stand in for `_codecs.encode`: the text whose UTF-8 bytes these characters are."""
    if characters.isascii():
        return characters
    return characters.encode(encoding).decode("utf-8", "surrogateescape")


# By this Python 3 writes bytes, and b"". Text is made at once: what a second pass over it costs is a third.
_TEXT_WRITER = {("_codecs", "encode"): _text, ("__builtin__", "bytes"): str, ("builtins", "bytes"): str}
_BYTES_WRITER = {("_codecs", "encode"): _codecs.encode}


def _python2_text(stored: str) -> str:
    """Return text of which Python 2 stored the UTF-8 bytes, or the characters."""
    try:
        return stored.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return stored


def _python2_value(key: str, stored: str) -> str:
    return _python2_text(stored) if key == "name" else stored


def write(descriptor: int, metadata: Metadata) -> None:
    """Store the metadata with its checksum in an open file.

    Raises:
        Refused: when it is more than this file system lets one file have, however much room there is.
        OutOfSpace: when the file system has no room for it.
        Unavailable: when the file system has no extended attributes.
    """
    write_encoded(descriptor, encode(metadata))


def write_encoded(descriptor: int, data: bytes) -> None:
    """Store metadata that is encoded already, with its checksum; raises as `write` does."""
    try:
        os.setxattr(descriptor, METADATA_ATTRIBUTE, data[:CHUNK_BYTES])  # Nearly always all of it.
        for index, start in enumerate(range(CHUNK_BYTES, len(data), CHUNK_BYTES), 1):
            os.setxattr(descriptor, _attribute(index), data[start : start + CHUNK_BYTES])
        os.setxattr(descriptor, CHECKSUM_ATTRIBUTE, _checksum(data))
    except OSError as problem:
        if problem.errno in _NO_SPACE:
            raise _too_much(descriptor) from problem
        if problem.errno == errno.ENOTSUP:
            raise Unavailable(
                "the file system has no extended attributes: mount it with user_xattr"
            ) from problem
        raise


def _too_much(descriptor: int) -> ApusError:
    """Return what it means that attributes found no room: a full device, or too many of them for one file.

    ext4 keeps all attributes of a file in one block unless made with `ea_inode`. That is no fault of
    the device: were it reported as one, any client could have every device put to rest.
    """
    room = os.fstatvfs(descriptor)
    if room.f_bavail * room.f_frsize < ROOMY_BYTES:
        return OutOfSpace("no room for the metadata in the file's attributes")
    return Refused("The metadata is more than the storage servers' file systems allow for one object.")


def read(file: int | str) -> Metadata:
    """Return the metadata of an open file or a path, checked against its checksum; most is one attribute.

    Raises:
        Corrupt: when it is not what was written.
        FileNotFoundError: when the path is gone.
    """
    return decode(read_encoded(file))


def read_encoded(file: int | str) -> bytes:
    """Return the metadata as it lies there, checked against its checksum; raises as `read` does."""
    try:
        data = _usual(file)
        if os.getxattr(file, CHECKSUM_ATTRIBUTE) == _checksum(data):
            return data
    except OSError:
        pass  # What it means is told below.
    return _read_all(file)


def _usual(file: int | str) -> bytes:
    """Return the first attribute of an open file or a path; OSError also says that it is longer than most.

    `os.getxattr` asks for 128 bytes and then has the kernel clear 64 KiB: twice the cost of this.
    """
    buffer = _UsualBuffer()
    if isinstance(file, int):
        size = _fgetxattr(file, _ATTRIBUTE_NAME, buffer, _USUAL_BYTES_MAX)
    else:
        size = _getxattr(os.fsencode(file), _ATTRIBUTE_NAME, buffer, _USUAL_BYTES_MAX)
    if size < 0:
        raise OSError
    return buffer.raw[:size]


def add_missing_checksum(file: int | str) -> None:
    """Give a file from before checksums one."""
    if _attribute_or_none(file, CHECKSUM_ATTRIBUTE) is None:
        os.setxattr(file, CHECKSUM_ATTRIBUTE, _checksum(_read_all(file)))


def _read_all(file: int | str) -> bytes:
    data = _attribute_or_none(file, METADATA_ATTRIBUTE)
    if data is None:
        raise Corrupt("there is no metadata")
    checksum = _attribute_or_none(file, CHECKSUM_ATTRIBUTE)
    index = 1
    while (chunk := _attribute_or_none(file, _attribute(index))) is not None:
        data += chunk
        index += 1
    if checksum is not None and checksum != _checksum(data):
        raise Corrupt("metadata does not match its checksum")
    return data


def _attribute(index: int) -> str:
    return f"{METADATA_ATTRIBUTE}{index}" if index else METADATA_ATTRIBUTE


def _attribute_or_none(file: int | str, name: str) -> bytes | None:
    try:
        return os.getxattr(file, name)
    except OSError as problem:
        if problem.errno == errno.ENODATA:
            return None
        if problem.errno == errno.ENOTSUP:
            raise Unavailable("the file system has no extended attributes") from problem
        raise


def _checksum(data: bytes) -> bytes:
    digest: str = short_md5(data).hexdigest()
    return digest.encode("ascii")
