"""`apus tempurl`: an address that lets its holder do one thing for a while; made without asking the store."""

from __future__ import annotations

import argparse
from urllib.parse import urlsplit

from swiftclient.utils import generate_temp_url

from ...common.errors import Refused
from .command import Command
from .display import Display
from .session import Session

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
NOTES = """TIME is seconds from now, or with s, m, h or d behind it, or an ISO 8601 instant.
The key is that of `apus post -m Temp-URL-Key:KEY`, for the account, or for the container."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--absolute", action="store_true", help="TIME is a Unix timestamp")
    add("--prefix-based", action="store_true", help="for every object whose name begins as PATH")
    add("--iso8601", action="store_true", help="write the end as ISO 8601")
    add("--ip-range", metavar="RANGE", help="only from these addresses")
    add("--digest", choices=("sha1", "sha256", "sha512"), default="sha256", help="how to sign (sha256)")


def _check(words: list[str], _options: argparse.Namespace) -> None:
    if len(words) != 4:
        raise Refused("METHOD TIME PATH KEY are wanted")


def _run(_session: Session, display: Display, words: list[str], options: argparse.Namespace) -> None:
    method, until, place, key = words
    if method.upper() not in METHODS:
        display.notice(f"{method} is not one of {', '.join(METHODS)}; the store may not allow it")
    at = urlsplit(place)
    try:
        path = generate_temp_url(
            at.path, until, key, method, absolute=options.absolute, iso8601=options.iso8601,
            prefix=options.prefix_based, ip_range=options.ip_range, digest=options.digest,
        )  # fmt: skip
    except ValueError as problem:
        raise Refused(str(problem)) from problem
    url = f"{at.scheme}://{at.netloc}{path}" if at.scheme and at.netloc else str(path)
    if options.json:
        display.document({"method": method.upper(), "url": url})
    else:
        display.say(url)


COMMAND = Command(
    usage="[options] METHOD TIME PATH KEY",
    summary="Make a temporary URL.",
    notes=NOTES,
    run=_run,
    add_options=_add_options,
    check=_check,
    needs_login=False,
)
