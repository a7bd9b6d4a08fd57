"""Laws of metrics."""

from __future__ import annotations

import os
import re
import select
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_request import FixedApp, ask

from apus.common import metrics, shared_cells
from apus.common.errors import Refused

COUNTER = metrics.counter("apus_test_things_total", "Things.", "kind")
GAUGE = metrics.gauge("apus_test_level", "Level.")
HISTOGRAM = metrics.histogram("apus_test_seconds", "Time.", "kind", buckets=(0.1, 1.0))


def scrape(**options: str) -> str:
    return ask(metrics.filter_factory({}, **options)(FixedApp()), path="/metrics").text


def sample(line: str) -> float:
    match = re.search(rf"^{re.escape(line)} (\S+)$", scrape(), re.MULTILINE)
    return float(match[1]) if match else 0.0


def in_child(work: Callable[[], None]) -> None:
    """Run something in a forked process and wait for its end."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            work()
            status = 0
        finally:
            os.write(writing, b"x")
            os.read(reading, 0)
            os._exit(status)
    ended = select.poll()  # select() knows no descriptor above 1023, and a long run may have that many.
    ended.register(reading, select.POLLIN)
    assert ended.poll(60_000)
    assert os.waitpid(pid, 0)[1] == 0
    os.close(reading)
    os.close(writing)


def test_counting_shows() -> None:
    """In Prometheus' text format, with help and type."""
    COUNTER.labels("a").inc()
    COUNTER.labels("a").inc(2)
    GAUGE.labels().set(7)
    GAUGE.labels().dec(3)
    text = scrape()
    assert 'apus_test_things_total{kind="a"} 3.0' in text
    assert "# HELP apus_test_things_total Things." in text
    assert "# TYPE apus_test_things_total counter" in text
    assert "apus_test_level 4.0" in text


@given(st.lists(st.floats(0, 10), max_size=20))
def test_a_histogram_counts_every_value_once(values: list[float]) -> None:
    """Into each bucket whose bound it does not exceed, and into count and sum."""
    cell = HISTOGRAM.labels("h")
    before = [sample(f"apus_test_seconds_{part}") for part in PARTS]
    for value in values:
        cell.observe(value)
    after = [sample(f"apus_test_seconds_{part}") for part in PARTS]
    gained = [b - a for a, b in zip(before, after, strict=True)]
    counted = [sum(value <= bound for value in values) for bound in (0.1, 1.0, 99)]
    assert gained[:3] == counted
    assert gained[3] == len(values)
    assert gained[4] == pytest.approx(sum(values), abs=1e-6)


PARTS = [
    'bucket{kind="h",le="0.1"}',
    'bucket{kind="h",le="1.0"}',
    'bucket{kind="h",le="+Inf"}',
    'count{kind="h"}',
    'sum{kind="h"}',
]


def test_workers_add_up_and_the_dead_are_remembered() -> None:
    """A child's counts show in its parent, also after it has died and another one was forked; gauges go with it."""
    before = sample('apus_test_things_total{kind="forked"}')
    GAUGE.labels().set(1)

    def work() -> None:
        COUNTER.labels("forked").inc(5)
        COUNTER.labels("new in the child").inc()
        GAUGE.labels().set(10)

    for turn in range(1, 4):
        in_child(work)
        assert sample('apus_test_things_total{kind="forked"}') == before + 5 * turn
        assert sample('apus_test_things_total{kind="new in the child"}') == turn
    in_child(lambda: None)
    in_child(lambda: None)
    assert sample('apus_test_things_total{kind="forked"}') == before + 15
    assert sample("apus_test_level") == 1


def test_a_child_shows_what_its_parent_counted() -> None:
    """Whichever worker is asked."""
    COUNTER.labels("parents").inc(3)

    def work() -> None:
        COUNTER.labels("parents").inc()
        assert sample('apus_test_things_total{kind="parents"}') >= 4

    in_child(work)


def test_a_forked_server_counts_with_its_own_workers_only() -> None:
    """A program may fork several servers, each of which forks workers."""
    COUNTER.labels("server").inc(100)

    def server() -> None:
        metrics.begin()
        assert sample('apus_test_things_total{kind="server"}') == 0
        COUNTER.labels("server").inc()
        for turn in range(2, 5):
            in_child(lambda: COUNTER.labels("server").inc())
            assert sample('apus_test_things_total{kind="server"}') == turn

    before = sample('apus_test_things_total{kind="server"}')
    in_child(server)
    in_child(server)
    assert sample('apus_test_things_total{kind="server"}') == before


def test_a_grandchild_counts_for_itself() -> None:
    """Nobody told it with whom to count, and it disturbs nobody."""

    def child() -> None:
        COUNTER.labels("grandchild").inc()

        def grandchild() -> None:
            COUNTER.labels("grandchild").inc(10)
            assert sample('apus_test_things_total{kind="grandchild"}') == 10

        in_child(grandchild)

    before = sample('apus_test_things_total{kind="grandchild"}')
    in_child(child)
    in_child(lambda: None)
    assert sample('apus_test_things_total{kind="grandchild"}') == before + 1


def test_more_children_than_regions_do_no_harm() -> None:
    """Regions of the dead are used again."""
    before = sample('apus_test_things_total{kind="crowd"}')
    for _ in range(shared_cells.REGIONS + 5):
        in_child(lambda: COUNTER.labels("crowd").inc())
    assert sample('apus_test_things_total{kind="crowd"}') == before + shared_cells.REGIONS + 5


def test_too_many_labels_are_dropped_and_told(caplog: pytest.LogCaptureFixture) -> None:
    """Memory is bounded; what is known goes on counting."""

    def work() -> None:
        known = COUNTER.labels("known")
        for number in range(shared_cells.CELLS_PER_REGION + 10):
            COUNTER.labels(f"flood{number}").inc()
        known.inc()
        HISTOGRAM.labels("no room").observe(1)
        text = scrape()
        assert 'kind="known"' in text
        assert text.count('kind="flood') < shared_cells.CELLS_PER_REGION
        assert "too many label values" in caplog.text

    in_child(work)


def test_a_name_means_one_thing() -> None:
    """The same declaration twice is the same metric; a different one is a mistake."""
    assert metrics.counter("apus_test_things_total", "Things.", "kind").definition == COUNTER.definition
    with pytest.raises(ValueError, match="apus_test_things_total"):
        metrics.counter("apus_test_things_total", "Other.", "kind")


@pytest.mark.parametrize(
    ("allowed", "status"),
    [("", 200), ("192.0.2.0/24", 200), ("10.0.0.0/8, 192.0.2.7/32", 200), ("10.0.0.0/8", 403)],
)
def test_reading_can_be_restricted(allowed: str, status: int) -> None:
    """To networks."""
    stack = metrics.filter_factory({}, allow_from=allowed)(FixedApp())
    assert ask(stack, path="/metrics").status == status


def test_an_address_that_is_none_is_not_allowed() -> None:
    """A Unix socket's peer has no address."""
    stack = metrics.filter_factory({}, allow_from="10.0.0.0/8")(FixedApp())
    assert ask(stack, path="/metrics", environ={"REMOTE_ADDR": ""}).status == 403


def test_a_bad_network_stops_the_start() -> None:
    """The message names it."""
    with pytest.raises(Refused, match=r"300\.0"):
        metrics.filter_factory({}, allow_from="300.0.0.0/8")


@pytest.mark.parametrize(
    ("method", "label"), [("PUT", "PUT"), ("REPLICATE", "REPLICATE"), ("BREW", "BAD_METHOD")]
)
def test_every_request_of_a_server_is_counted(method: str, label: str) -> None:
    """By method and status, and timed; clients cannot make up labels."""
    line = f'apus_server_requests_total{{method="{label}",status="507"}}'
    timed = f'apus_server_request_seconds_count{{method="{label}"}}'
    before = sample(line), sample(timed)
    ask(metrics.filter_factory({})(FixedApp("507 Insufficient Storage")), method, "/d1/1/a/c/o")
    assert (sample(line), sample(timed)) == (before[0] + 1, before[1] + 1)


def test_metrics_are_only_read() -> None:
    """Other methods are refused, other paths pass."""
    app = FixedApp("204 No Content")
    stack = metrics.filter_factory({})(app)
    assert ask(stack, "POST", "/metrics").status == 405
    assert ask(stack, "GET", "/metrics/x").status == 204
    assert ask(stack, "HEAD", "/metrics").body == b""
