"""Volumes of guests that run: what they wrote reaches the volume service, whoever is killed on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from nbd_client import NbdClient
from servers import Door
from volume_host import Killed, VolumeHost, volume_host
from volume_world import BLOCK

from apus.common.errors import Refused, Unavailable
from apus.compute.block.host import Room
from apus.compute.server.agent.loop import Agent


@pytest.fixture
def host() -> Iterator[VolumeHost]:
    with volume_host() as made:
        yield made


def test_a_backup_has_what_the_guest_wrote_before_it(host: VolumeHost) -> None:
    """The guest keeps the disk and goes on; the next backup has what came later; the map before goes."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    for data in (b"1" * BLOCK, b"2" * BLOCK):
        host.write(3, data)
        backup = host.backup(volume_id)
        assert host.volumes.show("backup", backup["id"])["status"] == "creating"
        host.settle()
        assert host.volumes.show("backup", backup["id"])["status"] == "available"
        assert host.data("backup", backup["id"], 3) == data
    assert host.volumes.show("volume", volume_id)["status"] == "in-use"
    assert sum(name.startswith("volume-") for name in host.volumes.map_ids()) == 1


def test_nobody_waits_for_a_guest_that_wrote_nothing(host: VolumeHost) -> None:
    """The volume's map is its newest, and the backup is made of it."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    backup = host.backup(volume_id)
    host.settle()
    assert host.volumes.show("backup", backup["id"])["status"] == "available"


@pytest.mark.parametrize("step", range(8))
@pytest.mark.parametrize("detaches", [False, True])
def test_an_agent_killed_at_any_step_loses_nothing(host: VolumeHost, step: int, detaches: bool) -> None:
    """Killed before or after any word to the block server or to the service, it does it again; no map is left over."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    host.write(0, b"1" * BLOCK)
    host.backup(volume_id)
    host.settle()
    host.write(0, b"2" * BLOCK)
    backup = host.backup(volume_id)
    if detaches:
        path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
        assert host.cloud.ask("DELETE", path)[0] == 202
    dying(host.agents["host-a"], step)
    try:
        host.work() if detaches else host.settle()
    except Killed:
        pass
    host.agents["host-a"] = host.new_agent("host-a")
    host.work()
    host.settle()
    assert host.data("backup", backup["id"], 0) == b"2" * BLOCK
    host.cloud.ask("DELETE", f"/servers/{server_id}")
    host.work()
    host.settle()
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


def test_a_volume_that_was_taken_away_by_force_comes_back_as_it_was_committed(host: VolumeHost) -> None:
    """What the host had not handed over is lost, and never seen again: neither here nor in a later commit."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    host.write(0, b"1" * BLOCK)
    host.backup(volume_id)
    host.settle()
    host.write(0, b"2" * BLOCK)
    host.volumes.act(volume_id, "os-force_detach", {}, roles=("admin",))
    path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
    assert host.cloud.ask("DELETE", path)[0] == 202
    host.work()
    assert host.volumes.show("volume", volume_id)["status"] == "available"
    host.attach(server_id, volume_id)
    with host.guest() as guest:
        assert guest.read(0, BLOCK) == b"1" * BLOCK


def test_a_host_sees_its_own_volumes_only(host: VolumeHost) -> None:
    """Another host's key opens neither its list nor a commit under a lease that it has not."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    (lease,) = Door(host.cloud, "host-a").leases()
    assert Door(host.cloud, "host-b").leases() == []
    facts = {"lease": "guessed", "base_map_id": lease["map_id"], "map_id": lease["map_id"]}
    with pytest.raises(Refused, match="lease"):
        Door(host.cloud, "host-b").commit("p1", volume_id, facts)


def test_changes_that_fill_the_host_are_committed(host: VolumeHost) -> None:
    """A volume's and a server's own: the block server says so, the agent commits, nobody has asked; all is read."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    (own,) = [each for each in host.disks() if each["disk"].startswith("server-")]
    host.write(1, b"v" * BLOCK)
    with NbdClient(own["socket"], own["disk"]) as guest:
        guest.write(BLOCK, b"s" * BLOCK)
    before = host.volumes.row("volumes", volume_id)["map_id"]
    host.settle()
    host.agents["host-a"].make_room()
    assert sum(each["changed_blocks"] for each in host.disks()) == 2, "there is room: nothing is to be done"
    host.block_servers["host-a"]._room = Room(bytes_max=BLOCK)
    host.settle()
    host.agents["host-a"].make_room()
    assert sum(each["changed_blocks"] for each in host.disks()) == 0
    assert host.volumes.row("volumes", volume_id)["map_id"] != before
    host.block_servers["host-a"].make_room()
    with NbdClient(own["socket"], own["disk"]) as guest, host.guest() as other:
        assert guest.read(BLOCK, BLOCK) == b"s" * BLOCK
        assert other.read(BLOCK, BLOCK) == b"v" * BLOCK


def test_a_full_host_is_relieved_while_the_services_are_away(
    host: VolumeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server's own disk needs nobody's leave: it is committed though nobody tells which volumes are whose."""

    def away(*_: object) -> None:
        raise Unavailable("the service does not answer")

    class Once(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            del timeout
            before = self.is_set()
            self.set()
            return before

    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    (own,) = [each for each in host.disks() if each["disk"].startswith("server-")]
    with NbdClient(own["socket"], own["disk"]) as guest:
        guest.write(BLOCK, b"s" * BLOCK)
    host.block_servers["host-a"]._room = Room(bytes_max=BLOCK)
    monkeypatch.setattr(host.agents["host-a"]._service, "leases", away)
    host.agents["host-a"]._answer(Once())
    assert sum(each["changed_blocks"] for each in host.disks()) == 0


def test_a_disk_that_is_not_here_is_never_taken_for_one(
    host: VolumeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the block server doesn't answer nobody knows: the volume's newest map is asked for."""

    def away(*_: object) -> None:
        raise Unavailable("no block server")

    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    leases = host.agents["host-a"]._leases
    monkeypatch.setattr(leases._disks, "standing", away)
    (lease,) = Door(host.cloud, "host-a").leases()
    with pytest.raises(Unavailable):
        leases.newest(volume_id, {"driver_volume_type": "apus-block", "data": lease})


def test_an_attachment_whose_maker_was_killed_is_taken(host: VolumeHost) -> None:
    """Asked for again it is the same one, so that the volume is free once it is detached."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    client = host.cloud.world.volumes
    first, _ = client.attach("p1", volume_id, server_id, "host-a", "/dev/vdb")
    again, connection = client.attach("p1", volume_id, server_id, "host-a", "/dev/vdb")
    assert (again, connection["data"]["volume_id"]) == (first, volume_id)
    client.detach("p1", first)
    assert host.volumes.show("volume", volume_id)["status"] == "available"
    assert client.leases("host-a") == []


def test_a_machine_starts_while_the_volume_service_is_away(
    host: VolumeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its disks are here; nobody needs to be asked for them."""

    def away(*_: object) -> None:
        raise Unavailable("the volume service does not answer")

    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    host.cloud.act(server_id, "os-stop")
    host.work()
    monkeypatch.setattr(host.agents["host-a"]._service, "leases", away)
    host.cloud.act(server_id, "os-start")
    host.work()
    assert host.cloud.show(server_id)["status"] == "ACTIVE"
