"""A parcel of small objects from another node's replicator.

    REPLICATE /device/partition, X-Apus-Parcel ──▶ pieces ──▶ each judged ──▶ files/batch ──▶ [status, …]

The statuses are a PUT's: 201 stored, 409 the same or newer is here, 422 not what its metadata says; 501 asks
for an ordinary PUT. Answered when all of it is durable. Containers are not told: the nodes that took the
object from a client have done that.
"""

from __future__ import annotations

import hashlib

import orjson

from ..common.concurrency import Semaphore
from ..common.errors import Refused
from ..common.http.answer import Answer
from ..common.http.errors import ClientDisconnect
from ..common.http.request import Request
from ..common.timestamp import Timestamp
from . import parcel
from .context import Context
from .files.batch import Arrival, Fate, store_all
from .files.device import Reserve
from .parcel import Piece

PARCELS_MAX = 4
"""Parcels written at once by a process: more only hold more files open, and one round serves them all."""
STORED, HELD, CORRUPT, LEFT = 201, 409, 422, 501
_STATUS = {Fate.STORED: STORED, Fate.HELD: HELD, Fate.LEFT: LEFT}
_places = Semaphore(PARCELS_MAX)


def receive(context: Context, request: Request, device_path: str, partition_directory: str) -> Answer:
    """Store what a parcel brings; the answer tells of each piece."""
    pieces = parcel.unpack(_read(request))
    judged = [_arrival(context, piece) for piece in pieces]
    arrivals = [arrival for arrival in judged if arrival is not None]
    if len({arrival.digest for arrival in arrivals}) < len(arrivals):
        raise Refused("A parcel that holds an object twice")
    with _places:
        reserve = Reserve.parse(context.settings.fallocate_reserve)
        fates = iter(store_all(device_path, partition_directory, arrivals, reserve))
    statuses = [CORRUPT if arrival is None else _STATUS[next(fates)] for arrival in judged]
    return Answer(200, {"Content-Type": "application/json"}, orjson.dumps(statuses))


def _read(request: Request) -> bytes:
    length = request.content_length
    if length is None or length > parcel.PARCEL_BYTES_MAX:
        raise Refused(f"A parcel of {length} bytes", 413 if length else 411)
    message = b""
    while len(message) < length:
        more = request.body.read(length - len(message))
        if not more:
            raise ClientDisconnect(f"{len(message)} of {length} bytes came")
        message += more
    return message


def _arrival(context: Context, piece: Piece) -> Arrival | None:
    """Return what is to be stored; None when the piece is not what it says it is."""
    content = piece.metadata
    try:
        _, account, container, obj = content["name"].split("/", 3)
        moment = Timestamp.parse(content["X-Timestamp"])
        whole = int(content["Content-Length"]) == len(piece.body) and content["Content-Type"]
        etag = content["ETag"]
    except (KeyError, ValueError):
        return None
    if not (whole and account and container and obj):
        return None
    if hashlib.md5(piece.body, usedforsecurity=False).hexdigest() != etag:
        return None
    digest = context.cluster.salt.path_hash(account, container, obj)
    return Arrival(digest, moment, content, piece.body)
