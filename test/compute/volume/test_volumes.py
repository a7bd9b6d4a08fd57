"""Volumes over their whole life, through the service's own door."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from volume_world import BLOCK, VolumeWorld

ADMIN = ("admin",)

IMAGE = "3b3a3c3e-1111-4111-8111-111111111111"
NULLS: dict[str, Any] = dict.fromkeys(
    [
        *("name", "description", "volume_type", "availability_zone", "snapshot_id", "source_volid"),
        *("imageRef", "metadata", "backup_id", "consistencygroup_id", "scheduler_hints", "multiattach"),
    ]
)


@pytest.fixture
def world(tmp_path: Path) -> VolumeWorld:
    return VolumeWorld.open(tmp_path)


def test_a_volume_is_made_shown_and_deleted_without_a_trace(world: VolumeWorld) -> None:
    """Members that are null count as not given; after deletion neither row nor map nor record is left."""
    volume = world.volume(1, **NULLS)
    assert (volume["status"], volume["size"], volume["bootable"], volume["volume_type"]) == (
        "available",
        1,
        "false",
        "__DEFAULT__",
    )
    assert len(world.map_ids()) == 1
    assert any(volume["id"] in name for name in world.store.objects["p1-records"])
    reply = world.raw("DELETE", f"/volumes/{volume['id']}?cascade=False&force=False")
    assert reply.status == 202
    assert world.show("volume", volume["id"])["status"] == "deleting"
    world.settle()
    assert world.refused("GET", f"/volumes/{volume['id']}")[0] == 404
    assert world.map_ids() == set()
    assert world.store.objects["p1-records"] == {}


def test_each_version_sees_its_own_form(world: VolumeWorld) -> None:
    """A client that names no version gets the form of 3.0; later members come with their versions."""
    volume_id = world.volume()["id"]
    oldest = world.show("volume", volume_id, version="")
    assert not {"group_id", "service_uuid", "volume_type_id", "consumes_quota"} & set(oldest)
    assert "group_id" in world.show("volume", volume_id, version="volume 3.13")
    assert world.show("volume", volume_id, version="volume 3.63")["volume_type_id"]
    assert world.show("volume", volume_id)["consumes_quota"] is True
    assert "os-vol-host-attr:host" not in world.show("volume", volume_id)
    assert world.show("volume", volume_id, roles=("admin",))["os-vol-host-attr:host"] == "volume@apus#apus"
    assert world.raw("GET", "/volumes", version="volume 3.71").status == 406


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({}, 400),
        ({"size": 0}, 400),
        ({"size": "x"}, 400),
        ({"size": -1}, 400),
        ({"size": True}, 400),
        ({"size": 1, "volume_type": "none"}, 404),
        ({"size": 1, "availability_zone": "moon"}, 400),
        ({"size": 1, "snapshot_id": "3b3a3c3e-1111-4111-8111-11111111111f"}, 404),
        ({"size": 1, "snapshot_id": "no-uuid"}, 400),
        ({"size": 1, "imageRef": IMAGE}, 400),
        ({"size": 1, "metadata": {"a": 1}}, 400),
        ({"size": 1, "name": "x" * 256}, 400),
        ({"size": 1, "consistencygroup_id": "g"}, 400),
    ],
)
def test_what_cannot_be_made_is_refused_and_costs_nothing(
    world: VolumeWorld, document: dict[str, object], status: int
) -> None:
    """A wrong document is the client's fault, said in a sentence, and leaves no row."""
    assert world.refused("POST", "/volumes", {"volume": document})[0] == status
    assert world.asked("GET", "/volumes")["volumes"] == []


def test_an_image_becomes_a_volume_by_its_map_or_by_its_bytes(world: VolumeWorld) -> None:
    """Both ways the volume begins with the image's bytes, is bootable, and knows what it was made of."""
    data = b"boot" * (BLOCK // 2)
    world.images.add(IMAGE, data)
    streamed = world.volume(2, imageRef=IMAGE)
    assert streamed["bootable"] == "true"
    assert streamed["volume_image_metadata"]["image_id"] == IMAGE
    world.image_map(IMAGE, data)
    sent = world.store.bytes_in
    copied = world.volume(2, imageRef=IMAGE)
    assert world.store.bytes_in - sent < len(data), "a map was copied, not its data"
    for volume in (streamed, copied):
        row = world.row("volumes", volume["id"])
        assert world.blocks(row["map_id"], 0, 1, 2) == [data[:BLOCK], data[BLOCK:], bytes(BLOCK)]


def test_an_image_that_does_not_fit_is_refused(world: VolumeWorld) -> None:
    """The size is checked by what the image says of itself before anything is read."""
    world.images.add(IMAGE, b"x", min_disk=5)
    assert world.refused("POST", "/volumes", {"volume": {"size": 4, "imageRef": IMAGE}})[0] == 400
    world.images.add(IMAGE, b"x", status="queued")
    assert world.refused("POST", "/volumes", {"volume": {"size": 9, "imageRef": IMAGE}})[0] == 400
    world.images.add(IMAGE, b"x", disk_format="ploop")
    assert world.refused("POST", "/volumes", {"volume": {"size": 9, "imageRef": IMAGE}})[0] == 400


def test_snapshots_and_clones_are_maps_of_their_own(world: VolumeWorld) -> None:
    """A snapshot keeps what the volume had; a volume of it, grown, has it too; each goes without the others."""
    volume = world.volume()
    world.write(volume["id"], {3: b"1" * BLOCK})
    snapshot = world.asked("POST", "/snapshots", {"snapshot": {"volume_id": volume["id"], "name": "s"}})[
        "snapshot"
    ]
    world.settle()
    world.write(volume["id"], {3: b"2" * BLOCK})
    assert world.show("snapshot", snapshot["id"])["status"] == "available"
    of_snapshot = world.volume(2, snapshot_id=snapshot["id"])
    of_volume = world.asked("POST", "/volumes", {"volume": {"source_volid": volume["id"]}})["volume"]
    world.settle()
    assert world.refused("DELETE", f"/volumes/{volume['id']}")[0] == 400, "it has a snapshot"
    world.asked("DELETE", f"/volumes/{volume['id']}?cascade=true")
    world.settle()
    assert world.refused("GET", f"/snapshots/{snapshot['id']}")[0] == 404
    first, second = (world.row("volumes", one["id"])["map_id"] for one in (of_snapshot, of_volume))
    assert world.blocks(first, 3) == [b"1" * BLOCK]
    assert world.blocks(second, 3) == [b"2" * BLOCK]
    assert len(world.map_ids()) == 2


def test_a_volume_grows_and_goes_back_to_a_snapshot(world: VolumeWorld) -> None:
    """Extended, it keeps its data; reverted, it has the snapshot's and its own size; old maps are gone."""
    volume_id = world.volume()["id"]
    world.write(volume_id, {0: b"old" + bytes(BLOCK - 3)})
    snapshot = world.asked("POST", "/snapshots", {"snapshot": {"volume_id": volume_id}})["snapshot"]
    world.settle()
    assert world.refused("POST", f"/volumes/{volume_id}/action", {"os-extend": {"new_size": 1}})[0] == 400
    world.act(volume_id, "os-extend", {"new_size": 3})
    assert world.show("volume", volume_id)["status"] == "extending"
    world.settle()
    world.write(volume_id, {0: b"new" + bytes(BLOCK - 3)})
    world.act(volume_id, "revert", {"snapshot_id": snapshot["id"]})
    world.settle()
    shown = world.show("volume", volume_id)
    assert (shown["status"], shown["size"]) == ("available", 3)
    assert world.blocks(world.row("volumes", volume_id)["map_id"], 0)[0][:3] == b"old"
    assert len(world.map_ids()) == 2


def test_lists_are_filtered_sorted_and_paged(world: VolumeWorld) -> None:
    """Filters, metadata, order, markers and counts, one page after the other, without a gap or a repetition."""
    for number in range(5):
        world.now[0] += 1
        world.volume(name=f"v{number}", metadata={"parity": str(number % 2)})
    page = world.asked("GET", "/volumes?limit=2&sort=name:asc&with_count=true")
    seen = [volume["name"] for volume in page["volumes"]]
    assert page["count"] == 5
    while "volumes_links" in page:
        query = page["volumes_links"][0]["href"].partition("?")[2]
        page = world.asked("GET", f"/volumes?{query}")
        seen += [volume["name"] for volume in page["volumes"]]
    assert seen == ["v0", "v1", "v2", "v3", "v4"]
    assert [v["name"] for v in world.asked("GET", "/volumes")["volumes"]] == seen[::-1], "the newest first"
    odd = world.asked("GET", "/volumes/detail?metadata={'parity': '1'}&sort_key=name&sort_dir=asc")
    assert [volume["name"] for volume in odd["volumes"]] == ["v1", "v3"]
    assert [v["name"] for v in world.asked("GET", "/volumes?name=v2")["volumes"]] == ["v2"]
    assert len(world.asked("GET", "/volumes?status=error")["volumes"]) == 0
    assert world.refused("GET", "/volumes?sort=secret")[0] == 400
    assert world.refused("GET", "/volumes?limit=-1")[0] == 400
    assert world.refused("GET", "/volumes?marker=none")[0] == 404
    summary = world.asked("GET", "/volumes/summary")["volume-summary"]
    assert summary == {"total_size": 5, "total_count": 5, "metadata": {"parity": ["0", "1"]}}


def test_metadata_is_read_and_written_key_by_key(world: VolumeWorld) -> None:
    """Each verb does what Cinder's does with the keys that it names."""
    path = f"/volumes/{world.volume(metadata={'a': '1'})['id']}/metadata"
    assert world.asked("POST", path, {"metadata": {"b": "2"}})["metadata"] == {"a": "1", "b": "2"}
    assert world.asked("PUT", f"{path}/b", {"meta": {"b": "3"}})["meta"] == {"b": "3"}
    assert world.asked("GET", f"{path}/b")["meta"] == {"b": "3"}
    assert world.refused("PUT", f"{path}/b", {"meta": {"c": "3"}})[0] == 400
    world.asked("DELETE", f"{path}/a")
    assert world.refused("DELETE", f"{path}/a")[0] == 404
    assert world.asked("PUT", path, {"metadata": {"c": "4"}})["metadata"] == {"c": "4"}
    assert world.asked("GET", path)["metadata"] == {"c": "4"}


def test_a_volume_becomes_an_image(world: VolumeWorld) -> None:
    """By a map where the image service takes one, else by its bytes; the volume is available again."""
    volume_id = world.volume()["id"]
    world.write(volume_id, {0: b"i" * BLOCK})
    for takes_maps in (True, False):
        world.images.takes_maps = takes_maps
        told = world.act(
            volume_id, "os-volume_upload_image", {"image_name": "of a volume", "disk_format": "raw"}
        )
        image_id = told["os-volume_upload_image"]["image_id"]
        assert world.show("volume", volume_id)["status"] == "uploading"
        world.settle()
        assert world.show("volume", volume_id)["status"] == "available"
        assert world.images.known[image_id].status == "active"
        if takes_maps:
            assert world.blocks(world.images.maps[image_id].map_id, 0) == [b"i" * BLOCK]
        else:
            assert world.images.files[image_id] == b"i" * BLOCK
    assert len(world.map_ids()) == 2, "the volume's and the first image's"


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")
def test_an_image_of_another_format_is_packed_first(world: VolumeWorld) -> None:
    """What is uploaded is a file of that format; one that nobody knows is refused."""
    volume_id = world.volume()["id"]
    world.write(volume_id, {0: b"i" * BLOCK})
    wish = {"image_name": "packed", "disk_format": "qcow2"}
    told = world.act(volume_id, "os-volume_upload_image", wish)["os-volume_upload_image"]
    world.settle()
    assert world.images.files[told["image_id"]].startswith(b"QFI\xfb")
    assert world.show("volume", volume_id)["status"] == "available"
    assert len(world.map_ids()) == 1, "the volume's"
    odd = {"os-volume_upload_image": {**wish, "disk_format": "ploop"}}
    assert world.refused("POST", f"/volumes/{volume_id}/action", odd)[0] == 400


def test_small_actions_do_what_they_say(world: VolumeWorld) -> None:
    """Bootable, read-only, image metadata, retype, reset of status; strangers to a role are refused."""
    volume_id = world.volume()["id"]
    world.act(volume_id, "os-set_bootable", {"bootable": True})
    assert world.show("volume", volume_id)["bootable"] == "true"
    world.act(volume_id, "os-update_readonly_flag", {"readonly": "true"})
    assert world.show("volume", volume_id)["metadata"] == {"readonly": "True"}
    world.act(volume_id, "os-set_image_metadata", {"metadata": {"k": "v"}})
    assert world.act(volume_id, "os-show_image_metadata")["metadata"] == {"k": "v"}
    world.act(volume_id, "os-unset_image_metadata", {"key": "k"})
    action = f"/volumes/{volume_id}/action"
    assert world.refused("POST", action, {"os-reset_status": {"status": "error"}})[0] == 403
    world.act(volume_id, "os-reset_status", {"status": "error"}, roles=("admin",))
    assert world.show("volume", volume_id)["status"] == "error"
    assert world.refused("POST", action, {"os-reset_status": {"status": "odd"}}, roles=("admin",))[0] == 400
    assert world.refused("POST", action, {"os-fly": {}})[0] == 400
    assert world.refused("POST", action, {})[0] == 400
    assert world.refused("POST", action, {"os-migrate_volume": {"host": "x"}}, roles=("admin",))[0] == 400


def test_an_image_is_written_over_a_volume(world: VolumeWorld) -> None:
    """Reimaged, the volume has the image's data and facts; the old map is gone."""
    volume_id = world.volume()["id"]
    world.write(volume_id, {0: b"o" * BLOCK, 5: b"o" * BLOCK})
    world.images.add(IMAGE, b"n" * BLOCK)
    world.act(volume_id, "os-reimage", {"image_id": IMAGE})
    world.settle()
    assert world.show("volume", volume_id)["volume_image_metadata"]["image_id"] == IMAGE
    assert world.blocks(world.row("volumes", volume_id)["map_id"], 0, 5) == [b"n" * BLOCK, bytes(BLOCK)]
    assert len(world.map_ids()) == 1


def test_a_member_of_the_project_says_how_far_a_snapshot_is(world: VolumeWorld) -> None:
    """While it is being made or deleted, and only what such a one can become."""
    snapshot_id = world.asked("POST", "/snapshots", {"snapshot": {"volume_id": world.volume()["id"]}})[
        "snapshot"
    ]["id"]
    world.settle()
    path, word = f"/snapshots/{snapshot_id}/action", "os-update_snapshot_status"
    assert world.refused("POST", path, {word: {"status": "error"}})[0] == 400, "it is available"
    world.asked("POST", path, {"os-reset_status": {"status": "creating"}}, roles=ADMIN)
    assert world.refused("POST", path, {word: {"status": "deleting"}})[0] == 400
    assert world.refused("POST", path, {word: {"status": "error", "progress": "most"}})[0] == 400
    world.asked("POST", path, {word: {"status": "error", "progress": "80%"}})
    shown = world.show("snapshot", snapshot_id)
    assert (shown["status"], shown["os-extended-snapshot-attributes:progress"]) == ("error", "80%")
