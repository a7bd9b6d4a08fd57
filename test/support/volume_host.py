"""A cloud of this process with a volume service of this process, and hosts with disks but without machines.

join(cloud, volume_world) ──▶ the server service asks that one, with its own rights or its callers'
VolumeHost(folder) ──▶ .boot(), .attach(server, volume), .write(…), .work(): the agent, called by hand
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cloud import call, identity_of
from nbd_client import NbdClient
from servers import IMAGE, Cloud, Door
from volume_world import BLOCK, VolumeWorld

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
        query = f"?{urlencode(how['query'])}" if how.get("query") else ""
        own = identity_of("service", ("service", "admin"))
        token = self._world.token(identity_of(path.split("/")[1]) if how.get("token") else own)
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


def join(cloud: Cloud, volumes: VolumeWorld) -> None:
    """Have the cloud use these volumes."""
    cloud.volumes = VolumeClient(VolumePeer(volumes))  # type: ignore[assignment, arg-type]  # no double here
    object.__setattr__(cloud.world, "volumes", cloud.volumes)


class VolumeHost:
    """A host whose machines are not there and whose disks are, beside a volume service that is."""

    def __init__(self, folder: Path) -> None:
        (folder / "volume").mkdir()
        (folder / "compute").mkdir()
        self.folder = folder
        self.volumes = VolumeWorld.open(folder / "volume")
        self.store = self.volumes.store
        self.config = BlockConfig(block_size=BLOCK)
        self.cloud = Cloud(folder / "compute", ("host-a",))
        join(self.cloud, self.volumes)
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

    def settle(self, host: str = "host-a") -> None:
        """Let the host answer once, and the volume service finish."""
        self.agents[host]._leases.answer()
        self.volumes.now[0] += 1
        self.volumes.settle()

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


@contextmanager
def volume_host() -> Iterator[VolumeHost]:
    """Have such hosts in a folder of their own, whose path is short as paths of sockets must be."""
    with tempfile.TemporaryDirectory() as folder:
        made = VolumeHost(Path(folder))
        try:
            yield made
        finally:
            made.end()
