"""Shelved servers that no host has: their volumes stay theirs, their own disk outlives its picture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from nbd_client import NbdClient
from servers import Images
from volume_host import VolumeHost, volume_host
from volume_world import BLOCK

from apus.compute.api.faults import Fault
from apus.compute.block.copying import copied
from apus.compute.block.project import Project


class ImagesWithMaps(Images):
    """An image service whose images have maps of their own, which go with them."""

    def __init__(self, host: VolumeHost) -> None:
        super().__init__()
        self._store, self._config = host.store, host.config
        self.maps = Project.open(host.store, "images", host.config).maps
        self.refused: dict[str, int] = {}

    def fill(self, image_id: str, place: str) -> None:
        project_id, _, map_id = place.partition("/")
        source = Project.open(self._store, project_id, self._config).maps
        copied(source, source.load(map_id), self.maps, map_id=image_id)
        super().fill(image_id, f"images/{image_id}")

    def discard(self, image_id: str) -> None:
        if image_id in self.refused:
            raise Fault(self.refused[image_id], "no")
        self.maps.delete(image_id)
        super().discard(image_id)


@pytest.fixture
def host() -> Iterator[VolumeHost]:
    with volume_host() as made:
        made.cloud.images = ImagesWithMaps(made)
        object.__setattr__(made.cloud.world, "images", made.cloud.images)
        yield made


def shelve(host: VolumeHost, server_id: str) -> None:
    """Shelve the server, and have no host know it."""
    assert host.cloud.act(server_id, "shelve")[0] == 202
    host.work()
    assert host.cloud.show(server_id)["status"] == "SHELVED_OFFLOADED"


def unshelve(host: VolumeHost, server_id: str) -> None:
    """Have the server run again."""
    assert host.cloud.act(server_id, "unshelve")[0] == 202
    host.work()
    server = host.cloud.show(server_id)
    assert server["status"] == "ACTIVE", server.get("fault")


def give(host: VolumeHost, server_id: str, volume_id: str) -> int:
    """Ask for the volume to be attached; return the status."""
    asked = {"volumeAttachment": {"volumeId": volume_id}}
    return host.cloud.ask("POST", f"/servers/{server_id}/os-volume_attachments", asked)[0]


def state(host: VolumeHost, volume_id: str) -> str:
    """Return the volume's status."""
    return str(host.volumes.show("volume", volume_id)["status"])


def test_a_volume_given_to_it_is_reserved_at_once(host: VolumeHost) -> None:
    """Nobody else gets it; unshelved, the server has it by the same attachment, and one detaching frees it."""
    server_id, other_id = host.boot(), host.boot()
    volume_id = host.volumes.volume()["id"]
    shelve(host, server_id)
    assert give(host, server_id, volume_id) == 200
    assert state(host, volume_id) == "reserved"
    assert give(host, other_id, volume_id) == 400
    (reserved,) = host.volumes.asked("GET", "/attachments")["attachments"]
    unshelve(host, server_id)
    (attached,) = host.volumes.asked("GET", "/attachments")["attachments"]
    assert (attached["id"], attached["status"]) == (reserved["id"], "attached")
    assert state(host, volume_id) == "in-use"
    path = f"/servers/{server_id}/os-volume_attachments/{volume_id}"
    assert host.cloud.ask("DELETE", path)[0] == 202
    host.work()
    assert state(host, volume_id) == "available"


@pytest.mark.parametrize("way", ["detach", "delete"])
def test_a_reserved_volume_is_given_back(host: VolumeHost, way: str) -> None:
    """Detached from the shelved server, or with the server gone, the volume is free."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    shelve(host, server_id)
    assert give(host, server_id, volume_id) == 200
    path = f"/servers/{server_id}"
    path += f"/os-volume_attachments/{volume_id}" if way == "detach" else ""
    assert host.cloud.ask("DELETE", path)[0] in (202, 204)
    assert state(host, volume_id) == "available"


def test_a_volume_that_it_had_stays_its_own(host: VolumeHost) -> None:
    """Shelving takes the volume from the host and keeps it for the server, with what the guest had written."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    host.attach(server_id, volume_id)
    host.write(0, b"v" * BLOCK)
    shelve(host, server_id)
    assert state(host, volume_id) == "reserved"
    assert host.data("volume", volume_id, 0) == b"v" * BLOCK
    unshelve(host, server_id)
    assert state(host, volume_id) == "in-use"
    with host.guest() as guest:
        assert guest.read(0, BLOCK) == b"v" * BLOCK


def test_a_reservation_made_twice_is_one(host: VolumeHost) -> None:
    """Whoever was killed between the volume service's answer and the catalogue left nothing that stays."""
    server_id, volume_id = host.boot(), host.volumes.volume()["id"]
    first, second = (host.cloud.volumes.reserve("p1", volume_id, server_id) for _ in range(2))
    assert first == second
    assert len(host.volumes.asked("GET", "/attachments")["attachments"]) == 1


def pictures(host: VolumeHost) -> list[str]:
    """Return the ids of the images that shelving made."""
    known = host.cloud.images.known.items()
    return [image_id for image_id, image in known if str(image.get("name")).endswith("-shelved")]


def content(host: VolumeHost, server_id: str, on: str = "host-a") -> bytes:
    """Return the first block of the server's own disk on the host."""
    (disk,) = [each for each in host.disks(on) if each["disk"] == f"server-{server_id}"]
    with NbdClient(disk["socket"], disk["disk"]) as guest:
        return guest.read(0, BLOCK)


def write(host: VolumeHost, server_id: str, letter: bytes) -> None:
    """Write the first block of the server's own disk on host-a, as its guest would."""
    (disk,) = [each for each in host.disks() if each["disk"] == f"server-{server_id}"]
    with NbdClient(disk["socket"], disk["disk"]) as guest:
        guest.write(0, letter * BLOCK)
        guest.flush()


def test_its_picture_goes_when_it_runs_again_and_its_disk_stays(host: VolumeHost) -> None:
    """The disk that a lost host had is the server's own by then: evacuated, it is as it was when shelved."""
    server_id = host.boot()
    write(host, server_id, b"s")
    shelve(host, server_id)
    assert len(pictures(host)) == 1
    unshelve(host, server_id)
    assert not pictures(host)
    assert not list(Project.open(host.store, "images", host.config).maps.list())
    assert content(host, server_id) == b"s" * BLOCK
    host.cloud.live("host-b")
    host.cloud.now += 3600
    host.cloud.live("host-b")
    status, fault = host.cloud.act(server_id, "evacuate", {}, token=host.cloud.admin, version="2.95")
    assert status == 200, fault
    host.work("host-b")
    assert content(host, server_id, "host-b") == b"s" * BLOCK


def test_it_is_shelved_and_unshelved_again_and_again(host: VolumeHost) -> None:
    """Each time with one picture, and with what was written since."""
    server_id = host.boot()
    for letter in (b"1", b"2", b"3"):
        write(host, server_id, letter)
        shelve(host, server_id)
        assert len(pictures(host)) == 1
        unshelve(host, server_id)
        assert not pictures(host)
        assert content(host, server_id) == letter * BLOCK


def test_its_picture_goes_with_the_server(host: VolumeHost) -> None:
    """A shelved server that is deleted leaves no image."""
    server_id = host.boot()
    shelve(host, server_id)
    assert host.cloud.ask("DELETE", f"/servers/{server_id}")[0] == 204
    assert not pictures(host)


@pytest.mark.parametrize("refusal", [403, 404])
def test_a_picture_that_cannot_go_holds_nothing_up(host: VolumeHost, refusal: int) -> None:
    """One that its owner protects or has removed is no reason for the server not to run, or not to go."""
    server_id = host.boot()
    shelve(host, server_id)
    (image_id,) = pictures(host)
    host.cloud.images.refused[image_id] = refusal  # type: ignore[attr-defined]
    unshelve(host, server_id)
    assert host.cloud.ask("DELETE", f"/servers/{server_id}")[0] == 204
    host.work()
    assert host.cloud.ask("GET", f"/servers/{server_id}")[0] == 404
