"""VHDX, by [MS-VHDX]: region table ──▶ metadata region ──▶ file parameters and virtual disk size."""

from __future__ import annotations

import struct
import uuid

from .probe import Finding, Probe

SIGNATURE = b"vhdxfile"
REGION_TABLES = (192 * 1024, 256 * 1024)
REGIONS_MAX, ITEMS_MAX = 2047, 2047
METADATA = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
BAT = uuid.UUID("2dc27766-f623-4200-9d64-115e9bfd4a08").bytes_le
FILE_PARAMETERS = uuid.UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
VIRTUAL_SIZE = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le
PARENT_LOCATOR = uuid.UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le
HAS_PARENT = 0b10


def find(probe: Probe) -> Finding | None:
    """Return what the file is if it begins as a VHDX does."""
    if probe.read(0, 8) != SIGNATURE:
        return None
    tables = [at for table in REGION_TABLES if (at := _metadata_at(probe, table)) is not None]
    if not tables:
        return Finding("vhdx", 0, ("has no region of metadata",))
    if len(set(tables)) > 1:
        return Finding("vhdx", 0, ("has two tables of regions that differ",))
    return _from_metadata(probe, tables[0])


def _metadata_at(probe: Probe, table: int) -> int | None:
    head = probe.read(table, 16)
    if len(head) < 16 or head[:4] != b"regi":
        return None
    (count,) = struct.unpack_from("<I", head, 8)
    entries = probe.read(table + 16, 32 * min(count, REGIONS_MAX))
    for at in range(0, len(entries) - 31, 32):
        if entries[at : at + 16] == METADATA:
            (offset,) = struct.unpack_from("<Q", entries, at + 16)
            return int(offset)
    return None


def _from_metadata(probe: Probe, base: int) -> Finding:
    head = probe.read(base, 32)
    if len(head) < 32 or head[:8] != b"metadata":
        return Finding("vhdx", 0, ("has a region of metadata that is none",))
    (count,) = struct.unpack_from("<H", head, 10)
    entries = probe.read(base + 32, 32 * min(count, ITEMS_MAX))
    found: dict[bytes, int] = {}
    for at in range(0, len(entries) - 31, 32):
        (offset,) = struct.unpack_from("<I", entries, at + 16)
        found[entries[at : at + 16]] = base + offset
    size = _number(probe, found.get(VIRTUAL_SIZE), "<Q")
    parameters = _number(probe, found.get(FILE_PARAMETERS), "<Q")
    dangers = []
    if size is None or parameters is None:
        dangers.append("does not say how large it is and of which kind")
    if PARENT_LOCATOR in found or (parameters is not None and parameters >> 32 & HAS_PARENT):
        dangers.append("is a difference to another file")
    return Finding("vhdx", size or 0, tuple(dangers))


def _number(probe: Probe, at: int | None, form: str) -> int | None:
    data = b"" if at is None else probe.read(at, struct.calcsize(form))
    return int(struct.unpack(form, data)[0]) if len(data) == struct.calcsize(form) else None
