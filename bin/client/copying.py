"""`apus copy`: objects copied within the store, without their bytes coming here."""

from __future__ import annotations

import argparse

from ...common.errors import Refused
from .command import Command, add_header_option, add_meta_option, add_thread_options, words_between
from .display import Display
from .outcomes import tell_all
from .session import Session


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-d", "--destination", metavar="/CONTAINER[/OBJECT]", help="where to; without: onto itself"
    )
    parser.add_argument("-M", "--fresh-metadata", action="store_true", help="leave the old metadata behind")
    add_thread_options(parser, "object")
    add_meta_option(parser)
    add_header_option(parser)


def _check(words: list[str], options: argparse.Namespace) -> None:
    words_between(2)(words, options)
    place = options.destination
    if place is not None and (not place.startswith("/") or place.endswith("/")):
        raise Refused("--destination is /CONTAINER or /CONTAINER/OBJECT")
    if len(words) > 2 and place and place.count("/") > 1:
        raise Refused("several objects cannot be copied to one name")


def _run(session: Session, display: Display, words: list[str], options: argparse.Namespace) -> None:
    with session.service(object_uu_threads=options.object_threads) as service:
        tell_all(display, service.copy(words[0], words[1:]))


COMMAND = Command(
    usage="[options] CONTAINER OBJECT [OBJECT...]",
    summary="Copy objects within the store.",
    run=_run,
    add_options=_add_options,
    check=_check,
)
