"""What belongs to no upload and to no object goes; everything else stays."""

from __future__ import annotations

import time

import pytest
from one_request import ask
from upload_world import STEPS, World, forgiven

from apus.proxy.middleware.s3 import versioning
from apus.proxy.middleware.s3.multipart import orphans

TOMORROW = time.time() + 86400


def swept(world: World, before: float = TOMORROW, *, dry_run: bool = False) -> int:
    """Sweep; the store has no queue, so what goes is gone at once."""
    found = orphans.sweep(world.request("GET", {}, key=None), before, dry_run=dry_run)
    assert found.failures == 0
    return found.removed


@pytest.mark.parametrize("has_versions", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_whoever_died_over_an_upload_leaves_nothing_for_ever(step: int, *, has_versions: bool) -> None:
    """A completion, and then an abort: what is left is a whole object, an upload that is listed, or nothing."""
    world = World(has_versions=has_versions)
    upload_id, etags = world.ready()
    with world.store.dying_at(step), forgiven("InternalError", "ServiceUnavailable", "NoSuchUpload"):
        world.complete(upload_id, *etags)
        world.abort(upload_id)
    world.let_time_pass()
    swept(world)
    if world.get() is not None:
        assert world.get() == b"onetwo"
    if not world.uploads():
        assert world.left() == (["k/1", "k/2"] if world.get() else [])


def test_what_a_client_of_the_other_api_leaves_goes() -> None:
    """It deletes the manifest alone; what is too young stays, and a dry run takes nothing."""
    world = World()
    upload_id, etags = world.ready()
    world.complete(upload_id, *etags)
    assert swept(world) == 0
    assert ask(world.app, "DELETE", "/v1/a/b/k").status == 204
    assert swept(world, before=time.time() - 86400) == 0
    assert swept(world, dry_run=True) == 2
    assert world.left() == ["k/1", "k/2"]
    assert swept(world) == 2
    assert world.left() == []


def test_a_copy_in_one_piece_keeps_no_parts() -> None:
    """The Swift API copies what is said of an upload along; the copy is not made of it."""
    world = World()
    upload_id, etags = world.ready()
    world.complete(upload_id, *etags)
    kept = world.store.objects["b", "k"].headers
    copied = {
        name: kept[name] for name in ("x-object-sysmeta-s3api-upload-id", "x-object-sysmeta-s3api-etag")
    }
    assert ask(world.app, "PUT", "/v1/a/b/k", body=b"onetwo", headers=copied).status == 201
    assert swept(world) == 2
    assert (world.get(), world.left()) == (b"onetwo", [])


def test_a_version_keeps_its_parts() -> None:
    """Whatever the name leads to now."""
    world = World(has_versions=True)
    upload_id, etags = world.ready()
    world.complete(upload_id, *etags)
    assert ask(world.app, "DELETE", "/v1/a/b/k").status == 204
    assert swept(world) == 0
    assert world.left() == ["k/1", "k/2"]


def test_what_is_no_part_is_nobodys_business() -> None:
    """A container of this name may be somebody's own."""
    world = World()
    world.begin()
    for name in ("k/0123456789abcdef/1", "a/b/2", "a", "k/u/00000001"):
        assert ask(world.app, "PUT", f"/v1/a/b+segments/{name}", body=b"mine").status == 201
    before = world.left()
    assert swept(world) == 0
    assert world.left() == before


def test_an_upload_under_way_keeps_its_parts() -> None:
    """However old they are."""
    world = World()
    world.ready()
    assert swept(world) == 0
    assert world.uploads() == ["k"]


def test_what_a_bucket_leaves_that_is_deleted_by_the_other_api_goes() -> None:
    """Uploads under way, too."""
    world = World()
    world.ready()
    assert ask(world.app, "DELETE", "/v1/a/b").status == 204
    swept(world)
    assert world.store.names("b+segments") == []


@pytest.mark.parametrize("has_versions", [False, True])
@pytest.mark.parametrize("step", range(20))
def test_whoever_died_over_a_delete_leaves_all_of_it_or_nothing(step: int, *, has_versions: bool) -> None:
    """Asked for again it is done; what nobody asks for again is found."""
    world = World(has_versions=has_versions)
    upload_id, etags = world.ready()
    world.complete(upload_id, *etags)
    rows = versioning._newest(world.request("GET", {}), "k") if has_versions else []
    version = rows[0]["version_id"] if rows else None
    with world.store.dying_at(step), forgiven("InternalError", "ServiceUnavailable"):
        versioning.remove(world.request("DELETE", {}), "k", version)
    assert world.get() in (b"onetwo", None)
    is_there = world.get() is not None or world.store.names("\0versions\0b") != []
    swept(world)
    assert world.left() == (["k/1", "k/2"] if is_there else [])
    versioning.remove(world.request("DELETE", {}), "k", version)
    assert (world.get(), world.left()) == (None, [])
