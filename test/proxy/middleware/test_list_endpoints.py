"""Where something lies can be asked by name, in two forms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from one_request import ask
from storage_doubles import DoubledCluster, doubled_cluster

from apus.common.cluster import ClusterConf
from apus.common.errors import Refused
from apus.proxy.middleware.list_endpoints import ListEndpoints, asked
from apus.proxy.rings import Rings


@pytest.fixture
def app(tmp_path: Path) -> Iterator[tuple[ListEndpoints, DoubledCluster]]:
    """The filter before a proxy whose storage servers answer."""
    with doubled_cluster(tmp_path) as cluster:
        rings = Rings(ClusterConf.load(cluster.directory), str(cluster.directory))
        yield ListEndpoints(cluster.proxy, "/endpoints/", rings), cluster


@pytest.mark.parametrize(
    ("path", "version", "names"),
    [
        ("a", 1.0, ["a"]),
        ("a/", 1.0, ["a"]),
        ("v1/a/c", 1.0, ["a", "c"]),
        ("v1.0/a/c", 1.0, ["a", "c"]),
        ("v2/a/c/o/p", 2.0, ["a", "c", "o/p"]),
        ("v_3/a", 1.0, ["v_3", "a"]),
        ("a/c//o", 1.0, ["a", "c", "/o"]),
    ],
)
def test_paths_are_understood(path: str, version: float, names: list[str]) -> None:
    """With and without a form, with slashes in names."""
    assert asked(path) == (version, names)


@pytest.mark.parametrize("path", ["", "v1/", "v1", "v3/a", "v/a", "vx/a", "a//o"])
def test_bad_paths_are_400(path: str) -> None:
    """An account is needed, and a form that exists."""
    with pytest.raises(Refused):
        asked(path)


def test_each_primary_is_named(app: tuple[ListEndpoints, DoubledCluster]) -> None:
    """Address, device and partition of each, for all three levels."""
    endpoints, cluster = app
    assert ask(cluster.proxy, "PUT", "/v1/AUTH_t/c").status == 201
    for path in ("AUTH_t", "AUTH_t/c", "AUTH_t/c/o o"):
        found = json.loads(ask(endpoints, "GET", f"/endpoints/{path}").body)
        assert len(found) == 3
        assert all(url.endswith("/" + path.replace(" ", "%20")) for url in found)
        second = json.loads(ask(endpoints, "GET", f"/endpoints/v2/{path}").body)
        assert second["endpoints"] == found
        is_object = path.count("/") == 2
        assert second["headers"] == ({"X-Backend-Storage-Policy-Index": "0"} if is_object else {})


def test_only_get_is_answered(app: tuple[ListEndpoints, DoubledCluster]) -> None:
    """405 for the rest; other paths go on."""
    endpoints, _ = app
    assert ask(endpoints, "PUT", "/endpoints/a").status == 405
    assert ask(endpoints, "GET", "/info").status == 200
