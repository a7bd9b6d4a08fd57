"""Formats that refer to nothing else: VDI, ISO 9660, LUKS, partition tables; and QED, which nobody takes."""

from __future__ import annotations

import struct

from .probe import Finding, Probe

VDI_SIGNATURE = 0xBEDA107F
_VDI_KINDS = {1: "", 2: "", 3: "is an undo file of another one", 4: "is a difference to another file"}
ISO_AT = 32768
SECTOR = 512
PROTECTIVE = 0xEE


def find_vdi(probe: Probe) -> Finding | None:
    """Return what the file is if it begins as VirtualBox's do."""
    head = probe.read(0, SECTOR)
    if len(head) < 68 or struct.unpack_from("<I", head, 64)[0] != VDI_SIGNATURE:
        return None
    if len(head) < SECTOR:
        return Finding("vdi", 0, ("ends within its header",))
    (kind,) = struct.unpack_from("<I", head, 76)
    (size,) = struct.unpack_from("<Q", head, 368)
    danger = _VDI_KINDS.get(kind, f"is of type {kind}, which is not known here")
    return Finding("vdi", size, (danger,) if danger else ())


def find_iso(probe: Probe) -> Finding | None:
    """Return what the file is if it has a volume descriptor of ISO 9660 or UDF where those stand."""
    head = probe.read(ISO_AT, 2048)
    if head[1:6] == b"BEA01":
        return Finding("iso", probe.size)
    if head[1:6] != b"CD001":
        return None
    if len(head) < 2048 or head[0] != 1:
        return Finding("iso", probe.size)
    (blocks,) = struct.unpack_from("<I", head, 80)
    (block_size,) = struct.unpack_from("<H", head, 128)
    return Finding("iso", min(blocks * block_size, probe.size) or probe.size)


def find_qed(probe: Probe) -> Finding | None:
    """QED is a format that qemu recognises and that nobody here takes: it can have a backing file."""
    return Finding("qed", 0, ("is a QED, which is not taken",)) if probe.read(0, 4) == b"QED\0" else None


def find_luks(probe: Probe) -> Finding | None:
    """An encrypted disk, which is as opaque as a raw one."""
    return Finding("luks", probe.size) if probe.read(0, 6) == b"LUKS\xba\xbe" else None


def find_gpt(probe: Probe) -> Finding | None:
    """A disk with partitions: a GPT behind its protective MBR, or an MBR alone."""
    head = probe.read(0, 2 * SECTOR)
    if len(head) < SECTOR or head[510:512] != b"\x55\xaa":
        return None
    entries = [head[at : at + 16] for at in range(446, 510, 16)]
    if any(entry[0] not in (0, 0x80) for entry in entries) or not any(entry[4] for entry in entries):
        return None
    is_gpt = head[SECTOR : SECTOR + 8] == b"EFI PART" and any(entry[4] == PROTECTIVE for entry in entries)
    return Finding("gpt" if is_gpt else "mbr", probe.size)
