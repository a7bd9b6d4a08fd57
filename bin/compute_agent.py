"""apus-compute-agent CONF: keep the machines of this host as the server service wants them.

    CONF ──▶ the host's resources told, its orders read ──▶ a driver makes them so ──▶ reports

`apus-compute-agent --key SECRET HOST` prints the key with which that host's agent speaks.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading

from ..common import logs
from ..common.config import parse, read_ini
from ..common.errors import Refused
from ..compute.server.agent.loop import Agent
from ..compute.server.agent.settings import AgentConfig
from ..compute.server.keys import host_key

EXIT_CONF = 2


def main(argv: list[str] | None = None) -> int:
    """Work until told to stop; the machines go on without the agent."""
    parser = argparse.ArgumentParser(prog="apus-compute-agent", description=__doc__)
    parser.add_argument("conf", nargs="?", help="configuration file, section [compute-agent]")
    parser.add_argument("--key", nargs=2, metavar=("SECRET", "HOST"), help="print a host's key")
    arguments = parser.parse_args(sys.argv[1:] if argv is None else argv)
    if arguments.key:
        print(host_key(*arguments.key))
        return 0
    if not arguments.conf:
        parser.error("say which configuration file")
    try:
        options = read_ini(arguments.conf).get("compute-agent", {})
        logs.configure(options, "compute-agent")
        agent = Agent.of(parse(AgentConfig, options), options)
    except Refused as problem:
        print(f"apus-compute-agent: {problem}", file=sys.stderr)
        return EXIT_CONF
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logging.getLogger(__name__).info("agent started")
    agent.run(stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
