"""What every test may ask for: a store to talk to, and clusters of its own to break."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from clusters import AllInOne, all_in_one
from store import Client, Store
from turns import Turns

from apus.common import durability


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Turns:
    """Long files first, where several processes run them."""
    return Turns(config, log)


def pytest_collection_finish() -> None:
    """What was collected lives to the end: it is not looked through for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _process_wide() -> Iterator[None]:
    """What programs set up for their whole process, the next test finds as it was: root logger, shared rounds."""
    root = logging.getLogger()
    handlers, level, are_shared = root.handlers[:], root.level, durability._are_shared
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    durability._are_shared = are_shared


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllInOne]:
    """One all-in-one cluster for all tests that leave it whole."""
    with all_in_one(tmp_path_factory.mktemp("shared-cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def store(request: pytest.FixtureRequest) -> Store:
    """The store under test: APUS_TEST_ENDPOINT, or else the shared cluster.

    APUS_TEST_PROGRAMS says whose proxy and whose servers run there, as in "stock/apus" or "apus/both".
    """
    endpoint = os.environ.get("APUS_TEST_ENDPOINT")
    if endpoint:
        proxy, _, servers = os.environ.get("APUS_TEST_PROGRAMS", "apus/apus").partition("/")
        return Store(endpoint.rstrip("/"), proxy, servers)
    cluster: AllInOne = request.getfixturevalue("shared_cluster")
    return cluster.store


@pytest.fixture
def client(store: Store) -> Client:
    """A client of the account that test:tester administers."""
    return store.client()


@pytest.fixture
def container(client: Client) -> Iterator[str]:
    """A container of the test's own."""
    with client.container() as name:
        yield name


@pytest.fixture
def apus_proxy(store: Store) -> None:
    """Skip where the answers come from stock OpenStack Swift's proxy, for what it does differently."""
    if store.proxy != "apus":
        pytest.skip("stock OpenStack Swift's proxy does this differently")


@pytest.fixture
def apus_servers(store: Store) -> None:
    """Skip where stock OpenStack Swift's programs take part in the answer, for what they do differently."""
    if (store.proxy, store.servers) != ("apus", "apus"):
        pytest.skip("stock OpenStack Swift's storage servers do this differently")


@pytest.fixture
def alike_servers(store: Store) -> None:
    """Skip where only some object servers keep registers: a conditional write may be 503 there."""
    if store.servers == "both":
        pytest.skip("in the middle of an upgrade conditional writes may be refused")
