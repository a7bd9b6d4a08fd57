"""An object's metadata as it lies in extended attributes, readable by stock Swift and from it.

    {"Content-Type": …, "name": "/a/c/o"} ──encode()──▶ pickle of bytes ──▶ user.swift.metadata, …1, …2
                                                        MD5 of it       ──▶ user.swift.metadata_checksum

Names and values are WSGI strings (one character per byte a client sent) and are stored as the UTF-8 of
those characters; only `name` is text. Python 2 stored a client's bytes as they were: such files are known
by their first bytes. A wrong checksum, an unreadable pickle and a missing attribute are all `Corrupt`.

It does not know what the metadata means.
"""

from __future__ import annotations

import _codecs
import ctypes
import errno
import hashlib
import os
from collections.abc import Mapping

from ...common import restricted_pickle
from ...common.errors import ApusError, Corrupt, OutOfSpace, Refused, Unavailable

METADATA_ATTRIBUTE = "user.swift.metadata"
CHECKSUM_ATTRIBUTE = "user.swift.metadata_checksum"
CHUNK_BYTES = 65536  # The largest attribute that Linux takes, and how stock Swift splits.
_PYTHON3_MARK = b"_codecs\nencode"
_ATTRIBUTE_NAME = METADATA_ATTRIBUTE.encode("ascii")
_USUAL_BYTES_MAX = 1024
_UsualBuffer = ctypes.c_char * _USUAL_BYTES_MAX
_fgetxattr = ctypes.CDLL(None).fgetxattr
_fgetxattr.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)
_fgetxattr.restype = ctypes.c_ssize_t
ROOMY_BYTES = 1 << 20  # With so much room left it is not the device that is full.
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.E2BIG, errno.ERANGE)
Metadata = dict[str, str]


def encode(metadata: Mapping[str, str]) -> bytes:
    """Return the bytes that stock Swift would store for this metadata, in this order."""
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
    by_python3 = _PYTHON3_MARK in data[:32]
    stored = restricted_pickle.loads(data, allowed=_TEXT_WRITER if by_python3 else _BYTES_WRITER)
    if not isinstance(stored, dict):
        raise Corrupt("metadata is no mapping")
    try:
        if by_python3:
            "".join(stored), "".join(stored.values())  # The cheapest way to see that all of it is text.
            return stored
        return {_python2_text(key): _python2_value(key, value) for key, value in stored.items()}
    except (TypeError, AttributeError) as problem:
        raise Corrupt("metadata holds something other than text") from problem


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
    if not isinstance(stored, str):
        raise TypeError(type(stored))
    return _python2_text(stored) if key == "name" else stored


def write(descriptor: int, metadata: Mapping[str, str]) -> None:
    """Store the metadata with its checksum in an open file.

    Raises:
        Refused: when it is more than this file system lets one file have, however much room there is.
        OutOfSpace: when the file system has no room for it.
        Unavailable: when the file system has no extended attributes.
    """
    data = encode(metadata)
    try:
        for index, start in enumerate(range(0, len(data), CHUNK_BYTES)):
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
    try:
        data = _usual(file) if isinstance(file, int) else os.getxattr(file, METADATA_ATTRIBUTE)
        if os.getxattr(file, CHECKSUM_ATTRIBUTE) == _checksum(data):
            return decode(data)
    except OSError:
        pass  # What it means is told below.
    return decode(_read_all(file))


def _usual(descriptor: int) -> bytes:
    """Return the first attribute of an open file; OSError also says that it is longer than most.

    `os.getxattr` asks for 128 bytes and then has the kernel clear 64 KiB: twice the cost of this.
    """
    buffer = _UsualBuffer()
    size = _fgetxattr(descriptor, _ATTRIBUTE_NAME, buffer, _USUAL_BYTES_MAX)
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
    return hashlib.md5(data, usedforsecurity=False).hexdigest().encode("ascii")
