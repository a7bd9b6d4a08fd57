"""`apus delete`: objects with their segments, containers with what is in them.

Every object is looked at before it goes, because only then are its segments known. A bulk delete would be one
request for many, and leave all their segments behind, belonging to nobody.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import swiftclient

from ...common.errors import Refused
from .command import Command, add_header_option, add_thread_options, refuse_slash
from .display import Display, Event
from .sameness import is_static
from .session import Session, headers_of
from .troubles import KNOWN


@dataclass(frozen=True, slots=True)
class Doomed:
    """One object, or one version of it; another version may be made of the same segments."""

    container: str
    name: str
    version_id: str | None = None
    keeps_segments: bool = False


@dataclass(frozen=True, slots=True)
class Remover:
    """Deletes objects."""

    session: Session
    display: Display
    headers: Mapping[str, str] = field(default_factory=dict)
    leaves_segments: bool = False
    note: str = ""

    def remove(self, what: Doomed) -> None:
        """Delete one object with its segments, and tell how that went."""
        about = {"action": "delete", "container": what.container, "object": what.name}
        try:
            self._remove(what)
        except KNOWN as problem:
            self.display.failed(problem, **about)
        else:
            self.display.tell(
                Event(action="delete", container=what.container, object=what.name, note=self.note)
            )

    def _remove(self, what: Doomed) -> None:
        query = urlencode({"version-id": what.version_id}) if what.version_id else ""
        facts: Mapping[str, str] = {}
        if not self.leaves_segments and not what.keeps_segments:
            look = "&".join(part for part in (query, "symlink=get") if part)
            facts = (
                self.session.head(what.container, what.name, headers=dict(self.headers), query_string=look)
                or {}
            )
        if is_static(facts):
            query = "&".join(part for part in (query, "multipart-manifest=delete") if part)
            self.session.delete_static(what.container, what.name, query=query, headers=self.headers)
            return
        self.session.connection.delete_object(
            what.container, what.name, headers=dict(self.headers), query_string=query
        )
        if "x-object-manifest" in facts:
            self._remove_dynamic(facts["x-object-manifest"])

    def _remove_dynamic(self, manifest: str) -> None:
        container, _, prefix = swiftclient.utils.unquote(manifest).partition("/")
        for row in self.session.listing(container, prefix=f"{prefix.rstrip('/')}/"):
            self.session.connection.delete_object(container, row["name"])


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-a", "--all", action="store_true", dest="yes_all", help="everything in the account")
    add("-p", "--prefix", default="", help="only objects whose names begin so; the container stays")
    add("--versions", action="store_true", help="all versions of the container's objects")
    add("--version-id", help="this version of the object")
    add("--leave-segments", action="store_true", help="keep the segments of large objects")
    add_thread_options(parser, "object", "container")
    add_header_option(parser)


def _check(words: list[str], options: argparse.Namespace) -> None:
    if bool(words) == options.yes_all:
        raise Refused("name a container, or say --all")
    if options.version_id and len(words) != 2:
        raise Refused("--version-id needs one object")
    if options.versions and len(words) > 1:
        raise Refused("--versions is for a whole container")
    if options.prefix and options.yes_all:
        raise Refused("--prefix needs a container")
    refuse_slash(words)


def _run(session: Session, display: Display, words: list[str], options: argparse.Namespace) -> None:
    remover = Remover(session, display, headers_of(options.header), options.leave_segments)
    containers = words[:1]
    if options.yes_all:
        containers = [row["name"] for row in session.connection.get_account(full_listing=True)[1]]
    with display.working("deleting"):
        for container in containers:
            failures = display.failures
            doomed = _doomed(session, container, words[1:], options)
            for _ in session.each("objects", remover.remove, doomed, threads=options.object_threads):
                pass
            if len(words) < 2 and not options.prefix and display.failures == failures:
                _remove_container(session, display, container, options)


def _doomed(
    session: Session, container: str, names: list[str], options: argparse.Namespace
) -> Iterator[Doomed]:
    if names:
        yield from (Doomed(container, name, options.version_id, bool(options.version_id)) for name in names)
    elif options.versions or options.yes_all:
        # The whole list first: what is deleted would shift the pages of versions.
        rows = list(session.listing(container, prefix=options.prefix, query_string="versions=true"))
        yield from (Doomed(container, row["name"], row.get("version_id")) for row in rows)
    else:
        yield from (
            Doomed(container, row["name"]) for row in session.listing(container, prefix=options.prefix)
        )


def _remove_container(
    session: Session, display: Display, container: str, options: argparse.Namespace
) -> None:
    try:
        session.connection.delete_container(container, headers=headers_of(options.header))
    except swiftclient.ClientException as problem:
        if problem.http_status != 404 or not options.yes_all:
            display.failed(problem, action="delete", container=container)
            return
    display.tell(Event(action="delete", container=container))


COMMAND = Command(
    usage="[options] CONTAINER [OBJECT...]",
    summary="Delete objects, or a container with everything in it.",
    notes="""The segments of large objects go with them, however many objects there are. Those of one version
(--version-id) stay, because other versions may be made of the same ones.""",
    run=_run,
    add_options=_add_options,
    check=_check,
)
