"""What the volume service decides, decided without it: statuses, quotas, retention, the chunk layout."""

from __future__ import annotations

import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Corrupt, Refused
from apus.compute.volume import quota
from apus.compute.volume.chunk_layout import (
    Chunk,
    ChunkedBackup,
    decode,
    overlay,
    parse_metadata,
    prefix_of,
    windows,
)
from apus.compute.volume.record import SERVICE, exported, imported
from apus.compute.volume.retention import Plan, due, expired, next_run_at
from apus.compute.volume.status import (
    BACKUP_ACTIONS,
    SNAPSHOT_ACTIONS,
    VOLUME_ACTIONS,
    VOLUME_STATUSES,
    Condition,
    failed,
    forced_delete_refusal,
    refusal,
    resting,
)

NOTHING: dict[str, object] = {}
STATUSES = sorted(VOLUME_STATUSES | {"reverting"})
DAY = 86400.0


@given(st.sampled_from(sorted(VOLUME_ACTIONS)), st.sampled_from(STATUSES), st.integers(0, 3))
def test_an_action_begins_only_where_its_table_says(name: str, status: str, attachments: int) -> None:
    """Refused means a sentence with the status or the attachments in it; allowed means that neither stands against it."""
    action = VOLUME_ACTIONS[name]
    sentence = refusal(action, Condition(status=status, attachments=attachments))
    if sentence is None:
        assert status in action.sources
        assert not (action.detached_only and attachments)
    else:
        assert status in sentence or str(attachments) in sentence


def test_every_status_that_work_leads_to_can_be_left() -> None:
    """Whatever an action leads to, and what it becomes when the work fails, can be deleted by somebody."""
    for action in VOLUME_ACTIONS.values():
        if action.target is not None:
            assert forced_delete_refusal(Condition(status=failed(action.target))) is None
            assert refusal(VOLUME_ACTIONS["delete"], Condition(status=failed(action.target))) is None
    for table in (SNAPSHOT_ACTIONS, BACKUP_ACTIONS):
        assert {"error", "available"} <= table["delete"].sources


def test_a_volume_at_rest_is_what_its_attachments_say() -> None:
    """In use with any, reserved with one on its way, else available."""
    assert [resting(1), resting(0, reserved=1), resting(2, reserved=1), resting(0)] == [
        "in-use",
        "reserved",
        "in-use",
        "available",
    ]


sized = st.lists(
    st.builds(quota.Sized, st.integers(1, 50), st.sampled_from([None, "gold", "iron"])), max_size=8
)


@given(sized, sized, sized, st.integers(-1, 300), st.integers(-5, 100))
def test_what_fits_never_passes_a_limit(
    volumes: list[quota.Sized],
    snapshots: list[quota.Sized],
    backups: list[quota.Sized],
    limit: int,
    more: int,
) -> None:
    """Where nothing is over, use and wish together are within the limit, or nothing was added."""
    used = quota.usage(volumes, snapshots, backups)
    assert used["gigabytes"] == sum(one.gigabytes for one in (*volumes, *snapshots))
    assert used["backup_gigabytes"] == sum(one.gigabytes for one in backups)
    exceeded = quota.over({"gigabytes": more}, used, {"gigabytes": limit})
    within = limit == -1 or more <= 0 or used["gigabytes"] + more <= limit
    assert (exceeded == []) == within
    for name in exceeded:
        assert str(limit) in quota.sentence(name, {name: more}, used, {name: limit})


def test_the_nearest_layer_of_limits_counts() -> None:
    """The project's own, then its class's, then the service's; a type's own quota is without end by default."""
    found = quota.limits(["volumes", "backups", "volumes_gold"], {"volumes": 1}, {"volumes": 2, "backups": 3})
    assert found == {"volumes": 1, "backups": 3, "volumes_gold": -1}


@given(
    st.dictionaries(st.text("abcdef", min_size=1), st.floats(0, 4e9), max_size=20),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(0, 4),
)
def test_retention_keeps_the_newest_and_what_it_promises(
    made_at: dict[str, float], last: int, daily: int, weekly: int, monthly: int
) -> None:
    """Never the newest; with a plan that keeps all nothing; else the last so many stay, and nothing goes twice."""
    plan = Plan(
        interval_seconds=60, keep_last=last, keep_daily=daily, keep_weekly=weekly, keep_monthly=monthly
    )
    gone = expired(plan, made_at)
    newest = sorted(made_at, key=lambda name: (made_at[name], name), reverse=True)
    assert not set(gone) & set(newest[: max(last, 1)])
    assert len(gone) == len(set(gone))
    left = {name: at for name, at in made_at.items() if name not in gone}
    assert expired(plan, left) == [], "what stays now stays when asked again"
    if plan.keeps_all:
        assert gone == []
    else:
        assert len(left) <= max(last, 1) + daily + weekly + monthly


def test_daily_backups_stand_for_their_days() -> None:
    """Of each of the last three days the newest stays."""
    hourly = {f"{hour:03d}": hour * 3600.0 for hour in range(24 * 5)}
    gone = expired(Plan(interval_seconds=3600, keep_daily=3), hourly)
    assert sorted(set(hourly) - set(gone)) == ["071", "095", "119"]


@given(st.integers(60, 100_000), st.floats(0, 1e9), st.floats(0, 1e6))
def test_a_missed_run_is_made_up_for_once(interval: int, last: float, later: float) -> None:
    """After a pause of any length one run is due, and having run it is due again an interval later at most."""
    plan, now = Plan(interval_seconds=interval), last + later
    if due(plan, last_run_at=last, now=now):
        ran = next_run_at(plan, last_run_at=last, now=now)
        assert ran <= now + 1e-3
        assert not due(plan, last_run_at=ran, now=ran + interval * 0.99)
    else:
        assert next_run_at(plan, last_run_at=last, now=now) >= now


chunk_lists = st.lists(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=6), min_size=1, max_size=4
)


@given(chunk_lists)
def test_the_newest_layer_has_each_byte(layers: list[list[tuple[int, int]]]) -> None:
    """Played over each other in order, as a restore of the chain would, or read off the overlay: the same disk."""
    disk: list[str | None] = [None] * 100
    backups = []
    for age, places in enumerate(layers):
        chunks = tuple(
            Chunk(f"{age}/{place}", offset, length, "none", "")
            for place, (offset, length) in enumerate(places)
        )
        for chunk in chunks:
            disk[chunk.offset : chunk.end] = [chunk.name] * chunk.length
        backups.append(ChunkedBackup(str(age), "v", None, chunks, {}))
    extents = overlay(backups)
    found: list[str | None] = [None] * 100
    for extent in extents:
        assert extent.chunk.offset <= extent.offset
        assert extent.offset + extent.length <= extent.chunk.end
        found[extent.offset : extent.offset + extent.length] = [extent.chunk.name] * extent.length
    assert found == disk
    covered: list[str | None] = [None] * 100
    for offset, length, inside in windows(extents, size=100, window=7):
        for extent in inside:
            assert offset <= extent.offset
            assert extent.offset + extent.length <= offset + length
            covered[extent.offset : extent.offset + extent.length] = [extent.chunk.name] * extent.length
    assert covered == disk


def test_a_bomb_does_not_go_off() -> None:
    """A chunk that unpacks to more than its metadata say is corrupt, and never unpacked beyond that."""
    data = bytes(10_000_000)
    small = Chunk("c", 0, 10, "zlib", hashlib.md5(data[:10], usedforsecurity=False).hexdigest())
    with pytest.raises(Corrupt):
        decode(small, zlib.compress(data))
    with pytest.raises(Refused):
        decode(Chunk("c", 0, 1, "rot13", ""), b"x")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version": "1.0.0", "backup_id": 1, "volume_id": 2, "objects": [{"a": {}}]}',
        b"\xff",
    ],
)
def test_metadata_that_is_none_is_corrupt(body: bytes) -> None:
    """Whatever is in the object, it is read or called corrupt, and nothing else happens."""
    with pytest.raises(Corrupt):
        parse_metadata(body)


def test_a_parent_is_found_by_its_name() -> None:
    """A backup's prefix is told by the name of its metadata object, and by nothing that only looks like it."""
    names = ["volume_v/1/az_nova_backup_a_metadata", "volume_v/2/az_nova_backup_b_metadata"]
    assert prefix_of(names, "b") == "volume_v/2/az_nova_backup_b"
    assert prefix_of(names, "c") is None


def test_a_record_survives_the_journey_and_nonsense_does_not() -> None:
    """What was exported is imported as it was; what is no record of ours or of Cinder's Swift driver is refused."""
    fields = {
        "id": "3b3a3c3e-1111-4111-8111-111111111111",
        "volume_id": "v",
        "size": 3,
        "map_id": "m",
        "map_project": "p",
        "display_name": "n",
    }
    record = imported(SERVICE, exported(fields))
    assert (record.id, record.size, record.map_id, record.name) == (fields["id"], 3, "m", "n")
    for service, url in (
        (SERVICE, "%%%"),
        (SERVICE, exported(NOTHING)),
        ("cinder.backup.drivers.nfs", exported(fields)),
    ):
        with pytest.raises(Refused):
            imported(service, url)
