"""Laws of recon."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from one_request import FixedApp, ask

from apus.common import metrics, recon, recon_cache


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A storage node's folders."""
    for folder in ("devices/d1", "devices/d2", "cache", "etc"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "devices" / "stray file").touch()
    (tmp_path / "etc" / "swift.conf").write_text("[swift-hash]\n")
    for name in ("account", "container", "object", "object-1", "other"):
        (tmp_path / "etc" / f"{name}.ring.gz").write_text(name)
    return tmp_path


def told(node: Path, path: str, **options: str) -> Any:
    settings = {
        "devices": str(node / "devices"),
        "mount_check": "false",
        "swift_dir": str(node / "etc"),
        "recon_cache_path": str(node / "cache"),
        **options,
    }
    reply = ask(recon.filter_factory(settings)(FixedApp("418 Teapot")), path=f"/recon/{path}")
    assert reply.status == 200, reply.text
    assert reply.headers["content-type"] == "application/json"
    return json.loads(reply.body)


@pytest.mark.parametrize(
    ("path", "kind", "names"),
    [
        ("replication/account", "account", {"replication_time", "replication_stats", "replication_last"}),
        ("replication/container", "container", {"replication_time", "replication_stats", "replication_last"}),
        (
            "replication/object",
            "object",
            {"replication_time", "replication_stats", "replication_last", "object_replication_time", "object_replication_last"},
        ),
        ("replication", "object", {"replication_time", "object_replication_last", "replication_stats", "replication_last", "object_replication_time"}),
        ("updater/container", "container", {"container_updater_sweep"}),
        ("updater/object", "object", {"object_updater_sweep", "object_updater_stats", "object_updater_last"}),
        ("expirer/object", "object", {"object_expiration_pass", "expired_last_pass"}),
        ("lifecycle/container", "container", {"lifecycle_last_pass"}),
        ("auditor/object", "object", {"object_auditor_stats_ALL", "object_auditor_stats_ZBF"}),
        (
            "auditor/account",
            "account",
            {"account_audits_passed", "account_auditor_pass_completed", "account_audits_since", "account_audits_failed"},
        ),
        (
            "auditor/container",
            "container",
            {"container_audits_passed", "container_auditor_pass_completed", "container_audits_since", "container_audits_failed"},
        ),
        ("driveaudit", "drive", {"drive_audit_errors"}),
        ("sharding", "container", {"sharding_stats", "sharding_time", "sharding_last"}),
        ("reconstruction/object", "object", {"object_reconstruction_last", "object_reconstruction_time"}),
        ("relinker", "relinker", {"devices", "workers"}),
    ],
)  # fmt: skip
def test_the_daemons_figures_are_told(node: Path, path: str, kind: str, names: set[str]) -> None:
    """Exactly Swift's fields, null where nobody has left a figure."""
    assert told(node, path) == dict.fromkeys(names)
    name = min(names)
    recon_cache.leave(node / "cache", kind, {name: {"a": 1}, "other": 2})
    assert told(node, path) == {**dict.fromkeys(names), name: {"a": 1}}


def test_waiting_updates_are_counted(node: Path) -> None:
    """By the updater, or where it has left nothing, there and then, over all devices and policies."""
    for folder in ("d1/async_pending/abc", "d1/async_pending-1/def", "d2/async_pending/012", "d2/objects/1"):
        (node / "devices" / folder).mkdir(parents=True)
        (node / "devices" / folder / "file").touch()
    assert told(node, "async")["async_pending"] == 3
    recon_cache.leave(node / "cache", "object", {"async_pending": 7, "async_pending_last": 1.5})
    assert told(node, "async") == {"async_pending": 7, "async_pending_last": 1.5}


def test_devices_are_listed(node: Path) -> None:
    """Folders only."""
    assert told(node, "devices") == {str(node / "devices"): ["d1", "d2"]}


def test_unmounted_devices_are_told(node: Path) -> None:
    """A folder that is no mount point, where mounts are checked."""
    assert told(node, "unmounted") == []
    missing: list[dict[str, object]] = [{"device": name, "mounted": False} for name in ("d1", "d2")]
    assert told(node, "unmounted", mount_check="true") == missing
    empty = {"size": "", "used": "", "avail": ""}
    assert told(node, "diskusage", mount_check="true") == [{**row, **empty} for row in missing]


def test_disk_usage_adds_up(node: Path) -> None:
    """Used and available make the size."""
    for row in told(node, "diskusage"):
        assert row["mounted"] is True
        assert row["size"] == row["used"] + row["avail"] > 0


def test_quarantine_is_counted(node: Path) -> None:
    """Per kind and per policy; what else lies there is not counted."""
    for place in (
        "d1/quarantined/objects/h1",
        "d1/quarantined/objects/h2",
        "d1/quarantined/objects-1/h3",
        "d2/quarantined/objects/h4",
        "d2/quarantined/containers/h5",
        "d2/quarantined/odd/h6",
    ):
        (node / "devices" / place).mkdir(parents=True)
    assert told(node, "quarantined") == {
        "objects": 4,
        "containers": 1,
        "accounts": 0,
        "policies": {"0": {"objects": 3}, "1": {"objects": 1}},
    }


def test_rings_and_conf_have_checksums(node: Path) -> None:
    """MD5 of the files as they are now; swift.conf also under the name that stock tools ask for."""
    names = ("account", "container", "object", "object-1")
    expected = {
        str(node / "etc" / f"{name}.ring.gz"): hashlib.md5(name.encode()).hexdigest() for name in names
    }
    assert told(node, "ringmd5") == expected
    checksum = hashlib.md5(b"[swift-hash]\n").hexdigest()
    assert told(node, "swiftconfmd5") == {
        "/etc/swift/swift.conf": checksum,
        str(node / "etc" / "swift.conf"): checksum,
    }
    (node / "etc" / "swift.conf").unlink()
    assert set(told(node, "swiftconfmd5").values()) == {None}


def test_the_machine_is_told_of(node: Path) -> None:
    """Memory, load, mounts, sockets, time and version, in Swift's fields."""
    assert "MemTotal" in told(node, "mem")
    assert set(told(node, "load")) == {"1m", "5m", "15m", "tasks", "processes"}
    assert all(set(row) == {"device", "path"} for row in told(node, "mounted"))
    assert {"tcp_in_use", "orphan", "time_wait", "tcp_mem_allocated_bytes"} <= set(told(node, "sockstat"))
    assert told(node, "time") > 1.7e9
    assert told(node, "version")["version"].startswith("apus")


@pytest.mark.parametrize(
    "path",
    ["", "nothing", "replication/nothing/x", "updater/account", "updater", "expirer", "auditor", "mem2"],
)
def test_what_is_not_known_is_404(node: Path, path: str) -> None:
    """And the server behind is not asked."""
    stack = recon.filter_factory({"recon_cache_path": str(node / "cache")})(FixedApp())
    assert ask(stack, path=f"/recon/{path}").status == (404 if path != "replication/nothing/x" else 200)


def test_a_missing_folder_is_500_and_told(node: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The operator hears of it."""
    stack = recon.filter_factory({"devices": str(node / "nowhere")})(FixedApp())
    for check in ("devices", "diskusage", "quarantined"):
        assert ask(stack, path=f"/recon/{check}").status == 500
    assert "check the node" in caplog.text


def test_recon_is_only_read_and_other_paths_pass(node: Path) -> None:
    """It has no verbs but GET and HEAD."""
    stack = recon.filter_factory({})(FixedApp("418 Teapot"))
    assert ask(stack, "PUT", "/recon/mem").status == 405
    assert ask(stack, "GET", "/reconx").status == 418


def test_a_spoilt_cache_is_as_good_as_none(node: Path) -> None:
    """It is read as empty and written anew."""
    (node / "cache" / "object.recon").write_text("{broken")
    assert told(node, "expirer/object") == {"object_expiration_pass": None, "expired_last_pass": None}
    recon_cache.leave(node / "cache", "object", {"object_expiration_pass": 1.0})
    assert told(node, "expirer/object")["object_expiration_pass"] == 1.0


def test_lifecycles_are_told_by_recon_and_as_metrics(node: Path) -> None:
    """What the last pass has done; a dry run has done nothing."""
    left = {
        "counts": {"expired": 3, "orphans": 1},
        "finished": 1700000000.0,
        "seconds": 1.0,
        "dry_run": False,
    }
    recon_cache.leave(node / "cache", "container", {"lifecycle_last_pass": left})
    assert told(node, "lifecycle/container") == {"lifecycle_last_pass": left}
    scraped = ask(metrics.filter_factory({})(FixedApp()), path="/metrics").text
    assert 'apus_lifecycle_last_pass{what="expired"} 3.0' in scraped
    assert "apus_lifecycle_finished_timestamp_seconds 1.7e+09" in scraped
    recon_cache.leave(node / "cache", "container", {"lifecycle_last_pass": {**left, "dry_run": True}})
    assert (
        "apus_lifecycle_last_pass{" not in ask(metrics.filter_factory({})(FixedApp()), path="/metrics").text
    )


def test_a_survey_is_told_by_recon_and_as_metrics(node: Path) -> None:
    """By the node where it was left, as it was left last; nowhere else."""
    assert told(node, "survey") == {"survey_policies": None, "survey_time": None, "survey_last": None}
    assert "apus_survey" not in ask(metrics.filter_factory({})(FixedApp()), path="/metrics").text
    figures = {"objects": 9, "objects_below": 2, "objects_without_copy": 0}
    recon_cache.leave(
        node / "cache", "survey", {"survey_policies": {"0": figures}, "survey_last": 1700000000.0}
    )
    assert told(node, "survey")["survey_policies"] == {"0": figures}
    scraped = ask(metrics.filter_factory({})(FixedApp()), path="/metrics").text
    assert 'apus_survey_objects_below{policy="0"} 2.0' in scraped
    assert "apus_survey_finished_timestamp_seconds 1.7e+09" in scraped
