"""A driver that runs no machine: for measuring the service with more hosts than there are.

start, stop, … ──▶ a table in memory        it says of every machine what was asked of it
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..diagnosis import Diagnostics
from ..domain import Disk, Machine, Nic
from ..states import Power

LINES = 30  # That a start writes; who reads a console asks for some of the last.


class FakeDriver:
    """Keeps a table of machines that are not there."""

    hypervisor_type = "fake"
    hypervisor_version = 1

    def __init__(self) -> None:
        self._machines: dict[str, Power] = {}
        self._consoles: dict[str, Path] = {}

    def machines(self) -> Mapping[str, Power]:
        """Return what was asked of every machine."""
        return dict(self._machines)

    def go_on(self) -> None:
        """Do nothing: no disk ever fails."""

    def start(self, machine: Machine) -> None:
        """Say that it runs, on its console too."""
        self._machines[machine.uuid] = Power.RUNNING
        log = Path(machine.serial_log)
        if machine.serial_log and log.parent.is_dir():
            with log.open("a") as console:
                console.writelines(f"{machine.name} {number}: nothing runs here\n" for number in range(LINES))
            self._consoles[machine.uuid] = log

    def stop(self, server_id: str, seconds: float) -> None:
        """Say that it is stopped."""
        del seconds
        self._set(server_id, Power.SHUTDOWN)

    def reset(self, server_id: str) -> None:
        """Say that it runs."""
        self._set(server_id, Power.RUNNING)

    def pause(self, server_id: str) -> None:
        """Say that it is paused."""
        self._set(server_id, Power.PAUSED)

    def unpause(self, server_id: str) -> None:
        """Say that it runs."""
        self._set(server_id, Power.RUNNING)

    def suspend(self, server_id: str) -> None:
        """Say that it is stopped."""
        self._set(server_id, Power.SHUTDOWN)

    def save(self, server_id: str, path: Path) -> None:
        """Say that it is stopped, and write which it was."""
        self._set(server_id, Power.SHUTDOWN)
        path.write_text(server_id)

    def restore(self, machine: Machine, path: Path) -> None:
        """Say that it runs."""
        assert path.exists()
        self._machines[machine.uuid] = Power.RUNNING

    def remove(self, server_id: str) -> None:
        """Forget it."""
        self._machines.pop(server_id, None)

    def plug_disk(self, server_id: str, disk: Disk) -> None:
        """Do nothing."""

    def unplug_disk(self, server_id: str, device: str) -> None:
        """Do nothing."""

    def plug_nic(self, server_id: str, nic: Nic) -> None:
        """Do nothing."""

    def unplug_nic(self, server_id: str, nic: Nic) -> None:
        """Do nothing."""

    def set_password(self, server_id: str, password: str) -> None:
        """Do nothing."""

    def console(self, server_id: str) -> Path | None:
        """Return the file of what it said when it was started."""
        return self._consoles.get(server_id)

    def console_socket(self, server_id: str, kind: str) -> Path | None:
        """Return no socket."""
        del server_id, kind
        return None

    def interrupt(self, server_id: str) -> None:
        """Do nothing."""

    def diagnostics(self, server_id: str) -> Diagnostics:
        """Return that nothing was counted."""
        del server_id
        return Diagnostics(driver="libvirt", hypervisor="fake")  # Clients know no such driver.

    def _set(self, server_id: str, power: Power) -> None:
        if server_id in self._machines:
            self._machines[server_id] = power
