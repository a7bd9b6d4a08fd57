"""Laws of giving failing devices a rest."""

from __future__ import annotations

from apus.proxy.error_limit import ErrorLimit

KEY = ("10.0.0.1", 6200, "d1")


def test_a_device_rests_after_too_many_errors_and_comes_back() -> None:
    """More errors than allowed, and it is left alone until the rest is over."""
    limit = ErrorLimit(rest_seconds=60, errors_max=2)
    assert [limit.count(KEY, now) for now in (0, 1, 2)] == [False, False, True]
    assert limit.is_limited(KEY, 3)
    assert limit.is_limited(KEY, 62)
    assert not limit.is_limited(KEY, 63)
    assert not limit.is_limited(KEY, 63)


def test_a_full_device_rests_at_once() -> None:
    """507 needs no second error."""
    limit = ErrorLimit(rest_seconds=60, errors_max=10)
    limit.limit(KEY, 0)
    assert limit.is_limited(KEY, 1)
    assert not limit.is_limited(("10.0.0.1", 6200, "d2"), 1)
