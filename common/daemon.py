"""What keeps a background daemon alive: run a pass, rest, run the next.

    CONF [--once] ──▶ run() ──▶ Daemon.run_once() … interval … run_once() … until SIGTERM

A pass that fails is logged with its traceback and the next one is tried; with --once the failure is
the exit code. What a pass does is the daemon's own affair.
"""

from __future__ import annotations

import argparse
import logging
import random
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from . import logs
from .config import read_ini
from .durability import share_rounds
from .errors import ApusError, Refused

log = logging.getLogger(__name__)

EXIT_FAILED = 1
EXIT_CONF = 2


class Daemon(ABC):
    """A background worker that does its work in passes."""

    interval_seconds: float = 30.0

    @abstractmethod
    def run_once(self) -> None:
        """Make one complete pass and return when it is done."""


DaemonFactory = Callable[[Mapping[str, str]], Daemon]


def run(factory: DaemonFactory, section: str, argv: Sequence[str] | None = None) -> int:
    """Read CONF's section, build the daemon from it and run it; return the exit code."""
    arguments = _parser(section).parse_args(argv)
    try:
        options = _options(arguments.conf, section)
        if arguments.verbose:
            options["log_level"] = "DEBUG"
        logs.configure({**options, "log_file": ""} if arguments.once else options, section)
        share_rounds()
        daemon = factory(options)
    except Refused as problem:
        print(f"{section}: {problem}", file=sys.stderr)
        return EXIT_CONF
    if arguments.once:
        return _run_one_pass(daemon)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    keep_running(daemon)
    return 0


def keep_running(daemon: Daemon) -> None:
    """Run passes for ever, each begun `interval_seconds` after the last one began."""
    time.sleep(random.uniform(0, min(daemon.interval_seconds, 5)))  # Nodes must not all start in step.
    while True:
        begun = time.monotonic()
        try:
            daemon.run_once()
        except Exception:  # noqa: BLE001 - the loop that keeps a daemon alive
            log.exception("pass failed; the next one is tried")
        time.sleep(max(0.1, daemon.interval_seconds - (time.monotonic() - begun)))


def _run_one_pass(daemon: Daemon) -> int:
    try:
        daemon.run_once()
    except ApusError as problem:
        print(problem, file=sys.stderr)
        return EXIT_FAILED
    return 0


def _parser(section: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"apus-{section}", description=f"Run the {section} of one node.")
    parser.add_argument("conf", help="configuration file")
    parser.add_argument("--once", "-o", action="store_true", help="make one pass in the foreground")
    parser.add_argument(
        "--verbose", "-v", action="store_true", help="log more, to standard error with --once"
    )
    return parser


def _options(conf: str, section: str) -> dict[str, str]:
    sections = read_ini(conf)
    if section not in sections:
        raise Refused(f"{conf} has no section [{section}]")
    return dict(sections[section])


def _leave(signum: int, frame: FrameType | None) -> None:
    del signum, frame
    raise SystemExit(0)
