"""Volumes of guests that run: what they wrote reaches the volume service, whoever is killed on the way."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud import call, identity_of
from nbd_client import NbdClient
from servers import IMAGE, Cloud, Door
from volume_world import BLOCK, VolumeWorld

from apus.common.errors import Refused
from apus.compute.api.faults import Fault
from apus.compute.block.config import BlockConfig
from apus.compute.block.control import ControlServer
from apus.compute.block.host import HostDisks
from apus.compute.block.project import Project
from apus.compute.block.stream import write_stream
from apus.compute.server.agent.disks import BlockDisks
from apus.compute.server.agent.fake import FakeDriver
from apus.compute.server.agent.loop import Agent
from apus.compute.server.agent.settings import AgentConfig
from apus.compute.server.volumes import VolumeClient


class Killed(BaseException):
    """The agent is gone; nothing of its code runs any more."""


class VolumePeer:
    """The volume service as the server service reaches it, without a wire."""

    def __init__(self, world: VolumeWorld) -> None:
        self._world = world

    def ask(self, method: str, path: str, document: Any = None, **how: Any) -> dict[str, Any]:
        query = "".join(f"?{name}={value}" for name, value in (how.get("query") or {}).items())
        token = self._world.token(identity_of("service", ("service", "admin")))
        reply = call(
            self._world.service,
            method,
            f"/v3{path}{query}",
            document,
            token=token,
            headers=how.get("headers") or {},
        )
        if reply.status >= 400:
            raise Fault(reply.status, reply.body.decode())
        return dict(json.loads(reply.body)) if reply.body else {}


class Host:
    """A host whose machines are not there and whose disks are, beside a volume service that is."""

    def __init__(self, folder: Path) -> None:
        (folder / "volume").mkdir()
        (folder / "compute").mkdir()
        self.folder = folder
        self.volumes = VolumeWorld.open(folder / "volume")
        self.store = self.volumes.store
        self.config = BlockConfig(block_size=BLOCK)
        self.cloud = Cloud(folder / "compute", ("host-a",))
        self.cloud.volumes = VolumeClient(VolumePeer(self.volumes))  # type: ignore[assignment, arg-type]  # no double here
        object.__setattr__(self.cloud.world, "volumes", self.cloud.volumes)
        write_stream(Project.open(self.store, "p0", self.config).maps, [b"image" * 1000], map_id="base")
        self.block_servers: dict[str, HostDisks] = {}
        self.doors: list[ControlServer] = []
        self.agents = {host: self._agent(host) for host in ("host-a", "host-b")}

    def _agent(self, host: str) -> Agent:
        disks = HostDisks(self.store, self.folder / host, self.config)
        disks.start()
        control = ControlServer(disks, self.folder / f"{host}.control")
        control.start()
        self.doors.append(control)
        self.block_servers[host] = disks
        return self.new_agent(host)

    def new_agent(self, host: str) -> Agent:
        """Return an agent that remembers nothing."""
        config = AgentConfig(host=host, key="k", folder=str(self.folder / f"{host}.c"), console_port=0)
        disks = BlockDisks(self.store, self.folder / f"{host}.control", self.config)
        door = Door(self.cloud, host)
        return Agent(config, door, FakeDriver(), disks)  # type: ignore[arg-type]  # a door without a wire

    def work(self, host: str = "host-a") -> None:
        """Let the host's agent do all that there is to do."""
        for _ in range(10):
            orders = self.cloud.orders(host)
            busy = [
                order
                for order in orders
                if order["task_state"] or any(part["state"].endswith("ing") for part in order["devices"])
            ]
            if not busy:
                return
            for order in busy:
                self.agents[host].serve(order)

    def boot(self, **facts: Any) -> str:
        """Make a server on host-a."""
        asked = {"name": "web", "imageRef": IMAGE, "flavorRef": "1", "networks": "none", **facts}
        status, made = self.cloud.ask("POST", "/servers", {"server": asked}, version="2.96")
        assert status == 202, made
        self.work()
        server = self.cloud.show(made["server"]["id"])
        assert server["status"] == "ACTIVE", server.get("fault")
        return str(server["id"])

    def attach(self, server_id: str, volume_id: str) -> None:
        """Attach a volume and have it in use."""
        document = {"volumeAttachment": {"volumeId": volume_id}}
        path = f"/servers/{server_id}/os-volume_attachments"
        status, found = self.cloud.ask("POST", path, document)
        assert status == 200, found
        self.work()
        assert self.volumes.show("volume", volume_id)["status"] == "in-use"

    def write(self, block: int, data: bytes, host: str = "host-a") -> None:
        """Write a block of the only volume that the host has, as its guest would."""
        with self.guest(host) as guest:
            guest.write(block * BLOCK, data)
            guest.flush()

    def guest(self, host: str = "host-a") -> NbdClient:
        """Return the guest's end of the disk."""
        (disk,) = [each for each in self.disks(host) if each["disk"].startswith("volume-")]
        return NbdClient(disk["socket"], disk["disk"])

    def disks(self, host: str = "host-a") -> list[dict[str, Any]]:
        """Return what the host's block server serves."""
        return list(self.block_servers[host].all()["disks"])

    def backup(self, volume_id: str) -> dict[str, Any]:
        """Begin a backup of a volume in use; jobs run as far as they go without the host."""
        asked = {"backup": {"volume_id": volume_id, "force": True}}
        made: dict[str, Any] = self.volumes.asked("POST", "/backups", asked)["backup"]
        self.volumes.office.jobs.run_due(self.volumes.office)
        return made

    def data(self, kind: str, resource_id: str, block: int) -> bytes:
        """Return a block of a backup, snapshot or volume."""
        row = self.volumes.row(f"{kind}s", resource_id)
        (found,) = self.volumes.blocks(row["map_id"], block, project=row["map_project"])
        return found

    def end(self) -> None:
        """Leave nothing running."""
        for control in self.doors:
            control.stop()
        for disks in self.block_servers.values():
            disks.stop()


@pytest.fixture
def host() -> Iterator[Host]:
    with tempfile.TemporaryDirectory() as folder:  # Paths of sockets must be short.
        made = Host(Path(folder))
        try:
            yield made
        finally:
            made.end()


def settle(host: Host) -> None:
    """Let the host answer once, and the volume service finish."""
    host.agents["host-a"]._leases.answer()
    host.volumes.now[0] += 1
    host.volumes.settle()


def test_a_backup_has_what_the_guest_wrote_before_it(host: Host) -> None:
    """The guest keeps the disk and goes on; the next backup has what came later; the map before goes."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    for data in (b"1" * BLOCK, b"2" * BLOCK):
        host.write(3, data)
        backup = host.backup(volume_id)
        assert host.volumes.show("backup", backup["id"])["status"] == "creating"
        settle(host)
        assert host.volumes.show("backup", backup["id"])["status"] == "available"
        assert host.data("backup", backup["id"], 3) == data
    assert host.volumes.show("volume", volume_id)["status"] == "in-use"
    assert sum(name.startswith("volume-") for name in host.volumes.map_ids()) == 1


def test_nobody_waits_for_a_guest_that_wrote_nothing(host: Host) -> None:
    """The volume's map is its newest, and the backup is made of it."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    backup = host.backup(volume_id)
    settle(host)
    assert host.volumes.show("backup", backup["id"])["status"] == "available"


@pytest.mark.parametrize("step", range(8))
@pytest.mark.parametrize("detaches", [False, True])
def test_an_agent_killed_at_any_step_loses_nothing(host: Host, step: int, detaches: bool) -> None:
    """Killed before or after any word to the block server or to the service, it does it again; no map is left over."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    host.write(0, b"1" * BLOCK)
    host.backup(volume_id)
    settle(host)
    host.write(0, b"2" * BLOCK)
    backup = host.backup(volume_id)
    if detaches:
        path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
        assert host.cloud.ask("DELETE", path)[0] == 202
    dying(host.agents["host-a"], step)
    try:
        host.work() if detaches else settle(host)
    except Killed:
        pass
    host.agents["host-a"] = host.new_agent("host-a")
    host.work()
    settle(host)
    assert host.data("backup", backup["id"], 0) == b"2" * BLOCK
    host.cloud.ask("DELETE", f"/servers/{server_id}")
    host.work()
    settle(host)
    assert host.volumes.show("volume", volume_id)["status"] == "available"
    assert host.data("volume", volume_id, 0) == b"2" * BLOCK
    assert host.disks() == []
    assert sum(name.startswith("volume-") for name in host.volumes.map_ids()) == 1


def dying(agent: Agent, step: int) -> None:
    """Have the agent die at that word of its own to block server or service: before it is said, or when it is done."""
    counted = [0]

    def wrapped(work: Callable[..., Any]) -> Callable[..., Any]:
        def do(*arguments: Any, **options: Any) -> Any:
            if counted[0] == step:
                raise Killed
            counted[0] += 1
            done = work(*arguments, **options)
            if counted[0] == step:
                raise Killed
            counted[0] += 1
            return done

        return do

    leases = agent._leases
    for target, names in ((leases._disks, ("commit", "release")), (leases._service, ("commit", "report"))):
        for name in names:
            setattr(target, name, wrapped(getattr(target, name)))


def test_a_volume_that_was_taken_away_by_force_comes_back_as_it_was_committed(host: Host) -> None:
    """What the host had not handed over is lost, and never seen again: neither here nor in a later commit."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    host.write(0, b"1" * BLOCK)
    host.backup(volume_id)
    settle(host)
    host.write(0, b"2" * BLOCK)
    host.volumes.act(volume_id, "os-force_detach", {}, roles=("admin",))
    path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
    assert host.cloud.ask("DELETE", path)[0] == 202
    host.work()
    assert host.volumes.show("volume", volume_id)["status"] == "available"
    host.attach(server_id, volume_id)
    with host.guest() as guest:
        assert guest.read(0, BLOCK) == b"1" * BLOCK


def test_a_host_sees_its_own_volumes_only(host: Host) -> None:
    """Another host's key opens neither its list nor a commit under a lease that it has not."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    (lease,) = Door(host.cloud, "host-a").leases()
    assert Door(host.cloud, "host-b").leases() == []
    facts = {"lease": "guessed", "base_map_id": lease["map_id"], "map_id": lease["map_id"]}
    with pytest.raises(Refused, match="lease"):
        Door(host.cloud, "host-b").commit("p1", volume_id, facts)
