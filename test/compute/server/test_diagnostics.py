"""What hosts, guests and other services tell of a server."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud import call, identity_of
from host_door import answering, one_host
from servers import METADATA_SECRET, VOLUME, Cloud

from apus.compute.server.diagnosis import Diagnostics, DiskCount, NicCount
from apus.compute.server.healing import Healer
from apus.compute.server.keys import metadata_mark

EVENTS = "/os-server-external-events"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with one_host(tmp_path) as made:
        yield made


def test_diagnostics_before_and_since_2_48(cloud: Cloud) -> None:
    """A flat object named after devices, then one form for all; administrators only, of a machine that runs only."""
    server_id = cloud.boot()
    cloud.now += 100
    path = f"/servers/{server_id}/diagnostics"
    status, old = cloud.ask("GET", path, token=cloud.admin)
    assert status == 200
    assert old == {
        "cpu0_time": 17,
        "vda_read": 5,
        "vda_read_req": 1,
        "vda_write": 0,
        "vda_write_req": 0,
        "vda_errors": -1,
        "tap0_rx": 7,
        "tap0_rx_packets": 0,
        "tap0_rx_errors": 0,
        "tap0_rx_drop": 0,
        "tap0_tx": 0,
        "tap0_tx_packets": 0,
        "tap0_tx_errors": 0,
        "tap0_tx_drop": 0,
        "memory": 65536,
        "memory-actual": 65536,
    }
    status, new = cloud.ask("GET", path, token=cloud.admin, version="2.48")
    assert status == 200
    assert (new["state"], new["driver"], new["hypervisor"], new["uptime"]) == (
        "running",
        "libvirt",
        "qemu",
        100,
    )
    assert (new["num_cpus"], new["num_disks"], new["num_nics"]) == (1, 1, 1)
    assert new["memory_details"] == {"maximum": 64, "used": 64}
    assert new["cpu_details"] == [{"id": 0, "time": 17, "utilisation": None}]
    assert new["nic_details"][0]["mac_address"] == "fa:16:3e:00:00:05"
    assert cloud.ask("GET", path)[0] == 403
    assert cloud.ask("GET", "/servers/none/diagnostics", token=cloud.admin)[0] == 404
    cloud.act(server_id, "os-stop")
    cloud.work()
    assert cloud.ask("GET", path, token=cloud.admin)[0] == 409


def test_counts_survive_the_wire() -> None:
    """What a host sends is what the service reads."""
    counts = Diagnostics(
        driver="libvirt",
        hypervisor="kvm",
        memory={"rss": 3},
        cpu_nanoseconds=(1, 2),
        disks=(DiskCount(device="vda"), DiskCount(device="vdb", errors=2)),
        nics=(NicCount(device="tap1", mac="fa"),),
    )
    assert Diagnostics.of_json(json.loads(json.dumps(counts.to_json()))) == counts
    assert Diagnostics.of_json(dataclasses.replace(counts, disks=()).to_json()) != counts


def test_a_crash_dump_is_an_interrupt(tmp_path: Path) -> None:
    """Since 2.17, of the project's own server where it runs; the record of actions has it."""
    cloud = Cloud(tmp_path)
    with answering(cloud, tmp_path) as machine:
        server_id = cloud.boot()
        assert cloud.act(server_id, "trigger_crash_dump", version="2.16")[0] == 404
        assert cloud.act(server_id, "trigger_crash_dump", version="2.17", token=cloud.stranger)[0] == 404
        assert machine.interrupted == []
        assert cloud.act(server_id, "trigger_crash_dump", version="2.17")[0] == 202
        assert machine.interrupted == [server_id]
        actions = cloud.ask("GET", f"/servers/{server_id}/os-instance-actions")[1]["instanceActions"]
        assert actions[0]["action"] == "trigger_crash_dump"
        cloud.act(server_id, "os-stop")
        cloud.work()
        assert cloud.act(server_id, "trigger_crash_dump", version="2.17")[0] == 409


def test_topology_says_that_there_is_none(cloud: Cloud) -> None:
    """Since 2.78, to the server's project."""
    server_id = cloud.boot()
    path = f"/servers/{server_id}/topology"
    assert cloud.ask("GET", path, version="2.78") == (200, {"nodes": [], "pagesize_kb": None})
    assert cloud.ask("GET", path, version="2.77")[0] == 404
    assert cloud.ask("GET", path, version="2.78", token=cloud.stranger)[0] == 404


def events(cloud: Cloud, *asked: dict[str, Any], version: str = "2.96", **how: Any) -> tuple[int, Any]:
    return cloud.ask(
        "POST", EVENTS, {"events": list(asked)}, **{"token": cloud.admin, "version": version, **how}
    )


def test_events_of_ports(cloud: Cloud) -> None:
    """A changed port's addresses are read anew; a deleted one is unplugged, and only that one."""
    server_id = cloud.boot()
    port_id = next(iter(cloud.networks.ports))
    port = cloud.networks.ports[port_id]
    moved = ({**port.addresses[0], "address": "10.0.0.77"},)
    cloud.networks.ports[port_id] = dataclasses.replace(port, addresses=moved)
    status, document = events(cloud, {"name": "network-changed", "server_uuid": server_id})
    assert (status, document["events"][0]["code"], document["events"][0]["status"]) == (200, 200, "completed")
    assert cloud.show(server_id)["addresses"]["private"][0]["addr"] == "10.0.0.77"
    assert events(cloud, {"name": "network-vif-deleted", "server_uuid": server_id})[0] == 404
    gone = {"name": "network-vif-deleted", "server_uuid": server_id, "tag": "other"}
    assert events(cloud, gone)[0] == 200
    assert len(cloud.ask("GET", f"/servers/{server_id}/os-interface")[1]["interfaceAttachments"]) == 1
    assert events(cloud, {**gone, "tag": port_id})[0] == 200
    cloud.work()
    assert cloud.ask("GET", f"/servers/{server_id}/os-interface")[1]["interfaceAttachments"] == []


def test_live_migrations_that_are_under_way(cloud: Cloud) -> None:
    """Administrators see them while they run, and may neither hurry them nor call them back."""
    cloud.live("host-b")
    server_id = cloud.boot()
    path = f"/servers/{server_id}/migrations"
    how = {"token": cloud.admin, "version": "2.80"}
    assert cloud.ask("GET", path, **how) == (200, {"migrations": []})
    asked = {"host": None, "block_migration": "auto"}
    assert cloud.act(server_id, "os-migrateLive", asked, **how)[0] == 202
    (found,) = cloud.ask("GET", path, **how)[1]["migrations"]
    assert (found["server_uuid"], found["status"], found["dest_compute"]) == (server_id, "running", "host-b")
    assert {"uuid", "user_id", "project_id", "memory_total_bytes"} <= set(found)
    one = f"{path}/{found['id']}"
    assert cloud.ask("GET", one, **how) == (200, {"migration": found})
    assert cloud.ask("GET", f"{path}/77", **how)[0] == 404
    assert cloud.ask("POST", f"{one}/action", {"force_complete": None}, **how)[0] == 202
    assert cloud.ask("POST", f"{one}/action", {"hurry": None}, **how)[0] == 400
    assert cloud.ask("DELETE", one, **how)[0] == 400
    assert cloud.ask("GET", one, version="2.80")[0] == 403
    assert cloud.ask("GET", path, token=cloud.admin, version="2.22")[0] == 404


def test_addresses_change_without_an_event(cloud: Cloud) -> None:
    """Turn by turn all servers are looked at; a port of which nothing is known any more stays as it was."""
    ids = sorted(cloud.boot() for _ in range(3))
    healer = Healer(cloud.world)
    port = cloud.networks.ports.popitem()[1]
    healer.turn()
    assert cloud.show(port.device_id)["addresses"]["private"][0]["addr"] == port.addresses[0]["address"]
    cloud.networks.ports[port.id] = dataclasses.replace(
        port, addresses=({**port.addresses[0], "address": "10.0.0.99"},)
    )
    before = {each: cloud.show(each)["updated"] for each in ids}
    cloud.now += 60
    healer.turn()
    assert cloud.show(port.device_id)["addresses"]["private"][0]["addr"] == "10.0.0.99"
    assert [each for each in ids if cloud.show(each)["updated"] != before[each]] == [port.device_id]


def test_events_are_judged_one_by_one(cloud: Cloud) -> None:
    """Some taken is 207, none 404; a name that the microversion does not have is refused; members may send none."""
    server_id = cloud.boot()
    plugged = {"name": "network-vif-plugged", "server_uuid": server_id, "tag": "port", "status": "completed"}
    unknown = {"name": "network-vif-plugged", "server_uuid": "none"}
    status, document = events(cloud, plugged, unknown)
    assert status == 207
    assert [event["code"] for event in document["events"]] == [200, 404]
    assert document["events"][1]["status"] == "failed"
    assert events(cloud, unknown)[0] == 404
    extended = {"name": "volume-extended", "server_uuid": server_id, "tag": VOLUME}
    assert events(cloud, extended, version="2.51")[0] == 200
    for wrong, version in ((extended, "2.50"), ({"name": "x", "server_uuid": server_id}, "2.96"),
                           ({"name": "network-changed"}, "2.96"), ({**plugged, "status": "odd"}, "2.96"),
                           ({**plugged, "tag": 7}, "2.96")):  # fmt: skip
        assert events(cloud, wrong, version=version)[0] == 400
    assert events(cloud)[0] == 400
    assert events(cloud, plugged, token=cloud.member)[0] == 403
    service = cloud.verifier.token_of(identity_of("svc", ("service",), "network"))
    assert events(cloud, plugged, token=service)[0] == 200


def test_a_guest_leaves_its_password_once(cloud: Cloud) -> None:
    """Its project reads it until somebody clears it; a longer one, a second one and a stranger's are refused."""
    server_id = cloud.boot()
    path = f"/servers/{server_id}/os-server-password"
    marked = {
        "X-Instance-ID": server_id,
        "X-Tenant-ID": "p1",
        "X-Instance-ID-Signature": metadata_mark(METADATA_SECRET, server_id),
    }
    door = f"/internal/metadata/{server_id}/openstack/latest/password"

    def leave(text: bytes, **more: str) -> int:
        return call(cloud.app, "POST", door, body=text, headers={**marked, **more}).status

    assert cloud.ask("GET", path) == (200, {"password": ""})
    assert leave(b"secret", **{"X-Instance-ID-Signature": "0" * 64}) == 401
    assert leave(b"x" * 1021) == 400
    assert leave(b"secret") == 200
    assert leave(b"another") == 409
    assert call(cloud.app, "GET", door, headers=marked).body == b"secret"
    assert cloud.ask("GET", path) == (200, {"password": "secret"})
    assert cloud.ask("GET", path, token=cloud.stranger)[0] == 404
    assert cloud.ask("DELETE", path, token=cloud.stranger)[0] == 404
    assert cloud.ask("DELETE", path)[0] == 204
    assert cloud.ask("GET", path) == (200, {"password": ""})
    assert leave(b"another") == 200
