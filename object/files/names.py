"""Which files in an object's folder are the object, and which are left over.

    ["1700000002.00000.meta", "1700000001.00000.data", "1690000000.00000.data"]
        ──▶ select() ──▶ Selection(data=…01.data, meta=…02.meta, obsolete=[…1690….data])

The rules are OpenStack Swift's, decided by names alone: the newest data or tombstone wins, a .meta counts
only above data that is older, and the newest content type may sit in a second, older .meta. Names that do
not parse (rsync's temporary files, fragments of erasure-coded policies with their `#`) are left alone.

It does not read the folder, delete anything or know the time: `stale_tombstone` and `stale_metas` are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from ...common.timestamp import ZERO, Timestamp

DATA, META, TOMBSTONE = ".data", ".meta", ".ts"
_META_STEM = re.compile(r"([^+-]+)(?:([+-])([0-9a-fA-F]+))?", re.ASCII)
_RSYNC_TEMPORARY = re.compile(r"\..*\.[a-zA-Z0-9_]{6}")


class FileName(NamedTuple):  # A third of a frozen dataclass's cost, and every request makes some.
    """One parsed name; `content_type` is the moment of the content type that a .meta carries."""

    name: str
    timestamp: Timestamp
    extension: str
    content_type: Timestamp | None = None

    @property
    def hashed(self) -> str:
        """What this file adds to the hash of its suffix."""
        return self.timestamp.internal + self.extension


class Selection(NamedTuple):
    """The object's state as its folder shows it; at most one of `data` and `tombstone` is set."""

    data: FileName | None = None
    meta: FileName | None = None
    content_type: FileName | None = None
    tombstone: FileName | None = None
    obsolete: tuple[FileName, ...] = ()
    stray_metas: tuple[FileName, ...] = ()
    unexpected: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing here says anything about the object."""
        return self.data is None and self.tombstone is None

    @property
    def hashed(self) -> list[str]:
        """What this folder adds to the hash of its suffix, in order."""
        words = [file.hashed for file in (self.meta, self.tombstone, self.data) if file is not None]
        if self.content_type is not None:
            assert self.content_type.content_type is not None
            words.append(self.content_type.content_type.internal + "_ctype")
        return words


NOTHING = Selection()


@lru_cache(maxsize=4096)
def parse(name: str) -> FileName | None:
    """Return the parsed name, or None when it is not one of ours."""
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem:
        return None
    try:
        if extension != "meta":
            return FileName(name, Timestamp.parse(stem), dot + extension)
        match = _META_STEM.fullmatch(stem)
        if match is None:
            return None
        moment = Timestamp.parse(match[1])
        return FileName(name, moment, META, _content_type_moment(moment, match[2], match[3]))
    except ValueError:
        return None


def _content_type_moment(moment: Timestamp, sign: str | None, distance: str | None) -> Timestamp | None:
    if sign is None or distance is None:
        return None
    ticks = int(sign + distance, 16)
    return moment.later(ticks) if ticks else moment


def file_name(moment: Timestamp, extension: str, content_type: Timestamp | None = None) -> str:
    """Return the name a file must have; the content type's moment only goes into the name of a .meta."""
    if extension != META or content_type is None:
        return moment.internal + extension
    # The short form of stock Swift: an offset is written without leading zeros here, unlike elsewhere.
    short = f"{moment.normal}_{moment.offset:x}" if moment.offset else moment.normal
    return f"{short}{content_type.ticks - moment.ticks:+x}{extension}"


def is_rsync_temporary(name: str) -> bool:
    """Whether rsync made this name for a file that is still on its way."""
    return _RSYNC_TEMPORARY.fullmatch(name) is not None


def select(names: Iterable[str]) -> Selection:
    """Return what the files of one folder say about the object."""
    listed = list(names)
    if len(listed) == 1 and (only := parse(listed[0])) is not None:
        return _select_one(only)
    if len(listed) == 2 and (pair := _select_pair(parse(listed[0]), parse(listed[1]))) is not None:
        return pair
    files: dict[str, list[FileName]] = {}
    unexpected: list[str] = []
    for name in listed:
        file = parse(name)
        if file is None:
            unexpected.append(name)
        else:
            files.setdefault(file.extension, []).append(file)
    for group in files.values():
        group.sort(key=lambda file: (file.timestamp, file.name), reverse=True)
    return _select_many(files, tuple(unexpected))


def replaced(listed: Sequence[str], newest: FileName) -> list[str]:
    """Return which of a folder's files are obsolete since this one came: the choice of `select`.

    Nearly always all others are, which is seen without sorting them.
    """
    if newest.extension != META:
        ticks = newest.timestamp.ticks
        others = [name for name in listed if name != newest.name]
        for name in others:
            file = parse(name)
            if file is None or file.timestamp.ticks >= ticks:
                break
        else:
            if len(others) < len(listed):
                return others
    return [file.name for file in select(listed).obsolete]


def _select_one(file: FileName) -> Selection:
    if file.extension == DATA:
        return Selection(file)
    if file.extension == TOMBSTONE:
        return Selection(tombstone=file)
    return Selection(stray_metas=(file,)) if file.extension == META else NOTHING


def _select_pair(first: FileName | None, second: FileName | None) -> Selection | None:
    """Return the state of an object that has had a POST; None where the two files are anything else."""
    if first is None or second is None:
        return None
    data, meta = (first, second) if first.extension == DATA else (second, first)
    # Two of one tick, which differ in their offsets at most, are left to the general way.
    if data.extension != DATA or meta.extension != META or meta.timestamp.ticks <= data.timestamp.ticks:
        return None
    return Selection(data, meta, _newest_content_type(meta, data))


def _select_many(files: dict[str, list[FileName]], unexpected: tuple[str, ...]) -> Selection:
    obsolete: list[FileName] = []
    for winner in (TOMBSTONE, DATA):
        if files.get(winner):
            _drop_older(files, files[winner][0], obsolete)
        if winner == TOMBSTONE and files.get(META):
            files[META], dropped = _worthwhile_metas(files[META])
            obsolete += dropped
    datas, metas, tombstones = files.get(DATA), files.get(META), files.get(TOMBSTONE)
    data = datas[0] if datas else None
    return Selection(
        data=data,
        meta=metas[0] if metas and data else None,
        content_type=_newest_content_type(metas[-1], data) if metas and data else None,
        tombstone=tombstones[0] if tombstones and not data else None,
        obsolete=tuple(obsolete),
        stray_metas=tuple(metas) if metas and not data else (),
        unexpected=unexpected,
    )


def _drop_older(files: dict[str, list[FileName]], winner: FileName, obsolete: list[FileName]) -> None:
    """Keep `winner` and what is newer; the rest is obsolete."""
    for extension, group in files.items():
        kept = [file for file in group if file is winner or file.timestamp > winner.timestamp]
        obsolete += [file for file in group if file not in kept]
        files[extension] = kept


def _worthwhile_metas(metas: Sequence[FileName]) -> tuple[list[FileName], list[FileName]]:
    """Split .metas into (the newest, and one with a newer content type), and the obsolete ones."""
    newest, others = metas[0], sorted(metas[1:], key=_content_type_moment_of, reverse=True)
    if not others or _content_type_moment_of(others[0]) <= _content_type_moment_of(newest):
        return [newest], others
    if others[0].timestamp == newest.timestamp:
        return [others[0]], [newest, *others[1:]]
    return [newest, others[0]], others[1:]


def _content_type_moment_of(meta: FileName) -> Timestamp:
    return meta.content_type or ZERO


def _newest_content_type(meta: FileName, data: FileName) -> FileName | None:
    """Return the .meta when its content type is newer than the data's."""
    return meta if meta.content_type is not None and meta.content_type > data.timestamp else None
