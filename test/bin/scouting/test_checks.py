"""The laws of telling what the hosts said."""

from __future__ import annotations

from apus.bin.scouting.checks import (
    CHECKS,
    Home,
    auditor,
    clocks,
    conf_checksum,
    copies,
    disk_usage,
    quarantined,
    reconstruction,
    replication,
    ring_checksums,
    servers,
    sharding,
    unmounted,
    versions,
)

HOME = Home(kind="object", now=2000.0, rings={"object.ring.gz": "aaa"}, conf="ccc", top=1, lowest=1)


def test_every_check_survives_silence() -> None:
    """A cluster in which nobody answers is told of, not stumbled over."""
    for check in CHECKS:
        assert check.tell({}, HOME) is not None


def test_the_slowest_replicator_is_named() -> None:
    """So that an operator knows where to look."""
    stats = {"attempted": 9, "failure": 1, "success": 8}
    answers = {
        "a:1": {"replication_last": 1000.0, "replication_time": 2.0, "replication_stats": stats},
        "b:1": {"replication_last": 1990.0, "replication_time": 4.0, "replication_stats": None},
        "c:1": {"replication_last": None, "replication_time": None, "replication_stats": None},
    }
    lines = replication(answers, HOME).lines
    assert any(
        line.startswith("Oldest completion was 1970-01-01 00:16:40 (16 minutes ago) by a:1") for line in lines
    )
    assert any("by b:1" in line for line in lines)
    assert (
        replication({"a:1": {"replication_last": 0}}, HOME).lines[-2] == "Oldest completion was NEVER by a:1."
    )


def test_devices_of_an_auditor_add_up() -> None:
    """A parallel auditor leaves figures for each device, another one for the node."""
    answers = {
        "a:1": {"object_auditor_stats_ALL": {"sda": {"passes": 3}, "sdb": {"passes": 4}}},
        "b:1": {"object_auditor_stats_ALL": {"passes": 5}},
    }
    found = auditor(answers, HOME).data["ALL_passes_last_path"]
    assert (found["total"], found["reported"]) == (12, 2)


def test_missing_devices_are_named() -> None:
    """Not mounted and failing are two things."""
    answers = {"a:1": [{"device": "sda", "mounted": False}, {"device": "sdb", "mounted": "I/O error"}]}
    assert unmounted(answers, HOME).lines == ["Not mounted: sda on a:1", "Device errors: sdb on a:1"]


def test_usage_ranks_devices() -> None:
    """The fullest, the emptiest, and the whole."""
    answers = {
        "a:1": [
            {"device": "sda", "mounted": True, "size": 100, "used": 90, "avail": 10},
            {"device": "sdb", "mounted": True, "size": 100, "used": 10, "avail": 90},
            {"device": "sdc", "mounted": False, "size": "", "used": "", "avail": ""},
        ]
    }
    found = disk_usage(answers, HOME)
    assert found.data["devices"] == {"a:1/sda": 90.0, "a:1/sdb": 10.0}
    assert "Disk usage: lowest: 10.0%, highest: 90.0%, avg: 50.0%" in found.lines
    assert found.lines[-4:] == ["TOP 1", f"90.00%  {'a:1':<15} sda", "LOWEST 1", f"10.00%  {'a:1':<15} sdb"]


def test_other_rings_and_confs_are_told_of() -> None:
    """Only rings of the kind asked for count."""
    answers = {
        "a:1": {"/etc/swift/object.ring.gz": "aaa", "/etc/swift/account.ring.gz": "zzz"},
        "b:1": {"/etc/swift/object.ring.gz": "bbb"},
    }
    found = ring_checksums(answers, HOME)
    assert found.data["matched"] == 1
    assert "b:1 (object.ring.gz => bbb)" in found.lines[0]
    assert conf_checksum({"a:1": {"x": "ccc"}, "b:1": {"x": "ddd"}}, HOME).data["matched"] == 1


def test_a_clock_may_be_anywhere_between_question_and_answer() -> None:
    """And by the jitter beyond."""
    answers = {"a:1": (10.0, 10.5, 11.0), "b:1": (10.0, 15.0, 11.0)}
    assert clocks(answers, HOME).data["matched"] == 1
    assert clocks(answers, Home(kind="object", jitter=5.0)).data["matched"] == 2


def test_a_server_of_another_kind_is_told_of() -> None:
    """The ring may point to the wrong port."""
    answers = {"a:1": "object-server/2.38.3", "b:1": "container-server/2.38.3"}
    assert servers(answers, HOME).lines[0] == "Invalid: b:1 is container-server/2.38.3"


def test_versions_and_quarantines_are_gathered() -> None:
    """Each version once; each policy's quarantine by itself."""
    found = versions({"a:1": {"version": "1"}, "b:1": {"version": "2"}}, HOME)
    assert found.lines == ["Versions not matched (1, 2)."]
    answers = {"a:1": {"objects": 3, "accounts": 0, "containers": 0, "policies": {"1": {"objects": 2}}}}
    assert quarantined(answers, HOME).data["quarantined_objects_1"]["total"] == 2


def test_reconstructors_and_sharders_are_told_of() -> None:
    """As swift-recon tells it, whoever's servers answer."""
    told = {"a:1": {"object_reconstruction_time": 3.0, "object_reconstruction_last": 1940.0}}
    lines = reconstruction(told, HOME).lines
    assert lines[0].startswith("[object_reconstruction_time] low: 3")
    assert lines[1].endswith("(1 minutes ago) by a:1.")
    shards = {
        "a:1": {"sharding_time": 2.0, "sharding_stats": {"attempted": 4, "failure": 1}, "sharding_last": 1}
    }
    found = sharding(shards, HOME)
    assert found.data["failure"]["total"] == 1
    assert found.data["success"] is None


def test_the_newest_survey_counts() -> None:
    """Only the node that surveys keeps one; an inexact one is called a bound."""
    figures = {"objects": 9, "objects_below": 2, "objects_without_copy": 0, "exact": True}
    answers = {
        "a:1": {"survey_last": None, "survey_policies": None},
        "b:1": {"survey_last": 1000.0, "survey_policies": {"0": {**figures, "objects_below": 7}}},
        "c:1": {"survey_last": 1940.0, "survey_policies": {"0": figures, "1": {**figures, "exact": False}}},
    }
    found = copies(answers, HOME)
    assert found.lines[1] == "[policy 0] 2 of 9 objects lack copies, 0 have none"
    assert found.lines[2].endswith("0 have none, at least: some devices did not answer")
    assert found.data["last"] == 1940.0
