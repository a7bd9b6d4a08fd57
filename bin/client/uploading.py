"""`apus upload`: files and folders into a container."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from ...common.errors import Missing, Refused
from .command import (
    Command,
    add_header_option,
    add_meta_option,
    add_segment_options,
    add_thread_options,
    refuse_slash,
)
from .display import Display
from .files import walk
from .names import Unfit, object_name
from .sender import Sender, Sending, Settings
from .session import Session, headers_of

NOTES = """A file larger than 512 MiB (or than -S says) goes in segments, several at once, as a large object.
Give the same command again after an interruption: segments that are there with the right size and MD5 are
not sent again. `apus segments` finds those of an upload that was given up.
A PATH may be "-" for standard input, with --object-name."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-c", "--changed", action="store_true", help="only files whose size or time differs")
    add("--skip-identical", action="store_true", help="only files whose bytes differ")
    add("--skip-container-put", action="store_true", help="do not create containers")
    add_segment_options(parser)
    add("--leave-segments", action="store_true", help="keep the segments of what is replaced")
    add(
        "--use-slo", action="store_true", default=None, help="static large objects (where the store has them)"
    )
    add("--use-dlo", action="store_false", dest="use_slo", help="dynamic large objects")
    add(
        "--object-name", metavar="NAME", help="the object's name, or what stands before the names in a folder"
    )
    add("--ignore-checksum", action="store_false", dest="checksum", help="do not compare MD5s")
    add_thread_options(parser, "object", "segment")
    add_meta_option(parser)
    add_header_option(parser)


def _check(words: list[str], options: argparse.Namespace) -> None:
    if len(words) < 2:
        raise Refused("name a container and at least one file or folder")
    if "-" in words[1:] and (len(words) > 2 or not options.object_name):
        raise Refused('"-" stands alone, and needs --object-name')
    container, slash, rest = words[0].partition("/")
    if slash and not (container and rest):
        refuse_slash(words)


def _run(session: Session, display: Display, words: list[str], options: argparse.Namespace) -> None:
    container, _, pseudo_folder = words[0].partition("/")
    sender = Sender(session, display, settings(container, options))
    before = f"{pseudo_folder.rstrip('/')}/" if pseudo_folder else ""
    with display.working("uploading"):
        if words[1:] == ["-"]:
            sender.stream(before + options.object_name, sys.stdin.buffer)
            return
        sendings = _expected(_sendings(words[1:], before, options, display), display)
        for _ in session.each("objects", sender.send, sendings, threads=options.object_threads):
            pass


def settings(container: str, options: argparse.Namespace) -> Settings:
    """Return how the options want files sent."""
    return Settings(
        container=container,
        segment_container=options.segment_container or f"{container}_segments",
        segment_bytes=options.segment_size,
        is_static=options.use_slo is not False,
        headers={**headers_of(options.meta, "X-Object-Meta-"), **headers_of(options.header)},
        keeps_segments=options.leave_segments,
        only_changed=options.changed,
        skips_identical=options.skip_identical,
        verifies=options.checksum,
        makes_containers=not options.skip_container_put,
        segment_threads=options.segment_threads,
    )


def _expected(sendings: Iterator[Sending], display: Display) -> Iterator[Sending]:
    known = list(sendings)
    for each in known:
        display.expect(each.size)
    return iter(known)


def _sendings(
    paths: list[str], before: str, options: argparse.Namespace, display: Display
) -> Iterator[Sending]:
    for given in paths:
        path = Path(given)
        try:
            facts = path.stat()
            if stat.S_ISDIR(facts.st_mode):
                yield from _folder(path, before + _prefix(given, options.object_name), display)
                continue
            if not stat.S_ISREG(facts.st_mode):
                raise Unfit("this is no file; what a program prints goes through -, with --object-name")
            name = object_name(options.object_name or _name(given))
            yield Sending(path, before + name, facts.st_size)
        except FileNotFoundError:
            display.failed(Missing("there is no such file"), action="upload", path=given)
        except (Unfit, OSError) as problem:
            display.failed(problem, action="upload", path=given)


def _folder(folder: Path, prefix: str, display: Display) -> Iterator[Sending]:
    found = walk(folder, follow_links=True)
    for path, sentence in found.failed.items():
        display.failed(OSError(0, sentence, str(folder / path)), action="upload", path=str(folder / path))
    for path, sentence in found.passed.items():
        display.notice(f"{folder / path} passed over: {sentence}")
    filled = {path.rpartition("/")[0] for path in found.entries}
    for path, entry in found.entries.items():
        if not entry.is_folder or path not in filled:
            yield Sending(folder / path, prefix + path, entry.size, entry.is_folder)
    if not found.entries and prefix and not found.failed:
        yield Sending(folder, prefix.rstrip("/"), is_folder=True)


def _prefix(given: str, asked: str | None) -> str:
    prefix = asked if asked is not None else _name(given)
    return f"{prefix.rstrip('/')}/" if prefix else ""


def _name(given: str) -> str:
    """As `swift` names it: the path as given, without what leads out of an object's name."""
    normal = os.path.normpath(given).lstrip("/")
    parts = [part for part in normal.split("/") if part not in (".", "..")]
    return "/".join(parts)


COMMAND = Command(
    usage="[options] CONTAINER[/PREFIX] PATH [PATH...]",
    summary="Upload files and folders.",
    notes=NOTES,
    run=_run,
    add_options=_add_options,
    check=_check,
)
