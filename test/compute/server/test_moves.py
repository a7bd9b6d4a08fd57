"""Servers that change hosts: what was written goes with them, and nobody writes from the host that was left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from nbd_client import NbdClient
from volume_host import Killed, VolumeHost, volume_host
from volume_world import BLOCK

from apus.common.errors import Unavailable
from apus.compute.server.agent.driver import DriverFailed
from apus.compute.server.agent.loop import Agent
from apus.compute.server.states import Power


@pytest.fixture
def host() -> Iterator[VolumeHost]:
    with volume_host() as made:
        yield made


@pytest.fixture
def server(host: VolumeHost) -> str:
    """A server on host-a with a volume, data on both of its disks, and another host that lives."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    write(host, "host-a", server_id, b"1")
    host.cloud.live("host-b")
    return server_id


def write(host: VolumeHost, on: str, server_id: str, letter: bytes) -> None:
    """Write a block of each of the server's disks, as its guest would."""
    for path, name in disks(host, on, server_id):
        with NbdClient(path, name) as guest:
            guest.write(5 * BLOCK, letter * BLOCK)
            guest.flush()


def read(host: VolumeHost, on: str, server_id: str) -> set[bytes]:
    """Return what the guest reads there."""
    found = set()
    for path, name in disks(host, on, server_id):
        with NbdClient(path, name) as guest:
            found.add(guest.read(5 * BLOCK, BLOCK)[:1])
    return found


def disks(host: VolumeHost, on: str, server_id: str) -> list[tuple[str, str]]:
    """Return sockets and names of the server's two disks."""
    found = [(each["socket"], each["disk"]) for each in host.disks(on)]
    assert sorted(name.split("-")[0] for _, name in found) == ["server", "volume"]
    return found


def power(host: VolumeHost, on: str) -> dict[str, Power]:
    """Return the machines of a host."""
    return dict(host.agents[on]._driver.machines())


def act(host: VolumeHost, server_id: str, name: str, argument: Any = None, version: str = "") -> None:
    """Ask as an administrator."""
    status, answer = host.cloud.act(server_id, name, argument, token=host.cloud.admin, version=version)
    assert status in (200, 202, 204), answer


def work(host: VolumeHost) -> None:
    """Let both hosts do what there is to do."""
    for on in ("host-a", "host-b", "host-a"):
        host.work(on)
    host.volumes.settle()


def test_a_server_migrates_to_and_fro(host: VolumeHost, server: str) -> None:
    """Stopped, handed over, started there: both disks are as they were written; the host that was left has nothing."""
    for step, (old, new) in enumerate((("host-a", "host-b"), ("host-b", "host-a"), ("host-a", "host-b"))):
        act(host, server, "migrate")
        work(host)
        assert host.cloud.show(server)["status"] == "VERIFY_RESIZE"
        act(host, server, "confirmResize")
        work(host)
        assert (power(host, old), power(host, new)) == ({}, {server: Power.RUNNING})
        assert host.disks(old) == []
        assert read(host, new, server) == {b"%d" % (step + 1)}
        write(host, new, server, b"%d" % (step + 2))
    host.cloud.ask("DELETE", f"/servers/{server}")
    work(host)
    assert host.disks("host-b") == []
    assert not [name for name in host.volumes.map_ids() if name.startswith("server-")]


def test_a_reverted_migration_gives_back_the_servers_disk_and_keeps_the_volumes(
    host: VolumeHost, server: str
) -> None:
    """The volume is let go of on the second host before the first one has it again."""
    act(host, server, "migrate")
    work(host)
    write(host, "host-b", server, b"2")
    act(host, server, "revertResize")
    work(host)
    assert host.cloud.show(server)["status"] == "ACTIVE"
    assert (power(host, "host-a"), power(host, "host-b")) == ({server: Power.RUNNING}, {})
    assert host.disks("host-b") == []
    found = {name.split("-")[0]: path for path, name in disks(host, "host-a", server)}
    seen = {}
    for kind, path in found.items():
        with NbdClient(path) as guest:
            seen[kind] = guest.read(5 * BLOCK, 1)
    assert seen == {"server": b"1", "volume": b"2"}


def test_a_running_server_moves_with_its_memory(host: VolumeHost, server: str) -> None:
    """It is ACTIVE or MIGRATING all the time, ends on the other host, and its memory is kept nowhere."""
    seen: list[bytes] = []
    driver = host.agents["host-b"]._driver
    restore = driver.restore
    driver.restore = lambda machine, path: (seen.append(path.read_bytes()), restore(machine, path))  # type: ignore[method-assign, assignment, func-returns-value]
    act(
        host,
        server,
        "os-migrateLive",
        {"host": "host-b", "block_migration": False, "disk_over_commit": False},
    )
    assert host.cloud.show(server)["status"] == "MIGRATING"
    host.work("host-a")
    assert host.cloud.show(server)["status"] == "MIGRATING"
    assert host.disks("host-a") == []
    work(host)
    assert host.cloud.show(server)["status"] == "ACTIVE"
    assert seen == [server.encode()]
    assert (power(host, "host-a"), power(host, "host-b")) == ({}, {server: Power.RUNNING})
    assert read(host, "host-b", server) == {b"1"}
    assert not [name for name in host.volumes.map_ids() if "memory" in name]


def test_memory_that_a_killed_agent_left_is_forgotten(host: VolumeHost, server: str) -> None:
    """A guest that runs has gone on from it; saved and not gone on, it keeps it."""
    agent = host.agents["host-a"]
    memory = agent._undertaker.home(server) / "memory"
    _, orders = agent._service.work(-1, 0)
    memory.write_bytes(b"old")
    agent.forget_memories([{**orders[0], "task_state": "migrating"}])
    assert memory.exists()
    agent.forget_memories(orders)
    assert not memory.exists()
    memory.write_bytes(b"new")
    agent._driver.stop(server, 1)
    agent.forget_memories(orders)
    assert memory.exists()


def test_a_guest_that_cannot_be_handed_over_goes_on_where_it_is(
    host: VolumeHost, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the host or the service fails: it is ACTIVE there, with its disks."""

    def refuse(*_: Any) -> None:
        raise Unavailable("not now")

    for target, name in ((host.agents["host-a"]._leases, "hand_over"), (host.cloud.conductor, "move")):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, refuse)
            act(
                host,
                server,
                "os-migrateLive",
                {"host": "host-b", "block_migration": False, "disk_over_commit": False},
            )
            host.work("host-a")
        assert host.cloud.show(server)["status"] == "ACTIVE"
        assert power(host, "host-a") == {server: Power.RUNNING}
        assert read(host, "host-a", server) == {b"1"}


def test_a_guest_that_cannot_arrive_starts_from_its_disks(
    host: VolumeHost, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner reads why it is in ERROR; a hard reboot starts it as after a power cut."""

    def fail(*_: Any) -> None:
        raise DriverFailed("the processors differ")

    monkeypatch.setattr(host.agents["host-b"]._driver, "restore", fail)
    act(
        host,
        server,
        "os-migrateLive",
        {"host": "host-b", "block_migration": False, "disk_over_commit": False},
    )
    work(host)
    shown = host.cloud.show(server)
    assert (shown["status"], shown["fault"]["message"]) == ("ERROR", "the processors differ")
    act(host, server, "reboot", {"type": "HARD"})
    work(host)
    assert host.cloud.show(server)["status"] == "ACTIVE"
    assert read(host, "host-b", server) == {b"1"}


@pytest.mark.parametrize("step", range(0, 14, 2))
@pytest.mark.parametrize("action", ["migrate", "os-migrateLive"])
def test_agents_killed_at_any_step_move_it_all_the_same(
    host: VolumeHost, server: str, action: str, step: int
) -> None:
    """The next agent of the host goes on: nothing is lost, and one machine runs."""
    live = {"host": "host-b", "block_migration": False, "disk_over_commit": False}
    act(host, server, action, live if action == "os-migrateLive" else None)
    for on in ("host-a", "host-b"):
        driver = host.agents[on]._driver
        dying(host.agents[on], step)
        with contextlib.suppress(Killed):
            host.work(on)
        host.agents[on] = host.new_agent(on)
        host.agents[on]._driver = host.agents[on]._undertaker._driver = driver
        host.work(on)
        host.agents[on].look()
    work(host)
    assert host.cloud.show(server)["status"] in ("ACTIVE", "VERIFY_RESIZE"), host.cloud.show(server)
    assert (power(host, "host-a"), power(host, "host-b")) == ({}, {server: Power.RUNNING})
    assert host.disks("host-a") == []
    assert read(host, "host-b", server) == {b"1"}


def dying(agent: Agent, step: int) -> None:
    """Have the agent die before it says that word to block server, store or service."""
    counted = [0]

    def wrapped(work: Callable[..., Any]) -> Callable[..., Any]:
        def do(*arguments: Any, **options: Any) -> Any:
            if counted[0] >= step:
                raise Killed
            counted[0] += 1
            return work(*arguments, **options)

        return do

    leases = agent._leases
    words = {
        leases._disks: ("commit", "release", "snapshot", "keep", "fetch", "root", "volume", "tidy"),
        leases._service: ("commit", "report"),
    }
    for target, names in words.items():
        for name in names:
            setattr(target, name, wrapped(getattr(target, name)))


def test_an_evacuated_server_has_what_its_host_had_handed_over(host: VolumeHost, server: str) -> None:
    """What came later is lost. The old host, when it is heard of again, writes nothing more and forgets it all."""
    volume = next(iter(host.cloud.show(server)["os-extended-volumes:volumes_attached"]))["id"]
    host.backup(volume)
    host.settle()
    host.cloud.act(server, "createImage", {"name": "picture"})
    host.work()
    write(host, "host-a", server, b"2")
    status, _ = host.cloud.ask(
        "PUT", "/os-services/force-down", {"host": "host-a", "binary": "nova-compute", "forced_down": True},
        token=host.cloud.admin, version="2.11",
    )  # fmt: skip
    assert status == 200
    act(host, server, "evacuate", {}, version="2.14")
    host.work("host-b")
    assert host.cloud.show(server)["status"] == "ACTIVE"
    assert read(host, "host-b", server) == {b"1"}
    write(host, "host-b", server, b"3")
    host.agents["host-a"]._leases.answer()
    host.agents["host-a"].look()
    assert (power(host, "host-a"), host.disks("host-a")) == ({}, [])
    host.backup(volume)
    host.settle("host-b")
    assert host.data("volume", volume, 5) == b"3" * BLOCK
