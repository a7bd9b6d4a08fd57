"""A project's blocks: bytes under the name of their SHA-256, checked whenever they are read.

    keep(bytes) ──▶ digest        sent only when the store has no such block
    get(digest) ──▶ bytes         hashed again; wrong bytes are asked for again, and put right in the store

Pages of maps are kept as blocks are. Whether a block may be relied upon while somebody sweeps is the affair
of `writing.Writing`, through which everyone writes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from ...common.errors import Corrupt, Missing, Refused
from ..store.interface import Store
from .config import BlockConfig
from .naming import block_name, blocks_container, digest_of

log = logging.getLogger(__name__)

ASKED_AT_A_TIME = 1000
"""Of a long list of blocks, so that the list of what is to be done stays short."""


class BlockStore:
    """The blocks of one project."""

    def __init__(self, store: Store, project_id: str, config: BlockConfig | None = None) -> None:
        self.store = store
        self.project_id = project_id
        self.container = blocks_container(project_id)
        self.config = config or BlockConfig()
        self._lock = threading.Lock()
        self.damaged = 0
        """Answers that were not what their name says."""
        self.healed = 0
        """Blocks written anew because a replica of them was wrong."""
        self.bytes_sent = 0
        self.bytes_received = 0

    def keep(self, data: bytes, digest: bytes | None = None) -> bytes:
        """Keep a block unless it is there already, and return its digest."""
        digest = digest or digest_of(data)
        if not self.has(digest):
            self.send(data, digest)
        return digest

    def send(self, data: bytes, digest: bytes) -> None:
        """Send a block without asking whether it is there."""
        self.store.put(self.container, block_name(digest), data)
        with self._lock:
            self.bytes_sent += len(data)

    def has(self, digest: bytes) -> bool:
        """Whether the block is there."""
        try:
            self.store.head(self.container, block_name(digest))
        except Missing:
            return False
        return True

    def missing(self, digests: Iterable[bytes]) -> list[bytes]:
        """Return those of the digests that have no block."""
        wanted = list(digests)
        if not wanted:
            return []
        gone: list[bytes] = []
        with ThreadPoolExecutor(min(len(wanted), 2 * self.config.block_uploads)) as pool:
            for at in range(0, len(wanted), ASKED_AT_A_TIME):
                part = wanted[at : at + ASKED_AT_A_TIME]
                there = pool.map(self.has, part)
                gone += [digest for digest, is_there in zip(part, there, strict=True) if not is_there]
        return gone

    def get(self, digest: bytes) -> bytes:
        """Return a block whose bytes are what its name says.

        Raises:
            Missing: there is no such block.
            Corrupt: no replica that answered had the right bytes.
            Unavailable: the store doesn't answer.
        """
        name = block_name(digest)
        for attempt in range(self.config.block_read_attempts):
            try:
                # Every second attempt asks all replicas; the others take whichever the store draws.
                data = self.store.read(self.container, name, newest=attempt % 2 == 1)
            except Missing as problem:
                log.error("block lost: the store has it no more", extra={"block": f"{self.container}/{name}"})
                raise Missing(
                    f"{self.container}/{name} is not in the store: this block is lost, unless a "
                    "replica of it comes back (a device, a quarantined file); disks without it are whole"
                ) from problem
            except (Corrupt, Refused) as problem:
                log.warning("block not readable", extra={"block": name, "why": str(problem)})
                data = None
            if data is not None:
                with self._lock:
                    self.bytes_received += len(data)
                if digest_of(data) == digest:
                    if attempt:
                        self._heal(data, digest)
                    return data
            with self._lock:
                self.damaged += 1
            log.warning(
                "block is not what its name says: asking again",
                extra={"container": self.container, "block": name, "attempt": attempt + 1},
            )
        log.error("block lost: no replica has its bytes", extra={"container": self.container, "block": name})
        raise Corrupt(
            f"{self.container}/{name}: no replica has the bytes that its name says; this block is lost, "
            "unless one that has comes back; disks without it are whole"
        )

    def _heal(self, data: bytes, digest: bytes) -> None:
        """Write a block anew over a replica that is wrong; when that fails the next reader tries."""
        try:
            self.send(data, digest)
        except Exception:  # noqa: BLE001 - the reader has what it asked for; the log says what went wrong
            log.warning("block not healed", extra={"block": block_name(digest)}, exc_info=True)
            return
        with self._lock:
            self.healed += 1
        log.warning("block healed", extra={"container": self.container, "block": block_name(digest)})
