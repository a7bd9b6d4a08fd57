"""A disk of one project made a disk of another: the store copies what is not there, no byte comes here.

copied(theirs, disk, ours) ──▶ the same disk, saved in our project; each project's sweep knows its own blocks
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ...common.errors import Missing
from .map import DiskMap
from .maps import MapStore


def copied(source: MapStore, disk: DiskMap, target: MapStore, *, map_id: str = "") -> DiskMap:
    """Copy a saved disk into another project of the same account and return it as it is there.

    An interrupted copy goes on where it was when it is made again.

    Raises:
        Missing: the disk has been deleted meanwhile.
    """
    workers = target.config.block_uploads
    with source.writing(), target.writing() as writing:
        if not source.exists(disk.map_id):
            raise Missing(f"map {disk.map_id} is not there any more")
        with ThreadPoolExecutor(workers, "block-copy") as pool:
            digests = sorted(disk.digests())
            for at in range(0, len(digests), 64 * workers):  # Bounded, so that a failure ends it soon.
                part = digests[at : at + 64 * workers]
                for _ in pool.map(lambda digest: writing.adopt(digest, source.blocks), part):
                    pass
        saved = writing.save(replace(disk, map_id="", parent=""), map_id)
        return target.load(saved.map_id)
