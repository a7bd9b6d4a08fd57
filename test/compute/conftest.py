"""The databases under the cloud services: the tests of some modules run on each.

    identity/test_tokens.py ──▶ test_x[sqlite], test_x[postgresql], test_x[mariadb]

APUS_TEST_DATABASE=mariadb puts all other tests on that one, too, for whoever looks for more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import databases
import pytest

EVERYWHERE = os.environ.get("APUS_TEST_DATABASE", "sqlite")
ON_EACH = frozenset(
    {
        "catalogue/test_database.py",
        "catalogue/test_services.py",
        "identity/test_access_keys.py",
        "identity/test_directory.py",
        "identity/test_tokens.py",
        "image/test_definitions.py",
        "image/test_images.py",
        "image/test_importing.py",
        "image/test_rebuild.py",
        "image/test_sharing.py",
        "network/test_api.py",
        "server/test_isolation.py",
        "server/test_life.py",
        "server/test_quotas.py",
        "volume/test_attaching.py",
        "volume/test_backups.py",
        "volume/test_projects.py",
        "volume/test_volumes.py",
    }
)
"""The modules whose tests reach every table and every kind of statement of the services."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let such a module's tests run on each database, all on one before the next."""
    module = Path(str(metafunc.module.__file__)).relative_to(Path(__file__).parent)
    if str(module) in ON_EACH:
        metafunc.parametrize("database", ("sqlite", *databases.SERVERS), indirect=True, scope="module")


class Started(dict[str, databases.Running]):
    """Starts the server that it is asked for, where it does not run yet."""

    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self._stack = stack

    def __missing__(self, kind: str) -> databases.Running:
        self[kind] = self._stack.enter_context(databases.server(kind))
        return self[kind]


@pytest.fixture(scope="session")
def database_servers() -> Iterator[Started]:
    """The servers that tests of this process have asked for."""
    with ExitStack() as stack:
        yield Started(stack)


@pytest.fixture(scope="module", autouse=True)
def database(request: pytest.FixtureRequest, database_servers: Started) -> Iterator[databases.Running | None]:
    """The server that holds the catalogues of a module's tests; None: they are SQLite files."""
    kind = getattr(request, "param", EVERYWHERE)
    running = None if kind == "sqlite" else database_servers[kind]
    with databases.using(running):
        yield running


@pytest.fixture(autouse=True)
def _give_back(database: databases.Running | None) -> Iterator[None]:
    """What a test alone has used, the next one may have, empty."""
    before = database.taken() if database else 0
    yield
    if database:
        database.clear(before)
