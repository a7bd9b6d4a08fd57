"""`apus capabilities`, also `info`: what the store can do; and `apus auth`: where it is, and a token."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from typing import Any

from ...common.errors import Missing, Refused
from .command import Command, words_between
from .display import Display
from .session import Session


def _check(words: list[str], _options: argparse.Namespace) -> None:
    if len(words) > 1:
        raise Refused("one URL at most")


def _no_options(_parser: argparse.ArgumentParser) -> None:
    pass


def _run(session: Session, display: Display, words: list[str], options: argparse.Namespace) -> None:
    info = session.info(words[0] if words else None)
    if not info:
        raise Missing("this store tells nothing about itself at /info")
    if options.json:
        display.document(info)
        return
    core = {"swift": info.get("swift", {})}
    others = {name: info[name] for name in sorted(info) if name != "swift"}
    for title, sections in (("Core", core), ("Additional middleware", others)):
        for line in _section(title, sections):
            display.say(line)


def _section(title: str, sections: dict[str, Any]) -> list[str]:
    lines = [title]
    for name, facts in sections.items():
        lines.append(f"  {name}")
        lines += [f"    {fact}: {facts[fact]}" for fact in sorted(facts)]
    return lines


def _show_login(session: Session, display: Display, _words: list[str], options: argparse.Namespace) -> None:
    connection = session.connection
    facts = {"OS_STORAGE_URL": connection.url, "OS_AUTH_TOKEN": connection.token}
    if options.json:
        display.document(facts)
    else:
        for name, value in facts.items():
            display.say(f"export {name}={shlex.quote(value)}")


COMMAND = Command(
    usage="[options] [URL]",
    summary="Tell what the store can do.",
    run=_run,
    add_options=_no_options,
    check=_check,
    needs_login=lambda words: not words,
)
INFO = replace(COMMAND, is_alias=True)
LOGIN = Command(
    usage="[options]",
    summary="Log in once; print what the environment needs for other commands.",
    run=_show_login,
    add_options=_no_options,
    check=words_between(0, 0),
)
