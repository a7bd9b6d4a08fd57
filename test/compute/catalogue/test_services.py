"""Every service's tables, on every database: laws that hold for all of them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from databases import catalogue_url
from sqlalchemy import Float, MetaData

import apus
from apus.compute.catalogue import Catalogue

SERVICES = ("identity", "image", "network", "server", "volume")
ROOT = Path(str(apus.__file__)).parent


def metadata_of(service: str) -> MetaData:
    tables: ModuleType = import_module(f"apus.compute.{service}.tables")
    found = getattr(tables, "metadata", None) or tables.METADATA
    assert isinstance(found, MetaData)
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_the_migrations_make_the_tables(tmp_path: Path, service: str) -> None:
    """What the revisions make is what the code reads: nothing is left to migrate."""
    catalogue = Catalogue.open(catalogue_url(tmp_path, service), ROOT / "compute" / service / "migrations")
    with catalogue.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata_of(service))
    assert [change for change in found if "'catalogue'" not in str(change)] == []


@pytest.mark.parametrize("service", SERVICES)
def test_times_keep_their_microseconds(service: str) -> None:
    """A column of seconds since 1970 has 53 bits wherever; MariaDB's plain FLOAT has 24 and loses minutes."""
    for table in metadata_of(service).sorted_tables:
        for column in table.columns:
            if isinstance(column.type, Float):
                assert "DOUBLE" in type(column.type).__name__.upper() or column.type.precision == 53, column
