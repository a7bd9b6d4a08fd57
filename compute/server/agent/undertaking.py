"""What a task means on a host: the steps with driver and disks, each of which may be repeated.

    order {"task_state": "spawning", …} ──▶ Undertaker.do(order) ──▶ {} or {"map": place}, or an error

An agent that was killed in a task does the whole task again: what runs is left running, what is attached
stays so.
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..domain import Disk, Machine, Nic
from ..states import Power, Task
from .config_drive import iso_of
from .disks import Disks, root_name
from .driver import Driver, DriverFailed
from .leases import Leases

_SERVER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Order = Mapping[str, Any]
RUNNING = (Power.RUNNING, Power.PAUSED)
ROOT_DEVICE = "vda"
RESCUE_SUFFIX = "-rescue"
MEMORY = "memory"
"""The file, in a server's folder, of its memory while it moves."""


class Undertaker:
    """Does tasks."""

    def __init__(
        self,
        driver: Driver,
        disks: Disks,
        leases: Leases,
        folder: Path,
        *,
        stop_seconds: float,
        accelerated: bool,
    ) -> None:
        self._driver = driver
        self._disks = disks
        self._leases = leases
        self._folder = folder
        self._stop_seconds = stop_seconds
        self._accelerated = accelerated
        self._steps: dict[Task, Callable[[Order], dict[str, Any]]] = {
            Task.SPAWNING: self._spawn,
            Task.STARTING: self._start,
            Task.RESUMING: self._start,
            Task.STOPPING: self._stop,
            Task.REBOOTING: self._reboot,
            Task.REBOOTING_HARD: self._restart,
            Task.PAUSING: lambda order: self._plain(self._driver.pause, order),
            Task.UNPAUSING: lambda order: self._plain(self._driver.unpause, order),
            Task.SUSPENDING: lambda order: self._plain(self._driver.suspend, order),
            Task.RESCUING: self._rescue,
            Task.UNRESCUING: self._unrescue,
            Task.REBUILD_SPAWNING: self._anew,
            Task.RESIZE_FINISHING: self._anew,
            Task.RESIZE_REVERTING: self._revert,
            Task.MIGRATING: self._migrate,
            Task.RESIZE_CONFIRMING: lambda _order: {},
            Task.SNAPSHOT: self._snapshot,
            Task.BACKUP: self._snapshot,
            Task.SNAPSHOT_UPLOADING: lambda _order: {},
            Task.SHELVING: self._shelve,
            Task.OFFLOADING: self._offload,
            Task.RESIZE_MIGRATING: self._leave,
            Task.PASSWORD: self._password,
            Task.DELETING: self._delete,
        }

    def do(self, order: Order) -> dict[str, Any]:
        """Do the order's task; return what the report must say beside that it went well.

        Raises:
            ApusError: it did not; the sentence is the server's fault.
        """
        task = Task(order["task_state"])
        step = self._steps.get(task)
        if step is None:
            raise DriverFailed(f"{task} is not possible between hosts of this kind")
        return step(order)

    def machine(self, order: Order, *, rescue: str = "") -> Machine:
        """Return the machine that the order describes, its disks attached to this host."""
        disks: list[Disk] = []
        letter = ROOT_DEVICE
        if rescue:
            name = order["id"] + RESCUE_SUFFIX
            disks.append(self._disks.root(name, order["project_id"], rescue, 0, ROOT_DEVICE))
            letter = "vdz"
        if order["map"]:
            size = order["flavor"]["disk"]
            root = self._disks.root(order["id"], order["project_id"], order["map"], size, letter)
            disks.append(root if not rescue else Disk(device=letter, socket=root.socket, export=root.export))
        for device in order["devices"]:
            if device["volume_id"] and device["connection"] and device["state"] != "detaching":
                disks.append(self.disk(order["id"], device, boots=not order["map"]))
        drive = self._config_drive(order)
        if drive is not None:
            disks.append(Disk(device="vdy", path=str(drive), read_only=True))
        home = self.home(order["id"])
        return Machine(
            uuid=order["id"],
            name=order["instance_name"],
            title=order["name"],
            memory_mib=order["flavor"]["ram"],
            vcpus=order["flavor"]["vcpus"],
            disks=tuple(disks),
            nics=tuple(nic_of(port) for port in order["interfaces"] if port["state"] != "detaching"),
            serial_socket=str(home / "serial.sock"),
            serial_log=str(home / "console.log"),
            vnc_socket=str(home / "vnc.sock"),
            accelerated=self._accelerated,
        )

    def disk(self, server_id: str, device: Mapping[str, Any], *, boots: bool = False) -> Disk:
        """Return a volume's disk, attached to this host."""
        volume_id, connection = device["volume_id"], device["connection"]
        self._leases.note(server_id, volume_id, connection)
        disk = self._disks.volume(volume_id, self._leases.newest(volume_id, connection), device["device"])
        if boots and device["boot_index"] == 0:
            return Disk(
                device=disk.device, socket=disk.socket, export=disk.export, serial=disk.serial, boot_order=1
            )
        return disk

    def let_go(self, server_id: str, device: Mapping[str, Any]) -> None:
        """Hand over what the guest wrote to a volume, and release it."""
        if device["volume_id"] and device["connection"]:
            self._leases.let_go(server_id, device["volume_id"], device["connection"])

    def homes(self) -> set[str]:
        """Return the servers of which something is kept here."""
        return {each.name for each in self._folder.iterdir() if _SERVER_ID.fullmatch(each.name)}

    def forget_memory(self, server_id: str) -> None:
        """Remove the saved memory of a guest that has gone on: its next start would go back to it.

        Its disks would be newer than its memory then.
        """
        (self._folder / server_id / MEMORY).unlink(missing_ok=True)

    def home(self, server_id: str) -> Path:
        """Return the folder for the server's console and config drive."""
        home = self._folder / server_id
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return home

    def _config_drive(self, order: Order) -> Path | None:
        files = order.get("config_drive")
        if not files:
            return None
        drive = self.home(order["id"]) / "config.iso"
        drive.write_bytes(iso_of({name: base64.b64decode(data) for name, data in files.items()}))
        return drive

    def _plain(self, step: Callable[[str], None], order: Order) -> dict[str, Any]:
        step(order["id"])
        return {}

    def _start(self, order: Order) -> dict[str, Any]:
        memory = self.home(order["id"]) / MEMORY
        if memory.exists():  # A move that came to nothing.
            self._driver.restore(self.machine(order), memory)
            memory.unlink()
            return {}
        self._driver.start(self.machine(order))
        return {}

    def _spawn(self, order: Order) -> dict[str, Any]:
        """Start, and say which map of its own the server's disk rests on."""
        self._start(order)
        own = self._disks.own(order["id"], order["project_id"]) if order["map"] else ""
        return {"disk": own} if own else {}

    def _cut_power(self, order: Order) -> None:
        self._driver.remove(order["id"])
        self.forget_memory(order["id"])

    def _stop(self, order: Order) -> dict[str, Any]:
        self._driver.stop(order["id"], self._stop_seconds)
        return {}

    def _reboot(self, order: Order) -> dict[str, Any]:
        self._stop(order)
        return self._start(order)

    def _restart(self, order: Order) -> dict[str, Any]:
        self._cut_power(order)
        return self._start(order)

    def _anew(self, order: Order) -> dict[str, Any]:
        """Start from the order's map, whatever this host had of the server before; if it shall run at all."""
        self._cut_power(order)
        self._disks.release(root_name(order["id"]), discard=True)
        if order["task"].get("stays_off"):
            self.machine(order)  # Its disks are here, for whoever starts it.
            return {}
        return self._start(order)

    def _rescue(self, order: Order) -> dict[str, Any]:
        self._cut_power(order)
        self._driver.start(self.machine(order, rescue=order["task"]["rescue_map"]))
        return {}

    def _unrescue(self, order: Order) -> dict[str, Any]:
        self._cut_power(order)
        self._disks.release(root_name(order["id"] + RESCUE_SUFFIX), discard=True)
        return self._start(order)

    def _snapshot(self, order: Order) -> dict[str, Any]:
        return self._picture(order, f"image-{order['task']['image_id']}")

    def _picture(self, order: Order, name: str) -> dict[str, Any]:
        """Commit the server's own disk and keep it under this name; {} for a server that has none."""
        if not order["map"]:
            return {}
        map_id = f"server-{order['id']}-{name}"
        place, disk = self._disks.snapshot(order["id"], order["project_id"], map_id, order["kept"])
        return {"map": place, "disk": disk}

    def _shelve(self, order: Order) -> dict[str, Any]:
        self._stop(order)
        return self._snapshot(order) if order["map"] else {}

    def _migrate(self, order: Order) -> dict[str, Any]:
        """Save the guest with its memory and hand all of it over, or let it go on here.

        What is here stays until the service says where the server is (`settle`).
        """
        if order["task"].get("arriving"):
            return self._arrive(order)
        memory, move = self.home(order["id"]) / MEMORY, order["task"]["move"]
        self._driver.save(order["id"], memory)
        found = self._picture(order, f"left-{move}")
        for device in order["devices"]:
            self._hand_over(device)
        map_id = f"server-{order['id']}-memory-{move}"
        return {**found, "memory": self._disks.keep(order["project_id"], map_id, memory)}

    def _hand_over(self, device: Mapping[str, Any]) -> None:
        volume_id, connection = device["volume_id"], device["connection"]
        if volume_id and connection and not self._leases.hand_over(volume_id, connection):
            raise DriverFailed(f"the lease of volume {volume_id} has ended")

    def _arrive(self, order: Order) -> dict[str, Any]:
        """Let the guest go on here, whatever this host had of the server before."""
        home = self.home(order["id"])
        memory, begun = home / MEMORY, home / f"arriving-{order['task']['move']}"
        runs = self._driver.machines().get(order["id"]) in RUNNING
        if not (runs and begun.exists()):
            self._driver.remove(order["id"])
            self._disks.release(root_name(order["id"]), discard=True)
            self._disks.fetch(order["task"]["memory"], memory)
            begun.touch()  # What runs from here on is the guest that came, and nothing older.
            self._driver.restore(self.machine(order), memory)
        memory.unlink(missing_ok=True)
        self._disks.tidy(order["project_id"], f"server-{order['id']}-memory-", kept="")
        return {}

    def settle(self, order: Order, *, is_elsewhere: bool) -> None:
        """Forget a guest that was handed over and is elsewhere now; let one that is not go on here."""
        if is_elsewhere:
            self._driver.remove(order["id"])
            self.clear(order["id"])
            return
        if (self.home(order["id"]) / MEMORY).exists():
            self._start(order)

    def _offload(self, order: Order) -> dict[str, Any]:
        self._vacate(order)
        self._disks.forget(order["id"], order["project_id"])
        return {}

    def _leave(self, order: Order) -> dict[str, Any]:
        """Stop and hand over all that the guest wrote, so that another host can go on."""
        self._stop(order)
        found = self._picture(order, f"left-{order['task']['move']}")
        self._vacate(order)
        return found

    def _vacate(self, order: Order) -> None:
        self._driver.remove(order["id"])
        self._disks.release(root_name(order["id"]), discard=True)
        for device in order["devices"]:
            self.let_go(order["id"], device)

    def _revert(self, order: Order) -> dict[str, Any]:
        """Start from the disk of before; on another host, first end here what came of it since."""
        if not order["task"].get("leaving"):
            return self._anew(order)
        self._stop(order)
        self._vacate(order)
        return {}

    def _password(self, order: Order) -> dict[str, Any]:
        self._driver.set_password(order["id"], order["admin_password"])
        return {}

    def _delete(self, order: Order) -> dict[str, Any]:
        self._driver.remove(order["id"])
        for device in order["devices"]:
            self.let_go(order["id"], device)
        self.clear(order["id"])
        self._disks.forget(order["id"], order["project_id"])
        return {}

    def clear(self, server_id: str) -> None:
        """Remove what this host keeps of a server that is not here any more."""
        for name in (root_name(server_id), root_name(server_id + RESCUE_SUFFIX)):
            self._disks.release(name, discard=True)
        self._leases.abandon(server_id)
        shutil.rmtree(self._folder / server_id, ignore_errors=True)


def nic_of(port: Mapping[str, Any]) -> Nic:
    """Return the interface that a port is, as the network service says it is to be plugged."""
    vif = port["vif"]
    tap = f"tap{port['port_id'][:11]}"
    mtu = int(vif.get("mtu") or 0)
    if vif.get("type") == "bridge" and vif.get("bridge"):
        return Nic(mac=port["mac"], bridge=vif["bridge"], tap=tap, mtu=mtu)
    if vif.get("type") == "tap":
        return Nic(mac=port["mac"], tap=tap, mtu=mtu)
    return Nic(mac=port["mac"], mtu=mtu)
