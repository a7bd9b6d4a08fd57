"""The network service's tables."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from apus.compute.catalogue import Catalogue
from apus.compute.network.app import MIGRATIONS
from apus.compute.network.tables import METADATA


def test_the_migrations_make_the_tables(tmp_path: Path) -> None:
    """What the revisions make is what the code reads: nothing is left to migrate."""
    catalogue = Catalogue.open(f"sqlite:///{tmp_path}/network.db", MIGRATIONS)
    with catalogue.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
