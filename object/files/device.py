"""The devices of a node: which are there to be used, and how full they may get.

    "sdb1" ──▶ Devices.path() ──▶ /srv/node/sdb1    or Unusable, when it is not mounted, broken or no name
    body's size ──▶ require_space() ──▶ nothing, or OutOfSpace when the reserve would be touched

A device that is not mounted must never be written to: its folder would fill the root file system. The
check is made in each request, so a device that comes or goes is noticed at once.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass

from ...common.errors import OutOfSpace, Refused, Unavailable

_NAME = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_RESERVE = re.compile(r"(\d+(?:\.\d+)?)\s*(%?)")
_REMEMBERED_MAX = 1024
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
BROKEN = (errno.EIO, errno.EROFS, errno.ENODEV, errno.ENXIO, errno.ESHUTDOWN, errno.EUCLEAN)


class Unusable(OutOfSpace):
    """The device is not mounted, broken or unknown: 507, so that proxies go elsewhere at once."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Free space that writes leave alone: bytes, or a percentage of the file system."""

    amount: float
    is_percentage: bool

    @classmethod
    def parse(cls, text: str) -> Reserve:
        """Read `1%` or a number of bytes; raise Refused for anything else."""
        match = _RESERVE.fullmatch(text.strip())
        if match is None or (match[2] and float(match[1]) > 100):
            raise Refused(f"fallocate_reserve = {text!r}: expected bytes, or a percentage such as 1%")
        return cls(float(match[1]), bool(match[2]))

    def in_bytes(self, capacity_bytes: int) -> float:
        """Return what must stay free on a file system of that size."""
        return capacity_bytes * self.amount / 100 if self.is_percentage else self.amount


def require_space(descriptor: int, size: int, reserve: Reserve) -> None:
    """Raise OutOfSpace when `size` more bytes would leave less than the reserve."""
    if not reserve.amount and not size:
        return
    state = os.fstatvfs(descriptor)
    free = state.f_frsize * state.f_bavail - size
    if free < reserve.in_bytes(state.f_frsize * state.f_blocks):
        raise OutOfSpace(f"{free} bytes would be left on the device, less than its reserve")


class Devices:
    """The folder in which all devices of this node are mounted."""

    def __init__(self, root: str, *, mount_check: bool) -> None:
        self.root = root.rstrip("/") or "/"
        self._mount_check = mount_check
        self._well_formed: set[str] = set()

    def path(self, name: str) -> str:
        """Return the device's folder; raise Unusable when it cannot be used."""
        return self.locate(name)[0]

    def locate(self, name: str) -> tuple[str, int | None]:
        """Return the device's folder and its file system's number; raise Unusable as `path` does."""
        if name not in self._well_formed:
            self._check_name(name)
        path = f"{self.root}/{name}"
        try:
            if self._mount_check:
                file_system = self._mounted(path)
            else:
                found = os.stat(path)
                file_system = found.st_dev if stat.S_ISDIR(found.st_mode) else None
        except OSError as problem:
            raise Unusable(f"{path}: {problem.strerror}") from problem
        if file_system is None:
            raise Unusable(f"{path} is not mounted")
        return path, file_system

    def locate_to_read(self, name: str) -> tuple[str, int | None]:
        """Return the device's folder for a reader, who asks `locate` too should nothing be found in it.

        A file that could be opened proves that its folder is there, but not that a device is mounted on it.
        """
        if self._mount_check:
            return self.locate(name)
        if name not in self._well_formed:
            self._check_name(name)
        return f"{self.root}/{name}", None

    def _check_name(self, name: str) -> None:
        if not _NAME.fullmatch(name) or name in (".", ".."):
            raise Unusable(f"{name!r} is no device")
        if len(self._well_formed) < _REMEMBERED_MAX:
            self._well_formed.add(name)

    def _mounted(self, path: str) -> int | None:
        """Return the number of the file system that is mounted there, None when none is."""
        here = os.lstat(path)
        above = os.lstat(self.root)
        if here.st_dev != above.st_dev or here.st_ino == above.st_ino:
            return here.st_dev
        # What an all-in-one installation on one disk puts there to say: this is as good as mounted.
        return os.stat(path).st_dev if os.path.isfile(f"{path}/.ismount") else None

    def names(self) -> list[str]:
        """Return the names of the devices that can be used now."""
        usable = []
        for name in sorted(os.listdir(self.root)):
            try:
                self.path(name)
            except Unusable:
                continue
            usable.append(name)
        return usable


def translate(problem: OSError) -> Unavailable | None:
    """Return what a failed system call on a device means to the caller of the store, or None."""
    if problem.errno in NO_SPACE:
        return OutOfSpace("no space left on the device")
    if problem.errno in BROKEN:
        return Unusable(f"the device fails: {problem.strerror}")
    return None
