"""Laws of images' data, through WSGI: up, down, by reference, and what is refused."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from cloud import identity_of
from image_world import ADMIN, BLOCK_BYTES, BOB, OCTETS, World

from apus.common.errors import OutOfSpace, Unavailable

NOVA = identity_of("service", ("service",), user="nova")
DATA = random.Random(7).randbytes(5 * BLOCK_BYTES + 123)
QCOW2_WITH_BACKING = b"QFI\xfb\0\0\0\x02" + bytes(7) + b"\x70" + bytes(3) + b"\x08" + bytes(500)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_was_sent_comes_back(world: World) -> None:
    """With the sums that clients check, and the sizes."""
    image_id = world.active(DATA)
    image = world.shown(image_id)
    assert (image["status"], image["size"], image["virtual_size"]) == ("active", len(DATA), len(DATA))
    assert image["checksum"] == hashlib.md5(DATA).hexdigest()
    assert (image["os_hash_algo"], image["os_hash_value"]) == ("sha512", hashlib.sha512(DATA).hexdigest())
    reply = world.call("GET", f"/v2/images/{image_id}/file")
    assert (reply.status, reply.body) == (200, DATA)
    assert reply.headers["content-md5"] == image["checksum"]
    assert reply.headers["content-length"] == str(len(DATA))
    assert reply.headers["content-type"] == OCTETS


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1])
def test_every_size_is_one(world: World, size: int) -> None:
    """Nothing at all, one byte, whole blocks."""
    image_id = world.active(DATA[:size])
    assert world.shown(image_id)["size"] == size
    assert world.call("GET", f"/v2/images/{image_id}/file").body == DATA[:size]


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=4000-5000", (4000, 5001)),
        ("bytes=-5", (len(DATA) - 5, len(DATA))),
        ("bytes=20000-999999", (20000, len(DATA))),
    ],
)
def test_ranges(world: World, header: str, span: tuple[int, int]) -> None:
    """206 with exactly the bytes asked for."""
    image_id = world.active(DATA)
    reply = world.call("GET", f"/v2/images/{image_id}/file", headers={"Range": header})
    assert (reply.status, reply.body) == (206, DATA[slice(*span)])
    assert reply.headers["content-range"] == f"bytes {span[0]}-{span[1] - 1}/{len(DATA)}"


@pytest.mark.parametrize("header", ["bytes=999999-", "bytes=0-1,5-6"])
def test_ranges_that_are_not_served(world: World, header: str) -> None:
    """416 with the true size."""
    reply = world.call("GET", f"/v2/images/{world.active(DATA)}/file", headers={"Range": header})
    assert (reply.status, reply.headers["content-range"]) == (416, f"bytes */{len(DATA)}")


def test_no_data_is_no_error(world: World) -> None:
    """204 while an image is queued."""
    assert world.call("GET", f"/v2/images/{world.made()}/file").status == 204


def test_data_is_sent_once(world: World) -> None:
    """409 for an image that has data, 400 without formats, 415 for another type, 404 for none."""
    image_id = world.active(DATA)
    assert world.upload(image_id, b"other").status == 409
    assert world.call("GET", f"/v2/images/{image_id}/file").body == DATA
    bare = world.call("POST", "/v2/images", {}).json()["id"]
    assert world.upload(bare, b"x").status == 400
    json = {"Content-Type": "application/json"}
    assert world.call("PUT", f"/v2/images/{world.made()}/file", headers=json, body=b"x").status == 415
    assert world.upload("nothing", b"x").status == 404


def test_equal_data_is_stored_once(world: World) -> None:
    """The second image of the same bytes sends no block; zeros are not stored at all."""
    world.active(DATA + bytes(100 * BLOCK_BYTES))
    before = [name for name in world.kept() if name.startswith("blocks/")]
    world.active(DATA + bytes(100 * BLOCK_BYTES))
    after = [name for name in world.kept() if name.startswith("blocks/")]
    assert before == after
    assert len(before) <= len(DATA) // BLOCK_BYTES + 3


def test_qcow2_is_kept_as_it_is(world: World) -> None:
    """Byte for byte, with the size of the disk inside."""
    data = b"QFI\xfb\0\0\0\x02" + bytes(15) + b"\x10" + (5 << 30).to_bytes(8, "big") + bytes(1000)
    image_id = world.active(data, disk_format="qcow2")
    assert world.shown(image_id)["virtual_size"] == 5 << 30
    assert world.call("GET", f"/v2/images/{image_id}/file").body == data


@pytest.mark.parametrize(
    ("declared", "data"),
    [
        ("qcow2", b"no qcow2"),
        ("raw", QCOW2_WITH_BACKING),
        ("qcow2", QCOW2_WITH_BACKING),
        ("iso", bytes(40000)),
    ],
)
def test_data_that_is_not_what_it_is_said_to_be(world: World, declared: str, data: bytes) -> None:
    """415; the image waits for other data, and nothing of this is kept."""
    image_id = world.made(disk_format=declared)
    reply = world.upload(image_id, data)
    assert reply.status == 415
    assert reply.headers["content-type"].startswith("text/html")
    assert world.shown(image_id)["status"] == "queued"
    assert not [name for name in world.kept() if not name.startswith("blocks/")]


def test_a_body_that_ends_early_is_no_image(world: World) -> None:
    """Fewer bytes than announced: 400, and the same request may come again whole."""
    image_id = world.made()
    headers = {"Content-Type": OCTETS, "X-Openstack-Image-Size": str(len(DATA) + 1)}
    assert world.call("PUT", f"/v2/images/{image_id}/file", headers=headers, body=DATA).status == 400
    chunked = {
        "Content-Type": OCTETS,
        "X-Openstack-Image-Size": str(len(DATA) + 1),
        "Transfer-Encoding": "chunked",
    }
    assert world.call("PUT", f"/v2/images/{image_id}/file", headers=chunked, body=DATA).status == 400
    assert world.shown(image_id)["status"] == "queued"
    assert world.shown(image_id)["size"] is None
    assert world.upload(image_id, DATA).status == 204


def test_size_limits(tmp_path: Path) -> None:
    """413 before a byte is stored where the length is known, and when it is reached where not."""
    world = World(tmp_path, image_size_cap=len(DATA) - 1, virtual_size_cap=1 << 40)
    image_id = world.made()
    assert world.upload(image_id, DATA).status == 413
    assert not [name for name in world.kept() if name.startswith("blocks/")]
    chunked = {"Content-Type": OCTETS, "Transfer-Encoding": "chunked"}
    assert world.call("PUT", f"/v2/images/{image_id}/file", headers=chunked, body=DATA).status == 413
    assert world.upload(image_id, DATA[:-1]).status == 204
    bomb = b"QFI\xfb\0\0\0\x02" + bytes(15) + b"\x10" + (1 << 60).to_bytes(8, "big") + bytes(1000)
    assert world.upload(world.made(disk_format="qcow2"), bomb).status == 415


def test_a_store_that_fails(world: World) -> None:
    """Full is 413, silent is 503; either way the image can be tried again."""
    image_id = world.made()
    for failure, status in ((OutOfSpace("full"), 413), (Unavailable("gone"), 503)):
        world.store.failures["put"] = [failure]
        assert world.upload(image_id, DATA).status == status
        assert world.shown(image_id)["status"] == "queued"
    assert world.upload(image_id, DATA).status == 204
    world.store.failures["read"] = [Unavailable("gone")]
    assert world.call("GET", f"/v2/images/{image_id}/file").status == 503


def test_a_flipped_block_is_read_elsewhere(world: World) -> None:
    """What a client gets is what was sent, whatever one replica says."""
    image_id = world.active(DATA)
    for name in [name.removeprefix("blocks/") for name in world.kept() if name.startswith("blocks/")]:
        world.store.flip("alices-blocks", name)
    assert world.call("GET", f"/v2/images/{image_id}/file").body == DATA


def test_deleted_images_leave_nothing_but_blocks(world: World) -> None:
    """Map and record go with the image; blocks are the sweep's."""
    image_id = world.active(DATA)
    assert [name for name in world.kept() if not name.startswith("blocks/")] != []
    assert world.call("DELETE", f"/v2/images/{image_id}").status == 204
    assert [name for name in world.kept() if not name.startswith("blocks/")] == []


def test_insiders_know_where_data_is(world: World) -> None:
    """A map of one image becomes another's by its location, without moving a byte; others are not told."""
    image_id = world.active(DATA)
    path = f"/v2/images/{image_id}/locations"
    assert world.call("GET", path).status == 403
    location = world.call("GET", path, as_=NOVA).json()[0]["url"]
    assert location.startswith("apus-block:alices/")
    other, foreign = world.made(), world.made(BOB)
    assert world.call("POST", f"/v2/images/{other}/locations", {"url": location}).status == 403
    sent = world.store.bytes_in
    for target in (other, foreign):
        reply = world.call("POST", f"/v2/images/{target}/locations", {"url": location}, as_=ADMIN)
        assert reply.status == 202, reply.body
        assert world.call("GET", f"/v2/images/{target}/file", as_=ADMIN).body == DATA
        if target == other:
            assert world.store.bytes_in - sent < 3000
    world.call("DELETE", f"/v2/images/{image_id}")
    assert world.call("GET", f"/v2/images/{other}/file").body == DATA
    for url in ("file:///etc/passwd", "apus-block:alices/nothing", "apus-block:../x/y", 5):
        queued = world.made()
        assert world.call("POST", f"/v2/images/{queued}/locations", {"url": url}, as_=ADMIN).status in (
            400,
            409,
        )
        assert world.shown(queued)["status"] == "queued"
