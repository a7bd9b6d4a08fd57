"""VMDK: a sparse extent with its descriptor inside; what names other files as its extents is refused.

"KDMV" header ──▶ descriptor (text within the file) ──▶ createType, extents
footer (stream-optimised) must place the descriptor where the header does, or readers would differ
"""

from __future__ import annotations

import re
import struct

from .probe import Finding, Probe

MAGIC = b"KDMV"
DESCRIPTOR = b"# disk descriptorfile"
ALLOWED_TYPES = frozenset(("streamoptimized", "monolithicsparse"))
SECTOR = 512
DESCRIPTOR_BYTES_MAX = 1 << 20
AT_END = 0xFFFFFFFFFFFFFFFF
_HEAD = struct.Struct("<4sIIQQQQIQQ")  # Magic, version, flags, capacity, grain, descriptor at and size, …
_CREATE_TYPE = re.compile(r'^\s*createtype\s*=\s*"?([^"\r\n]*)"?\s*$', re.IGNORECASE | re.MULTILINE)
_PARENT = re.compile(r"^\s*parentcid\s*=\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_PARENT_HINT = re.compile(r"^\s*parentfilenamehint\s*=", re.IGNORECASE | re.MULTILINE)
_EXTENT = re.compile(r"^\s*(?:rw|rdonly|noaccess)\s+(\d+)\s+(\S+)(.*)$", re.IGNORECASE | re.MULTILINE)
_OWN = re.compile(r'\s+"[^"/\\]*"\s*', re.ASCII)


def find(probe: Probe) -> Finding | None:
    """Return what the file is if it begins as a VMDK does."""
    head = probe.read(0, SECTOR)
    if head.lstrip()[: len(DESCRIPTOR)].lower() == DESCRIPTOR:
        return Finding("vmdk", 0, ("is a descriptor only, whose data is in other files",))
    if head[:4] in (b"COWD",):
        return Finding("vmdk", 0, ("is of a kind that is not taken",))
    if head[:4] != MAGIC:
        return None
    if len(head) < SECTOR:
        return Finding("vmdk", 0, ("ends within its header",))
    (_, version, _, capacity, _, at, length, _, _, grains_at) = _HEAD.unpack_from(head)
    dangers = [] if version in (1, 2, 3) else [f"is of version {version}, which is not known here"]
    if grains_at == AT_END:
        dangers += _footer_dangers(probe, (capacity, at, length))
    if not 0 < length * SECTOR <= DESCRIPTOR_BYTES_MAX or not at:
        return Finding("vmdk", capacity * SECTOR, (*dangers, "has no descriptor of its own"))
    text = probe.read(at * SECTOR, length * SECTOR).split(b"\0", 1)[0].decode("latin-1")
    return Finding("vmdk", capacity * SECTOR, (*dangers, *_descriptor_dangers(text)))


def _footer_dangers(probe: Probe, from_header: tuple[int, int, int]) -> list[str]:
    """Compare header and footer: some programs read one, some the other."""
    footer = probe.read(max(0, probe.size - 2 * SECTOR), SECTOR)
    if footer[:4] != MAGIC or len(footer) < SECTOR:
        return ["has no footer, which its header promises"]
    (_, _, _, capacity, _, at, length, *_) = _HEAD.unpack_from(footer)
    return [] if (capacity, at, length) == from_header else ["has a footer that contradicts its header"]


def _descriptor_dangers(text: str) -> list[str]:
    if not text.lstrip().lower().startswith(DESCRIPTOR.decode()):
        return ["has no descriptor of its own"]
    dangers = []
    types = {kind.strip().lower() for kind in _CREATE_TYPE.findall(text)}
    if len(types) != 1 or not types <= ALLOWED_TYPES:
        dangers.append(f"is of type {', '.join(sorted(types)) or 'unknown'}, which is not taken")
    parents = {parent.lower() for parent in _PARENT.findall(text)}
    if parents - {"ffffffff"} or _PARENT_HINT.search(text):
        dangers.append("is a difference to another file")
    extents = _EXTENT.findall(text)
    if len(extents) != 1:
        dangers.append(f"has {len(extents)} extents instead of one")
    if any(kind.upper() != "SPARSE" or not _OWN.fullmatch(rest) for _, kind, rest in extents):
        dangers.append("has an extent in another file")
    return dangers
