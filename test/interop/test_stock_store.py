"""Images, volumes, backups and snapshots with stock OpenStack Swift alone as their store.

The services run in this process, over stock's proxy and stock's storage servers, logged in as tempauth has it.
With APUS_INTEROP=full, test_block_layer.py runs the functional tests of their processes there, too.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from image_world import ADMIN, World
from side_by_side import Fronts
from store import KEYS
from volume_world import BLOCK, VolumeWorld

from apus.compute.block.config import BlockConfig
from apus.compute.block.project import Project
from apus.compute.block.sweeping import Sweeper
from apus.compute.image.rebuild import rebuild as rebuild_images
from apus.compute.store.account import Account
from apus.compute.store.config import StoreConfig
from apus.compute.volume.images import MapPlace
from apus.compute.volume.rebuild import rebuild as rebuild_volumes

pytestmark = [pytest.mark.interop, pytest.mark.parametrize("fronts", ["over_stock"], indirect=True)]
USER = "test2:tester2"
PROJECTS = ("alices", "p1")  # Of image_world and of volume_world.
GIVE_UP_SECONDS = 120


@pytest.fixture
def account(fronts: Fronts) -> Account:
    """An account of stock's."""
    store = fronts.plain.stocks
    assert store.proxy == "stock"
    return Account(
        StoreConfig(
            store_auth_url=store.auth_url, store_auth_version="1", store_user=USER, store_key=KEYS[USER]
        )
    )


class Cloud:
    """Image and volume service over one account; their catalogues lie in the folder."""

    def __init__(self, folder: Path, account: Account) -> None:
        folder.mkdir()
        store: Any = account  # Where the worlds have one in memory, which tests can look into.
        self.images = World(folder)
        self.images.store = store
        self.images.blocks = replace(self.images.blocks, block_size=BLOCK)
        self.images.started()
        self.volumes = VolumeWorld.open(folder, store=store)

    def image(self, data: bytes) -> str:
        """Upload an image, and let the volume service know of it."""
        image_id = self.images.active(data, name="of stock")
        (place,) = self.images.call("GET", f"/v2/images/{image_id}/locations", as_=ADMIN).json()
        project, _, map_id = place["url"].removeprefix("apus-block:").partition("/")
        self.volumes.images.add(image_id, data)
        self.volumes.images.maps[image_id] = MapPlace(project, map_id)
        return image_id

    def first_blocks(self, volume_id: str) -> list[bytes]:
        """What a volume begins with."""
        return self.volumes.blocks(self.volumes.row("volumes", volume_id)["map_id"], 0, 1, 2)

    def restored(self, backup_id: str) -> list[bytes]:
        """What a new volume begins with into which the backup is restored."""
        told = self.volumes.asked("POST", f"/backups/{backup_id}/restore", {"restore": {}})["restore"]
        self.volumes.settle()
        return self.first_blocks(told["volume_id"])


def swept(account: Account) -> list[str]:
    """What a sweep leaves of both projects, once no writer's lease is left."""
    config = BlockConfig(sweep_grace_seconds=0, sweep_settle_seconds=0)
    left = []
    for project_id in PROJECTS:
        later = Project.open(
            account, project_id, config, clock=lambda: time.time() + 7200, sleep=lambda _: None
        )
        Sweeper(later.maps).run(GIVE_UP_SECONDS)
        left += [f"maps/{name}" for name in later.maps.list()]
        for kind in ("blocks", "records"):
            left += [f"{kind}/{row.name}" for row in account.names(f"{project_id}-{kind}")]
    return left


def test_disks_live_on_stock_swift(account: Account, tmp_path: Path) -> None:
    """From image to volume, backups, snapshot and restore; a lost catalogue is made again; nothing is left."""
    rng = random.Random(6)
    a, b, c, d = (rng.randbytes(BLOCK) for _ in range(4))
    cloud = Cloud(tmp_path / "first", account)
    world = cloud.volumes
    image_id = cloud.image(a + b)
    reply = cloud.images.call(
        "GET", f"/v2/images/{image_id}/file", headers={"Range": f"bytes={BLOCK - 5}-{BLOCK + 4}"}
    )
    assert (reply.status, reply.body) == (206, a[-5:] + b[:5])
    assert cloud.images.call("GET", f"/v2/images/{image_id}/file").body == a + b

    volume_id = world.volume(imageRef=image_id)["id"]
    assert cloud.first_blocks(volume_id) == [a, b, bytes(BLOCK)]
    full = world.backup(volume_id)
    world.write(volume_id, {1: c})
    snapshot = world.asked("POST", "/snapshots", {"snapshot": {"volume_id": volume_id}})["snapshot"]
    world.settle()
    second = world.backup(volume_id, incremental=True)
    assert world.row("backups", second["id"])["bytes_added"] == BLOCK
    world.write(volume_id, {0: d, 2: d})
    third = world.backup(volume_id, incremental=True)
    world.asked("DELETE", f"/backups/{full['id']}")
    world.settle()
    assert cloud.restored(second["id"]) == [a, c, bytes(BLOCK)]
    assert cloud.restored(third["id"]) == [d, c, d]
    of_snapshot = world.volume(snapshot_id=snapshot["id"])["id"]
    assert cloud.first_blocks(of_snapshot) == [a, c, bytes(BLOCK)]

    again = Cloud(tmp_path / "again", account)
    assert rebuild_images(again.images.catalogue, again.images.shelf) == 1
    assert rebuild_volumes(again.volumes.office) == 7  # Four volumes, a snapshot, two backups.
    assert again.images.call("GET", f"/v2/images/{image_id}/file").body == a + b
    assert again.restored(third["id"]) == [d, c, d]

    doomed = [("volumes", row["id"]) for row in again.volumes.asked("GET", "/volumes")["volumes"]]
    doomed += [("backups", second["id"]), ("backups", third["id"]), ("snapshots", snapshot["id"])]
    rng.shuffle(doomed)
    doomed.sort(key=lambda thing: thing == ("volumes", volume_id))  # Its snapshot first, as everywhere.
    for kind, thing_id in doomed:
        again.volumes.asked("DELETE", f"/{kind}/{thing_id}")
        again.volumes.settle()
    again.images.call("DELETE", f"/v2/images/{image_id}")
    assert swept(account) == []
