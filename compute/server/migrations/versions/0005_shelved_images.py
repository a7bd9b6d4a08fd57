"""Which image is the picture that shelving made of a server: it goes when the server runs again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("servers", sa.Column("shelved_image", sa.String(length=36), nullable=True))
