"""What a host must have, and the way there: values only."""

from __future__ import annotations

import dataclasses
import subprocess

import network_lab
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.compute.network.host import firewall, translation
from apus.compute.network.host.dhcp import DhcpSettings, kept_leases, service_of
from apus.compute.network.host.layout import HostSettings, layout
from apus.compute.network.host.names import DEVICE_NAME_MAX
from apus.compute.network.host.programs import Change, change
from apus.compute.network.host.steps import HOST, Link, Observed, known_after, known_meanwhile, steps
from apus.compute.network.host.wanted import Group, Lease, Network, Port, Router, Rule, Socket, Subnet, Wanted
from apus.compute.network.schedule import placed

SETTINGS = HostSettings("192.0.2.1", DhcpSettings("/state"), own_addresses={"public": "172.24.4.1/24"})
IDS = st.uuids(version=4).map(str)
ADDRESSES = st.integers(5, 250).map(lambda number: f"10.0.0.{number}")
MACS = st.integers(0, 2**24 - 1).map(
    lambda n: "fa:16:3e:" + ":".join(f"{(n >> shift) & 255:02x}" for shift in (16, 8, 0))
)


@st.composite
def tenants(draw: st.DrawFn) -> Wanted:
    """Some projects, each with a network 10.0.0.0/24 and guests at any of its addresses."""
    networks, ports, routers = [], [], []
    for number in range(draw(st.integers(1, 4))):
        network_id = draw(IDS)
        leases = [
            Lease(draw(IDS), draw(MACS), (address,), "", f"server-{number}-{address}", f"p{number}")
            for address in draw(st.lists(ADDRESSES, unique=True, max_size=4))
        ]
        dhcp = Socket(draw(IDS), network_id, draw(MACS), ("10.0.0.2/24",))
        subnets = (Subnet(draw(IDS), "10.0.0.0/24", "10.0.0.1"),)
        networks.append(
            Network(
                network_id, f"p{number}", number + 1, 1450, "", subnets, tuple(leases), dhcp, ("192.0.2.2",)
            )
        )
        ports += [Port(lease.port_id, network_id, lease.mac, lease.addresses) for lease in leases]
        routers.append(Router(draw(IDS), (Socket(draw(IDS), network_id, draw(MACS), ("10.0.0.1/24",)),)))
    return Wanted(tuple(networks), tuple(ports), {}, tuple(routers), 1)


@given(tenants())
def test_projects_with_one_range_share_nothing(wanted: Wanted) -> None:
    """Each project has bridges, namespaces, cables, tunnels and DHCP of its own, and doors know its own guests only."""
    made = layout(wanted, SETTINGS)
    count = len(wanted.networks)
    assert len(made.bridges) == len(made.tunnels) == len(made.services) == count
    assert len(made.spaces) == 2 * count
    for network, router in zip(wanted.networks, wanted.routers, strict=True):
        cables = [cable for cable in made.cables.values() if cable.bridge == f"brq{network.id[:11]}"]
        assert {cable.namespace for cable in cables} == {f"qdhcp-{network.id}", f"qrouter-{router.id}"}
        for space in (f"qdhcp-{network.id}", f"qrouter-{router.id}"):
            assert {guest.project_id for guest in made.doors[space].guests.values()} <= {network.project_id}
    names = [*made.bridges, *made.tunnels, *made.cables, *(cable.inner for cable in made.cables.values())]
    assert len(set(names)) == len(names)
    assert all(len(name) <= DEVICE_NAME_MAX for name in names)


@given(tenants())
def test_a_host_as_it_shall_be_needs_no_step(wanted: Wanted) -> None:
    """Steps from a host that has everything are none; from that to nothing wanted, each of its names is removed once."""
    made = layout(wanted, SETTINGS)
    links = {(HOST, b.name): Link(b.name, mtu=b.mtu, is_up=True) for b in made.bridges.values()}
    for space in made.spaces.values():
        links[space.name, "lo"] = Link("lo", is_up=True, addresses=frozenset(space.own_addresses))
    for cable in made.cables.values():
        links[HOST, cable.outer] = Link(cable.outer, mtu=cable.mtu, master=cable.bridge, is_up=True)
        links[cable.namespace, cable.inner] = Link(
            cable.inner, mac=cable.mac, mtu=cable.mtu, is_up=True, addresses=frozenset(cable.addresses)
        )
    for tunnel in made.tunnels.values():
        links[HOST, tunnel.name] = Link(tunnel.name, mtu=tunnel.mtu, master=tunnel.bridge, is_up=True)
    observed = Observed(
        spaces=frozenset(made.spaces),
        links=links,
        routes={space.name: frozenset(space.routes) for space in made.spaces.values()},
        peers={tunnel.name: frozenset(tunnel.peers) for tunnel in made.tunnels.values()},
        tables=frozenset({(HOST, "bridge"), *((space, "ip") for space in made.spaces)}),
    )
    known = known_after(made)
    assert steps(made, observed, known) == []
    assert known_meanwhile(made, known) == known
    nothing = layout(Wanted(), SETTINGS)
    removed = [command.words[-1] for command in steps(nothing, observed, known) if "delete" in command.words]
    assert sorted(removed) == sorted([*made.bridges, *made.cables, *made.tunnels, *made.spaces])


def test_what_the_agent_never_made_it_never_removes() -> None:
    """Others' bridges and namespaces stay, whatever they are called."""
    others = Observed(
        spaces=frozenset({"qrouter-theirs"}), links={(HOST, "brqtheirs"): Link("brqtheirs", is_up=True)}
    )
    empty = layout(Wanted(), SETTINGS)
    assert steps(empty, others, known_after(empty)) == []


def test_the_rules_of_a_router() -> None:
    """Golden: floating addresses both ways, marks for what comes from outside, the gateway's address for the rest."""
    router = Router(
        "r",
        (),
        Socket("gggggggg-gggg", "n", "fa:16:3e:00:00:01", ("172.24.4.20/24",)),
        floating=(("172.24.4.10", "10.0.0.5"),),
    )
    assert (
        translation.rules(router)
        == """\
add table ip apus
delete table ip apus
table ip apus {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr 172.24.4.10 dnat to 10.0.0.5
  }
  chain marking {
    type filter hook prerouting priority mangle; policy accept;
    iifname "qg-gggggggg-gg" meta mark set 0x2
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname != "qg-gggggggg-gg" meta mark != 0x2 ct status & dnat == 0 accept
    oifname "qg-gggggggg-gg" ip saddr 10.0.0.5 snat to 172.24.4.10
    oifname != "qg-gggggggg-gg" meta mark != 0x2 ip saddr 10.0.0.5 snat to 172.24.4.10
    oifname "qg-gggggggg-gg" ip saddr != 172.24.4.20 snat to 172.24.4.20
    oifname != "qg-gggggggg-gg" meta mark != 0x2 snat to 172.24.4.20
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname "qg-gggggggg-gg" oifname != "qg-gggggggg-gg" ct state new ct status & dnat == 0 drop
  }
}
"""
    )


PREFIXES = {
    "IPv4": st.sampled_from(["", "0.0.0.0/0", "10.0.0.0/8", "192.0.2.7/32"]),
    "IPv6": st.sampled_from(["", "::/0", "fd00::/8", "2001:db8::7/128"]),
}


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Any rule that the API lets through."""
    ethertype = draw(st.sampled_from(["IPv4", "IPv6"]))
    protocol = draw(
        st.sampled_from(["", "any", "tcp", "udp", "sctp", "icmp", "gre", "vrrp", "0", "41", "255", "17"])
    )
    first, last = None, None
    if protocol in ("tcp", "udp", "sctp", "17") and draw(st.booleans()):
        first = draw(st.integers(1, 65535))
        last = draw(st.integers(first, 65535))
    elif protocol == "icmp" and draw(st.booleans()):
        first, last = draw(st.integers(0, 255)), draw(st.sampled_from([None, 0, 3]))
    group = draw(st.sampled_from(["", "other"]))
    prefix = "" if group else draw(PREFIXES[ethertype])
    direction = draw(st.sampled_from(["ingress", "egress"]))
    return Rule(direction, ethertype, protocol, first, last, prefix, group)


def test_any_rule_compiles() -> None:
    """The kernel takes what 300 arbitrary rules of any kind come to, and the step from there to nothing."""
    if why := network_lab.why_not():
        pytest.skip(why)
    found: list[Rule] = []

    @given(rules())
    def collect(rule: Rule) -> None:
        found.append(rule)

    collect()
    members = ("10.0.0.5", "10.0.0.0/28", "fd00::5")
    groups = {
        "mine": Group(tuple(found)),
        "other": Group((), members),
        "free": Group(tuple(found), is_stateful=False),
    }
    pairs = (("10.9.0.0/16", "fa:16:3e:00:00:09"), ("10.9.1.1", "fa:16:3e:00:00:09"))
    ports = (
        Port("11111111-1111", "n", "fa:16:3e:00:00:01", ("10.0.0.5", "fd00::5"), pairs, groups=("mine",)),
        Port("22222222-2222", "n", "fa:16:3e:00:00:02", (), groups=("free",)),
    )
    made = firewall.compiled(Wanted(ports=ports, groups=groups))
    fewer = firewall.compiled(Wanted(ports=ports[1:], groups=groups))
    nothing = firewall.Firewall()
    texts = [
        firewall.script(made, {}),
        firewall.script(fewer, made.fingerprints()),
        firewall.script(nothing, fewer.fingerprints()),
    ]
    for text in ("".join(texts[:1]), "".join(texts[:2]), "".join(texts)):
        done = subprocess.run(
            ["unshare", "-n", "nft", "-f", "-"], input=text, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[:2000]
    assert firewall.script(made, made.fingerprints()) == ""


def test_only_a_port_whose_rules_changed_forgets_its_flows() -> None:
    """Another port's, or a group's new member, leaves flows alone."""
    port = Port("11111111-1111", "n", "fa:16:3e:00:00:01", ("10.0.0.5",), groups=("mine",))
    other = dataclasses.replace(port, id="22222222-2222", groups=())
    groups = {"mine": Group((Rule("ingress", "IPv4", group_id="mine"),), ("10.0.0.5",))}
    before = firewall.compiled(Wanted(ports=(port, other), groups=groups)).fingerprints()
    more = {"mine": dataclasses.replace(groups["mine"], members=("10.0.0.5", "10.0.0.6"))}
    text = firewall.script(firewall.compiled(Wanted(ports=(port, other), groups=more)), before)
    assert "10.0.0.6" in text
    assert "flush set bridge apus flows4_tap" not in text
    open_all = {"mine": Group((Rule("ingress", "IPv4"),))}
    text = firewall.script(firewall.compiled(Wanted(ports=(port, other), groups=open_all)), before)
    assert "flush set bridge apus flows4_tap11111111_11" in text
    assert "flush set bridge apus flows4_tap22222222_22" not in text


def network(*leases: Lease) -> Network:
    """A network that is served here."""
    subnet = Subnet("s", "10.0.0.0/24", "10.0.0.1")
    return Network(
        "n", "p", 1, 1450, "", (subnet,), leases, Socket("d", "n", "fa:16:3e:00:00:02", ("10.0.0.2/24",))
    )


def test_no_line_of_a_file_for_dnsmasq_holds_two() -> None:
    """A name or an option that would be a line of its own is left out."""
    options = (("server-ip-address", "10.0.0.9\ntag:x,6,6.6.6.6", 4), ("mtu", "1400", 4))
    evil = Lease("p1", "fa:16:3e:00:00:05", ("10.0.0.5",), "a\nb", options=options)
    service = service_of(network(evil), SETTINGS.dhcp)
    assert service is not None
    assert "tag:port-p1,option:mtu,1400\n" in service.files["/state/dhcp/n/options"]
    assert not any("6.6.6.6" in text or "\nb" in text for text in service.files.values())


def test_an_address_that_changes_hands_is_free_for_its_next_owner() -> None:
    """More hosts are a reload; one that goes is a restart, and its lease goes with it."""
    one, two = (Lease(f"p{n}", f"fa:16:3e:00:00:0{n}", ("10.0.0.5",)) for n in (1, 2))
    hosts = "/state/dhcp/n/hosts"
    empty, first, second = (service_of(network(*leases), SETTINGS.dhcp) for leases in ((), (one,), (two,)))
    assert empty is not None
    assert first is not None
    assert second is not None
    assert change(empty.files, first.files, hosts) is Change.RELOAD
    assert change(first.files, first.files, hosts) is Change.NOTHING
    assert change(first.files, second.files, hosts) is Change.RESTART
    assert change({}, first.files, hosts) is Change.RESTART
    line = "1700000000 fa:16:3e:00:00:01 10.0.0.5 host-10-0-0-5 *\n"
    assert kept_leases(line, first.files[hosts]) == line
    assert kept_leases(line, second.files[hosts]) == ""


@given(st.lists(IDS, min_size=1, max_size=40), st.sets(st.sampled_from("abcdef"), min_size=1))
def test_only_what_lost_its_host_moves(things: list[str], alive: set[str]) -> None:
    """What is on a living host stays; what was on a dead one goes to a living one, whoever decides."""
    for thing in things:
        host = placed(thing, "", set("abcdef"))
        after = placed(thing, host, alive)
        assert after in alive
        assert host not in alive or after == host
        assert placed(thing, after, alive) == after
    assert placed(things[0], "a", set()) == "a"
