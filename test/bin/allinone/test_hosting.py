"""This machine as a host of servers, as far as it is decided without touching the machine."""

from __future__ import annotations

import configparser
import ipaddress
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from apus.bin.allinone import cluster, hosting, processes
from apus.bin.allinone.cluster import Cluster
from apus.bin.allinone.layout import AGENTS, COMPUTE_AGENT, NETWORK_AGENT, Layout, Service
from apus.bin.allinone.tenants import Secrets
from apus.compute.block.host import SOCKET_PATH_BYTES_MAX

KNOWN = Secrets("password", "agents", "metadata")
LONG = Path("/srv") / ("x" * 90)


def a_cloud(home: Path = LONG) -> Layout:
    made = Layout.fresh(home, bind_ip="127.0.0.1", port=8080, workers=1, nodes=1)
    return replace(made, has_cloud=True, agents=AGENTS)


def test_agents_come_last_and_only_where_they_can_run() -> None:
    """What serves starts before who asks it; an agent with an obstacle is nobody to be missed."""
    roles = [service.role for service in a_cloud().services]
    assert roles[-len(AGENTS) :] == list(AGENTS)
    assert COMPUTE_AGENT not in [service.role for service in replace(a_cloud(), agents=()).services]
    assert Layout.from_json(LONG, a_cloud().to_json()) == a_cloud()


def test_sockets_have_short_paths_wherever_the_home_is() -> None:
    """A kernel takes 107 bytes of a unix socket's path."""
    texts = hosting.files(a_cloud(), KNOWN)
    conf = configparser.ConfigParser()
    for text in texts.values():
        conf.read_string(text)
    longest = f"volume-{'0' * 36}-{'0' * 16}"
    state = conf["block-server"]["state_folder"]
    assert len(f"{state}/sockets/{longest}".encode()) <= SOCKET_PATH_BYTES_MAX
    assert a_cloud(Path("/other")).short_cloud != a_cloud().short_cloud


def test_both_agents_of_a_host_have_one_name() -> None:
    """Ports are bound to the name that servers are placed by."""
    texts = hosting.files(a_cloud(), KNOWN)
    conf = configparser.ConfigParser()
    for role in (COMPUTE_AGENT, NETWORK_AGENT):
        conf.read_string(texts[a_cloud().agent(role).conf])
    assert conf[COMPUTE_AGENT]["host"] == conf[NETWORK_AGENT]["host"] != ""


def test_the_public_network_is_of_addresses_that_the_machine_does_not_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second cloud on the machine takes the next range."""
    first = ipaddress.IPv4Address("172.24.4.1")
    monkeypatch.setattr(hosting, "_own_addresses", lambda: [("brq1", first)])
    assert hosting.free_range() == "172.24.5.0/24"
    assert hosting.rival(a_cloud()) == "brq1"
    assert hosting.rival(replace(a_cloud(), public_range="172.24.5.0/24")) == ""


def test_who_is_not_root_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """No agent runs, and each says why."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert set(hosting.obstacles()) == set(AGENTS)
    assert "sudo make up" in hosting.obstacles()[COMPUTE_AGENT]


def test_a_machine_whose_agent_was_killed_ends_with_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its plug is pulled when it does not listen; other clouds' machines go on."""
    monkeypatch.setattr(hosting, "PLUG_SECONDS", 0.2)
    layout = a_cloud(tmp_path)
    deaf = ["qemu-system-x86_64", "-c", "trap '' TERM; echo; read line"]
    ours, other = (
        subprocess.Popen(
            [*deaf, f"{cloud.short_cloud}/libvirt"],
            executable="/bin/sh",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for cloud in (layout, a_cloud(tmp_path / "other"))
    )
    with ours, other:
        for machine in (ours, other):
            assert machine.stdout
            machine.stdout.readline()
        hosting.clear(layout)
        assert ours.wait(30) == -signal.SIGKILL
        assert other.poll() is None
        other.kill()


def test_agents_that_could_not_be_started_again_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An obstacle that came up later takes them off the list of those that should run, not off the machine."""
    ended: list[str] = []

    def stop(services: Iterable[Service], _patience_seconds: float = 0) -> int:
        ended.extend(service.role for service in services)
        return 0

    monkeypatch.setattr(processes, "stop", stop)
    Cluster(replace(a_cloud(tmp_path), agents=())).down()
    assert ended[0] == COMPUTE_AGENT
    assert set(AGENTS) < set(ended)


def test_a_conf_is_never_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even between its making and its being written."""
    modes: list[int] = []
    write = Path.write_text

    def noted(path: Path, text: str) -> int:
        modes.append(path.stat().st_mode & 0o777)
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", noted)
    old = tmp_path / "old.conf"
    old.touch(mode=0o644)
    cluster._write({tmp_path / "etc" / "new.conf": "key = secret\n", old: "key = secret\n"})
    assert modes == [0o600, 0o600]
