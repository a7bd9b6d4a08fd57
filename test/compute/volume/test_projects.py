"""Projects: what is one's own, what is another's, what changes hands, how much each may have."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from cloud import identity_of
from volume_world import BLOCK, VolumeWorld

ADMIN = ("admin",)


@pytest.fixture
def world(tmp_path: Path) -> VolumeWorld:
    return VolumeWorld.open(tmp_path)


def test_nobody_sees_or_touches_what_another_project_has(world: VolumeWorld) -> None:
    """Every door to a resource answers a stranger as if the resource were not there, and lists leave it out."""
    volume_id = world.volume(name="secret")["id"]
    backup_id = world.backup(volume_id)["id"]
    snapshot = world.asked("POST", "/snapshots", {"snapshot": {"volume_id": volume_id}})["snapshot"]
    world.settle()
    reserve = {"attachment": {"volume_uuid": volume_id, "instance_uuid": volume_id}}
    attachment = world.asked("POST", "/attachments", reserve)["attachment"]
    plan = {"backup_schedule": {"volume_id": volume_id, "interval_seconds": 3600}}
    schedule = world.asked("POST", "/backup-schedules", plan)["backup_schedule"]
    name = {"name": "mine"}
    attempts: list[tuple[str, str, Any]] = [
        ("GET", f"/volumes/{volume_id}", None),
        ("PUT", f"/volumes/{volume_id}", {"volume": name}),
        ("DELETE", f"/volumes/{volume_id}", None),
        ("GET", f"/volumes/{volume_id}/metadata", None),
        ("PUT", f"/volumes/{volume_id}/metadata", {"metadata": name}),
        *(
            ("POST", f"/volumes/{volume_id}/action", {action: facts})
            for action, facts in (
                ("os-extend", {"new_size": 9}),
                ("os-initialize_connection", {"connector": {"host": "h"}}),
                ("os-set_bootable", {"bootable": True}),
                ("os-volume_upload_image", {"image_name": "x"}),
                ("os-show_image_metadata", {}),
                ("os-detach", {}),
            )
        ),
        ("POST", "/volumes", {"volume": {"source_volid": volume_id}}),
        ("POST", "/volumes", {"volume": {"snapshot_id": snapshot["id"]}}),
        ("POST", "/volumes", {"volume": {"backup_id": backup_id}}),
        ("POST", "/snapshots", {"snapshot": {"volume_id": volume_id}}),
        ("GET", f"/snapshots/{snapshot['id']}", None),
        ("DELETE", f"/snapshots/{snapshot['id']}", None),
        ("POST", "/backups", {"backup": {"volume_id": volume_id}}),
        ("GET", f"/backups/{backup_id}", None),
        ("PUT", f"/backups/{backup_id}", {"backup": name}),
        ("DELETE", f"/backups/{backup_id}", None),
        ("POST", f"/backups/{backup_id}/restore", {"restore": {}}),
        ("GET", f"/attachments/{attachment['id']}", None),
        ("DELETE", f"/attachments/{attachment['id']}", None),
        ("POST", "/attachments", {"attachment": {"volume_uuid": volume_id, "instance_uuid": volume_id}}),
        ("POST", "/os-volume-transfer", {"transfer": {"volume_id": volume_id}}),
        ("GET", f"/backup-schedules/{schedule['id']}", None),
        ("POST", "/backup-schedules", plan),
    ]
    for method, path, document in attempts:
        assert world.refused(method, path, document, project="p2")[0] == 404, (method, path, document)
    for kind in ("volumes", "snapshots", "backups", "attachments"):
        for query in ("", "?all_tenants=1"):
            assert world.asked("GET", f"/{kind}/detail{query}", project="p2")[kind] == [], kind
    assert world.asked("GET", "/backup-schedules", project="p2")["backup_schedules"] == []
    assert world.refused("GET", "/os-quota-sets/p1", project="p2")[0] == 403
    assert len(world.asked("GET", "/volumes?all_tenants=1", project="p2", roles=ADMIN)["volumes"]) == 1
    assert "p2-blocks" not in world.store.objects


def test_a_path_of_another_project_is_no_way_in(world: VolumeWorld) -> None:
    """The project in the path is the token's, or the path is refused; without a token nothing is told."""
    world.volume()
    stranger = world.token(identity_of("p2"))
    reply = world.service_call("GET", "/v3/p1/volumes", stranger)
    assert reply.status == 400
    assert world.service_call("GET", "/v3/p1/volumes", "").status == 401
    assert world.service_call("GET", "/v3/p1/volumes", "made up").status == 401
    assert world.service_call("GET", "/", "").status == 300
    assert world.service_call("GET", "/v3/", "").status == 200
    unscoped = world.verifier.token_of(identity_of(None))
    assert world.service_call("GET", "/v3/p1/volumes", unscoped).status in (400, 403)


def test_a_path_may_leave_the_project_out_since_3_67(world: VolumeWorld) -> None:
    """/v3/volumes is the token's project's, for clients that ask for that version."""
    world.volume()
    token = world.token(identity_of("p1"))
    headers = {"OpenStack-API-Version": "volume 3.67"}
    assert world.service_call("GET", "/v3/volumes", token, headers).status == 200
    assert world.service_call("GET", "/v3/volumes", token).status == 404


def test_a_reader_changes_nothing(world: VolumeWorld) -> None:
    """The role reader may look at what its project has, and no more."""
    volume_id = world.volume()["id"]
    assert world.show("volume", volume_id, roles=("reader",))["id"] == volume_id
    for method, path in (("DELETE", f"/volumes/{volume_id}"), ("POST", "/volumes"), ("POST", "/backups")):
        assert world.refused(method, path, {}, roles=("reader",))[0] == 403


def test_a_volume_changes_hands_with_its_data(world: VolumeWorld) -> None:
    """Accepted with the right key, it lies in the other project's containers, snapshots too; nothing stays."""
    volume_id = world.volume()["id"]
    world.write(volume_id, {0: b"t" * BLOCK})
    snapshot = world.asked("POST", "/snapshots", {"snapshot": {"volume_id": volume_id}})["snapshot"]
    world.settle()
    offer = world.asked("POST", "/volume-transfers", {"transfer": {"volume_id": volume_id, "name": "t"}})[
        "transfer"
    ]
    assert world.show("volume", volume_id)["status"] == "awaiting-transfer"
    path = f"/volume-transfers/{offer['id']}"
    assert "auth_key" not in world.asked("GET", path)["transfer"]
    assert world.refused("GET", path, project="p2")[0] == 404
    wrong = {"accept": {"auth_key": "wrong"}}
    assert world.refused("POST", f"{path}/accept", wrong, project="p2")[0] == 400
    world.asked("POST", f"{path}/accept", {"accept": {"auth_key": offer["auth_key"]}}, project="p2")
    world.settle()
    assert world.show("volume", volume_id, project="p2")["status"] == "available"
    assert world.show("snapshot", snapshot["id"], project="p2")["status"] == "available"
    assert world.refused("GET", f"/volumes/{volume_id}")[0] == 404
    assert world.map_ids("p1") == set()
    row = world.row("volumes", volume_id)
    assert world.blocks(row["map_id"], 0, project="p2") == [b"t" * BLOCK]


def test_an_offer_is_taken_back_and_a_key_is_not_guessed(world: VolumeWorld) -> None:
    """Deleted, the volume is available again; after ten wrong keys the right one is refused, too."""
    volume_id = world.volume()["id"]
    offer = world.asked("POST", "/os-volume-transfer", {"transfer": {"volume_id": volume_id}})["transfer"]
    path = f"/os-volume-transfer/{offer['id']}"
    for _ in range(10):
        assert world.refused("POST", f"{path}/accept", {"accept": {"auth_key": "no"}}, project="p2")[0] == 400
    right = {"accept": {"auth_key": offer["auth_key"]}}
    assert world.refused("POST", f"{path}/accept", right, project="p2")[0] == 400
    assert len(world.asked("GET", "/os-volume-transfer/detail")["transfers"]) == 1
    world.asked("DELETE", path)
    assert world.show("volume", volume_id)["status"] == "available"


def test_quotas_are_told_set_and_kept(world: VolumeWorld) -> None:
    """Each limit refuses with 413 and a sentence that names it; use is told as it is; deletion gives room."""
    world.asked("PUT", "/os-quota-sets/p1", {"quota_set": {"volumes": 2, "gigabytes": 5}}, roles=ADMIN)
    volume_id = world.volume(3)["id"]
    status, sentence = world.refused("POST", "/volumes", {"volume": {"size": 3}})
    assert status == 413
    assert "gigabytes" in sentence
    assert world.refused("POST", f"/volumes/{volume_id}/action", {"os-extend": {"new_size": 6}})[0] == 413
    world.volume(1)
    assert world.refused("POST", "/volumes", {"volume": {"size": 1}})[0] == 413
    assert world.refused("POST", "/snapshots", {"snapshot": {"volume_id": volume_id}})[0] == 413
    told = world.asked("GET", "/os-quota-sets/p1?usage=True")["quota_set"]
    assert told["gigabytes"] == {"limit": 5, "in_use": 4, "reserved": 0, "allocated": 0}
    assert told["volumes___DEFAULT__"]["in_use"] == 2
    absolute = world.asked("GET", "/limits")["limits"]["absolute"]
    assert (absolute["maxTotalVolumes"], absolute["totalVolumesUsed"]) == (2, 2)
    world.asked("DELETE", f"/volumes/{volume_id}")
    world.settle()
    world.volume(3)
    assert world.refused("PUT", "/os-quota-sets/p1", {"quota_set": {"volumes": 9}})[0] == 403
    assert world.refused("PUT", "/os-quota-sets/p1", {"quota_set": {"moons": 9}}, roles=ADMIN)[0] == 400
    assert world.refused("PUT", "/os-quota-sets/p1", {"quota_set": {"volumes": -2}}, roles=ADMIN)[0] == 400
    world.asked("PUT", "/os-quota-class-sets/default", {"quota_class_set": {"backups": 1}}, roles=ADMIN)
    assert world.asked("GET", "/os-quota-sets/p3/defaults", project="p3")["quota_set"]["backups"] == 1
    world.asked("DELETE", "/os-quota-sets/p1", roles=ADMIN)
    assert world.asked("GET", "/os-quota-sets/p1")["quota_set"]["volumes"] == 100


def test_requests_at_once_never_exceed_a_quota(world: VolumeWorld) -> None:
    """Of twelve that race for the last three places, three get one."""
    world.asked("PUT", "/os-quota-sets/p1", {"quota_set": {"volumes": 3}}, roles=ADMIN)
    world.token(identity_of("p1"))
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(world.raw("POST", "/volumes", {"volume": {"size": 1}}).status)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [202] * 3 + [413] * 9


def test_types_have_specs_access_and_a_default(world: VolumeWorld) -> None:
    """Made and changed by administrators; what is private is seen by those it is for."""
    made = world.asked("POST", "/types", {"volume_type": {"name": "gold", "is_public": None}}, roles=ADMIN)
    gold = made["volume_type"]["id"]
    assert world.refused("POST", "/types", {"volume_type": {"name": "gold"}}, roles=ADMIN)[0] == 409
    assert world.refused("POST", "/types", {"volume_type": {"name": "x"}})[0] == 403
    world.asked("POST", f"/types/{gold}/extra_specs", {"extra_specs": {"a": "b"}}, roles=ADMIN)
    assert world.asked("GET", f"/types/{gold}/extra_specs/a", roles=ADMIN) == {"a": "b"}
    world.asked("DELETE", f"/types/{gold}/extra_specs/a", roles=ADMIN)
    private = {"name": "own", "os-volume-type-access:is_public": False}
    own = world.asked("POST", "/types", {"volume_type": private}, roles=ADMIN)["volume_type"]["id"]
    assert world.refused("GET", f"/types/{own}")[0] == 404
    assert world.refused("POST", "/volumes", {"volume": {"size": 1, "volume_type": "own"}})[0] == 404
    world.asked("POST", f"/types/{own}/action", {"addProjectAccess": {"project": "p1"}}, roles=ADMIN)
    assert {kind["name"] for kind in world.asked("GET", "/types")["volume_types"]} == {
        "__DEFAULT__",
        "gold",
        "own",
    }
    assert {kind["name"] for kind in world.asked("GET", "/types", project="p2")["volume_types"]} == {
        "__DEFAULT__",
        "gold",
    }
    listed = world.asked("GET", f"/types/{own}/os-volume-type-access", roles=ADMIN)["volume_type_access"]
    assert listed == [{"volume_type_id": own, "project_id": "p1"}]
    volume_id = world.volume(volume_type="own")["id"]
    assert world.refused("DELETE", f"/types/{own}", roles=ADMIN)[0] == 400
    world.act(volume_id, "os-retype", {"new_type": "gold", "migration_policy": "never"})
    assert world.show("volume", volume_id)["volume_type"] == "gold"
    world.asked("DELETE", f"/types/{own}", roles=ADMIN)
    world.asked("PUT", "/default-types/p1", {"default_type": {"volume_type": "gold"}}, roles=ADMIN)
    assert world.asked("GET", "/types/default")["volume_type"]["name"] == "gold"


def test_qos_specs_belong_to_types(world: VolumeWorld) -> None:
    """Made, changed, associated, and not deleted while a type has them."""
    specs = {"qos_specs": {"name": "slow", "consumer": "both", "iops": "100"}}
    made = world.asked("POST", "/qos-specs", specs, roles=ADMIN)["qos_specs"]
    assert made["specs"] == {"iops": "100"}
    path = f"/qos-specs/{made['id']}"
    kind = world.asked("GET", "/types/default")["volume_type"]["id"]
    world.asked("GET", f"{path}/associate?vol_type_id={kind}", roles=ADMIN)
    assert world.asked("GET", f"{path}/associations", roles=ADMIN)["qos_associations"][0]["id"] == kind
    assert world.refused("DELETE", path, roles=ADMIN)[0] == 400
    world.asked("PUT", f"{path}/delete_keys", {"keys": ["iops"]}, roles=ADMIN)
    world.asked("GET", f"{path}/disassociate_all", roles=ADMIN)
    world.asked("DELETE", path, roles=ADMIN)
    assert world.refused("GET", path, roles=ADMIN)[0] == 404
    assert world.refused("GET", "/qos-specs")[0] == 403


def test_operators_see_how_the_service_is_made(world: VolumeWorld) -> None:
    """Services, zones, pools, hosts, extensions, filters answer in the shapes that clients read."""
    names = {service["binary"] for service in world.asked("GET", "/os-services", roles=ADMIN)["services"]}
    assert names == {"cinder-scheduler", "cinder-volume", "cinder-backup"}
    assert world.asked("GET", "/os-availability-zone")["availabilityZoneInfo"][0]["zoneName"] == "nova"
    (pool,) = world.asked("GET", "/scheduler-stats/get_pools?detail=true", roles=ADMIN)["pools"]
    assert pool["capabilities"]["multiattach"] is True
    assert world.asked("GET", "/capabilities/volume@apus", roles=ADMIN)["vendor_name"] == "Open Source"
    assert world.asked("GET", "/os-hosts", roles=ADMIN)["hosts"]
    assert "backups" in {one["alias"] for one in world.asked("GET", "/extensions")["extensions"]}
    assert world.asked("GET", "/resource_filters?resource=volume")["resource_filters"][0]["filters"]
    for path in ("/os-services", "/scheduler-stats/get_pools", "/os-hosts"):
        assert world.refused("GET", path)[0] == 403


def test_no_volume_is_made_of_a_type_that_would_have_to_be_encrypted(world: VolumeWorld) -> None:
    """What a type says of encryption is kept and told, and taken back; meanwhile its volumes are refused."""
    kind = world.asked("POST", "/types", {"volume_type": {"name": "luks"}}, roles=ADMIN)["volume_type"]["id"]
    path = f"/types/{kind}/encryption"
    assert world.asked("GET", path, roles=ADMIN) == {}
    wanted = {
        "provider": "luks",
        "cipher": "aes-xts-plain64",
        "key_size": 256,
        "control_location": "back-end",
    }
    made = world.asked("POST", path, {"encryption": wanted}, roles=ADMIN)["encryption"]
    assert made == {**wanted, "volume_type_id": kind, "encryption_id": made["encryption_id"]}
    assert world.refused("POST", path, {"encryption": wanted}, roles=ADMIN)[0] == 400
    assert world.refused("PUT", f"{path}/{kind}", {"encryption": {"key_size": 128}}, roles=ADMIN)[0] == 404
    own = f"{path}/{made['encryption_id']}"
    assert world.refused("PUT", own, {"encryption": {"control_location": "else"}}, roles=ADMIN)[0] == 400
    assert world.asked("PUT", own, {"encryption": {"key_size": 128}}, roles=ADMIN) == {
        "encryption": {"key_size": 128}
    }
    assert world.asked("GET", f"{path}/key_size", roles=ADMIN) == {"key_size": 128}
    refused, why = world.refused("POST", "/volumes", {"volume": {"size": 1, "volume_type": "luks"}})
    assert (refused, "encrypted" in why) == (400, True)
    plain = world.volume()["id"]
    assert world.refused("POST", f"/volumes/{plain}/action", {"os-retype": {"new_type": "luks"}})[0] == 400
    world.asked("DELETE", own, roles=ADMIN)
    assert world.volume(volume_type="luks")["status"] == "available"
    assert world.refused("POST", path, {"encryption": wanted}, roles=ADMIN)[0] == 409, "it has volumes"


def test_a_type_that_wants_another_back_end_gets_no_volume(world: VolumeWorld) -> None:
    """The request is taken, the volume fails, and a message says why."""
    specs = {"vendor_name": "Somebody", "storage_protocol": "any"}
    document = {"volume_type": {"name": "other", "extra_specs": specs}}
    world.asked("POST", "/types", document, roles=ADMIN)
    failed = world.volume(volume_type="other")
    assert failed["status"] == "error"
    (message,) = world.asked("GET", "/messages")["messages"]
    assert (message["resource_uuid"], "Somebody" in message["user_message"]) == (failed["id"], True)
    fitting = {"vendor_name": "Open Source", "volume_backend_name": "apus", "storage_protocol": "any"}
    document = {"volume_type": {"name": "ours", "extra_specs": fitting}}
    world.asked("POST", "/types", document, roles=ADMIN)
    assert world.volume(volume_type="ours")["status"] == "available"


def test_services_are_found_by_host_with_and_without_the_back_end(world: VolumeWorld) -> None:
    """One that is not there is 404, one that is there is not switched off."""
    assert len(world.asked("GET", "/os-services?host=volume", roles=ADMIN)["services"]) == 3
    (one,) = world.asked("GET", "/os-services?host=volume@apus", roles=ADMIN)["services"]
    assert one["binary"] == "cinder-volume"
    for facts, status in (
        ({"host": "volume", "binary": "cinder-volume"}, 400),
        ({"host": "other", "binary": "cinder-volume"}, 404),
        ({"host": "volume", "binary": "cinder-other"}, 404),
    ):
        assert world.refused("PUT", "/os-services/disable", facts, roles=ADMIN)[0] == status


def test_an_empty_name_is_no_list(world: VolumeWorld) -> None:
    """A client that forgot the id reaches nothing, least of all what deletes."""
    for method in ("GET", "DELETE"):
        assert world.refused(method, "/volumes/")[0] == 404
