"""A disk of the simulated cluster: folders of file names, judged by the rules that real servers use.

    PUT, POST, DELETE ──▶ status, as an object server answers ──▶ names.select() ──▶ what is left

Files have no bytes; what a .data file holds is told by its moment, which the simulation makes unique.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

from apus.common.timestamp import Timestamp
from apus.container.rows import ObjectRow
from apus.object.files.names import DATA, META, TOMBSTONE, Selection, file_name, select
from apus.replicator.inventory import version_of
from apus.replicator.plan import Version

Folders = dict[str, frozenset[str]]


class SimulatedDisk:
    """Partition → hash → names of files; container rows, and rows that wait to be told."""

    def __init__(self) -> None:
        self.partitions: dict[int, Folders] = {}
        self.rows: dict[str, ObjectRow] = {}
        self.pending: list[tuple[ObjectRow, set[int]]] = []

    def selection(self, partition: int, digest: str) -> Selection:
        """Return what the object's folder says."""
        return select(self.partitions.get(partition, {}).get(digest, ()))

    def version(self, partition: int, digest: str) -> Version | None:
        """Return what is held of the object."""
        folders = self.partitions.get(partition)
        names = folders.get(digest) if folders else None
        return version_of(select(names)) if names else None

    def put(self, partition: int, digest: str, moment: Timestamp) -> int:
        """Store data: 201, or 409 when what is here is not older."""
        held = self.selection(partition, digest)
        newest = held.data or held.tombstone
        if newest is not None and newest.timestamp >= moment:
            return 409
        self._add(partition, digest, file_name(moment, DATA))
        return 201

    def delete(self, partition: int, digest: str, moment: Timestamp) -> int:
        """Leave a tombstone: 204, 404 when there was nothing, 409 when what is here is not older."""
        held = self.selection(partition, digest)
        newest = held.data or held.tombstone
        status = 204 if held.data is not None else 404
        if newest is not None and newest.timestamp >= moment:
            return 409 if held.data is not None else 404
        self._add(partition, digest, file_name(moment, TOMBSTONE))
        return status

    def post(
        self, partition: int, digest: str, moment: Timestamp, content_type: Timestamp | None = None
    ) -> int:
        """Replace metadata: 202, 404 without data, 409 when nothing in it is newer."""
        held = version_of(self.selection(partition, digest))
        if held is None or held.data is None:
            return 404
        meta, held_type = held.meta or held.data, held.content_type or held.data
        if meta >= moment and (content_type is None or held_type >= content_type):
            return 409
        newest_type = held.content_type
        if content_type is not None and content_type > held_type:
            newest_type = content_type
        self._add(partition, digest, file_name(max(moment, meta), META, newest_type))
        return 202

    def suffix_hashes(self, partition: int, horizon: Timestamp) -> dict[str, str]:
        """Forget tombstones before the horizon, then return suffix → hash."""
        folders = self.partitions.get(partition, {})
        words: dict[str, list[str]] = {}
        for digest in sorted(folders):
            held = select(folders[digest])
            forgotten = [file for file in (held.tombstone, *held.stray_metas) if file is not None]
            doomed = {file.name for file in forgotten if file.timestamp < horizon}
            if doomed:
                self.remove(partition, digest, doomed)
                held = self.selection(partition, digest)
            if digest in self.partitions.get(partition, {}):
                words.setdefault(digest[-3:], []).extend(held.hashed)
        return {suffix: hashlib.md5("".join(text).encode()).hexdigest() for suffix, text in words.items()}

    def inventory(self, partition: int, suffixes: Collection[str]) -> dict[str, Version]:
        """Return hash → version of some suffixes."""
        folders = self.partitions.get(partition, {})
        versions = {
            digest: version_of(select(names)) for digest, names in folders.items() if digest[-3:] in suffixes
        }
        return {digest: version for digest, version in versions.items() if version is not None}

    def names(self, partition: int, digest: str) -> frozenset[str]:
        """Return the files of one object."""
        return self.partitions.get(partition, {}).get(digest, frozenset())

    def remove(self, partition: int, digest: str, doomed: Iterable[str]) -> None:
        """Remove just these files; a folder that is empty then goes with them."""
        folders = self.partitions.get(partition, {})
        left = folders.get(digest, frozenset()) - frozenset(doomed)
        if left:
            folders[digest] = left
            return
        folders.pop(digest, None)
        if not folders:
            self.partitions.pop(partition, None)

    def _add(self, partition: int, digest: str, name: str) -> None:
        folders = self.partitions.setdefault(partition, {})
        names = folders.get(digest, frozenset()) | {name}
        obsolete = {file.name for file in select(names).obsolete}
        folders[digest] = names - obsolete
