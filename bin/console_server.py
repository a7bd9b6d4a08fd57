"""apus-console-server CONF: serve consoles of servers by websocket, and the pages of noVNC.

    browser or client ◀──websocket──▶ this ◀──bytes──▶ the door of the server's host
                                        └── asks the server service what a token opens

`apus-console-server --key SECRET` prints the key with which it asks.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from ..common import logs
from ..common.config import parse, read_ini
from ..common.errors import Refused
from ..common.notice import announce_ready, announce_stopping
from ..compute.server.console.gateway import Gateway
from ..compute.server.console.settings import ConsoleConfig
from ..compute.server.keys import console_key

SECTION = "console-server"
EXIT_CONF = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="apus-console-server", description=__doc__)
    parser.add_argument("conf", nargs="?", help=f"configuration file with a section [{SECTION}]")
    parser.add_argument("--key", metavar="SECRET", help="print the console server's key")
    arguments = parser.parse_args(argv)
    if arguments.key:
        print(console_key(arguments.key))
        return 0
    if not arguments.conf:
        parser.error("say which configuration file")
    try:
        sections = read_ini(arguments.conf)
        options = {**sections["DEFAULT"], **sections.get(SECTION, {})}
        config = parse(ConsoleConfig, options)
        if not config.key:
            raise Refused("key must be set; `apus-console-server --key SECRET` prints it")
        logs.configure(options, SECTION)
    except Refused as problem:
        print(f"{SECTION}: {problem}", file=sys.stderr)
        return EXIT_CONF
    # Each connection is one line of ours; the library would write three.
    logging.getLogger("websockets").setLevel(logging.WARNING)
    try:
        asyncio.run(_serve(config))
    except OSError as problem:
        print(f"{SECTION}: it cannot listen: {problem}", file=sys.stderr)
        return 1
    return 0


async def _serve(config: ConsoleConfig) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await Gateway(config).start()
    logging.getLogger(__name__).info("console server started")
    announce_ready()
    await stop.wait()
    announce_stopping()
    server.close()
    await server.wait_closed()


if __name__ == "__main__":
    sys.exit(main())
