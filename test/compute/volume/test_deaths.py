"""Killed at any request to the store, the service goes on after its restart: nothing is lost, nothing is left over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from block_store import Died, MemoryStore
from volume_world import BLOCK, VolumeWorld

from apus.common.errors import OutOfSpace, Unavailable
from apus.compute.volume.rebuild import rebuild

IMAGE = "3b3a3c3e-1111-4111-8111-111111111111"
Begin = Callable[[VolumeWorld, str], Any]


def _snapshot(world: VolumeWorld, volume_id: str) -> None:
    world.asked("POST", "/snapshots", {"snapshot": {"volume_id": volume_id}})


def _backup(world: VolumeWorld, volume_id: str) -> None:
    world.asked("POST", "/backups", {"backup": {"volume_id": volume_id, "incremental": True}})


def _restore(world: VolumeWorld, volume_id: str) -> None:
    backup_id = world.asked("GET", "/backups")["backups"][0]["id"]
    world.asked("POST", f"/backups/{backup_id}/restore", {"restore": {"volume_id": volume_id}})


def _clone(world: VolumeWorld, volume_id: str) -> None:
    world.asked("POST", "/volumes", {"volume": {"source_volid": volume_id, "size": 2}})


def _of_image(world: VolumeWorld, _volume_id: str) -> None:
    world.asked("POST", "/volumes", {"volume": {"imageRef": IMAGE, "size": 1}})


def _extend(world: VolumeWorld, volume_id: str) -> None:
    world.act(volume_id, "os-extend", {"new_size": 2})


def _upload(world: VolumeWorld, volume_id: str) -> None:
    world.act(volume_id, "os-volume_upload_image", {"image_name": "i"})


def _delete(world: VolumeWorld, volume_id: str) -> None:
    world.asked("DELETE", f"/volumes/{volume_id}")


def _commit(world: VolumeWorld, volume_id: str) -> None:
    world.write(volume_id, {1: b"n" * BLOCK})


BEGINNINGS: list[Begin] = [
    _snapshot,
    _backup,
    _restore,
    _clone,
    _of_image,
    _extend,
    _upload,
    _delete,
    _commit,
]


def prepared(folder: Path) -> tuple[VolumeWorld, str]:
    world = VolumeWorld.open(folder)
    volume_id = world.volume()["id"]
    world.write(volume_id, {0: b"d" * BLOCK})
    world.backup(volume_id)
    world.images.add(IMAGE, b"i" * BLOCK)
    return world, volume_id


def maps_that_rows_have(world: VolumeWorld) -> set[str]:
    with world.office.catalogue.read() as connection:
        found: set[str] = set()
        for table in ("volumes", "snapshots", "backups"):
            found |= set(connection.exec_driver_sql(f"SELECT map_id FROM {table}").scalars())
    return found | {place.map_id for place in world.images.maps.values()}


def recorded(world: VolumeWorld) -> set[str]:
    """Names of the records beside the maps."""
    return set(world.store.objects.get("p1-records", {}))


def rows_with_maps(world: VolumeWorld) -> set[str]:
    with world.office.catalogue.read() as connection:
        return {
            f"{table}/{row_id}"
            for table in ("volumes", "snapshots", "backups")
            for row_id in connection.exec_driver_sql(f"SELECT id FROM {table} WHERE map_id > ''").scalars()
        }


@pytest.mark.parametrize("begin", BEGINNINGS, ids=lambda begin: begin.__name__.strip("_"))
def test_killed_at_any_step_it_ends_as_if_it_had_not_been(tmp_path: Path, begin: Begin) -> None:
    """Each request of the job is the last one once, before and after its effect; then a new process takes over."""
    world, volume_id = prepared(tmp_path)
    saved = world.saved()
    for after in (False, True):
        for step in range(60):
            world.rewind(saved)
            begin(world, volume_id)
            finished = False
            with world.store.dying_at(step, after=after):
                try:
                    world.settle()
                    finished = True
                except Died:
                    pass
            again = world.reborn()
            again.settle()
            assert again.job_count() == 0
            statuses = {
                row["status"]
                for kind in ("volumes", "snapshots", "backups")
                for row in again.asked("GET", f"/{kind}/detail")[kind]
            }
            assert statuses <= {"available"}, (begin.__name__, step, after)
            assert again.map_ids() == maps_that_rows_have(again), (begin.__name__, step, after)
            assert recorded(again) == rows_with_maps(again), (begin.__name__, step, after)
            if finished:
                break
        else:
            pytest.fail("the job has more steps than were tried")


def test_a_store_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """Unavailable puts the job off; when the store is back the backup ends well."""
    world, volume_id = prepared(tmp_path)
    _backup(world, volume_id)
    world.store.failures["put"] = [Unavailable("away")] * 3
    world.settle()
    assert {backup["status"] for backup in world.asked("GET", "/backups/detail")["backups"]} == {"available"}


def test_a_full_store_is_an_error_that_a_client_can_read(tmp_path: Path) -> None:
    """What ran out of space after all attempts says so, keeps nothing, and can be deleted and tried again."""
    store = MemoryStore()
    world = VolumeWorld.open(tmp_path, store=store)
    volume_id = world.volume()["id"]
    store.failures["put"] = [OutOfSpace("the store is full")] * 100
    _backup_full(world, volume_id)
    world.settle(turns=200)
    store.failures["put"] = []
    (backup,) = world.asked("GET", "/backups/detail")["backups"]
    assert (backup["status"], backup["fail_reason"]) == ("error", "the store is full")
    assert world.show("volume", volume_id)["status"] == "available"
    world.asked("DELETE", f"/backups/{backup['id']}")
    assert world.backup(volume_id)["status"] == "available"
    assert world.map_ids() == maps_that_rows_have(world)


def _backup_full(world: VolumeWorld, volume_id: str) -> None:
    world.asked("POST", "/backups", {"backup": {"volume_id": volume_id}})


def test_a_volume_deleted_by_force_while_it_is_made_leaves_nothing(tmp_path: Path) -> None:
    """The job that makes it finds nobody waiting, and takes its map away again, whichever of the two is first."""
    world = VolumeWorld.open(tmp_path)
    made = world.asked("POST", "/volumes", {"volume": {"size": 1}})["volume"]
    world.asked("DELETE", f"/volumes/{made['id']}?force=True", roles=("admin",))
    world.settle()
    assert world.refused("GET", f"/volumes/{made['id']}")[0] == 404
    assert world.map_ids() == set()


def test_a_lost_catalogue_is_made_again(tmp_path: Path) -> None:
    """From the store alone: volumes, snapshots and backups are there again, with their data, and restore."""
    (tmp_path / "new").mkdir()
    world, volume_id = prepared(tmp_path)
    _snapshot(world, volume_id)
    world.settle()
    world.write(volume_id, {0: b"w" * BLOCK})
    world.settle()
    place = next(name for name in world.store.objects if name.endswith("-records"))
    map_id = world.row("volumes", volume_id)["map_id"]
    for number, bad in enumerate((b"no JSON", b"{}", b'{"map_id": "%s"}' % map_id.encode())):
        world.store.put(place, f"volumes/0{number}", bad)  # They keep no others away.
    again = VolumeWorld.open(tmp_path / "new", store=world.store)
    assert rebuild(again.office) == 3
    assert rebuild(again.office) == 0
    assert again.show("volume", volume_id)["status"] == "available"
    assert again.blocks(again.row("volumes", volume_id)["map_id"], 0) == [b"w" * BLOCK]
    assert len(again.asked("GET", "/snapshots")["snapshots"]) == 1
    _restore(again, volume_id)
    again.settle()
    assert again.blocks(again.row("volumes", volume_id)["map_id"], 0) == [b"d" * BLOCK]
    assert again.map_ids() == maps_that_rows_have(again)
