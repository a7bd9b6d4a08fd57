"""`apus sync`: makes a container as a folder is, or a folder as a container is, by moving what differs.

walk, listing ──▶ differences.compare() ──▶ closer looks ──▶ copies, then (if all went well) deletions
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ...common.errors import Missing, Refused
from .command import Command, add_header_option, add_segment_options, add_thread_options
from .deleting import Doomed, Remover
from .differences import Entry, Plan, compare, same_by_mtime
from .display import Display, Event
from .fetcher import FOLDER_TYPES, Fetcher, Wanted
from .fetcher import Settings as FetchSettings
from .files import Found, md5_of, mtime_of, walk
from .names import Place, Unfit, is_excluded, relative_path
from .numbers import human
from .sameness import is_identical
from .sender import Sender, Sending
from .sender import Settings as SendSettings
from .session import Session, headers_of
from .troubles import KNOWN

What = TypeVar("What")

PARTIAL_SECONDS_MIN = 86400  # A younger partial file may belong to a download that still runs.
NOTES = """One of the two is a folder, the other store:CONTAINER or store:CONTAINER/PREFIX.
A file and an object are the same when size and modification time are (X-Object-Meta-Mtime, which `swift` and
`apus` set); where the object tells no time, or with --checksum, when their bytes are, large objects by their
segments. A PATTERN with a slash is for the path from the top, one without for any part of it; what it
excludes is neither moved nor deleted, nor is what has the name of a link that is passed over.
Nothing is deleted where something could not be read or copied."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-c", "--checksum", action="store_true", help="compare bytes (MD5), not times")
    add("--delete", action="store_true", help="delete what the source does not have")
    add("-n", "--dry-run", action="store_true", help="only say what would be done")
    add("--exclude", action="append", default=[], metavar="PATTERN", help="leave these alone")
    add(
        "--links",
        choices=("skip", "follow"),
        default="skip",
        help="symbolic links: passed over, or followed (skip)",
    )
    add_segment_options(parser)
    add_thread_options(parser, "object", "segment")
    add_header_option(parser)


def _check(words: list[str], _options: argparse.Namespace) -> None:
    if len(words) != 2:
        raise Refused("name a source and a destination")
    if len([word for word in words if Place.read(word)]) != 1:
        raise Refused("one of the two is a folder, the other store:CONTAINER or store:CONTAINER/PREFIX")


def _run(session: Session, display: Display, words: list[str], options: argparse.Namespace) -> None:
    source, target = words
    place = Place.read(source)
    run = Sync(session, display, options, place or _place(target), Path(target if place else source))
    with display.working("comparing"):
        if place:
            run.down()
        else:
            run.up()
    run.sum_up()


def _place(text: str) -> Place:
    place = Place.read(text)
    assert place, "_check() saw that one of the two is a place"
    return place


@dataclass(slots=True)
class Sync:
    """One run between a folder and a place in the store."""

    session: Session
    display: Display
    options: argparse.Namespace
    place: Place
    folder: Path
    same: int = 0

    def up(self) -> None:
        """Make the container as the folder is."""
        if not self.folder.is_dir():
            raise Missing(f"there is no folder {str(self.folder)!r}")
        here = self._walk()
        self._report(here)
        there = self._listed(must_exist=False)
        plan = compare(here.entries, there, delete=self.options.delete, spared=here.passed)
        plan = self._settled(plan, here.entries, there)
        if self.options.dry_run:
            self._dry(plan, "upload", here.entries)
            return
        if plan.copy:
            sender = Sender(self.session, self.display, self._send_settings())
            self.display.caption("uploading")
            for path in plan.copy:
                self.display.expect(here.entries[path].size)
            sendings = (self._sending(path, here.entries[path], there.get(path)) for path in plan.copy)
            self._each(sender.send, sendings)
        if self._may_delete(plan):
            remover = Remover(self.session, self.display, note="deleted")
            self._each(
                remover.remove, (Doomed(self.place.container, there[path].name) for path in plan.remove)
            )

    def down(self) -> None:
        """Make the folder as the container is."""
        there = self._listed(must_exist=True)
        here = self._walk() if self.folder.exists() else Found()
        for path, sentence in here.failed.items():
            self.display.failed(OSError(0, sentence, str(self.folder / path)), action="download", path=path)
        plan = self._settled(compare(there, here.entries, delete=self.options.delete), there, here.entries)
        for path in plan.clashes:
            problem = Unfit(f"{path!r} cannot be a file here: other objects lie below that name")
            self.display.failed(problem, action="download", object=there[path].name)
        for path in [path for path in plan.copy if path in here.passed]:
            plan.copy.remove(path)
            self.display.notice(f"{self.folder / path} left as it is: {here.passed[path]}")
        if self.options.dry_run:
            self._dry(plan, "download", there)
            return
        through_links = self.options.links == "follow"
        settings = FetchSettings(headers=headers_of(self.options.header), through_links=through_links)
        fetcher = Fetcher(self.session, self.display, settings)
        self.display.caption("downloading")
        for path in plan.copy:
            self.display.expect(there[path].size)
        self.folder.mkdir(parents=True, exist_ok=True)
        container = self.place.container
        self._each(
            fetcher.fetch, (Wanted(container, there[path].name, self.folder, path) for path in plan.copy)
        )
        if self._may_delete(plan):
            for path in plan.remove:
                self._remove_here(path, here.entries[path])
        self._sweep(here)

    def sum_up(self) -> None:
        """Say what was done."""
        done, moved = self.display.done, self.display.done_bytes
        facts = {
            "action": "summary", "uploaded": done["upload"], "downloaded": done["download"], "bytes": moved,
            "deleted": done["delete"], "same": self.same, "failed": self.display.failures,
        }  # fmt: skip
        if self.display.as_json:
            self.display.record(facts)
            return
        verb = "would be " if self.options.dry_run else ""
        copied = done["upload"] + done["download"]
        self.display.notice(
            f"{copied} {verb}copied ({human(moved)}), {done['delete']} {verb}deleted, {self.same} the same, "
            f"{self.display.failures} failed"
        )

    def _walk(self) -> Found:
        return walk(
            self.folder, follow_links=self.options.links == "follow", exclude=tuple(self.options.exclude)
        )

    def _report(self, found: Found) -> None:
        for path, sentence in found.failed.items():
            self.display.failed(OSError(0, sentence, str(self.folder / path)), action="upload", path=path)
        for path, sentence in found.passed.items():
            self.display.notice(f"{self.folder / path} passed over: {sentence}")

    def _listed(self, *, must_exist: bool) -> dict[str, Entry]:
        if self.session.container_headers(self.place.container) is None:
            if must_exist:
                raise Missing(f"there is no container {self.place.container!r}")
            return {}
        entries: dict[str, Entry] = {}
        is_empty = True
        for row in self.session.listing(self.place.container, prefix=self.place.prefix):
            is_empty = False
            is_folder = not row["bytes"] and (
                row["name"].endswith("/") or row.get("content_type", "").partition(";")[0] in FOLDER_TYPES
            )
            path = row["name"].removeprefix(self.place.prefix)
            path = path.removesuffix("/") if is_folder else path
            if not path or is_excluded(path, self.options.exclude):
                continue
            if must_exist:
                try:
                    relative_path(path)
                except Unfit as problem:
                    self.display.failed(problem, action="download", object=row["name"])
                    continue
            if is_folder and path in entries:
                continue  # The marker a/ beside an object a.
            entries[path] = Entry(row["bytes"], is_folder=is_folder, etag=row["hash"], name=row["name"])
        if must_exist and is_empty and self.place.prefix:  # Mistyped, perhaps, and --delete would believe it.
            raise Missing(f"there is nothing in {self.place}")
        return entries

    def _settled(self, plan: Plan, source: dict[str, Entry], target: dict[str, Entry]) -> Plan:
        """Decide the doubtful by a closer look at each."""

        def look(path: str) -> tuple[str, bool | None]:
            name = source[path].name or target[path].name
            try:
                return path, self._differs(path, name, source[path].etag or target[path].etag)
            except KNOWN as problem:
                self.display.failed(problem, action="compare", object=name)
                return path, None

        looks = list(self.session.each("objects", look, plan.doubtful, threads=self.options.object_threads))
        plan.copy = sorted([*plan.copy, *(path for path, differs in looks if differs)])
        self.same = len(plan.same) + sum(differs is False for _path, differs in looks)
        return plan

    def _differs(self, path: str, name: str, listed_md5: str) -> bool:
        file = self.folder / path
        facts = file.stat()
        if self.options.checksum and facts.st_size:
            with file.open("rb") as opened:
                if md5_of(opened, facts.st_size, self.session.check) == listed_md5:
                    return False
        headers = self.session.head(self.place.container, name)
        if headers is None:
            return True
        size, mtime = int(headers.get("content-length", 0)), mtime_of(headers)
        if not self.options.checksum:
            same = same_by_mtime(facts.st_size, facts.st_mtime_ns, size, mtime)
            if same is not None:
                return not same
        return size != facts.st_size or not is_identical(
            self.session, self.place.container, name, headers, file
        )

    def _send_settings(self) -> SendSettings:
        return SendSettings(
            container=self.place.container,
            segment_container=self.options.segment_container or f"{self.place.container}_segments",
            segment_bytes=self.options.segment_size,
            headers=headers_of(self.options.header),
            segment_threads=self.options.segment_threads,
        )

    def _sending(self, path: str, entry: Entry, there: Entry | None) -> Sending:
        is_of_a_kind = there is not None and there.is_folder == entry.is_folder
        name = there.name if there and is_of_a_kind else self.place.prefix + path
        return Sending(self.folder / path, name, entry.size, entry.is_folder)

    def _each(self, work: Callable[[What], None], items: Iterable[What]) -> None:
        for _ in self.session.each("objects", work, items, threads=self.options.object_threads):
            pass

    def _dry(self, plan: Plan, action: str, source: dict[str, Entry]) -> None:
        container = self.place.container
        for path in plan.copy:
            size = source[path].size
            self.display.tell(
                Event(action=action, container=container, path=path, bytes=size, status=f"would {action}")
            )
        for path in plan.remove:
            self.display.tell(Event(action="delete", container=container, path=path, status="would delete"))

    def _may_delete(self, plan: Plan) -> bool:
        if plan.remove and self.display.has_failures:
            self.display.notice(
                f"nothing is deleted ({len(plan.remove)} would be), because something failed before"
            )
            return False
        return bool(plan.remove)

    def _remove_here(self, path: str, entry: Entry) -> None:
        place = self.folder / path
        try:
            if not entry.is_folder:
                place.unlink()
            elif any(os.scandir(place)):
                return  # What was excluded or passed over lies in it.
            else:
                place.rmdir()
        except OSError as problem:
            self.display.failed(problem, action="delete", path=str(place))
        else:
            self.display.tell(Event(action="delete", path=str(place), note="deleted"))

    def _sweep(self, here: Found) -> None:
        for partial in here.partials:
            try:
                if time.time() - partial.stat().st_mtime > PARTIAL_SECONDS_MIN:
                    partial.unlink()
            except OSError as problem:
                self.display.failed(problem, action="delete", path=str(partial))


COMMAND = Command(
    usage="[options] FOLDER store:CONTAINER[/PREFIX]   or   store:CONTAINER[/PREFIX] FOLDER",
    summary="Make a container as a folder is, or a folder as a container is.",
    notes=NOTES,
    run=_run,
    add_options=_add_options,
    check=_check,
)
