"""A device gets no more requests than its limits allow, and limits change while the server runs."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from one_request import FixedApp, ask

from apus.common.backend_ratelimit import Allowance, BackendRatelimit


class Limited:
    """The filter over an application that says yes, on a clock that the test turns."""

    def __init__(self, **options: str) -> None:
        self.now = 1000.0
        self.filter = BackendRatelimit(FixedApp(), options, clock=lambda: self.now)

    def statuses(self, count: int, path: str = "/sda/7/a/c/o", method: str = "GET") -> list[int]:
        """Ask so many times at this moment."""
        return [ask(self.filter, method, path).status for _ in range(count)]


def test_a_device_has_its_rate_and_a_buffer() -> None:
    """What is above it gets 529; a second later there is room again; other devices are untouched."""
    limited = Limited(requests_per_device_per_second="2")
    assert limited.statuses(4) == [200, 200, 200, 529]
    assert limited.statuses(1, "/sdb/7/a") == [200]
    limited.now += 0.5
    assert limited.statuses(2) == [200, 529]


def test_methods_have_rates_of_their_own() -> None:
    """Within the device's."""
    limited = Limited(put_requests_per_device_per_second="1", requests_per_device_rate_buffer="0")
    assert limited.statuses(2, method="PUT") == [200, 529]
    assert limited.statuses(5) == [200] * 5


def test_what_names_no_device_is_not_limited() -> None:
    """Health checks and reports go on."""
    limited = Limited(requests_per_device_per_second="0.001", requests_per_device_rate_buffer="0")
    assert limited.statuses(3, "/healthcheck") == [200] * 3
    assert limited.statuses(3, "/recon/mem") == [200] * 3
    assert limited.statuses(3, method="OPTIONS") == [200] * 3


def test_limits_are_read_again(tmp_path: Path) -> None:
    """A file that appears, changes, breaks and goes: a broken one changes nothing."""
    limited = Limited(swift_dir=str(tmp_path), config_reload_interval="10")
    assert limited.statuses(9) == [200] * 9
    path = tmp_path / "backend-ratelimit.conf"
    path.write_text(
        "[backend_ratelimit]\nrequests_per_device_per_second = 1\nrequests_per_device_rate_buffer = 0\n"
    )
    assert limited.statuses(2) == [200, 200]
    limited.now += 10
    assert limited.statuses(2) == [200, 529]
    path.write_text("[backend_ratelimit]\nrequests_per_device_per_second = many\n")
    limited.now += 10
    assert limited.statuses(2) == [200, 529]
    path.unlink()
    limited.now += 10
    assert limited.statuses(9) == [200] * 9


@given(st.floats(0.1, 100), st.floats(0, 5), st.lists(st.floats(0, 3), max_size=100))
def test_never_more_than_rate_and_buffer(rate: float, buffer: float, pauses: list[float]) -> None:
    """However requests come, no more are let in than time and buffer are worth, and one."""
    allowance = Allowance(rate, buffer, -buffer)
    now, taken = 0.0, 0
    for pause in pauses:
        now += pause
        if allowance.is_due(now):
            allowance.take(now)
            taken += 1
    assert taken <= (now + buffer) * rate + 1 + 1e-6
