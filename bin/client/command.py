"""What a command is: its words, its options, and what it does with the store."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from ...common.errors import Refused
from .display import Display
from .numbers import size_of
from .session import Session

Run = Callable[[Session, Display, list[str], argparse.Namespace], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command; `check` refuses words and options that make no sense before anybody logs in."""

    usage: str
    summary: str
    run: Run
    add_options: Callable[[argparse.ArgumentParser], None]
    check: Callable[[list[str], argparse.Namespace], None]
    notes: str = ""
    is_alias: bool = False
    needs_login: Callable[[list[str]], bool] = lambda _words: True


def words_between(least: int, most: int | None = None) -> Callable[[list[str], argparse.Namespace], None]:
    """Return a check for how many words there are, and for a container's name without a slash."""

    def check(words: list[str], _options: argparse.Namespace) -> None:
        if len(words) < least:
            raise Refused("too few arguments")
        if most is not None and len(words) > most:
            raise Refused(f"too many arguments: {words[most]!r}")
        refuse_slash(words)

    return check


def refuse_slash(words: list[str]) -> None:
    """Refuse a slash in a container's name: a space was meant."""
    if words and "/" in words[0]:
        raise Refused(f"a container's name has no slash; write {words[0].replace('/', ' ', 1)!r}")


def refuse_empty(words: list[str]) -> None:
    """Refuse an empty name, which an unset variable leaves: it would mean the account, or a container."""
    if "" in words:
        raise Refused("a name is empty")


def header_line(text: str) -> str:
    """Return NAME:VALUE as it stands; Refused where that is no header."""
    name, colon, _value = text.partition(":")
    if not (name.strip() and colon):
        raise Refused(f"{text!r} is not NAME:VALUE")
    if any(character in text for character in "\r\n\0"):
        raise Refused(f"{text!r} has a line break or a zero byte, which no header may have")
    return text


def add_header_option(parser: argparse.ArgumentParser) -> None:
    """`-H name:value`, as often as wanted."""
    _add_lines_option(parser, "-H", "--header", "request header")


def add_meta_option(parser: argparse.ArgumentParser) -> None:
    """`-m name:value`, as often as wanted."""
    _add_lines_option(parser, "-m", "--meta", "metadata item")


def _add_lines_option(parser: argparse.ArgumentParser, short: str, long: str, what: str) -> None:
    parser.add_argument(
        short, long, type=header_line, action="append", default=[], metavar="NAME:VALUE", help=what
    )


def add_segment_options(parser: argparse.ArgumentParser) -> None:
    """Add how large segments are and where they go."""
    parser.add_argument(
        "-S",
        "--segment-size",
        type=size_of,
        metavar="SIZE",
        help="segments of this size, as 64M; 0: never segments",
    )
    parser.add_argument(
        "-C", "--segment-container", metavar="CONTAINER", help="where segments go (CONTAINER_segments)"
    )


def add_thread_options(parser: argparse.ArgumentParser, *kinds: str) -> None:
    """`--object-threads` and its like."""
    for kind in kinds:
        parser.add_argument(
            f"--{kind}-threads", type=positive, default=10, metavar="N", help="at a time (10)"
        )


def positive(text: str) -> int:
    """A positive number, or argparse's complaint."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number
