"""What a lifecycle pass does in a bucket."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest
from keeping_store import KeepingStore
from one_request import ask
from s3_requests import request

from apus.common.config import parse
from apus.common.timestamp import now
from apus.proxy.middleware.s3 import objects, versioning
from apus.proxy.middleware.s3.configuration import expiring, locks
from apus.proxy.middleware.s3.configuration.expiring import Done, Sweep
from apus.proxy.middleware.s3.configuration.lifecycle import DAY_SECONDS, Filter, Rule
from apus.proxy.middleware.symlink import Symlink, SymlinkConfig
from apus.proxy.middleware.versioned_writes import VersionedWrites, VersionedWritesConfig

CONFIG = parse(VersionedWritesConfig, {"allow_versioned_writes": "yes", "allow_object_versioning": "yes"})
SOON = 10 * DAY_SECONDS


class World:
    """A store with a bucket c."""

    def __init__(self, *, state: str = "") -> None:
        self.store = KeepingStore()
        self.app: Any = VersionedWrites(Symlink(self.store, SymlinkConfig()), CONFIG)
        assert ask(self.app, "PUT", "/v1/a/c").status == 201
        if state:
            self.set(state)

    def set(self, state: str) -> None:
        body = f"<VersioningConfiguration><Status>{state}</Status></VersioningConfiguration>".encode()
        asked = request(self.app, "PUT", "c", None, {"versioning": ""}, body=body)
        assert versioning.put_versioning(asked).status == 200

    def put(
        self, key: str, body: bytes = b"x", bucket: str = "c", headers: dict[str, str] | None = None
    ) -> None:
        length = {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "text/plain"}
        reply = ask(self.app, "PUT", f"/v1/a/{bucket}/{key}", body=body, headers=headers, environ=length)
        assert reply.status == 201

    def delete(self, key: str) -> None:
        assert ask(self.app, "DELETE", f"/v1/a/c/{key}").status == 204

    def sweep(self, *rules: Rule, later: float = SOON, dry_run: bool = False) -> Done:
        asked = request(self.app, "GET", "c")
        asked.grant()
        return Sweep(asked, rules, float(now()) + later, dry_run=dry_run).run()

    def names(self) -> list[str]:
        rows = orjson.loads(ask(self.app, "GET", "/v1/a/c", query="format=json").body)
        return [row["name"] for row in rows]

    def versions(self) -> list[tuple[str, bool]]:
        """Names, and whether it is a marker."""
        reply = ask(self.app, "GET", "/v1/a/c", query="format=json&versions=", headers={"Accept": "*/*"})
        return [
            (row["name"], row["content_type"].startswith("application/x-deleted"))
            for row in orjson.loads(reply.body)
        ]


def test_what_is_old_goes_and_the_rest_stays() -> None:
    """By prefix, size and tags."""
    world = World()
    world.put("logs/1")
    world.put("logs/2", headers={"X-Object-Transient-Sysmeta-S3api-Tagging": "keep=1"})
    world.put("data/1", b"x" * 100)
    assert world.sweep(Rule(days=20)).expired == 0
    tagged = Filter(prefix="logs/", tags=frozenset({("keep", "1")}))
    assert world.sweep(Rule(days=1, filter=tagged)).expired == 1
    assert world.names() == ["data/1", "logs/1"]
    done = world.sweep(Rule(days=1, filter=Filter(larger_than=50)))
    assert (done.looked_at, done.expired) == (2, 1)
    assert world.names() == ["logs/1"]


def test_a_dry_run_counts_the_same_and_touches_nothing() -> None:
    """So that a rule can be tried."""
    world = World(state="Enabled")
    for _ in range(3):
        world.put("k")
    rules = (Rule(days=1), Rule(noncurrent_days=1))
    before = world.versions()
    tried = world.sweep(*rules, dry_run=True)
    assert world.versions() == before
    assert tried == world.sweep(*rules)
    assert (tried.expired, tried.noncurrent) == (1, 2)


def test_versions_get_a_marker_and_then_go() -> None:
    """Current ones are hidden, noncurrent ones deleted, and the marker last."""
    world = World(state="Enabled")
    world.put("k", b"1")
    world.put("k", b"2")
    assert world.sweep(Rule(days=1)).expired == 1
    assert world.versions() == [("k", True), ("k", False), ("k", False)]
    assert world.sweep(Rule(markers_go=True)).markers == 0
    assert world.sweep(Rule(noncurrent_days=1, newer_noncurrent_kept=1)).noncurrent == 1
    assert world.sweep(Rule(noncurrent_days=1)).noncurrent == 1
    assert world.versions() == [("k", True)]
    assert world.sweep(Rule(markers_go=True)).markers == 1
    assert world.versions() == []


def test_again_changes_nothing() -> None:
    """A pass that is repeated puts no marker upon a marker."""
    world = World(state="Enabled")
    world.put("k")
    assert world.sweep(Rule(days=1)).expired == 1
    assert world.sweep(Rule(days=1)).expired == 0
    assert len(world.versions()) == 2


@pytest.mark.parametrize("state", ["", "Enabled", "Suspended"])
def test_what_is_written_after_the_listing_stays(state: str) -> None:
    """Though nothing but its moment differs."""
    world = World(state=state)
    world.put("k")
    store, is_rewritten = world.app, False

    def app(environ: Any, start_response: Any) -> Any:
        nonlocal is_rewritten
        if environ["REQUEST_METHOD"] == "HEAD" and environ["PATH_INFO"] == "/v1/a/c/k" and not is_rewritten:
            is_rewritten = True
            world.app = store
            world.put("k")
        return store(environ, start_response)

    world.app = app
    done = world.sweep(Rule(days=1))
    assert (done.expired, done.changed) == (0, 1)
    assert world.names() == ["k"]


def test_what_is_deleted_must_be_what_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the deletion has a moment of its own: one that is dated back is forgotten too early."""
    world = World()
    world.put("k")
    seen: list[Any] = []
    monkeypatch.setattr(objects, "judges_conditions", lambda: True)
    monkeypatch.setattr(versioning, "remove", lambda *asked: seen.append(asked[3]))
    assert world.sweep(Rule(days=1)).expired == 1
    assert seen[0]["If-Match"].strip('"') == hashlib.md5(b"x").hexdigest()
    assert "X-Timestamp" not in seen[0]


def test_a_page_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and versions that fill pages are each seen once."""
    monkeypatch.setattr(expiring, "PAGE", 2)
    world = World(state="Enabled")
    for key in ("a", "b", "c"):
        for _ in range(3):
            world.put(key)
    done = world.sweep(Rule(noncurrent_days=1), dry_run=True)
    assert (done.looked_at, done.noncurrent) == (3, 6)


def test_locked_versions_are_kept() -> None:
    """And counted."""
    world = World(state="Enabled")
    held = {name.title(): value for name, value in locks.kept(locks.Lock(is_held=True)).items() if value}
    world.put("k", headers=held)
    world.put("k")
    done = world.sweep(Rule(noncurrent_days=1))
    assert (done.noncurrent, done.locked) == (0, 1)
    assert len(world.versions()) == 2


def test_a_disabled_rule_costs_nothing() -> None:
    """Not even a listing."""
    world = World()
    world.put("k")
    world.store.seen.clear()
    assert world.sweep(Rule(is_enabled=False, days=1)) == Done()
    assert not world.store.seen


def test_uploads_that_nobody_ends_are_aborted() -> None:
    """With their parts; younger ones stay."""
    world = World()
    assert ask(world.app, "PUT", "/v1/a/c+segments").status == 201
    for name in ("k/upload-a", "k/upload-a/1", "k/upload-a/2"):
        world.put(name, b"", bucket="c+segments")
    assert world.sweep(Rule(abort_days=20)).uploads == 0
    done = world.sweep(Rule(abort_days=1))
    assert done.uploads + done.changed == 1, done
