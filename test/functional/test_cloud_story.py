"""What the cloud is for, in one story: a server and a volume are used, deleted, and both come back.

By the unmodified `openstack`, on an all-in-one that runs real machines on this one.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import openstack
import pytest
from clusters import AllInOne, all_in_one
from guest_disk import guest_disk
from openstack.config import OpenStackConfig
from programs import openstack as command
from programs import run
from terminals import console

from apus.bin.allinone import hosting
from apus.bin.allinone.layout import COMPUTE_AGENT, NETWORK_AGENT

PATIENCE_SECONDS = 180
LOOK_SECONDS = 0.3
PORT = 7
SERVER = "server create --image {image} --flavor m1.nano --network private {name} -f json"


class Story:
    """A cloud, as the user demo uses it."""

    def __init__(self, cloud: AllInOne) -> None:
        clouds = cloud.home / "clouds.yaml"
        self._environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(clouds), "OS_CLOUD": "demo"}
        config = OpenStackConfig(load_envvars=False, config_files=[str(clouds)])
        self.sdk: Any = openstack.connection.Connection(config=config.get_one("demo"))

    def does(self, *commands: str) -> list[Any]:
        """Run commands of `openstack`; return what they printed."""
        return command(self._environment, commands)

    def reads(self, *words: str) -> str:
        """Run one command that prints no JSON."""
        program = str(Path(sys.executable).with_name("openstack"))
        return run([program, *words], {**self._environment, "PYTHONWARNINGS": "ignore"}, None)

    def waits(self, look: Callable[[], Mapping[str, Any] | None], status: str) -> Mapping[str, Any]:
        """Wait until a thing has a status; return it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            seen = look()
            if seen is not None and str(seen["status"]).lower() == status:
                return seen
            is_wrong = seen is not None and "error" in str(seen["status"]).lower()
            assert not is_wrong, f"wanted {status}: {seen}"
            assert time.monotonic() < end, f"wanted {status}: {seen}"
            time.sleep(LOOK_SECONDS)

    def runs(self, name: str) -> Mapping[str, Any]:
        """Wait until the server runs and its guest is ready; return the server."""
        server = self.waits(lambda: self.sdk.compute.find_server(name, ignore_missing=False), "active")
        end = time.monotonic() + PATIENCE_SECONDS
        while "APUS-GUEST READY" not in (text := self.printed(str(server["id"]))):
            assert time.monotonic() < end, f"{name} printed only {text[-2000:]!r}"
            time.sleep(LOOK_SECONDS)
        return server

    def printed(self, server_id: str) -> str:
        """What the server's guest has printed so far."""
        return str(self.sdk.compute.get_server_console_output(server_id)["output"])

    def terminal(self, name: str) -> Any:
        """Open the server's serial console."""
        (said,) = self.does(f"console url show --serial {name} -f json")
        return console(said["url"])

    def is_gone(self, look: Callable[[], Any]) -> None:
        """Wait until a thing is not there any more."""
        end = time.monotonic() + PATIENCE_SECONDS
        while (seen := look()) is not None:
            assert time.monotonic() < end, f"it is still there: {seen}"
            time.sleep(LOOK_SECONDS)


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny guest's disk."""
    return guest_disk(tmp_path_factory)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllInOne]:
    """An all-in-one that runs servers; it leaves nothing on the machine."""
    for role in (COMPUTE_AGENT, NETWORK_AGENT):
        if why := hosting.obstacles().get(role):
            pytest.skip(f"{role} cannot run here: {why}")
    with all_in_one(tmp_path_factory.mktemp("story"), nodes=1, agents=True) as cluster:
        said = cluster.run("up", variables={"APUS_SERVICES": "all"})
        assert "nothing is heard" not in said, said
        yield cluster
        spaces = [f"qdhcp-{each.id}" for each in Story(cluster).sdk.network.networks()]
        cluster.down()
        left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
        assert not [space for space in spaces if space in left]


def test_what_is_deleted_comes_back(cloud: AllInOne, guest: Path) -> None:
    """Server and volume, with what was written to them while they ran: deleted, and back from picture and backup."""
    story = Story(cloud)
    floating, *_ = story.does(
        "floating ip create public -f json",
        f"security group rule create default --protocol tcp --dst-port {PORT} -f json",
        f"image create --disk-format raw --container-format bare --file {guest} tiny -f json",
        "volume create --size 1 papers -f json",
        SERVER.format(image="tiny", name="first"),
    )
    first = story.runs("first")
    log = story.reads("console", "log", "show", "first")
    assert f"APUS-GUEST METADATA uuid={first['id']} name=first" in log
    assert "APUS-GUEST ADDRESS 10.0.0." in log
    address = floating["floating_ip_address"]
    story.does(f"server add floating ip first {address}", "server add volume first papers -f json")
    with story.terminal("first") as terminal:
        terminal.do(f"(nc -ll -p {PORT} -e echo hello from first >/dev/null 2>&1 &)")
        assert heard(address) == "hello from first\n"
        terminal.do("until [ -b /dev/vdb ]; do sleep 1; done; mkdosfs /dev/vdb")
        terminal.do("mkdir /papers; mount -t vfat /dev/vdb /papers; echo deed > /papers/deed; sync")
        terminal.do("echo dear > /disk/letter; sync")
    story.does(
        "volume backup create --force --name kept papers -f json",
        "server image create --name picture first -f json",
    )
    story.waits(lambda: story.sdk.image.find_image("picture"), "active")
    story.waits(lambda: story.sdk.block_storage.find_backup("kept"), "available")
    assert story.sdk.compute.get_server(first["id"])["status"] == "ACTIVE"
    assert story.printed(str(first["id"])).count("APUS-GUEST BOOTING") == 1
    story.does("server delete first", "image delete tiny")
    story.is_gone(lambda: story.sdk.compute.find_server("first"))
    story.waits(lambda: story.sdk.block_storage.find_volume("papers"), "available")
    story.does("volume delete papers")
    story.is_gone(lambda: story.sdk.block_storage.find_volume("papers"))
    story.does("volume backup restore kept again -f json", SERVER.format(image="picture", name="second"))
    second = story.runs("second")
    story.waits(lambda: story.sdk.block_storage.find_volume("again"), "available")
    assert "APUS-GUEST BOOTS 2" in story.printed(str(second["id"]))
    story.does("server add volume second again -f json")
    with story.terminal("second") as terminal:
        assert "dear" in terminal.do("cat /disk/letter").splitlines()
        terminal.do("until [ -b /dev/vdb ]; do sleep 1; done; mkdir /papers; mount -t vfat /dev/vdb /papers")
        assert "deed" in terminal.do("cat /papers/deed").splitlines()


def heard(address: str) -> str:
    """What a guest says to whoever connects, once it is reached."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with socket.create_connection((address, PORT), timeout=10) as connection:
                return connection.recv(100).decode()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(LOOK_SECONDS)
