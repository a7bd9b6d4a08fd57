"""Stock OpenStack Glance keeps its images in Apus.

Behind `make interop`, which installs Glance: its hundred packages would cost every run of the tests a minute and
a half.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
import requests
from clusters import AllInOne, free_port_block
from identity_front import identity_front
from programs import openstack
from stock_glance import CONTAINER, SEGMENT_BYTES, VENV, stock_glance

from apus.compute.store.account import Account
from apus.compute.store.config import StoreConfig

pytestmark = [
    pytest.mark.interop,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (VENV / "bin" / "glance-manage").exists(),
        reason="stock OpenStack Glance is not installed; run: .ci/install glance",
    ),
]
MIB = 1 << 20


class Hash(Protocol):
    """A sum under way."""

    def update(self, data: bytes, /) -> None:
        """Take more."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("glance")


@pytest.fixture(scope="module")
def account(shared_cluster: AllInOne, folder: Path) -> Iterator[Account]:
    """The account of Glance's store; Glance runs meanwhile."""
    port = free_port_block(3)
    conf = shared_cluster.home / "proxy" / "etc" / "proxy-server.conf"
    image = f"image=http://127.0.0.1:{port + 2}"
    with (
        identity_front(conf, folder, port=port, identity_port=port + 1, others=(image,)) as front,
        stock_glance(front, folder, port=port + 2),
    ):
        yield Account(
            StoreConfig(
                store_auth_url=front.identity,
                store_auth_version="3",
                store_user="cloud",
                store_key="cloud-password",
            )
        )


@pytest.fixture(scope="module")
def environment(folder: Path) -> dict[str, str]:
    """What `openstack` reads."""
    return {**os.environ, "OS_CLIENT_CONFIG_FILE": str(folder / "clouds.yaml"), "OS_CLOUD": "demo"}


def pieces(size: int, whole: Hash) -> Iterator[bytes]:
    """That many bytes, a MiB at a time; their sum is in `whole` afterwards."""
    rng = random.Random(size)
    for start in range(0, size, MIB):
        piece = rng.randbytes(min(MIB, size - start))
        whole.update(piece)
        yield piece


def held(account: Account) -> list[str]:
    """The objects that Glance has in the store."""
    return sorted(row.name for row in account.names(CONTAINER))


def parts(image_id: str, size: int) -> list[str]:
    """The objects of one image: a manifest and its segments."""
    return [image_id, *(f"{image_id}-{number:05}" for number in range(1, -(-size // SEGMENT_BYTES) + 1))]


def test_a_large_image_goes_up_and_down(account: Account, folder: Path, environment: dict[str, str]) -> None:
    """300 MB in three segments: uploaded, listed, downloaded whole, deleted; no segment is left.

    Its length is a whole number of segments, for this Glance announces the last one as long as the others
    whenever it knows the image's size, and then waits with any Swift for bytes that never come.
    """
    size, whole, back = 3 * SEGMENT_BYTES, hashlib.sha512(), hashlib.sha512()
    with (folder / "disk.raw").open("wb") as disk:
        disk.writelines(pieces(size, whole))
    made, listed, shown = openstack(
        environment,
        (
            "image create --disk-format raw --container-format bare --file disk.raw large -f json",
            "image list -f json",
            "image show large -f json",
        ),
        cwd=folder,
    )
    assert [(row["Name"], row["Status"]) for row in listed] == [("large", "active")]
    assert (shown["size"], shown["properties"]["os_hash_value"]) == (size, whole.hexdigest())
    assert held(account) == parts(made["id"], size)
    openstack(environment, ("image save --file back.raw large", "image delete large"), cwd=folder)
    with (folder / "back.raw").open("rb") as saved:
        while piece := saved.read(MIB):
            back.update(piece)
    assert back.hexdigest() == whole.hexdigest()
    assert held(account) == []
    assert openstack(environment, ("image list -f json",), cwd=folder) == [[]]


def test_an_image_of_unknown_length_goes_up_and_down(account: Account, environment: dict[str, str]) -> None:
    """Sent in chunks, as python-glanceclient does it: any length will do, and comes back whole."""
    size, whole, back = SEGMENT_BYTES + 12345, hashlib.sha512(), hashlib.sha512()
    token, listed = openstack(environment, ("token issue -f json", "catalog list -f json"))
    (url,) = (
        place["url"]
        for service in listed
        if service["Type"] == "image"
        for place in service["Endpoints"]
        if place["interface"] == "public"
    )
    headers = {"X-Auth-Token": token["id"]}
    document = {"name": "odd", "disk_format": "raw", "container_format": "bare"}
    image_id = requests.post(f"{url}/v2/images", json=document, headers=headers, timeout=60).json()["id"]
    place = f"{url}/v2/images/{image_id}/file"
    octets = {**headers, "Content-Type": "application/octet-stream"}
    assert requests.put(place, data=pieces(size, whole), headers=octets, timeout=600).status_code == 204
    assert held(account) == parts(image_id, size)
    with requests.get(place, headers=headers, timeout=600, stream=True) as reply:
        for piece in reply.iter_content(MIB):
            back.update(piece)
    assert back.hexdigest() == whole.hexdigest()
    assert requests.delete(f"{url}/v2/images/{image_id}", headers=headers, timeout=60).status_code == 204
    assert held(account) == []
