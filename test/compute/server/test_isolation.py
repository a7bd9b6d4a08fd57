"""No project reaches another's servers; no host another host's; nobody the guests' metadata."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cloud import call
from servers import METADATA_SECRET, VOLUME, Cloud

from apus.compute.server.keys import host_key, metadata_mark


@pytest.fixture(scope="module")
def cloud(database: object, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    return Cloud(tmp_path_factory.mktemp("isolation"), hosts=("host-a", "host-b"))


@pytest.fixture(scope="module")
def server_id(cloud: Cloud) -> str:
    made = cloud.boot(metadata={"secret": "p1's"})
    cloud.work("host-b")
    return made


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("GET", "", None),
        ("PUT", "", {"server": {"name": "mine"}}),
        ("DELETE", "", None),
        ("POST", "/action", {"os-stop": None}),
        ("POST", "/action", {"createImage": {"name": "stolen"}}),
        ("POST", "/action", {"os-getConsoleOutput": {}}),
        ("GET", "/metadata", None),
        ("PUT", "/metadata", {"metadata": {}}),
        ("GET", "/ips", None),
        ("GET", "/os-interface", None),
        ("POST", "/os-interface", {"interfaceAttachment": {}}),
        ("GET", "/os-volume_attachments", None),
        ("POST", "/os-volume_attachments", {"volumeAttachment": {"volumeId": VOLUME}}),
        ("GET", "/os-instance-actions", None),
        ("GET", "/os-security-groups", None),
        ("POST", "/remote-consoles", {"remote_console": {"protocol": "vnc", "type": "novnc"}}),
    ],
)
def test_another_projects_server_is_not_there(
    cloud: Cloud, server_id: str, method: str, path: str, document: Any
) -> None:
    """404, as for one that never was: not even its being is told."""
    version = "2.25"
    status, _ = cloud.ask(
        method, f"/servers/{server_id}{path}", document, token=cloud.stranger, version=version
    )
    assert status == 404


def test_lists_show_ones_own(cloud: Cloud, server_id: str) -> None:
    """A stranger's list is empty, whatever it asks for; only administrators see all."""
    for query in ("", "?all_tenants=1", "?project_id=p1", f"?uuid={server_id}", "?deleted=1"):
        assert cloud.ask("GET", f"/servers{query}", token=cloud.stranger)[1]["servers"] == []
    assert len(cloud.ask("GET", "/servers?all_tenants=1", token=cloud.admin)[1]["servers"]) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/os-hypervisors"), ("GET", "/os-services"), ("GET", "/os-aggregates"), ("GET", "/os-migrations"),
        ("GET", "/os-availability-zone/detail"), ("GET", "/os-quota-sets/p2"), ("GET", "/os-simple-tenant-usage"),
        ("GET", "/os-simple-tenant-usage/p2"), ("GET", "/os-keypairs?user_id=u2"),
    ],
)  # fmt: skip
def test_operators_things_are_operators(cloud: Cloud, method: str, path: str) -> None:
    """403 for members: hosts, other people's keys, other projects' limits."""
    assert cloud.ask(method, path, version="2.53")[0] == 403


@pytest.mark.parametrize("action", ["migrate", "os-migrateLive", "evacuate", "os-resetState"])
def test_only_administrators_move_servers(cloud: Cloud, server_id: str, action: str) -> None:
    """403, and the server stays where it is."""
    assert cloud.act(server_id, action, {"state": "error"}, version="2.30")[0] == 403


def test_key_pairs_and_groups_are_ones_own(cloud: Cloud) -> None:
    """Two people may each have a key pair of one name; a stranger's group cannot be joined or seen."""
    cloud.ask("POST", "/os-keypairs", {"keypair": {"name": "same"}})
    assert cloud.ask("GET", "/os-keypairs/same", token=cloud.stranger)[0] == 404
    assert cloud.ask("POST", "/os-keypairs", {"keypair": {"name": "same"}}, token=cloud.stranger)[0] == 200
    wish = {"server_group": {"name": "g", "policies": ["affinity"]}}
    group = cloud.ask("POST", "/os-server-groups", wish)[1]["server_group"]["id"]
    assert cloud.ask("GET", f"/os-server-groups/{group}", token=cloud.stranger)[0] == 404
    assert cloud.ask("DELETE", f"/os-server-groups/{group}", token=cloud.stranger)[0] == 404


def test_a_host_speaks_for_itself_only(cloud: Cloud, server_id: str) -> None:
    """Without a key, with another host's key, or with a token, no host's work is told and no report taken."""
    for headers in ({}, {"X-Apus-Host-Key": host_key("agents", "host-b")}, {"X-Auth-Token": cloud.admin}):
        for method, path, document in (
            ("GET", "/internal/hosts/host-a/work", None),
            ("PUT", "/internal/hosts/host-a", {"resources": {}}),
            ("POST", f"/internal/hosts/host-a/servers/{server_id}", {"power": 4}),
        ):
            assert call(cloud.app, method, path, document, headers=headers).status == 401


def test_metadata_is_told_to_whom_the_network_agent_vouches_for(cloud: Cloud, server_id: str) -> None:
    """The mark is for one server and must be right; the project must be the server's."""
    good = {
        "X-Instance-ID": server_id,
        "X-Tenant-ID": "p1",
        "X-Instance-ID-Signature": metadata_mark(METADATA_SECRET, server_id),
    }
    path = f"/internal/metadata/{server_id}/openstack/latest/meta_data.json"
    found = call(cloud.app, "GET", path, headers=good)
    assert json.loads(found.body)["meta"] == {"secret": "p1's"}
    assert call(
        cloud.app, "GET", f"/internal/metadata/{server_id}/latest/meta-data/hostname", headers=good
    ).body
    assert call(cloud.app, "GET", path, headers={**good, "X-Tenant-ID": "p2"}).status == 404
    assert call(cloud.app, "GET", path, headers={**good, "X-Instance-ID-Signature": "0" * 64}).status == 401
    assert call(cloud.app, "GET", path, headers={**good, "X-Instance-ID": "other"}).status == 401
    assert call(cloud.app, "GET", path).status == 401
