"""`apus tempurl`: an address that lets its holder do one thing for a while; made without asking the store."""

from __future__ import annotations

import argparse
from urllib.parse import quote, unquote, urlsplit

from swiftclient.utils import generate_temp_url

from ...common.errors import Refused
from .command import Command
from .display import Display
from .session import Session

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
NOTES = """TIME is seconds from now, or with s, m, h or d behind it, or an ISO 8601 instant.
PATH is /v1/ACCOUNT/CONTAINER/OBJECT as it is called, or a URL, with its names encoded.
The key is that of `apus post -m Temp-URL-Key:KEY`, for the account, or for the container."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--absolute", action="store_true", help="TIME is a Unix timestamp")
    add("--prefix-based", action="store_true", help="for every object whose name begins as PATH")
    add("--iso8601", action="store_true", help="write the end as ISO 8601")
    add("--ip-range", metavar="RANGE", help="only from these addresses")
    add("--digest", choices=("sha1", "sha256", "sha512"), default="sha256", help="how to sign (sha256)")


def _split(place: str) -> tuple[str, str]:
    """Return scheme and host, where they are given, and the path as the store reads it: what is signed."""
    at = urlsplit(place)
    if not (at.scheme and at.netloc):
        return "", place
    if at.query or at.fragment:
        raise Refused(f"{place!r} has a query; in a URL, write ? as %3F and # as %23")
    return f"{at.scheme}://{at.netloc}", unquote(at.path)


def _encoded(signature: str, path: str, options: argparse.Namespace) -> str:
    """Return the query, with what comes from outside encoded."""
    parts = signature.removeprefix("?").split("&")[:2]
    if path != "/info":
        if options.ip_range:
            parts.append(f"temp_url_ip_range={quote(options.ip_range)}")
        if options.prefix_based:
            parts.append(f"temp_url_prefix={quote(path.split('/', 4)[4])}")
    return "&".join(parts)


def _check(words: list[str], _options: argparse.Namespace) -> None:
    if len(words) != 4:
        raise Refused("METHOD TIME PATH KEY are wanted")


def _run(_session: Session, display: Display, words: list[str], options: argparse.Namespace) -> None:
    method, until, place, key = words
    if method.upper() not in METHODS:
        display.notice(f"{method} is not one of {', '.join(METHODS)}; the store may not allow it")
    origin, path = _split(place)
    try:
        signed = generate_temp_url(
            path, until, key, method, absolute=options.absolute, iso8601=options.iso8601,
            prefix=options.prefix_based, ip_range=options.ip_range, digest=options.digest,
        )  # fmt: skip
    except ValueError as problem:
        raise Refused(str(problem)) from problem
    url = f"{origin}{quote(path)}?{_encoded(signed.removeprefix(path), path, options)}"
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
    needs_login=lambda _words: False,
)
