"""The whole cloud on one machine, with OpenStack's own clients: what is deleted comes back from its backup."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import openstack
import pytest
from botocore.client import Config
from clusters import AllInOne, all_in_one
from openstack.config import OpenStackConfig
from processes import kill_and_wait
from programs import openstack as command
from store import Client, Store

MiB = 1024 * 1024
DISK = os.urandom(5 * MiB) + bytes(3 * MiB)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllInOne]:
    """A store that ran already, and was given the rest."""
    with all_in_one(tmp_path_factory.mktemp("cloud"), nodes=1) as cluster:
        cluster.run("up", variables={"APUS_SERVICES": "all"})
        yield cluster


@pytest.fixture(scope="module")
def demo(cloud: AllInOne) -> Iterator[Any]:
    """openstacksdk, as the user demo of clouds.yaml."""
    with closing(connection(cloud, "demo")) as made:
        yield made


def connection(cloud: AllInOne, user: str) -> Any:
    config = OpenStackConfig(load_envvars=False, config_files=[str(cloud.home / "clouds.yaml")])
    return openstack.connection.Connection(config=config.get_one(user))


def test_every_service_runs_and_is_found(cloud: AllInOne, demo: Any) -> None:
    """By `status`, by the catalogue, and a second `up` changes nothing."""
    facts = cloud.status()
    for name in ("identity", "image", "volume", "compute", "network"):
        assert facts[name].startswith("http://127.0.0.1:"), name
    kinds = {
        service["type"] for service in demo.session.auth.get_access(demo.session).service_catalog.catalog
    }
    assert kinds >= {"identity", "object-store", "image", "block-storage", "compute", "network"}
    assert "nothing changed" in cloud.run("up", variables={"APUS_SERVICES": "all"})
    (said,) = command(environment(cloud), ["token issue -f json"])
    assert said["project_id"] == demo.current_project_id


def environment(cloud: AllInOne) -> dict[str, str]:
    return {**os.environ, "OS_CLIENT_CONFIG_FILE": str(cloud.home / "clouds.yaml"), "OS_CLOUD": "demo"}


def test_a_deleted_volume_comes_back_from_its_backup(cloud: AllInOne, demo: Any, tmp_path: Path) -> None:
    """Image, volume of it, backup; image and volume deleted; restored, made an image again: the same bytes."""
    path = tmp_path / "disk.raw"
    path.write_bytes(DISK)
    image = demo.create_image(
        "disk", filename=str(path), disk_format="raw", container_format="bare", wait=True
    )
    volume = demo.create_volume(size=1, image=image.id, wait=True, timeout=120)
    backup = demo.create_volume_backup(volume.id, wait=True, timeout=120)
    demo.delete_image(image.id, wait=True)
    assert demo.delete_volume(volume.id, wait=True, timeout=120)
    restored_id = demo.block_storage.restore_backup(backup.id, name="again").volume_id
    again = demo.block_storage.get_volume(restored_id)
    demo.block_storage.wait_for_status(again, "available", failures=["error"], interval=0.3, wait=120)
    made = demo.block_storage.upload_volume_to_image(
        again, "back", disk_format="raw", container_format="bare"
    )["image_id"]
    demo.image.wait_for_status(demo.image.get_image(made), "active", interval=0.3, wait=120)
    assert ranged(demo, made, 0, len(DISK)) == DISK
    assert demo.image.get_image(made).size == 1024 * MiB
    assert not any(ranged(demo, made, 1023 * MiB, MiB))


def ranged(demo: Any, image_id: str, start: int, length: int) -> bytes:
    """Some bytes of an image."""
    asked = {"Range": f"bytes={start}-{start + length - 1}"}
    reply = demo.image.get(f"/images/{image_id}/file", headers=asked)
    assert reply.status_code == 206, reply
    data: bytes = reply.content
    return data


def test_lost_catalogues_are_made_again(cloud: AllInOne, demo: Any, tmp_path: Path) -> None:
    """Of images and volumes, by what the store knows; their data are where they were."""
    path = tmp_path / "small.raw"
    path.write_bytes(DISK[:MiB])
    image = demo.create_image(
        "kept", filename=str(path), disk_format="raw", container_format="bare", wait=True
    )
    volume = demo.create_volume(size=1, image=image.id, name="kept", wait=True, timeout=120)
    folder = cloud.home / "cloud"
    for role in ("image-server", "volume-server"):
        for pid in cloud.pids(role):
            kill_and_wait(pid)
    for lost in (*folder.glob("image.db*"), *folder.glob("volume.db*")):
        lost.unlink()
    confs = [str(folder / "etc" / f"{name}-server.conf") for name in ("image", "volume")]
    done = subprocess.run(
        [sys.executable, "-m", "apus.bin.cloud", "rebuild", *confs],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cloud.run("up")
    assert demo.image.get_image(image.id).status == "active"
    assert ranged(demo, image.id, 0, MiB) == DISK[:MiB]
    assert demo.block_storage.get_volume(volume.id).status == "available"
    assert demo.delete_volume(volume.id, wait=True, timeout=120)


def s3_client(cloud: AllInOne, access: str, secret: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=cloud.store.endpoint,
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


def test_both_kinds_of_users_have_the_store(cloud: AllInOne, demo: Any) -> None:
    """Tokens and access keys of the cloud, beside the store's own users; neither gets into the other's."""
    demo.object_store.create_container("documents")
    demo.object_store.upload_object("documents", "one", data=b"hello")
    key = demo.identity.post(
        f"/users/{demo.current_user_id}/credentials/OS-EC2", json={"tenant_id": demo.current_project_id}
    ).json()["credential"]
    s3 = s3_client(cloud, key["access"], key["secret"])
    assert s3.get_object(Bucket="documents", Key="one")["Body"].read() == b"hello"
    tester = cloud.store.client()
    with tester.container() as name:
        assert s3_client(cloud, "test:tester", "testing").head_bucket(Bucket=name)
        assert name not in [each["Name"] for each in s3.list_buckets()["Buckets"]]
        others = Client(Store(cloud.store.endpoint), tester.account_path, {"X-Auth-Token": demo.auth_token})
        assert others.get(name).status == 403
    theirs = Client(tester.store, f"/v1/PROJECT_{demo.current_project_id}", tester.headers)
    assert theirs.get("documents").status == 403
