"""One run of apus-ring-builder: the files it works on, and how they are saved.

    argv[1] ──▶ file_names() ──▶ account.builder, account.ring.gz
    Session ──▶ save(), write_ring() ──▶ the files, and dated copies in backups/

What the subcommands mean is not known here.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from ...common.errors import Refused
from ..builder import Builder
from ..builder_file import write_builder
from ..device import Device, device_text
from ..file import write_ring_file
from ..search import Match

LOCK_SECONDS_MAX = 15.0
LOCK_POLL_SECONDS = 0.1


class Exit(IntEnum):
    """How a run ends; scripts of operators depend on the numbers."""

    DONE = 0
    WARNING = 1
    ERROR = 2


@dataclass(slots=True)
class Session:
    """What a subcommand works with."""

    builder_path: Path
    ring_path: Path
    words: list[str]
    options: argparse.Namespace
    loaded: Builder | None = None
    now: float = field(default_factory=time.time)

    @property
    def builder(self) -> Builder:
        """The builder of this run; it was loaded or the run would have ended."""
        assert self.loaded is not None
        return self.loaded

    @property
    def backups(self) -> Path:
        """Where dated copies go."""
        return self.builder_path.parent / "backups"

    def save(self) -> None:
        """Write the builder file."""
        write_builder(self.builder, self.builder_path)

    def back_up_builder(self) -> None:
        """Write a dated copy of the builder."""
        self.backups.mkdir(exist_ok=True)
        write_builder(self.builder, self.backups / f"{int(self.now)}.{self.builder_path.name}")

    def write_ring(self, format_version: int) -> None:
        """Write the ring file and a dated copy of it."""
        ring = self.builder.ring()
        if format_version == 1 and ring.id_bytes != 2:
            raise Refused("ring format version 1 has two bytes for a device id; use --format-version 2")
        self.backups.mkdir(exist_ok=True)
        dated = self.backups / f"{int(self.now)}.{self.ring_path.name}"
        for path in (dated, self.ring_path):
            write_ring_file(ring, path, format_version=format_version)

    def found(self, matches: Sequence[Match]) -> list[Device]:
        """Return the devices that each match finds, one match after the other."""
        return [device for match in matches for device in self.builder.present() if match.matches(device)]

    def confirmed(self, devices: Sequence[Device], what: str) -> None:
        """Ask before more than one device is changed; Refused when there is none or the answer is no."""
        if not devices:
            raise Refused("No device matches; the builder file is unchanged.")
        if len(devices) == 1 or self.options.yes:
            return
        print("More than one device matches:")
        for device in devices:
            print(f"    {device_text(device)}")
        try:
            answer = input(f"Really {what} these {len(devices)} devices? (y/N) ")
        except (EOFError, KeyboardInterrupt):
            answer = ""
        if answer != "y":
            raise Refused("Nothing was changed.")


def file_names(given: str) -> tuple[Path, Path]:
    """Return the builder file and the ring file that one name stands for."""
    if given.endswith(".ring.gz"):
        return Path(given.removesuffix(".ring.gz") + ".builder"), Path(given)
    return Path(given), Path(given.removesuffix(".builder") + ".ring.gz")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other builders out of the folder; the lock file is the one stock Swift's -safe variant takes."""
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    give_up_at = time.monotonic() + LOCK_SECONDS_MAX
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up_at:
                    raise Refused(f"{folder} is locked by another ring builder") from None
                time.sleep(LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(handle)
