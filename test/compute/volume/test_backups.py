"""Backups stand alone: made by changed blocks, deleted in any order, restored, carried away and back."""

from __future__ import annotations

import base64
import bz2
import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from volume_world import BLOCK, GIB, VolumeWorld

ADMIN = ("admin",)


@pytest.fixture
def world(tmp_path: Path) -> VolumeWorld:
    return VolumeWorld.open(tmp_path)


def restored(world: VolumeWorld, backup_id: str, **facts: Any) -> dict[str, Any]:
    told = world.asked("POST", f"/backups/{backup_id}/restore", {"restore": facts})["restore"]
    world.settle()
    return world.show("volume", told["volume_id"])


def first_block(world: VolumeWorld, volume: dict[str, Any], index: int = 0) -> bytes:
    return world.blocks(world.row("volumes", volume["id"])["map_id"], index)[0]


def test_any_backup_is_restored_after_any_other_was_deleted(world: VolumeWorld) -> None:
    """Full and increments in a row; the full and a middle one go; the rest restore what they had."""
    volume_id = world.volume(name="disk", metadata={"k": "v"})["id"]
    made = []
    for number in range(4):
        world.now[0] += 10
        world.write(volume_id, {0: bytes([number + 1]) * BLOCK, number + 1: b"x" * BLOCK})
        made.append(world.backup(volume_id, incremental=number > 0, name=f"b{number}", container="box"))
    assert [backup["is_incremental"] for backup in made] == [False, True, True, True]
    assert not any(backup["has_dependent_backups"] for backup in made)
    assert [world.row("backups", backup["id"])["bytes_added"] for backup in made] == [2 * BLOCK] * 4
    for backup in (made[0], made[2]):
        world.asked("DELETE", f"/backups/{backup['id']}")
    world.settle()
    for number in (1, 3):
        volume = restored(world, made[number]["id"])
        assert (volume["status"], volume["name"], volume["metadata"]) == ("available", "disk", {"k": "v"})
        assert first_block(world, volume) == bytes([number + 1]) * BLOCK
    assert world.show("backup", made[1]["id"])["status"] == "available"
    assert world.show("backup", made[1]["id"])["container"] == "box"


def test_a_second_backup_sends_only_what_has_changed(world: VolumeWorld) -> None:
    """No block is read or sent for a backup: the map alone is written, and its unchanged pages are shared."""
    volume_id = world.volume()["id"]
    world.write(volume_id, {index: bytes([index % 251 + 1]) * BLOCK for index in range(200)})
    world.backup(volume_id)
    world.write(volume_id, {7: b"changed!" * (BLOCK // 8)})
    received, sent = world.store.bytes_out, world.store.bytes_in
    world.backup(volume_id, incremental=True)
    assert world.store.bytes_in - sent < BLOCK
    assert world.store.bytes_out - received < 4 * BLOCK


def test_a_backup_goes_into_a_volume_that_is_there(world: VolumeWorld) -> None:
    """The volume keeps its size and gets the backup's data; one that is too small or busy is refused."""
    volume_id = world.volume(2)["id"]
    world.write(volume_id, {0: b"b" * BLOCK})
    backup = world.backup(volume_id)
    other, small = world.volume(3), world.volume(1)
    path = f"/backups/{backup['id']}/restore"
    assert world.refused("POST", path, {"restore": {"volume_id": small["id"]}})[0] == 400
    assert restored(world, backup["id"], volume_id=other["id"])["size"] == 3
    assert first_block(world, other) == b"b" * BLOCK
    assert len(world.map_ids()) == 4, "the map before is gone"


def test_a_backup_of_a_snapshot_has_the_snapshots_data(world: VolumeWorld) -> None:
    """Volume and snapshot are free again; the backup's time is the snapshot's."""
    volume_id = world.volume()["id"]
    world.write(volume_id, {0: b"s" * BLOCK})
    snapshot = world.asked("POST", "/snapshots", {"snapshot": {"volume_id": volume_id}})["snapshot"]
    world.settle()
    world.now[0] += 100
    world.write(volume_id, {0: b"t" * BLOCK})
    backup = world.backup(volume_id, snapshot_id=snapshot["id"])
    assert backup["data_timestamp"] == world.show("snapshot", snapshot["id"])["created_at"]
    assert world.show("snapshot", snapshot["id"])["status"] == "available"
    assert first_block(world, restored(world, backup["id"])) == b"s" * BLOCK


def test_what_cannot_be_backed_up_is_refused(world: VolumeWorld) -> None:
    """No increment of nothing, no strange volume, no volume that is busy; nothing is left of the attempt."""
    volume_id = world.volume()["id"]
    for facts, status in (
        ({"volume_id": volume_id, "incremental": True}, 400),
        ({"volume_id": "3b3a3c3e-1111-4111-8111-11111111111f"}, 404),
        ({}, 400),
        ({"volume_id": volume_id, "snapshot_id": volume_id}, 404),
    ):
        assert world.refused("POST", "/backups", {"backup": facts})[0] == status
    world.act(volume_id, "os-attach", {"instance_uuid": volume_id, "mountpoint": "/dev/vdb"})
    assert world.refused("POST", "/backups", {"backup": {"volume_id": volume_id}})[0] == 400
    assert world.backup(volume_id, force=True)["status"] == "available"
    assert world.show("volume", volume_id)["status"] == "in-use"


def test_a_record_carries_a_backup_to_another_catalogue(world: VolumeWorld) -> None:
    """Exported, imported under another id, and independent of the first: deleting that leaves it whole."""
    volume_id = world.volume()["id"]
    world.write(volume_id, {0: b"r" * BLOCK})
    backup = world.backup(volume_id, name="b")
    told = world.asked("GET", f"/backups/{backup['id']}/export_record", roles=ADMIN)["backup-record"]
    assert world.refused("GET", f"/backups/{backup['id']}/export_record")[0] == 403
    fields = json.loads(base64.b64decode(told["backup_url"]))
    fields["id"] = "3b3a3c3e-2222-4222-8222-222222222222"
    told["backup_url"] = base64.b64encode(json.dumps(fields).encode()).decode()
    made = world.asked("POST", "/backups/import_record", {"backup-record": told}, roles=ADMIN)["backup"]
    world.settle()
    world.asked("DELETE", f"/backups/{backup['id']}")
    world.settle()
    assert world.show("backup", made["id"])["status"] == "available"
    assert first_block(world, restored(world, made["id"])) == b"r" * BLOCK
    told["backup_url"] = "bm90IGpzb24="
    assert world.refused("POST", "/backups/import_record", {"backup-record": told}, roles=ADMIN)[0] == 400


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "zlib": zlib.compress,
    "bz2": bz2.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


class CinderBackups:
    """Writes what Cinder's chunked driver writes, into the service's own account."""

    def __init__(self, world: VolumeWorld) -> None:
        self.store = world.store
        self.volume = "volume_5e2b3c4d-0000-4000-8000-000000000000"

    def write(
        self, number: int, chunks: list[tuple[int, bytes, str]], parent: int | None = None
    ) -> dict[str, Any]:
        """Write a backup of (offset, bytes, compression); return the record of it."""
        backup_id = f"5e2b3c4d-0000-4000-8000-00000000000{number}"
        prefix = f"{self.volume}/2024010100000{number}/az_nova_backup_{backup_id}"
        listed = []
        for place, (offset, data, how) in enumerate(chunks, 1):
            packed = PACKERS[how](data)
            name = f"{prefix}-{place:05d}"
            self.store.put("volumebackups", name, packed)
            md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
            listed.append({name: {"offset": offset, "length": len(data), "compression": how, "md5": md5}})
        parent_id = None if parent is None else f"5e2b3c4d-0000-4000-8000-00000000000{parent}"
        document = {
            "version": "1.0.0",
            "backup_id": backup_id,
            "volume_id": self.volume.removeprefix("volume_"),
            "backup_name": "old",
            "parent_id": parent_id,
            "objects": listed,
            "volume_meta": json.dumps({"volume-base-metadata": {}}),
        }
        self.store.put("volumebackups", f"{prefix}_metadata", json.dumps(document).encode())
        self.store.put("volumebackups", f"{prefix}_sha256file", b"{}")
        fields = {
            "id": backup_id,
            "volume_id": document["volume_id"],
            "size": 1,
            "container": "volumebackups",
            "service_metadata": prefix,
            "parent_id": parent_id,
            "display_name": "old",
        }
        url = base64.b64encode(json.dumps(fields).encode()).decode()
        return {
            "id": backup_id,
            "backup_service": "cinder.backup.drivers.swift.SwiftBackupDriver",
            "backup_url": url,
        }


def taken_in(world: VolumeWorld, record: dict[str, Any]) -> dict[str, Any]:
    document = {"backup-record": {name: record[name] for name in ("backup_service", "backup_url")}}
    world.asked("POST", "/backups/import_record", document, roles=ADMIN)
    world.settle()
    return world.show("backup", record["id"])


def test_a_chain_of_cinders_backups_becomes_one_that_stands_alone(world: VolumeWorld) -> None:
    """Every compression, a full one and two increments; the newest write of each byte wins."""
    cinder = CinderBackups(world)
    half = BLOCK // 2
    cinder.write(1, [(0, b"a" * 3 * BLOCK, "zlib"), (3 * BLOCK, b"a" * BLOCK, "none")])
    cinder.write(2, [(half, b"b" * BLOCK, "bz2")], parent=1)
    record = cinder.write(3, [(BLOCK, b"c" * half, "zstd"), (GIB - BLOCK, b"e" * BLOCK, "zlib")], parent=2)
    assert taken_in(world, record)["status"] == "available"
    world.store.objects["volumebackups"].clear()
    volume = restored(world, record["id"])
    found = world.blocks(world.row("volumes", volume["id"])["map_id"], 0, 1, 2, 3, 4, GIB // BLOCK - 1)
    assert found == [
        b"a" * half + b"b" * half,
        b"c" * half + b"a" * half,
        b"a" * BLOCK,
        b"a" * BLOCK,
        bytes(BLOCK),
        b"e" * BLOCK,
    ]


def test_a_damaged_chunk_is_noticed_and_said(world: VolumeWorld) -> None:
    """The MD5 that Cinder records and never looks at is looked at here; the backup ends in error, with a reason."""
    cinder = CinderBackups(world)
    record = cinder.write(1, [(0, b"a" * BLOCK, "none")])
    name = next(name for name in world.store.objects["volumebackups"] if name.endswith("-00001"))
    world.store.put("volumebackups", name, b"a" * (BLOCK - 1) + b"b")
    shown = taken_in(world, record)
    assert shown["status"] == "error"
    assert "MD5" in shown["fail_reason"]
    assert world.map_ids() == set()


def test_a_missing_link_of_the_chain_is_named(world: VolumeWorld) -> None:
    """An increment whose parent is not there cannot be restored, and says which one it lacks."""
    record = CinderBackups(world).write(2, [(0, b"b" * BLOCK, "zlib")], parent=1)
    shown = taken_in(world, record)
    assert shown["status"] == "error"
    assert "000000000001" in shown["fail_reason"]


def test_a_schedule_makes_backups_and_lets_old_ones_go(world: VolumeWorld) -> None:
    """One each interval, made up for once after a pause; the plan's number stays, the newest always."""
    volume_id = world.volume()["id"]
    facts = {"volume_id": volume_id, "interval_seconds": 3600, "keep_last": 2, "name": "hourly"}
    made = world.asked("POST", "/backup-schedules", {"backup_schedule": facts})["backup_schedule"]
    assert made["next_run_at"] is not None

    def there() -> list[dict[str, Any]]:
        world.turn()
        world.settle()
        world.turn()
        world.settle()
        found: list[dict[str, Any]] = world.asked("GET", "/backups/detail")["backups"]
        return found

    assert len(there()) == 1
    assert len(there()) == 1, "it is not due again"
    for hours in (1, 1, 5):
        world.now[0] += hours * 3600
        backups = there()
    assert [(b["name"], b["is_incremental"]) for b in backups] == [("hourly", True)] * 2
    path = f"/backup-schedules/{made['id']}"
    world.asked("PUT", path, {"backup_schedule": {"enabled": False, "keep_daily": 3}})
    world.now[0] += 7200
    assert len(there()) == 2
    assert world.asked("GET", "/backup-schedules")["backup_schedules"][0]["keep_daily"] == 3
    assert world.refused("PUT", path, {"backup_schedule": {"interval_seconds": 1}})[0] == 400
    world.asked("DELETE", path)
    assert world.refused("GET", path)[0] == 404
    assert len(there()) == 2, "its backups stay"


def test_a_flipped_block_is_read_from_another_replica(world: VolumeWorld) -> None:
    """A backup restored and read through a store that answers wrongly once has the right bytes."""
    volume_id = world.volume()["id"]
    world.write(volume_id, {0: b"f" * BLOCK})
    volume = restored(world, world.backup(volume_id)["id"])
    digest = hashlib.sha256(b"f" * BLOCK).hexdigest()
    world.store.flip("p1-blocks", f"{digest[:2]}/{digest}")
    assert first_block(world, volume) == b"f" * BLOCK


def test_a_schedule_wakes_nobody_while_nothing_is_due(
    world: VolumeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop that looks for due backups is not set going again by its own look: it would never rest."""
    facts = {"volume_id": world.volume()["id"], "interval_seconds": 3600, "enabled": False}
    world.asked("POST", "/backup-schedules", {"backup_schedule": facts})
    woken: list[bool] = []
    monkeypatch.setattr(world.office.jobs, "wake", lambda: woken.append(True))
    world.turn()
    assert woken == []
