"""Servers that run from a volume: pictured by snapshots of their volumes, and started again from those."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from servers import IMAGE
from volume_host import VolumeHost, volume_host
from volume_world import BLOCK


@pytest.fixture
def host() -> Iterator[VolumeHost]:
    with volume_host() as made:
        yield made


def boot(host: VolumeHost, **facts: Any) -> tuple[str, str]:
    """Make a server that runs from a new volume; return both ids."""
    volume_id = host.volumes.volume()["id"]
    host.volumes.act(volume_id, "os-set_bootable", {"bootable": True})
    disk = {"source_type": "volume", "uuid": volume_id, "destination_type": "volume", "boot_index": 0}
    return host.boot(imageRef="", block_device_mapping_v2=[disk], **facts), volume_id


def test_its_picture_is_snapshots_and_starts_a_server(host: VolumeHost) -> None:
    """The image has no data and is active at once; what was written before is on the new server's own volume."""
    server_id, _ = boot(host)
    host.write(1, b"x" * BLOCK)
    status, made = host.cloud.act(server_id, "createImage", {"name": "picture"}, version="2.45")
    assert status == 202, made
    host.volumes.office.jobs.run_due(host.volumes.office)
    host.settle()
    image = host.cloud.images.known[made["image_id"]]
    (entry,) = json.loads(image["block_device_mapping"])
    assert (image["status"], entry["source_type"], entry["boot_index"]) == ("active", "snapshot", 0)
    assert host.volumes.show("snapshot", entry["snapshot_id"])["status"] == "available"
    asked = {"name": "again", "imageRef": made["image_id"], "flavorRef": "1", "networks": "none"}
    status, document = host.cloud.ask("POST", "/servers", {"server": asked}, version="2.96")
    assert status == 202, document
    host.volumes.settle()
    host.cloud.conductor.sweep()
    host.work()
    server = host.cloud.show(document["server"]["id"])
    assert (server["status"], server["image"]) == ("ACTIVE", ""), server.get("fault")
    (volume,) = server["os-extended-volumes:volumes_attached"]
    assert host.data("volume", volume["id"], 1) == b"x" * BLOCK


def test_what_is_begun_in_vain_is_taken_back(host: VolumeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an image there are no snapshots either."""

    def reserve(*_: Any) -> str:
        from apus.compute.api.faults import Fault

        raise Fault(413, "Request Entity Too Large")

    server_id, _ = boot(host)
    monkeypatch.setattr(host.cloud.images, "reserve", reserve)
    assert host.cloud.act(server_id, "createImage", {"name": "picture"})[0] == 413
    host.volumes.settle()
    assert host.volumes.asked("GET", "/snapshots")["snapshots"] == []


def test_a_picture_that_stays_empty_goes_with_its_snapshots(
    host: VolumeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is the first one, whatever cannot be taken back."""

    def fails(status: int) -> Any:
        def fail(*_: Any) -> None:
            from apus.compute.api.faults import Fault

            raise Fault(status, "No.")

        return fail

    server_id, _ = boot(host)
    monkeypatch.setattr(host.cloud.images, "fill_with_nothing", fails(413))
    monkeypatch.setattr(host.cloud.images, "discard", fails(409))
    assert host.cloud.act(server_id, "createImage", {"name": "picture"})[0] == 413
    host.volumes.settle()
    assert host.volumes.asked("GET", "/snapshots")["snapshots"] == []


def test_what_needs_a_disk_of_the_servers_own_is_refused(host: VolumeHost) -> None:
    """A backup of its image, and a rebuild from another, with the words that clients know."""
    server_id, _ = boot(host)
    asked = {"name": "b", "backup_type": "daily", "rotation": 1}
    status, fault = host.cloud.act(server_id, "createBackup", asked)
    assert (status, "volume-backed" in json.dumps(fault)) == (400, True)
    status, fault = host.cloud.act(server_id, "rebuild", {"imageRef": IMAGE})
    assert (status, "volume-backed" in json.dumps(fault)) == (400, True)


def test_shelved_it_keeps_its_volume_and_nothing_else(host: VolumeHost) -> None:
    """No image is made; unshelved, it goes on with what it had written."""
    server_id, volume_id = boot(host)
    host.write(0, b"y" * BLOCK)
    assert host.cloud.act(server_id, "shelve")[0] == 202
    host.work()
    assert host.cloud.show(server_id)["status"] == "SHELVED_OFFLOADED"
    assert host.data("volume", volume_id, 0) == b"y" * BLOCK
    assert host.cloud.act(server_id, "unshelve")[0] == 202
    host.work()
    assert host.cloud.show(server_id)["status"] == "ACTIVE"
    with host.guest() as guest:
        assert guest.read(0, BLOCK) == b"y" * BLOCK
