"""QCOW2, by the header that qemu documents in docs/interop/qcow2.txt.

Dangers are references to other files (a backing file, an external data file) and features of which it is not
known what they refer to.
"""

from __future__ import annotations

import struct

from .probe import Finding, Probe

MAGIC = b"QFI\xfb"
_HEAD = struct.Struct(">4sIQIIQIIQQIIQ")
_FEATURES = struct.Struct(">QQQII")
EXTERNAL_DATA = 1 << 2
KNOWN_INCOMPATIBLE = 0b11111  # Dirty, corrupt, external data, compression type, extended L2 entries.
BACKING_FORMAT, DATA_FILE = 0xE2792ACA, 0x44415441
EXTENSIONS_MAX = 64
CLUSTER_BITS = range(9, 22)


def find(probe: Probe) -> Finding | None:
    """Return what the file is if it begins as a QCOW2 does."""
    head = probe.read(0, 104)
    if head[:4] != MAGIC:
        return None
    if len(head) < _HEAD.size:
        return Finding("qcow2", 0, ("ends within its header",))
    (_, version, backing_at, backing_length, cluster_bits, size, *_) = _HEAD.unpack_from(head)
    dangers = []
    if version not in (2, 3):
        dangers.append(f"is of version {version}, which is not known here")
    if backing_at or backing_length:
        dangers.append("has a backing file")
    if cluster_bits not in CLUSTER_BITS:
        dangers.append(f"has clusters of 2^{cluster_bits} bytes")
    length = 72
    if version >= 3:
        if len(head) < 104:
            return Finding("qcow2", size, (*dangers, "ends within its header"))
        incompatible, _, _, _, length = _FEATURES.unpack_from(head, 72)
        dangers += _feature_dangers(incompatible)
    dangers += _extension_dangers(probe, length)
    return Finding("qcow2", size, tuple(dangers))


def _feature_dangers(incompatible: int) -> list[str]:
    dangers = []
    if incompatible & EXTERNAL_DATA:
        dangers.append("keeps its data in another file")
    if unknown := incompatible & ~KNOWN_INCOMPATIBLE:
        dangers.append(f"has incompatible features that are not known here ({unknown:#x})")
    return dangers


def _extension_dangers(probe: Probe, at: int) -> list[str]:
    """Walk the header's extensions; names of other files may stand there."""
    if not 72 <= at <= 65536:
        return [f"has a header of {at} bytes"]
    for _ in range(EXTENSIONS_MAX):
        entry = probe.read(at, 8)
        if len(entry) < 8:
            return []
        kind, length = struct.unpack(">II", entry)
        if kind == 0:
            return []
        if kind == DATA_FILE:
            return ["names another file for its data"]
        if length > 1 << 21:
            return ["has a header extension that leads nowhere"]
        at += 8 + (length + 7) // 8 * 8
    return ["has too many header extensions"]
