"""Volumes and their hosts: one writer at a time, and nothing a host wrote is lost by our doing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from volume_world import BLOCK, VolumeWorld

SERVICE = ("service",)
SERVER = "aaaaaaaa-1111-4111-8111-111111111111"
OTHER_SERVER = "bbbbbbbb-1111-4111-8111-111111111111"


@pytest.fixture
def world(tmp_path: Path) -> VolumeWorld:
    return VolumeWorld.open(tmp_path)


def attach(world: VolumeWorld, volume_id: str, server: str = SERVER, host: str = "h1", **facts: Any) -> Any:
    document = {"volume_uuid": volume_id, "instance_uuid": server, "connector": {"host": host}, **facts}
    return world.asked("POST", "/attachments", {"attachment": document}, roles=SERVICE)["attachment"]


def test_an_attachment_lives_from_reservation_to_detachment(world: VolumeWorld) -> None:
    """Reserved, connected, completed, shown with the volume, deleted: each step has its status."""
    volume_id = world.volume()["id"]
    reserve = {"attachment": {"volume_uuid": volume_id, "instance_uuid": SERVER}}
    made = world.asked("POST", "/attachments", reserve)["attachment"]
    assert (made["status"], made["connection_info"]) == ("reserved", {})
    assert world.show("volume", volume_id)["status"] == "reserved"
    assert world.refused("POST", f"/attachments/{made['id']}/action", {"os-complete": None})[0] == 409
    connector = {"attachment": {"connector": {"host": "h1", "mountpoint": "/dev/vdb"}}}
    told = world.asked("PUT", f"/attachments/{made['id']}", connector)["attachment"]
    data = told["connection_info"]["data"]
    assert (data["access_mode"], data["size"], data["project_id"]) == ("rw", 1 << 30, "p1")
    assert world.show("volume", volume_id)["status"] == "attaching"
    world.asked("POST", f"/attachments/{made['id']}/action", {"os-complete": None})
    shown = world.show("volume", volume_id)
    assert shown["status"] == "in-use"
    assert [(a["server_id"], a["device"], a["attachment_id"]) for a in shown["attachments"]] == [
        (SERVER, "/dev/vdb", made["id"])
    ]
    assert world.refused("DELETE", f"/volumes/{volume_id}")[0] == 400
    assert world.asked("GET", f"/attachments/{made['id']}")["attachment"]["connection_info"] == {}, "a secret"
    seen = world.asked("GET", f"/attachments/{made['id']}", roles=SERVICE)["attachment"]["connection_info"]
    assert seen["data"]["lease"] == data["lease"]
    assert len(world.asked("GET", "/attachments/detail")["attachments"]) == 1
    assert world.asked("DELETE", f"/attachments/{made['id']}") == {"attachments": []}
    assert world.show("volume", volume_id)["status"] == "available"
    assert world.row("volumes", volume_id)["lease"] is None


def test_a_volume_has_one_attachment_unless_its_type_allows_more(world: VolumeWorld) -> None:
    """A second machine is refused; with multiattach it shares its host's lease, and elsewhere only reads."""
    volume_id = world.volume()["id"]
    attach(world, volume_id)
    again = {"attachment": {"volume_uuid": volume_id, "instance_uuid": OTHER_SERVER}}
    assert world.refused("POST", "/attachments", again)[0] == 400
    specs = {"name": "shared", "extra_specs": {"multiattach": "<is> True"}}
    world.asked("POST", "/types", {"volume_type": specs}, roles=("admin",))
    shared = world.volume(volume_type="shared")["id"]
    first = attach(world, shared)
    world.asked("POST", f"/attachments/{first['id']}/action", {"os-complete": None})
    second = attach(world, shared, OTHER_SERVER)
    world.asked("POST", f"/attachments/{second['id']}/action", {"os-complete": None})
    lease = first["connection_info"]["data"]["lease"]
    assert second["connection_info"]["data"]["lease"] == lease
    far = {"volume_uuid": shared, "instance_uuid": OTHER_SERVER, "connector": {"host": "h2"}}
    assert world.refused("POST", "/attachments", {"attachment": far}, roles=SERVICE)[0] == 409
    assert attach(world, shared, OTHER_SERVER, "h2", mode="ro")["connection_info"]["data"]["lease"] is None
    world.asked("DELETE", f"/attachments/{first['id']}")
    assert world.row("volumes", shared)["lease"] == lease, "the other machine of that host still writes"
    world.asked("DELETE", f"/attachments/{second['id']}")
    assert world.row("volumes", shared)["lease"] is None


def test_a_commit_needs_the_living_lease_and_the_right_base(world: VolumeWorld) -> None:
    """A host that was detached by force commits nothing any more, however late it tries."""
    volume_id = world.volume()["id"]
    old = world.connect(volume_id)
    before = dict(old)
    world.commit(volume_id, old, {0: b"1" * BLOCK})
    world.settle()
    assert len(world.map_ids()) == 1, "the map before is gone"
    facts = {"lease": old["lease"], "base_map_id": before["map_id"], "map_id": old["map_id"]}
    path = f"/volumes/{volume_id}/action"
    assert world.asked("POST", path, {"apus-commit": facts}, roles=SERVICE) == {"map_id": old["map_id"]}, (
        "again"
    )
    stranger = {**facts, "base_map_id": "other", "map_id": before["map_id"]}
    assert world.refused("POST", path, {"apus-commit": stranger}, roles=SERVICE)[0] == 400, "no such map"
    assert world.refused("POST", path, {"apus-commit": facts})[0] == 403
    world.act(volume_id, "os-terminate_connection", {"connector": {"host": "h1"}})
    world.connect(volume_id, "h2")
    assert world.refused("POST", path, {"apus-commit": facts}, roles=SERVICE)[0] == 409
    assert world.blocks(world.row("volumes", volume_id)["map_id"], 0) == [b"1" * BLOCK]


def test_a_snapshot_of_a_volume_in_use_waits_for_its_host(world: VolumeWorld) -> None:
    """The host is told to commit; what it commits then is in the snapshot, an earlier commit does not count."""
    volume_id = world.volume()["id"]
    made = attach(world, volume_id)
    world.asked("POST", f"/attachments/{made['id']}/action", {"os-complete": None})
    info = made["connection_info"]["data"]
    assert world.refused("POST", "/snapshots", {"snapshot": {"volume_id": volume_id}}, version="")[0] == 400
    snapshot = world.asked("POST", "/snapshots", {"snapshot": {"volume_id": volume_id}})["snapshot"]
    world.office.jobs.run_due(world.office)
    (lease,) = world.asked("GET", "/apus-leases?host=h1", roles=SERVICE)["leases"]
    assert lease["commit_wanted"] is not None
    world.commit(volume_id, info, {0: b"a" * BLOCK}, answers=lease["commit_wanted"] - 1)
    world.now[0] += 1
    world.office.jobs.run_due(world.office)
    assert world.show("snapshot", snapshot["id"])["status"] == "creating"
    world.commit(volume_id, info, {0: b"b" * BLOCK}, answers=lease["commit_wanted"])
    world.now[0] += 1
    world.settle()
    assert world.show("snapshot", snapshot["id"])["status"] == "available"
    assert world.blocks(world.row("snapshots", snapshot["id"])["map_id"], 0) == [b"b" * BLOCK]
    assert world.asked("GET", "/apus-leases?host=h1", roles=SERVICE)["leases"][0]["commit_wanted"] is None


def test_a_host_that_does_not_answer_fails_the_backup_and_not_the_volume(world: VolumeWorld) -> None:
    """Never silently old: after the wait the backup is in error with a reason, the volume in use as before."""
    volume_id = world.volume()["id"]
    made = attach(world, volume_id)
    world.asked("POST", f"/attachments/{made['id']}/action", {"os-complete": None})
    backup = world.asked("POST", "/backups", {"backup": {"volume_id": volume_id, "force": True}})["backup"]
    world.office.jobs.run_due(world.office)
    world.now[0] += 120
    world.settle()
    shown = world.show("backup", backup["id"])
    assert shown["status"] == "error"
    assert "h1" in shown["fail_reason"]
    assert world.show("volume", volume_id)["status"] == "in-use"
    (message,) = world.asked("GET", "/messages")["messages"]
    assert message["resource_uuid"] == backup["id"]


def test_the_old_actions_go_through_their_statuses(world: VolumeWorld) -> None:
    """Reserve, unreserve, attach, begin and roll detaching, detach; each only from where it may."""
    volume_id = world.volume()["id"]
    path = f"/volumes/{volume_id}/action"
    world.act(volume_id, "os-reserve")
    assert world.refused("POST", path, {"os-reserve": {}})[0] == 400
    assert world.show("volume", volume_id)["status"] == "attaching"
    world.act(volume_id, "os-unreserve")
    assert world.show("volume", volume_id)["status"] == "available"
    world.act(volume_id, "os-attach", {"instance_uuid": SERVER, "mountpoint": "/dev/vdc", "mode": "rw"})
    assert world.refused("POST", path, {"os-attach": {"instance_uuid": OTHER_SERVER}})[0] == 400
    world.act(volume_id, "os-begin_detaching")
    world.act(volume_id, "os-roll_detaching")
    world.act(volume_id, "os-begin_detaching")
    shown = world.show("volume", volume_id)
    assert (shown["status"], shown["attachments"][0]["device"]) == ("detaching", "/dev/vdc")
    world.act(volume_id, "os-detach", {})
    assert world.show("volume", volume_id)["status"] == "available"
    world.act(volume_id, "os-detach", {})
    assert world.show("volume", volume_id)["status"] == "available", "nothing has it, nothing changes"
    world.act(volume_id, "os-attach", {"host_name": "somewhere", "mountpoint": "/mnt"})
    world.act(volume_id, "os-force_detach", {}, roles=("admin",))
    assert world.show("volume", volume_id)["attachments"] == []


def test_a_read_only_volume_is_never_connected_for_writing(world: VolumeWorld) -> None:
    """The flag decides over whatever mode the connector asks for."""
    volume_id = world.volume()["id"]
    world.act(volume_id, "os-update_readonly_flag", {"readonly": True})
    info = world.connect(volume_id)
    assert (info["access_mode"], info["lease"]) == ("ro", None)
