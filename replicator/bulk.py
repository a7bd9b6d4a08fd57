"""Bringing many small objects at once to a peer that has nothing of them.

    pushes, what the peer holds ──▶ fit_for_bulk() ──▶ hashes ──▶ in_loads() ──▶ deliver() ──▶ Delivered

A parcel is one message with many objects, which the peer makes durable together. It only ever spares
requests: whatever a parcel did not bring, for whatever reason, is pushed afterwards as an ordinary request,
and there the reason is found and dealt with.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..common.concurrency import sleep
from ..common.errors import Corrupt, Unavailable
from ..object.parcel import PARCEL_BYTES_MAX, PIECES_MAX, Piece
from .local import TURN, Copy
from .peer import PeerClient, Place, Unmounted
from .plan import Inventory, Need, Push, confirms

log = logging.getLogger(__name__)

LOADS_MAX = 4
"""Parcels under way from one replicator: one is read while the others are written and made durable."""


@dataclass(slots=True)
class Delivered:
    """What the peer now holds, or newer, and what of it travelled."""

    confirmed: set[str] = field(default_factory=set)
    objects: int = 0
    bytes: int = 0


def fit_for_bulk(wanted: Iterable[Push], held: Inventory) -> list[str]:
    """Return the hashes of objects that the peer needs whole and has no version of; one alone is no bulk."""
    fit = [push.hash for push in wanted if push.need is Need.DATA and push.hash not in held]
    return fit if len(fit) > 1 else []


def in_loads(hashes: Sequence[str]) -> list[Sequence[str]]:
    """Return the hashes in as many parcels as it takes by count."""
    return [hashes[start : start + PIECES_MAX] for start in range(0, len(hashes), PIECES_MAX)]


def deliver(peers: PeerClient, place: Place, copies: Mapping[str, Copy], load: Iterable[str]) -> Delivered:
    """Bring the copies of one load to the peer, in as many parcels as it takes by size.

    Raises:
        Unmounted: when the peer is there and its device is not.
    """
    delivered = Delivered()
    waiting: dict[str, Piece] = {}
    size = 0
    for index, digest in enumerate(load, 1):
        if not index % TURN:
            sleep()
        piece = copies[digest].piece()
        if piece is None:
            continue  # The ordinary push's to judge.
        if size + piece.size > PARCEL_BYTES_MAX:
            _send(peers, place, waiting, delivered)
            waiting, size = {}, 0
        waiting[digest] = piece
        size += piece.size
    _send(peers, place, waiting, delivered)
    return delivered


def _send(peers: PeerClient, place: Place, pieces: Mapping[str, Piece], delivered: Delivered) -> None:
    if not pieces:
        return
    try:
        statuses = peers.parcel(place, pieces.values())
    except Unmounted:
        raise
    except (Unavailable, Corrupt) as problem:
        extra = {"peer": place.device.replication_ip, "pieces": len(pieces), "problem": str(problem)}
        log.info("parcel not delivered", extra=extra)
        return
    for (digest, piece), status in zip(pieces.items(), statuses, strict=True):
        if confirms(Need.DATA, status):
            delivered.confirmed.add(digest)
        if status // 100 == 2:
            delivered.objects += 1
            delivered.bytes += len(piece.body)
