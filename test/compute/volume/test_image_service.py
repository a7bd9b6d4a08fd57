"""Volumes and our image service together: the wire between them, spoken for real in one process."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from cloud import identity_of
from image_world import World as ImageWorld
from requests.adapters import BaseAdapter
from volume_world import BLOCK, VolumeWorld
from webob import Request

from apus.common.http.wsgi import WSGIApp
from apus.common.identity import Login, OwnToken
from apus.common.identity.asking import Heard
from apus.compute.volume.images import Images

DATA = b"image" * 5000


class InProcess(BaseAdapter):
    """Carries requests to applications of this process, by host."""

    def __init__(self, apps: Mapping[str, WSGIApp]) -> None:
        super().__init__()
        self._apps = apps

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Call the application and wrap what it answers."""
        url = urlsplit(str(request.url))
        body = request.body or b""
        assert isinstance(body, bytes), "nothing here is sent as a stream"
        asked = Request.blank(url.path, method=request.method, headers=dict(request.headers), body=body)
        answer = asked.get_response(self._apps[url.netloc])
        reply = requests.Response()
        reply.status_code, reply.url = answer.status_int, str(request.url)
        reply.headers.update(answer.headers)
        reply.raw = io.BytesIO(answer.body)
        return reply

    def close(self) -> None:
        """Nothing is open."""


class Cloud:
    """Both services on one store, and a door that gives the volume service's user a token."""

    def __init__(self, folder: Path) -> None:
        for name in ("image", "volume"):
            (folder / name).mkdir()
        self.images = ImageWorld(folder / "image")
        self.logins, self.last = 0, ""
        session = requests.Session()
        session.mount("http://", InProcess({"images": self.images.service}))
        login = Login(identity_url="http://identity/v3", user="cloud", password="k", project="service")
        client = Images("http://images", OwnToken(login, asking=self._log_in), session)
        self.volumes = VolumeWorld.open(folder / "volume", store=self.images.store, images=client)
        self.volumes.verifier = self.images.verifier
        self.volumes.service._verifier = self.images.verifier

    def _log_in(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Heard:
        self.logins += 1
        self.last = self.images.verifier.token_of(identity_of("service", ("service",), user="cloud"))
        lasts = {"issued_at": "2030-01-01T00:00:00.000000Z", "expires_at": "2030-01-01T01:00:00.000000Z"}
        return Heard(201, {"x-subject-token": self.last}, json.dumps({"token": lasts}).encode())


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


def test_an_image_becomes_a_volume_without_its_data_moving(cloud: Cloud) -> None:
    """The volume shares the image's blocks, in its own project or copied into it by the store."""
    image_id = cloud.images.active(DATA, as_=identity_of("p1"), name="base", os_distro="debian")
    received = cloud.images.store.bytes_out
    volume = cloud.volumes.volume(1, imageRef=image_id)
    assert volume["status"] == "available", cloud.volumes.asked("GET", "/messages")
    assert volume["volume_image_metadata"]["os_distro"] == "debian"
    assert cloud.images.store.bytes_out - received < len(DATA), "no block was read"
    map_id = cloud.volumes.row("volumes", volume["id"])["map_id"]
    assert cloud.volumes.blocks(map_id, 0)[0][: len(DATA)] == DATA
    assert cloud.logins == 1, "a token lasts for more than one request"


def test_an_image_that_the_user_may_not_see_is_not_there(cloud: Cloud) -> None:
    """The user's own token asks: the service's rights open nothing to him."""
    image_id = cloud.images.active(DATA, as_=identity_of("p2"))
    assert cloud.volumes.refused("POST", "/volumes", {"volume": {"size": 1, "imageRef": image_id}})[0] == 400


def test_a_volume_becomes_an_image_of_its_owner(cloud: Cloud) -> None:
    """It is active, the owner's, and its file is the volume, although no byte was sent."""
    volume_id = cloud.volumes.volume(1)["id"]
    cloud.volumes.write(volume_id, {0: b"v" * BLOCK})
    sent = cloud.images.store.bytes_in
    told = cloud.volumes.act(
        volume_id, "os-volume_upload_image", {"image_name": "made", "disk_format": "raw"}
    )
    cloud.volumes.settle()
    assert cloud.volumes.show("volume", volume_id)["status"] == "available"
    assert cloud.volumes.asked("GET", "/messages")["messages"] == []
    image = cloud.images.shown(told["os-volume_upload_image"]["image_id"])
    assert (image["status"], image["owner"], image["size"]) == ("active", "p1", 1 << 30)
    assert cloud.images.store.bytes_in - sent < 2 * BLOCK
    reply = cloud.images.call(
        "GET", f"/v2/images/{image['id']}/file", as_=identity_of("p1"), headers={"Range": f"bytes=0-{BLOCK}"}
    )
    assert reply.body == b"v" * BLOCK + b"\0"


def test_a_token_that_was_ended_is_replaced(cloud: Cloud) -> None:
    """The image service's 401 brings one log-in more, and the job goes on."""
    made = [cloud.images.active(DATA, as_=identity_of("p1"), name=name) for name in ("a", "b")]
    for count, image_id in enumerate(made, 1):
        assert cloud.volumes.volume(1, imageRef=image_id)["status"] == "available"
        assert cloud.logins == count
        cloud.images.verifier.forget(cloud.last)


def test_an_image_leaves_no_map_behind(cloud: Cloud) -> None:
    """The image has a map of its own; the one that it was made of goes, also where nobody was killed."""
    volume_id = cloud.volumes.volume(1)["id"]
    cloud.volumes.write(volume_id, {0: b"v" * BLOCK})
    before = cloud.volumes.map_ids()
    told = cloud.volumes.act(volume_id, "os-volume_upload_image", {"image_name": "m", "disk_format": "raw"})
    cloud.volumes.settle()
    image_id = told["os-volume_upload_image"]["image_id"]
    assert cloud.images.shown(image_id)["status"] == "active"
    assert cloud.volumes.map_ids() - before == {f"image-{image_id}-1"}
