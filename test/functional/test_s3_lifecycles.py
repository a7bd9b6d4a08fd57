"""What the lifecycle daemon does in buckets of every kind: what is due goes, once, and nothing else.

A door that keeps the moments which clients of the Swift API tell makes objects that are ten days old. All buckets
are made first, and two passes serve every test.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from clusters import AllInOne, free_port_block
from fronts import front, with_filters
from lifecycles import pass_of_all_nodes
from s3 import S3Front
from store import Client

DAY = 86400
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
RULES: dict[str, dict[str, Any]] = {
    "days": {"Expiration": {"Days": 5}, "Filter": {"Prefix": "logs/"}},
    "filters": {
        "Expiration": {"Date": LONG_AGO},
        "Filter": {"And": {"Tags": [{"Key": "a", "Value": "1"}], "ObjectSizeGreaterThan": 2}},
    },
    "large": {"Expiration": {"Date": LONG_AGO}, "Filter": {}},
    "current": {"Expiration": {"Days": 5}, "Filter": {}},
    "noncurrent": {
        "NoncurrentVersionExpiration": {"NoncurrentDays": 2, "NewerNoncurrentVersions": 2},
        "Filter": {},
    },
    "markers": {
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
        "Filter": {},
    },
    "locked": {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}, "Filter": {}},
    "uploads": {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3}, "Filter": {}},
}
VERSIONED = ("current", "noncurrent", "markers")
ABANDONED = "AbandonedLongAgo"
REPLICAS = 3
"""Of a container; each of them looks when told not to wait for its turn."""


@dataclass
class Past:
    """The clients of both doors, and what the daemon said of each of its passes."""

    boto: Any
    swift: Client
    buckets: dict[str, str]
    counts: list[dict[str, int]] = field(default_factory=list)

    def put(self, kind: str, key: str, body: bytes = b"x", *, days: float = 10, suffix: str = "") -> None:
        """Write an object as of some days ago."""
        reply = self.swift.put(self.buckets[kind] + suffix, key, body=body, headers=ago(days))
        assert reply.status == 201, reply

    def keys(self, kind: str) -> list[str]:
        page = self.boto.list_objects_v2(Bucket=self.buckets[kind])
        return [row["Key"] for row in page.get("Contents", ())]

    def versions(self, kind: str) -> tuple[int, int]:
        """How many versions there are, and how many delete markers."""
        rows = self.boto.list_object_versions(Bucket=self.buckets[kind])
        return len(rows.get("Versions", ())), len(rows.get("DeleteMarkers", ()))

    def uploads(self) -> list[str]:
        page = self.boto.list_multipart_uploads(Bucket=self.buckets["uploads"])
        return [row["Key"] for row in page.get("Uploads", ())]


def ago(days: float) -> dict[str, str]:
    return {"X-Timestamp": f"{time.time() - days * DAY:.5f}"}


@pytest.fixture(scope="module")
def past(s3: S3Front, shared_cluster: AllInOne, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Buckets with a past, after a dry run and two passes."""
    folder, port = tmp_path_factory.mktemp("lifecycles"), free_port_block(1)
    conf = (shared_cluster.home / "proxy" / "etc" / "proxy-server.conf").read_text()
    keeping = {"gatekeeper": {"shunt_inbound_x_timestamp": "no"}}
    buckets = {kind: f"{kind}-{uuid.uuid4().hex[:8]}" for kind in RULES}
    with front(with_filters(conf, keeping, before="healthcheck", port=port), folder, port=port) as store:
        past = Past(s3.client(), store.client(account_of="test:tester"), buckets)
        for kind, bucket in buckets.items():
            past.boto.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=kind == "locked")
            if kind in VERSIONED:
                enabled = {"Status": "Enabled"}
                past.boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=enabled)
            rules = {"Rules": [{"ID": kind, "Status": "Enabled", **RULES[kind]}]}
            past.boto.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rules)
        _fill(past)
        _fill_versions(past)
    past.swift = s3.swift()
    past.counts.append(pass_of_all_nodes(shared_cluster, folder / "dry", dry_run="yes"))
    assert past.versions("noncurrent") == (5, 0)
    assert past.keys("large") == ["large"]
    past.counts.extend(pass_of_all_nodes(shared_cluster, folder / "wet") for _ in range(2))
    yield past
    hold = {"Status": "OFF"}
    for row in past.boto.list_object_versions(Bucket=buckets["locked"])["Versions"]:
        names = {"Bucket": buckets["locked"], "Key": row["Key"], "VersionId": row["VersionId"]}
        past.boto.put_object_legal_hold(**names, LegalHold=hold)


def _fill(past: Past) -> None:
    """Make the buckets without versions."""
    past.put("days", "logs/old")
    past.put("days", "logs/young", days=3)
    past.put("days", "data/old")
    for key, body, tags in (("go", b"xxx", "a=1"), ("small", b"x", "a=1"), ("other", b"xxx", "a=2")):
        past.boto.put_object(Bucket=past.buckets["filters"], Key=key, Body=body, Tagging=tags)
    names = {"Bucket": past.buckets["large"], "Key": "large"}
    names["UploadId"] = past.boto.create_multipart_upload(**names)["UploadId"]
    part = past.boto.upload_part(**names, PartNumber=1, Body=b"x")
    past.boto.complete_multipart_upload(
        **names, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    past.boto.create_multipart_upload(Bucket=past.buckets["uploads"], Key="young")
    for name in (f"old/{ABANDONED}", f"old/{ABANDONED}/1"):
        past.put("uploads", name, b"", suffix="+segments")


def _fill_versions(past: Past) -> None:
    """Make the buckets with versions."""
    past.put("current", "old")
    past.put("current", "young", days=1)
    for days in (10, 9, 8, 7, 6):
        past.put("noncurrent", "k", days=days)
    past.put("markers", "k", days=10)
    reply = past.swift.delete(past.buckets["markers"], "k", headers=ago(9))
    assert reply.status == 204, reply
    for days in (10, 9):
        past.put("locked", "k", days=days)
    rows = past.boto.list_object_versions(Bucket=past.buckets["locked"])["Versions"]
    names = {"Bucket": past.buckets["locked"], "Key": "k", "VersionId": rows[-1]["VersionId"]}
    past.boto.put_object_legal_hold(**names, LegalHold={"Status": "ON"})


def test_what_is_old_goes(past: Past) -> None:
    """By its days, within the prefix."""
    assert past.keys("days") == ["data/old", "logs/young"]


def test_filters_of_tags_and_sizes_choose(past: Past) -> None:
    """Where both are asked for, both must hold."""
    assert past.keys("filters") == ["other", "small"]


def test_a_large_object_takes_its_parts_along(past: Past) -> None:
    """They are queued for the expirer."""
    assert past.keys("large") == []


def test_where_versions_are_kept_a_marker_is_put(past: Past) -> None:
    """One, however often the pass comes; the version stays, and so does what is young."""
    assert past.versions("current") == (2, 1)
    assert past.keys("current") == ["young"]


def test_newer_noncurrent_versions_are_kept(past: Past) -> None:
    """As many as the rule says, and the current one."""
    assert past.versions("noncurrent") == (3, 0)


def test_a_marker_goes_that_nothing_is_behind(past: Past) -> None:
    """When the next replica looks after the last version went from behind it."""
    assert past.versions("markers") == (0, 0)


def test_what_is_locked_stays(past: Past) -> None:
    """And is counted, not complained of."""
    assert past.versions("locked") == (2, 0)
    assert [count["locked"] for count in past.counts[1:]] == [REPLICAS, REPLICAS]


def test_abandoned_uploads_are_aborted(past: Past) -> None:
    """With their parts; younger ones stay."""
    assert past.uploads() == ["young"]
    left = past.swift.names_in(past.buckets["uploads"] + "+segments", prefix="old/")
    assert left == []


def test_a_dry_run_counts_and_deletes_nothing(past: Past) -> None:
    """The first pass after it does what it has foretold; a second one finds nothing to do."""
    foretold, done, again = past.counts
    assert {name: done[name] for name in ("expired", "uploads", "failures", "changed")} == {
        "expired": 4,
        "uploads": 1,
        "failures": 0,
        "changed": 0,
    }
    assert foretold["expired"] == REPLICAS * done["expired"]
    assert foretold["noncurrent"] == REPLICAS * (done["noncurrent"] + 1)  # Only who tries learns of a lock.
    assert (again["expired"], again["noncurrent"], again["failures"]) == (0, 0, 0)
    assert done["markers"] + again["markers"] == 1


def test_trap_66_an_object_tells_when_it_goes(past: Past) -> None:
    """And by which rule."""
    said = past.boto.head_object(Bucket=past.buckets["days"], Key="logs/young")["Expiration"]
    assert said.startswith("expiry-date=")
    assert said.endswith('rule-id="days"')
    assert "Expiration" not in past.boto.head_object(Bucket=past.buckets["days"], Key="data/old")
