"""What clients validate of requests and answers, beyond what happens to a server."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cloud import call
from servers import IMAGE, Cloud

from apus.compute.server import fleet
from apus.compute.server.agent.disks import NoDisks
from apus.compute.server.agent.fake import FakeDriver
from apus.compute.server.domain import Machine


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    cloud = Cloud(tmp_path_factory.mktemp("customs"))
    limits = {"quota_set": {"instances": -1, "cores": -1}}  # Its servers are many, and stay.
    assert cloud.ask("PUT", "/os-quota-sets/p1", limits, token=cloud.admin)[0] == 200
    return cloud


def refused(cloud: Cloud, version: str = "2.1", **facts: Any) -> int:
    """The status of a wish for a server that must not be granted."""
    asked = {"name": "x", "imageRef": IMAGE, "flavorRef": "1", **facts}
    return cloud.ask("POST", "/servers", {"server": asked}, version=version)[0]


def test_an_access_address_is_written_the_one_way(cloud: Cloud) -> None:
    """As RFC 5952 has it; what is none of its version is refused, at creation and later."""
    given = {"accessIPv4": "192.0.2.1", "accessIPv6": "0000:0000:0000:0000:0000:babe:220.12.22.2"}
    server_id = cloud.boot(**given)
    assert cloud.show(server_id)["accessIPv6"] == "::babe:dc0c:1602"
    changed = cloud.ask("PUT", f"/servers/{server_id}", {"server": {"accessIPv6": "2001:DB8::1"}})
    assert changed[1]["server"]["accessIPv6"] == "2001:db8::1"
    for wrong in ({"accessIPv4": "1.1.1.1.1"}, {"accessIPv6": "notvalid"}, {"accessIPv4": "::1"}):
        assert refused(cloud, **wrong) == 400
        assert cloud.ask("PUT", f"/servers/{server_id}", {"server": wrong})[0] == 400


def test_a_qualified_host_name_is_taken_since_2_94(cloud: Cloud) -> None:
    """Before, a host name is one label; always it must be one that a host can have."""
    named = {"hostname": "web.example.org", "networks": "none"}
    assert refused(cloud, version="2.93", **named) == 400
    server_id = cloud.boot(version="2.94", **named)
    assert cloud.show(server_id)["OS-EXT-SRV-ATTR:hostname"] == "web.example.org"
    for wrong in ("-web", "web..org", "a" * 64, f"{'a.' * 128}b", 5):
        change = {"server": {"hostname": wrong}}
        assert cloud.ask("PUT", f"/servers/{server_id}", change, version="2.94")[0] == 400, wrong


def test_files_are_judged_before_a_server_is_made(cloud: Cloud) -> None:
    """Base 64, and within the limits: 403 for too many or too long ones, as quotas answer."""
    file = {"path": "/etc/motd", "contents": base64.b64encode(b"hello").decode()}
    assert refused(cloud, personality=[{**file, "contents": "not base 64!"}]) == 400
    assert refused(cloud, personality=[{**file, "path": f"/{n}"} for n in range(6)]) == 403
    long = base64.b64encode(bytes(10241)).decode()
    assert refused(cloud, personality=[{**file, "contents": long}]) == 403


def test_an_image_is_named_by_a_text(cloud: Cloud) -> None:
    """A number is a bad request, not a failure of the service."""
    assert refused(cloud, imageRef=-1) == 400


def test_the_disk_configuration_is_what_was_last_said(cloud: Cloud) -> None:
    """At creation, update and rebuild; MANUAL where nobody says; another word is refused."""
    name = "OS-DCF:diskConfig"
    assert cloud.show(cloud.boot())[name] == "MANUAL"
    server_id = cloud.boot(**{name: "AUTO"})
    assert cloud.show(server_id, version="2.1")[name] == "AUTO"
    assert (
        cloud.ask("PUT", f"/servers/{server_id}", {"server": {name: "MANUAL"}})[1]["server"][name] == "MANUAL"
    )
    assert cloud.act(server_id, "rebuild", {"imageRef": IMAGE, name: "AUTO"})[1]["server"][name] == "AUTO"
    cloud.work()
    assert refused(cloud, **{name: "perhaps"}) == 400


def test_what_a_rebuild_answers_is_what_clients_of_its_version_validate(cloud: Cloud) -> None:
    """Addresses without their extensions up to 2.74; the groups of servers since 2.75."""
    server_id = cloud.boot()
    document = cloud.act(server_id, "rebuild", {"imageRef": IMAGE}, version="2.1")[1]["server"]
    entries = [entry for network in document["addresses"].values() for entry in network]
    assert all(set(entry) == {"addr", "version"} for entry in entries)
    cloud.work()
    document = cloud.act(server_id, "rebuild", {"imageRef": IMAGE}, version="2.75")[1]["server"]
    assert document["server_groups"] == []
    cloud.work()


def test_a_new_aggregate_is_shown_without_what_it_cannot_have(cloud: Cloud) -> None:
    """No hosts, no metadata in the answer to its creation; both when it is shown."""
    body = {"aggregate": {"name": "rack", "availability_zone": "east"}}
    made = cloud.ask("POST", "/os-aggregates", body, token=cloud.admin)[1]["aggregate"]
    assert not {"hosts", "metadata"} & set(made)
    shown = cloud.ask("GET", f"/os-aggregates/{made['id']}", token=cloud.admin)[1]["aggregate"]
    assert (shown["hosts"], shown["metadata"]) == ([], {"availability_zone": "east"})


def test_limits_of_networks_are_kept_for_clients_of_old(cloud: Cloud) -> None:
    """They read what they have set up to 2.35; since then the words are not there."""
    path, body = "/os-quota-class-sets/default", {"quota_class_set": {"floating_ips": 99}}
    assert cloud.ask("PUT", path, body, token=cloud.admin)[1]["quota_class_set"]["floating_ips"] == 99
    assert cloud.ask("GET", path, token=cloud.admin)[1]["quota_class_set"]["floating_ips"] == 99
    newer = cloud.ask("GET", path, token=cloud.admin, version="2.36")[1]["quota_class_set"]
    assert "floating_ips" not in newer


def test_usage_ends_after_it_begins(cloud: Cloud) -> None:
    """The other way round is a bad request."""
    query = "start=2026-01-02T00:00:00&end=2026-01-01T00:00:00"
    assert cloud.ask("GET", f"/os-simple-tenant-usage/p1?{query}")[0] == 400


def test_there_is_nothing_to_inject(cloud: Cloud) -> None:
    """Administrators' old wishes for a guest's network are granted: it is always told the truth."""
    server_id = cloud.boot()
    for action in ("injectNetworkInfo", "resetNetwork"):
        assert cloud.act(server_id, action, token=cloud.admin)[0] == 202
        assert cloud.act(server_id, action)[0] == 403


def test_the_path_of_old_is_the_oldest_form(cloud: Cloud) -> None:
    """/ lists v2.0 first; /v2 serves 2.1 whatever microversion is named; documents link to themselves."""
    listed = json.loads(call(cloud.app, "GET", "/").body)["versions"]
    assert [each["id"] for each in listed] == ["v2.0", "v2.1"]
    for each in listed:
        path = each["links"][0]["href"].removeprefix("http://localhost")
        shown = json.loads(call(cloud.app, "GET", path).body)["version"]
        assert shown["links"] == each["links"]
    headers = {"OpenStack-API-Version": "compute 2.96"}
    server_id = cloud.boot()
    reply = call(cloud.app, "GET", f"/v2/servers/{server_id}", token=cloud.member, headers=headers)
    server = json.loads(reply.body)["server"]
    assert "id" in server["flavor"]
    assert reply.headers["openstack-api-version"] == "compute 2.1"


def test_a_host_without_machines_plays_its_part(tmp_path: Path) -> None:
    """Its machines say something on their consoles; a picture of one is what it was made from."""
    driver, disks = FakeDriver(), NoDisks()
    log = tmp_path / "console.log"
    driver.start(Machine(uuid="s", name="instance-s", title="s", memory_mib=64, vcpus=1, serial_log=str(log)))
    console = driver.console("s")
    assert console is not None
    assert len(console.read_text().splitlines()) >= 10
    disks.root("s", "p1", "p0/base", 1, "vda")
    assert "p0/base" in disks.snapshot("s", "p1", "m", ())


def test_a_stopped_server_stays_off_whatever_is_done_to_it(tmp_path: Path) -> None:
    """Rebuilt, resized, confirmed or reverted: it runs again when somebody starts it."""
    cloud = Cloud(tmp_path)
    size = {"name": "small", "id": "2", "ram": 128, "vcpus": 1, "disk": 1}
    cloud.ask("POST", "/flavors", {"flavor": size}, token=cloud.admin)
    server_id = cloud.boot()
    cloud.act(server_id, "os-stop")
    cloud.work()
    steps: list[tuple[str, Any, str]] = [
        ("rebuild", {"imageRef": IMAGE}, "SHUTOFF"),
        ("resize", {"flavorRef": "2"}, "VERIFY_RESIZE"),
        ("revertResize", None, "SHUTOFF"),
        ("resize", {"flavorRef": "2"}, "VERIFY_RESIZE"),
        ("confirmResize", None, "SHUTOFF"),
    ]
    for action, argument, status in steps:
        assert cloud.act(server_id, action, argument)[0] in (202, 204), action
        assert all(order["task"].get("stays_off") for order in cloud.orders() if order["task_state"]), action
        cloud.work()
        server = cloud.show(server_id)
        assert (server["status"], server["OS-EXT-STS:power_state"]) == (status, 4), action
    cloud.act(server_id, "os-start")
    cloud.work()
    assert cloud.show(server_id)["status"] == "ACTIVE"


def test_a_server_without_groups_has_no_list_of_them(cloud: Cloud) -> None:
    """The member is absent, as clients know it."""
    server_id = cloud.boot()
    assert cloud.act(server_id, "removeSecurityGroup", {"name": "default"})[0] == 202
    assert "security_groups" not in cloud.show(server_id)


def test_what_somebody_says_of_an_image_goes_before_what_we_say(cloud: Cloud) -> None:
    """Metadata of createImage are the image's properties, image_type too."""
    server_id = cloud.boot()
    asked = {"name": "picture", "metadata": {"image_type": "golden"}}
    image_id = cloud.act(server_id, "createImage", asked, version="2.45")[1]["image_id"]
    assert cloud.images.known[image_id]["image_type"] == "golden"
    cloud.work()


def test_a_move_names_no_flavor_by_a_number(cloud: Cloud) -> None:
    """Clients validate a number or null; flavors have no numbers here."""
    cloud.live("host-b")
    server_id = cloud.boot()
    cloud.work("host-b")
    assert cloud.act(server_id, "migrate", token=cloud.admin)[0] == 202
    (move,) = cloud.ask("GET", f"/os-migrations?instance_uuid={server_id}", token=cloud.admin)[1][
        "migrations"
    ]
    assert (move["old_instance_type_id"], move["new_instance_type_id"]) == (None, None)


def test_a_server_does_not_start_from_what_has_no_system(tmp_path: Path) -> None:
    """A volume that is not bootable is refused as the disk to start from, and taken as another."""
    cloud = Cloud(tmp_path)
    volume_id = "cccccccc-0000-4000-8000-00000000b007"
    cloud.volumes.known[volume_id] = {"id": volume_id, "status": "available", "size": 1, "bootable": "false"}
    disk = {"uuid": volume_id, "source_type": "volume", "destination_type": "volume"}
    assert refused(cloud, imageRef="", block_device_mapping_v2=[{**disk, "boot_index": 0}]) == 400
    assert refused(cloud, block_device_mapping_v2=[{**disk, "boot_index": -1}]) == 202


def test_a_rebuilt_server_has_the_key_that_is_named(tmp_path: Path) -> None:
    """Since 2.54: its metadata offer the new key; one that is not there is refused, null takes it away."""
    cloud = Cloud(tmp_path)
    key = {
        "name": "other",
        "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8mJp4Yd0Zc9kGkcxk8Yh8q7JpVdW1oGQmO4q0m3p0Q me",
    }
    assert cloud.ask("POST", "/os-keypairs", {"keypair": key}, version="2.2")[0] == 201
    server_id = cloud.boot()
    again = {"imageRef": IMAGE, "key_name": "other"}
    assert cloud.act(server_id, "rebuild", {**again, "key_name": "nobody's"}, version="2.54")[0] == 400
    assert cloud.act(server_id, "rebuild", again, version="2.54")[0] == 202
    with cloud.world.catalogue.read() as connection:
        assert fleet.server_of(connection, server_id).public_key == key["public_key"]
    cloud.work()
