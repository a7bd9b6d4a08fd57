"""Bringing one object to one peer, by the requests that every object server understands.

    Copy, Need.DATA       ──▶ PUT     body checked piece by piece, ETag for the peer to check again
    Copy, Need.META       ──▶ POST    the metadata of the newest POST
    Copy, Need.TOMBSTONE  ──▶ DELETE
                          ──▶ Outcome

Timestamps are the object's own, so a peer that holds something newer answers 409 and keeps it. A corrupt copy
is moved away and its push broken off before the body is whole. Small bodies travel with their headers; for
large ones the peer is asked first. It does not know why something is pushed.
"""

from __future__ import annotations

import enum
import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from ..common.errors import Corrupt, Missing
from ..object.files.blocks import KEY
from .local import CONTENT_TYPE, Copy, OpenCopy
from .peer import PeerClient, Place, Unmounted
from .plan import Need, confirms

log = logging.getLogger(__name__)

JOINED_BYTES_MAX = 64 << 10
"""Bodies up to here go out with their headers in one send: less than asking first costs."""
_CARRIED = frozenset(("x-timestamp", "content-type", "content-length", "etag", "name", KEY.lower()))


class Outcome(enum.Enum):
    """What came of a push."""

    CONFIRMED = "the peer holds it, or newer"
    CHANGED = "our copy has changed meanwhile"
    CORRUPT = "our copy is corrupt and was moved away"
    FAILED = "the peer did not take it"


@dataclass(slots=True)
class Sent:
    """What one push cost."""

    outcome: Outcome
    objects: int = 0
    bytes: int = 0


def push(peers: PeerClient, place: Place, copy: Copy, need: Need) -> Sent:
    """Bring the parts in `need` to the peer; raise Unavailable when it cannot be reached."""
    sent = Sent(Outcome.CONFIRMED)
    try:
        sent.outcome = _push_parts(peers, place, copy, need, sent)
    except Missing:
        sent.outcome = Outcome.CHANGED
    except Corrupt as reason:
        copy.quarantine(str(reason))
        sent.outcome = Outcome.CORRUPT
    return sent


def _push_parts(peers: PeerClient, place: Place, copy: Copy, need: Need, sent: Sent) -> Outcome:
    if Need.TOMBSTONE in need:
        return _judged(place, copy, Need.TOMBSTONE, _push_tombstone(peers, place, copy))
    data = 0
    if Need.DATA in need:
        data = _push_data(peers, place, copy, sent)
    if Need.META not in need or (data and not confirms(Need.DATA, data)):
        return _judged(place, copy, Need.DATA, data)
    meta = _push_meta(peers, place, copy)
    if meta == 404 and not data:
        # The peer lost its data since it told us of it: it needs the whole object.
        data = _push_data(peers, place, copy, sent)
        meta = _push_meta(peers, place, copy) if confirms(Need.DATA, data) else data
    if meta == 404 and data == 409:
        return Outcome.CONFIRMED  # It has no data and wants none: it knows of a newer deletion.
    return _judged(place, copy, Need.META, meta)


def _push_tombstone(peers: PeerClient, place: Place, copy: Copy) -> int:
    headers = {"X-Timestamp": copy.version.written.internal, **_ours(place)}
    return peers.change(place, "DELETE", _name(copy.data_metadata()), headers)


def _push_meta(peers: PeerClient, place: Place, copy: Copy) -> int:
    name = _name(copy.data_metadata())
    return peers.change(place, "POST", name, post_headers(copy.meta_metadata(), place))


def _push_data(peers: PeerClient, place: Place, copy: Copy, sent: Sent) -> int:
    with copy.open() as opened:
        status = _put(peers, place, opened)
        if status // 100 == 2:
            sent.objects += 1
            sent.bytes += opened.length
        return status


def _put(peers: PeerClient, place: Place, opened: OpenCopy) -> int:
    headers = put_headers(opened.metadata, place)
    name = _name(opened.metadata)
    if opened.length <= JOINED_BYTES_MAX:
        return peers.change(place, "PUT", name, headers, b"".join(opened.pieces()))
    with peers.streams:
        exchange = peers.begin(place, name, headers, length=opened.length)
        try:
            if exchange.continue_status in (None, 100):
                for piece in opened.pieces():
                    exchange.send(piece)
                exchange.finish()
            answer = exchange.response()
        except BaseException:
            exchange.abort()
            raise
        answer.drain()
        return answer.status


def _judged(place: Place, copy: Copy, part: Need, status: int) -> Outcome:
    if confirms(part, status):
        return Outcome.CONFIRMED
    if status == 507:
        raise Unmounted(f"{place.device.device} on {place.device.replication_ip} takes no writes")
    if status == 422:
        _verify(copy)  # What arrived is not what the ETag says: ours is corrupt, or the way there is.
    log.warning(
        "peer refused a copy",
        extra={"status": status, "path": copy.directory, "peer": place.device.replication_ip},
    )
    return Outcome.FAILED


def _verify(copy: Copy) -> None:
    with copy.open() as opened:
        digest = hashlib.md5(usedforsecurity=False)
        for piece in opened.pieces():
            digest.update(piece)
        if digest.hexdigest() != _required(opened.metadata, "ETag"):
            raise Corrupt("the body does not match its ETag")


def put_headers(stored: Mapping[str, str], place: Place) -> dict[str, str]:
    """Return the headers by which a data file is made again, with all of its metadata and no more."""
    extra = {name: value for name, value in stored.items() if name.lower() not in _CARRIED}
    return {
        "X-Timestamp": _required(stored, "X-Timestamp"),
        "Content-Type": _required(stored, "Content-Type"),
        "ETag": _required(stored, "ETag"),
        **extra,
        **_kept(extra),
        **_ours(place),
    }


def post_headers(stored: Mapping[str, str], place: Place) -> dict[str, str]:
    """Return the headers by which a .meta file is made again."""
    extra = {
        name: value
        for name, value in stored.items()
        if name.lower() not in _CARRIED and name not in CONTENT_TYPE
    }
    typed = {name: stored[name] for name in CONTENT_TYPE if name in stored}
    moment = {"X-Timestamp": _required(stored, "X-Timestamp")}
    return {**moment, **typed, **extra, **_kept(extra), **_ours(place)}


def _kept(extra: Mapping[str, str]) -> dict[str, str]:
    return {"X-Backend-Replication-Headers": " ".join(extra)} if extra else {}


def _ours(place: Place) -> dict[str, str]:
    return {
        "X-Backend-Replication": "True",
        "X-Backend-Storage-Policy-Index": str(place.policy_index),
    }


def _required(stored: Mapping[str, str], key: str) -> str:
    if key not in stored:
        raise Corrupt(f"the metadata has no {key}")
    return stored[key]


def _name(stored: Mapping[str, str]) -> str:
    name = stored.get("name", "")
    if name.count("/") < 3 or not name.startswith("/"):
        raise Corrupt(f"the metadata names no object: {name!r}")
    return name
