"""`apus segments`: segments that no object is made of, left by uploads that were given up.

listing of the segments, manifests that name some ──▶ leftovers() ──▶ by upload: how many, how old
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ...common.errors import Missing, Refused
from .command import Command, add_thread_options, words_between
from .deleting import Doomed, Remover
from .display import Display
from .names import shown
from .numbers import human, span_of
from .sameness import is_static, manifest_rows
from .segmentation import Upload
from .sender import VERSIONED
from .session import Session

NOTES = """An upload that runs, or shall be taken up again, has such segments too: --delete takes only those
whose newest is older than --older-than (one day). Manifests in other containers are not looked for."""


@dataclass(slots=True)
class Leftover:
    """What one upload left."""

    upload: Upload
    names: list[str] = field(default_factory=list)
    bytes: int = 0
    newest: str = ""

    def age_seconds(self, now: datetime) -> float:
        """How long ago its newest segment came; never less than 0, for `now` may have lost its fraction."""
        return max(0.0, (now - datetime.fromisoformat(self.newest).replace(tzinfo=UTC)).total_seconds())


def leftovers(rows: Iterable[Mapping[str, Any]], used: Collection[str]) -> list[Leftover]:
    """Return what is listed and not used, by upload; names that no client gave are left alone."""
    found: dict[Upload, Leftover] = {}
    for row in rows:
        upload = Upload.of(row["name"])
        if upload is None or row["name"] in used:
            continue
        leftover = found.setdefault(upload, Leftover(upload))
        leftover.names.append(row["name"])
        leftover.bytes += row["bytes"]
        leftover.newest = max(leftover.newest, row["last_modified"])
    return list(found.values())


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--delete", action="store_true", help="delete them")
    parser.add_argument(
        "--older-than",
        type=span_of,
        default=86400.0,
        metavar="SPAN",
        help="only those so old, as 2h or 7d (1d)",
    )
    parser.add_argument(
        "-C", "--segment-container", metavar="CONTAINER", help="where segments are (CONTAINER_segments)"
    )
    add_thread_options(parser, "object")


def _run(session: Session, display: Display, words: list[str], options: argparse.Namespace) -> None:
    container = words[0]
    place = options.segment_container or f"{container}_segments"
    headers = session.container_headers(container)
    if headers is None:
        raise Missing(f"there is no container {container!r}")
    if options.delete and any(headers.get(name, "").lower() not in ("", "false") for name in VERSIONED):
        raise Refused(f"{container!r} keeps versions, which may need these segments; delete them by hand")
    if session.container_headers(place) is None:
        rows = []
    else:
        rows = list(session.listing(place))
    found = leftovers(rows, _used(session, container, place, rows, options))
    now = _clock(headers)
    for leftover in found:
        _tell(display, place, leftover, now)
    if options.delete:
        remover = Remover(session, display, leaves_segments=True)
        old = [each for each in found if each.age_seconds(now) >= options.older_than]
        doomed = (Doomed(place, name) for leftover in old for name in leftover.names)
        for _ in session.each("objects", remover.remove, doomed, threads=options.object_threads):
            pass


def _clock(headers: Mapping[str, str]) -> datetime:
    """Return the time at the store, which dated the segments: this machine's clock may be days ahead."""
    try:
        return parsedate_to_datetime(headers.get("date", "")).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)


def _tell(display: Display, place: str, leftover: Leftover, now: datetime) -> None:
    upload = leftover.upload
    if display.as_json:
        facts = {"object": upload.object_name, "prefix": upload.prefix, "newest": leftover.newest}
        sums = {"segments": len(leftover.names), "bytes": leftover.bytes}
        display.record({"action": "leftover", "container": place, **facts, **sums})
        return
    hours = leftover.age_seconds(now) / 3600
    display.say(
        f"{shown(upload.object_name)}: {len(leftover.names)} segments, {human(leftover.bytes)}, "
        f"the newest {hours:.1f} hours old, in {place}/{shown(upload.prefix)}"
    )


def _used(
    session: Session, container: str, place: str, rows: list[dict[str, Any]], options: argparse.Namespace
) -> set[str]:
    """What manifests name: those of the segments' own objects, and of all large ones in either place."""
    manifests = {(container, upload.object_name) for row in rows if (upload := Upload.of(row["name"]))}
    manifests |= {(container, row["name"]) for row in session.listing(container) if "slo_etag" in row}
    manifests |= {(place, row["name"]) for row in rows if "slo_etag" in row}
    head = f"/{place}/"

    def of(manifest: tuple[str, str]) -> set[str]:
        facts = session.head(*manifest)
        if facts is None or not is_static(facts):
            return set()
        parts = manifest_rows(session, *manifest)
        return {part["name"].removeprefix(head) for part in parts if part.get("name", "").startswith(head)}

    used: set[str] = set()
    for found in session.each("objects", of, sorted(manifests), threads=options.object_threads):
        used |= found
    return used


COMMAND = Command(
    usage="[options] CONTAINER",
    summary="List (or delete) the segments of uploads that were given up.",
    notes=NOTES,
    run=_run,
    add_options=_add_options,
    check=words_between(1, 1),
)
