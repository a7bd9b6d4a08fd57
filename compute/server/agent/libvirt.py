"""Machines by libvirt: qemu with KVM, or without.

    Machine ──domain_xml()──▶ define, create ──▶ a domain whose uuid is the server's id

A guest's disks are NBD clients of the host's block server, its serial console is a socket and a log file. The
domain is defined (so that it survives libvirt's restart) and described anew at each start.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import libvirt

from ..diagnosis import Diagnostics
from ..domain import Disk, Machine, Nic, disk_xml, domain_xml, nic_xml, transplanted
from ..states import Power
from .counting import count
from .driver import DriverFailed

log = logging.getLogger(__name__)

T = TypeVar("T")
LOOK_SECONDS = 0.2
UNPLUG_SECONDS = 30.0
REMIND_SECONDS = 10.0
BRIDGE_SECONDS = 30.0
EMBEDDED = "qemu:///embed?"
# qemu runs as whoever runs the agent, and reaches the disks' sockets and logs as such; what others on the
# host might
# share is left alone.
EMBEDDED_CONF = """user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""
PREFIX = "instance-"
_POWERS: Mapping[int, Power] = {
    libvirt.VIR_DOMAIN_NOSTATE: Power.NONE,
    libvirt.VIR_DOMAIN_RUNNING: Power.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: Power.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: Power.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: Power.RUNNING,  # It is shutting down; it runs until it has.
    libvirt.VIR_DOMAIN_SHUTOFF: Power.SHUTDOWN,
    libvirt.VIR_DOMAIN_CRASHED: Power.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: Power.SUSPENDED,
}
_WAITS_FOR_DISK = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR)


class LibvirtDriver:
    """Runs machines by libvirt."""

    hypervisor_type = "QEMU"

    def __init__(self, uri: str, folder: Path) -> None:
        self._uri = uri
        self._folder = folder
        self._connection: Any = None
        if uri.startswith(EMBEDDED):
            _prepare_embedded(Path(uri.partition("root=")[2]))
        _run_events()
        # Its own copy of each message on standard error would be a second log.
        libvirt.registerErrorHandler(lambda *_: None, None)
        self.hypervisor_version = int(self._ask(lambda connection: connection.getVersion()))

    def _ask(self, work: Callable[[Any], T]) -> T:
        """Ask libvirt, over a new connection where the old one is gone.

        Raises:
            DriverFailed: in libvirt's words.
        """
        try:
            if self._connection is None or not self._connection.isAlive():
                self._connection = libvirt.open(self._uri)
            return work(self._connection)
        except libvirt.libvirtError as problem:
            raise DriverFailed(str(problem)) from problem

    def _domain(self, server_id: str) -> Any:
        """Return the server's domain, None where there is none."""

        def find(connection: Any) -> Any:
            try:
                return connection.lookupByUUIDString(server_id)
            except libvirt.libvirtError as problem:
                if problem.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                    return None
                raise

        return self._ask(find)

    def _with(self, server_id: str, work: Callable[[Any], T]) -> T:
        domain = self._domain(server_id)
        if domain is None:
            raise DriverFailed(f"there is no machine {server_id} on this host")
        return self._ask(lambda _: work(domain))

    def machines(self) -> Mapping[str, Power]:
        """Return the power state of every domain that is ours."""
        found: dict[str, Power] = {}
        for domain in self._ask(lambda connection: connection.listAllDomains()):
            try:
                if domain.name().startswith(PREFIX):
                    found[domain.UUIDString()] = _power(domain)
            except libvirt.libvirtError:
                continue  # It went while we looked.
        return found

    def go_on(self) -> None:
        """Resume what stands still because its disk failed: the guest's request is made again."""
        for domain in self._ask(lambda connection: connection.listAllDomains()):
            try:
                if domain.name().startswith(PREFIX) and tuple(domain.state()) == _WAITS_FOR_DISK:
                    domain.resume()
            except libvirt.libvirtError:
                continue  # It went while we looked.

    def start(self, machine: Machine) -> None:
        """Define and run it; one that runs goes on as it is, one that was suspended goes on where it was."""
        domain = self._domain(machine.uuid)
        if domain is not None and self._ask(lambda _: domain.isActive()):
            if self._ask(lambda _: domain.state()[0]) == libvirt.VIR_DOMAIN_PAUSED:
                self._ask(lambda _: domain.resume())
            return
        for nic in machine.nics:
            _wait_for_bridge(nic)
        saved = domain is not None and self._ask(lambda _: domain.hasManagedSaveImage())
        if not saved:
            xml = domain_xml(machine)
            domain = self._ask(lambda connection: connection.defineXML(xml))
        assert domain is not None
        self._ask(lambda _: domain.create())

    def stop(self, server_id: str, seconds: float) -> None:
        """Press the power button, and again every few seconds; pull the plug when time is up."""
        domain = self._domain(server_id)
        if domain is None:
            return
        until, reminded = time.monotonic() + seconds, 0.0
        while self._ask(lambda _: domain.isActive()):
            now = time.monotonic()
            if now >= until:
                self._ask(lambda _: domain.destroy())
                return
            if now - reminded >= REMIND_SECONDS:
                self._ask(lambda _: domain.shutdown())
                reminded = now
            time.sleep(LOOK_SECONDS)

    def reset(self, server_id: str) -> None:
        """Press the reset button."""
        self._with(server_id, lambda domain: domain.reset())

    def pause(self, server_id: str) -> None:
        """Stop its processors."""
        self._with(server_id, lambda domain: domain.suspend())

    def unpause(self, server_id: str) -> None:
        """Let its processors go on."""
        self._with(server_id, lambda domain: domain.resume())

    def suspend(self, server_id: str) -> None:
        """Write its memory to disk and stop it; the next start goes on there."""
        self._with(server_id, lambda domain: domain.managedSave() if domain.isActive() else None)

    def save(self, server_id: str, path: Path) -> None:
        """Have libvirt write it, and stop it when that is done; else it goes on.

        What an agent before us has begun, and was killed, libvirt goes on writing: that file stays.
        """
        domain = self._domain(server_id)
        if domain is not None and self._ask(lambda _: domain.isActive()):
            if self._ask(lambda _: domain.jobInfo()[0]) == libvirt.VIR_DOMAIN_JOB_NONE:
                path.unlink(missing_ok=True)
            self._ask(lambda _: domain.save(str(path)))
        elif not path.exists():
            raise DriverFailed("the machine does not run")

    def restore(self, machine: Machine, path: Path) -> None:
        """Have libvirt read it; devices stay at their addresses, and what is behind them is this host's."""
        domain = self._domain(machine.uuid)
        if domain is not None and self._ask(lambda _: domain.isActive()):
            return
        for nic in machine.nics:
            _wait_for_bridge(nic)
        self.remove(machine.uuid)
        secret = libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE
        saved = self._ask(lambda connection: connection.saveImageGetXMLDesc(str(path), secret))
        xml = transplanted(saved, machine)
        self._ask(lambda connection: connection.defineXML(xml))
        self._ask(lambda connection: connection.restoreFlags(str(path), xml))

    def remove(self, server_id: str) -> None:
        """Pull the plug and forget it, with what was saved of it."""
        domain = self._domain(server_id)
        if domain is None:
            return
        if self._ask(lambda _: domain.isActive()):
            self._ask(lambda _: domain.destroy())
        flags = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        self._ask(lambda _: domain.undefineFlags(flags))

    def plug_disk(self, server_id: str, disk: Disk) -> None:
        """Give it a disk, now and for later starts; one that it has already is fine."""
        self._with(server_id, lambda domain: _plug(domain, disk_xml(disk), f"dev='{disk.device}'"))

    def unplug_disk(self, server_id: str, device: str) -> None:
        """Take a disk from it; return once the guest has let go of it."""
        # The device's name is all that libvirt goes by; where its bytes are need not be known any more.
        xml = disk_xml(Disk(device=device, socket=f"/{device}"))
        self._unplug(server_id, xml, f"dev='{device}'")

    def plug_nic(self, server_id: str, nic: Nic) -> None:
        """Give it an interface, now and for later starts."""
        _wait_for_bridge(nic)
        self._with(server_id, lambda domain: _plug(domain, nic_xml(nic), nic.mac))

    def unplug_nic(self, server_id: str, nic: Nic) -> None:
        """Take an interface from it."""
        self._unplug(server_id, nic_xml(nic), nic.mac)

    def _unplug(self, server_id: str, xml: str, mark: str) -> None:
        flags = libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG
        if not self._with(server_id, lambda domain: mark in domain.XMLDesc()):
            return
        self._with(server_id, lambda domain: domain.detachDeviceFlags(xml, flags))
        until = time.monotonic() + UNPLUG_SECONDS
        while self._with(server_id, lambda domain: mark in domain.XMLDesc()):
            if time.monotonic() >= until:
                raise DriverFailed("the guest does not let go of the device")
            time.sleep(LOOK_SECONDS)

    def set_password(self, server_id: str, password: str) -> None:
        """Have the guest's agent set root's password."""
        self._with(server_id, lambda domain: domain.setUserPassword("root", password))

    def console(self, server_id: str) -> Path | None:
        """Return the log of its serial console."""
        path = self._folder / server_id / "console.log"
        return path if path.exists() else None

    def console_socket(self, server_id: str, kind: str) -> Path | None:
        """Return the socket of its serial console or its screen."""
        path = self._folder / server_id / f"{kind}.sock"
        return path if path.exists() else None

    def interrupt(self, server_id: str) -> None:
        """Inject an interrupt that nothing masks."""
        self._with(server_id, lambda domain: domain.injectNMI())

    def diagnostics(self, server_id: str) -> Diagnostics:
        """Return what libvirt counts."""
        return self._with(server_id, count)


def _power(domain: Any) -> Power:
    """Return the domain's state; one that waits for its disk runs, as far as anybody wants to know."""
    state, reason = domain.state()
    return Power.RUNNING if (state, reason) == _WAITS_FOR_DISK else _POWERS.get(state, Power.NONE)


def _prepare_embedded(root: Path) -> None:
    """Write the settings of a libvirt inside the agent, where there are none."""
    conf = root / "etc" / "qemu.conf"
    if not conf.exists():
        conf.parent.mkdir(parents=True, exist_ok=True)
        conf.write_text(EMBEDDED_CONF)


@functools.cache
def _run_events() -> None:
    """Run libvirt's event loop: without one it notices no guest's end."""
    libvirt.virEventRegisterDefaultImpl()

    def run() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=run, name="libvirt-events", daemon=True).start()


def _wait_for_bridge(nic: Nic) -> None:
    """Wait until the host's network agent has made the bridge that the interface is to be on.

    Raises:
        DriverFailed: it has not.
    """
    until = time.monotonic() + BRIDGE_SECONDS
    while nic.bridge and not (Path("/sys/class/net") / nic.bridge).exists():
        if time.monotonic() >= until:
            raise DriverFailed(f"the network agent has not made the bridge {nic.bridge} on this host")
        time.sleep(LOOK_SECONDS)


def _plug(domain: Any, xml: str, mark: str) -> None:
    if mark in domain.XMLDesc():
        return
    domain.attachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE | libvirt.VIR_DOMAIN_AFFECT_CONFIG)
