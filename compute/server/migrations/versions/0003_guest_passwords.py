"""Passwords that guests have made and left with their metadata, encrypted for their owner's key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "guest_passwords",
        sa.Column("server_id", sa.String(length=36), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("server_id"),
    )
