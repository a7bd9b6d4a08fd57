"""VHD (Virtual PC): a footer at the end, of which dynamic disks have a copy at the beginning."""

from __future__ import annotations

import struct

from .probe import Finding, Probe

COOKIE = b"conectix"
DIFFERENCING = 4
FOOTER_BYTES = 512
_KNOWN_TYPES = (2, 3)


def find(probe: Probe) -> Finding | None:
    """Return what the file is if it begins as a dynamic VHD does."""
    head = probe.read(0, FOOTER_BYTES)
    return _finding(head) if head[:8] == COOKIE else None


def find_fixed(probe: Probe) -> Finding | None:
    """Return what the file is if it ends as a VHD does; any raw disk's guest can write that, so ask last."""
    if probe.size < 2 * FOOTER_BYTES:
        return None
    tail = probe.read(probe.size - FOOTER_BYTES, FOOTER_BYTES)
    return _finding(tail) if tail[:8] == COOKIE else None


def _finding(footer: bytes) -> Finding:
    if len(footer) < FOOTER_BYTES:
        return Finding("vhd", 0, ("ends within its header",))
    (size,) = struct.unpack_from(">Q", footer, 48)
    (kind,) = struct.unpack_from(">I", footer, 60)
    if kind == DIFFERENCING:
        return Finding("vhd", size, ("is a difference to another file",))
    if kind not in _KNOWN_TYPES:
        return Finding("vhd", size, (f"is of type {kind}, which is not known here",))
    return Finding("vhd", size)
