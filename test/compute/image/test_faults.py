"""Laws of interrupted work: after a death at any request to the store an image can be tried again, and nothing leaks."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from block_store import Died
from image_world import BLOCK_BYTES, World

from apus.compute.block.project import Project
from apus.compute.block.sweeping import Sweeper

DATA = random.Random(11).randbytes(2 * BLOCK_BYTES + 5)
STEPS_MAX = 200


def upload(world: World, image_id: str) -> None:
    assert world.upload(image_id, DATA).status == 204


def stage_and_import(world: World, image_id: str) -> None:
    assert world.upload(image_id, DATA, stage=True).status == 204
    import_staged(world, image_id)


def import_staged(world: World, image_id: str) -> None:
    document = {"method": {"name": "glance-direct"}}
    assert world.call("POST", f"/v2/images/{image_id}/import", document).status == 202


def delete(world: World, image_id: str) -> None:
    world.call("DELETE", f"/v2/images/{image_id}")


def dies_at(world: World, step: int, work: Callable[[World, str], None], image_id: str) -> bool:
    """Do it, dying before that request, and so after the one before; whether there was such a request."""
    finished = False
    with world.store.dying_at(step):
        work(world, image_id)
        finished = True
    return not finished


def restarted(world: World) -> None:
    """The service is up again, and whoever worked before has been silent for long enough."""
    world.now += world.settings.upload_lease_seconds + 1
    world.started()
    world.service.intake.settle_lapsed()


def swept(world: World) -> list[str]:
    """Return what is left of the project after a sweep."""
    project = Project.open(
        world.store, "alices", world.blocks, clock=lambda: time.time() + 7200, sleep=lambda _: None
    )
    Sweeper(project.maps).run(10)
    return world.kept()


@pytest.mark.parametrize("work", [upload, stage_and_import])
def test_a_death_at_any_step_of_bringing_data(tmp_path: Path, work: Callable[[World, str], None]) -> None:
    """The image is queued, staged or active, can be completed and is whole; deleted, it leaves nothing."""
    world = World(tmp_path)
    for step in range(STEPS_MAX):
        image_id = world.made()
        if not dies_at(world, step, work, image_id):
            break
        assert world.shown(image_id)["status"] in ("saving", "uploading", "importing", "active")
        restarted(world)
        status = world.shown(image_id)["status"]
        if status == "queued":
            work(world, image_id)
        elif status == "uploading":
            import_staged(world, image_id)
        assert world.shown(image_id)["status"] == "active"
        assert world.call("GET", f"/v2/images/{image_id}/file").body == DATA
        delete(world, image_id)
        assert [name for name in world.kept() if not name.startswith("blocks/")] == []
    assert step > 8
    delete(world, image_id)
    assert swept(world) == []


def test_a_death_at_any_step_of_an_upload_that_is_given_up(tmp_path: Path) -> None:
    """Nobody tries again: the image is deleted as it was found, and nothing is left."""
    world = World(tmp_path)
    for step in range(STEPS_MAX):
        image_id = world.made()
        if not dies_at(world, step, upload, image_id):
            break
        delete(world, image_id)
        assert world.call("GET", f"/v2/images/{image_id}").status == 404
        restarted(world)
        assert [name for name in world.kept() if not name.startswith("blocks/")] == []
    assert step > 8
    delete(world, image_id)
    assert swept(world) == []


def test_a_death_at_any_step_of_a_deletion(tmp_path: Path) -> None:
    """For clients it is gone at once, and its data is as soon as somebody is there to remove it."""
    world = World(tmp_path)
    for step in range(STEPS_MAX):
        image_id = world.active(DATA)
        if not dies_at(world, step, delete, image_id):
            break
        assert world.call("GET", f"/v2/images/{image_id}").status == 404
        restarted(world)
        assert [name for name in world.kept() if not name.startswith("blocks/")] == []
    assert step > 1
    assert swept(world) == []


def test_a_slow_upload_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    """Taken for dead and overtaken, the first upload fails at its end, and what the second brought stays."""
    world = World(tmp_path)
    image_id = world.made()
    later = b"y" * 5000

    def pieces() -> object:
        yield DATA
        restarted(world)
        assert world.upload(image_id, later).status == 204
        yield DATA

    with pytest.raises(Exception, match="took too long"):
        world.service.intake.upload(image_id, pieces(), None)  # type: ignore[arg-type]
    assert world.call("GET", f"/v2/images/{image_id}/file").body == later
    delete(world, image_id)
    assert swept(world) == []


def test_an_upload_under_way_keeps_its_lease(tmp_path: Path) -> None:
    """However long it takes, as long as bytes come nobody takes it for dead."""
    world = World(tmp_path)
    image_id = world.made()

    def pieces() -> object:
        for _ in range(10):
            world.now += world.settings.upload_lease_seconds / 2
            yield b"x" * 100
            assert world.service.intake.settle_lapsed() == 0

    world.service.intake.upload(image_id, pieces(), None)  # type: ignore[arg-type]
    assert world.shown(image_id)["size"] == 1000


def test_an_image_deleted_while_it_comes_leaves_nothing(tmp_path: Path) -> None:
    """The upload learns of it and removes what it brought."""
    world = World(tmp_path)
    image_id = world.made()

    def pieces() -> object:
        yield DATA
        delete(world, image_id)
        yield DATA

    with pytest.raises(Exception, match="deleted"):
        world.service.intake.upload(image_id, pieces(), None)  # type: ignore[arg-type]
    restarted(world)
    assert swept(world) == []


def test_a_task_of_an_import_that_died_has_failed(tmp_path: Path) -> None:
    """A client that waits for it is told."""
    world = World(tmp_path)
    image_id = world.made()
    world.upload(image_id, DATA, stage=True)
    with world.store.dying_at(0):
        import_staged(world, image_id)
    restarted(world)
    tasks = world.call("GET", f"/v2/images/{image_id}/tasks").json()["tasks"]
    assert [task["status"] for task in tasks] == ["failure"]
    assert world.shown(image_id)["status"] == "uploading"


def test_died_is_no_exception() -> None:
    """The double's death passes through every handler of failures, as a real one does."""
    assert not issubclass(Died, Exception)
