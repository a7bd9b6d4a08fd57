"""Settings of the block layer: the options `block_*` and `sweep_*` of a service's section."""

from __future__ import annotations

from dataclasses import dataclass

from ...common.config import setting

SMALLEST_BLOCK_BYTES, LARGEST_BLOCK_BYTES = 4096, 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockConfig:
    """How disks are cut, sent and kept."""

    block_size: int = setting(
        4 << 20,
        help="Bytes of a block of new disks, a power of two; disks that are there keep theirs.",
        minimum=SMALLEST_BLOCK_BYTES,
        maximum=LARGEST_BLOCK_BYTES,
    )
    block_uploads: int = setting(
        4, help="Blocks that one disk being written sends at a time; as many are in memory.", minimum=1
    )
    block_read_ahead: int = setting(
        4, help="Blocks that one disk being read fetches at a time; as many are in memory.", minimum=1
    )
    block_read_attempts: int = setting(
        8,
        help="How often a block is asked for when what comes is not what was written: each time another "
        "replica may answer.",
        minimum=1,
    )
    block_patience_seconds: float = setting(
        300.0,
        help="How long an attached disk waits for a store that doesn't answer before its guest hears of an "
        "input/output error.",
        minimum=0,
    )
    block_lease_seconds: float = setting(
        3600.0,
        help="How long a writer that has gone silent keeps its project from being swept.",
        minimum=1,
    )
    sweep_grace_seconds: float = setting(
        600.0, help="Least time between a block's being found unused and its removal.", minimum=0
    )
    sweep_settle_seconds: float = setting(
        60.0,
        help="How late a listing of the store may be: a sweep goes on only when no writer has been seen for "
        "so long. 0 where listings agree with what was acknowledged, as Apus' do.",
        minimum=0,
    )
    sweep_lock_seconds: float = setting(
        600.0,
        help="How long a sweeper that has gone silent keeps others from sweeping; longer than a request to "
        "the store can take with all its repetitions.",
        minimum=1,
    )

    sweep_removals: int = setting(
        8, help="Blocks removed at a time; writers may have to wait for the end of all removals.", minimum=1
    )

    def __post_init__(self) -> None:
        """Refuse block sizes that a disk's map cannot be divided by."""
        if self.block_size & (self.block_size - 1):
            raise ValueError(f"block_size = {self.block_size}: must be a power of two")
