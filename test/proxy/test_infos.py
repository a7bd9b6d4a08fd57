"""Laws of what the proxy remembers of accounts and containers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from one_request import Environ, ask, environ_for
from storage_doubles import DoubledCluster, doubled_cluster

from apus.common.http.answer import Answer
from apus.proxy.info import get_account_info, get_container_info
from apus.proxy.info_cache import InfoCache

URL = "/v1/AUTH_t/c"


@dataclass(frozen=True)
class Fact:
    """Something known."""

    name: str
    is_plain: bool = True


A, B, C = map(Fact, "ABC")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DoubledCluster]:
    with doubled_cluster(tmp_path) as cluster:
        yield cluster


class Shared:
    """A memcached of the mind."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.kept.get(key)

    def set(self, key: str, value: Any, time: float = 0) -> None:
        assert time > 0
        self.kept[key] = value

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)


def heads(cluster: DoubledCluster) -> int:
    return sum(verb == "HEAD" for node in cluster.nodes for verb, _, _ in node.requests)


def test_a_fact_grows_stale_and_can_be_forgotten() -> None:
    """Facts live so many seconds; the oldest makes room; what is forgotten is asked again."""
    now = [0.0]
    cache: InfoCache[Fact] = InfoCache(seconds=5, entries_max=2, clock=lambda: now[0])
    cache.put("a", A)
    cache.put("b", B)
    assert cache.get("a") == A
    cache.put("c", C)
    assert cache.get("a") is None
    now[0] = 6
    assert cache.get("b") is None
    cache.put("d", A)
    cache.forget("d")
    assert cache.get("d") is None


def test_a_container_is_looked_up_once(cluster: DoubledCluster) -> None:
    """Further requests of the same worker ask nobody until the facts are stale."""
    ask(cluster.proxy, "PUT", URL)
    ask(cluster.proxy, "GET", f"{URL}/o")
    before = heads(cluster)
    for _ in range(5):
        ask(cluster.proxy, "GET", f"{URL}/o")
    assert heads(cluster) == before


def test_what_is_missing_is_looked_up_again(cluster: DoubledCluster) -> None:
    """A container made behind this worker's back is found at once."""
    other = cluster.again()
    ask(cluster.proxy, "PUT", "/v1/AUTH_t/other")
    assert ask(cluster.proxy, "PUT", f"{URL}/o", body=b"x").status == 404
    ask(other, "PUT", URL)
    assert ask(cluster.proxy, "PUT", f"{URL}/o", body=b"x").status == 201


def test_workers_share_facts_through_the_cache(cluster: DoubledCluster) -> None:
    """With a shared cache a second worker asks nobody, and a write makes both ask again."""
    shared: Environ = {"swift.cache": Shared()}
    ask(cluster.proxy, "PUT", URL, environ=shared)
    ask(cluster.proxy, "GET", f"{URL}/o", environ=shared)
    other = cluster.again()
    before = heads(cluster)
    ask(other, "GET", f"{URL}/o", environ=shared)
    assert heads(cluster) == before
    ask(other, "POST", URL, environ=shared)
    assert not any("AUTH_t/c" in key for key in shared["swift.cache"].kept)


@pytest.mark.parametrize("next_one", ["app", "_app"])
def test_middleware_learns_from_the_proxy_at_the_pipelines_end(
    cluster: DoubledCluster, next_one: str
) -> None:
    """Filters keep the next one as `app`, Keystone's as `_app`; the proxy at the end answers without a request."""
    ask(cluster.proxy, "PUT", URL, headers={"X-Container-Meta-Quota-Bytes": "5"})

    class Filter:
        def __init__(self) -> None:
            setattr(self, next_one, cluster.proxy)

        def __call__(self, environ: Environ, start_response: Any) -> Any:
            raise AssertionError("not asked")

    environ = environ_for("PUT", f"{URL}/o")
    assert get_container_info(environ, Filter()).meta == {"quota-bytes": "5"}
    assert get_account_info(environ, Filter()).really_exists
    assert not get_container_info(environ_for("GET", "/v1/AUTH_t/no"), Filter()).exists


def test_middleware_learns_from_a_stranger_by_head() -> None:
    """Before somebody else's application it is a HEAD that carries no credentials, and yet is no visitor's."""
    seen: list[Environ] = []

    def stranger(environ: Environ, start_response: Any) -> Any:
        seen.append(environ)
        return Answer(204, {"X-Container-Object-Count": "7", "X-Container-Read": ".r:*"})(
            environ, start_response
        )

    environ = environ_for("PUT", f"{URL}/o", headers={"X-Auth-Token": "secret"})
    info = get_container_info(environ, stranger)
    assert (info.object_count, info.read_acl, info.exists) == (7, ".r:*", True)
    assert seen[0]["REQUEST_METHOD"] == "HEAD"
    assert seen[0]["PATH_INFO"] == URL
    assert "HTTP_X_AUTH_TOKEN" not in seen[0]
    assert seen[0]["REMOTE_USER"]


def test_one_asks_anew_while_the_others_go_on() -> None:
    """Late in a fact's life one caller is sent to ask; if it fails, the fact still ends when it should."""
    now = [0.0]
    cache: InfoCache[Fact] = InfoCache(seconds=5, entries_max=2, clock=lambda: now[0])
    cache.put("a", A)
    now[0] = 4.5
    assert [cache.get("a") for _ in range(3)] == [None, A, A]
    now[0] = 5.5
    assert cache.get("a") is None
    cache.put("a", B)
    assert cache.get("a") == B


def test_what_is_plain_is_known_without_asking_anew() -> None:
    """As long as both facts live, and only if nothing about either concerns a filter."""
    now = [0.0]
    cache: InfoCache[Fact] = InfoCache(seconds=5, entries_max=9, clock=lambda: now[0])
    cache.put("a", A)
    assert not cache.are_plain("a/c", "a")
    cache.put("a/c", C)
    cache.put("a/special", Fact("D", is_plain=False))
    assert cache.are_plain("a/c", "a")
    assert not cache.are_plain("a/special", "a")
    now[0] = 4.5
    assert cache.are_plain("a/c", "a")
    assert cache.get("a/c") is None, "who asks anew is still to be found"
    now[0] = 5.5
    assert not cache.are_plain("a/c", "a")
