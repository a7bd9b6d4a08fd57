"""One identity service for each module: tests make domains of their own in it."""

from __future__ import annotations

import pytest
from keystone_world import Realm


@pytest.fixture(scope="module")
def realm(database: object, tmp_path_factory: pytest.TempPathFactory) -> Realm:
    return Realm.made(tmp_path_factory.mktemp("identity"))
