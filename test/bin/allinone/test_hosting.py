"""This machine as a host of servers, as far as it is decided without touching the machine."""

from __future__ import annotations

import configparser
import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest

from apus.bin.allinone import hosting
from apus.bin.allinone.layout import AGENTS, COMPUTE_AGENT, NETWORK_AGENT, Layout
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
