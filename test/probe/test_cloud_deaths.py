"""The cloud's services are killed in the midst of what they do: a client sees how it ended, and may try again.

rounds by a seed: a deed begins ──▶ SIGKILL of one service at some moment ──▶ it starts again ──▶ all is settled
at the end everything is deleted ──▶ a sweep leaves neither blocks nor maps nor records

APUS_CLOUD_KILLS says how many rounds, APUS_SEED which ones.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import openstack
import pytest
from clusters import AllInOne, all_in_one
from fake_host import FakeHost, secrets_of
from keystoneauth1.exceptions import ClientException
from openstack.config import OpenStackConfig
from processes import kill_and_wait

from apus.common.errors import ApusError
from apus.compute.block.config import BlockConfig
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.sweeping import Sweeper
from apus.compute.store.account import Account
from apus.compute.store.config import StoreConfig

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("APUS_CLOUD_KILLS", "5"))
SEED = int(os.environ.get("APUS_SEED", "1"))
PATIENCE_SECONDS = 120.0
GRACE_SECONDS = 5.0
"""How long a client waits before it asks once more for what its services did not promise."""
BLOCK = 64 * 1024
DATA = random.Random(7).randbytes(24 * BLOCK) + bytes(8 * BLOCK)
SERVICES = ("image-server", "volume-server", "compute-server")
SETTINGS = {
    "image-server": {"block_size": BLOCK, "upload_lease_seconds": 2, "upkeep_seconds": 0.2},
    "volume-server": {"block_size": BLOCK, "poll_seconds": 0.1},
    "compute-server": {"sweep_seconds": 0.2},
}
PATHS = {
    "image": ("image", "/images", "/images"),
    "volume": ("block_storage", "/volumes", "/volumes/detail"),
    "snapshot": ("block_storage", "/snapshots", "/snapshots/detail"),
    "backup": ("block_storage", "/backups", "/backups/detail"),
    "server": ("compute", "/servers", "/servers/detail"),
}
GOOD = {
    "image": {"active"},
    "volume": {"available", "in-use"},
    "snapshot": {"available"},
    "backup": {"available"},
    "server": {"ACTIVE", "SHUTOFF"},  # A driver that runs nothing has forgotten what ran when it is killed.
}
FAILED = {"queued", "killed", "error", "error_restoring", "ERROR"}


@dataclass
class Cloud:
    """The services, a client of theirs, and a host that runs nothing."""

    cluster: AllInOne
    sdk: Any
    account: Account
    host: FakeHost

    def ask(self, service: str, method: str, path: str, document: Any = None, **more: Any) -> Any:
        """Send a request with openstacksdk; return the answer."""
        if service == "compute":
            more["microversion"] = "2.60"
        if service == "block_storage":
            more["microversion"] = "3.60"
        if document is not None:
            more["json"] = document
        return getattr(self.sdk, service).request(path, method, raise_exc=False, connect_retries=0, **more)

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Everything of a kind, as its owner sees it."""
        service, _, path = PATHS[kind]
        reply = self.ask(service, "GET", path)
        assert reply.status_code == 200, reply.text
        found: list[dict[str, Any]] = next(
            value for name, value in reply.json().items() if name == f"{kind}s"
        )
        return found

    def named(self, kind: str, name: str) -> dict[str, Any] | None:
        """The one of that name."""
        return next((each for each in self.all(kind) if each["name"] == name), None)

    def remove(self, kind: str, resource_id: str) -> None:
        """Ask for its removal."""
        service, path, _ = PATHS[kind]
        reply = self.ask(service, "DELETE", f"{path}/{resource_id}")
        assert reply.status_code in (202, 204, 404), (kind, reply.text)

    def settled(self) -> dict[str, list[dict[str, Any]]]:
        """Wait until nothing is being done any more; return what there is."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            everything = {kind: self.all(kind) for kind in PATHS}
            busy = [
                (kind, each["id"], each["status"])
                for kind, found in everything.items()
                for each in found
                if each["status"] not in GOOD[kind] | FAILED or each.get("OS-EXT-STS:task_state")
            ]
            if not busy:
                return everything
            assert time.monotonic() < deadline, f"still busy: {busy}"
            time.sleep(0.1)

    def kill(self, role: str) -> None:
        """End a service, or the agent, as a loss of power would."""
        if role == "agent":
            self.host.kill()
            return
        for pid in self.cluster.pids(role):
            kill_and_wait(pid)

    def revive(self) -> None:
        """Start what does not run."""
        self.cluster.run("up")
        self.host.start()

    def map_of(self, kind: str, resource_id: str) -> bytes:
        """The first bytes of a disk, read from the store by what its record says."""
        project = self.project()
        facts = project.records.get(f"{kind}s", resource_id)
        maps = project.maps
        return b"".join(read_range(maps, maps.load(facts["map_id"]), 0, len(DATA)))

    def project(self, **more: Any) -> Project:
        """The project's blocks, maps and records."""
        config = BlockConfig(block_size=BLOCK, sweep_grace_seconds=0, sweep_settle_seconds=0)
        return Project.open(self.account, str(self.sdk.current_project_id), config, **more)

    def left(self) -> list[str]:
        """What a sweep leaves in the store once no writer's lease is left."""
        later = self.project(clock=lambda: time.time() + 7200, sleep=lambda _: None)
        Sweeper(later.maps).run(PATIENCE_SECONDS)
        project_id = self.sdk.current_project_id
        names = [f"map {name}" for name in later.maps.list()]
        for kind in ("blocks", "records"):
            names += [f"{kind} {row.name}" for row in self.account.names(f"{project_id}-{kind}")]
        return names


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One cloud, quicker to notice deaths than an operator's."""
    with all_in_one(tmp_path_factory.mktemp("deaths"), nodes=1) as cluster:
        cluster.run("up", variables={"APUS_SERVICES": "all"})
        folder, facts, host = cluster.home / "cloud", cluster.status(), FakeHost(cluster)
        for role, options in SETTINGS.items():
            with (folder / "etc" / f"{role}.conf").open("r+") as conf:
                lines = [f"{name} = {value}\n" for name, value in options.items()]
                text = conf.read().replace(f"[app:{role}]\n", f"[app:{role}]\n{''.join(lines)}")
                conf.seek(0)
                conf.write(text)
            for pid in cluster.pids(role):
                kill_and_wait(pid)
        store = StoreConfig(
            store_auth_url=f"{facts['identity'].removesuffix('/v3')}/v3",
            store_auth_version="3",
            store_user="cloud",
            store_key=secrets_of(cluster)["cloud_password"],
        )
        config = OpenStackConfig(load_envvars=False, config_files=[str(cluster.home / "clouds.yaml")])
        with (
            closing(openstack.connection.Connection(config=config.get_one("demo"))) as sdk,
            closing(openstack.connection.Connection(config=config.get_one("admin"))) as admin,
        ):
            made = Cloud(cluster, sdk, Account(store), host)
            made.revive()
            admin.compute.create_flavor(id="1", name="tiny", ram=64, vcpus=1, disk=1)
            try:
                yield made
            finally:
                made.kill("agent")


Act = Callable[["Cloud", str, dict[str, str]], Any]


@dataclass(frozen=True)
class Deed:
    """Something that a client asks for: what comes of it, who works at it, and the request for it."""

    kind: str
    workers: tuple[str, ...]
    begin: Act
    prepare: Act | None = None
    """What has to be there first."""
    reached: Callable[[dict[str, Any] | None], bool] = lambda found: found is not None
    """Whether that is what the client wanted."""
    renews: bool = True
    """Whether who tries again removes first what came of it."""

    def done(self, cloud: Cloud, name: str, base: dict[str, str]) -> dict[str, Any] | None:
        """Do it with nobody being killed; return what came of it."""
        self.begin(cloud, name, base)
        found = self.ended(cloud, name, PATIENCE_SECONDS)
        assert self.is_good(found), found
        return found

    def ended(self, cloud: Cloud, name: str, seconds: float) -> dict[str, Any] | None:
        """Wait until it has ended well, or badly; return what has come of it."""
        deadline = time.monotonic() + seconds
        while True:
            cloud.settled()
            found = cloud.named(self.kind, name)
            is_over = (
                found is None or found["status"] in FAILED
            )  # A detached volume is in use until it is not.
            if self.is_good(found) or is_over or time.monotonic() > deadline:
                return found
            time.sleep(0.1)

    def is_good(self, found: dict[str, Any] | None) -> bool:
        """Whether it has ended well."""
        return (found is None or found["status"] in GOOD[self.kind]) and self.reached(found)


def _is(status: str) -> Callable[[dict[str, Any] | None], bool]:
    return lambda found: found is not None and found["status"] == status


def _posted(cloud: Cloud, service: str, path: str, document: Any) -> Any:
    reply = cloud.ask(service, "POST", path, document)
    assert reply.status_code < 300, reply.text
    return reply.json() if reply.content else None


def _upload(cloud: Cloud, name: str, _base: dict[str, str]) -> None:
    wish = {"name": name, "disk_format": "raw", "container_format": "bare"}
    found = cloud.named("image", name) or _posted(cloud, "image", "/images", wish)
    headers = {"Content-Type": "application/octet-stream"}
    reply = cloud.ask("image", "PUT", f"/images/{found['id']}/file", data=DATA, headers=headers)
    assert reply.status_code == 204, reply.text


def _volume(**source: str) -> Callable[[Cloud, str, dict[str, str]], None]:
    def begin(cloud: Cloud, name: str, base: dict[str, str]) -> None:
        more = {word: base[kind] for word, kind in source.items()}
        _posted(cloud, "block_storage", "/volumes", {"volume": {"name": name, "size": 1, **more}})

    return begin


def _snapshot(cloud: Cloud, name: str, base: dict[str, str]) -> None:
    wish = {"snapshot": {"name": name, "volume_id": base["volume"]}}
    _posted(cloud, "block_storage", "/snapshots", wish)


def _backup(cloud: Cloud, name: str, base: dict[str, str]) -> None:
    wish = {"backup": {"name": name, "volume_id": base["volume"], "incremental": "backup" in base}}
    _posted(cloud, "block_storage", "/backups", wish)


def _restore(cloud: Cloud, name: str, base: dict[str, str]) -> None:
    path = f"/backups/{base['backup']}/restore"
    _posted(cloud, "block_storage", path, {"restore": {"name": name}})


def _to_image(cloud: Cloud, name: str, base: dict[str, str]) -> None:
    action = {"os-volume_upload_image": {"image_name": name, "disk_format": "raw"}}
    _posted(cloud, "block_storage", f"/volumes/{base['volume']}/action", action)


def _boot(cloud: Cloud, name: str, base: dict[str, str]) -> None:
    wish = {"name": name, "imageRef": base["image"], "flavorRef": "1", "networks": "none"}
    _posted(cloud, "compute", "/servers", {"server": wish})


def _own_volume(cloud: Cloud, name: str, base: dict[str, str]) -> str:
    """A volume of that name, of the first one."""
    if cloud.named("volume", name) is None:
        _volume(source_volid="volume")(cloud, name, base)
        cloud.settled()
    found = cloud.named("volume", name)
    assert found is not None
    return str(found["id"])


def _attach(cloud: Cloud, name: str, base: dict[str, str]) -> None:
    wish = {"volumeAttachment": {"volumeId": _own_volume(cloud, name, base)}}
    _posted(cloud, "compute", f"/servers/{base['server']}/os-volume_attachments", wish)


def _attached(cloud: Cloud, name: str, base: dict[str, str]) -> None:
    _own_volume(cloud, name, base)
    _attach(cloud, name, base)
    cloud.settled()


def _detach(cloud: Cloud, name: str, base: dict[str, str]) -> None:
    path = f"/servers/{base['server']}/os-volume_attachments/{_own_volume(cloud, name, base)}"
    reply = cloud.ask("compute", "DELETE", path)
    assert reply.status_code in (202, 404), reply.text


def _extend(cloud: Cloud, name: str, base: dict[str, str]) -> None:
    path = f"/volumes/{_own_volume(cloud, name, base)}/action"
    _posted(cloud, "block_storage", path, {"os-extend": {"new_size": 2}})


def _delete(cloud: Cloud, name: str, _base: dict[str, str]) -> None:
    found = cloud.named("volume", name)
    if found is not None:
        cloud.remove("volume", found["id"])
        gone(cloud, "volume", found["id"])


def _running(cloud: Cloud, _name: str, base: dict[str, str]) -> None:
    """The server runs: a driver that runs nothing forgets its disks when it dies."""
    _posted(cloud, "compute", f"/servers/{base['server']}/action", {"reboot": {"type": "HARD"}})
    cloud.settled()


def _picture(cloud: Cloud, name: str, base: dict[str, str]) -> None:
    _posted(cloud, "compute", f"/servers/{base['server']}/action", {"createImage": {"name": name}})


HANDS = ("compute-server", "volume-server", "agent")
DEEDS = {
    "upload": Deed("image", ("image-server",), _upload, renews=False),
    "volume of an image": Deed("volume", ("volume-server", "image-server"), _volume(imageRef="image")),
    "volume of a snapshot": Deed("volume", ("volume-server",), _volume(snapshot_id="snapshot")),
    "snapshot": Deed("snapshot", ("volume-server",), _snapshot),
    "backup": Deed("backup", ("volume-server",), _backup),
    "restore": Deed("volume", ("volume-server",), _restore),
    "volume to image": Deed("image", ("volume-server", "image-server"), _to_image),
    "boot": Deed("server", ("compute-server", "agent", "image-server"), _boot),
    "picture of a server": Deed("image", ("compute-server", "image-server"), _picture, _running),
    "attach": Deed("volume", HANDS, _attach, _own_volume, _is("in-use"), renews=False),
    "detach": Deed("volume", HANDS, _detach, _attached, _is("available"), renews=False),
    "extend": Deed(
        "volume",
        ("volume-server",),
        _extend,
        _own_volume,
        lambda found: found is not None and found["size"] == 2,
        renews=False,
    ),
    "delete": Deed(
        "volume", ("volume-server",), _delete, _own_volume, lambda found: found is None, renews=False
    ),
}


def killed_in(cloud: Cloud, deed: Deed, name: str, base: dict[str, str], victim: str, delay: float) -> None:
    """Begin the deed, kill the victim a moment later, and start it again when the client has heard."""
    heard: list[BaseException] = []

    def client() -> None:
        try:
            deed.begin(cloud, name, base)
        except (ClientException, openstack.exceptions.SDKException, AssertionError) as problem:
            heard.append(problem)

    thread = threading.Thread(target=client)
    victims = [] if victim == "agent" else cloud.cluster.pids(victim)
    thread.start()
    time.sleep(delay)
    if victim == "agent":
        cloud.kill("agent")
    for pid in victims:
        kill_and_wait(pid)
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    cloud.revive()


def made_good(cloud: Cloud, deed: Deed, name: str, base: dict[str, str]) -> dict[str, Any] | None:
    """Look how it ended, and try again as a client would where it has not ended well; return what came of it."""
    found = deed.ended(cloud, name, GRACE_SECONDS)
    if deed.is_good(found):
        return found
    if found is not None and deed.renews:
        cloud.remove(deed.kind, found["id"])
        gone(cloud, deed.kind, found["id"])
    return deed.done(cloud, name, base)


def gone(cloud: Cloud, kind: str, resource_id: str) -> None:
    """Wait until it is not there any more."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(each["id"] == resource_id for each in cloud.all(kind)):
        assert time.monotonic() < deadline, f"{kind} {resource_id} does not go"
        time.sleep(0.1)


def holds_what_was_written(cloud: Cloud, kind: str, resource_id: str) -> bool:
    """Whether the thing's first bytes are those of the image that all began with."""
    if kind == "server":
        return True
    if kind != "image":
        return cloud.map_of(kind, resource_id) == DATA
    headers = {"Range": f"bytes=0-{len(DATA) - 1}"}
    return bool(cloud.ask("image", "GET", f"/images/{resource_id}/file", headers=headers).content == DATA)


def everything_deleted(cloud: Cloud) -> None:
    """Remove all, in an order in which that is allowed."""
    for kind in ("server", "snapshot", "backup", "volume", "image"):
        for each in cloud.all(kind):
            cloud.remove(kind, each["id"])
        for each in cloud.all(kind):
            gone(cloud, kind, each["id"])


def test_whoever_is_killed_leaves_what_can_be_tried_again(cloud: Cloud) -> None:
    """Each deed ends well, or so that the client sees it and tries again; no data are lost, nothing leaks."""
    rng = random.Random(SEED)
    base: dict[str, str] = {}
    for kind, first in (("image", "upload"), ("volume", "volume of an image"), ("snapshot", "snapshot"),
                       ("backup", "backup"), ("server", "boot")):  # fmt: skip
        made = DEEDS[first].done(cloud, f"base {kind}", base)
        assert made is not None
        base[kind] = made["id"]
    order = [*DEEDS] * (KILLS // len(DEEDS) + 1)
    rng.shuffle(order)
    for number, which in enumerate(order[:KILLS]):
        deed = DEEDS[which]
        victim, delay = rng.choice(deed.workers), rng.choice((0.0, 0.4)) * rng.random() + rng.random() * 0.05
        story = f"seed {SEED}, round {number}: {which}, {victim} killed after {delay:.3f} s"
        print(story, flush=True)
        if deed.prepare is not None:
            deed.prepare(cloud, f"round {number}", base)
        killed_in(cloud, deed, f"round {number}", base, victim, delay)
        found = made_good(cloud, deed, f"round {number}", base)
        assert found is None or holds_what_was_written(cloud, deed.kind, found["id"]), story
    everything_deleted(cloud)
    try:
        left = cloud.left()
    except ApusError as problem:
        pytest.fail(f"seed {SEED}: {problem}")
    assert left == [], f"seed {SEED}"
