"""The first tables: volumes and what belongs to them, types, quotas, jobs, messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    _make_attachments()
    _make_backup_schedules()
    _make_backups()
    _make_default_types()
    _make_jobs()
    _make_messages()
    _make_qos_specs()
    _make_quotas()
    _make_snapshots()
    _make_transfers()
    _make_volume_types()
    _make_volumes()


def _make_attachments() -> None:
    op.create_table(
        "attachments",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("volume_id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("instance_id", sa.String(36)),
        sa.Column("host", sa.String(255)),
        sa.Column("device", sa.String(255)),
        sa.Column("mode", sa.String(8)),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("connector", sa.JSON),
        sa.Column("old_api", sa.Boolean, nullable=False),
        sa.Column("attached_at", sa.Double),
        sa.Column("detached_at", sa.Double),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double),
    )
    op.create_index("ix_attachments_project_id", "attachments", ["project_id"])
    op.create_index("ix_attachments_volume_id", "attachments", ["volume_id"])


def _make_backup_schedules() -> None:
    op.create_table(
        "backup_schedules",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("description", sa.String(255)),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double),
        sa.Column("volume_id", sa.String(36), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("interval_seconds", sa.Integer, nullable=False),
        sa.Column("keep_last", sa.Integer, nullable=False),
        sa.Column("keep_daily", sa.Integer, nullable=False),
        sa.Column("keep_weekly", sa.Integer, nullable=False),
        sa.Column("keep_monthly", sa.Integer, nullable=False),
        sa.Column("last_run_at", sa.Double),
        sa.Column("last_fault", sa.Text),
    )
    op.create_index("ix_backup_schedules_project_id", "backup_schedules", ["project_id"])
    op.create_index("ix_backup_schedules_volume_id", "backup_schedules", ["volume_id"])


def _make_backups() -> None:
    op.create_table(
        "backups",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("description", sa.String(255)),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double),
        sa.Column("volume_id", sa.String(36), nullable=False),
        sa.Column("snapshot_id", sa.String(36)),
        sa.Column("schedule_id", sa.String(36)),
        sa.Column("parent_id", sa.String(36)),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("container", sa.String(255)),
        sa.Column("availability_zone", sa.String(255), nullable=False),
        sa.Column("fail_reason", sa.Text),
        sa.Column("object_count", sa.Integer, nullable=False),
        sa.Column("bytes_added", sa.BigInteger, nullable=False),
        sa.Column("data_timestamp", sa.Double, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("volume_facts", sa.JSON, nullable=False),
        sa.Column("map_id", sa.String(64)),
        sa.Column("map_project", sa.String(64), nullable=False),
    )
    op.create_index("ix_backups_project_id", "backups", ["project_id"])
    op.create_index("ix_backups_schedule_id", "backups", ["schedule_id"])
    op.create_index("ix_backups_volume_id", "backups", ["volume_id"])


def _make_default_types() -> None:
    op.create_table(
        "default_types",
        sa.Column("project_id", sa.String(64), primary_key=True),
        sa.Column("type_id", sa.String(36), nullable=False),
    )


def _make_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(48), nullable=False),
        sa.Column("resource_id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64)),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("state", sa.JSON, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(255)),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
    )
    op.create_index("ix_jobs_resource_id", "jobs", ["resource_id"])
    op.create_index("jobs_due", "jobs", ["due_at"])


def _make_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64)),
        sa.Column("resource_type", sa.String(32), nullable=False),
        sa.Column("resource_id", sa.String(36), nullable=False),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_index("ix_messages_project_id", "messages", ["project_id"])


def _make_qos_specs() -> None:
    op.create_table(
        "qos_specs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("consumer", sa.String(32), nullable=False),
        sa.Column("specs", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double),
    )


def _make_quotas() -> None:
    op.create_table(
        "quotas",
        sa.Column("scope", sa.String(16), primary_key=True),
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(190), primary_key=True),
        sa.Column("most", sa.Integer, nullable=False),
    )


def _make_snapshots() -> None:
    op.create_table(
        "snapshots",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("description", sa.String(255)),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double),
        sa.Column("volume_id", sa.String(36), nullable=False),
        sa.Column("type_id", sa.String(36)),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("progress", sa.String(8), nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("image_metadata", sa.JSON, nullable=False),
        sa.Column("bootable", sa.Boolean, nullable=False),
        sa.Column("map_id", sa.String(64)),
        sa.Column("map_project", sa.String(64), nullable=False),
    )
    op.create_index("ix_snapshots_project_id", "snapshots", ["project_id"])
    op.create_index("ix_snapshots_volume_id", "snapshots", ["volume_id"])


def _make_transfers() -> None:
    op.create_table(
        "transfers",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(255)),
        sa.Column("volume_id", sa.String(36), nullable=False),
        sa.Column("source_project_id", sa.String(64), nullable=False),
        sa.Column("destination_project_id", sa.String(64)),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.Column("no_snapshots", sa.Boolean, nullable=False),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.Column("key_hash", sa.String(128), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double),
    )
    op.create_index("ix_transfers_source_project_id", "transfers", ["source_project_id"])
    op.create_index("ix_transfers_volume_id", "transfers", ["volume_id"])


def _make_volume_types() -> None:
    op.create_table(
        "volume_types",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("description", sa.String(255)),
        sa.Column("is_public", sa.Boolean, nullable=False),
        sa.Column("extra_specs", sa.JSON, nullable=False),
        sa.Column("projects", sa.JSON, nullable=False),
        sa.Column("qos_specs_id", sa.String(36)),
        sa.Column("encryption", sa.JSON),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double),
    )


def _make_volumes() -> None:
    op.create_table(
        "volumes",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("description", sa.String(255)),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("previous_status", sa.String(32)),
        sa.Column("type_id", sa.String(36)),
        sa.Column("availability_zone", sa.String(255), nullable=False),
        sa.Column("bootable", sa.Boolean, nullable=False),
        sa.Column("read_only", sa.Boolean, nullable=False),
        sa.Column("multiattach", sa.Boolean, nullable=False),
        sa.Column("snapshot_id", sa.String(36)),
        sa.Column("source_volume_id", sa.String(36)),
        sa.Column("backup_id", sa.String(36)),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("image_metadata", sa.JSON, nullable=False),
        sa.Column("map_id", sa.String(64)),
        sa.Column("map_project", sa.String(64), nullable=False),
        sa.Column("lease", sa.String(64)),
        sa.Column("lease_host", sa.String(255)),
        sa.Column("lease_map_id", sa.String(64)),
        sa.Column("commit_wanted_at", sa.Double),
        sa.Column("committed_at", sa.Double),
    )
    op.create_index("ix_volumes_project_id", "volumes", ["project_id"])
