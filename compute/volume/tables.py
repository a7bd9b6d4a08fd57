"""What the volume service remembers, as tables.

    volumes ◀── snapshots, backups, attachments, transfers, schedules        types ──▶ qos_specs
    jobs: long work under way, a step at a time        quotas, messages

Each volume, snapshot and backup has a block map of its own (`map_id`, in the containers of `map_project`), so
any of them goes without asking the others. Times are unix seconds. A row that is gone is gone: nothing is
marked deleted.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()


def _id() -> Column[str]:
    return Column("id", String(36), primary_key=True)


def _named() -> list[Column[str]]:
    return [Column("name", String(255)), Column("description", String(255))]


def _owned() -> list[Column[str]]:
    return [
        Column("project_id", String(64), nullable=False, index=True),
        Column("user_id", String(64), nullable=False),
    ]


def _timed() -> list[Column[float]]:
    return [Column("created_at", Double, nullable=False), Column("updated_at", Double)]


volumes = Table(
    "volumes",
    metadata,
    _id(),
    *_owned(),
    *_named(),
    *_timed(),
    Column("size", Integer, nullable=False),  # GiB, as all sizes of this API
    Column("status", String(32), nullable=False),
    Column("previous_status", String(32)),
    Column("type_id", String(36)),
    Column("availability_zone", String(255), nullable=False),
    Column("bootable", Boolean, nullable=False, default=False),
    Column("read_only", Boolean, nullable=False, default=False),
    Column("multiattach", Boolean, nullable=False, default=False),
    Column("snapshot_id", String(36)),
    Column("source_volume_id", String(36)),
    Column("backup_id", String(36)),
    Column("metadata", JSON, nullable=False),
    Column("image_metadata", JSON, nullable=False),
    Column("map_id", String(64)),  # None until there is one
    Column("map_project", String(64), nullable=False),
    Column("lease", String(64)),  # Of the host that may write; None: nobody
    Column("lease_host", String(255)),
    Column("lease_map_id", String(64)),  # The map that the host's writes lie over
    Column("commit_wanted_at", Double),
    Column("committed_at", Double),
)

attachments = Table(
    "attachments",
    metadata,
    _id(),
    Column("volume_id", String(36), nullable=False, index=True),
    Column("project_id", String(64), nullable=False, index=True),
    Column("instance_id", String(36)),
    Column("host", String(255)),
    Column("device", String(255)),
    Column("mode", String(8)),
    Column("status", String(32), nullable=False),  # reserved, attaching, attached, detached
    Column("connector", JSON),
    Column("old_api", Boolean, nullable=False, default=False),
    Column("attached_at", Double),
    Column("detached_at", Double),
    *_timed(),
)

snapshots = Table(
    "snapshots",
    metadata,
    _id(),
    *_owned(),
    *_named(),
    *_timed(),
    Column("volume_id", String(36), nullable=False, index=True),
    Column("type_id", String(36)),
    Column("size", Integer, nullable=False),
    Column("status", String(32), nullable=False),
    Column("progress", String(8), nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("image_metadata", JSON, nullable=False),
    Column("bootable", Boolean, nullable=False, default=False),
    Column("map_id", String(64)),
    Column("map_project", String(64), nullable=False),
)

backups = Table(
    "backups",
    metadata,
    _id(),
    *_owned(),
    *_named(),
    *_timed(),
    Column("volume_id", String(36), nullable=False, index=True),
    Column("snapshot_id", String(36)),
    Column("schedule_id", String(36), index=True),
    Column("parent_id", String(36)),
    Column("size", Integer, nullable=False),
    Column("status", String(32), nullable=False),
    Column("container", String(255)),
    Column("availability_zone", String(255), nullable=False),
    Column("fail_reason", Text),
    Column("object_count", Integer, nullable=False, default=0),
    Column("bytes_added", BigInteger, nullable=False, default=0),  # What it has that its parent has not
    Column("data_timestamp", Double, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("volume_facts", JSON, nullable=False),  # What a restored volume gets besides its data
    Column("map_id", String(64)),
    Column("map_project", String(64), nullable=False),
)

schedules = Table(
    "backup_schedules",
    metadata,
    _id(),
    *_owned(),
    *_named(),
    *_timed(),
    Column("volume_id", String(36), nullable=False, index=True),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("interval_seconds", Integer, nullable=False),
    Column("keep_last", Integer, nullable=False, default=0),
    Column("keep_daily", Integer, nullable=False, default=0),
    Column("keep_weekly", Integer, nullable=False, default=0),
    Column("keep_monthly", Integer, nullable=False, default=0),
    Column("last_run_at", Double),
    Column("last_fault", Text),
)

types = Table(
    "volume_types",
    metadata,
    _id(),
    Column("name", String(255), nullable=False, unique=True),
    Column("description", String(255)),
    Column("is_public", Boolean, nullable=False, default=True),
    Column("extra_specs", JSON, nullable=False),
    Column("projects", JSON, nullable=False),  # Which may use it where it is not public
    Column("qos_specs_id", String(36)),
    Column("encryption", JSON),
    *_timed(),
)

qos_specs = Table(
    "qos_specs",
    metadata,
    _id(),
    Column("name", String(255), nullable=False, unique=True),
    Column("consumer", String(32), nullable=False),
    Column("specs", JSON, nullable=False),
    *_timed(),
)

transfers = Table(
    "transfers",
    metadata,
    _id(),
    Column("name", String(255)),
    Column("volume_id", String(36), nullable=False, index=True),
    Column("source_project_id", String(64), nullable=False, index=True),
    Column("destination_project_id", String(64)),
    Column("accepted", Boolean, nullable=False, default=False),
    Column("no_snapshots", Boolean, nullable=False, default=False),
    Column("salt", String(32), nullable=False),
    Column("key_hash", String(128), nullable=False),
    Column("failures", Integer, nullable=False, default=0),
    *_timed(),
)

quotas = Table(
    "quotas",
    metadata,
    Column("scope", String(16), primary_key=True),  # "project" or "class"
    Column("owner", String(64), primary_key=True),
    Column("name", String(190), primary_key=True),
    Column("most", Integer, nullable=False),
)

default_types = Table(
    "default_types",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("type_id", String(36), nullable=False),
)

messages = Table(
    "messages",
    metadata,
    _id(),
    Column("project_id", String(64), nullable=False, index=True),
    Column("request_id", String(64)),
    Column("resource_type", String(32), nullable=False),
    Column("resource_id", String(36), nullable=False),
    Column("event_id", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    _id(),
    Column("kind", String(48), nullable=False),
    Column("resource_id", String(36), nullable=False, index=True),
    Column("project_id", String(64), nullable=False),
    Column("request_id", String(64)),
    Column("step", Integer, nullable=False, default=0),
    Column("state", JSON, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("owner", String(255)),
    Column("due_at", Double, nullable=False),  # Not before; while owned: when the owner counts as dead
    Column("created_at", Double, nullable=False),
    Index("jobs_due", "due_at"),
)
