"""The network service called in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloud
import databases
import pytest

from apus.compute.catalogue import Catalogue
from apus.compute.network.app import MIGRATIONS, service
from apus.compute.network.settings import NetworkSettings

Ask = Callable[..., tuple[int, Any]]
ADMIN, ME, OTHER = "admin", "me", "other"


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Ask a fresh service, as a member of a project (or another), or as an administrator."""
    verifier = cloud.FakeVerifier()
    catalogue = Catalogue.open(databases.catalogue_url(tmp_path, "network"), MIGRATIONS)
    app = service(NetworkSettings(quota_port=6), catalogue, verifier)
    tokens = {
        ME: verifier.token_of(cloud.identity_of("p1")),
        OTHER: verifier.token_of(cloud.identity_of("p2", user="u2")),
        ADMIN: verifier.token_of(cloud.identity_of("cloud", ("admin",), user="u3")),
    }

    def asked(
        method: str, path: str, document: Any = None, *, as_: str = ME, **headers: str
    ) -> tuple[int, Any]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = cloud.call(app, method, f"/v2.0/{path}", document, token=tokens[as_], headers=names)
        return reply.status, json.loads(reply.body) if reply.body else None

    return asked


def made(ask: Ask, kind: str, as_: str = ME, **members: Any) -> dict[str, Any]:
    """Make a resource; return its document."""
    plural = {"security_group": "security-groups", "security_group_rule": "security-group-rules"}
    plural |= {
        "rbac_policy": "rbac-policies",
        "address_group": "address-groups",
        "address_scope": "address-scopes",
    }
    status, document = ask("POST", plural.get(kind, f"{kind}s"), {kind: members}, as_=as_)
    assert status == 201, document
    found: dict[str, Any] = document[kind]
    return found


def refused(answered: tuple[int, Any]) -> tuple[int, str]:
    """Status and type of a NeutronError."""
    status, document = answered
    assert set(document["NeutronError"]) == {"type", "message", "detail"}
    return status, document["NeutronError"]["type"]


def subnet(ask: Ask, cidr: str = "10.0.0.0/24", as_: str = ME, **members: Any) -> dict[str, Any]:
    """A subnet in a network of its own."""
    network = made(ask, "network", as_)
    return made(
        ask, "subnet", as_, network_id=network["id"], cidr=cidr, ip_version=6 if ":" in cidr else 4, **members
    )


def outside(ask: Ask) -> dict[str, Any]:
    """A network outside, with a subnet."""
    network = made(
        ask,
        "network",
        ADMIN,
        **{"router:external": True, "provider:physical_network": "public", "name": "public"},
    )
    made(
        ask, "subnet", ADMIN, network_id=network["id"], cidr="172.24.4.0/24", ip_version=4, enable_dhcp=False
    )
    return network


def routed(ask: Ask, subnet_id: str, network_id: str) -> dict[str, Any]:
    """A router between the two."""
    router = made(ask, "router", external_gateway_info={"network_id": network_id})
    assert ask("PUT", f"routers/{router['id']}/add_router_interface", {"subnet_id": subnet_id})[0] == 200
    return router


def test_a_network_says_all_that_clients_read(ask: Ask) -> None:
    """Both names of the project, revision, times and tags; how it is made is told to administrators only."""
    network = made(ask, "network", name="blue")
    assert network["tenant_id"] == network["project_id"] == "p1"
    assert (network["revision_number"], network["tags"], network["status"]) == (1, [], "ACTIVE")
    assert network["created_at"].endswith("Z")
    assert network["mtu"] == 1450
    assert "provider:network_type" not in network
    seen = ask("GET", f"networks/{network['id']}", as_=ADMIN)[1]["network"]
    assert seen["provider:network_type"] == "vxlan"
    assert seen["provider:segmentation_id"] == 1


def test_nobody_sees_or_touches_another_projects_things(ask: Ask) -> None:
    """Lists are empty, ids are not found, and nothing of another project's can be used, by any way in."""
    mine = subnet(ask)
    port = made(ask, "port", network_id=mine["network_id"])
    group = made(ask, "security_group", name="web")
    rule = made(ask, "security_group_rule", security_group_id=group["id"], direction="ingress")
    router = made(ask, "router")
    paths = {
        "networks": mine["network_id"],
        "subnets": mine["id"],
        "ports": port["id"],
        "security-groups": group["id"],
        "security-group-rules": rule["id"],
        "routers": router["id"],
    }
    for path, resource_id in paths.items():
        found = ask("GET", path, as_=OTHER)[1]
        assert all(each["project_id"] == "p2" for each in found[path.replace("-", "_")]), path
        singular = path.rstrip("s").replace("-", "_")
        for method, document in (("GET", None), ("PUT", {singular: {"name": "x"}}), ("DELETE", None)):
            assert ask(method, f"{path}/{resource_id}", document, as_=OTHER)[0] == 404, (method, path)
        assert ask("PUT", f"{path}/{resource_id}/tags/x", as_=OTHER)[0] == 404
    others = subnet(ask, as_=OTHER)
    uses = [
        ("ports", {"port": {"network_id": mine["network_id"]}}),
        ("subnets", {"subnet": {"network_id": mine["network_id"], "cidr": "10.9.0.0/24", "ip_version": 4}}),
        ("ports", {"port": {"network_id": others["network_id"], "security_groups": [group["id"]]}}),
        (
            "security-group-rules",
            {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress"}},
        ),
    ]
    for path, document in uses:
        assert ask("POST", path, document, as_=OTHER)[0] == 404, document
    own = made(ask, "router", OTHER)
    for body in ({"subnet_id": mine["id"]}, {"port_id": port["id"]}):
        assert ask("PUT", f"routers/{own['id']}/add_router_interface", body, as_=OTHER)[0] == 404
    assert ask("POST", "networks", {"network": {"project_id": "p1"}}, as_=OTHER)[0] == 403
    assert ask("PUT", "hosts/h1", {"host": {"applied": -1, "ports": []}}, as_=OTHER)[0] == 403
    assert ask("GET", "quotas/p1", as_=OTHER)[0] == 403
    assert ask("GET", "agents", as_=OTHER) == (200, {"agents": []})


def test_a_project_has_a_default_group_with_four_rules(ask: Ask) -> None:
    """Out with everything, in from each other, for both IP versions; it keeps its name and can't be removed."""
    groups = ask("GET", "security-groups")[1]["security_groups"]
    assert [group["name"] for group in groups] == ["default"]
    rules = {
        (rule["direction"], rule["ethertype"], rule["remote_group_id"])
        for rule in groups[0]["security_group_rules"]
    }
    assert rules == {
        (direction, ethertype, groups[0]["id"] if direction == "ingress" else None)
        for direction in ("egress", "ingress")
        for ethertype in ("IPv4", "IPv6")
    }
    path = f"security-groups/{groups[0]['id']}"
    assert refused(ask("DELETE", path)) == (409, "SecurityGroupCannotRemoveDefault")
    assert ask("PUT", path, {"security_group": {"name": "other"}})[0] == 409
    assert ask("POST", "security-groups", {"security_group": {"name": "default"}})[0] == 409
    assert len(ask("GET", "security-groups")[1]["security_groups"]) == 1


def test_a_rule_must_make_sense_and_is_there_once(ask: Ask) -> None:
    """Ports want a protocol that has them, in order; prefix and version agree; the same rule again is refused."""
    group = made(ask, "security_group", name="web")["id"]

    def rule(**members: Any) -> tuple[int, Any]:
        body = {"security_group_id": group, "direction": "ingress", **members}
        return ask("POST", "security-group-rules", {"security_group_rule": body})

    assert rule(protocol="tcp", port_range_min=80, port_range_max=80)[0] == 201
    assert refused(rule(protocol="tcp", port_range_min=80, port_range_max=80)) == (
        409,
        "SecurityGroupRuleExists",
    )
    wrong: list[dict[str, Any]] = [
        {"port_range_min": 80, "port_range_max": 80},
        {"protocol": "tcp", "port_range_min": 90, "port_range_max": 80},
        {"protocol": "nonsense"},
        {"protocol": "icmp", "port_range_max": 1},
        {"remote_ip_prefix": "fd00::/8"},
        {"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": group},
        {"direction": "sideways"},
    ]
    for members in wrong:
        assert rule(**members)[0] == 400, members


def test_addresses_are_given_once_and_run_out(ask: Ask) -> None:
    """Each port gets another address; what was asked for and is taken is refused; after the last there is none."""
    small = subnet(ask, "10.0.0.0/29", allocation_pools=[{"start": "10.0.0.2", "end": "10.0.0.4"}])
    network = small["network_id"]
    ports = [made(ask, "port", network_id=network) for _ in range(3)]
    addresses = {port["fixed_ips"][0]["ip_address"] for port in ports}
    assert addresses == {"10.0.0.2", "10.0.0.3", "10.0.0.4"}
    assert refused(ask("POST", "ports", {"port": {"network_id": network}})) == (
        409,
        "IpAddressGenerationFailure",
    )
    taken = {"network_id": network, "fixed_ips": [{"ip_address": "10.0.0.3"}]}
    assert refused(ask("POST", "ports", {"port": taken})) == (409, "IpAddressAlreadyAllocated")
    assert ask("POST", "ports", {"port": {**taken, "fixed_ips": [{"ip_address": "10.1.0.3"}]}})[0] == 400
    assert ask("DELETE", f"ports/{ports[0]['id']}")[0] == 204
    again = made(ask, "port", network_id=network)
    assert again["fixed_ips"] == ports[0]["fixed_ips"]
    assert refused(ask("DELETE", f"subnets/{small['id']}")) == (409, "SubnetInUse")
    assert refused(ask("DELETE", f"networks/{network}")) == (409, "NetworkInUse")


def test_a_host_on_an_ipv6_subnet_has_the_address_it_makes_itself(ask: Ask) -> None:
    """With SLAAC the port's address is that of its MAC."""
    modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    six = subnet(ask, "2001:db8::/64", **modes)
    port = made(ask, "port", network_id=six["network_id"], mac_address="fa:16:3e:00:00:01")
    assert port["fixed_ips"][0]["ip_address"] == "2001:db8::f816:3eff:fe00:1"


def test_a_quota_ends_what_a_project_can_make(ask: Ask) -> None:
    """The seventh port of six is refused, a list of ports is refused whole, and an administrator may allow more."""
    network = subnet(ask)["network_id"]
    many = {"ports": [{"network_id": network} for _ in range(7)]}
    assert refused(ask("POST", "ports", many)) == (409, "OverQuota")
    assert ask("GET", "ports")[1]["ports"] == []
    assert ask("PUT", "quotas/p1", {"quota": {"port": 9}})[0] == 403
    assert ask("PUT", "quotas/p1", {"quota": {"port": 9}}, as_=ADMIN)[1]["quota"]["port"] == 9
    assert len(ask("POST", "ports", many)[1]["ports"]) == 7
    assert ask("GET", "quotas/p1/details")[1]["quota"]["port"] == {"limit": 9, "used": 7, "reserved": 0}
    assert ask("GET", "quotas/p1/default")[1]["quota"]["port"] == 6
    assert ask("DELETE", "quotas/p1", as_=ADMIN)[0] == 204
    assert ask("GET", "quotas/p1")[1]["quota"]["port"] == 6


def test_a_floating_address_needs_a_way_to_its_port(ask: Ask) -> None:
    """Without a router that joins both it is refused; with one it is ACTIVE, and holds router and gateway in place."""
    inner, public = subnet(ask), outside(ask)
    port = made(ask, "port", network_id=inner["network_id"])
    body = {"floatingip": {"floating_network_id": public["id"], "port_id": port["id"]}}
    assert refused(ask("POST", "floatingips", body)) == (404, "ExternalGatewayForFloatingIPNotFound")
    router = routed(ask, inner["id"], public["id"])
    floating = made(ask, "floatingip", **body["floatingip"])
    assert (floating["status"], floating["fixed_ip_address"]) == ("ACTIVE", "10.0.0.2")
    assert refused(ask("POST", "floatingips", body)) == (409, "FloatingIPPortAlreadyAssociated")
    removal = ask("PUT", f"routers/{router['id']}/remove_router_interface", {"subnet_id": inner["id"]})
    assert refused(removal) == (409, "RouterInterfaceInUseByFloatingIP")
    gateway = ask("PUT", f"routers/{router['id']}", {"router": {"external_gateway_info": {}}})
    assert refused(gateway) == (409, "RouterExternalGatewayInUseByFloatingIp")
    assert ask("DELETE", f"ports/{port['id']}")[0] == 204
    after = ask("GET", f"floatingips/{floating['id']}")[1]["floatingip"]
    assert (after["status"], after["port_id"], after["router_id"]) == ("DOWN", None, None)
    assert ask("DELETE", f"floatingips/{floating['id']}")[0] == 204
    assert ask("PUT", f"routers/{router['id']}/remove_router_interface", {"subnet_id": inner["id"]})[0] == 200
    assert ask("DELETE", f"routers/{router['id']}")[0] == 204


def test_a_routers_networks_do_not_overlap(ask: Ask) -> None:
    """The same subnet twice, or another with the same range, is refused."""
    one, two = subnet(ask), subnet(ask, "10.0.0.0/16")
    router = made(ask, "router")["id"]
    assert ask("PUT", f"routers/{router}/add_router_interface", {"subnet_id": one["id"]})[0] == 200
    assert ask("PUT", f"routers/{router}/add_router_interface", {"subnet_id": one["id"]})[0] == 409
    assert ask("PUT", f"routers/{router}/add_router_interface", {"subnet_id": two["id"]})[0] == 400
    far = {"router": {"routes": [{"destination": "10.7.0.0/16", "nexthop": "192.168.0.1"}]}}
    assert ask("PUT", f"routers/{router}", far)[0] == 400
    near = {"router": {"routes": [{"destination": "10.7.0.0/16", "nexthop": "10.0.0.9"}]}}
    assert (
        ask("PUT", f"routers/{router}/add_extraroutes", near)[1]["router"]["routes"]
        == near["router"]["routes"]
    )
    removal = ask("PUT", f"routers/{router}/remove_router_interface", {"subnet_id": one["id"]})
    assert refused(removal) == (409, "RouterInterfaceInUseByRoute")
    assert refused(ask("DELETE", f"routers/{router}")) == (409, "RouterInUse")


def test_what_is_shared_is_seen_and_used_by_whom_it_is_shared_with(ask: Ask) -> None:
    """A policy lets one project in, until it goes; it can't go while that project has ports there."""
    mine = subnet(ask)
    body = {"object_type": "network", "object_id": mine["network_id"], "action": "access_as_shared"}
    assert ask("POST", "rbac-policies", {"rbac_policy": {**body, "target_tenant": "*"}})[0] == 403
    policy = made(ask, "rbac_policy", **body, target_tenant="p2")
    assert [each["id"] for each in ask("GET", "networks", as_=OTHER)[1]["networks"]] == [mine["network_id"]]
    assert [each["id"] for each in ask("GET", "subnets", as_=OTHER)[1]["subnets"]] == [mine["id"]]
    port = made(ask, "port", OTHER, network_id=mine["network_id"])
    assert ask("PUT", f"networks/{mine['network_id']}", {"network": {"name": "x"}}, as_=OTHER)[0] == 404
    claim = {"network_id": mine["network_id"], "fixed_ips": [{"ip_address": "10.0.0.77"}]}
    assert ask("POST", "ports", {"port": claim}, as_=OTHER)[0] == 403
    assert refused(ask("DELETE", f"rbac-policies/{policy['id']}")) == (409, "RbacPolicyInUse")
    assert ask("DELETE", f"ports/{port['id']}", as_=OTHER)[0] == 204
    assert ask("DELETE", f"rbac-policies/{policy['id']}")[0] == 204
    assert ask("GET", "networks", as_=OTHER)[1]["networks"] == []


def test_lists_filter_sort_page_and_trim(ask: Ask) -> None:
    """Any member filters, pages join without gap or overlap in both directions, fields leave the rest out."""
    for name in ("c", "a", "e", "b", "d"):
        made(ask, "network", name=name)
    by_name = "networks?sort_key=name&sort_dir=asc&fields=name&fields=id&limit=2"
    seen, marker = [], ""
    while True:
        page = ask("GET", by_name + marker)[1]
        seen += [each["name"] for each in page["networks"]]
        assert all(set(each) == {"name", "id"} for each in page["networks"])
        if "next" not in {link["rel"] for link in page.get("networks_links", [])}:
            break
        marker = f"&marker={page['networks'][-1]['id']}"
    assert seen == ["a", "b", "c", "d", "e"]
    back = ask("GET", f"{by_name}{marker}&page_reverse=True")[1]["networks"]
    assert [each["name"] for each in back] == ["b", "c"]
    assert [each["name"] for each in ask("GET", "networks?name=a&name=e&sort_key=name")[1]["networks"]] == [
        "a",
        "e",
    ]
    assert len(ask("GET", "networks?shared=False&admin_state_up=true&tenant_id=p1")[1]["networks"]) == 5
    assert ask("GET", "networks?router:external=True")[1]["networks"] == []
    first = ask("GET", "networks?name=a")[1]["networks"][0]["id"]
    assert ask("PUT", f"networks/{first}/tags", {"tags": ["red", "blue"]})[1] == {"tags": ["red", "blue"]}
    assert [each["id"] for each in ask("GET", "networks?tags=red,blue")[1]["networks"]] == [first]
    assert len(ask("GET", "networks?not-tags-any=red,green")[1]["networks"]) == 4
    for query in ("limit=x", "limit=-1", "marker=nowhere", "sort_key=name&sort_dir=up"):
        assert ask("GET", f"networks?{query}")[0] == 400, query


def test_ports_are_found_by_address_and_device(ask: Ask) -> None:
    """fixed_ips takes subnet_id=, ip_address= and ip_address_substr=; security_groups and device_id filter too."""
    mine = subnet(ask)
    port = made(ask, "port", network_id=mine["network_id"], device_id="server-1")
    made(ask, "port", network_id=mine["network_id"])
    address, group = port["fixed_ips"][0]["ip_address"], port["security_groups"][0]
    for query, count in (
        (f"fixed_ips=ip_address={address}", 1),
        (f"fixed_ips=subnet_id={mine['id']}", 2),
        ("fixed_ips=ip_address_substr=0.0.", 2),
        (f"fixed_ips=subnet_id={mine['id']}&fixed_ips=ip_address={address}", 1),
        ("device_id=server-1", 1),
        (f"security_groups={group}", 2),
        ("device_owner=", 2),
    ):
        assert len(ask("GET", f"ports?{query}")[1]["ports"]) == count, query


def test_a_change_of_what_was_seen_only(ask: Ask) -> None:
    """If-Match with an older revision is refused; the revision rises with each change."""
    network = made(ask, "network", name="one")
    path, body = f"networks/{network['id']}", {"network": {"name": "two"}}
    assert ask("PUT", path, body, If_Match="revision_number=1")[1]["network"]["revision_number"] == 2
    assert refused(ask("PUT", path, body, If_Match="revision_number=1")) == (
        412,
        "RevisionNumberConstraintFailed",
    )
    assert ask("DELETE", path, If_Match="revision_number=1")[0] == 412
    assert ask("DELETE", path, If_Match="revision_number=2")[0] == 204


def test_subnets_come_from_a_pool(ask: Ask) -> None:
    """Each is another part of the pool, of the length asked for, until there is no room."""
    pool = made(ask, "subnetpool", name="p", prefixes=["10.8.0.0/23"], default_prefixlen=24)
    assert (pool["min_prefixlen"], pool["max_prefixlen"], pool["ip_version"]) == (8, 32, 4)
    cidrs = []
    for _ in range(2):
        network = made(ask, "network")["id"]
        cidrs.append(made(ask, "subnet", network_id=network, ip_version=4, subnetpool_id=pool["id"])["cidr"])
    assert cidrs == ["10.8.0.0/24", "10.8.1.0/24"]
    body = {"network_id": made(ask, "network")["id"], "ip_version": 4, "subnetpool_id": pool["id"]}
    assert refused(ask("POST", "subnets", {"subnet": body})) == (409, "SubnetAllocationError")
    assert refused(ask("DELETE", f"subnetpools/{pool['id']}")) == (409, "SubnetPoolInUse")


@pytest.mark.parametrize(
    "members",
    [
        {"cidr": "10.0.0.7/24"},
        {"cidr": "10.0.0.0/24", "gateway_ip": "fd00::1"},
        {"cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.1.1", "end": "10.0.1.9"}]},
        {"cidr": "10.0.0.0/24", "host_routes": [{"destination": "10.1.0.0/16"}]},
        {"cidr": "10.0.0.0/24", "ipv6_ra_mode": "slaac"},
        {"cidr": "10.0.0.0/24", "colour": "blue"},
        {"cidr": None},
        {"cidr": "10.0.0.0/24", "dns_nameservers": ["9.9.9.9\nserver=6.6.6.6"]},
    ],
)
def test_a_subnet_that_makes_no_sense_is_refused(ask: Ask, members: dict[str, Any]) -> None:
    """Whatever is wrong with it, the answer is a 400 with a sentence."""
    network = made(ask, "network")["id"]
    assert ask("POST", "subnets", {"subnet": {"network_id": network, "ip_version": 4, **members}})[0] == 400


def test_a_port_smuggles_nothing_into_dnsmasq(ask: Ask) -> None:
    """Options and names of more than one line are refused."""
    network = subnet(ask)["network_id"]
    for members in (
        {"extra_dhcp_opts": [{"opt_name": "server-ip-address", "opt_value": "x\ntag:all,6,6.6.6.6"}]},
        {"extra_dhcp_opts": [{"opt_name": "a,b", "opt_value": "x"}]},
        {"dns_name": "a\nb"},
    ):
        assert ask("POST", "ports", {"port": {"network_id": network, **members}})[0] == 400


def test_only_true_extensions_are_listed(ask: Ask) -> None:
    """What clients would take for more than there is, is not there."""
    aliases = {each["alias"] for each in ask("GET", "extensions")[1]["extensions"]}
    assert {"router", "security-group", "quotas", "rbac-policies"} <= aliases
    assert not {"external-gateway-multihoming", "trunk", "qos", "l3_agent_scheduler", "dvr"} & aliases
    assert ask("GET", "extensions/router")[1]["extension"]["alias"] == "router"
    assert refused(ask("GET", "extensions/external-gateway-multihoming")) == (404, "ExtensionNotFound")


def test_a_host_is_told_what_it_needs_and_no_more(ask: Ask) -> None:
    """A port bound to a host becomes ACTIVE when the host has it; a host without a part in a network never hears of it."""
    mine = subnet(ask)
    port = made(ask, "port", network_id=mine["network_id"])
    assert "binding:host_id" not in port
    bound = {"binding:host_id": "h1", "device_owner": "compute:nova", "device_id": "server-1"}
    assert ask("PUT", f"ports/{port['id']}", {"port": bound})[0] == 403
    seen = ask("PUT", f"ports/{port['id']}", {"port": bound}, as_=ADMIN)[1]["port"]
    assert (seen["binding:vif_type"], seen["status"]) == ("bridge", "DOWN")

    def report(host: str, applied: int, ports: list[str]) -> tuple[int, Any]:
        body = {
            "applied": applied,
            "ports": ports,
            "tunnel_address": f"192.0.2.{host[1]}",
            "physical_networks": [],
        }
        return ask("PUT", f"hosts/{host}", {"host": body}, as_=ADMIN)

    report("h1", -1, [])
    empty = report("h2", -1, [])[1]["wanted"]
    first = report("h1", -1, [])[1]["wanted"]
    assert [network["id"] for network in first["networks"]] == [mine["network_id"]]
    assert [each["id"] for each in first["ports"]] == [port["id"]]
    assert first["networks"][0]["dhcp"]["addresses"] == ["10.0.0.3/24"]
    assert first["networks"][0]["leases"][0]["device_id"] == "server-1"
    assert (empty["networks"], empty["ports"], empty["groups"]) == ([], [], {})
    assert report("h1", first["generation"], [port["id"]]) == (204, None)
    assert ask("GET", f"ports/{port['id']}")[1]["port"]["status"] == "ACTIVE"
    assert report("h1", first["generation"], [port["id"]]) == (204, None)
    other = made(ask, "port", network_id=mine["network_id"])
    ask("PUT", f"ports/{other['id']}", {"port": {**bound, "binding:host_id": "h2"}}, as_=ADMIN)
    second = report("h2", -1, [])[1]["wanted"]
    assert second["networks"][0]["peers"] == ["192.0.2.1"]
    assert second["networks"][0]["dhcp"] is None
    assert ask("DELETE", f"ports/{port['id']}")[0] == 204
    assert report("h1", first["generation"], [])[1]["wanted"]["ports"] == []


def test_every_collection_answers(ask: Ask) -> None:
    """Whatever a dashboard lists is there, also when it is empty."""
    for path in (
        "networks", "subnets", "ports", "routers", "floatingips", "security-groups", "security-group-rules",
        "subnetpools", "address-scopes", "address-groups", "rbac-policies", "availability_zones", "extensions",
    ):  # fmt: skip
        status, document = ask("GET", path)
        assert status == 200
        assert isinstance(document[path.replace("-", "_")], list)
    for path in ("agents", "network-ip-availabilities", "quotas"):
        assert ask("GET", path, as_=ADMIN)[0] == 200


def test_nobody_passes_for_anothers_server_to_metadata(ask: Ask) -> None:
    """Which server a port is of is told together with the port's project, so that a borrowed id gives itself away."""
    mine = subnet(ask)
    port = made(
        ask, "port", network_id=mine["network_id"], device_id="server-of-p2", device_owner="compute:nova"
    )
    ask("PUT", f"ports/{port['id']}", {"port": {"binding:host_id": "h1"}}, as_=ADMIN)
    report = {"applied": -1, "ports": [], "tunnel_address": "", "physical_networks": []}
    wanted = ask("PUT", "hosts/h1", {"host": report}, as_=ADMIN)[1]["wanted"]
    (lease,) = wanted["networks"][0]["leases"]
    assert (lease["device_id"], lease["project_id"]) == ("server-of-p2", "p1")


def heard(ask: Ask, host: str = "h1", applied: int = -1, ports: tuple[str, ...] = ()) -> tuple[int, Any]:
    """What a host is answered that tells so."""
    report = {"applied": applied, "ports": [*ports], "tunnel_address": "", "physical_networks": ["public"]}
    return ask("PUT", f"hosts/{host}", {"host": report}, as_=ADMIN)


def test_a_network_outside_is_seen_without_its_subnets(ask: Ask) -> None:
    """Members know that it is there; its ranges are its owner's, unless it is shared with them too."""
    network = outside(ask)
    (theirs,) = ask("GET", "subnets", as_=ADMIN)[1]["subnets"]
    assert ask("GET", f"networks/{network['id']}")[0] == 200
    assert ask("GET", "subnets")[1]["subnets"] == []
    assert ask("GET", f"subnets/{theirs['id']}")[0] == 404
    ask("PUT", f"networks/{network['id']}", {"network": {"shared": True}}, as_=ADMIN)
    assert [each["id"] for each in ask("GET", "subnets")[1]["subnets"]] == [theirs["id"]]


def test_a_network_outside_goes_with_the_addresses_that_lead_nowhere(ask: Ask) -> None:
    """A floating address in use keeps the network; one that is not goes with it."""
    network, inner = outside(ask), subnet(ask)
    router = routed(ask, inner["id"], network["id"])
    port = made(ask, "port", network_id=inner["network_id"])
    floating = made(ask, "floatingip", floating_network_id=network["id"], port_id=port["id"])
    assert refused(ask("DELETE", f"networks/{network['id']}", as_=ADMIN)) == (409, "NetworkInUse")
    assert ask("GET", f"floatingips/{floating['id']}")[0] == 200
    ask("PUT", f"floatingips/{floating['id']}", {"floatingip": {"port_id": None}})
    ask("PUT", f"routers/{router['id']}", {"router": {"external_gateway_info": {}}})
    assert ask("DELETE", f"networks/{network['id']}", as_=ADMIN)[0] == 204
    assert ask("GET", "floatingips")[1]["floatingips"] == []


def test_a_subnet_whose_addresses_guests_make_goes_from_under_them(ask: Ask) -> None:
    """SLAAC's addresses are nobody's gift: the ports stay, without them; a router's interface still holds it."""
    modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    mine = subnet(ask, "2001:db8::/64", **modes)
    both = [{"subnet_id": mine["id"], "ip_address": f"2001:db8::{last}"} for last in (7, 8)]
    port = made(ask, "port", network_id=mine["network_id"], fixed_ips=both)
    assert len(port["fixed_ips"]) == 2
    router = made(ask, "router")["id"]
    assert ask("PUT", f"routers/{router}/add_router_interface", {"subnet_id": mine["id"]})[0] == 200
    assert refused(ask("DELETE", f"subnets/{mine['id']}")) == (409, "SubnetInUse")
    assert ask("PUT", f"routers/{router}/remove_router_interface", {"subnet_id": mine["id"]})[0] == 200
    assert ask("DELETE", f"subnets/{mine['id']}")[0] == 204
    assert ask("GET", f"ports/{port['id']}")[1]["port"]["fixed_ips"] == []


def test_a_router_that_is_off_keeps_nobody_waiting(ask: Ask) -> None:
    """No host makes anything for its interfaces, so there is nothing that they wait for."""
    inner = subnet(ask)
    router = made(ask, "router", admin_state_up=False)["id"]
    way = ask("PUT", f"routers/{router}/add_router_interface", {"subnet_id": inner["id"]})[1]["port_id"]
    assert ask("GET", f"ports/{way}")[1]["port"]["status"] == "DOWN"
    heard(ask)
    assert ask("GET", f"ports/{way}")[1]["port"]["status"] == "ACTIVE"


def test_no_group_takes_the_name_of_the_default_one(ask: Ask) -> None:
    """Neither when it is made nor later: servers look it up by its name."""
    group = made(ask, "security_group", name="web")["id"]
    renamed = ask("PUT", f"security-groups/{group}", {"security_group": {"name": "default"}})
    assert refused(renamed) == (409, "SecurityGroupDefaultAlreadyExists")


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (-16, 80, "Invalid value for port -16"),
        (80, 65536, "port 65536"),
        (None, 6, "must be <="),
        (80, 79, "<="),
    ],
)
def test_a_rule_says_which_port_is_none(ask: Ask, first: int | None, last: int, words: str) -> None:
    """The sentence names the port, also beyond what ports can be."""
    group = made(ask, "security_group", name="web")["id"]
    rule = {"security_group_id": group, "direction": "ingress", "protocol": "tcp"}
    rule |= {"port_range_min": first, "port_range_max": last}
    status, document = ask("POST", "security-group-rules", {"security_group_rule": rule})
    assert status == 400
    assert words in document["NeutronError"]["message"]


def test_who_may_not_see_hosts_sees_none(ask: Ask) -> None:
    """The list is empty, one of them is not there, as for anything that is not one's own."""
    heard(ask)
    (agent,) = ask("GET", "agents", as_=ADMIN)[1]["agents"]
    assert ask("GET", "agents") == (200, {"agents": []})
    assert ask("GET", f"agents/{agent['id']}")[0] in (403, 404)
