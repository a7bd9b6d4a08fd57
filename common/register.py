"""What object servers keep, and proxies ask, about an object that conditional writes compete for.

    Record   one device's memory: the ballot it has promised, the version it has accepted
    Version  a state of the object: which change made it, when, its ETag, and the changes before it
    Promise  a device's answer to a proxy: its record, and what its folder shows

Values and their text forms only; object/register/ and proxy/register/ decide. A ballot is text that sorts:
sixteen digits of ticks, a dash, and a token that no other proposer has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .errors import Refused
from .timestamp import TICKS_PER_SECOND, ZERO, Timestamp

METHOD = "REGISTER"
"""The HTTP method by which proxies ask; a server that keeps no registers answers 405."""
STEP = "X-Backend-Register-Step"
BALLOT = "X-Backend-Register-Ballot"
CHANGE = "X-Backend-Register-Change"
VERSION = "X-Backend-Register-Version"
PROMISE = "X-Backend-Register-Promise"

STAGE, LOOK, PREPARE, ACCEPT, COMMIT, DROP = "stage", "look", "prepare", "accept", "commit", "drop"

NO_BALLOT = ""
ANCESTORS_MAX = 32
"""How many changes before it a version names: who was overtaken looks for himself among them."""
NEWCOMER_TICKS = 86400 * TICKS_PER_SECOND
"""So long a device that is new to a partition has no vote: by then all proxies follow the ring that has
brought it, and replication has made it whole."""
_TICKS_DIGITS = 16
_TOKEN_MAX = 32
_TIGHT = (",", ":")


@dataclass(frozen=True, slots=True)
class Version:
    """A state of the object."""

    change: str
    """What made it: a proposer's token, or `@` and the moment of a change that used no register."""
    moment: Timestamp
    etag: str
    exists: bool
    ancestors: tuple[str, ...] = ()
    """The changes before it, the latest last, as far as known."""

    @property
    def lineage(self) -> tuple[str, ...]:
        """Its own change and those before it."""
        return (*self.ancestors, self.change)

    def followed_by(self, change: str, moment: Timestamp, etag: str | None) -> Version:
        """Return the next version; its ETag is None where the change deletes."""
        assert moment > self.moment
        return Version(change, moment, etag or "", etag is not None, self.lineage[-ANCESTORS_MAX:])


ABSENT = Version("@", ZERO, "", exists=False)
"""The state of an object that nobody ever wrote."""


@dataclass(frozen=True, slots=True)
class Visible:
    """What an object's folder shows to everybody."""

    moment: Timestamp = ZERO
    """Of the data, or of the tombstone."""
    etag: str = ""
    exists: bool = False
    newest: Timestamp = ZERO
    """Of data, tombstone and metadata."""

    @property
    def version(self) -> Version:
        """The same, as a state that the register has heard of."""
        if self.moment == ZERO:
            return ABSENT
        return Version(f"@{self.moment.internal}", self.moment, self.etag, self.exists)


@dataclass(frozen=True, slots=True)
class Record:
    """One device's memory of one object's register; `accepted` is meaningless without its ballot."""

    promised: str = NO_BALLOT
    ballot: str = NO_BALLOT
    """At which `accepted` was accepted."""
    accepted: Version | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """One device's answer."""

    granted: bool
    record: Record
    visible: Visible = Visible()
    since: Timestamp = ZERO
    """Since when it has been asked of this partition."""


def ballot_after(highest: str, now_ticks: int, token: str) -> str:
    """Return a ballot above `highest`, of this moment if that will do."""
    ticks = max(now_ticks, int(highest[:_TICKS_DIGITS]) + 1 if highest else 0)
    return f"{ticks:0{_TICKS_DIGITS}d}-{token}"


def checked_ballot(text: str | None) -> str:
    """Return a ballot that came over the wire; Refused when it is none."""
    ticks, dash, token = (text or "").partition("-")
    if len(ticks) != _TICKS_DIGITS or not (ticks + "0").isdigit() or not dash:
        raise Refused(f"not a ballot: {text!r}")
    checked_change(token)
    return f"{ticks}-{token}"


def checked_change(text: str | None) -> str:
    """Return a proposer's token that came over the wire; Refused when it can be no file's name."""
    if not text or len(text) > _TOKEN_MAX or not (text.isascii() and text.isalnum()):
        raise Refused(f"not a change: {text!r}")
    return text


def encode_version(version: Version) -> str:
    """Return a version as header text."""
    return json.dumps(_plain_version(version), separators=_TIGHT)


def decode_version(text: str | None) -> Version:
    """Return the version in a header; Refused when there is none."""
    return _version(_loaded(text))


def encode_record(record: Record) -> bytes:
    """Return a record as a file's bytes."""
    return json.dumps(_plain_record(record), separators=_TIGHT).encode("ascii")


def decode_record(data: bytes) -> Record:
    """Return the record in a file; Refused when it is none."""
    return _record(_loaded(data))


def encode_promise(promise: Promise) -> str:
    """Return a promise as header text."""
    visible = promise.visible
    plain = {
        "granted": promise.granted,
        "record": _plain_record(promise.record),
        "visible": [visible.moment.internal, visible.etag, visible.exists, visible.newest.internal],
        "since": promise.since.internal,
    }
    return json.dumps(plain, separators=_TIGHT)


def decode_promise(text: str | None) -> Promise:
    """Return the promise in a header; Refused when there is none."""
    plain = _loaded(text)
    try:
        moment, etag, exists, newest = plain["visible"]
        seen = Visible(Timestamp.parse(moment), str(etag), bool(exists), Timestamp.parse(newest))
        since = Timestamp.parse(plain["since"])
        return Promise(bool(plain["granted"]), _record(plain["record"]), seen, since)
    except (KeyError, TypeError, ValueError) as problem:
        raise Refused(f"not a promise: {problem}") from problem


def without_version(record: Record) -> Record:
    """Return the record of who remembers his promise only."""
    return replace(record, ballot=NO_BALLOT, accepted=None)


def _loaded(data: str | bytes | None) -> dict[str, Any]:
    try:
        plain = json.loads(data or "")
    except (ValueError, RecursionError) as problem:
        raise Refused(f"not a register: {problem}") from problem
    if not isinstance(plain, dict):
        raise Refused("not a register: no object")
    return plain


def _plain_version(version: Version) -> dict[str, object]:
    return {
        "change": version.change,
        "moment": version.moment.internal,
        "etag": version.etag,
        "exists": version.exists,
        "ancestors": version.ancestors,
    }


def _plain_record(record: Record) -> dict[str, object]:
    plain: dict[str, object] = {"promised": record.promised}
    if record.accepted is not None:
        plain |= {"ballot": record.ballot, "accepted": _plain_version(record.accepted)}
    return plain


def _version(plain: object) -> Version:
    if not isinstance(plain, Mapping):
        raise Refused("not a version")
    try:
        ancestors = tuple(str(each) for each in plain["ancestors"])[-ANCESTORS_MAX:]
        moment = Timestamp.parse(plain["moment"])
        return Version(str(plain["change"]), moment, str(plain["etag"]), bool(plain["exists"]), ancestors)
    except (KeyError, TypeError, ValueError) as problem:
        raise Refused(f"not a version: {problem}") from problem


def _record(plain: object) -> Record:
    if not isinstance(plain, Mapping):
        raise Refused("not a record")
    promised = str(plain.get("promised") or NO_BALLOT)
    accepted = plain.get("accepted")
    if accepted is None:
        return Record(promised)
    return Record(promised, str(plain.get("ballot") or NO_BALLOT), _version(accepted))
