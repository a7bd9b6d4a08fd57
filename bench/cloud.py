"""The cloud's disks: backups, restores, lazy boot, snapshots, over a real store: `make bench-cloud`.

    image of 2 GiB ──▶ guest boots from it by NBD, is pictured while it runs
                   ──▶ volume ──▶ ten backups, 5 % changed before each ──▶ 1st, 5th, 10th restored by turns
    a small disk   ──▶ a hundred snapshots, deleted in any order, swept

Beside backups stands what Cinder's chunked driver would have read and sent (`cinder.py`), beside the guest
its whole image. CPU is told apart: that of the store's processes, and that of this one, which has the block
layer and the NBD server in it.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator, Mapping

from nbd_client import NbdClient

from apus.bin.guest.image import build
from apus.common.errors import ApusError
from apus.compute.block.config import BlockConfig
from apus.compute.block.project import Project
from apus.compute.block.reading import read_range
from apus.compute.block.stream import write_stream
from apus.compute.block.sweeping import Sweeper

from . import cinder
from .cloud_guest import Guest
from .cloud_world import CONFIG, MB, World
from .demands import CINDER, OURS, WHOLE
from .load import Unfit
from .peer import Reading, Run

GIB = 1 << 30
SIZE = 2 * GIB
BLOCK = CONFIG.block_size
CHANGED = SIZE // BLOCK * 5 // 100
BACKUPS = 10
RESTORED = (1, 5, 10)
RESTORE_ROUNDS = 2 * len(RESTORED)  # So that each comes first, and last, as often as the others.
PAGE_BYTES = 4096
SNAPSHOTS = 100
SMALL_BLOCK, SMALL_BLOCKS, SMALL_CHANGES = 1 << 16, 256, 5
SWEEP_SECONDS = 120.0
FREE_BYTES_MIN = 14 << 30


def measure(run: Run) -> Iterator[Reading]:
    """Measure all of it; with `quick`, snapshots only."""
    if shutil.disk_usage(run.folder).free < FREE_BYTES_MIN:
        raise Unfit(f"three copies of everything need {FREE_BYTES_MIN >> 30} GB of disk; set TMPDIR")
    run.tell("starting a store")
    with World.up(run.folder) as world:
        if not run.quick:
            project = world.project("cloud")
            yield _image(run, world, project)
            yield from _guest(run, world, project)
            yield from _backups(run, world, project)
        yield _snapshots(run, world)


def _image(run: Run, world: World, project: Project) -> Reading:
    """Upload the guest's image, padded with data that nothing in it needs."""
    run.tell("building the guest")
    guest = run.folder / "guest.img"
    try:
        build(guest)
        head = guest.read_bytes()
    except ApusError as problem:
        run.unfit.append(f"boot-2g, snapshot-running: the guest cannot be built: {problem}")
        head = b""
    run.tell("uploading an image of 2 GiB")
    with world.spent() as spent:
        write_stream(project.maps, _padded(head), size=SIZE, map_id="image")
    return Reading("upload-2g", OURS, {**spent.measures(), "mb_per_second": SIZE / spent.seconds / MB})


def _padded(head: bytes) -> Iterator[bytes]:
    """Yield blocks that begin with those bytes and go on with others, none twice."""
    noise = random.Random(6).randbytes(BLOCK)
    for at in range(0, SIZE, BLOCK):
        begin = head[at : at + BLOCK]
        yield begin + at.to_bytes(8, "big") + noise[len(begin) + 8 :] if len(begin) < BLOCK - 8 else begin


def _guest(run: Run, world: World, project: Project) -> Iterator[Reading]:
    """Boot it from the image, and picture it while it runs."""
    if not shutil.which("qemu-system-x86_64"):
        run.unfit.append("boot-2g, snapshot-running: qemu-system-x86_64 is not installed")
        return
    run.tell("booting a guest from it")
    with project.maps.writing() as writing:
        writing.save(project.maps.load("image"), "server")
    begun, received = time.monotonic(), world.account.received
    attached = world.disks.attach("server", "cloud", "server")
    attach_seconds = time.monotonic() - begun

    def fetched() -> float:
        return (world.account.received - received) / MB

    with Guest(str(attached["socket"]), "server") as guest:
        measures = {"attach_ms": 1000 * attach_seconds}
        for word, name in (("BOOTING", "first_program"), ("READY", "ready")):
            guest.wait(f"APUS-GUEST {word}")
            measures |= {
                f"seconds_to_{name}": time.monotonic() - begun,
                f"fetched_mb_at_{name}": fetched(),
            }
        measures["fetched_mb"] = measures["fetched_mb_at_ready"]
        yield Reading("boot-2g", OURS, measures)
        yield Reading("boot-2g", WHOLE, {"fetched_mb": SIZE / MB})
        yield from _picture(run, world, project, guest)
    world.disks.detach("server", discard=True)


def _picture(run: Run, world: World, project: Project, guest: Guest) -> Iterator[Reading]:
    run.tell("a picture of it while it runs")
    guest.do("dd if=/dev/urandom of=/disk/file bs=1M count=10 2>/dev/null; sync")
    kept = world.bytes_kept(project)
    base = project.maps.load("server")
    with world.spent() as spent:
        done = world.disks.commit("server", "picture")
    guest.do("date > /disk/later; sync")  # It lives.
    stored = world.bytes_kept(project) - kept
    differing = len(set(project.maps.load("picture").differences(base)))
    if differing > done["changed_blocks"] or spent.sent > (done["changed_blocks"] + 1) * BLOCK:
        raise Unfit(f"a picture of {done['changed_blocks']} changed blocks sent {spent.sent} bytes")
    measures = {
        **spent.measures(),
        "read_mb": done["bytes_read"] / MB,
        "stored_mb": stored / MB,
        "changed_blocks": done["changed_blocks"],
    }
    yield Reading("snapshot-running", OURS, measures)
    whole = SIZE / MB
    yield Reading("snapshot-running", WHOLE, {"read_mb": whole, "sent_mb": whole, "stored_mb": whole})


def _backups(run: Run, world: World, project: Project) -> Iterator[Reading]:
    """Back a volume up ten times, then restore three of the backups by turns."""
    with project.maps.writing() as writing:
        volume = writing.save(project.maps.load("image"), "volume")
        writing.save(volume, "backup-1")
    socket = str(world.disks.attach("volume", "cloud", "volume")["socket"])
    rng = random.Random(7)
    with NbdClient(socket) as client:
        for number in range(2, BACKUPS + 1):
            run.tell(f"backup {number} of {BACKUPS}")
            # One of them finds small writes far from each other: the least that a block can be changed by.
            length = PAGE_BYTES if number == BACKUPS else BLOCK
            changed = [(index * BLOCK, length) for index in rng.sample(range(SIZE // BLOCK), CHANGED)]
            for offset, _ in changed:
                client.write(offset, os.urandom(length))
            client.flush()
            figure = {2: "backup-2g-5-percent", BACKUPS: "backup-2g-small-writes"}.get(number)
            readings = _backup(world, project, number, figure or "", changed)
            yield from readings if figure else ()
    world.disks.detach("volume")
    for turn in range(RESTORE_ROUNDS):
        first = turn % len(RESTORED)
        for number in (*RESTORED[first:], *RESTORED[:first]):
            run.tell(f"restoring backup {number}")
            yield _restore(world, project, number)


def _backup(
    world: World, project: Project, number: int, figure: str, changed: list[tuple[int, int]]
) -> list[Reading]:
    kept = world.bytes_kept(project) if figure else 0
    with world.spent() as spent:
        done = world.disks.commit("volume", f"volume-{number}")
        with project.maps.writing() as writing:
            writing.save(project.maps.load(done["map_id"]), f"backup-{number}")
    if not figure:
        return []
    stored = world.bytes_kept(project) - kept
    theirs = cinder.incremental(SIZE, changed)
    return [
        Reading(
            figure,
            OURS,
            {**spent.measures(), "read_mb": done["bytes_read"] / MB, "stored_mb": stored / MB},
        ),
        Reading(
            figure,
            CINDER,
            {
                "sent_mb": theirs.sent / MB,
                "received_mb": theirs.fetched / MB,
                "read_mb": theirs.read / MB,
                "stored_mb": theirs.sent / MB,
            },
        ),
    ]


def _restore(world: World, project: Project, number: int) -> Reading:
    """Make a volume of a backup, then read every byte of it from the store, checked by its hash."""
    with world.spent() as spent:
        begun = time.monotonic()
        with project.maps.writing() as writing:
            restored = writing.save(project.maps.load(f"backup-{number}"), f"restored-{number}")
        usable = time.monotonic() - begun
        length = sum(len(piece) for piece in read_range(project.maps, restored))
    if length != SIZE:
        raise Unfit(f"backup {number} has {length} bytes")
    project.maps.delete(f"restored-{number}")
    measures = {**spent.measures(), "usable_ms": 1000 * usable, "mb_per_second": SIZE / spent.seconds / MB}
    return Reading(f"restore-{number}-of-{BACKUPS}", OURS, measures)


def _snapshots(run: Run, world: World) -> Reading:
    """Make a hundred snapshots, delete them in any order, and look after each quarter what is left."""
    config = BlockConfig(block_size=SMALL_BLOCK, sweep_grace_seconds=0, sweep_settle_seconds=0)
    project = world.project("snapshots", config)
    rng = random.Random(8)
    run.tell(f"{SNAPSHOTS} snapshots")
    with world.spent() as made:
        contents = _hundred(project, rng)
    order = list(contents)
    rng.shuffle(order)
    deleting, sweeping = 0.0, 0.0
    while order:
        run.tell(f"{len(order)} snapshots to be deleted, in any order")
        with world.spent() as spent:
            for _ in range(SNAPSHOTS // 4):
                gone = order.pop()
                project.maps.delete(gone)
                del contents[gone]
        deleting += spent.seconds
        with world.spent() as spent:
            Sweeper(project.maps).run(SWEEP_SECONDS)
        sweeping += spent.seconds
        _check(project, contents)
    left = [row.name for row in world.account.names(project.blocks.container)]
    if left or list(project.maps.list()):
        raise Unfit(f"{len(left)} blocks are leaked, {left[0]} among them")
    return Reading(
        "snapshots-100",
        OURS,
        {
            "ms_to_make_one": 1000 * made.seconds / SNAPSHOTS,
            "cpu_ms_to_make_one": 1000 * (made.cpu_services + made.cpu_store) / SNAPSHOTS,
            "ms_to_delete_one": 1000 * deleting / SNAPSHOTS,
            "seconds_of_sweeps": sweeping,
            "leaked_blocks": 0,
            "lost_blocks": 0,
        },
    )


def _hundred(project: Project, rng: random.Random) -> dict[str, list[bytes]]:
    """Return the blocks of each snapshot of a disk that changes a little before each."""
    blocks = [rng.randbytes(SMALL_BLOCK) for _ in range(SMALL_BLOCKS)]
    disk = write_stream(project.maps, blocks, map_id="disk")
    contents: dict[str, list[bytes]] = {}
    for number in range(SNAPSHOTS):
        with project.maps.writing() as writing:
            changes: dict[int, bytes | None] = {}
            for index in rng.sample(range(SMALL_BLOCKS), SMALL_CHANGES):
                blocks[index] = rng.randbytes(SMALL_BLOCK)
                changes[index] = writing.put(blocks[index])
            disk = writing.save(disk.with_changes(changes), f"snapshot-{number}")
        contents[disk.map_id] = list(blocks)
    project.maps.delete("disk")
    return contents


def _check(project: Project, contents: Mapping[str, list[bytes]]) -> None:
    """Look that nothing of these snapshots is lost: all blocks are there, one is read as it was written."""
    disks = [project.maps.load(map_id) for map_id in contents]
    gone = project.blocks.missing({digest for disk in disks for digest in disk.digests()})
    if gone:
        raise Unfit(f"{len(gone)} blocks of {len(disks)} snapshots are lost")
    for disk in disks[:1]:
        if list(read_range(project.maps, disk)) != contents[disk.map_id]:
            raise Unfit(f"{disk.map_id} has other bytes than were written")
