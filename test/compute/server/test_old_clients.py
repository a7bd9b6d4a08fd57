"""What clients of before 2.36 ask of the compute service, answered by the services that have it now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cloud import identity_of
from image_world import World as ImageWorld
from neighbours import Neighbour
from servers import Cloud
from volume_world import VolumeWorld

from apus.compute.catalogue import Catalogue
from apus.compute.network.app import MIGRATIONS, service
from apus.compute.network.settings import NetworkSettings

PATHS = ("/os-security-groups", "/os-floating-ips", "/os-networks", "/images", "/os-volumes", "/os-snapshots")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    """The compute service beside a network, an image and a volume service that are real."""
    folder = tmp_path_factory.mktemp("old")
    cloud = Cloud(folder)
    networks = service(
        NetworkSettings(), Catalogue.open(f"sqlite:///{folder}/network.db", MIGRATIONS), cloud.verifier
    )
    same = {token: token for token in (cloud.member, cloud.admin, cloud.stranger)}
    cloud.networks.peer = Neighbour(networks, same)  # type: ignore[attr-defined]
    (folder / "images").mkdir()
    images = ImageWorld(folder / "images")
    token = images.verifier.token_of(identity_of("p1"))
    cloud.images.peer = Neighbour(images.service, {cloud.member: token})  # type: ignore[attr-defined]
    cloud.volumes.peer = _volumes(folder / "volumes", cloud)  # type: ignore[attr-defined]
    outside = {"name": "public", "router:external": True, "provider:physical_network": "public"}
    asked = cloud.networks.peer.ask  # type: ignore[attr-defined]
    network = asked("POST", "/v2.0/networks", {"network": outside}, token=cloud.admin)["network"]
    subnet = {"network_id": network["id"], "cidr": "172.24.4.0/24", "ip_version": 4, "enable_dhcp": False}
    asked("POST", "/v2.0/subnets", {"subnet": subnet}, token=cloud.admin)
    return cloud


def _volumes(folder: Path, cloud: Cloud) -> Neighbour:
    folder.mkdir()
    world = VolumeWorld.open(folder)
    return Neighbour(world.service, {cloud.member: world.token(identity_of("p1"))}, "/v3")


def granted(answered: tuple[int, Any], status: int = 200) -> Any:
    """The document of a request that went well."""
    assert answered[0] == status, answered
    return answered[1]


def test_a_group_has_the_rules_that_let_in(cloud: Cloud) -> None:
    """Made, filled, read and removed in the words of then; what the network service calls a conflict is a 400."""
    body = {"security_group": {"name": "web", "description": "servers of pages"}}
    group = granted(cloud.ask("POST", "/os-security-groups", body))["security_group"]
    assert (group["rules"], group["tenant_id"]) == ([], "p1")
    wanted = {"parent_group_id": group["id"], "ip_protocol": "tcp", "from_port": 80, "to_port": 80}
    rule = granted(cloud.ask("POST", "/os-security-group-rules", {"security_group_rule": wanted}))
    assert rule["security_group_rule"]["ip_range"] == {"cidr": "0.0.0.0/0"}
    assert cloud.ask("POST", "/os-security-group-rules", {"security_group_rule": wanted})[0] == 400
    ping = {**wanted, "ip_protocol": "icmp", "from_port": -1, "to_port": -1, "cidr": "10.2.3.124/24"}
    made = granted(cloud.ask("POST", "/os-security-group-rules", {"security_group_rule": ping}))
    assert made["security_group_rule"]["ip_range"] == {"cidr": "10.2.3.124/24"}
    friends = {**wanted, "group_id": group["id"], "from_port": 22, "to_port": 22}
    made = granted(cloud.ask("POST", "/os-security-group-rules", {"security_group_rule": friends}))
    assert made["security_group_rule"]["group"] == {"name": "web", "tenant_id": "p1"}
    shown = granted(cloud.ask("GET", f"/os-security-groups/{group['id']}"))["security_group"]
    assert sorted(each["from_port"] for each in shown["rules"]) == [-1, 22, 80]
    rule_id = rule["security_group_rule"]["id"]
    assert cloud.ask("DELETE", f"/os-security-group-rules/{rule_id}")[0] == 202
    groups = granted(cloud.ask("GET", "/os-security-groups"))["security_groups"]
    default = next(each for each in groups if each["name"] == "default")
    assert cloud.ask("DELETE", f"/os-security-groups/{default['id']}")[0] == 400
    assert cloud.ask("DELETE", f"/os-security-groups/{group['id']}")[0] == 202


@pytest.mark.parametrize(
    ("wrong", "status"),
    [({"parent_group_id": "web"}, 400), ({"ip_protocol": "tpc"}, 400), ({"from_port": 80, "to_port": 79}, 400), ({"from_port": "--1"}, 400),
     ({"to_port": 70000}, 400), ({"cidr": "here"}, 400),
     ({"parent_group_id": "aaaaaaaa-0000-4000-8000-00000000dead"}, 404)],
)  # fmt: skip
def test_a_wrong_rule_is_refused(cloud: Cloud, wrong: dict[str, Any], status: int) -> None:
    """400 says what is wrong with it, 404 that its group is not there."""
    body = {"security_group": {"name": "rules"}}
    group = granted(cloud.ask("POST", "/os-security-groups", body))["security_group"]["id"]
    rule = {"parent_group_id": group, "ip_protocol": "tcp", "from_port": 22, "to_port": 22, **wrong}
    assert cloud.ask("POST", "/os-security-group-rules", {"security_group_rule": rule})[0] == status


def test_a_floating_address_comes_from_a_pool(cloud: Cloud) -> None:
    """The pool is the network outside, by name or id; another is not there."""
    address = granted(cloud.ask("POST", "/os-floating-ips", {"pool": "public"}))["floating_ip"]
    assert (address["pool"], address["fixed_ip"], address["instance_id"]) == ("public", None, None)
    assert granted(cloud.ask("GET", "/os-floating-ips"))["floating_ips"] == [address]
    assert granted(cloud.ask("GET", f"/os-floating-ips/{address['id']}"))["floating_ip"] == address
    assert cloud.ask("POST", "/os-floating-ips", {"pool": "nowhere"})[0] == 404
    assert granted(cloud.ask("GET", "/os-floating-ip-pools"))["floating_ip_pools"] == [{"name": "public"}]
    server_id = cloud.boot()
    lost = {"address": "192.0.2.1"}
    assert cloud.act(server_id, "addFloatingIp", lost)[0] == 404
    assert cloud.act(server_id, "removeFloatingIp", {"address": address["ip"]})[0] == 409
    assert cloud.act(server_id, "addFloatingIp", lost, version="2.44")[0] == 404
    assert cloud.ask("DELETE", f"/os-floating-ips/{address['id']}")[0] == 202


def test_images_are_shown_and_their_metadata_kept(cloud: Cloud) -> None:
    """An image of the image service, in the words of then; its properties are its metadata."""
    document = {"name": "disk", "disk_format": "raw", "container_format": "bare", "instance_uuid": "server-1"}
    image_id = cloud.images.peer.ask("POST", "/v2/images", document, token=cloud.member)["id"]  # type: ignore[attr-defined]
    shown = granted(cloud.ask("GET", f"/images/{image_id}"))["image"]
    assert (shown["status"], shown["progress"], shown["server"]["id"]) == ("SAVING", 25, "server-1")
    path = f"/images/{image_id}/metadata"
    assert granted(cloud.ask("PUT", path, {"metadata": {"a": "1", "b": "2"}}))["metadata"] == {
        "a": "1",
        "b": "2",
    }
    assert granted(cloud.ask("POST", path, {"metadata": {"b": "3"}}))["metadata"] == {"a": "1", "b": "3"}
    assert granted(cloud.ask("PUT", f"{path}/a", {"meta": {"a": "4"}}))["meta"] == {"a": "4"}
    assert cloud.ask("DELETE", f"{path}/b")[0] == 204
    assert granted(cloud.ask("GET", path))["metadata"] == {"a": "4"}
    assert cloud.ask("GET", f"{path}/b")[0] == 404
    for query, found in (("status=SAVING", 1), ("status=ACTIVE", 0), ("name=disk", 1), ("name=other", 0)):
        assert len(granted(cloud.ask("GET", f"/images/detail?{query}"))["images"]) == found, query
    assert cloud.ask("DELETE", f"/images/{image_id}")[0] == 204
    assert cloud.ask("GET", f"/images/{image_id}")[0] == 404


def test_volumes_are_made_and_listed(cloud: Cloud) -> None:
    """A volume of the volume service, by the names that it had then."""
    body = {"volume": {"size": 1, "display_name": "data", "metadata": {"kind": "work"}}}
    volume = granted(cloud.ask("POST", "/os-volumes", body))["volume"]
    assert (volume["displayName"], volume["size"], volume["metadata"]) == ("data", 1, {"kind": "work"})
    assert [each["id"] for each in granted(cloud.ask("GET", "/os-volumes/detail"))["volumes"]] == [
        volume["id"]
    ]
    assert cloud.ask("POST", "/os-volumes", {"volume": {"size": "#"}})[0] == 400
    assert cloud.ask("GET", "/os-volumes/aaaaaaaa-0000-4000-8000-00000000dead")[0] == 404
    assert granted(cloud.ask("GET", "/os-snapshots"))["snapshots"] == []


@pytest.mark.parametrize("path", PATHS)
def test_since_2_36_each_service_is_asked_itself(cloud: Cloud, path: str) -> None:
    """The compute service has none of it any more."""
    assert cloud.ask("GET", path)[0] == 200
    assert cloud.ask("GET", path, version="2.36")[0] == 404


def test_hosts_are_found_by_a_part_of_their_name(cloud: Cloud) -> None:
    """os-hosts and hypervisors of old: numbered, searched, with servers, up for so long; administrators only."""
    cloud.live("host-b", uptime="up 3 days")
    granted(cloud.ask("GET", "/os-hosts", token=cloud.admin))
    listed = granted(cloud.ask("GET", "/os-hypervisors", token=cloud.admin))["hypervisors"]
    assert [each["id"] for each in listed] == [1, 2]
    found = granted(cloud.ask("GET", "/os-hypervisors/host/search", token=cloud.admin))["hypervisors"]
    assert [each["hypervisor_hostname"] for each in found] == ["host-a", "host-b"]
    assert cloud.ask("GET", "/os-hypervisors/nothing/search", token=cloud.admin)[0] == 404
    up = granted(cloud.ask("GET", "/os-hypervisors/2/uptime", token=cloud.admin))["hypervisor"]
    assert up["uptime"] == "up 3 days"
    shown = granted(cloud.ask("GET", "/os-hosts/host-a", token=cloud.admin))["host"]
    assert shown[0]["resource"]["project"] == "(total)"
    for path in ("/os-hosts", "/os-hosts/host-a", "/os-hypervisors/host/search", "/os-hypervisors/1/uptime"):
        assert cloud.ask("GET", path)[0] == 403, path
    assert cloud.ask("GET", "/os-hosts", token=cloud.admin, version="2.43")[0] == 404


def test_a_host_is_disabled_but_not_switched_off(cloud: Cloud) -> None:
    """Its status changes; power is not the service's (501)."""
    path, admin = "/os-hosts/host-b", cloud.admin
    assert granted(cloud.ask("PUT", path, {"status": "disable"}, token=admin))["status"] == "disabled"
    assert granted(cloud.ask("PUT", path, {"status": "enable"}, token=admin))["status"] == "enabled"
    for wrong in ({}, {"status": "off"}, {"status": "enable", "color": "red"}):
        assert cloud.ask("PUT", path, wrong, token=admin)[0] == 400, wrong
    assert cloud.ask("PUT", "/os-hosts/nobody", {"status": "enable"}, token=admin)[0] == 404
    assert cloud.ask("GET", f"{path}/reboot", token=admin)[0] == 501
    assert cloud.ask("GET", "/os-hosts/nobody/reboot", token=admin)[0] == 404
