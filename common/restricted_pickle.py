"""The few stock formats that are pickles, read without trusting them.

    bytes from disk or a peer ──▶ loads() ──▶ plain containers and scalars, or Corrupt
    plain values ──▶ dumps() ──▶ protocol 2, as stock Swift writes

A pickle can name any callable. This reader resolves no names but those a caller lists, so that a
crafted file can at worst be refused. This is the only module that may load a pickle.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .errors import Corrupt

PROTOCOL = 2  # What stock Swift writes, and what Python 2 era tools of an operator still read.
SIZE_MAX = (
    1 << 30
)  # A builder file of a million partitions is tens of megabytes; beyond this it is no honest file.


class _Memory(io.BytesIO):
    """Bytes to be peeked at; otherwise the unpickler calls back for each string, three times the cost."""

    __slots__ = ()

    def peek(self, _size: int) -> bytes:
        """Return all that is left."""
        return self.getvalue()[self.tell() :]


class _Reader(pickle.Unpickler):
    """Resolves only the names it was given."""

    allowed: Mapping[tuple[str, str], Any] = MappingProxyType({})

    def find_class(self, module: str, name: str) -> Any:
        """Return what the caller listed under (module, name); anything else is refused."""
        name_in_full = (module, name)
        found = self.allowed.get(name_in_full) or _ALWAYS.get(name_in_full)
        if found is None:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed here")
        return found

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to outside objects."""
        raise pickle.UnpicklingError(f"persistent reference {pid!r}")


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """Stand in for `_codecs.encode`, by which Python 3 writes bytes in protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in {encoding!r}")
    return text.encode("latin-1")


def _empty_bytes() -> bytes:
    """Stand in for `bytes()`, by which Python 3 writes b"" in protocol 2."""
    return b""


_ALWAYS: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _latin1_bytes,
    ("__builtin__", "bytes"): _empty_bytes,
    ("builtins", "bytes"): _empty_bytes,
}


def loads(data: bytes, *, allowed: Mapping[tuple[str, str], Any] = MappingProxyType({})) -> Any:
    """Return the plain value in a pickle; `allowed` maps (module, name) to what may stand for it.

    Raises:
        Corrupt: when it is no pickle, is too large, or names anything else.
    """
    if len(data) > SIZE_MAX:
        raise Corrupt(f"a pickle of {len(data)} bytes is larger than {SIZE_MAX}")
    try:
        reader = _Reader(_Memory(data), encoding="latin-1")
        if allowed:
            reader.allowed = allowed
        return reader.load()
    except Exception as problem:  # noqa: BLE001 - a hostile pickle can raise anything from its opcodes
        raise Corrupt(f"unreadable pickle: {problem}") from problem


def dumps(value: object) -> bytes:
    """Return the pickle of a plain value in the protocol that stock Swift reads."""
    return pickle.dumps(value, protocol=PROTOCOL)
