"""A parcel of small objects from another node's replicator.

    REPLICATE /device/partition, X-Apus-Parcel ──▶ pieces ──▶ each judged ─┬▶ files/founding ─┬▶ [status, …]
                                                                           └▶ files/batch ────┘

The statuses are a PUT's: 201 stored, 409 the same or newer is here, 422 not what its metadata says; 501 asks
for an ordinary PUT. Answered when all of it is durable. Containers are not told: the nodes that took the
object from a client have done that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import orjson

from ..common.concurrency import Semaphore, sleep
from ..common.errors import Corrupt, Refused
from ..common.http.answer import Answer
from ..common.http.errors import ClientDisconnect
from ..common.http.request import Request
from ..common.timestamp import Timestamp
from . import parcel
from .context import Context
from .files import metadata
from .files.arrival import Arrival, Fate, Place
from .files.batch import store_all
from .files.device import Reserve
from .files.founding import found_partition
from .parcel import Piece

PARCELS_MAX = 4
"""Parcels held in memory and written at once by a process: one round serves them all."""
JUDGED_AT_ONCE = 128
"""Pieces judged before other requests of the server get their turn: about two milliseconds."""
STORED, HELD, CORRUPT, LEFT = 201, 409, 422, 501
_STATUS = {Fate.STORED: STORED, Fate.HELD: HELD, Fate.LEFT: LEFT}
_places = Semaphore(PARCELS_MAX)


def receive(context: Context, request: Request, place: Place) -> Answer:
    """Store what a parcel brings; the answer tells of each piece."""
    with _places:
        judged = _judged(context, parcel.unpack(_read(request)))
        arrivals = [arrival for arrival in judged if arrival is not None]
        if len({arrival.digest for arrival in arrivals}) < len(arrivals):
            raise Refused("A parcel that holds an object twice")
        reserve = Reserve.parse(context.settings.fallocate_reserve)
        fates = found_partition(place, arrivals, reserve) or store_all(place, arrivals, reserve)
    left = iter(fates)
    statuses = [CORRUPT if arrival is None else _STATUS[next(left)] for arrival in judged]
    kind = {"Content-Type": "application/json", parcel.TAKEN_HEADER: parcel.TAKEN}
    return Answer(200, kind, orjson.dumps(statuses))


def _read(request: Request) -> bytes:
    length = request.content_length
    if length is None or length > parcel.PARCEL_BYTES_MAX:
        raise Refused(f"A parcel of {length} bytes", 413 if length else 411)
    parts: list[bytes] = []
    missing = length
    while missing:
        more = request.body.read(missing)
        if not more:
            raise ClientDisconnect(f"{length - missing} of {length} bytes came")
        parts.append(more)
        missing -= len(more)
    return b"".join(parts)


def _judged(context: Context, pieces: Iterable[Piece]) -> list[Arrival | None]:
    judged: list[Arrival | None] = []
    for index, piece in enumerate(pieces, 1):
        judged.append(_arrival(context, piece))
        if not index % JUDGED_AT_ONCE:
            sleep()
    return judged


def _arrival(context: Context, piece: Piece) -> Arrival | None:
    """Return what is to be stored; None when the piece is not what it says it is."""
    try:
        content = metadata.decode(piece.described)
        _, account, container, obj = content["name"].split("/", 3)
        moment = Timestamp.parse(content["X-Timestamp"])
        whole = int(content["Content-Length"]) == len(piece.body) and content["Content-Type"]
        etag = content["ETag"]
    except (Corrupt, KeyError, ValueError):
        return None
    if not (whole and account and container and obj):
        return None
    if hashlib.md5(piece.body, usedforsecurity=False).hexdigest() != etag:
        return None
    digest = context.cluster.salt.path_hash(account, container, obj)
    return Arrival(digest, moment, piece.described, piece.body)
