"""The machine in libvirt's words."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from apus.compute.server.domain import (
    SPARE_PORTS,
    Disk,
    Machine,
    Nic,
    device_name,
    disk_xml,
    domain_xml,
    nic_xml,
    transplanted,
)

DISK = Disk(device="vda", serial="7f0c", socket="/run/x.sock", export="root", boot_order=1)
NIC = Nic(mac="fa:16:3e:00:00:01", bridge="brq0", tap="tap0", mtu=1450)


def machine(**changed: object) -> Machine:
    facts: dict[str, object] = {
        "uuid": "11111111-2222-3333-4444-555555555555", "name": "instance-0001", "title": "web", "memory_mib": 128,
        "vcpus": 1, "disks": (DISK,), "nics": (NIC,), "serial_socket": "/run/s.sock", "serial_log": "/run/s.log",
    }  # fmt: skip
    return Machine(**{**facts, **changed})  # type: ignore[arg-type]


def found(root: ET.Element, path: str) -> ET.Element:
    element = root.find(path)
    assert element is not None, path
    return element


def test_there_are_free_ports_for_what_comes_later() -> None:
    """q35 takes a disk into a running machine only where a PCIe root port is free."""
    root = ET.fromstring(domain_xml(machine()))
    ports = root.findall("devices/controller[@model='pcie-root-port']")
    assert len(ports) == SPARE_PORTS + 2


def test_a_restart_keeps_the_console_that_was_written() -> None:
    """append='off', libvirt's default, empties the log at each start."""
    log = found(ET.fromstring(domain_xml(machine())), "devices/serial/log")
    assert log.attrib == {"file": "/run/s.log", "append": "on"}


def test_a_disk_is_nbd_over_a_unix_socket() -> None:
    """The disk names the export and the socket, carries its serial, and boots."""
    disk = ET.fromstring(disk_xml(DISK))
    assert found(disk, "source").attrib == {"protocol": "nbd", "name": "root"}
    assert found(disk, "source/host").attrib == {"transport": "unix", "socket": "/run/x.sock"}
    assert found(disk, "target").attrib == {"dev": "vda", "bus": "virtio"}
    assert found(disk, "serial").text == "7f0c"
    assert found(disk, "boot").get("order") == "1"


def test_a_guest_never_hears_that_its_disk_failed() -> None:
    """It stands still while the disk's server is away: an error would cost it what it was writing."""
    driver = found(ET.fromstring(disk_xml(DISK)), "driver")
    assert (driver.get("error_policy"), driver.get("rerror_policy")) == ("stop", "stop")


def test_kvm_where_there_is_kvm() -> None:
    """Without it qemu translates, and no processor model of the host is asked for."""
    slow, fast = (ET.fromstring(domain_xml(machine(accelerated=kvm))) for kvm in (False, True))
    assert (slow.get("type"), fast.get("type")) == ("qemu", "kvm")
    assert slow.find("cpu") is None
    assert found(fast, "cpu").get("mode") == "host-model"


def test_an_interface_is_on_a_bridge_a_tap_or_the_user_network() -> None:
    """What the network service said decides."""
    assert found(ET.fromstring(nic_xml(NIC)), "source").get("bridge") == "brq0"
    tap = ET.fromstring(nic_xml(Nic(mac="fa:16:3e:00:00:01", tap="tap9")))
    assert (tap.get("type"), found(tap, "target").get("managed")) == ("ethernet", "no")
    assert ET.fromstring(nic_xml(Nic(mac="fa:16:3e:00:00:01"))).get("type") == "user"


@given(st.text(max_size=300))
def test_no_name_of_a_server_breaks_the_description(title: str) -> None:
    """A server's name is its owner's to choose; the domain stays well-formed XML."""
    assert found(ET.fromstring(domain_xml(machine(title=title))), "title").text


def test_device_names_go_on_after_z() -> None:
    """The kernel's own names go vda … vdz, vdaa, vdab."""
    assert [device_name(index) for index in (0, 25, 26, 27, 701, 702)] == [
        "vda", "vdz", "vdaa", "vdab", "vdzz", "vdaaa",
    ]  # fmt: skip
    assert len({device_name(index) for index in range(2000)}) == 2000


def test_what_was_saved_elsewhere_has_this_hosts_disks() -> None:
    """Sockets, files and logs are those of here; all else, addresses of devices above all, is as it was saved."""

    def on(host: str) -> Machine:
        disks = (
            DISK,
            Disk(device="vdb", serial="v1", socket="/run/v.sock", export="volume-1"),
            Disk(device="vdy", path="/config.iso", read_only=True),
        )
        moved = tuple(
            replace(
                disk,
                socket=disk.socket and host + disk.socket,
                path=disk.path and host + disk.path,
                export=disk.export and f"{disk.export}-{host[1:]}",
            )
            for disk in disks
        )
        paths = {name: f"{host}/{name}" for name in ("serial_socket", "serial_log", "vnc_socket")}
        return machine(disks=moved, **paths)

    saved = ET.fromstring(domain_xml(on("/a")))
    address = ET.SubElement(found(saved, "devices/disk"), "address", type="pci", bus="0x03")
    expected = ET.fromstring(domain_xml(on("/b")))
    found(expected, "devices/disk").append(address)
    written = ET.fromstring(transplanted(ET.tostring(saved, encoding="unicode"), on("/b")))
    assert ET.tostring(written) == ET.tostring(expected)
