"""The register of one object on one device: a record that outlives all but the disk, and staged bodies.

    DEVICE/registers[-POLICY]/SUFFIX/HASH/record          what was promised and accepted
                                         /CHANGE.staged   a body that waits to be chosen
                               partitions/…               see partitions.py
    Memory.read() ──▶ Record        Memory.keep(Record) ──▶ durable

Beside the objects, not among them: a damaged copy goes to quarantine with its whole folder, and what a
device has promised must not go with it, nor must stock replicators copy it elsewhere. And by suffix, not by
partition: a ring that grows changes those. What a record means is not known here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ...common.durability import committer_for
from ...common.errors import Corrupt, Refused
from ...common.register import Record, decode_record, encode_record
from ...common.timestamp import Timestamp
from ..context import Target
from ..files.locks import locked
from ..files.store import Location
from ..files.writer import make_directory
from . import partitions

log = logging.getLogger(__name__)

FOLDER = "registers"
RECORD = "record"
STAGED = ".staged"
SUFFIX_DIGITS = 3
"""Of an object's hash; the registers of a suffix share a lock, which outlives each of them."""


class Memory:
    """One object's register."""

    def __init__(self, target: Target) -> None:
        self._location = target.location
        index = target.policy.index
        folder = f"{FOLDER}-{index}" if index else FOLDER
        path_hash = target.location.hash_directory.rpartition("/")[2]
        self._top = f"{target.location.device_path}/{folder}"
        self._suffix = f"{self._top}/{path_hash[-SUFFIX_DIGITS:]}"
        self.folder = f"{self._suffix}/{path_hash}"

    def since(self, moment: Timestamp) -> Timestamp:
        """Return since when this device has been asked of the object's partition; it is asked now."""
        partition = self._location.hash_directory.rsplit("/", 3)[1]
        return partitions.since(f"{self._top}/{partitions.FOLDER}", partition, moment)

    @property
    def staging(self) -> Location:
        """Where a body that is to be staged is written."""
        return self._location._replace(hash_directory=self.folder)

    def staged(self, change: str) -> str:
        """Return the path of a staged body."""
        return f"{self.folder}/{change}{STAGED}"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other process from this register."""
        make_directory(self._suffix)
        with locked(self._suffix):
            make_directory(self.folder)
            yield

    def read(self) -> Record:
        """Return the record; an empty one where nothing was ever promised.

        Raises:
            Corrupt: when it is damaged. Who has forgotten what he promised must not promise again.
        """
        try:
            with open(f"{self.folder}/{RECORD}", "rb") as file:
                return decode_record(file.read())
        except FileNotFoundError:
            return Record()
        except Refused as problem:
            log.error("a register is damaged", extra={"path": self.folder, "problem": str(problem)})
            raise Corrupt(f"{self.folder}: {problem}") from problem

    def keep(self, record: Record) -> None:
        """Return when the record is durable; a crash meanwhile leaves the old one or the new one."""
        path = f"{self.folder}/{RECORD}"
        committer = committer_for(self._location.device_path, self._location.file_system)
        ticket = committer.begin()
        try:
            with open(f"{path}.tmp", "wb") as file:
                file.write(encode_record(record))
            committer.sync(ticket)
            os.rename(f"{path}.tmp", path)
            committer.sync(ticket)
        finally:
            committer.finish()

    def forget(self, change: str) -> None:
        """Remove a staged body that was shown, or never will be."""
        try:
            os.unlink(self.staged(change))
        except FileNotFoundError:
            pass
