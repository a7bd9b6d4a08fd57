"""Requests have to wait for their turn, and are refused where it would come too late."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_request import FixedApp, ask
from small_store import SmallStore

from apus.common.errors import Refused, Unavailable
from apus.proxy.info import ContainerInfo
from apus.proxy.middleware import ratelimit
from apus.proxy.middleware.ratelimit import Clock, OwnCounters, Ratelimit, RatelimitConfig, Rates

NONE = Rates(())


class Limited:
    """The filter over a store, on a clock that sleeping turns."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        changes: Rates = NONE,
        listings: Rates = NONE,
        word: str = "",
        objects: int = 0,
        **settings: Any,
    ) -> None:
        self.now = 1_000_000.0
        self.slept: list[float] = []
        self.store = SmallStore(
            sysmeta={"global-write-ratelimit": word} if word else {},
            containers={"c": ContainerInfo(status=204, object_count=objects)},
        )
        config = RatelimitConfig(rate_buffer_seconds=0, **settings)
        clock = Clock(1000, 0, config.max_sleep_time_seconds, lambda: self.now)
        self.filter = Ratelimit(self.store, config, changes, listings, clock)
        monkeypatch.setattr(ratelimit, "sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds

    def statuses(self, count: int, method: str, path: str, **environ: Any) -> list[int]:
        """Ask so many times, one after the other."""
        return [ask(self.filter, method, path, environ=dict(environ)).status for _ in range(count)]


def test_changes_of_containers_in_an_account_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two a second: each waits half a second behind the one before; others don't."""
    limited = Limited(monkeypatch, account_ratelimit=2.0)
    limited.now += 0.001
    assert limited.statuses(3, "PUT", "/v1/a/c") == [204] * 3
    assert limited.slept == [0.5, 0.5]
    limited.statuses(3, "POST", "/v1/a/c")
    limited.statuses(3, "PUT", "/v1/a/c/o")
    limited.statuses(3, "GET", "/v1/a/c")
    limited.statuses(1, "PUT", "/v1/b/c")
    assert limited.slept == [0.5, 0.5]


@pytest.mark.parametrize(("objects", "slept"), [(0, []), (9, []), (10, [0.1]), (20, [0.2]), (15, [0.133])])
def test_changes_in_large_containers_wait_longer(
    monkeypatch: pytest.MonkeyPatch, objects: int, slept: list[float]
) -> None:
    """Between two sizes the rate lies on a line."""
    limited = Limited(monkeypatch, changes=Rates(((10, 10.0), (20, 5.0))), objects=objects)
    limited.statuses(2, "PUT", "/v1/a/c/o")
    assert limited.slept == slept


def test_listings_have_limits_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """By size, too."""
    limited = Limited(monkeypatch, listings=Rates(((1, 1.0),)), objects=5)
    limited.statuses(2, "GET", "/v1/a/c")
    limited.statuses(2, "GET", "/v1/a/c/o")
    assert limited.slept == [1.0]


def test_who_would_wait_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """498, nothing is done, and the refused request takes nobody's turn."""
    limited = Limited(monkeypatch, account_ratelimit=1.0, max_sleep_time_seconds=2.0)
    monkeypatch.setattr(ratelimit, "sleep", limited.slept.append)  # Time stands still.
    refused = [ask(limited.filter, "PUT", "/v1/a/c") for _ in range(4)]
    assert [each.status for each in refused] == [204, 204, 498, 498]
    assert refused[-1].text == "Slow down"
    assert len(limited.store.seen) == 2


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "COPY"])
def test_an_account_may_have_a_rate_for_all_changes(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Its operator says so in system metadata."""
    limited = Limited(monkeypatch, word="4")
    limited.statuses(2, method, "/v1/a/c")
    limited.statuses(2, "GET", "/v1/a/c")
    assert limited.slept == [0.25]


@pytest.mark.parametrize("settings", [{"word": "BLACKLIST"}, {"account_blacklist": ("a",)}])
def test_an_account_may_be_shut_out(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]) -> None:
    """497, slowly."""
    limited = Limited(monkeypatch, **settings)
    assert limited.statuses(1, "PUT", "/v1/a/c") == [497]
    assert (limited.slept, limited.store.seen) == ([1.0], [])


@pytest.mark.parametrize("settings", [{"word": "WHITELIST"}, {"account_whitelist": ("a",)}])
def test_an_account_may_be_free(monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]) -> None:
    """Of every limit."""
    limited = Limited(monkeypatch, account_ratelimit=1.0, **settings)
    limited.statuses(5, "PUT", "/v1/a/c")
    assert limited.slept == []


def test_trap_46_without_memcached_each_worker_counts_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A memcached that can't be reached fails nothing, and limits nothing less."""

    class Gone(OwnCounters):
        def incr(self, key: str, delta: int = 1, time: float = 0) -> int:
            raise Unavailable("gone")

    limited = Limited(monkeypatch, account_ratelimit=2.0)
    assert limited.statuses(2, "PUT", "/v1/a/c", **{"swift.cache": Gone()}) == [204, 204]
    assert limited.slept == [0.5]


def test_workers_count_together_in_memcached(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one lets in, another waits for."""
    shared = OwnCounters()
    limited = Limited(monkeypatch, account_ratelimit=2.0)
    others = Limited(monkeypatch, account_ratelimit=2.0)
    others.statuses(1, "PUT", "/v1/a/c", **{"swift.cache": shared})
    monkeypatch.setattr(ratelimit, "sleep", limited._sleep)
    limited.statuses(1, "PUT", "/v1/a/c", **{"swift.cache": shared})
    assert limited.slept == [0.5]


def test_a_request_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What filters ask on its behalf is not counted again."""
    limited = Limited(monkeypatch, account_ratelimit=1.0)
    limited.statuses(3, "PUT", "/v1/a/c", **{"swift.ratelimit.handled": True})
    assert limited.slept == []


def test_other_paths_are_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked about them."""
    limited = Limited(monkeypatch, account_ratelimit=1.0)
    limited.filter.app = FixedApp()
    assert limited.statuses(2, "PUT", "/info") == [200, 200]


def test_rates_are_numbers() -> None:
    """Refused at start, naming the setting."""
    with pytest.raises(Refused, match="container_ratelimit_x"):
        Rates.of({"container_ratelimit_x": "1"}, "container_ratelimit_")


@given(
    st.dictionaries(st.integers(0, 1000), st.floats(0.1, 1000), max_size=5),
    st.integers(0, 2000),
)
def test_a_rate_lies_between_its_neighbours(points: dict[int, float], size: int) -> None:
    """And exactly on a point where there is one."""
    options = {f"p_{at}": str(rate) for at, rate in points.items()}
    rate = Rates.of(options, "p_").at(size)
    if rate is None:
        assert size == 0 or all(at > size for at in points)
    else:
        assert min(points.values()) - 1e-6 <= rate <= max(points.values()) + 1e-6
        assert rate == pytest.approx(points.get(size, rate))
