"""The same resource in the forms of different microversions: 2.1 for those who say none, 2.96 for those who can."""

from __future__ import annotations

from typing import Any

import pytest
from servers import Cloud

ALWAYS = {
    "id", "name", "links", "status", "tenant_id", "user_id", "metadata", "hostId", "created", "updated", "accessIPv4",
    "accessIPv6", "image", "flavor", "addresses", "key_name", "config_drive", "OS-DCF:diskConfig", "progress",
    "OS-EXT-AZ:availability_zone", "OS-EXT-STS:task_state", "OS-EXT-STS:vm_state", "OS-EXT-STS:power_state",
    "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at", "os-extended-volumes:volumes_attached", "security_groups",
}  # fmt: skip
NEWER = {
    "locked", "description", "tags", "trusted_image_certificates", "server_groups", "locked_reason",
    "OS-EXT-SRV-ATTR:hostname", "pinned_availability_zone",
}  # fmt: skip


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    return Cloud(tmp_path_factory.mktemp("forms"))


@pytest.fixture(scope="module")
def server_id(cloud: Cloud) -> str:
    return cloud.boot()


def test_a_client_that_says_no_version_gets_the_oldest_form(cloud: Cloud, server_id: str) -> None:
    """Terraform and old scripts read a server without anything that came later, its flavor a reference."""
    server = cloud.show(server_id, version="")
    assert set(server) == ALWAYS
    assert set(server["flavor"]) == {"id", "links"}


def test_the_newest_form_has_everything(cloud: Cloud, server_id: str) -> None:
    """2.96 embeds the flavor and adds what came; administrators see the host."""
    server = cloud.show(server_id, version="2.96")
    assert set(server) == ALWAYS | NEWER
    assert server["flavor"]["original_name"] == "tiny"
    assert "id" not in server["flavor"]
    seen = cloud.show(server_id, version="2.96", token=cloud.admin)
    assert seen["OS-EXT-SRV-ATTR:host"] == "host-a"
    assert seen["host_status"] == "UP"


def test_each_form_only_adds(cloud: Cloud, server_id: str) -> None:
    """From version to version nothing that a client may read goes away from a server."""
    before: set[str] = set()
    for minor in (1, 3, 9, 16, 19, 26, 47, 63, 71, 73, 75, 90, 96):
        now = set(cloud.show(server_id, version=f"2.{minor}"))
        assert before <= now
        before = now


def test_beyond_the_newest_is_not_acceptable(cloud: Cloud) -> None:
    """406 for what is not served; the version document says what is."""
    assert cloud.ask("GET", "/servers", version="2.97")[0] == 406
    version = cloud.ask("GET", "", token="")[1]["version"]
    assert (version["min_version"], version["version"]) == ("2.1", "2.96")


def test_networks_must_be_said_since_2_37(cloud: Cloud) -> None:
    """Before, silence is `the one network there is`."""
    asked: dict[str, Any] = {
        "name": "x",
        "imageRef": "aaaaaaaa-0000-4000-8000-000000000001",
        "flavorRef": "1",
    }
    assert cloud.ask("POST", "/servers", {"server": asked}, version="2.37")[0] == 400
    status, made = cloud.ask("POST", "/servers", {"server": {**asked, "networks": "none"}}, version="2.37")
    assert status == 202
    cloud.ask("DELETE", f"/servers/{made['server']['id']}")
    cloud.work()
    for member, version in (("description", "2.18"), ("tags", "2.51"), ("hostname", "2.89")):
        wish = {**asked, member: ["a"] if member == "tags" else "a", "networks": "none"}
        assert cloud.ask("POST", "/servers", {"server": wish}, version=version)[0] == 400


def test_flavors_have_their_specs_since_2_61(cloud: Cloud) -> None:
    """No swap is "" before 2.75 and 0 since; a description comes with 2.55."""
    old = cloud.ask("GET", "/flavors/1")[1]["flavor"]
    new = cloud.ask("GET", "/flavors/1", version="2.96")[1]["flavor"]
    assert set(new) - set(old) == {"description", "extra_specs"}
    assert (old["swap"], new["swap"]) == ("", 0)


def test_key_pairs_are_made_here_until_2_91(cloud: Cloud) -> None:
    """Made where none is given, and the private key told once; since 2.92 it must be given."""
    status, document = cloud.ask("POST", "/os-keypairs", {"keypair": {"name": "made"}})
    assert status == 200
    assert document["keypair"]["private_key"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert "private_key" not in cloud.ask("GET", "/os-keypairs/made")[1]["keypair"]
    assert cloud.ask("POST", "/os-keypairs", {"keypair": {"name": "n"}}, version="2.92")[0] == 400
    public = document["keypair"]["public_key"]
    wish = {"keypair": {"name": "mine", "public_key": public}}
    status, taken = cloud.ask("POST", "/os-keypairs", wish, version="2.92")
    assert (status, taken["keypair"]["type"]) == (201, "ssh")
    assert taken["keypair"]["fingerprint"] == document["keypair"]["fingerprint"]
    assert cloud.ask("POST", "/os-keypairs", wish, version="2.92")[0] == 409
    wrong = {"keypair": {"name": "wrong", "public_key": "ssh-rsa nonsense"}}
    assert cloud.ask("POST", "/os-keypairs", wrong)[0] == 400
    assert cloud.ask("DELETE", "/os-keypairs/mine", version="2.2")[0] == 204


def test_server_groups_have_one_policy_since_2_64(cloud: Cloud) -> None:
    """A list of one before; since then a word, with a rule for anti-affinity."""
    old = cloud.ask("POST", "/os-server-groups", {"server_group": {"name": "g", "policies": ["affinity"]}})
    assert old[1]["server_group"]["policies"] == ["affinity"]
    wish = {"name": "h", "policy": "anti-affinity", "rules": {"max_server_per_host": 2}}
    new = cloud.ask("POST", "/os-server-groups", {"server_group": wish}, version="2.64")
    assert new[1]["server_group"]["rules"] == {"max_server_per_host": 2}
    assert (
        cloud.ask(
            "POST", "/os-server-groups", {"server_group": {**wish, "policy": "affinity"}}, version="2.64"
        )[0]
        == 400
    )


def test_hypervisors_and_services_have_uuids_since_2_53(cloud: Cloud, server_id: str) -> None:
    """Numbers before; 2.88 leaves the amounts to the scheduler."""
    old = cloud.ask("GET", "/os-hypervisors/detail", token=cloud.admin)[1]["hypervisors"][0]
    new = cloud.ask("GET", "/os-hypervisors/detail", token=cloud.admin, version="2.88")[1]["hypervisors"][0]
    assert (old["id"], old["running_vms"]) == (1, 1)
    assert len(new["id"]) == 36
    assert "vcpus" not in new
    assert cloud.ask("GET", "/os-hypervisors/statistics", token=cloud.admin)[0] == 200
    assert cloud.ask("GET", "/os-hypervisors/statistics", token=cloud.admin, version="2.88")[0] == 404
    service = cloud.ask("GET", "/os-services", token=cloud.admin, version="2.69")[1]["services"][0]
    changed = cloud.ask(
        "PUT", f"/os-services/{service['id']}", {"status": "disabled"}, token=cloud.admin, version="2.69"
    )
    assert changed[1]["service"]["status"] == "disabled"
    cloud.ask(
        "PUT", f"/os-services/{service['id']}", {"status": "enabled"}, token=cloud.admin, version="2.69"
    )


def test_metadata_tags_and_the_record_of_actions(cloud: Cloud, server_id: str) -> None:
    """What hangs on a server is set, shown and removed; the record says who asked for what, and how it went."""
    path = f"/servers/{server_id}"
    assert cloud.ask("PUT", f"{path}/metadata/a", {"meta": {"a": "1"}})[1] == {"meta": {"a": "1"}}
    assert cloud.ask("POST", f"{path}/metadata", {"metadata": {"b": "2"}})[1]["metadata"] == {
        "a": "1",
        "b": "2",
    }
    assert cloud.ask("DELETE", f"{path}/metadata/a")[0] == 204
    assert cloud.ask("GET", f"{path}/metadata/a")[0] == 404
    assert cloud.ask("PUT", f"{path}/tags", {"tags": ["x", "y"]}, version="2.26")[0] == 200
    assert cloud.ask("PUT", f"{path}/tags/z", version="2.26")[0] == 201
    assert cloud.ask("GET", f"{path}/tags/q", version="2.26")[0] == 404
    listed = cloud.ask("GET", "/servers?tags=x,z", version="2.26")[1]["servers"]
    assert [server["id"] for server in listed] == [server_id]
    assert cloud.ask("GET", "/servers?not-tags=x", version="2.26")[1]["servers"] == []
    actions = cloud.ask("GET", f"{path}/os-instance-actions", version="2.84")[1]["instanceActions"]
    assert actions[-1]["action"] == "create"
    request = actions[-1]["request_id"]
    events = cloud.ask("GET", f"{path}/os-instance-actions/{request}", version="2.84")[1]["instanceAction"][
        "events"
    ]
    assert [event["result"] for event in events] == ["Success"] * len(events)
    assert events[-1]["event"] == "compute_spawning"


def test_lists_are_paged_sorted_and_filtered(cloud: Cloud, server_id: str) -> None:
    """Limit and marker, a link to the next page, filters by status, name and address."""
    second = cloud.boot(name="db")
    first = cloud.ask("GET", "/servers?limit=1&sort_key=display_name&sort_dir=asc")[1]
    assert [server["name"] for server in first["servers"]] == ["db"]
    assert "marker=" in first["servers_links"][0]["href"]
    rest = cloud.ask("GET", f"/servers?marker={second}&sort_key=display_name&sort_dir=asc")[1]
    assert [server["id"] for server in rest["servers"]] == [server_id]
    assert len(cloud.ask("GET", "/servers/detail?status=ACTIVE")[1]["servers"]) == 2
    assert cloud.ask("GET", "/servers?status=NONSENSE")[1]["servers"] == []
    assert [s["id"] for s in cloud.ask("GET", "/servers?name=^db$")[1]["servers"]] == [second]
    assert [s["id"] for s in cloud.ask("GET", "/servers?ip=10.0.0.5$")[1]["servers"]] == [server_id]
    assert cloud.ask("GET", "/servers?limit=x")[0] == 400
    cloud.ask("DELETE", f"/servers/{second}")
    cloud.work()


def test_aggregates_make_zones(cloud: Cloud) -> None:
    """A host in an aggregate with a zone is in that zone; servers can ask for it, and for no other."""
    wish = {"aggregate": {"name": "north", "availability_zone": "north"}}
    made = cloud.ask("POST", "/os-aggregates", wish, token=cloud.admin)[1]["aggregate"]
    path = f"/os-aggregates/{made['id']}"
    assert cloud.ask("POST", f"{path}/action", {"add_host": {"host": "host-a"}}, token=cloud.admin)[0] == 200
    assert cloud.ask("POST", f"{path}/action", {"add_host": {"host": "none"}}, token=cloud.admin)[0] == 404
    zones = cloud.ask("GET", "/os-availability-zone")[1]["availabilityZoneInfo"]
    assert [zone["zoneName"] for zone in zones] == ["north"]
    asked = {"name": "x", "imageRef": "aaaaaaaa-0000-4000-8000-000000000001", "flavorRef": "1"}
    status, document = cloud.ask("POST", "/servers", {"server": {**asked, "availability_zone": "south"}})
    assert (status, document["badRequest"]["message"]) == (
        400,
        "The requested availability zone is not available",
    )
    assert cloud.ask("DELETE", path, token=cloud.admin)[0] == 400
    assert (
        cloud.ask("POST", f"{path}/action", {"remove_host": {"host": "host-a"}}, token=cloud.admin)[0] == 200
    )
    assert cloud.ask("DELETE", path, token=cloud.admin)[0] == 200


def test_usage_counts_hours(cloud: Cloud, server_id: str) -> None:
    """What ran for two hours is two hours of its flavor."""
    cloud.now += 7200
    usage = cloud.ask("GET", "/os-simple-tenant-usage/p1")[1]["tenant_usage"]
    entry = next(each for each in usage["server_usages"] if each["instance_id"] == server_id)
    assert entry["hours"] == pytest.approx(2, abs=0.01)
    assert usage["total_vcpus_usage"] >= entry["hours"]
    cloud.live("host-a")
