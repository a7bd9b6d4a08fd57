"""`apus post`: metadata, ACLs and other headers of the account, of containers and objects."""

from __future__ import annotations

import argparse

from ...common.errors import Refused
from .command import Command, add_header_option, add_meta_option, add_thread_options, words_between
from .display import Display
from .outcomes import tell_all
from .session import Session


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-r", "--read-acl", metavar="ACL", help="who may read the container")
    parser.add_argument("-w", "--write-acl", metavar="ACL", help="who may write to the container")
    parser.add_argument("-t", "--sync-to", metavar="PLACE", help="the container that this one is copied to")
    parser.add_argument("-k", "--sync-key", metavar="KEY", help="the key that both containers hold")
    add_thread_options(parser, "object")
    add_meta_option(parser)
    add_header_option(parser)


def _check(words: list[str], options: argparse.Namespace) -> None:
    words_between(0)(words, options)
    container_only = options.read_acl, options.write_acl, options.sync_to, options.sync_key
    if len(words) != 1 and any(value is not None for value in container_only):
        raise Refused("--read-acl, --write-acl, --sync-to and --sync-key are for a container")


def _run(session: Session, display: Display, words: list[str], options: argparse.Namespace) -> None:
    with session.service(object_uu_threads=options.object_threads) as service:
        if len(words) > 1:
            tell_all(display, service.post(container=words[0], objects=words[1:]))
        else:
            tell_all(display, [service.post(container=words[0] if words else None)])


COMMAND = Command(
    usage="[options] [CONTAINER [OBJECT...]]",
    summary="Set metadata and ACLs; make a container.",
    run=_run,
    add_options=_add_options,
    check=_check,
)
