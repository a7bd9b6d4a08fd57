"""Object lock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.configuration import locks
from apus.proxy.middleware.s3.configuration.locks import COMPLIANCE, GOVERNANCE, Lock
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.xml import read

NOW = datetime(2026, 11, 21, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC, microsecond=0)
)
LOCKS = st.one_of(
    st.builds(Lock, st.sampled_from(locks.MODES), MOMENTS, st.booleans()),
    st.builds(Lock, is_held=st.booleans()),
)


def code_of(call: object) -> str:
    """Return the code with which something is refused."""
    assert callable(call)
    with pytest.raises(S3Error) as caught:
        call()
    return caught.value.code


@given(LOCKS, MOMENTS)
def test_who_may_delete(lock: Lock, now: datetime) -> None:
    """A hold and compliance are nobody's to pass; governance is the owner's; time ends both modes."""
    is_running = lock.until is not None and lock.until > now
    assert lock.refuses_deletion(now, bypasses=False) == (lock.is_held or is_running)
    assert lock.refuses_deletion(now, bypasses=True) == (
        lock.is_held or (is_running and lock.mode == COMPLIANCE)
    )


@given(LOCKS)
def test_what_is_kept_comes_back(lock: Lock) -> None:
    """To the second, at least."""
    kept = {name: value for name, value in locks.kept(lock).items() if value}
    assert locks.stored(kept) == lock


@pytest.mark.parametrize(
    ("mode", "to", "hours", "bypasses", "refused"),
    [
        (GOVERNANCE, GOVERNANCE, 2, False, False),
        (GOVERNANCE, GOVERNANCE, 0.5, False, True),
        (GOVERNANCE, GOVERNANCE, 0.5, True, False),
        (GOVERNANCE, COMPLIANCE, 1, False, True),
        (GOVERNANCE, COMPLIANCE, 1, True, False),
        (GOVERNANCE, "", None, True, False),
        (COMPLIANCE, COMPLIANCE, 2, False, False),
        (COMPLIANCE, COMPLIANCE, 0.5, True, True),
        (COMPLIANCE, GOVERNANCE, 2, True, True),
        (COMPLIANCE, "", None, True, True),
    ],
)
def test_how_a_retention_may_change(
    mode: str,
    to: str,
    hours: float | None,
    bypasses: bool,
    refused: bool,
) -> None:
    """Longer of the same mode always; otherwise as it may be deleted."""
    lock = Lock(mode, NOW + HOUR)
    until = None if hours is None else NOW + hours * HOUR
    assert lock.refuses_change(to, until, NOW, bypasses=bypasses) == refused
    assert not lock.refuses_change(to, until, NOW + 2 * HOUR, bypasses=False)


def test_an_end_that_cannot_be_read_never_comes() -> None:
    """What is doubtful is kept."""
    assert locks.stored({locks.MODE: GOVERNANCE, locks.UNTIL: "soon"}).refuses_deletion(NOW, bypasses=False)
    assert not locks.stored({}).refuses_deletion(NOW, bypasses=False)


def configuration(inside: str, enabled: str = "Enabled") -> locks.Default | None:
    """Return the default retention of a document."""
    text = f"<ObjectLockEnabled>{enabled}</ObjectLockEnabled>{inside}"
    root = read(f"<ObjectLockConfiguration>{text}</ObjectLockConfiguration>".encode())
    locks.check_configuration(root)
    return locks.default_of(root)


def rule(inside: str) -> str:
    """Return a rule."""
    return f"<Rule><DefaultRetention>{inside}</DefaultRetention></Rule>"


def test_the_default_of_a_bucket() -> None:
    """Days, or years of 365 of them."""
    assert configuration("") is None
    assert configuration(rule("<Mode>COMPLIANCE</Mode><Years>2</Years>")) == locks.Default(COMPLIANCE, 730)
    default = configuration(rule("<Mode>GOVERNANCE</Mode><Days>2</Days>"))
    assert default is not None
    assert default.lock(NOW) == Lock(GOVERNANCE, NOW + timedelta(days=2))


@pytest.mark.parametrize(
    ("inside", "code"),
    [
        ("<Mode>governance</Mode><Days>1</Days>", "MalformedXML"),
        ("<Mode>GOVERNANCE</Mode>", "MalformedXML"),
        ("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>", "MalformedXML"),
        ("<Mode>GOVERNANCE</Mode><Days>0</Days>", "InvalidRetentionPeriod"),
        ("<Mode>GOVERNANCE</Mode><Years>-1</Years>", "InvalidRetentionPeriod"),
        ("<Mode>GOVERNANCE</Mode><Days>99999</Days>", "InvalidRetentionPeriod"),
    ],
)
def test_trap_81_what_is_no_default(inside: str, code: str) -> None:
    """Both days and years, none of them, nothing of either."""
    assert code_of(lambda: configuration(rule(inside))) == code


def test_what_is_no_configuration() -> None:
    """Object lock cannot be disabled again."""
    assert code_of(lambda: configuration("", enabled="Disabled")) == "MalformedXML"


def test_headers_of_an_upload() -> None:
    """Mode and end come together, and the end is to come."""
    until = "2027-01-01T00:00:00Z"
    assert locks.of_headers(None, None, None, NOW) is None
    assert locks.of_headers(GOVERNANCE, until, "ON", NOW) == Lock(
        GOVERNANCE, datetime(2027, 1, 1, tzinfo=UTC), is_held=True
    )
    assert locks.of_headers(None, None, "OFF", NOW) == Lock()
    for mode, end, hold in (
        (GOVERNANCE, None, None),
        (None, until, None),
        ("odd", until, None),
        (GOVERNANCE, "2020-01-01T00:00:00Z", None),
        (GOVERNANCE, "soon", None),
        (None, None, "on"),
    ):
        assert code_of(partial(locks.of_headers, mode, end, hold, NOW)) == "InvalidArgument"


def test_retention_and_hold() -> None:
    """An empty retention takes it off; one that is over already is a mistake."""

    def retention(inside: str) -> object:
        return locks.retention_of(read(f"<Retention>{inside}</Retention>".encode()), NOW)

    assert retention("") == ("", None)
    assert code_of(lambda: retention("<Mode>GOVERNANCE</Mode>")) == "MalformedXML"
    past = "<Mode>GOVERNANCE</Mode><RetainUntilDate>2020-01-01T00:00:00Z</RetainUntilDate>"
    assert code_of(lambda: retention(past)) == "InvalidArgument"
    assert locks.hold_of(read(b"<LegalHold><Status>ON</Status></LegalHold>"))
    assert (
        code_of(lambda: locks.hold_of(read(b"<LegalHold><Status>on</Status></LegalHold>"))) == "MalformedXML"
    )
