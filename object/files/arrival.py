"""Objects that another node brings to one partition, and what becomes of each.

    Place, [Arrival, …] ──▶ founding.found_partition(), where the device has nothing of the partition
                        └─▶ batch.store_all(), where it has ──▶ [Fate, …]

What both share is how an arrival becomes a file. It does not know what gives a file its name.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from ...common.timestamp import Timestamp
from . import metadata, names
from .blocks import KEY, encode_small
from .writer import add_sums, write_all

TURN = 16
"""Files written before other requests of the server get their turn: about two milliseconds."""


class Fate(enum.Enum):
    """What became of an arrival."""

    STORED = "durable, under its name"
    HELD = "the same or newer was there"
    LEFT = "something older is there, or this file system cannot do it: to be sent on its own"


@dataclass(frozen=True, slots=True)
class Place:
    """One partition of a policy on a device."""

    device_path: str
    data_directory: str
    tmp_directory: str
    partition: str

    @property
    def directory(self) -> str:
        """The partition's folder."""
        return f"{self.device_path}/{self.data_directory}/{self.partition}"


class Arrival(NamedTuple):
    """One object for a partition: hash, moment, metadata as it is stored, and its body."""

    digest: str
    moment: Timestamp
    described: bytes
    body: bytes

    @property
    def suffix(self) -> str:
        """The suffix it belongs to."""
        return self.digest[-3:]

    @property
    def name(self) -> str:
        """The name of its file."""
        return names.file_name(self.moment, names.DATA)


def fill(descriptor: int, arrival: Arrival) -> None:
    """Write body, metadata and block checksums into an open file."""
    write_all(descriptor, arrival.body)
    metadata.write_encoded(descriptor, arrival.described)
    if KEY.encode() not in arrival.described:  # Stock Swift wrote it, or an Apus that kept them beside it.
        add_sums(descriptor, encode_small(arrival.body))
