"""The network service as people and hosts use it: `openstack network …`, and the agent's log-in and questions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keystone
import pytest
from clusters import free_port_block
from fronts import front
from identity_front import IDENTITY_CONF, bootstrapped
from programs import CommandError, openstack

from apus.common.errors import Unavailable
from apus.common.identity import Login, OwnToken
from apus.compute.network.host.dhcp import DhcpSettings
from apus.compute.network.host.layout import HostSettings, layout
from apus.compute.network.host.service import NetworkService

NETWORK_CONF = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0

[pipeline:main]
pipeline = healthcheck metrics network-server

[app:network-server]
use = egg:apus#network
database = sqlite:///{folder}/network.db
identity_url = {identity}
token_keys = {folder}/public

[filter:healthcheck]
use = egg:apus#healthcheck

[filter:metrics]
use = egg:apus#metrics
"""


@dataclass(frozen=True)
class World:
    """Where both services are, and the folder with clouds.yaml."""

    identity: str
    network: str
    folder: Path

    def run(self, cloud: str, *commands: str) -> list[dict[str, object]]:
        """Run commands in one `openstack`."""
        environment = {
            **os.environ,
            "OS_CLIENT_CONFIG_FILE": str(self.folder / "clouds.yaml"),
            "OS_CLOUD": cloud,
        }
        return openstack(environment, commands)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An identity service and a network service."""
    folder, port = tmp_path_factory.mktemp("network"), free_port_block(2)
    identity, network = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
    conf = IDENTITY_CONF.format(port=port, folder=folder, identity=identity)
    bootstrapped(folder / "bootstrap.conf", conf, identity, "http://127.0.0.1:1", f"network={network}")
    own = NETWORK_CONF.format(port=port + 1, folder=folder, identity=identity)
    with (
        front(conf, folder, port=port, kind="identity"),
        front(own, folder, port=port + 1, kind="network"),
    ):
        yield World(identity, network, folder)


def test_the_openstack_command_builds_a_network(world: World) -> None:
    """Network, subnet, router, group, rule, port and floating address: made, shown, changed, listed, removed."""
    public, _ = world.run(
        "admin",
        "network create public --external --provider-network-type flat --provider-physical-network public -f json",
        "subnet create outside --network public --subnet-range 172.24.4.0/24 --no-dhcp -f json",
    )
    assert public["router:external"] is True
    said = world.run(
        "demo",
        "network create blue -f json",
        "subnet create blue4 --network blue --subnet-range 10.0.0.0/24 --dns-nameserver 9.9.9.9 -f json",
        "router create way -f json",
        "router set way --external-gateway public",
        "router add subnet way blue4",
        "security group create web -f json",
        "security group rule create web --protocol tcp --dst-port 80 --remote-ip 0.0.0.0/0 -f json",
        "port create first --network blue --security-group web -f json",
        "floating ip create public --port first -f json",
        "router show way -f json",
        "port set first --name one --allowed-address ip-address=10.0.0.99",
        "network set blue --tag colour",
        "network list --tags colour -f json",
        "port list --fixed-ip subnet=blue4 -f json",
        "security group rule list web -f json",
        "floating ip list -f json",
        "quota show --network -f json",
        "extension list --network -f json",
        "network show blue -f json",
    )
    network, subnet, _, _, rule, port, floating, router, tagged, ports, rules, floatings, *_ = said
    assert network["status"] == "ACTIVE"
    assert subnet["gateway_ip"] == "10.0.0.1"
    assert rule["port_range_min"] == 80
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.0.0.2"}]
    assert floating["fixed_ip_address"] == "10.0.0.2"
    assert router["external_gateway_info"]
    assert [each["Name"] for each in _list(tagged)] == ["blue"]
    assert len(_list(ports)) == 2
    assert len(_list(rules)) == 3
    assert [each["Floating IP Address"] for each in _list(floatings)] == [floating["floating_ip_address"]]
    with pytest.raises(CommandError, match="one or more ports still in use"):
        world.run("demo", "network delete blue")


def _list(said: object) -> list[dict[str, object]]:
    assert isinstance(said, list)
    return said


def test_a_hosts_agent_logs_in_and_is_told(world: World) -> None:
    """The services' user may ask, others may not; what it is told can be laid out, and is told once."""

    def service(user: str, password: str, project: str) -> NetworkService:
        login = Login(identity_url=world.identity, user=user, password=password, project=project)
        return NetworkService(world.network, OwnToken(login))

    report = {"tunnel_address": "", "physical_networks": ["public"], "applied": -1, "ports": []}
    agent = service("cloud", "cloud-password", "service")
    wanted = agent.exchange("h1", report)
    assert wanted is not None
    assert len(layout(wanted, HostSettings("", DhcpSettings("/nowhere"))).services) == len(
        [network for network in wanted.networks if network.dhcp]
    )
    assert agent.exchange("h1", {**report, "applied": wanted.generation}) is None
    (agents,) = world.run("admin", "network agent list -f json")
    assert [each["Host"] for each in _list(agents)] == ["h1"]
    with pytest.raises(Unavailable, match="403"):
        service("demo", "demo-password", "demo").exchange("h1", report)
    with pytest.raises(Unavailable, match="to the log-in of cloud"):
        service("cloud", keystone.ADMIN_PASSWORD, "service").exchange("h1", report)
