"""A host's agent against the service, with the driver that runs nothing."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import pycdlib
import pytest
import requests
from servers import IMAGE, SECRET, VOLUME, Cloud, Door

from apus.compute.server.agent.config_drive import LABEL, iso_of
from apus.compute.server.agent.console import ConsoleDoor, tail
from apus.compute.server.agent.disks import NoDisks
from apus.compute.server.agent.driver import DriverFailed
from apus.compute.server.agent.fake import FakeDriver
from apus.compute.server.agent.loop import Agent
from apus.compute.server.agent.settings import AgentConfig
from apus.compute.server.agent.undertaking import nic_of
from apus.compute.server.domain import Machine
from apus.compute.server.keys import host_key
from apus.compute.server.states import Power


class World:
    """One host of a cloud, its agent called by hand."""

    def __init__(self, folder: Path) -> None:
        self.cloud = Cloud(folder)
        self.driver = FakeDriver()
        self.door = Door(self.cloud, "host-a")
        config = AgentConfig(host="host-a", key="k", driver="fake", folder=str(folder), console_port=0)
        self.agent = Agent(config, self.door, self.driver, NoDisks())  # type: ignore[arg-type]  # a door without a wire

    def work(self) -> None:
        """Do all that there is to do."""
        for _ in range(10):
            busy = [
                order
                for order in self.door.work(0, 0)[1]
                if order["task_state"]
                or any(part["state"].endswith("ing") for part in order["devices"] + order["interfaces"])
            ]
            for order in busy:
                self.agent.serve(order)
            if not busy:
                return

    def boot(self) -> str:
        wish = {"name": "web", "imageRef": IMAGE, "flavorRef": "1", "config_drive": True}
        _, made = self.cloud.ask("POST", "/servers", {"server": wish})
        self.work()
        return str(made["server"]["id"])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_machines_run_while_their_servers_are_to(world: World) -> None:
    """Started, stopped, suspended, shelved, deleted: the host has the machine that the server is to be."""
    server_id = world.boot()
    assert world.driver.machines() == {server_id: Power.RUNNING}
    for name, argument, power in (
        ("os-stop", None, Power.SHUTDOWN), ("os-start", None, Power.RUNNING), ("pause", None, Power.PAUSED),
        ("unpause", None, Power.RUNNING), ("suspend", None, Power.SHUTDOWN), ("resume", None, Power.RUNNING),
        ("reboot", {"type": "HARD"}, Power.RUNNING), ("rescue", {}, Power.RUNNING), ("unrescue", None, Power.RUNNING),
        ("createImage", {"name": "x"}, Power.RUNNING),
    ):  # fmt: skip
        assert world.cloud.act(server_id, name, argument)[0] in (200, 202)
        world.work()
        assert world.driver.machines()[server_id] is power, name
        assert world.cloud.show(server_id)["OS-EXT-STS:task_state"] is None
    world.cloud.ask("DELETE", f"/servers/{server_id}")
    world.work()
    assert world.driver.machines() == {}
    assert world.cloud.ask("GET", f"/servers/{server_id}")[0] == 404


def test_a_server_keeps_its_size_through_a_resize(world: World) -> None:
    """On the one host there is: stopped, described anew, started; reverted the same way."""
    wish = {"name": "big", "id": "2", "ram": 128, "vcpus": 2, "disk": 1}
    world.cloud.ask("POST", "/flavors", {"flavor": wish}, token=world.cloud.admin)
    server_id = world.boot()
    world.cloud.act(server_id, "resize", {"flavorRef": "2"})
    world.work()
    assert world.cloud.show(server_id)["status"] == "VERIFY_RESIZE"
    world.cloud.act(server_id, "revertResize")
    world.work()
    server = world.cloud.show(server_id)
    assert (server["status"], server["flavor"]["ram"]) == ("ACTIVE", 64)


def test_a_failure_of_the_driver_is_the_servers_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner reads what the hypervisor said."""

    def start(machine: Machine) -> None:
        raise DriverFailed("cannot allocate memory")

    monkeypatch.setattr(world.driver, "start", start)
    server_id = world.boot()
    server = world.cloud.show(server_id)
    assert (server["status"], server["fault"]["message"]) == ("ERROR", "cannot allocate memory")


def test_what_the_service_does_itself_is_not_the_hosts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose ports and disks are still being made is left alone, although its host is chosen."""
    begun: list[str] = []
    monkeypatch.setattr(world.agent, "serve", lambda order: begun.append(order["task_state"]))
    tasks = ("networking", "block_device_mapping", "unshelving", "spawning")
    for number, task in enumerate(tasks):
        order = {"id": f"s{number}", "task_state": task, "devices": [], "interfaces": []}
        world.agent.reconcile([order])
    world.agent._pool.shutdown(wait=True)
    assert begun == ["spawning"]


def test_what_happened_unasked_is_told(world: World) -> None:
    """A guest that shut itself down is SHUTOFF after the next look."""
    server_id = world.boot()
    world.driver.stop(server_id, 0)
    world.agent.look()
    assert world.cloud.show(server_id)["status"] == "SHUTOFF"


def test_a_machine_goes_only_when_its_server_is_known_to_be_gone(world: World) -> None:
    """One whose server was deleted behind its back goes; one of which the service knows nothing stays."""
    server_id = world.boot()
    world.cloud.now += 3600  # The host is down as far as the service knows: it deletes without it.
    world.cloud.ask("DELETE", f"/servers/{server_id}")
    stray = "99999999-0000-4000-8000-000000000000"
    world.driver.start(Machine(uuid=stray, name="instance-x", title="x", memory_mib=1, vcpus=1))
    world.agent.look()
    assert stray in world.driver.machines()
    world.driver.remove(stray)
    world.agent.look()
    assert world.driver.machines() == {}


def test_disks_and_ports_are_plugged(world: World) -> None:
    """What is attached is told when it is there, and freed when it is not any more."""
    server_id = world.boot()
    path = f"/servers/{server_id}/os-volume_attachments"
    world.cloud.ask("POST", path, {"volumeAttachment": {"volumeId": VOLUME}})
    world.cloud.ask("POST", f"/servers/{server_id}/os-interface", {"interfaceAttachment": {}})
    world.work()
    assert world.cloud.volumes.known[VOLUME]["status"] == "in-use"
    assert [order["interfaces"][1]["state"] for order in world.door.work(0, 0)[1]] == ["attached"]
    world.cloud.ask("DELETE", f"{path}/{VOLUME}")
    world.work()
    assert world.cloud.volumes.known[VOLUME]["status"] == "available"


def test_the_agent_works_by_itself(world: World) -> None:
    """Run as it runs in earnest, it hears of a new server and builds it."""
    stop = threading.Event()
    runner = threading.Thread(target=world.agent.run, args=(stop,))
    runner.start()
    try:
        wish = {"name": "web", "imageRef": IMAGE, "flavorRef": "1"}
        _, made = world.cloud.ask("POST", "/servers", {"server": wish})
        until = time.monotonic() + 60
        while world.cloud.show(made["server"]["id"])["status"] != "ACTIVE":
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        stop.set()
        runner.join()


def test_the_config_drive_holds_its_files() -> None:
    """Labelled config-2, with names as they are."""
    files = {"openstack/latest/meta_data.json": b"{}", "openstack/2018-08-27/user_data": b"#!/bin/sh\n"}
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(iso_of(files)))
    assert iso.pvd.volume_identifier.decode().strip() == LABEL
    for path, data in files.items():
        found = io.BytesIO()
        iso.get_file_from_iso_fp(found, rr_path=f"/{path}")
        assert found.getvalue() == data
    iso.close()


def test_a_console_is_shown_to_the_service_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the log for whoever has the host's key; nothing for others, nor for what is no id."""
    server_id = "11111111-2222-3333-4444-555555555555"
    log = tmp_path / "console.log"
    log.write_bytes(b"x" * 200_000 + b"login: ")
    driver = FakeDriver()
    monkeypatch.setattr(driver, "console", lambda asked: log if asked == server_id else None)
    key = host_key(SECRET, "host-a")
    door = ConsoleDoor(AgentConfig(host="host-a", key=key, console_port=0), driver)
    door.start()
    try:
        headers = {"X-Apus-Host-Key": key}
        assert requests.get(f"{door.url}/{server_id}", headers=headers, timeout=30).content.endswith(
            b"login: "
        )
        assert requests.get(f"{door.url}/{server_id}", timeout=30).status_code == 401
        assert requests.get(f"{door.url}/../etc/passwd", headers=headers, timeout=30).status_code == 404
    finally:
        door.stop()
    assert len(tail(log)) == 102400
    assert tail(tmp_path / "none") == b""


def test_a_port_is_plugged_as_the_network_service_says() -> None:
    """On its bridge under the name that the firewall knows; without one, on qemu's own network."""
    port = {
        "port_id": "0123456789abcdef",
        "mac": "fa:16:3e:00:00:01",
        "vif": {"type": "bridge", "bridge": "brq1"},
    }
    nic = nic_of(port)
    assert (nic.bridge, nic.tap) == ("brq1", "tap0123456789a")
    assert nic_of({**port, "vif": {}}).bridge == ""
