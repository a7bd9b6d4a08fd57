"""`apus download`: objects into files."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

from ...common.errors import Refused
from .command import Command, add_header_option, add_thread_options, refuse_slash
from .display import Display
from .fetcher import Fetcher, Settings, Wanted
from .names import Unfit, forgiving_path, relative_path
from .session import Session, headers_of

NOTES = (
    "A file appears under its name when it is whole and its MD5 is right; what was there stays until then."
)


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-a", "--all", action="store_true", dest="yes_all", help="everything in the account")
    add("-m", "--marker", default="", help="only what comes after this name")
    add("-p", "--prefix", default="", help="only names that begin so")
    add("-r", "--remove-prefix", action="store_true", help="leave the prefix out of the files' names")
    add("-o", "--output", dest="out_file", metavar="FILE", help='where one object goes; "-": standard output')
    add(
        "-D",
        "--output-dir",
        dest="out_directory",
        default="",
        metavar="FOLDER",
        help="where objects go (here)",
    )
    add("--no-download", action="store_true", help="fetch and check, write nothing")
    add("--skip-identical", action="store_true", help="only objects whose bytes differ from the file's")
    add("--version-id", help="this version of a versioned object")
    add("--ignore-checksum", action="store_false", dest="checksum", help="do not compare MD5s")
    add("--no-shuffle", action="store_false", dest="shuffle", help="in the listing's order")
    add("--ignore-mtime", action="store_true", help="do not set the files' times from X-Object-Meta-Mtime")
    add_thread_options(parser, "object", "container")
    add_header_option(parser)


def _check(words: list[str], options: argparse.Namespace) -> None:
    if bool(words) == options.yes_all:
        raise Refused("name a container, or say --all")
    if options.out_file and len(words) != 2:
        raise Refused("--output takes one object of one container")
    if options.version_id and len(words) < 2:
        raise Refused("--version-id needs an object")
    if options.remove_prefix and not options.prefix:
        raise Refused("--remove-prefix needs --prefix")
    refuse_slash(words)


def _run(session: Session, display: Display, words: list[str], options: argparse.Namespace) -> None:
    fetcher = Fetcher(
        session,
        display,
        Settings(
            headers=headers_of(options.header),
            version_id=options.version_id,
            skips_identical=options.skip_identical,
            verifies=options.checksum,
            writes=not options.no_download,
            keeps_mtime=not options.ignore_mtime,
        ),
    )
    if options.out_file == "-":
        fetcher.to_output(words[0], words[1])
        return
    with display.working("downloading"):
        for _ in session.each("objects", fetcher.fetch, _wanted(session, display, words, options),
                              threads=options.object_threads):  # fmt: skip
            pass


def _wanted(
    session: Session, display: Display, words: list[str], options: argparse.Namespace
) -> Iterator[Wanted]:
    folder = Path(options.out_directory)
    if len(words) > 1:
        for name in words[1:]:
            if not name.startswith(options.prefix):
                continue
            display.expect(0)
            if options.out_file:
                yield Wanted(words[0], name, Path(), options.out_file)
            else:
                yield from _placed(display, words[0], name, folder, options)
        return
    taken: set[Path] = set()
    containers = words or [row["name"] for row in session.connection.get_account(full_listing=True)[1]]
    for container in containers:
        rows = list(session.listing(container, prefix=options.prefix, marker=options.marker))
        if options.shuffle:
            random.shuffle(rows)
        for row in rows:
            display.expect(row["bytes"])
            for wanted in _placed(display, container, row["name"], folder, options):
                if wanted.place in taken:
                    problem = Unfit(f"{wanted.name!r} would be the same file as another object")
                    display.failed(problem, action="download", container=container, object=wanted.name)
                else:
                    taken.add(wanted.place)
                    yield wanted


def _placed(
    display: Display, container: str, name: str, folder: Path, options: argparse.Namespace
) -> Iterator[Wanted]:
    try:
        path = forgiving_path(name.removeprefix(options.prefix) if options.remove_prefix else name)
        below = folder / relative_path(container) if options.yes_all else folder
    except Unfit as problem:
        display.failed(problem, action="download", container=container, object=name)
    else:
        yield Wanted(container, name, below, path)


COMMAND = Command(
    usage="[options] CONTAINER [OBJECT...]",
    summary="Download objects.",
    notes=NOTES,
    run=_run,
    add_options=_add_options,
    check=_check,
)
