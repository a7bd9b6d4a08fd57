"""A real machine: the tiny guest, under libvirt and qemu, its disk in a store, from boot to snapshot and back."""

from __future__ import annotations

import base64
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from block_store import MemoryStore
from guest_disk import guest_disk
from real_console import try_consoles
from servers import IMAGE, VOLUME, Cloud, Door
from volume_host import join
from volume_world import VolumeWorld

from apus.common.errors import ApusError
from apus.compute.block.config import BlockConfig
from apus.compute.block.control import ControlServer
from apus.compute.block.host import HostDisks
from apus.compute.block.project import Project
from apus.compute.block.stream import write_stream
from apus.compute.server.agent.disks import BlockDisks
from apus.compute.server.agent.loop import Agent
from apus.compute.server.agent.settings import AgentConfig
from apus.compute.server.states import Power

libvirt = pytest.importorskip("libvirt", reason="libvirt-python is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="qemu-system-x86_64 is not installed"),
]
PATIENCE_SECONDS = 180
MIB = 1 << 20


class Host:
    """One host with real machines, its agent called by hand."""

    def __init__(self, folder: Path, guest: Path, libvirt_root: Path) -> None:
        from apus.compute.server.agent.libvirt import LibvirtDriver

        config = BlockConfig(block_size=MIB)
        self.uri = f"qemu:///embed?root={libvirt_root}"
        self.ends: list[Callable[[], None]] = []
        self.store = MemoryStore()
        self.disks = HostDisks(self.store, folder / "b", config)
        self.disks.start()
        self.control = ControlServer(self.disks, folder / "control")
        self.control.start()
        self.cloud = Cloud(folder)
        small = {"name": "small", "id": "2", "ram": 128, "vcpus": 1, "disk": 1}
        self.cloud.ask("POST", "/flavors", {"flavor": small}, token=self.cloud.admin)
        maps = Project.open(self.store, "p0", config).maps
        write_stream(maps, [guest.read_bytes()], map_id="base")
        write_stream(Project.open(self.store, "p1", config).maps, [bytes(16 * MIB)], map_id="volume")
        try:
            self.driver = LibvirtDriver(self.uri, folder / "c")
        except ApusError as problem:
            pytest.skip(f"libvirt cannot start here: {problem}")
        agent = AgentConfig(
            host="host-a",
            key="k",
            folder=str(folder / "c"),
            console_port=0,
            stop_seconds=60,
            acceleration="none",
        )
        self.door = Door(self.cloud, "host-a")
        self.agent = Agent(agent, self.door, self.driver, BlockDisks(self.store, folder / "control", config))  # type: ignore[arg-type]  # a door without a wire

    def another(self, folder: Path) -> tuple[Agent, Any]:
        """Return a second host's agent and driver: a folder and disks of its own, but the same libvirt."""
        self.cloud.live("host-b")
        config = BlockConfig(block_size=MIB)
        disks = HostDisks(self.store, folder / "b", config)
        disks.start()
        control = ControlServer(disks, folder / "control")
        control.start()
        self.ends += [control.stop, disks.stop]
        driver = type(self.driver)(self.uri, folder / "c")
        (folder / "c").mkdir()
        agent = AgentConfig(
            host="host-b", key="k", folder=str(folder / "c"), console_port=0, acceleration="none"
        )
        door: Any = Door(self.cloud, "host-b")
        return Agent(agent, door, driver, BlockDisks(self.store, folder / "control", config)), driver

    def with_volumes(self, folder: Path) -> VolumeWorld:
        """Have a volume service over the same store."""
        folder.mkdir()
        volumes = VolumeWorld.open(folder, store=self.store)
        join(self.cloud, volumes)
        return volumes

    def names(self, container: str) -> list[str]:
        """Return what is in a container."""
        return [row.name for row in self.store.names(container)]

    def keep_as_image_service_does(self, image_id: str) -> None:
        """Give the image a root of its own, as the image service does."""
        owner, _, map_id = str(self.cloud.images.known[image_id]["place"]).partition("/")
        maps = Project.open(self.store, owner, BlockConfig(block_size=MIB)).maps
        with maps.writing() as writing:
            writing.save(maps.load(map_id), f"kept-{image_id}")
        self.cloud.images.known[image_id]["place"] = f"{owner}/kept-{image_id}"

    def work(self) -> None:
        """Do all that there is to do."""
        for _ in range(10):
            orders = self.door.work(0, 0)[1]
            parts = [part for order in orders for part in order["devices"] + order["interfaces"]]
            if not any(order["task_state"] for order in orders) and not any(
                part["state"].endswith("ing") for part in parts
            ):
                return
            for order in orders:
                self.agent.serve(order)

    def boot(self, **facts: Any) -> str:
        """Make a server and run it."""
        wish = {
            "name": "guest",
            "imageRef": IMAGE,
            "flavorRef": "2",
            "networks": "none",
            "config_drive": True,
        }
        status, made = self.cloud.ask("POST", "/servers", {"server": {**wish, **facts}}, version="2.96")
        assert status == 202, made
        self.work()
        server = self.cloud.show(made["server"]["id"])
        assert server["status"] == "ACTIVE", server.get("fault")
        return str(server["id"])

    def wait(self, server_id: str, word: str) -> str:
        """Return what the machine has printed, once that has the word."""
        return until(lambda: self.printed(server_id), lambda text: word in text)

    def printed(self, server_id: str) -> str:
        """Return what the machine has printed so far."""
        log = self.driver.console(server_id)
        return log.read_text(errors="replace") if log else ""

    def end(self) -> None:
        """Leave nothing running."""
        for server_id in self.driver.machines():
            self.driver.remove(server_id)
        self.control.stop()
        self.disks.stop()
        for end in self.ends:
            end()


def until(look: Callable[[], str], right: Callable[[str], bool]) -> str:
    """Return what is seen once it is right."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not right(seen := look()):
        assert time.monotonic() < end, f"it stayed at {seen[-500:]!r}"
        time.sleep(0.2)
    return seen


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return guest_disk(tmp_path_factory)


@pytest.fixture(scope="module")
def libvirt_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one root that libvirt can have in one process."""
    return tmp_path_factory.mktemp("l")


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory, guest: Path, libvirt_root: Path) -> Iterator[Host]:
    folder = Path(tmp_path_factory.mktemp("h", numbered=True))
    made = Host(folder, guest, libvirt_root)
    try:
        yield made
    finally:
        made.end()


def volume_connection(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the volume service says that a volume is attached."""
    return {"driver_volume_type": "apus-block", "data": dict(data)}


def test_a_guest_boots_is_pictured_and_comes_back(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It boots from the store and reads its metadata; a picture of it, taken while it runs, boots with its file.

    The picture stores changed blocks only. A disk comes and goes while the guest runs. Nothing is left at the end.
    """
    data = {"project_id": "p1", "map_id": "volume", "access_mode": "rw", "lease": "l"}
    monkeypatch.setattr(
        host.cloud.volumes, "attach", lambda *_: ("attachment-0", volume_connection(data)), raising=True
    )
    host.cloud.volumes.attachments["attachment-0"] = VOLUME
    first = host.boot(name="first")
    text = host.wait(first, "APUS-GUEST READY")
    assert f"APUS-GUEST METADATA uuid={first} name=first" in text
    assert "APUS-GUEST BOOTS 1" in text
    try_consoles(host.cloud, host.driver, first, tmp_path)
    before = set(host.names("p1-blocks"))
    _, document = host.cloud.act(first, "createImage", {"name": "picture"}, version="2.45")
    host.work()
    picture = document["image_id"]
    host.keep_as_image_service_does(picture)
    assert host.cloud.images.known[picture]["status"] == "active"
    assert len(set(host.names("p1-blocks")) - before) < 8, (
        "a few blocks of one MiB were changed, not the disk"
    )
    path = f"/servers/{first}/os-volume_attachments"
    assert host.cloud.ask("POST", path, {"volumeAttachment": {"volumeId": VOLUME}})[0] == 200
    host.work()
    assert host.cloud.volumes.known[VOLUME]["status"] == "in-use"
    assert host.driver.machines()[first] is Power.RUNNING
    assert host.cloud.ask("DELETE", f"{path}/{VOLUME}")[0] == 202
    host.work()
    assert host.cloud.ask("GET", path)[1]["volumeAttachments"] == []
    host.cloud.ask("DELETE", f"/servers/{first}")
    host.work()
    second = host.boot(name="second", imageRef=picture)
    assert "APUS-GUEST BOOTS 2" in host.wait(second, "APUS-GUEST READY")
    assert host.cloud.act(second, "os-stop")[0] == 202
    host.work()
    assert host.cloud.show(second)["status"] == "SHUTOFF"
    host.cloud.ask("DELETE", f"/servers/{second}")
    host.work()
    assert host.driver.machines() == {}
    assert host.disks.all()["disks"] == []
    kept = sorted(Project.open(host.store, "p1", BlockConfig(block_size=MIB)).maps.list())
    assert kept == [f"kept-{picture}", "volume"]


# One sector after the other, each made durable before the next is begun.
WRITER = b"""#!/bin/sh
(n=0; while n=$((n+1)); do echo "sector $n" | dd of=/dev/vdb bs=512 seek=$n conv=sync,fsync 2>/dev/null || exit
echo "WROTE $n"; sleep 0.2; done) >/dev/console 2>&1 &
"""


def boot_writer(host: Host, volumes: VolumeWorld) -> tuple[str, str]:
    """Make a server that writes to a volume from its start on; return both ids once it has begun."""
    volume_id = volumes.volume()["id"]
    disks = [
        {"source_type": "image", "uuid": IMAGE, "destination_type": "local", "boot_index": 0},
        {"source_type": "volume", "uuid": volume_id, "destination_type": "volume", "boot_index": -1},
    ]
    user_data = base64.b64encode(WRITER).decode()
    server_id = host.boot(block_device_mapping_v2=disks, user_data=user_data)
    host.wait(server_id, "WROTE 10\n")
    return server_id, volume_id


def sectors_of(volumes: VolumeWorld, row: Mapping[str, Any]) -> int:
    """Return how many sectors a map has, one after the other and all as the guest wrote them."""
    data = b"".join(volumes.blocks(row["map_id"], 0, project=row["map_project"]))
    sectors = [data[at : at + 512].rstrip(b"\0") for at in range(512, len(data), 512)]
    last = sectors.index(b"")
    assert sectors[:last] == [b"sector %d\n" % number for number in range(1, last + 1)]
    return last


def back_up(host: Host, volumes: VolumeWorld, server_id: str, volume_id: str) -> None:
    """Back the volume up and look at what the backup has; the guest goes on writing."""
    asked = {"backup": {"volume_id": volume_id, "force": True}}
    backup = volumes.asked("POST", "/backups", asked)["backup"]["id"]
    volumes.office.jobs.run_due(volumes.office)
    known = written(host.printed(server_id))
    host.agent._leases.answer()
    volumes.now[0] += 1
    volumes.settle()
    assert volumes.show("backup", backup)["status"] == "available"
    last = sectors_of(volumes, volumes.row("backups", backup))
    assert last >= known
    host.wait(server_id, f"WROTE {last + 5}\n")


def test_a_guest_is_backed_up_and_moved_while_it_writes(
    host: Host, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The backup has all that the guest knew to be durable, in the order in which it was written.

    Moved, the guest goes on with the next sector on the other host's disks; none is lost, none written twice.
    """
    volumes = host.with_volumes(tmp_path / "volumes")
    server_id, volume_id = boot_writer(host, volumes)
    back_up(host, volumes, server_id, volume_id)
    agent, driver = host.another(Path(tmp_path_factory.mktemp("h", numbered=True)))
    before = written(host.printed(server_id))
    wish = {"host": "host-b", "block_migration": False, "disk_over_commit": False}
    assert host.cloud.act(server_id, "os-migrateLive", wish, token=host.cloud.admin)[0] == 202
    for each, name in ((host.agent, "host-a"), (agent, "host-b")):
        (order,) = host.cloud.orders(name)
        each.serve(order)
    assert host.cloud.show(server_id)["status"] == "ACTIVE", host.cloud.show(server_id).get("fault")
    assert host.disks.all()["disks"] == []

    def printed() -> str:
        log = driver.console(server_id)
        return str(log.read_text(errors="replace"))

    until(printed, lambda text: len(text.splitlines()) > 8)
    assert "APUS-GUEST" not in printed(), "it did not start anew"
    (order,) = host.cloud.orders("host-b")
    agent.serve({**order, "task_state": "powering-off"})
    agent._undertaker.let_go(server_id, order["devices"][0])
    last = written(printed())
    assert sectors_of(volumes, volumes.row("volumes", volume_id)) >= last > before


def written(text: str) -> int:
    """Return the last sector that the guest says it has written."""
    return int(re.findall(r"WROTE (\d+)\n", text)[-1])
