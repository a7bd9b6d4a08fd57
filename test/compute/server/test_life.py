"""Servers from their making to their end, through the API and a host that does as it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from servers import IMAGE, NETWORK, VOLUME, Cloud


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


def test_a_server_is_made_by_its_host(cloud: Cloud) -> None:
    """BUILD until the host says that it runs; then ACTIVE with addresses, floating ones too."""
    asked = {"name": "web", "imageRef": IMAGE, "flavorRef": "1", "networks": [{"uuid": NETWORK}]}
    status, document = cloud.ask("POST", "/servers", {"server": asked}, version="2.96")
    assert status == 202
    assert document["server"]["adminPass"]
    server_id = document["server"]["id"]
    building = cloud.show(server_id)
    assert (building["status"], building["OS-EXT-STS:task_state"]) == ("BUILD", "spawning")
    order = cloud.orders()[0]
    assert (order["map"], order["interfaces"][0]["vif"]["bridge"]) == ("p0/base", "brq0")
    cloud.work()
    server = cloud.show(server_id)
    assert (server["status"], server["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
    assert [entry["addr"] for entry in server["addresses"]["private"]] == ["10.0.0.5", "203.0.113.9"]


@pytest.mark.parametrize(
    ("actions", "status"),
    [
        ([("os-stop", None)], "SHUTOFF"),
        ([("os-stop", None), ("os-start", None)], "ACTIVE"),
        ([("pause", None)], "PAUSED"),
        ([("pause", None), ("unpause", None)], "ACTIVE"),
        ([("suspend", None)], "SUSPENDED"),
        ([("suspend", None), ("resume", None)], "ACTIVE"),
        ([("reboot", {"type": "SOFT"})], "ACTIVE"),
        ([("reboot", {"type": "HARD"})], "ACTIVE"),
        ([("rescue", {})], "RESCUE"),
        ([("rescue", {}), ("unrescue", None)], "ACTIVE"),
        ([("rebuild", {"imageRef": IMAGE})], "ACTIVE"),
        ([("changePassword", {"adminPass": "x"})], "ACTIVE"),
        ([("shelve", None)], "SHELVED_OFFLOADED"),
        ([("shelve", None), ("unshelve", None)], "ACTIVE"),
    ],
)
def test_every_action_leads_where_clients_wait_for_it(
    cloud: Cloud, actions: list[tuple[str, Any]], status: str
) -> None:
    """Each action is accepted in its state, undertaken by the host, and ends in the status that it is for."""
    server_id = cloud.boot()
    for name, argument in actions:
        answered, document = cloud.act(server_id, name, argument)
        assert answered in (200, 202), document
        cloud.work()
    server = cloud.show(server_id)
    assert (server["status"], server["OS-EXT-STS:task_state"]) == (status, None)


def test_an_action_in_the_wrong_state_is_a_conflict(cloud: Cloud) -> None:
    """409 conflictingRequest in the known words; an unknown action or a wrong argument is 400."""
    server_id = cloud.boot()
    status, document = cloud.act(server_id, "os-start")
    assert status == 409
    assert "while it is in vm_state active" in document["conflictingRequest"]["message"]
    assert cloud.act(server_id, "os-dance")[0] == 400
    assert cloud.act(server_id, "reboot", {"type": "NEARLY"})[0] == 400


def test_a_locked_server_stays_as_it_is(cloud: Cloud) -> None:
    """The owner's own request is refused until it is unlocked; the reason is told since 2.73."""
    server_id = cloud.boot()
    assert cloud.act(server_id, "lock", {"locked_reason": "payday"}, version="2.73")[0] == 202
    assert cloud.act(server_id, "os-stop")[0] == 409
    assert cloud.show(server_id)["locked_reason"] == "payday"
    assert cloud.act(server_id, "unlock")[0] == 202
    assert cloud.act(server_id, "os-stop")[0] == 202


def test_a_build_that_fails_says_why(cloud: Cloud) -> None:
    """ERROR with a fault: no host, no port, or what the host said; each can be deleted."""
    asked = {"name": "web", "imageRef": IMAGE, "flavorRef": "1"}
    _, made = cloud.ask("POST", "/servers", {"server": asked})
    cloud.work(fail="no space left for the disk")
    server = cloud.show(made["server"]["id"])
    assert (server["status"], server["fault"]["message"]) == ("ERROR", "no space left for the disk")
    cloud.networks.failure = "No more IP addresses available on network."
    _, made = cloud.ask("POST", "/servers", {"server": asked})
    assert cloud.show(made["server"]["id"])["fault"]["message"].startswith("No more IP addresses")
    cloud.now += 3600
    _, made = cloud.ask("POST", "/servers", {"server": asked})
    lost = made["server"]["id"]
    assert cloud.show(lost)["fault"]["message"].startswith("No valid host was found.")
    assert cloud.ask("DELETE", f"/servers/{lost}")[0] == 204
    assert cloud.ask("GET", f"/servers/{lost}")[0] == 404


def test_nothing_is_left_of_a_deleted_server(cloud: Cloud) -> None:
    """Its ports are gone, its volumes free again, those that were to go with it gone; deleting twice is fine."""
    disks = [
        {"boot_index": 0, "uuid": IMAGE, "source_type": "image", "destination_type": "local"},
        {"uuid": VOLUME, "source_type": "volume", "destination_type": "volume"},
        {
            "source_type": "blank",
            "destination_type": "volume",
            "volume_size": 1,
            "delete_on_termination": True,
        },
    ]
    server_id = cloud.boot(block_device_mapping_v2=disks)
    assert len(cloud.show(server_id)["os-extended-volumes:volumes_attached"]) == 2
    assert len(cloud.networks.ports) == 1
    assert cloud.ask("DELETE", f"/servers/{server_id}")[0] == 204
    assert cloud.ask("DELETE", f"/servers/{server_id}")[0] == 204
    assert cloud.work() == ["deleting"]
    assert cloud.ask("GET", f"/servers/{server_id}")[0] == 404
    assert not cloud.networks.ports
    assert list(cloud.volumes.known) == [VOLUME]
    assert cloud.volumes.known[VOLUME]["status"] == "available"


def test_a_snapshot_is_a_map_that_an_image_gets(cloud: Cloud) -> None:
    """CreateImage answers the image's id since 2.45 and where it is before; the server stays ACTIVE."""
    server_id = cloud.boot()
    status, document = cloud.act(server_id, "createImage", {"name": "before"}, version="2.45")
    assert status == 202
    assert cloud.images.known[document["image_id"]]["status"] == "queued"
    assert cloud.show(server_id)["OS-EXT-STS:task_state"] == "image_snapshot"
    assert cloud.work() == ["image_snapshot", "image_uploading"]
    image = cloud.images.known[document["image_id"]]
    assert image["status"] == "active"
    assert image["place"].startswith("p1/made-")
    assert cloud.show(server_id)["status"] == "ACTIVE"
    assert cloud.act(server_id, "createImage", {"name": "old"})[1] is None


def test_backups_rotate(cloud: Cloud) -> None:
    """Of each kind the newest `rotation` stay."""
    server_id = cloud.boot()
    for number in range(4):
        asked = {"name": f"b{number}", "backup_type": "daily", "rotation": 2}
        assert cloud.act(server_id, "createBackup", asked)[0] == 202
        cloud.work()
    names = sorted(image["name"] for image in cloud.images.known.values() if image.get("backup_type"))
    assert names == ["b2", "b3"]


def test_a_failed_snapshot_leaves_the_server_active(cloud: Cloud) -> None:
    """Only the picture was in vain."""
    server_id = cloud.boot()
    cloud.act(server_id, "createImage", {"name": "x"})
    cloud.work(fail="the store is full")
    assert cloud.show(server_id)["status"] == "ACTIVE"
    _, document = cloud.ask("GET", f"/servers/{server_id}/os-instance-actions", version="2.84")
    assert document["instanceActions"][0]["message"] == "Error"


def test_a_resize_is_confirmed_or_reverted(tmp_path: Path) -> None:
    """VERIFY_RESIZE in between; confirmed it keeps the new flavor, reverted it has the old one and the old host."""
    cloud = Cloud(tmp_path, hosts=("host-a", "host-b"))
    bigger = {"name": "big", "id": "2", "ram": 128, "vcpus": 2, "disk": 1}
    cloud.ask("POST", "/flavors", {"flavor": bigger}, token=cloud.admin)
    server_id = cloud.boot()
    home = cloud.show(server_id, token=cloud.admin)["OS-EXT-SRV-ATTR:host"]
    other = ({"host-a", "host-b"} - {home}).pop()
    for action, name, host in (("revertResize", "tiny", home), ("confirmResize", "big", other)):
        assert cloud.act(server_id, "resize", {"flavorRef": "2"})[0] == 202
        for each in (home, other, home):
            cloud.work(each)
        assert cloud.show(server_id)["status"] == "VERIFY_RESIZE"
        assert cloud.act(server_id, action)[0] in (202, 204)
        for each in (home, other, home):
            cloud.work(each)
        server = cloud.show(server_id, token=cloud.admin)
        assert (server["status"], server["flavor"]["original_name"]) == ("ACTIVE", name)
        assert server["OS-EXT-SRV-ATTR:host"] in ((home,) if action == "revertResize" else (home, other))
        del host


def test_a_server_of_a_dead_host_is_evacuated(tmp_path: Path) -> None:
    """Only once the host is down; it goes on elsewhere from its last committed disk."""
    cloud = Cloud(tmp_path, hosts=("host-a",))
    server_id = cloud.boot()
    assert cloud.act(server_id, "evacuate", {}, token=cloud.admin)[0] == 400
    cloud.now += 3600
    cloud.live("host-b")
    assert cloud.act(server_id, "evacuate", {}, token=cloud.admin, version="2.14")[0] == 200
    cloud.work("host-b")
    server = cloud.show(server_id, token=cloud.admin)
    assert (server["status"], server["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", "host-b")


def test_volumes_and_interfaces_come_and_go(cloud: Cloud) -> None:
    """Attached once the host says so; detached they are free again; a second time is refused."""
    server_id = cloud.boot()
    path = f"/servers/{server_id}/os-volume_attachments"
    status, document = cloud.ask("POST", path, {"volumeAttachment": {"volumeId": VOLUME}}, version="2.89")
    assert status == 200
    assert document["volumeAttachment"]["device"] == "/dev/vdb"
    assert cloud.ask("POST", path, {"volumeAttachment": {"volumeId": VOLUME}})[0] == 400
    assert cloud.work() == ["plug"]
    assert cloud.volumes.known[VOLUME]["status"] == "in-use"
    assert cloud.ask("DELETE", f"{path}/{VOLUME}")[0] == 202
    cloud.work()
    assert cloud.volumes.known[VOLUME]["status"] == "available"
    assert cloud.ask("GET", f"{path}/{VOLUME}")[0] == 404
    status, document = cloud.ask("POST", f"/servers/{server_id}/os-interface", {"interfaceAttachment": {}})
    assert status == 200
    port = document["interfaceAttachment"]["port_id"]
    cloud.work()
    assert len(cloud.ask("GET", f"/servers/{server_id}/os-interface")[1]["interfaceAttachments"]) == 2
    assert cloud.ask("DELETE", f"/servers/{server_id}/os-interface/{port}")[0] == 202
    cloud.work()
    assert len(cloud.networks.ports) == 1


def test_a_guest_that_stopped_itself_is_shown_so(cloud: Cloud) -> None:
    """The host's unasked word makes it SHUTOFF; a host that does not have the server changes nothing."""
    server_id = cloud.boot()
    cloud.live("host-b")
    cloud.as_host("host-b", "POST", f"/internal/hosts/host-b/servers/{server_id}", {"power": 4})
    assert cloud.show(server_id)["status"] == "ACTIVE"
    cloud.as_host("host-a", "POST", f"/internal/hosts/host-a/servers/{server_id}", {"power": 4})
    assert cloud.show(server_id)["status"] == "SHUTOFF"


def test_a_late_report_changes_nothing(cloud: Cloud) -> None:
    """A report on a task that does not stand any more, as after an agent's restart, is passed over."""
    server_id = cloud.boot()
    late = {"task": "spawning", "ok": False, "message": "late"}
    assert cloud.as_host("host-a", "POST", f"/internal/hosts/host-a/servers/{server_id}", late)[0] == 204
    assert cloud.show(server_id)["status"] == "ACTIVE"


def test_what_a_killed_process_left_is_taken_up(cloud: Cloud) -> None:
    """A server that stands in scheduling with nobody working on it is led on by the next sweep."""
    lead, cloud.conductor.lead = cloud.conductor.lead, lambda server_id: None  # type: ignore[method-assign]
    _, made = cloud.ask("POST", "/servers", {"server": {"name": "web", "imageRef": IMAGE, "flavorRef": "1"}})
    server_id = made["server"]["id"]
    assert cloud.show(server_id)["OS-EXT-STS:task_state"] == "scheduling"
    cloud.conductor.lead = lead  # type: ignore[method-assign]
    cloud.conductor.sweep()
    cloud.work()
    assert cloud.show(server_id)["status"] == "ACTIVE"


def test_the_quota_holds(cloud: Cloud) -> None:
    """403 forbidden when nothing fits; between min_count and max_count as many as fit."""
    cloud.ask("PUT", "/os-quota-sets/p1", {"quota_set": {"instances": 2}}, token=cloud.admin)
    asked = {"name": "web", "imageRef": IMAGE, "flavorRef": "1"}
    assert cloud.ask("POST", "/servers", {"server": {**asked, "min_count": 3, "max_count": 3}})[0] == 403
    assert cloud.ask("POST", "/servers", {"server": {**asked, "min_count": 1, "max_count": 5}})[0] == 202
    assert len(cloud.ask("GET", "/servers")[1]["servers"]) == 2
    status, document = cloud.ask("POST", "/servers", {"server": asked})
    assert status == 403
    assert document["forbidden"]["message"].startswith("Quota exceeded for instances")
    assert cloud.ask("GET", "/limits")[1]["limits"]["absolute"]["totalInstancesUsed"] == 2
