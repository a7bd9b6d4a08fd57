"""What the guest is made of, fetched from Debian's archive by apt, unpacked without being installed.

names ──apt-get download──▶ *.deb ──dpkg-deb -x──▶ a folder
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from ...common.errors import Refused, Unavailable

KERNEL = "linux-image-cloud-amd64"
PACKAGES = ("busybox-static",)
TOOLS = ("apt-get", "dpkg-deb", "mkfs.vfat", "mcopy", "mmd", "syslinux")


def kernel_package() -> str:
    """Return the package of the newest kernel for clouds.

    Raises:
        Unavailable: apt knows none.
    """
    for line in _output("apt-cache", "depends", KERNEL).splitlines():
        word, _, name = line.strip().partition(": ")
        if word == "Depends" and name.startswith("linux-image-"):
            return name
    raise Unavailable(f"apt knows no {KERNEL}; run apt-get update")


def unpack(names: Iterable[str], folder: Path) -> None:
    """Fetch the packages and unpack them into the folder."""
    archives = folder.with_name(folder.name + "-debs")
    archives.mkdir(parents=True)
    # apt's own user may not write here, and says so in a line that nobody needs.
    _output("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *names, folder=archives)
    for each in sorted(archives.glob("*.deb")):
        _output("dpkg-deb", "-x", str(each), str(folder))


def check_tools() -> None:
    """Refuse, naming what is missing, where the image cannot be built."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [
        tool for tool in TOOLS if not any((Path(each) / tool).exists() for each in path.split(":") if each)
    ]
    if missing:
        raise Refused(
            f"{', '.join(missing)} is missing: apt-get install dosfstools mtools syslinux syslinux-common"
        )


def _output(*command: str, folder: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError as problem:
        raise Refused(f"{command[0]} is missing: this needs Debian or Ubuntu") from problem
    except subprocess.CalledProcessError as problem:
        raise Unavailable(f"{' '.join(command[:3])} failed: {problem.stderr.strip()[-300:]}") from problem
    return done.stdout
