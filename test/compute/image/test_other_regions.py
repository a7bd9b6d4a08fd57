"""Laws of images that are brought from another region, by a catalogue and an image service of this machine."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from image_world import World

SOURCE = "36d4b546-64a2-4bb9-bdd0-ba676aa48f2c"
DATA = b"a disk of another region" * 100
SAID = {
    "status": "active",
    "os_hash_algo": "sha512",
    "os_hash_value": hashlib.sha512(DATA).hexdigest(),
    "disk_format": "raw",
    "container_format": "bare",
    "hw_cpu_cores": "5",
    "trait:STORAGE_DISK_SSD": "required",
    "os_distro": "debian",
    "speed": "fast",
    "owner": "somebody",
}


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """The identity service of the cloud, and the image service of its region `east`."""

    tokens: ClassVar[list[str]] = []
    said: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        self.tokens.append(self.headers["X-Auth-Token"])
        east = {"region_id": "east", "interface": "public", "url": f"http://{self.headers['Host']}/"}
        catalog = {
            "catalog": [{"type": "volume", "endpoints": [east]}, {"type": "image", "endpoints": [east]}]
        }
        answers = {
            "/v3/auth/catalog": json.dumps(catalog).encode(),
            f"/v2/images/{SOURCE}": json.dumps(self.said).encode(),
            f"/v2/images/{SOURCE}/file": DATA,
        }
        body = answers.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An image service whose identity service knows the other region."""
    Elsewhere.tokens, Elsewhere.said = [], dict(SAID)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield World(tmp_path, identity_url=f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    server.server_close()


def brought(world: World, image_id: str, **method: str) -> int:
    """Import the image of the other region, and return the status."""
    wish = {"name": "glance-download", "glance_image_id": SOURCE, "glance_region": "east", **method}
    return world.call("POST", f"/v2/images/{image_id}/import", {"method": wish}).status


def task_of(world: World, image_id: str) -> dict[str, Any]:
    found: dict[str, Any] = world.call("GET", f"/v2/images/{image_id}/tasks").json()["tasks"][0]
    return found


def test_data_formats_and_some_properties_come_along(world: World) -> None:
    """With the caller's token and nobody else's; what the image was said to be before gives way."""
    image_id = world.made(disk_format="iso", container_format="ovf", hw_cpu_cores="1", mine="kept")
    assert brought(world, image_id) == 202
    assert task_of(world, image_id)["status"] == "success"
    image = world.shown(image_id)
    assert (image["status"], image["disk_format"], image["container_format"]) == ("active", "raw", "bare")
    assert (image["hw_cpu_cores"], image["os_distro"], image["mine"]) == ("5", "debian", "kept")
    assert image["trait:STORAGE_DISK_SSD"] == "required"
    assert "speed" not in image
    assert image["owner"] != "somebody"
    assert world.call("GET", f"/v2/images/{image_id}/file").body == DATA
    assert len(set(Elsewhere.tokens)) == 1


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"glance_region": "west"}, {}),
        ({"glance_service_interface": "internal"}, {}),
        ({"glance_image_id": "c7edec8e-24b5-416a-9d42-b3e773bab62c"}, {}),
        ({}, {"status": "queued"}),
        ({}, {"disk_format": "odd"}),
        ({}, {"disk_format": "qcow2"}),
        ({}, {"os_hash_algo": "sha512", "os_hash_value": "0" * 128}),
    ],
    ids=["region", "interface", "image", "no data", "unknown format", "another format", "other bytes"],
)
def test_what_cannot_be_had_fails_the_task(
    world: World, method: dict[str, str], said: dict[str, str]
) -> None:
    """The image is queued again, and is what it was."""
    Elsewhere.said |= said
    image_id = world.made(disk_format="iso", hw_cpu_cores="1")
    assert brought(world, image_id, **method) == 202
    assert task_of(world, image_id)["status"] == "failure"
    image = world.shown(image_id)
    assert (image["status"], image["disk_format"], image["hw_cpu_cores"]) == ("queued", "iso", "1")


def test_what_is_no_image_of_another_region_is_refused_at_once(world: World) -> None:
    """An id that is none, a region that is not named."""
    image_id = world.made()
    assert brought(world, image_id, glance_image_id="foo") == 400
    wish = {"name": "glance-download", "glance_image_id": SOURCE}
    assert world.call("POST", f"/v2/images/{image_id}/import", {"method": wish}).status == 400
    assert world.shown(image_id)["status"] == "queued"
