"""`apus stat`: what the store knows about the account, a container or an object."""

from __future__ import annotations

import argparse

from swiftclient.command_helpers import stat_account, stat_container, stat_object

from ...common.errors import Refused
from .command import Command, add_header_option, words_between
from .display import Display
from .names import shown
from .session import Session

# What the first lines say under a name of their own, by swiftclient.
_TOLD = {
    "account": ("x-account-container-count", "x-account-object-count", "x-account-bytes-used"),
    "container": (
        "x-container-object-count", "x-container-bytes-used", "x-container-read", "x-container-write",
        "x-container-sync-to", "x-container-sync-key",
    ),
    "object": ("content-type", "content-length", "last-modified", "etag", "x-object-manifest"),
}  # fmt: skip


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lh", dest="human", action="store_true", help="sizes for people")
    parser.add_argument("--version-id", help="this version of a versioned object")
    add_header_option(parser)


def _check(words: list[str], options: argparse.Namespace) -> None:
    words_between(0, 2)(words, options)
    if options.version_id and len(words) < 2:
        raise Refused("--version-id needs an object")


def _run(session: Session, display: Display, words: list[str], options: argparse.Namespace) -> None:
    kind = ("account", "container", "object")[len(words)]
    ask = (stat_account, stat_container, stat_object)[len(words)]
    items, headers = ask(session.connection, vars(options), *words)
    if options.json:
        named = dict(zip(("container", "object"), words, strict=False))
        display.document(
            {"account": session.url.rstrip("/").rpartition("/")[2], **named, "headers": dict(headers.items())}
        )
        return
    prefix = f"x-{kind}-meta-"
    lines = [(str(name), value) for name, value in items if value not in (None, "")]
    for name, value in sorted(headers.items()):
        if name.startswith(prefix):
            lines.append((f"Meta {name.removeprefix(prefix).title()}", value))
        elif name not in _TOLD[kind] and not name.startswith("x-account-storage-policy-"):
            lines.append((name.title(), value))
    width = max(len(name) for name, _value in lines)
    for name, value in lines:
        display.say(f"{name:>{width}}: {shown(str(value).strip())}")


COMMAND = Command(
    usage="[options] [CONTAINER [OBJECT]]",
    summary="Tell about the account, a container or an object.",
    run=_run,
    add_options=_add_options,
    check=_check,
)
