"""A lost catalogue comes back from the records beside the maps."""

from __future__ import annotations

from pathlib import Path

from image_world import ADMIN, BOB, World

from apus.compute.image.rebuild import rebuild


def test_a_lost_catalogue_is_made_again(tmp_path: Path) -> None:
    """Images with data come back with everything said of them; deleted and unfinished ones do not."""
    (tmp_path / "new").mkdir()
    world = World(tmp_path)
    ids = [world.active(bytes([n]) * 5000, name=f"i{n}", hw_disk_bus="scsi", tags=["a"]) for n in range(3)]
    foreign = world.active(b"other", as_=BOB, name="bobs")
    world.made(name="queued")
    world.call("DELETE", f"/v2/images/{ids[2]}")
    world.call("POST", f"/v2/images/{ids[0]}/members", {"member": "bobs"})
    world.call("PUT", f"/v2/images/{ids[0]}/members/bobs", {"status": "accepted"}, as_=BOB)
    world.now += 50
    world.patch(ids[1], {"op": "replace", "path": "/name", "value": "renamed"})
    world.call("POST", f"/v2/images/{ids[1]}/actions/deactivate")
    before = {image_id: world.shown(image_id) for image_id in (ids[0], ids[1], foreign)}

    other = World(tmp_path / "new")
    other.store = world.store
    other.started()
    assert rebuild(other.catalogue, other.shelf) == 3
    assert rebuild(other.catalogue, other.shelf) == 0
    assert {image_id: other.shown(image_id) for image_id in before} == before
    assert other.call("GET", f"/v2/images/{ids[0]}/file", as_=BOB).body == b"\0" * 5000
    assert other.call("GET", f"/v2/images/{ids[1]}/file", as_=ADMIN).body == b"\1" * 5000
    assert len(other.listed("visibility=all", ADMIN)) == 3


def test_records_that_lead_nowhere_are_left_out(tmp_path: Path) -> None:
    """No map, or no record of an image: not an image that cannot be read."""
    (tmp_path / "new").mkdir()
    world = World(tmp_path)
    image_id = world.active(b"x" * 5000)
    world.store.put("alices-records", "images/strange", b'{"format": "other"}')
    world.shelf.project("alices").maps.delete(f"image-{image_id}-1")
    other = World(tmp_path / "new")
    other.store = world.store
    other.started()
    assert rebuild(other.catalogue, other.shelf) == 0
