"""The ring file: a gzip stream that stock Swift and Apus read alike, byte for byte.

    RingData ──▶ encode(version=1|2) ──▶ bytes ──▶ write_ring_file() ──▶ account.ring.gz
    account.ring.gz ──▶ read_ring_file() ──▶ decode() ──▶ RingData

    version 1   "R1NG" 00 01 | !I length | JSON {devs, part_shift, replica_count, byteorder} | rows of u16
    version 2   "R1NG" 00 02 | sections, each !Q length + data | index as JSON | !Q !Q where the index starts

What a partition means and which device comes first is not known here: see table.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.errors import Corrupt
from .device import Device

MAGIC = b"R1NG"
FORMAT_VERSIONS = (1, 2)
# A constant time in the gzip header, stock Swift's, so that equal rings have equal checksums.
GZIP_TIME = 1300507380
CHECKSUMS = ("md5", "sha1", "sha256", "sha512")
ID_TYPES: Mapping[int, Any] = {2: np.uint16, 4: np.uint32}

Row = NDArray[np.unsignedinteger]


@dataclass(slots=True)
class RingData:
    """What a ring file holds; rows[replica][partition] is a device id, the last row may be short."""

    devices: list[Device | None]
    part_shift: int
    rows: list[Row]
    version: int | None = None
    next_part_power: int | None = None
    format_version: int = 1
    id_bytes: int = 2
    size: int = field(default=0, compare=False)
    raw_size: int = field(default=0, compare=False)


def encode(ring: RingData, *, format_version: int, name: str) -> bytes:
    """Return the whole file; `name` is the file's, since gzip's header carries it."""
    assert format_version in FORMAT_VERSIONS
    stream = _GzipStream(name)
    stream.at_level(0)
    stream.write(MAGIC + struct.pack("!H", format_version))
    stream.flush()
    stream.at_level(9)
    if format_version == 1:
        _encode_v1(ring, stream)
    else:
        _encode_v2(ring, stream)
    return stream.finish()


def decode(data: bytes) -> RingData:
    """Return what the file's bytes say; Corrupt when they say nothing sensible."""
    try:
        raw = _gunzip(data)
        if raw[:4] != MAGIC:
            raise Corrupt(f"not a ring file: it begins with {raw[:4]!r}")
        (format_version,) = struct.unpack_from("!H", raw, 4)
        if format_version not in FORMAT_VERSIONS:
            raise Corrupt(f"ring format version {format_version} is not known")
        ring = _decode_v1(raw) if format_version == 1 else _decode_v2(raw)
    except (struct.error, ValueError, KeyError, IndexError, TypeError, zlib.error) as error:
        raise Corrupt(f"the ring file is damaged: {error}") from error
    ring.format_version = format_version
    ring.size, ring.raw_size = len(data), len(raw)
    return ring


def read_ring_file(path: str | os.PathLike[str]) -> RingData:
    """Read one ring file."""
    try:
        return decode(Path(path).read_bytes())
    except Corrupt as error:
        raise Corrupt(f"{os.fspath(path)}: {error}") from error


def write_ring_file(ring: RingData, path: str | os.PathLike[str], *, format_version: int = 1) -> None:
    """Write the file so that a reader sees the old one or the new one, whole and durable."""
    target = Path(path)
    replace_file(target, encode(ring, format_version=format_version, name=os.fspath(path)))


def replace_file(target: Path, data: bytes) -> None:
    """Put `data` where `target` is, atomically, and make file and name durable."""
    folder = target.parent
    with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{target.name}.", delete=False) as draft:
        try:
            draft.write(data)
            draft.flush()
            os.fsync(draft.fileno())
            os.fchmod(draft.fileno(), 0o644)
            os.rename(draft.name, target)
        except BaseException:
            os.unlink(draft.name)
            raise
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _encode_v1(ring: RingData, stream: _GzipStream) -> None:
    assert ring.id_bytes == 2, "version 1 has two bytes for a device id"
    header: dict[str, Any] = {
        "devs": _written(ring.devices),
        "part_shift": ring.part_shift,
        "replica_count": len(ring.rows),
        "byteorder": sys.byteorder,
    }
    if ring.version is not None:
        header["version"] = ring.version
    if ring.next_part_power is not None:
        header["next_part_power"] = ring.next_part_power
    text = _json(header)
    stream.write(struct.pack("!I", len(text)) + text)
    stream.write(*(row.astype(np.uint16).tobytes() for row in ring.rows))


def _encode_v2(ring: RingData, stream: _GzipStream) -> None:
    about: dict[str, Any] = {
        "part_shift": ring.part_shift,
        "dev_id_bytes": ring.id_bytes,
        "replica_count": replica_count(ring.rows),
        "version": ring.version,
    }
    if ring.next_part_power is not None:
        about["next_part_power"] = ring.next_part_power
    table = b"".join(
        row.astype(ID_TYPES[ring.id_bytes]).astype(f">u{ring.id_bytes}").tobytes() for row in ring.rows
    )
    index = {
        "swift/ring/metadata": stream.section(_json(about)),
        "swift/ring/devices": stream.section(_json(_written(ring.devices))),
        "swift/ring/assignments": stream.section(table),
    }
    raw_start, start = stream.raw_size, stream.size
    text = _json(index)
    stream.write(struct.pack("!Q", len(text)) + text)
    stream.flush()
    stream.at_level(0)
    for place in (raw_start, start):
        stream.write(struct.pack("!Q", place))
        stream.flush()


def _decode_v1(raw: bytes) -> RingData:
    (length,) = struct.unpack_from("!I", raw, 6)
    header = json.loads(raw[10 : 10 + length])
    order = {"little": "<", "big": ">"}[header.get("byteorder", sys.byteorder)]
    whole = 1 << (32 - header["part_shift"])
    table = np.frombuffer(raw[10 + length :], dtype=f"{order}u2").astype(np.uint16)
    rows = [table[at : at + whole] for at in range(0, whole * header["replica_count"], whole)]
    if rows and not len(rows[-1]):
        rows.pop()  # Stock Swift counts a last row that rounding left empty.
    return _checked(header, header["devs"], rows, id_bytes=2)


def _decode_v2(raw: bytes) -> RingData:
    (start,) = struct.unpack_from("!Q", raw, len(raw) - 16)
    index = json.loads(_blob(raw, start))
    about = json.loads(_section(raw, index["swift/ring/metadata"]))
    devices = json.loads(_section(raw, index["swift/ring/devices"]))
    id_bytes = about["dev_id_bytes"]
    flat = _section(raw, index["swift/ring/assignments"])
    if id_bytes not in ID_TYPES:
        if flat:
            raise Corrupt(f"device ids of {id_bytes} bytes are not known")
        id_bytes = 2
    table = np.frombuffer(flat, dtype=f">u{id_bytes}").astype(ID_TYPES[id_bytes])
    whole = 1 << (32 - about["part_shift"])
    rows = [table[at : at + whole] for at in range(0, len(table), whole)]
    return _checked(about, devices, rows, id_bytes=id_bytes)


def _checked(about: Mapping[str, Any], devices: list[Any], rows: list[Row], *, id_bytes: int) -> RingData:
    """Return the ring when every row names devices that exist and only the last row is short."""
    known = [None if entry is None else Device.parse(entry) for entry in devices]
    if any(len(row) != len(rows[0]) for row in rows[:-1]) or any(len(row) == 0 for row in rows):
        raise Corrupt("rows of the table are missing")
    if rows and len(rows[0]) != 1 << (32 - about["part_shift"]):
        raise Corrupt("the table is shorter than its partitions")
    real = np.array([entry is not None for entry in known] or [False])
    for row in rows:
        if int(row.max()) >= len(known) or not real[row].all():
            raise Corrupt("the table names a device that does not exist")
    return RingData(
        devices=known,
        part_shift=about["part_shift"],
        rows=rows,
        version=about.get("version"),
        next_part_power=about.get("next_part_power"),
        id_bytes=id_bytes,
    )


def replica_count(rows: list[Row]) -> float:
    """Return how many replicas a table holds on average."""
    if not rows:
        return 0
    return len(rows) - 1 + len(rows[-1]) / len(rows[0])


def _written(devices: list[Device | None]) -> list[dict[str, Any] | None]:
    return [None if device is None else device.written() for device in devices]


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True).encode("ascii")


def _blob(raw: bytes, start: int) -> bytes:
    (length,) = struct.unpack_from("!Q", raw, start)
    blob = raw[start + 8 : start + 8 + length]
    if len(blob) != length:
        raise Corrupt("a section is cut short")
    return blob


def _section(raw: bytes, entry: list[Any]) -> bytes:
    """Return one section's data once its length and its checksum agree with the index."""
    _, start, _, end, method, digest = entry
    if method not in CHECKSUMS:
        raise Corrupt(f"checksum method {method} is not known")
    if hashlib.new(method, raw[start:end]).hexdigest() != digest:
        raise Corrupt("a section does not match its checksum")
    return _blob(raw, start)


def _gunzip(data: bytes) -> bytes:
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    raw = inflater.decompress(data) + inflater.flush()
    if not inflater.eof:
        raise Corrupt("the ring file is cut short")
    return raw


class _GzipStream:
    """A gzip member written in pieces that can each be inflated alone, as stock Swift lays them out."""

    def __init__(self, name: str) -> None:
        """Begin with the header; gzip keeps the base name without its .gz, in latin-1 or not at all."""
        self._pieces: list[bytes] = list(self._header(os.path.basename(name)))
        self.size = sum(len(piece) for piece in self._pieces)
        self.raw_size = 0
        self._crc = 0
        self._deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, 0)

    @staticmethod
    def _header(name: str) -> Iterator[bytes]:
        try:
            stored = name.encode("latin-1").removesuffix(b".gz")
        except UnicodeEncodeError:
            stored = b""
        yield b"\x1f\x8b\x08" + (b"\x08" if stored else b"\x00") + struct.pack("<L", GZIP_TIME) + b"\x02\xff"
        if stored:
            yield stored + b"\x00"

    def at_level(self, level: int) -> None:
        """Write what follows with a fresh deflater of that level."""
        self._deflater = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, 0)

    def write(self, *data: bytes) -> None:
        """Write, not flushed yet."""
        for piece in data:
            self._crc = zlib.crc32(piece, self._crc)
            self.raw_size += len(piece)
            self._put(self._deflater.compress(piece))

    def flush(self) -> None:
        """End at a point where a reader may begin to inflate."""
        self._put(self._deflater.flush(zlib.Z_FULL_FLUSH))

    def section(self, data: bytes) -> list[Any]:
        """Write one section of a version 2 file and return its entry for the index."""
        start, raw_start = self.size, self.raw_size
        blob = struct.pack("!Q", len(data)) + data
        self.write(blob)
        self.flush()
        return [start, raw_start, self.size, self.raw_size, "sha256", hashlib.sha256(blob).hexdigest()]

    def _put(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self.size += len(piece)

    def finish(self) -> bytes:
        """Return the whole member."""
        self._put(self._deflater.flush(zlib.Z_FINISH))
        self._put(struct.pack("<LL", self._crc, self.raw_size & 0xFFFFFFFF))
        return b"".join(self._pieces)
