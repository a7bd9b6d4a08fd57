"""No project sees, takes or changes another's things: all ids that one could name, at the running services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import openstack
import pytest
from clusters import AllInOne, all_in_one
from fake_host import FakeHost, secrets_of
from openstack.config import OpenStackConfig
from trespasses import REFUSALS, asked, everything, is_refused, made, tries

from apus.compute.store.account import Account
from apus.compute.store.config import StoreConfig

LISTS = {
    "image": ("/images?visibility=all", "/images?owner=<project>", "/images?member_status=all"),
    "block_storage": tuple(
        f"/{kind}/detail{query}"
        for kind in ("volumes", "snapshots", "backups", "attachments", "volume-transfers")
        for query in ("", "?all_tenants=1", "?all_tenants=1&project_id=<project>")
    ),
    "compute": (
        "/servers/detail?all_tenants=1",
        "/servers/detail?project_id=<project>",
        "/os-server-groups?all_projects=true",
        "/os-keypairs",
        "/os-volumes/detail",
        "/os-security-groups?all_tenants=1",
    ),
    "identity": ("/credentials", "/credentials?user_id=<user>", "/users/<user>/credentials/OS-EC2"),
    "network": tuple(
        f"/{kind}?project_id=<project>"
        for kind in ("networks", "subnets", "ports", "routers", "security-groups", "security-group-rules")
    ),
}


@dataclass
class Two:
    """Two projects of one cloud with one of each kind of thing, and all ids."""

    cluster: AllInOne
    owner: Any
    stranger: Any
    ids: dict[str, str]
    service_project: str


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """A cloud whose hosts run nothing."""
    with all_in_one(tmp_path_factory.mktemp("isolation"), nodes=1) as cluster:
        cluster.run("up", variables={"APUS_SERVICES": "all"})
        config = OpenStackConfig(load_envvars=False, config_files=[str(cluster.home / "clouds.yaml")])
        with closing(openstack.connection.Connection(config=config.get_one("admin"))) as admin:
            admin.compute.create_flavor(name="isolated", id="isolated", ram=64, vcpus=1, disk=1)
            service_project = stranger_made(admin)
        facts = config.get_one("demo").config["auth"]
        strange = {"username": "stranger", "password": "strange-password", "project_name": "strangers"}
        with (
            closing(openstack.connection.Connection(config=config.get_one("demo"))) as owner,
            closing(openstack.connect(load_envvars=False, load_yaml_config=False, auth={**facts, **strange},
                                      region_name="RegionOne", identity_api_version="3")) as stranger,
        ):  # fmt: skip
            host = FakeHost(cluster)
            host.start()
            try:
                ids = {**everything(owner), **everything(stranger, "my_")}
                yield Two(cluster, owner, stranger, ids, service_project)
            finally:
                host.kill()


def stranger_made(admin: Any) -> str:
    """Make the other project and its user; return the id of the services' project."""
    user = {"name": "stranger", "password": "strange-password", "domain_id": "default"}
    user_id = made(admin, "identity", "/users", {"user": user})["id"]
    project_id = made(admin, "identity", "/projects", {"project": {"name": "strangers"}})["id"]
    (role,) = asked(admin, "identity", "GET", "/roles?name=member").json()["roles"]
    path = f"/projects/{project_id}/users/{user_id}/roles/{role['id']}"
    assert asked(admin, "identity", "PUT", path).status_code == 204
    (service,) = asked(admin, "identity", "GET", "/projects?name=service").json()["projects"]
    return str(service["id"])


def test_every_try_is_refused_and_changes_nothing(two: Two) -> None:
    """Another project's ids in paths and bodies lead nowhere, and what they name is as it was."""
    before = seen(two)
    came_through = []
    for each in tries():
        attempt = each.filled(two.ids)
        reply = asked(two.stranger, attempt.service, attempt.method, attempt.path, attempt.document)
        if not is_refused(each.service, reply.status_code):
            came_through.append(f"{reply.status_code} {each}: {reply.text[:200]}")
    assert not came_through, "\n".join(came_through)
    assert seen(two) == before


def seen(two: Two) -> dict[str, Any]:
    """What the owner sees of his things."""
    found = {}
    for service, path in (
        ("image", "/images/<image>"),
        ("block_storage", "/volumes/<volume>"),
        ("block_storage", "/volumes/<offered>"),
        ("block_storage", "/snapshots/<snapshot>"),
        ("block_storage", "/backups/<backup>"),
        ("block_storage", "/attachments/<attachment>"),
        ("compute", "/servers/<server>/metadata"),
        ("compute", "/os-server-groups/<server_group>"),
        ("compute", "/os-keypairs/<keypair>"),
        ("network", "/networks/<network>"),
        ("network", "/subnets/<subnet>"),
        ("network", "/ports/<port>"),
        ("network", "/routers/<router>"),
        ("network", "/security-groups/<security_group>"),
    ):
        reply = asked(two.owner, service, "GET", filled(path, two.ids))
        assert reply.status_code == 200, f"{path}: {reply.text}"
        found[path] = reply.json()
    return found


def filled(text: str, ids: dict[str, str]) -> str:
    """Put the ids into their places."""
    for name, each in ids.items():
        text = text.replace(f"<{name}>", each)
    return text


def test_lists_name_nothing_of_others(two: Two) -> None:
    """Whatever is asked of a list: no id of the other project's is in it."""
    theirs = {
        each
        for name, each in two.ids.items()
        if not name.startswith("my_") and name not in ("project", "user", "keypair")
    }
    for service, paths in LISTS.items():
        for path in paths:
            reply = asked(two.stranger, service, "GET", filled(path, two.ids))
            assert reply.status_code in {200, *REFUSALS}, f"{path}: {reply.text}"
            named = [each for each in theirs if each in reply.text] if reply.status_code == 200 else []
            assert named == [], path


def test_the_blocks_are_nobodys_but_the_services(two: Two) -> None:
    """Neither a stranger nor their owner reads, lists or writes the containers that disks are kept in."""
    identity = two.cluster.status()["identity"].removesuffix("/v3") + "/v3"
    service = Account(
        StoreConfig(
            store_auth_url=identity, store_auth_version="3", store_user="cloud",
            store_key=secrets_of(two.cluster)["cloud_password"], store_project="service",
        )
    )  # fmt: skip
    container = f"{two.ids['project']}-blocks"
    block = next(iter(service.names(container))).name
    service_url = f"{two.cluster.store.endpoint}/v1/AUTH_{two.service_project}"
    for sdk in (two.stranger, two.owner):
        headers = {"X-Auth-Token": sdk.auth_token}
        for method, path in (
            ("GET", ""),
            ("GET", f"/{container}"),
            ("GET", f"/{container}/{block}"),
            ("HEAD", f"/{container}/{block}"),
            ("PUT", f"/{container}/{block}"),
            ("POST", f"/{container}"),
            ("DELETE", f"/{container}/{block}"),
        ):
            reply = sdk.session.request(
                service_url + path, method, raise_exc=False, headers=headers, authenticated=False
            )
            assert reply.status_code == 403, f"{method} {path}: {reply.status_code}"
    assert service.read(container, block)


def test_a_token_is_its_owners(two: Two) -> None:
    """Nobody reads or ends another's token; a token for one project opens no URL of another."""
    shown = {"X-Subject-Token": two.owner.auth_token}
    for method in ("GET", "HEAD", "DELETE"):
        reply = asked(two.stranger, "identity", method, "/auth/tokens", headers=shown)
        assert reply.status_code in {403, 404}
    assert asked(two.owner, "identity", "GET", "/auth/tokens", headers=shown).status_code == 200
    endpoint = two.owner.block_storage.get_endpoint()
    assert two.ids["project"] in endpoint
    reply = two.stranger.session.request(
        f"{endpoint}/volumes", "GET", raise_exc=False, headers={"X-Auth-Token": two.stranger.auth_token}
    )
    assert reply.status_code in REFUSALS
