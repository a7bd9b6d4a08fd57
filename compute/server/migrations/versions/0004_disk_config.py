"""Whether a guest shall fit its disk's partitions to the disk by itself, as clients say and read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("servers", sa.Column("disk_config", sa.String(length=8), nullable=True))
