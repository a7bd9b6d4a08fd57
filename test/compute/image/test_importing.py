"""Laws of imports, through WSGI: staged data, the web, and tasks that tell what came of it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from image_world import ADMIN, BOB, World

from apus.common.errors import Unavailable

DATA = b"0123456789" * 2000


class Web(http.server.BaseHTTPRequestHandler):
    """Serves one file, and one that breaks off."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA) + (5 if "short" in self.path else 0)))
        self.end_headers()
        self.wfile.write(DATA)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A web server of this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def world(tmp_path: Path, port: int) -> World:
    world = World(tmp_path, web_download_ports=("80", str(port)), web_download_networks=("127.0.0.1/32",))
    world.addresses = {"mirror": ["127.0.0.1"], "inner": ["10.0.0.1"]}
    return world


def begin(world: World, image_id: str, name: str, as_: Any = None, **method: Any) -> int:
    document = {"method": {"name": name, **method}, "all_stores_must_succeed": True}
    return world.call("POST", f"/v2/images/{image_id}/import", document, as_=as_ or ADMIN).status


def last_task(world: World, image_id: str) -> dict[str, Any]:
    found: dict[str, Any] = world.call("GET", f"/v2/images/{image_id}/tasks", as_=ADMIN).json()["tasks"][0]
    return found


def test_staged_data_becomes_the_image(world: World) -> None:
    """uploading, importing, active; the data is not stored a second time, and the task says success."""
    world.later = []
    image_id = world.made()
    assert begin(world, image_id, "glance-direct") == 409
    assert world.upload(image_id, DATA, stage=True).status == 204
    assert world.shown(image_id)["status"] == "uploading"
    assert world.call("GET", f"/v2/images/{image_id}/file").status == 204
    assert world.upload(image_id, DATA).status == 409
    assert begin(world, image_id, "glance-direct") == 202
    assert world.shown(image_id)["status"] == "importing"
    assert last_task(world, image_id)["status"] == "processing"
    sent = world.store.bytes_in
    world.later.pop()()
    assert world.store.bytes_in - sent < 3000
    assert world.shown(image_id)["status"] == "active"
    assert last_task(world, image_id)["status"] == "success"
    assert world.call("GET", f"/v2/images/{image_id}/file").body == DATA
    task = world.call("GET", f"/v2/tasks/{last_task(world, image_id)['id']}", as_=ADMIN).json()
    assert task["result"] == {"image_id": image_id}
    assert len(world.call("GET", "/v2/tasks?status=success&limit=5", as_=ADMIN).json()["tasks"]) == 1


def test_staged_data_that_is_refused_is_staged_anew(world: World) -> None:
    """The task fails with the reason; the image waits for other data."""
    image_id = world.made(disk_format="qcow2")
    world.upload(image_id, DATA, stage=True)
    assert begin(world, image_id, "glance-direct") == 202
    assert "disk_format" in last_task(world, image_id)["message"]
    assert world.shown(image_id)["status"] == "queued"
    assert world.upload(image_id, DATA, stage=True).status == 204


def test_an_import_that_found_the_store_silent_is_begun_anew(world: World) -> None:
    """The staged data is still there."""
    image_id = world.made()
    world.upload(image_id, DATA, stage=True)
    world.store.failures["read"] = [Unavailable("gone")]
    assert begin(world, image_id, "glance-direct") == 202
    assert last_task(world, image_id)["status"] == "failure"
    assert world.shown(image_id)["status"] == "uploading"
    assert begin(world, image_id, "glance-direct") == 202
    assert world.call("GET", f"/v2/images/{image_id}/file").body == DATA


def test_the_web_becomes_an_image(world: World, port: int) -> None:
    """With its sums."""
    image_id = world.made()
    assert begin(world, image_id, "web-download", uri=f"http://mirror:{port}/file") == 202
    assert last_task(world, image_id)["status"] == "success"
    assert world.call("GET", f"/v2/images/{image_id}/file").body == DATA
    assert world.shown(image_id)["checksum"]


@pytest.mark.parametrize("path", ["http://inner/x", "http://mirror:{port}/short", "http://169.254.169.254/x"])
def test_what_cannot_be_fetched_fails_its_task(world: World, port: int, path: str) -> None:
    """The image is queued again, and nothing is left of what came."""
    image_id = world.made()
    assert begin(world, image_id, "web-download", uri=path.format(port=port)) == 202
    assert last_task(world, image_id)["status"] == "failure"
    assert last_task(world, image_id)["message"]
    assert world.shown(image_id)["status"] == "queued"
    assert not [name for name in world.kept() if not name.startswith("blocks/")]


@pytest.mark.parametrize(
    "uri", ["ftp://mirror/x", "http://mirror:22/x", "http://0x7f.1/x", "http://u:p@mirror/x", None, 5]
)
def test_uris_that_are_never_fetched_are_refused_at_once(world: World, uri: object) -> None:
    """400, and the image is as it was."""
    image_id = world.made()
    assert begin(world, image_id, "web-download", uri=uri) == 400
    assert world.shown(image_id)["status"] == "queued"


def test_methods_stores_and_rights(world: World) -> None:
    """Unknown methods and stores are 400, others' images 404; a copy to the one store is done at once."""
    image_id = world.active(DATA)
    assert begin(world, image_id, "glance-upload") == 400
    assert begin(world, image_id, "glance-direct") == 409
    assert begin(world, image_id, "copy-image", as_=BOB) == 404
    assert begin(world, image_id, "copy-image") == 202
    assert last_task(world, image_id)["status"] == "success"
    assert begin(world, world.made(), "copy-image") == 409
    bad = {"method": {"name": "copy-image"}, "stores": ["other"]}
    assert world.call("POST", f"/v2/images/{image_id}/import", bad).status == 400
    assert world.call("POST", f"/v2/images/{image_id}/import", {}).status == 400
