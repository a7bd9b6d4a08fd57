"""A lost catalogue of servers comes back from the records beside their disks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from block_store import MemoryStore
from servers import VOLUME, Cloud, Door

from apus.common.errors import Unavailable
from apus.compute.block.records import Records
from apus.compute.server.agent.disks import NoDisks
from apus.compute.server.agent.fake import FakeDriver
from apus.compute.server.agent.loop import Agent
from apus.compute.server.agent.settings import AgentConfig
from apus.compute.server.keeping import Keeper, rebuild

PASSING = ("updated", "OS-EXT-STS:power_state", "progress")


class Kept:
    """A cloud whose servers are recorded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = MemoryStore()
        self.cloud = self._cloud("first")

    def _cloud(self, name: str) -> Cloud:
        (self.folder / name).mkdir()
        cloud = Cloud(self.folder / name)
        self.keeper = Keeper(cloud.world.catalogue, self.store)
        return cloud

    def lose(self) -> Cloud:
        """Begin with an empty catalogue; the services beside it are as they were."""
        before, self.cloud = self.cloud, self._cloud(f"later-{len(list(self.folder.iterdir()))}")
        for name in ("images", "networks", "volumes"):
            object.__setattr__(self.cloud.world, name, getattr(before.world, name))
        return self.cloud

    def rebuilt(self) -> int:
        """Run what `apus-cloud rebuild` does."""
        return rebuild(self.cloud.world.catalogue, self.store)

    def records(self) -> list[str]:
        """Names of all records."""
        return [
            f"{container}/{name}"
            for container, found in self.store.objects.items()
            if container.endswith("-records")
            for name in found
        ]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """One cloud."""
    return Kept(tmp_path)


def lasting(server: dict[str, Any]) -> dict[str, Any]:
    """What of a server's document a loss may not change."""
    return {name: value for name, value in server.items() if name not in PASSING}


def test_servers_come_back_as_they_were(kept: Kept) -> None:
    """Everything that was said of a server, its disks and its ports; what was deleted stays so."""
    cloud = kept.cloud
    first = cloud.boot(user_data="eA==", metadata={"a": "b"}, config_drive=True)
    second = cloud.boot(name="other")
    gone = cloud.boot(name="gone")
    status, _ = cloud.ask(
        "POST", f"/servers/{first}/os-volume_attachments", {"volumeAttachment": {"volumeId": VOLUME}}
    )
    assert status == 200
    cloud.work()
    cloud.act(second, "os-stop")
    cloud.work()
    kept.keeper.turn()
    assert len(kept.records()) == 3
    cloud.ask("DELETE", f"/servers/{gone}")
    cloud.work()
    kept.keeper.turn()
    assert sorted(kept.records()) == sorted(f"p1-records/servers/{each}" for each in (first, second))
    before = [lasting(cloud.show(each)) for each in (first, second)]
    orders = {order["id"]: order for order in cloud.orders()}

    again = kept.lose()
    assert again.ask("GET", "/servers")[1]["servers"] == []
    assert (kept.rebuilt(), kept.rebuilt()) == (2, 0)
    assert [lasting(again.show(each)) for each in (first, second)] == before
    for order in again.orders():
        passing = {"power_state": 0, "config_drive": None}  # The drive told a password once.
        assert {**order, **passing} == {**orders[order["id"]], **passing}
    assert again.ask("GET", f"/servers/{first}", token=again.stranger)[0] == 404
    again.ask("DELETE", f"/servers/{first}")
    again.work()
    assert again.volumes.known[VOLUME]["status"] == "available"


def test_an_empty_catalogue_removes_nothing(kept: Kept) -> None:
    """A service that was started on an empty database leaves the records for the rebuild."""
    server_id = kept.cloud.boot()
    kept.keeper.turn()
    again = kept.lose()
    again.boot(name="meanwhile")
    kept.keeper.turn()
    assert len(kept.records()) == 2
    assert kept.rebuilt() == 1
    assert again.show(server_id)["name"] == "web"


def test_what_nobody_changed_is_not_written(kept: Kept) -> None:
    """Nor read again, not even by a service that has just been started."""
    kept.cloud.boot()
    kept.keeper.turn()
    kept.store.seen.clear()
    kept.cloud.live("host-a")
    kept.keeper.turn()
    assert kept.store.seen == []
    Keeper(kept.cloud.world.catalogue, kept.store).turn()
    assert [method for method, _ in kept.store.seen if method in ("put", "delete", "read")] == []


def test_a_store_that_fails_is_tried_again(kept: Kept) -> None:
    """The next turn writes what this one could not."""
    server_id = kept.cloud.boot()
    kept.store.failures["put"] = [Unavailable("full of woe")]
    with pytest.raises(Unavailable):
        kept.keeper.turn()
    kept.keeper.turn()
    assert kept.records() == [f"p1-records/servers/{server_id}"]


def test_what_is_under_way_is_over(kept: Kept) -> None:
    """A server that was being built is not found again; one that was being stopped is not being stopped."""
    server_id = kept.cloud.boot()
    kept.cloud.act(server_id, "os-stop")
    kept.cloud.ask(
        "POST",
        "/servers",
        {"server": {"name": "new", "imageRef": kept.cloud.show(server_id)["image"]["id"], "flavorRef": "1"}},
    )
    kept.keeper.turn()
    again = kept.lose()
    assert kept.rebuilt() == 1
    shown = again.show(server_id)
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", None)


def test_records_that_nobody_understands_are_left_out(kept: Kept) -> None:
    """One bad record does not keep the others away."""
    server_id = kept.cloud.boot()
    kept.keeper.turn()
    kept.store.put("p1-records", "servers/0", b'{"server": {"id": "x"}}')
    kept.store.put("p1-records", "servers/1", b'{"server": {"id": "x"}, "devices": [], "interfaces": []}')
    kept.store.put("p1-records", "servers/2", b"no JSON")
    again = kept.lose()
    assert kept.rebuilt() == 1
    assert [server["id"] for server in again.ask("GET", "/servers")[1]["servers"]] == [server_id]


def test_a_port_in_two_records_is_one_servers(kept: Kept) -> None:
    """It changed hands between two records being written: both servers come back, one with the port."""
    first, second = sorted((kept.cloud.boot(), kept.cloud.boot(name="other")))
    kept.keeper.turn()
    objects = Records(kept.store, "p1")
    ours, theirs = objects.get("servers", first), objects.get("servers", second)
    theirs["interfaces"] = [{**ours["interfaces"][0], "server_id": second}]
    objects.put("servers", second, theirs)
    again = kept.lose()
    assert kept.rebuilt() == 2
    assert [
        len(again.ask("GET", f"/servers/{each}/os-interface")[1]["interfaceAttachments"])
        for each in (first, second)
    ] == [1, 0]


def test_machines_that_run_are_adopted(kept: Kept) -> None:
    """The host keeps them while nothing is known of them; afterwards each server is what its machine is."""
    cloud, driver = kept.cloud, FakeDriver()
    config = AgentConfig(host="host-a", key="k", driver="fake", folder=str(kept.folder), console_port=0)

    def agent(cloud: Cloud) -> Agent:
        return Agent(config, Door(cloud, "host-a"), driver, NoDisks())  # type: ignore[arg-type]

    running, vanished = cloud.boot(), cloud.boot(name="vanished")
    for order in cloud.orders():
        driver.start(agent(cloud)._undertaker.machine(order))
    kept.keeper.turn()
    again = kept.lose()
    agent(again).look()
    assert set(driver.machines()) == {running, vanished}
    driver.remove(vanished)
    kept.rebuilt()
    agent(again).look()
    shown = again.show(running)
    assert (shown["status"], shown["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
    assert again.show(vanished)["status"] == "SHUTOFF"
