"""Deleting a large object whose segments are left to the expirer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from flat_store import Died, FlatStore, Heard, request

from apus.common.errors import Unavailable
from apus.common.http.answer import Answer
from apus.common.timestamp import Timestamp
from apus.proxy.info import AccountInfo, ContainerInfo
from apus.proxy.middleware.slo import SloConfig, StaticLargeObjects

DELETE = {"multipart-manifest": "delete", "async": "yes"}


@dataclass(eq=False)
class Proxy(FlatStore):
    """A store that can have objects deleted later."""

    queued: list[tuple[str, str, list[str]]] = field(default_factory=list)
    is_down: bool = False

    def delete_later(self, account: str, container: str, names: Sequence[str], moment: Timestamp) -> None:
        """Remember what is to be deleted."""
        assert float(moment) > 0
        if self.is_down:
            raise Unavailable("The deletions could not be queued; ask again.\n")
        self.queued.append((account, container, list(names)))

    def account_info(self, environ: dict[str, Any], account: str) -> AccountInfo:
        """Nothing is known of accounts."""
        return AccountInfo()

    def container_info(self, environ: dict[str, Any], account: str, container: str) -> ContainerInfo:
        """Each container has its name as its write ACL."""
        return ContainerInfo(status=204, write_acl=container)


@pytest.fixture
def proxy() -> Proxy:
    """A store with two segments in one container, one in another."""
    proxy = Proxy()
    for path in ("s/a", "s/é", "t/c"):
        request(proxy, "PUT", path, body=path.encode())
    return proxy


@pytest.fixture
def slo(proxy: Proxy) -> StaticLargeObjects:
    """The filter before it."""
    return StaticLargeObjects(proxy, SloConfig())


def put(slo: StaticLargeObjects, path: str, *segments: str) -> None:
    """PUT a manifest that names these, and some bytes."""
    entries = [*({"path": f"/{each}"} for each in segments), {"data": "aGk="}]
    body = json.dumps(entries).encode()
    assert request(slo, "PUT", path, body=body, query={"multipart-manifest": "put"}).status == 201


def delete(slo: StaticLargeObjects, path: str, **headers: str) -> Heard:
    """Ask for the deletion."""
    return request(slo, "DELETE", path, query=DELETE, headers=headers)


def test_segments_are_queued_and_the_manifest_goes(slo: StaticLargeObjects, proxy: Proxy) -> None:
    """204 at once; each segment is queued once."""
    put(slo, "c/x", "s/a", "s/é", "s/a")
    assert delete(slo, "c/x").status == 204
    assert proxy.queued == [("AUTH_test", "s", ["a", "é"])]
    assert "c/x" not in proxy.objects
    assert delete(slo, "c/x").status == 404


def test_what_cannot_be_queued_is_not_deleted(slo: StaticLargeObjects, proxy: Proxy) -> None:
    """503 and everything is still there; asking again finishes it."""
    put(slo, "c/x", "s/a")
    proxy.is_down = True
    assert delete(slo, "c/x").status == 503
    assert "c/x" in proxy.objects
    proxy.is_down = False
    assert delete(slo, "c/x").status == 204


def test_a_manifest_that_stays_can_be_deleted_again(slo: StaticLargeObjects, proxy: Proxy) -> None:
    """Segments are queued twice then, which is as good as once."""
    put(slo, "c/x", "s/a")
    proxy.lives = 0
    with pytest.raises(Died):
        delete(slo, "c/x")
    proxy.lives = None
    assert delete(slo, "c/x").status == 204
    assert proxy.queued == [("AUTH_test", "s", ["a"])] * 2


def test_what_it_does_not_do(slo: StaticLargeObjects, proxy: Proxy) -> None:
    """Segments in several containers, manifests among them, plain objects: 400, and nothing happens."""
    put(slo, "c/two", "s/a", "t/c")
    put(slo, "c/inner", "s/a")
    put(slo, "c/outer", "c/inner")
    for path, word in (("c/two", b"in one container"), ("c/outer", b"large objects"), ("s/a", b"Not an SLO")):
        heard = delete(slo, path)
        assert (heard.status, word in heard.body) == (400, True)
    assert not proxy.queued
    assert {"c/two", "c/outer", "s/a"} <= proxy.objects.keys()


@pytest.mark.parametrize("closed", ["c", "s"])
def test_who_may_not_write_in_both_containers_may_not(
    slo: StaticLargeObjects, proxy: Proxy, closed: str
) -> None:
    """The auth filter is asked for each, with its ACL, before anything is queued."""
    put(slo, "c/x", "s/a")

    def authorize(environ: dict[str, Any]) -> Any:
        return Answer.text(403, "Not yours.") if environ["apus.acl"] == closed else None

    def asked(environ: dict[str, Any], start: Any) -> Any:
        return slo({**environ, "apus.authorize": authorize}, start)

    assert request(asked, "DELETE", "c/x", query=DELETE).status == 403
    assert not proxy.queued


def test_it_can_be_switched_off(proxy: Proxy) -> None:
    """Then, and where nobody could see to it, everything is deleted at once."""
    store = FlatStore(proxy.objects)
    without = StaticLargeObjects(proxy, SloConfig(allow_async_delete=False))
    for slo in (without, StaticLargeObjects(store, SloConfig())):
        request(proxy, "PUT", "s/a", body=b"x")
        put(slo, "c/x", "s/a")
        assert delete(slo, "c/x").status == 200
        assert not {"c/x", "s/a"} & proxy.objects.keys()
    assert not proxy.queued
