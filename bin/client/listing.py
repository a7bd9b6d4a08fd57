"""`apus list`: the containers of the account, or the objects of a container."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from ...common.errors import Refused
from .command import Command, add_header_option, words_between
from .display import Display
from .names import shown
from .numbers import short
from .session import Session, headers_of

FOLDED = "subdir"


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-l", "--long", action="store_true", help="sizes and times too")
    add("--lh", dest="human", action="store_true", help="the same, sizes for people")
    add("-t", "--totals", action="store_true", help="with -l or --lh: totals only")
    add("-p", "--prefix", default="", help="only names that begin so")
    add("-d", "--delimiter", default="", help="fold names at this character")
    add("--versions", action="store_true", help="all versions")
    add_header_option(parser)


def _check(words: list[str], options: argparse.Namespace) -> None:
    words_between(0, 1)(words, options)
    if options.totals and not (options.long or options.human):
        raise Refused("--totals works with -l or --lh")
    if not words and (options.delimiter or options.versions):
        raise Refused("--delimiter and --versions need a container")


def _run(session: Session, display: Display, words: list[str], options: argparse.Namespace) -> None:
    rows = _objects(session, words[0], options) if words else _containers(session, options)
    if options.json:
        _print_json(display, rows)
        return
    count = size = 0
    for row in rows:
        count += row.get("count", 0)
        size += row.get("bytes", 0)
        if not options.totals:
            display.say(_line(row, options) if options.long or options.human else shown(_name(row)))
    if options.long or options.human:
        display.say(
            _number(size, options) if words else f"{_number(count, options)} {_number(size, options)}"
        )


def _print_json(display: Display, rows: Iterator[dict[str, Any]]) -> None:
    display.document(list(rows))


def _containers(session: Session, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    marker = ""
    while True:
        _headers, rows = session.connection.get_account(
            marker=marker, prefix=options.prefix, headers=headers_of(options.header)
        )
        if not rows:
            return
        yield from rows
        marker = rows[-1]["name"]


def _objects(session: Session, container: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    query = {"query_string": "versions=true"} if options.versions else {}
    return session.listing(
        container,
        prefix=options.prefix,
        delimiter=options.delimiter,
        headers=headers_of(options.header),
        **query,
    )


def _name(row: dict[str, Any]) -> str:
    return str(row.get("name", row.get(FOLDED)))


def _number(number: int, options: argparse.Namespace) -> str:
    return f"{short(number) if options.human else number:>12}"


def _line(row: dict[str, Any], options: argparse.Namespace) -> str:
    name = shown(_name(row))
    when = str(row.get("last_modified", "")).partition(".")[0].replace("T", " ")
    if FOLDED in row:
        return f"{'':>12} {'':19} {'':24} {name}"
    if "count" in row:
        policy = row.get("storage_policy", "")
        return (
            f"{_number(row['count'], options)} {_number(row['bytes'], options)} {when:19} {policy:12} {name}"
        )
    version = f" {row['version_id']}" if "version_id" in row else ""
    return f"{_number(row['bytes'], options)} {when:19} {row.get('content_type', ''):24} {name}{version}"


COMMAND = Command(
    usage="[options] [CONTAINER]",
    summary="List containers, or the objects of a container.",
    run=_run,
    add_options=_add_options,
    check=_check,
)
