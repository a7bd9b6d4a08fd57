"""What a disk is made of: for each block its digest, or nothing where all is zero; in pages, immutable.

    DiskMap ── digest(i), blocks(), differences(other)
       └─ with_changes({i: digest or None}, size) ──▶ another DiskMap, which shares all pages without a change

A block may be shorter than the block size: what lacks at its end is zero. Only the last block of a disk is
written so, and only a disk that has grown since shows it. Pages are loaded when asked for, by whoever made
the map; this module knows no store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from .naming import DIGEST_BYTES, digest_of

PAGE_ENTRIES = 1024
"""32 KiB a page: 4 GiB of a disk in blocks of 4 MiB; a disk of 1 TiB has 256 of them, 8 MiB."""
PAGE_BYTES = PAGE_ENTRIES * DIGEST_BYTES
ABSENT = bytes(DIGEST_BYTES)
"""The entry of a block that is all zero. No bytes with this digest will ever be found."""
EMPTY_PAGE = bytes(PAGE_BYTES)


class Page:
    """The digests of PAGE_ENTRIES blocks, present or still to be loaded."""

    __slots__ = ("_entries", "_load", "digest")

    def __init__(
        self,
        digest: bytes | None,
        *,
        entries: bytes | None = None,
        load: Callable[[bytes], bytes] | None = None,
    ) -> None:
        assert digest is None or entries is not None or load is not None
        self.digest = digest
        """Name of the page among the blocks; None for a page of nothing, which is not kept."""
        self._entries = EMPTY_PAGE if digest is None else entries
        self._load = load

    @classmethod
    def of(cls, entries: bytes) -> Page:
        """Return the page of some entries."""
        assert len(entries) == PAGE_BYTES
        return NOTHING if entries == EMPTY_PAGE else cls(digest_of(entries), entries=entries)

    @property
    def entries(self) -> bytes:
        """All digests of the page, one after the other."""
        if self._entries is None:
            assert self.digest is not None
            assert self._load is not None
            self._entries = self._load(self.digest)
            assert len(self._entries) == PAGE_BYTES
        return self._entries

    @property
    def is_new(self) -> bool:
        """Whether it was made here, so that the store may not have it."""
        return self._load is None and self.digest is not None

    def entry(self, index: int) -> bytes | None:
        """Return the digest at a place of the page, None where there is no block."""
        if self.digest is None:
            return None
        found = self.entries[index * DIGEST_BYTES : (index + 1) * DIGEST_BYTES]
        return None if found == ABSENT else found


NOTHING = Page(None)


def blocks_in(size: int, block_size: int) -> int:
    """Return how many blocks a disk of that size has."""
    return -(-size // block_size)


def pages_in(size: int, block_size: int) -> int:
    """Return how many pages the map of a disk of that size has."""
    return -(-blocks_in(size, block_size) // PAGE_ENTRIES)


@dataclass(frozen=True, slots=True, eq=False)
class DiskMap:
    """One state of one disk."""

    size: int
    """Bytes of the disk; need not be a multiple of anything."""
    block_size: int
    pages: tuple[Page, ...] = field(repr=False)
    map_id: str = ""
    """The name it is kept under; empty before `Writing.save`."""
    parent: str = ""
    """The map it was made from, for people: no map needs another one."""
    created: float = 0.0
    """Unix seconds of its saving."""

    def __post_init__(self) -> None:
        assert self.size >= 0
        assert self.block_size > 0
        assert len(self.pages) == pages_in(self.size, self.block_size)

    @classmethod
    def empty(cls, size: int, block_size: int) -> DiskMap:
        """Return a disk of zeros."""
        return cls(size, block_size, (NOTHING,) * pages_in(size, block_size))

    @property
    def block_count(self) -> int:
        """Number of blocks, absent ones included."""
        return blocks_in(self.size, self.block_size)

    def digest(self, index: int) -> bytes | None:
        """Return the digest of a block, None where all is zero."""
        assert 0 <= index < self.block_count
        return self.pages[index // PAGE_ENTRIES].entry(index % PAGE_ENTRIES)

    def length_of(self, index: int) -> int:
        """Return how many bytes of the disk a block covers: fewer than others' at the end."""
        assert 0 <= index < self.block_count
        return min(self.block_size, self.size - index * self.block_size)

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Yield index and digest of every block that is not all zero, in order."""
        for number, page in enumerate(self.pages):
            if page.digest is not None:
                entries = page.entries
                for place in range(PAGE_ENTRIES):
                    found = entries[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES]
                    if found != ABSENT:
                        yield number * PAGE_ENTRIES + place, found

    def digests(self) -> set[bytes]:
        """Return everything that the store must have for this map: blocks and pages."""
        found = {digest for _, digest in self.blocks()}
        return found | {page.digest for page in self.pages if page.digest is not None}

    def differences(self, other: DiskMap) -> Iterator[int]:
        """Yield the indexes of blocks here that are others there, or not there; equal pages aren't loaded."""
        assert self.block_size == other.block_size
        for number, page in enumerate(self.pages):
            theirs = other.pages[number] if number < len(other.pages) else NOTHING
            if page.digest == theirs.digest:
                continue
            first = number * PAGE_ENTRIES
            for place in range(min(PAGE_ENTRIES, self.block_count - first)):
                if page.entry(place) != theirs.entry(place):
                    yield first + place

    def with_changes(self, changes: Mapping[int, bytes | None], *, size: int | None = None) -> DiskMap:
        """Return this disk with other blocks, and with another size when one is given.

        Blocks beyond the new size go. A size that cuts a block in two leaves bytes behind its end that a
        later growth would show: `stream.resized` deals with that.
        """
        size = self.size if size is None else size
        count = blocks_in(size, self.block_size)
        assert all(0 <= index < count for index in changes)
        by_page: dict[int, dict[int, bytes | None]] = defaultdict(dict)
        for index, digest in changes.items():
            by_page[index // PAGE_ENTRIES][index % PAGE_ENTRIES] = digest
        if count < self.block_count and count % PAGE_ENTRIES:
            last = by_page[count // PAGE_ENTRIES]
            for place in range(count % PAGE_ENTRIES, PAGE_ENTRIES):
                last[place] = None
        wanted = pages_in(size, self.block_size)
        pages = list(self.pages[:wanted]) + [NOTHING] * (wanted - len(self.pages))
        for number, places in by_page.items():
            pages[number] = _changed(pages[number], places)
        return DiskMap(size, self.block_size, tuple(pages), parent=self.map_id or self.parent)


def _changed(page: Page, places: Mapping[int, bytes | None]) -> Page:
    entries = bytearray(page.entries)
    for place, digest in places.items():
        entries[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES] = digest or ABSENT
    return page if entries == page.entries else Page.of(bytes(entries))
