"""apus: the store's command for people and scripts, in the manner of `swift`.

    argv, environment ──▶ Order ──▶ Session, Display ──▶ the command ──▶ exit code

Exit codes: 0 done, 1 something failed, 2 used wrongly, 3 there is no such thing, 4 not allowed,
5 the store cannot be reached or is in trouble, 130 interrupted, 141 whoever read the answers has gone.
"""

from __future__ import annotations

import getpass
import logging
import os
import signal
import sys
from collections.abc import Sequence

import swiftclient.client
import urllib3

from .client.display import Display
from .client.options import Order, connection_options, read, talking_options
from .client.session import Session
from .client.troubles import KNOWN, Kind, trouble


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command; every known trouble is one plain sentence on stderr and an exit code."""
    order = read(sys.argv[1:] if argv is None else argv, os.environ)
    _prepare_logs(order)
    display = Display.of(order.options)
    try:
        _carry_out(order, display)
    except KNOWN as problem:
        if isinstance(problem, BrokenPipeError):
            return _reader_gone()
        missing = trouble(problem).kind is Kind.MISSING
        display.failed(
            problem, action=order.options.action, path="/".join(order.words[:2]) if missing else ""
        )
    except KeyboardInterrupt:
        display.notice("interrupted; give the same command again to go on")
        sys.stdout.flush()
        os._exit(Kind.INTERRUPTED)  # Threads that wait for an answer would keep the process for a minute.
    return display.exit_code


def _carry_out(order: Order, display: Display) -> None:
    options = order.options
    if options.prompt:
        options.key = options.os_password = getpass.getpass()
    connected = connection_options if order.command.needs_login(order.words) else talking_options
    order.command.run(Session(connected(options)), display, order.words, options)


def _prepare_logs(order: Order) -> None:
    options = order.options
    if options.debug or options.debug_with_secrets:
        logging.basicConfig(level=logging.DEBUG)
    elif options.info:
        logging.basicConfig(level=logging.INFO)
    else:
        logging.getLogger("swiftclient").setLevel(logging.CRITICAL + 1)  # We say it ourselves.
    swiftclient.client.logger_settings["redact_sensitive_headers"] = not options.debug_with_secrets
    if options.insecure:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def _reader_gone() -> int:
    """`apus list | head`: nothing more can be said, and what was not done yet stays undone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE  # As for a program that the signal ends.


if __name__ == "__main__":
    sys.exit(main())
