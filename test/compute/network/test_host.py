"""Networks built by the agent on a host of the test's own: real bridges, namespaces, dnsmasq and nftables."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import network_lab
import pytest
from forged_frames import HONEST, arrived, frames
from network_lab import Lab

A, B, EXTERNAL = (
    "aaaaaaaa-aaaa-0000-0000-000000000000",
    "bbbbbbbb-bbbb-0000-0000-000000000000",
    "eeeeeeee-eeee",
)
SETTINGS = {"own_addresses": {"public": "172.24.4.1/24"}}
ALLOW_OUT = {"direction": "egress", "ethertype": "IPv4", "protocol": None, "first": None, "last": None}
NONE: dict[str, Any] = {"prefix": None, "group_id": None}
WHY_NOT = network_lab.why_not()

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


def rule(
    direction: str = "ingress", protocol: str | None = None, port: int | None = None, **other: Any
) -> dict[str, Any]:
    """A rule of a security group."""
    ends = {"first": port, "last": port}
    return {"direction": direction, "ethertype": "IPv4", "protocol": protocol, **ends, **NONE, **other}


def mac(project: str, number: int) -> str:
    """The MAC of a project's guest."""
    return f"fa:16:3e:00:0{'ab'.index(project)}:{number:02x}"


def port_id(project: str, number: int) -> str:
    """The id of a port, unlike others in its first eleven characters."""
    return f"{project}{number:07d}-9000-0000-0000-000000000000"


def network(
    project: str, network_id: str, router_mac: str, guests: tuple[int, ...] = (5, 6)
) -> dict[str, Any]:
    """A project's network, 10.0.0.0/24 like everybody's."""
    leases = [
        {
            "port_id": port_id(project, number),
            "mac": mac(project, number),
            "addresses": [f"10.0.0.{number}"],
            "hostname": f"{project}{number}",
            "device_id": f"server-{project}{number}",
            "project_id": f"project-{project}",
            "options": [],
        }
        for number in guests
    ]
    subnet = {
        "id": f"subnet-{project}",
        "cidr": "10.0.0.0/24",
        "gateway": "10.0.0.1",
        "has_dhcp": True,
        "nameservers": ["9.9.9.9"],
        "routes": [["10.77.0.0/16", "10.0.0.9"]],
        "ra_mode": None,
        "address_mode": None,
    }
    dhcp = {
        "port_id": port_id(project, 2),
        "network_id": network_id,
        "mac": router_mac[:-2] + "dd",
        "addresses": ["10.0.0.2/24"],
    }
    return {
        "id": network_id,
        "project_id": f"project-{project}",
        "tunnel_id": 100 + "ab".index(project),
        "mtu": 1450,
        "physical_network": None,
        "subnets": [subnet],
        "leases": leases,
        "dhcp": dhcp,
        "peers": [],
    }


def port(project: str, network_id: str, number: int, groups: tuple[str, ...] = ()) -> dict[str, Any]:
    """A guest's port."""
    return {
        "id": port_id(project, number),
        "network_id": network_id,
        "mac": mac(project, number),
        "addresses": [f"10.0.0.{number}"],
        "pairs": [],
        "is_guarded": True,
        "groups": [f"group-{project}", *groups],
    }


def router(project: str, network_id: str, own: str, floating: str) -> dict[str, Any]:
    """A project's router, with a floating address for its 10.0.0.5."""
    return {
        "id": f"router-{project}",
        "interfaces": [
            {
                "port_id": port_id(project, 1),
                "network_id": network_id,
                "mac": f"fa:16:3e:01:0{'ab'.index(project)}:01",
                "addresses": ["10.0.0.1/24"],
            }
        ],
        "gateway": {
            "port_id": port_id(project, 99),
            "network_id": EXTERNAL,
            "mac": f"fa:16:3e:02:0{'ab'.index(project)}:01",
            "addresses": [f"{own}/24"],
        },
        "next_hops": ["172.24.4.1"],
        "hides": True,
        "floating": [[floating, "10.0.0.5"]],
        "routes": [],
    }


def document(**more: list[dict[str, Any]]) -> dict[str, Any]:
    """Two projects with the same addresses, and the network outside; `more` are rules by project."""
    group = {
        f"group-{project}": {
            "rules": [rule("egress"), rule(protocol="tcp", port=80), *more.get(project, [])],
            "members": ["10.0.0.5", "10.0.0.6"],
            "is_stateful": True,
        }
        for project in "ab"
    }
    outside: dict[str, Any] = {
        "id": EXTERNAL,
        "project_id": "admin",
        "tunnel_id": None,
        "mtu": 1500,
        "physical_network": "public",
        "subnets": [],
        "leases": [],
        "dhcp": None,
        "peers": [],
    }
    return {
        "generation": 1,
        "networks": [network("a", A, "fa:16:3e:03:00:01"), network("b", B, "fa:16:3e:03:01:01"), outside],
        "ports": [port(p, n, number) for p, n in (("a", A), ("b", B)) for number in (5, 6)],
        "groups": group,
        "routers": [
            router("a", A, "172.24.4.20", "172.24.4.10"),
            router("b", B, "172.24.4.21", "172.24.4.11"),
        ],
    }


EMPTY: dict[str, Any] = {"generation": 2, "networks": [], "ports": [], "groups": {}, "routers": []}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A host with two projects' guests, each of which serves on ports 22 and 80."""
    with network_lab.lab(tmp_path_factory.mktemp("host")) as host:
        host.become(document(), SETTINGS)
        for project in "ab":
            for number in (5, 6):
                name = f"{project}{number}"
                host.guest(
                    name, port_id(project, number), mac(project, number), f"10.0.0.{number}/24", "10.0.0.1"
                )
                host.serve(name, 22, 80)
        host.serve("", 8000)
        host.do("answer_metadata")
        host.become(document(), SETTINGS)
        yield host


def test_a_host_in_order_needs_nothing(host: Lab) -> None:
    """The second pass over the same wants runs no command."""
    assert host.become(document(), SETTINGS) == []


def test_two_projects_with_the_same_addresses_stay_apart(host: Lab) -> None:
    """10.0.0.5 is a5 to project a, and b5 to project b."""
    assert host.ask("a6", "10.0.0.5", 80) == "a5 sees 10.0.0.6"
    assert host.ask("b6", "10.0.0.5", 80) == "b5 sees 10.0.0.6"


def test_a_group_lets_through_what_its_rules_say_and_no_more(host: Lab) -> None:
    """Port 22 is shut until a rule opens it; a rule that goes shuts it again; the other project's rules mean nothing."""
    assert host.ask("a6", "10.0.0.5", 22, 1).startswith("failed")
    host.become(document(a=[rule(protocol="tcp", port=22, prefix="10.0.0.6/32")]), SETTINGS)
    assert host.ask("a6", "10.0.0.5", 22) == "a5 sees 10.0.0.6"
    assert host.ask("b6", "10.0.0.5", 22, 1).startswith("failed")
    host.become(document(a=[rule(protocol="tcp", port=22, group_id="group-a")]), SETTINGS)
    assert host.ask("a6", "10.0.0.5", 22) == "a5 sees 10.0.0.6"
    host.become(document(), SETTINGS)
    assert host.ask("a6", "10.0.0.5", 22, 1).startswith("failed")


def test_a_guest_has_no_address_but_its_own(host: Lab) -> None:
    """What a guest sends under another's address goes nowhere; with its own it goes on."""
    host.run("ip", "-n", "a6", "address", "add", "10.0.0.7/24", "dev", "eth0")
    host.run("ip", "-n", "a6", "route", "add", "10.0.0.5", "dev", "eth0", "src", "10.0.0.7")
    assert host.ask("a6", "10.0.0.5", 80, 1).startswith("failed")
    host.run("ip", "-n", "a6", "route", "delete", "10.0.0.5", "dev", "eth0", "src", "10.0.0.7")
    host.run("ip", "-n", "a6", "address", "delete", "10.0.0.7/24", "dev", "eth0")
    assert host.ask("a6", "10.0.0.5", 80) == "a5 sees 10.0.0.6"


def test_a_guest_is_nobody_else(host: Lab) -> None:
    """Of forged frames none arrives: not ARP, MAC, address, tag, DHCP or IPv6 router; what is its own arrives."""
    sent = frames(mac("a", 6), "10.0.0.6", other_mac=mac("a", 9), other_address="10.0.0.9")
    seen = arrived(host, "a6", ["a5", "b5", "b6"], sent)
    assert seen == {"a5": [*HONEST], "b5": [], "b6": []}


def test_dhcp_gives_each_port_its_address_and_routes(host: Lab) -> None:
    """The offer has the port's address, the resolver, and in option 121 the ways to metadata, subnet's routes and out."""
    offer = host.dhcp("b5", mac("b", 5))
    assert offer.startswith("10.0.0.5 ")
    options = json.loads(
        offer.partition(" ")[2].replace("'", '"').replace("{", '{"').replace(": ", '": ').replace(", ", ', "')
    )
    assert options["6"] == "09090909"
    assert options["121"] == "100a4d0a000009" + "20a9fea9fe0a000002" + "000a000001"
    assert options["26"] == (1450).to_bytes(2).hex()


def test_a_floating_address_leads_to_its_guest_and_back(host: Lab) -> None:
    """From outside each project's 10.0.0.5 is met at its own floating address, sees who asks, and goes out under it."""
    assert host.ask("", "172.24.4.10", 80) == "a5 sees 172.24.4.1"
    assert host.ask("", "172.24.4.11", 80) == "b5 sees 172.24.4.1"
    assert host.ask("", "172.24.4.10", 22, 1).startswith("failed")
    assert host.ask("a5", "172.24.4.1", 8000) == "host sees 172.24.4.10"
    assert host.ask("b5", "172.24.4.1", 8000) == "host sees 172.24.4.11"


def test_who_has_no_floating_address_goes_out_under_the_routers(host: Lab) -> None:
    """Others leave by the gateway's address, and may meet a neighbour, or another project's guest, by its floating one."""
    assert host.ask("a6", "172.24.4.1", 8000) == "host sees 172.24.4.20"
    assert host.ask("a6", "172.24.4.10", 80) == "a5 sees 172.24.4.20"
    assert host.ask("a6", "172.24.4.11", 80) == "b5 sees 172.24.4.20"


def test_nobody_outside_reaches_an_inner_address(host: Lab) -> None:
    """A neighbour of the gateway that routes to it by hand gets nowhere."""
    host.run("ip", "route", "add", "10.0.0.0/24", "via", "172.24.4.20")
    assert host.ask("", "10.0.0.5", 80, 1).startswith("failed")
    host.run("ip", "route", "delete", "10.0.0.0/24", "via", "172.24.4.20")


def test_metadata_knows_the_guest_by_network_and_address(host: Lab) -> None:
    """By the router's way and by DHCP's, the server service is told, signed, which server asks; what the guest says isn't."""
    ask = "import urllib.request as u; print(u.urlopen(u.Request('http://169.254.169.254/latest/meta-data/', headers={'X-Instance-ID': 'forged'}), timeout=20).read().decode())"
    import sys

    from apus.compute.network.host.metadata import signature

    for name in ("a5", "b5"):
        for way in ("10.0.0.1", "10.0.0.2"):
            host.run("ip", "-n", name, "route", "replace", "169.254.169.254", "via", way)
            said = json.loads(host.run("ip", "netns", "exec", name, sys.executable, "-SEc", ask))
            assert said["HTTP_X_INSTANCE_ID"] == f"server-{name}"
            assert said["HTTP_X_TENANT_ID"] == f"project-{name[0]}"
            assert said["HTTP_X_INSTANCE_ID_SIGNATURE"] == signature(f"server-{name}", network_lab.SECRET)
            assert said["path"] == f"/internal/metadata/server-{name}/latest/meta-data/"
        host.run("ip", "-n", name, "route", "delete", "169.254.169.254")


def test_what_is_broken_by_hand_is_mended(host: Lab) -> None:
    """A deleted device, a flushed table and a killed dnsmasq are there again after a pass."""
    host.run("ip", "link", "delete", f"tap{port_id('a', 1)[:11]}")
    host.run("nft", "flush", "ruleset")
    host.run("sh", "-c", f"kill -9 $(cat {host.do('folder')}/dhcp/{A}/pid)")
    host.become(document(), SETTINGS)
    assert host.ask("", "172.24.4.10", 80) == "a5 sees 172.24.4.1"
    assert host.ask("a6", "10.0.0.5", 22, 1).startswith("failed")
    assert host.dhcp("a5", mac("a", 5)).startswith("10.0.0.5 ")
    assert host.become(document(), SETTINGS) == []


def test_what_is_no_longer_wanted_goes_and_nothing_else(tmp_path: Path) -> None:
    """A kill after any number of commands, then a pass, is as good as no kill; at the end only others' things are left."""
    with network_lab.lab(tmp_path) as host:
        host.run("ip", "link", "add", "brq-others", "type", "bridge")
        host.run("ip", "netns", "add", "qdhcp-others")
        commands = 0
        while True:
            done = host.become(document(), {**SETTINGS, "commands": commands})
            if len(done) < commands:
                break
            commands += 9
        assert host.become(document(), SETTINGS) == []
        host.become(EMPTY, {**SETTINGS, "commands": 3})
        host.become(EMPTY, SETTINGS)
        assert host.become(EMPTY, SETTINGS) == []
        links = {each["ifname"] for each in json.loads(host.run("ip", "-j", "link"))}
        assert links == {"lo", "brq-others"}
        assert host.run("ip", "netns", "list").split() == ["qdhcp-others"]
        assert "--pid-file" not in host.run("sh", "-c", "cat /proc/[0-9]*/cmdline")
        assert "tap" not in host.run("nft", "list", "ruleset")


def test_a_network_reaches_over_two_hosts(tmp_path: Path) -> None:
    """Guests of one network on two hosts meet through VXLAN, under the firewall of both; another's stay apart there too."""
    with network_lab.lab(tmp_path / "one") as one, network_lab.lab(tmp_path / "two") as two:
        network_lab.join(one, two, "192.0.2")
        for place, (host, number) in enumerate(((one, 5), (two, 6)), 1):
            said = document()
            said["networks"] = said["networks"][:2]
            for each in said["networks"]:
                each["peers"] = [f"192.0.2.{3 - place}"]
                each["dhcp"] = each["dhcp"] if place == 1 else None
            said["ports"] = [each for each in said["ports"] if each["addresses"] == [f"10.0.0.{number}"]]
            said["routers"] = []
            tunnel = {"tunnel_address": f"192.0.2.{place}"}
            host.become(said, tunnel)
            for project in "ab":
                name = f"{project}{number}"
                host.guest(name, port_id(project, number), mac(project, number), f"10.0.0.{number}/24")
                host.serve(name, 22, 80)
            host.become(said, tunnel)
            assert host.become(said, tunnel) == []
        assert one.ask("a5", "10.0.0.6", 80) == "a6 sees 10.0.0.5"
        assert two.ask("b6", "10.0.0.5", 80) == "b5 sees 10.0.0.6"
        assert one.ask("a5", "10.0.0.6", 22, 1).startswith("failed")
        assert two.dhcp("b6", mac("b", 6)).startswith("10.0.0.6 ")


def test_a_guest_makes_its_own_ipv6_address(tmp_path: Path) -> None:
    """Told by the router, a guest takes the SLAAC address that its port has; its neighbour meets it there, as rules allow."""
    said = document(a=[rule(protocol="tcp", port=80, ethertype="IPv6"), rule("egress", ethertype="IPv6")])
    six = {
        "id": "subnet-six",
        "cidr": "2001:db8::/64",
        "gateway": "2001:db8::1",
        "has_dhcp": True,
        "nameservers": [],
        "routes": [],
        "ra_mode": "slaac",
        "address_mode": "slaac",
    }
    said["networks"][0]["subnets"].append(six)
    said["routers"][0]["interfaces"][0]["addresses"].append("2001:db8::1/64")
    own = {number: f"2001:db8::f816:3eff:fe00:{number}" for number in (5, 6)}
    for each, number in zip(said["ports"], (5, 6), strict=False):
        each["addresses"].append(own[number])
    with network_lab.lab(tmp_path) as host:
        host.become(said, SETTINGS)
        for number in (5, 6):
            host.guest(f"a{number}", port_id("a", number), mac("a", number))
        host.become(said, SETTINGS)
        assert host.become(said, SETTINGS) == []
        deadline = time.monotonic() + 60
        for number in (5, 6):
            while f"{own[number]}/64" not in (
                shown := host.run("ip", "-n", f"a{number}", "-6", "address")
            ) or ("tentative" in shown):
                assert time.monotonic() < deadline, shown
                time.sleep(0.2)
        host.serve("a5", 22, 80)
        assert host.ask("a6", own[5], 80) == f"a5 sees {own[6]}"
        assert host.ask("a6", own[5], 22, 1).startswith("failed")
