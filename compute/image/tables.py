"""What the image service remembers, as tables.

    images ◀── properties, tags, members        tasks        metadef_namespaces ◀── metadef_items

Times are Unix seconds, sizes bytes. A deleted image's row stays until its data is gone; what stands beside it
goes at once.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

images = Table(
    "images",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("name", String(255)),
    Column("status", String(16), nullable=False),
    Column("visibility", String(16), nullable=False),
    Column("disk_format", String(16)),
    Column("container_format", String(16)),
    Column("min_disk", Integer, nullable=False),
    Column("min_ram", Integer, nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("os_hidden", Boolean, nullable=False),
    Column("size", BigInteger),
    Column("virtual_size", BigInteger),
    Column("checksum", String(32)),
    Column("os_hash_value", String(128)),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("map_project", String(255), nullable=False),
    Column("map_id", String(128), nullable=False),
    Column("staged", Boolean, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("lease_until", Double, nullable=False),
    Index("images_by_owner", "owner", "created_at"),
    Index("images_by_visibility", "visibility", "created_at"),
    Index("images_by_status", "status", "lease_until"),
)


def _image_id() -> Column[str]:
    return Column("image_id", String(36), ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)


properties = Table(
    "image_properties",
    metadata,
    _image_id(),
    Column("name", String(255), primary_key=True),
    Column("value", Text, nullable=False),
)

tags = Table("image_tags", metadata, _image_id(), Column("tag", String(255), primary_key=True))

members = Table(
    "image_members",
    metadata,
    _image_id(),
    Column("member_id", String(255), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Index("members_by_project", "member_id", "status"),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("type", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("image_id", String(36), nullable=False),
    Column("user_id", String(255), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("input", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("expires_at", Double),
    Index("tasks_by_image", "image_id"),
    Index("tasks_by_owner", "owner", "created_at"),
)

metadef_namespaces = Table(
    "metadef_namespaces",
    metadata,
    Column("namespace", String(80), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("visibility", String(16), nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("document", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
)

metadef_items = Table(
    "metadef_items",
    metadata,
    Column("namespace", String(80), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("name", String(80), primary_key=True),
    Column("document", Text, nullable=False),
)
