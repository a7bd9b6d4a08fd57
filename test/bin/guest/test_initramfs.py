"""The guest's first file system."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from apus.bin.guest.initramfs import FOLDER, archive, file_of, link_to, load_order, needs


def module(*needed: str) -> bytes:
    return b"\x7fELF\0license=GPL\0depends=" + ",".join(needed).encode() + b"\0name=x\0"


def test_a_module_is_loaded_after_what_it_needs(tmp_path: Path) -> None:
    """The order is one in which insmod finds every symbol; what the kernel has built in is passed over."""
    (tmp_path / "net").mkdir()
    for name, needed in (("virtio_net", ["virtio", "net_failover"]), ("net-failover", ["failover"]),
                         ("failover", []), ("virtio", [])):  # fmt: skip
        (tmp_path / "net" / f"{name}.ko").write_bytes(module(*needed))
    names = [path.stem for path in load_order(tmp_path, ["virtio_net", "ext4", "virtio"])]
    assert names == ["virtio", "failover", "net-failover", "virtio_net"]
    assert needs(b"no module") == []


CPIO = ["cpio"] if shutil.which("cpio") else ["busybox", "cpio"]


@pytest.mark.skipif(not shutil.which(CPIO[0]), reason="neither cpio nor busybox is installed")
def test_the_archive_is_one_that_cpio_reads(tmp_path: Path) -> None:
    """Files, folders and links come out as they went in."""
    made = archive(
        {"bin": FOLDER, "bin/tool": file_of(b"x" * 13, executable=True), "bin/sh": link_to("tool")}
    )
    subprocess.run([*CPIO, "-id"], input=made, cwd=tmp_path, check=True)
    assert (tmp_path / "bin/tool").read_bytes() == b"x" * 13
    assert (tmp_path / "bin/tool").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "bin/sh").readlink() == Path("tool")
