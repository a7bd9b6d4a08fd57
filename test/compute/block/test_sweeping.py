"""The sweep beside writers: a seeded simulation of projects where everyone may die at every request."""

from __future__ import annotations

import bisect
import functools
import os
import random
import threading
from collections.abc import Callable, Iterator

import greenlet
import pytest
from block_store import Died, MemoryStore

from apus.common.errors import Missing, Unavailable
from apus.compute.block.config import BlockConfig
from apus.compute.block.map import DiskMap
from apus.compute.block.naming import block_name, digest_in, digest_of
from apus.compute.block.project import Project
from apus.compute.block.sweep_state import Phase
from apus.compute.block.sweeping import Sweeper
from apus.compute.store.interface import Listed

SEEDS = int(os.environ.get("APUS_SIMULATION_SEEDS", "12"))
BLOCK = 4096
LATE_SECONDS = 20.0
CONFIG = BlockConfig(
    block_size=BLOCK,
    block_lease_seconds=400,
    sweep_grace_seconds=5,
    sweep_settle_seconds=LATE_SECONDS,
    sweep_lock_seconds=120,
    sweep_removals=1,
)
CONTENTS = [bytes([value]) * BLOCK for value in range(1, 15)]


class LateStore(MemoryStore):
    """Its listings are as old as the simulation likes, up to LATE_SECONDS."""

    lateness: Callable[[], float] = staticmethod(lambda: 0.0)

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self.history: dict[str, list[tuple[float, dict[str, Listed]]]] = {}

    def _remember(self, container: str) -> None:
        rows = {row.name: row for row in super().names(container)}
        self.history.setdefault(container, []).append((self.clock(), rows))

    def put(self, container: str, name: str, *arguments: object, **options: object) -> str:
        """Keep an object and remember when."""
        etag = super().put(container, name, *arguments, **options)  # type: ignore[arg-type]
        quietly(self, lambda: self._remember(container))
        return etag

    def delete(self, container: str, name: str, *, query: str = "") -> bool:
        """Remove an object and remember when."""
        was_there = super().delete(container, name)
        quietly(self, lambda: self._remember(container))
        return was_there

    def names(self, container: str, *, prefix: str = "", after: str = "") -> Iterator[Listed]:
        """Yield what was there a while ago."""
        list(super().names(container, prefix=prefix))  # The request itself.
        history = self.history.get(container, [])
        at = bisect.bisect_right([moment for moment, _ in history], self.clock() - self.lateness())
        rows = history[at - 1][1] if at else {}
        yield from (row for name, row in sorted(rows.items()) if name.startswith(prefix) and name > after)


def quietly(store: MemoryStore, work: Callable[[], None]) -> None:
    step, store.on_step = store.on_step, None
    try:
        work()
    finally:
        store.on_step = step


class World:
    """One project, its store, and actors of whom one moves at a time."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 1000.0
        self.store = LateStore(lambda: self.now)
        late = self.rng.random() < 0.5
        self.store.lateness = lambda: self.rng.uniform(0, LATE_SECONDS * 0.9) if late else 0.0
        self.main = greenlet.getcurrent()
        self.thread = threading.get_ident()
        self.store.on_step = self._step
        self.actors: list[greenlet.greenlet] = []
        self.wakes: dict[greenlet.greenlet, float] = {}
        self.kept: dict[str, list[str]] = {}
        """Maps acknowledged and not deleted, with the names of what they need."""
        self.deletes = 0

    def project(self) -> Project:
        return Project.open(self.store, "p", CONFIG, clock=lambda: self.now, sleep=self.sleep)

    def _step(self, _method: str, _what: str) -> None:
        if greenlet.getcurrent() is not self.main and threading.get_ident() == self.thread:
            self.sleep(0)

    def sleep(self, seconds: float) -> None:
        if greenlet.getcurrent() is self.main:
            self.now += max(seconds, 1.0)
            return
        self.wakes[greenlet.getcurrent()] = self.now + seconds
        self.main.switch()

    def add(self, work: Callable[[], None]) -> None:
        actor = greenlet.greenlet(functools.partial(_acting, work), self.main)
        self.actors.append(actor)
        self.wakes[actor] = self.now

    def run(self, moves: int, kill_chance: float) -> None:
        """Let a random one move, again and again; nothing acknowledged may ever be incomplete."""
        for _ in range(moves):
            self.actors = [actor for actor in self.actors if not actor.dead]
            if not self.actors:
                return
            ready = [actor for actor in self.actors if self.wakes[actor] <= self.now]
            if not ready:
                self.now = min(self.wakes[actor] for actor in self.actors)
                continue
            self.now += 0.05
            actor = self.rng.choice(ready)
            if self.rng.random() < kill_chance and actor:
                actor.throw(Died)
            else:
                actor.switch()
            self.check()

    def check(self) -> None:
        there = self.store.objects.get("p-blocks", {})
        for map_id, names in self.kept.items():
            assert all(name in there for name in names), f"{map_id} has lost a block"

    def writer(self) -> None:
        """Make a map, of nothing or of another one, in a time short or long."""
        here, rng = self.project(), self.rng
        map_id = f"m{rng.getrandbits(48):x}"
        disk = DiskMap.empty(8 * BLOCK, BLOCK)
        try:
            if self.kept and rng.random() < 0.5:
                disk = here.maps.load(rng.choice(sorted(self.kept)))
                if rng.random() < 0.3:
                    self.sleep(rng.uniform(0, 300))
            with here.maps.writing() as writing:
                for _ in range(rng.choice((0, 1, 2, 4))):
                    digest = writing.put(rng.choice(CONTENTS))
                    disk = disk.with_changes({rng.randrange(8): digest})
                    if rng.random() < 0.2:
                        self.sleep(rng.choice((1, 30, 150, 500)))
                disk = writing.save(disk, map_id)
                self.kept[map_id] = [block_name(digest) for digest in disk.digests()]
        except (Missing, Unavailable):
            return

    def deleter(self) -> None:
        """Remove a map."""
        if self.kept:
            map_id = self.rng.choice(sorted(self.kept))
            del self.kept[map_id]
            self.project().maps.delete(map_id)

    def sweeper(self) -> None:
        """Sweep on for a while."""
        sweeper = Sweeper(self.project().maps)
        for _ in range(self.rng.randrange(1, 12)):
            try:
                self.deletes += sweeper.step().deleted
            except Unavailable:
                return
            self.sleep(self.rng.choice((0, 1, 10, 60)))

    def peace(self) -> None:
        """Everyone is gone; what is left is swept until nothing is left to sweep."""
        self.store.on_step = None
        self.now += 10_000
        here = self.project()
        for map_id in here.maps.list():
            digests = here.maps.load(map_id).digests()
            assert not here.blocks.missing(digests), f"{map_id} is broken"
        for _ in range(2):
            Sweeper(here.maps).run(100_000)
            self.now += 10_000
        needed = {
            name for map_id in here.maps.list() for name in map(block_name, here.maps.load(map_id).digests())
        }
        assert set(self.store.objects.get("p-blocks", {})) == needed, "something is leaked"


def _acting(work: Callable[[], None]) -> None:
    try:
        work()
    except Died:
        return


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_is_lost_and_in_the_end_nothing_is_leaked(seed: int) -> None:
    """Writers, deleters and sweepers at once, killed at any request: what was acknowledged stays whole."""
    world = World(seed)
    for _ in range(6):
        for kind, number in ((world.writer, 5), (world.deleter, 3), (world.sweeper, 2)):
            for _ in range(world.rng.randrange(number + 1)):
                world.add(kind)
        world.run(600, kill_chance=world.rng.choice((0.0, 0.002, 0.02)))
    for actor in world.actors:
        actor.throw(Died)
    world.check()
    world.peace()


def filled(store: MemoryStore, now: list[float], config: BlockConfig = CONFIG) -> Project:
    def sleep(seconds: float) -> None:
        now[0] += seconds

    return Project.open(store, "p", config, clock=lambda: now[0], sleep=sleep)


def keep(here: Project, map_id: str, contents: list[bytes]) -> DiskMap:
    with here.maps.writing() as writing:
        digests = {i: writing.put(data) for i, data in enumerate(contents)}
        return writing.save(DiskMap.empty(BLOCK * len(contents), BLOCK).with_changes(digests), map_id)


@pytest.mark.parametrize("after", [False, True])
def test_a_sweep_killed_at_any_step_is_finished_by_the_next(after: bool) -> None:
    """Whatever request it dies at, the next sweep removes what no map has, and nothing else."""
    for step in range(80):
        now = [1000.0]
        store = MemoryStore(clock=lambda now=now: now[0])  # type: ignore[misc]
        here = filled(store, now)
        keep(here, "a", CONTENTS[:4])
        keep(here, "b", CONTENTS[2:6])
        here.maps.delete("a")
        with store.dying_at(step, after=after):
            Sweeper(here.maps).run(1000)
        now[0] += 1000
        Sweeper(here.maps).run(1000)
        assert here.maps.load("b").digests() == {
            digest for name in store.objects["p-blocks"] if (digest := digest_in(name))
        }, f"step {step}"
        assert sorted(store.objects["p-maps"]) == ["roots/b", "sweep"]


def test_a_condemned_block_needed_again_is_reprieved() -> None:
    """The disk deleted and uploaded again while the sweep waits: its blocks are neither lost nor sent again."""
    now = [1000.0]
    store = MemoryStore(clock=lambda: now[0])
    here = filled(store, now)
    keep(here, "a", CONTENTS[:4])
    here.maps.delete("a")
    sweeper = Sweeper(here.maps)
    assert sweeper.step().phase is Phase.CONDEMNED
    sent = here.blocks.bytes_sent
    with here.maps.writing() as writing:
        digests = {i: writing.put(data) for i, data in enumerate(CONTENTS[:3])}
        for _ in range(5):
            now[0] += 100
            sweeper.step()
        writing.save(DiskMap.empty(BLOCK * 3, BLOCK).with_changes(digests), "b")
    assert here.blocks.bytes_sent == sent + 32768, "the page alone is new"
    sweeper.run(1000)
    assert not here.blocks.missing(here.maps.load("b").digests())
    assert not here.blocks.has(digest_of(CONTENTS[3]))


def test_a_writer_ends_the_sweep_of_a_dead_sweeper() -> None:
    """A sweeper that died while removing holds writers for its lock's time and no longer."""
    now = [1000.0]
    store = MemoryStore(clock=lambda: now[0])
    here = filled(store, now)
    keep(here, "a", CONTENTS[:4])
    here.maps.delete("a")
    sweeper = Sweeper(here.maps)
    while sweeper.step().phase is not Phase.DELETING:
        now[0] += 30
    with store.dying_at(8):
        sweeper.step()
    keep(here, "b", CONTENTS[:4])
    assert now[0] < 1000 + 30 * 10 + 2 * CONFIG.sweep_lock_seconds
    assert not here.blocks.missing(here.maps.load("b").digests())
    now[0] += 1000
    Sweeper(here.maps).run(1000)
    assert not here.blocks.missing(here.maps.load("b").digests())


def test_a_map_on_blocks_that_are_gone_is_not_saved() -> None:
    """A map loaded long ago, deleted and swept since, can't be the ground of another one."""
    now = [1000.0]
    store = MemoryStore(clock=lambda: now[0])
    here = filled(store, now)
    old = keep(here, "a", CONTENTS[:4])
    here.maps.delete("a")
    Sweeper(here.maps).run(1000)
    with here.maps.writing() as writing, pytest.raises(Missing):
        writing.save(old.with_changes({0: writing.put(CONTENTS[9])}), "b")
    with here.maps.writing() as writing, pytest.raises(Missing):
        writing.save(old, "b")
    assert list(here.maps.list()) == []


def test_a_writer_silent_for_too_long_looks_again() -> None:
    """Swept away under a writer that slept longer than its lease, blocks are missed before the map is kept."""
    now = [1000.0]
    store = MemoryStore(clock=lambda: now[0])
    here = filled(store, now)
    with here.maps.writing() as writing:
        disk = DiskMap.empty(BLOCK, BLOCK).with_changes({0: writing.put(CONTENTS[0])})
        now[0] += CONFIG.block_lease_seconds + 1
        Sweeper(here.maps).run(1000)
        with pytest.raises(Missing):
            writing.save(disk, "a")
        writing.put(CONTENTS[0])
        writing.save(disk, "a")
    assert not here.blocks.missing(here.maps.load("a").digests())


def test_a_disk_whose_last_bytes_are_a_page_loses_nothing() -> None:
    """A block may have the bytes of a map's page, and so its name; what the page names is marked all the same."""
    now = [1000.0]
    store = MemoryStore(clock=lambda: now[0])
    here = filled(store, now, BlockConfig(block_size=32768, sweep_grace_seconds=0, sweep_settle_seconds=0))
    first = keep(here, "b", CONTENTS[:4])
    page = first.pages[0].entries
    keep(here, "a", [page])
    keep(here, "garbage", [CONTENTS[8]])
    here.maps.delete("garbage")
    Sweeper(here.maps).run(1000)
    assert not here.blocks.missing(here.maps.load("b").digests())
    assert not here.blocks.has(digest_of(CONTENTS[8]))


def test_a_hundred_snapshots_go_in_any_order() -> None:
    """Each restore point stands alone: after every deletion and sweep the rest is whole, and nothing stays behind."""
    now = [1000.0]
    rng = random.Random(3)
    store = MemoryStore(clock=lambda: now[0])
    config = BlockConfig(block_size=BLOCK, sweep_grace_seconds=0, sweep_settle_seconds=0)
    here = filled(store, now, config)
    disk = DiskMap.empty(16 * BLOCK, BLOCK)
    for number in range(100):
        with here.maps.writing() as writing:
            digest = writing.put(rng.randbytes(BLOCK))
            disk = writing.save(disk.with_changes({rng.randrange(16): digest}), f"s{number}")
    ids = list(here.maps.list())
    rng.shuffle(ids)
    while ids:
        for map_id in [ids.pop() for _ in range(20)]:
            here.maps.delete(map_id)
        Sweeper(here.maps).run(1000)
        needed = {d for map_id in here.maps.list() for d in here.maps.load(map_id).digests()}
        assert {digest_in(name) for name in store.objects["p-blocks"]} == needed
    assert not store.objects["p-blocks"]
