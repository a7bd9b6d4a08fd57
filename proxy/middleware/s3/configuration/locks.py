"""Object lock: until when a version may not be deleted, and who may shorten that.

    <ObjectLockConfiguration> ──default_of()──▶ Default(mode, days)  ──lock_of(headers, default, now)──▶ Lock
    Lock ──refuses_deletion(now, bypass)──▶ True, False      ──refuses_change(to, now, bypass)──▶ True, False

GOVERNANCE is for the owner to lift, who must say so; COMPLIANCE and a legal hold are nobody's to pass, but a
hold can be taken off again. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..errors import S3Error
from ..xml import Node
from . import reading
from .reading import malformed

GOVERNANCE, COMPLIANCE = "GOVERNANCE", "COMPLIANCE"
MODES = (GOVERNANCE, COMPLIANCE)
DAYS_MAX = 36500
YEARS_MAX = 100
PREFIX = "x-object-transient-sysmeta-s3api-lock-"
MODE, UNTIL, HOLD = PREFIX + "mode", PREFIX + "until", PREFIX + "hold"
"""Where a version keeps its lock: beside its metadata, so that the lock can change and the data cannot."""
SHOWN: Mapping[str, str] = {
    MODE: "x-amz-object-lock-mode",
    UNTIL: "x-amz-object-lock-retain-until-date",
    HOLD: "x-amz-object-lock-legal-hold",
}


@dataclass(frozen=True, slots=True)
class Lock:
    """What keeps a version."""

    mode: str = ""
    until: datetime | None = None
    is_held: bool = False

    def refuses_deletion(self, now: datetime, *, bypasses: bool) -> bool:
        """Tell whether the version must stay."""
        return self.is_held or self._is_retained(now, bypasses=bypasses)

    def refuses_change(self, mode: str, until: datetime | None, now: datetime, *, bypasses: bool) -> bool:
        """Tell whether its retention cannot become that one; a longer one of the same mode always can."""
        if self.until is not None and until is not None and mode == self.mode and until >= self.until:
            return False
        return self._is_retained(now, bypasses=bypasses)

    def _is_retained(self, now: datetime, *, bypasses: bool) -> bool:
        if self.until is None or self.until <= now:
            return False
        return self.mode == COMPLIANCE or not bypasses


@dataclass(frozen=True, slots=True)
class Default:
    """The retention that a bucket gives its new versions."""

    mode: str
    days: int

    def lock(self, now: datetime) -> Lock:
        """Return what a version that is made now has."""
        return Lock(self.mode, now + timedelta(days=self.days))


# --- reading ---------------------------------------------------------------------------------


def check_configuration(root: Node) -> None:
    """Refuse what is no ObjectLockConfiguration."""
    reading.only(root, ("ObjectLockEnabled", "Rule"), once=("ObjectLockEnabled", "Rule"))
    reading.one_of(root.value("ObjectLockEnabled"), ("Enabled",), "ObjectLockEnabled")
    default_of(root)


def default_of(root: Node) -> Default | None:
    """Return the default retention of a configuration.

    Raises:
        S3Error: MalformedXML or InvalidRetentionPeriod.
    """
    rule = root.find("Rule")
    if rule is None:
        return None
    retention = reading.needed(rule, "DefaultRetention")
    mode = reading.one_of(retention.value("Mode"), MODES, "Mode")
    days, years = retention.find("Days"), retention.find("Years")
    if (days is None) == (years is None):
        raise malformed("DefaultRetention has either Days or Years")
    period = days if days is not None else years
    assert period is not None
    count = reading.number(period.text, period.tag)
    if not 1 <= count <= (DAYS_MAX if days is not None else YEARS_MAX):
        raise S3Error("InvalidRetentionPeriod")
    return Default(mode, count if days is not None else 365 * count)


def retention_of(root: Node, now: datetime) -> tuple[str, datetime | None]:
    """Return mode and end of a Retention; an empty one takes the retention off.

    Raises:
        S3Error: MalformedXML or InvalidArgument.
    """
    reading.only(root, ("Mode", "RetainUntilDate"), once=("Mode", "RetainUntilDate"))
    if not root.children:
        return "", None
    mode = reading.one_of(root.value("Mode"), MODES, "Mode")
    until = moment_of(reading.text(root, "RetainUntilDate"), malformed)
    if until <= now:
        raise S3Error("InvalidArgument", "The retain until date must be in the future!")
    return mode, until


def hold_of(root: Node) -> bool:
    """Return whether a LegalHold says ON."""
    reading.only(root, ("Status",), once=("Status",))
    return reading.one_of(root.value("Status"), ("ON", "OFF"), "Status") == "ON"


def moment_of(text: str, error: Callable[[str], S3Error]) -> datetime:
    """Return a moment in ISO 8601."""
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as problem:
        raise error("a date must be in ISO 8601") from problem


def of_headers(mode: str | None, until: str | None, hold: str | None, now: datetime) -> Lock | None:
    """Return the lock that the headers of an upload ask for, None where they ask for none.

    Raises:
        S3Error: InvalidArgument.
    """
    if (mode is None) != (until is None):
        raise S3Error(
            "InvalidArgument",
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
        )
    if mode is None and hold is None:
        return None
    if hold not in (None, "ON", "OFF"):
        raise S3Error("InvalidArgument", "Legal Hold must be either of 'ON' or 'OFF'")
    if mode is None or until is None:
        return Lock(is_held=hold == "ON")
    if mode not in MODES:
        raise S3Error("InvalidArgument", "Unknown wormMode directive.")
    moment = moment_of(until, lambda _: S3Error("InvalidArgument", "The retain until date is none."))
    if moment <= now:
        raise S3Error("InvalidArgument", "The retain until date must be in the future!")
    return Lock(mode, moment, hold == "ON")


# --- as it is stored -------------------------------------------------------------------------


def kept(lock: Lock) -> dict[str, str]:
    """Return a lock as a version keeps it; an empty value takes something away."""
    return {
        MODE: lock.mode if lock.until is not None else "",
        UNTIL: "" if lock.until is None else iso(lock.until),
        HOLD: "ON" if lock.is_held else "OFF",
    }


def stored(headers: Mapping[str, str]) -> Lock:
    """Return the lock of a version, whose headers have names in lower case.

    An end that cannot be read is one that never comes: what is doubtful is kept.
    """
    text = headers.get(UNTIL)
    try:
        until = datetime.fromisoformat(text) if text else None
    except ValueError:
        until = datetime.max.replace(tzinfo=UTC)
    return Lock(headers.get(MODE, ""), until, headers.get(HOLD) == "ON")


def iso(moment: datetime) -> str:
    """Return a moment as documents and headers have it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
