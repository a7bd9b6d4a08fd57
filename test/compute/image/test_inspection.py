"""Laws of the inspectors: what is declared is found, what refers elsewhere is refused, nothing crashes them."""

from __future__ import annotations

import shutil
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.compute.image.inspection import FORMATS, Mismatch, Unsafe, judge
from apus.compute.image.inspection.probe import of_bytes
from apus.compute.image.inspection.vhdx import FILE_PARAMETERS, METADATA, VIRTUAL_SIZE

GIB = 1 << 30


def qcow2(
    *,
    size: int = GIB,
    backing: tuple[int, int] = (0, 0),
    incompatible: int = 0,
    version: int = 3,
    extension: bytes = b"",
) -> bytes:
    head = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", version, *backing, 16, size, 0, 1, 1 << 16, 1 << 17, 1, 0, 0
    )
    if version == 3:
        head += struct.pack(">QQQII", incompatible, 0, 0, 4, 104)
    return (head + extension).ljust(4096, b"\0")


def vhd(kind: int = 3, size: int = GIB) -> bytes:
    return (
        b"conectix".ljust(48, b"\0")
        + struct.pack(">Q", size)
        + b"\0" * 4
        + struct.pack(">I", kind)
        + bytes(448)
    )


def vmdk(descriptor: str, *, grains_at: int = 21, capacity: int = 2048) -> bytes:
    text = descriptor.encode().ljust(1024, b"\0")
    head = struct.pack("<4sIIQQQQIQQ", b"KDMV", 1, 3, capacity, 128, 1, 2, 512, 0, grains_at)
    return head.ljust(512, b"\0") + text + bytes(4096)


def descriptor(
    *, kind: str = "monolithicSparse", extent: str = 'RW 2048 SPARSE "disk.vmdk"', parent: str = "ffffffff"
) -> str:
    return f'# Disk DescriptorFile\nversion=1\nCID=1\nparentCID={parent}\ncreateType="{kind}"\n{extent}\n'


def vdi(kind: int = 1) -> bytes:
    head = bytes(64) + struct.pack("<I", 0xBEDA107F) + bytes(8) + struct.pack("<I", kind)
    return (head.ljust(368, b"\0") + struct.pack("<Q", GIB)).ljust(1024, b"\0")


def vhdx(*, parent: bool = False) -> bytes:
    region = (
        b"regi" + bytes(4) + struct.pack("<II", 1, 0) + METADATA + struct.pack("<QII", 1 << 20, 1 << 20, 1)
    )
    items = (
        FILE_PARAMETERS
        + struct.pack("<IIII", 65536, 8, 0, 0)
        + VIRTUAL_SIZE
        + struct.pack("<IIII", 65544, 8, 0, 0)
    )
    metadata = b"metadata" + struct.pack("<HH", 0, 2) + bytes(20) + items
    values = struct.pack("<IIQ", 1 << 20, 2 if parent else 0, GIB)
    data = b"vhdxfile".ljust(192 << 10, b"\0") + region.ljust(64 << 10, b"\0") + region
    return data.ljust(1 << 20, b"\0") + metadata.ljust(65536, b"\0") + values


def mbr(kind: int = 0x83, second: bytes = b"") -> bytes:
    entry = bytes([0x80, 0, 0, 0, kind, 0, 0, 0]) + struct.pack("<II", 1, 100)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa" + second.ljust(512, b"\0")


def iso(front: bytes = b"") -> bytes:
    volume = b"\x01CD001\x01".ljust(80, b"\0") + struct.pack("<I", 20) + bytes(44) + struct.pack("<H", 2048)
    return front.ljust(32768, b"\0") + volume.ljust(2048 * 4, b"\0")


GPT = mbr(0xEE, b"EFI PART")
GOOD = {
    "qcow2": [qcow2(), qcow2(version=2), qcow2(incompatible=1), qcow2(extension=struct.pack(">II", 0, 0))],
    "vhd": [vhd(), bytes(4096) + vhd(2)],
    "vhdx": [vhdx()],
    "vmdk": [vmdk(descriptor()), vmdk(descriptor(kind="streamOptimized"))],
    "vdi": [vdi(), vdi(2)],
    "iso": [iso(), iso(GPT), iso(mbr())],
    "gpt": [GPT.ljust(4096, b"\0")],
    "raw": [b"", b"x", bytes(65536), GPT.ljust(4096, b"\0"), mbr(), iso(GPT), bytes(4096) + vhd(2)],
}
DANGEROUS = {
    "a backing file": ("qcow2", qcow2(backing=(200, 11))),
    "a backing file of no name": ("qcow2", qcow2(backing=(200, 0))),
    "an external data file": ("qcow2", qcow2(incompatible=1 << 2)),
    "the name of a data file": ("qcow2", qcow2(extension=struct.pack(">II", 0x44415441, 4) + b"file")),
    "a data file after another extension": (
        "qcow2",
        qcow2(
            extension=struct.pack(">II", 0xE2792ACA, 5) + b"qcow2\0\0\0" + struct.pack(">II", 0x44415441, 4)
        ),
    ),
    "an unknown feature": ("qcow2", qcow2(incompatible=1 << 17)),
    "an unknown version": ("qcow2", qcow2(version=7)),
    "a difference, VHD": ("vhd", vhd(4)),
    "a difference, VHDX": ("vhdx", vhdx(parent=True)),
    "a difference, VDI": ("vdi", vdi(4)),
    "a difference, VMDK": ("vmdk", vmdk(descriptor(parent="12345678"))),
    "an extent elsewhere": ("vmdk", vmdk(descriptor(extent='RW 2048 FLAT "/etc/passwd" 0'))),
    "a path in its own extent": ("vmdk", vmdk(descriptor(extent='RW 2048 SPARSE "/etc/passwd"'))),
    "two extents": ("vmdk", vmdk(descriptor(extent='RW 1 SPARSE "a"\nRW 1 SPARSE "b"'))),
    "a flat type": ("vmdk", vmdk(descriptor(kind="monolithicFlat"))),
    "two types": ("vmdk", vmdk(descriptor() + 'createType="monolithicFlat"\n')),
    "a descriptor alone": ("vmdk", descriptor().encode()),
    "no footer": ("vmdk", vmdk(descriptor(), grains_at=0xFFFFFFFFFFFFFFFF)),
}


@pytest.mark.parametrize("declared", GOOD)
def test_what_is_declared_is_found(declared: str) -> None:
    """Each honest file passes as what it is, and the disk's size is the one inside."""
    for data in GOOD[declared]:
        finding = judge(declared, of_bytes(data))
        assert not finding.dangers
        if declared in ("qcow2", "vhd", "vhdx", "vdi"):
            assert finding.virtual_size == GIB


@pytest.mark.parametrize("declared", sorted(FORMATS))
def test_nothing_passes_as_something_else(declared: str) -> None:
    """A file of a format that programs interpret is refused under every other name, raw above all."""
    for actual in ("qcow2", "vhdx", "vmdk", "vdi"):
        if actual != declared:
            for data in GOOD[actual]:
                with pytest.raises(Mismatch):
                    judge(declared, of_bytes(data))
    if declared not in ("iso", "raw"):
        with pytest.raises(Mismatch):
            judge(declared, of_bytes(iso()))


@pytest.mark.parametrize("what", DANGEROUS)
def test_files_that_refer_elsewhere_are_refused(what: str) -> None:
    """CVE-2024-32498 and its like: whatever names another file, or cannot be judged, is not taken."""
    declared, data = DANGEROUS[what]
    with pytest.raises(Unsafe):
        judge(declared, of_bytes(data))


def test_a_small_file_may_not_promise_a_huge_disk() -> None:
    """A bomb: 4 KiB that become 8 EiB."""
    with pytest.raises(Unsafe, match="bytes would come of it"):
        judge("qcow2", of_bytes(qcow2(size=1 << 62)), virtual_size_max=1 << 44)
    assert judge("qcow2", of_bytes(qcow2(size=1 << 44)), virtual_size_max=1 << 44).virtual_size == 1 << 44


def test_iso_gpt_mismatch() -> None:
    """Launchpad 2127789: a hybrid ISO is an iso and a raw disk; a partitioned disk is no iso."""
    judge("iso", of_bytes(iso(GPT)))
    judge("raw", of_bytes(iso(GPT)))
    with pytest.raises(Mismatch):
        judge("iso", of_bytes(GPT.ljust(65536, b"\0")))
    with pytest.raises(Mismatch):
        judge("raw", of_bytes(iso()))


def test_polyglots_are_what_qemu_takes_them_for() -> None:
    """A QCOW2 with an ISO's volume descriptor at its place is not an iso."""
    both = qcow2().ljust(32768, b"\0") + iso()[32768:]
    with pytest.raises(Mismatch):
        judge("iso", of_bytes(both))


@given(
    declared=st.sampled_from(sorted(FORMATS)),
    magic=st.sampled_from([b"", *(data[:600] for datas in GOOD.values() for data in datas)]),
    noise=st.binary(max_size=2048),
    cut=st.integers(0, 4096),
    at=st.integers(0, 700),
)
def test_no_file_makes_an_inspector_fail(
    declared: str, magic: bytes, noise: bytes, cut: int, at: int
) -> None:
    """Whatever the bytes: a finding, or a refusal with a sentence; never another error."""
    data = magic[:at] + noise + magic[at:]
    with suppress(Mismatch, Unsafe):
        assert judge(declared, of_bytes(data[: max(0, len(data) - cut)])).virtual_size >= 0


@pytest.mark.parametrize("declared", ["qcow2", "vmdk", "vdi", "vhdx", "vhd", "raw"])
def test_what_qemu_makes_is_taken(declared: str, tmp_path: Path) -> None:
    """Files of the program that everybody makes images with, and of their true size."""
    program = shutil.which("qemu-img")
    if program is None:
        pytest.skip("qemu-img is not installed")
    path = tmp_path / "disk"
    kind = {"vhd": "vpc"}.get(declared, declared)
    options = {"vmdk": ["-o", "subformat=streamOptimized"], "vhd": ["-o", "force_size=on"]}.get(declared, [])
    subprocess.run([program, "create", "-q", "-f", kind, *options, path, "16M"], check=True)
    assert judge(declared, of_bytes(path.read_bytes())).virtual_size == 16 << 20
