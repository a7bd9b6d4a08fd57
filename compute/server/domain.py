"""The machine in libvirt's words: what is wanted of it, as domain XML.

    Machine(disks over NBD sockets, nics, console paths) ──▶ domain_xml() ──▶ text for virDomainDefineXML
    Disk / Nic ──▶ disk_xml() / nic_xml() ──▶ text for attach and detach

q35 with spare PCIe root ports, so that disks and interfaces can come while it runs; serial console on a
unix socket
with a log file beside it; VNC on a unix socket, too. Values only: no libvirt here.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

# q35 takes hot-plugged devices only on free root ports; the machine of a server needs few, and each costs
# boot time.
SPARE_PORTS = 12
DISK_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """One disk: raw bytes behind an NBD unix socket or a TCP port, or a file."""

    device: str  # vda, vdb, …
    serial: str = ""
    socket: str = ""
    host: str = ""
    port: int = 0
    export: str = ""
    path: str = ""
    cdrom: bool = False
    boot_order: int = 0
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """One interface: on a bridge, on a tap that someone else made, or (neither) on qemu's user network."""

    mac: str
    tap: str = ""
    bridge: str = ""
    mtu: int = 0
    model: str = "virtio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine, complete."""

    uuid: str
    name: str  # libvirt's name: instance-…
    title: str
    memory_mib: int
    vcpus: int
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    serial_socket: str = ""
    serial_log: str = ""
    accelerated: bool = False
    vnc_socket: str = ""
    machine_type: str = "q35"
    kernel: str = ""
    initrd: str = ""
    command_line: str = ""


def device_name(index: int) -> str:
    """Return the name of the disk of that index: vda, vdb, … vdz, vdaa."""
    assert index >= 0
    name = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        name = DISK_LETTERS[letter] + name
    return f"vd{name}"


def domain_xml(machine: Machine) -> str:
    """Return the domain's XML."""
    root = ET.Element("domain", type="kvm" if machine.accelerated else "qemu")
    _add(root, "name", machine.name)
    _add(root, "uuid", machine.uuid)
    _add(root, "title", _plain(machine.title))
    _add(root, "memory", str(machine.memory_mib), unit="MiB")
    _add(root, "currentMemory", str(machine.memory_mib), unit="MiB")
    _add(root, "vcpu", str(machine.vcpus))
    _system(root, machine)
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "acpi")
    ET.SubElement(features, "apic")
    if machine.accelerated:
        ET.SubElement(root, "cpu", mode="host-model")
    ET.SubElement(root, "clock", offset="utc")
    _add(root, "on_poweroff", "destroy")
    _add(root, "on_reboot", "restart")
    _add(root, "on_crash", "destroy")
    root.append(_devices(machine))
    return ET.tostring(root, encoding="unicode")


def transplanted(saved: str, machine: Machine) -> str:
    """Return the XML of a machine that was saved elsewhere with this machine's disks, sockets and logs.

    Its devices keep their addresses: the guest must find each where it was.
    """
    root = ET.fromstring(saved)  # noqa: S314 - libvirt wrote it
    disks = {disk.device: disk for disk in machine.disks}
    for element in root.iter("disk"):
        target, source = element.find("target"), element.find("source")
        disk = disks.get(target.get("dev", "")) if target is not None else None
        if disk is None or source is None:
            continue
        if disk.path:
            source.set("file", disk.path)
            continue
        source.set("name", disk.export)
        for host in source.iter("host"):
            host.set("socket", disk.socket)
    for line in (*root.iter("serial"), *root.iter("console")):
        for source in line.iter("source"):
            source.set("path", machine.serial_socket)
        for log in line.iter("log"):
            log.set("file", machine.serial_log)
    for graphics in root.iter("graphics"):
        for element in (graphics, *graphics.iter("listen")):
            if element.get("socket"):
                element.set("socket", machine.vnc_socket)
    return ET.tostring(root, encoding="unicode")


def disk_xml(disk: Disk) -> str:
    """Return one disk's XML."""
    return ET.tostring(_disk(disk), encoding="unicode")


def nic_xml(nic: Nic) -> str:
    """Return one interface's XML."""
    return ET.tostring(_nic(nic), encoding="unicode")


def _system(root: ET.Element, machine: Machine) -> None:
    sysinfo = ET.SubElement(root, "sysinfo", type="smbios")
    system = ET.SubElement(sysinfo, "system")
    # cloud-init knows by these words that it runs in an OpenStack cloud and looks for its metadata.
    for name, value in (
        ("manufacturer", "OpenStack Foundation"),
        ("product", "OpenStack Nova"),
        ("serial", machine.uuid),
        ("uuid", machine.uuid),
    ):
        _add(system, "entry", value, name=name)
    boot = ET.SubElement(root, "os")
    _add(boot, "type", "hvm", arch="x86_64", machine=machine.machine_type)
    if machine.kernel:
        _add(boot, "kernel", machine.kernel)
        if machine.initrd:
            _add(boot, "initrd", machine.initrd)
        _add(boot, "cmdline", machine.command_line)
    ET.SubElement(boot, "smbios", mode="sysinfo")


def _devices(machine: Machine) -> ET.Element:
    devices = ET.Element("devices")
    if machine.machine_type == "q35":
        ET.SubElement(devices, "controller", type="pci", model="pcie-root")
        for _ in range(SPARE_PORTS + len(machine.disks) + len(machine.nics)):
            ET.SubElement(devices, "controller", type="pci", model="pcie-root-port")
    for disk in machine.disks:
        devices.append(_disk(disk))
    for nic in machine.nics:
        devices.append(_nic(nic))
    if machine.serial_socket:
        serial = ET.SubElement(devices, "serial", type="unix")
        ET.SubElement(serial, "source", mode="bind", path=machine.serial_socket)
        if machine.serial_log:
            # Without append a restart would empty what the owner still wants to read.
            ET.SubElement(serial, "log", file=machine.serial_log, append="on")
        ET.SubElement(serial, "target", port="0")
    if machine.vnc_socket:
        graphics = ET.SubElement(devices, "graphics", type="vnc")
        ET.SubElement(graphics, "listen", type="socket", socket=machine.vnc_socket)
        ET.SubElement(ET.SubElement(devices, "video"), "model", type="vga", vram="16384")
    rng = ET.SubElement(devices, "rng", model="virtio")
    _add(rng, "backend", "/dev/urandom", model="random")
    ET.SubElement(devices, "memballoon", model="virtio")
    return devices


def _disk(disk: Disk) -> ET.Element:
    kind = "file" if disk.path else "network"
    element = ET.Element("disk", type=kind, device="cdrom" if disk.cdrom else "disk")
    # What the guest calls flushed is with the disk's server; qemu keeps no second cache of it.
    driver = ET.SubElement(element, "driver", name="qemu", type="raw", cache="writeback", discard="unmap")
    # A guest is never told that its disk failed: it stands still until whoever serves the disk is back.
    driver.set("error_policy", "stop")
    driver.set("rerror_policy", "stop")
    if disk.path:
        ET.SubElement(element, "source", file=disk.path)
    else:
        source = ET.SubElement(element, "source", protocol="nbd")
        if disk.export:
            source.set("name", disk.export)
        if disk.socket:
            ET.SubElement(source, "host", transport="unix", socket=disk.socket)
        else:
            ET.SubElement(source, "host", name=disk.host, port=str(disk.port))
    ET.SubElement(element, "target", dev=disk.device, bus="sata" if disk.cdrom else "virtio")
    if disk.serial:
        _add(element, "serial", disk.serial[:36])
    if disk.boot_order:
        ET.SubElement(element, "boot", order=str(disk.boot_order))
    if disk.read_only or disk.cdrom:
        ET.SubElement(element, "readonly")
    return element


def _nic(nic: Nic) -> ET.Element:
    kind = "bridge" if nic.bridge else "ethernet" if nic.tap else "user"
    element = ET.Element("interface", type=kind)
    ET.SubElement(element, "mac", address=nic.mac)
    if nic.bridge:
        ET.SubElement(element, "source", bridge=nic.bridge)
    if nic.tap:
        target = ET.SubElement(element, "target", dev=nic.tap)
        if not nic.bridge:
            target.set("managed", "no")
    if nic.mtu:
        ET.SubElement(element, "mtu", size=str(nic.mtu))
    ET.SubElement(element, "model", type=nic.model)
    # A network boot ROM would cost seconds at each boot, and nothing here boots from the network.
    ET.SubElement(element, "rom", enabled="no")
    return element


def _add(parent: ET.Element, tag: str, text: str, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, tag, attributes)
    child.text = text
    return child


def _plain(text: str) -> str:
    """Return the text as XML and libvirt's title can have it: one line without control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:255] or "server"
