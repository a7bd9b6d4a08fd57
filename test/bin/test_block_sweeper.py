"""The sweeper of all projects of an account."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from block_store import MemoryStore

from apus.bin import block_sweeper
from apus.bin.block_sweeper import BlockSweeper
from apus.common.errors import Unavailable
from apus.compute.block.config import BlockConfig
from apus.compute.block.project import Project
from apus.compute.block.stream import write_stream

OPTIONS = {"sweep_grace_seconds": "0", "sweep_settle_seconds": "0", "block_size": "4096"}


def sweeper(store: MemoryStore) -> BlockSweeper:
    with patch.object(block_sweeper, "Account", lambda _: store):
        return BlockSweeper(OPTIONS)


def test_one_pass_sweeps_every_project() -> None:
    """What no map has goes, in each project that has maps; what maps have stays."""
    store = MemoryStore()
    projects = [Project.open(store, name, BlockConfig(block_size=4096)) for name in ("p1", "p2")]
    for project in projects:
        write_stream(project.maps, [b"stays"], map_id="stays")
        write_stream(project.maps, [b"goes"], map_id="goes")
        project.maps.delete("goes")
    sweeper(store).run_once()
    for project in projects:
        assert len(store.objects[project.blocks.container]) == 2
        assert not project.blocks.missing(project.maps.load("stays").digests())


def test_a_project_being_written_to_is_left_for_later() -> None:
    """The pass ends without it, and the next one after the writer sweeps it."""
    store = MemoryStore()
    project = Project.open(store, "p1", BlockConfig(block_size=4096))
    write_stream(project.maps, [b"goes"], map_id="goes")
    project.maps.delete("goes")
    with project.maps.writing():
        sweeper(store).run_once()
        assert store.objects["p1-blocks"]
    sweeper(store).run_once()
    assert not store.objects["p1-blocks"]


def test_a_project_that_fails_holds_up_no_other() -> None:
    """The failure is the pass's, after all the others have been swept."""
    store = MemoryStore()
    for name in ("p1", "p2"):
        project = Project.open(store, name, BlockConfig(block_size=4096))
        write_stream(project.maps, [b"goes"], map_id="goes")
        project.maps.delete("goes")
    store.put("p1-maps", "roots/broken", b"{")
    with pytest.raises(Exception, match="broken"):
        sweeper(store).run_once()
    assert store.objects["p1-blocks"]
    assert not store.objects["p2-blocks"]


def test_a_store_that_is_down_is_said() -> None:
    """Unavailable, and nothing is removed."""
    store = MemoryStore()
    store.failures["containers"] = [Unavailable("down")]
    with pytest.raises(Unavailable):
        sweeper(store).run_once()
