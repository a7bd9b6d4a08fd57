"""The guest's disk: a FAT file system with a boot loader, a kernel, its first file system, and room.

build(path) ──▶ packages, archive, mkfs.vfat, syslinux ──▶ a raw disk image that any BIOS boots
"""

from __future__ import annotations

import gzip
import subprocess
import tempfile
from pathlib import Path

from ...common.errors import Unavailable
from .init import MODULES, SCRIPT
from .initramfs import FOLDER, Entry, archive, file_of, link_to, load_order
from .packages import PACKAGES, check_tools, kernel_package, unpack

MIB = 1 << 20
SIZE_MIB = 48
COMMAND_LINE = "console=ttyS0 quiet panic=5 net.ifnames=0 tsc=unstable"
MENU = f"""DEFAULT guest
PROMPT 0
TIMEOUT 0
LABEL guest
  KERNEL vmlinuz
  INITRD initrd.gz
  APPEND {COMMAND_LINE}
"""


def build(path: Path, size_mib: int = SIZE_MIB) -> None:
    """Write the disk image.

    Raises:
        Refused: a tool is missing; the sentence says what to install.
        Unavailable: a package cannot be had, or a tool failed.
    """
    check_tools()
    with tempfile.TemporaryDirectory(prefix="apus-guest-") as name:
        work = Path(name)
        root = work / "root"
        unpack((kernel_package(), *PACKAGES), root)
        kernel = next((root / "boot").glob("vmlinuz-*"))
        initrd = work / "initrd.gz"
        initrd.write_bytes(gzip.compress(archive(entries(root)), mtime=0))
        menu = work / "syslinux.cfg"
        menu.write_text(MENU)
        unfinished = path.with_name(path.name + ".part")
        with open(unfinished, "wb") as image:
            image.truncate(size_mib * MIB)
        _run("mkfs.vfat", "-n", "APUS", str(unfinished))
        for source, target in ((kernel, "vmlinuz"), (initrd, "initrd.gz"), (menu, "syslinux.cfg")):
            _run("mcopy", "-i", str(unfinished), str(source), f"::{target}")
        _run("syslinux", "--install", str(unfinished))
        unfinished.replace(path)


def entries(root: Path) -> dict[str, Entry]:
    """Return what the kernel finds when it starts: the program, its script, and modules in their order."""
    busybox = next(path for path in (root / "bin/busybox", root / "usr/bin/busybox") if path.exists())
    order = load_order(root / "lib/modules", MODULES)
    found: dict[str, Entry] = {
        **dict.fromkeys(("bin", "dev", "etc", "modules", "proc", "sys", "tmp"), FOLDER),
        "bin/busybox": file_of(busybox.read_bytes(), executable=True),
        "bin/sh": link_to("busybox"),
        "init": file_of(SCRIPT.encode(), executable=True),
        "modules.order": file_of("".join(f"{path.name}\n" for path in order).encode()),
    }
    for path in order:
        found[f"modules/{path.name}"] = file_of(path.read_bytes())
    return found


def _run(*command: str) -> None:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MTOOLS_SKIP_CHECK": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise Unavailable(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-300:]}")
