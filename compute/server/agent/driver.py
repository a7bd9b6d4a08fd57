"""What a driver of machines must do, whichever hypervisor is under it.

    Driver: machines(), start(Machine), stop(id), … ──▶ the hypervisor

Every call may be repeated after a crash: to start what runs, or to remove what is gone, is no error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ....common.errors import ApusError
from ..diagnosis import Diagnostics
from ..domain import Disk, Machine, Nic
from ..states import Power


class DriverFailed(ApusError):
    """The hypervisor did not do it; the sentence is its own."""


class Driver(Protocol):
    """Runs machines."""

    hypervisor_type: str
    hypervisor_version: int

    def machines(self) -> Mapping[str, Power]:
        """Return the power state of every machine that is ours, by server id."""
        ...

    def go_on(self) -> None:
        """Let machines go on that stand still because a disk failed them; those it still fails stop again."""
        ...

    def start(self, machine: Machine) -> None:
        """Make the machine what it is described to be, and run it; one that runs goes on as it is."""
        ...

    def stop(self, server_id: str, seconds: float) -> None:
        """Ask the guest to shut down; cut its power when it has not within so many seconds."""
        ...

    def reset(self, server_id: str) -> None:
        """Press the reset button."""
        ...

    def pause(self, server_id: str) -> None:
        """Stop its processors."""
        ...

    def unpause(self, server_id: str) -> None:
        """Let its processors go on."""
        ...

    def suspend(self, server_id: str) -> None:
        """Write its memory to disk and stop it."""
        ...

    def save(self, server_id: str, path: Path) -> None:
        """Write its memory to the file and stop it; where that is done already, do nothing."""
        ...

    def restore(self, machine: Machine, path: Path) -> None:
        """Let it go on from the file where it was saved, with the disks that the machine has here."""
        ...

    def remove(self, server_id: str) -> None:
        """Cut its power and forget it."""
        ...

    def plug_disk(self, server_id: str, disk: Disk) -> None:
        """Give it a disk."""
        ...

    def unplug_disk(self, server_id: str, device: str) -> None:
        """Take a disk from it; return once the guest has let go of it."""
        ...

    def plug_nic(self, server_id: str, nic: Nic) -> None:
        """Give it an interface."""
        ...

    def unplug_nic(self, server_id: str, nic: Nic) -> None:
        """Take an interface from it."""
        ...

    def set_password(self, server_id: str, password: str) -> None:
        """Have the guest's agent set the administrator's password."""
        ...

    def console(self, server_id: str) -> Path | None:
        """Return the file of what the machine has printed on its serial console."""
        ...

    def console_socket(self, server_id: str, kind: str) -> Path | None:
        """Return the unix socket of its `serial` console or its screen (`vnc`); None while it has none."""
        ...

    def interrupt(self, server_id: str) -> None:
        """Send it an interrupt that nothing masks: a guest may be set up to write down what it was doing."""
        ...

    def diagnostics(self, server_id: str) -> Diagnostics:
        """Return what the hypervisor counts of a machine that runs."""
        ...
