"""Requests to the object servers that hold the other copies.

    hashes()     REPLICATE /device/partition            ──▶ suffix → hash
    inventory()  REPLICATE /device/partition/suf-suf    ──▶ hash → Version, or None from a stock server
    inventory_of_all(), partitions()                    ──▶ the same for a whole partition, a whole device
    parcel()     REPLICATE /device/partition, many objects in the body ──▶ a status for each
    change()     PUT, POST, DELETE /device/partition/a/c/o ──▶ status
    begin()      the same with a body that follows piece by piece

Stock Swift's object server answers the first and the last two just as ours does; the others are ours alone. A
stock server answers an inventory with its pickled hashes, by which it is known; parcels are for servers that
announce that they take them.
It does not know what is worth asking or sending.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import orjson

from ..common import restricted_pickle
from ..common.cluster_secret import credentials
from ..common.concurrency import Semaphore
from ..common.errors import Corrupt, Unavailable
from ..common.http.client import Address, Exchange, Pool, Response
from ..object import parcel
from ..object.parcel import Piece
from ..ring.device import Device
from .inventory import decode
from .plan import Version

SUFFIXES_MAX = 1000
"""Suffixes in one request: four bytes each, well under every server's request line of 8,192."""
ASK = "X-Apus-Inventory"
STREAMS_MAX = 8
"""Large bodies under way at once: each holds a block of up to ten megabytes in memory."""


class Unmounted(Unavailable):
    """The peer runs, but this device of it cannot be used."""


@dataclass(frozen=True, slots=True)
class Place:
    """One partition on one device of the cluster."""

    device: Device
    policy_index: int
    partition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerClient:
    """Speaks to object servers on the replication network."""

    pool: Pool
    secret: str = ""
    http_timeout_seconds: float = 60.0
    common_headers: dict[str, str] = field(init=False, default_factory=dict)
    streams: Semaphore = field(init=False, default_factory=lambda: Semaphore(STREAMS_MAX))
    parcel_takers: set[Address] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        """Prepare what every request carries."""
        self.common_headers["User-Agent"] = f"object-replicator {os.getpid()}"
        self.common_headers.update(credentials(self.secret))

    def hashes(self, place: Place) -> dict[str, str]:
        """Return the peer's suffix hashes of the partition; who asks for them brings what is missing."""
        answer = self._replicate(place, (), {parcel.BRINGER_HEADER: parcel.TAKEN})
        return _suffix_hashes(answer.read())

    def inventory(self, place: Place, suffixes: Collection[str]) -> dict[str, Version] | None:
        """Return what the peer holds of these suffixes; None when it is a stock server and cannot say."""
        found: dict[str, Version] = {}
        for batch in _batches(sorted(suffixes)):
            answer = self._replicate(place, batch, {ASK: "true"})
            if not _is_json(answer):
                answer.drain()
                return None
            found.update(decode(answer.read()))
        return found

    def inventory_of_all(self, place: Place) -> dict[str, Version] | None:
        """Return all that the peer holds of the partition; None when it is a stock server and cannot say."""
        answer = self._replicate(place, (), {ASK: "all"})
        if not _is_json(answer):
            answer.drain()
            return None
        return decode(answer.read())

    def partitions(self, device: Device, policy_index: int) -> list[int] | None:
        """Return the partitions a device has a folder for; None when the server cannot say."""
        answer = self._replicate(Place(device, policy_index, 0), (), {ASK: "partitions"})
        if not _is_json(answer):
            answer.drain()
            return None
        numbers = _parsed(answer.read())
        if not isinstance(numbers, list) or not all(isinstance(number, int) for number in numbers):
            raise Corrupt("a list of partitions that is none")
        return numbers

    def rehash(self, place: Place, suffixes: Collection[str]) -> None:
        """Tell the peer that these suffixes have changed."""
        for batch in _batches(sorted(suffixes)):
            self._replicate(place, batch, {}).drain()

    def takes_parcels(self, place: Place) -> bool:
        """Whether the server has said, in its last answer to a REPLICATE, that it takes parcels."""
        return place.device.replication_address in self.parcel_takers

    def parcel(self, place: Place, pieces: Collection[Piece]) -> list[int]:
        """Bring many objects at once; return a PUT's status for each, in order."""
        answer = self._replicate(place, (), {parcel.HEADER: "true"}, parcel.pack(pieces))
        document = answer.read()
        statuses = _parsed(document) if _is_json(answer) else None
        if (
            not isinstance(statuses, list)
            or len(statuses) != len(pieces)
            or not all(isinstance(status, int) for status in statuses)
        ):
            raise Corrupt("an answer to a parcel that is none")
        return statuses

    def change(
        self, place: Place, method: str, name: str, headers: Mapping[str, str], body: bytes = b""
    ) -> int:
        """Make a whole request for one object and return the status."""
        answer = self.pool.request(
            place.device.replication_address,
            method,
            object_path(place, name),
            {**self.common_headers, **headers},
            body,
            timeout_seconds=self.http_timeout_seconds,
        )
        answer.drain()
        return answer.status

    def begin(self, place: Place, name: str, headers: Mapping[str, str], *, length: int) -> Exchange:
        """Begin a PUT whose body is sent only when the peer wants it."""
        return self.pool.open(
            place.device.replication_address,
            "PUT",
            object_path(place, name),
            {**self.common_headers, **headers},
            length=length,
            expect_continue=True,
            timeout_seconds=self.http_timeout_seconds,
        )

    def _replicate(
        self, place: Place, suffixes: Sequence[str], headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        address = place.device.replication_address
        path = f"/{place.device.device}/{place.partition}"
        answer = self.pool.request(
            address,
            "REPLICATE",
            f"{path}/{'-'.join(suffixes)}" if suffixes else path,
            {
                **self.common_headers,
                "X-Backend-Storage-Policy-Index": str(place.policy_index),
                **headers,
            },
            body,
            timeout_seconds=self.http_timeout_seconds,
        )
        if answer.status == 200:
            if answer.headers.get(parcel.TAKEN_HEADER) == parcel.TAKEN:
                self.parcel_takers.add(address)
            else:
                self.parcel_takers.discard(address)
            return answer
        answer.drain()
        if answer.status == 507:
            raise Unmounted(f"{place.device.device} on {place.device.replication_ip} is not mounted")
        raise Unavailable(f"{place.device.replication_ip} answered {answer.status} to REPLICATE {path}")


def object_path(place: Place, name: str) -> str:
    """Return the wire path of an object; `name` is `/account/container/object`."""
    quoted = quote(name.encode("utf-8", "surrogateescape"))
    return f"/{place.device.device}/{place.partition}{quoted}"


def _suffix_hashes(pickled: bytes) -> dict[str, str]:
    hashes = restricted_pickle.loads(pickled)
    if not isinstance(hashes, dict):
        raise Corrupt("suffix hashes that are no mapping")
    return {
        suffix: digest
        for suffix, digest in hashes.items()
        if isinstance(suffix, str) and isinstance(digest, str)
    }


def _is_json(answer: Response) -> bool:
    return str(answer.headers.get("Content-Type", "")).startswith("application/json")


def _parsed(document: bytes) -> object:
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError as problem:
        raise Corrupt(f"an answer that is no JSON: {problem}") from problem


def _batches(suffixes: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(suffixes), SUFFIXES_MAX):
        yield suffixes[start : start + SUFFIXES_MAX]
