"""Attaches disks of the store to this host: NBD on unix sockets, and a door for the host's services.

    CONF [block-server] ──▶ HostDisks (sockets/<disk>) ◀── ControlServer (control) ◀── agents of services

Real threads, nothing patched: hashing, the local files and the sockets each let the others run meanwhile.
SIGTERM ends it; what is attached stays attached for the next start, whatever the end was like.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..common import logs
from ..common.config import parse, read_ini, setting
from ..common.errors import Refused
from ..common.notice import announce_ready, announce_stopping
from ..compute.block.config import BlockConfig
from ..compute.block.control import ControlServer
from ..compute.block.host import HostDisks, Room
from ..compute.store.account import Account
from ..compute.store.config import StoreConfig

log = logging.getLogger(__name__)

SECTION = "block-server"
EXIT_CONF = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockServerConfig:
    """Where a host keeps its attached disks."""

    state_folder: str = setting(
        "/var/lib/apus/block",
        help="Folder of the local files of attached disks, with room for what their users read and write; "
        "their NBD sockets are in `sockets/` below it, and `control` is the door for the host's services.",
    )
    cache_bytes: int = setting(
        0,
        help="Room that attached disks may take there in all. What the store has too is evicted beyond it, "
        "the longest unused first; changes that no commit has sent stay. 0: no bound but the file system's.",
        minimum=0,
    )
    cache_free_bytes: int = setting(
        1 << 30, help="Room in that file system to be left to others, by evicting in the same way.", minimum=0
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Serve what CONF describes until SIGTERM or SIGINT; return the exit code."""
    parser = argparse.ArgumentParser(prog="apus-block-server", description="Attach disks to this host.")
    parser.add_argument("conf", metavar="CONF", help=f"configuration file with a section [{SECTION}]")
    arguments = parser.parse_args(argv)
    try:
        sections = read_ini(arguments.conf)
        options = {**sections["DEFAULT"], **sections.get(SECTION, {})}
        config = parse(BlockServerConfig, options)
        store, block = parse(StoreConfig, options), parse(BlockConfig, options)
        logs.configure(options, SECTION)
    except Refused as problem:
        print(f"{SECTION}: {problem}", file=sys.stderr)
        return EXIT_CONF
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    folder = Path(config.state_folder)
    room = Room(bytes_max=config.cache_bytes, bytes_free=config.cache_free_bytes)
    disks = HostDisks(Account(store), folder, block, room)
    try:
        disks.start()
    except Refused as problem:
        print(f"{SECTION}: {problem}", file=sys.stderr)
        return EXIT_CONF
    control = ControlServer(disks, folder / "control")
    control.start()
    announce_ready()
    log.info("block server ready", extra={"folder": str(folder)})
    signal.sigwait((signal.SIGTERM, signal.SIGINT))
    announce_stopping()
    control.stop()
    disks.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
