"""What a run says in the end: tables, verdicts, a line of history, a chart."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from bench import chart, front_page, history, report
from bench.demands import Demand, verdicts
from bench.peer import Reading

LOAD = {"operations_per_second": 100.0, "mb_per_second": 0.4, "p99_ms": 20.0, "max_ms": 40.0, "cpu_ms": 1.0}
OURS = Reading("get-4k-16", "apus", LOAD)
THEIRS = Reading("get-4k-16", "stock", {**LOAD, "cpu_ms": 16.0, "operations_per_second": 25.0})


def run_of(readings: list[Reading]) -> history.Record:
    return history.record(readings, rounds=1, of="abc1234")


def printed(readings: list[Reading]) -> str:
    out = io.StringIO()
    console = Console(file=out, width=180)
    for table in report.tables(readings, verdicts([run_of(readings)])):
        console.print(table)
    return out.getvalue()


def test_the_table_puts_the_ratio_beside_the_peer() -> None:
    """A sixteenth of the CPU and four times the rate are 16 and 4 times better."""
    line = next(line for line in printed([OURS, THEIRS]).splitlines() if " stock " in line)
    assert line.split()[-2:] == ["16.0", "4.00"]


def test_other_figures_have_a_line_for_each_measure() -> None:
    """What is not load is shown by measure and store."""
    text = printed([Reading("disk", "machine", {"mb_per_second": 1234.0})])
    assert "1,234" in text


@pytest.mark.parametrize(("times", "met"), [(15, True), (16, True), (17, False)])
def test_a_demand_is_met_from_its_bound_on(times: float, met: bool) -> None:
    """Exactly as many times better as demanded is enough."""
    demand = Demand("GET", "get-4k-16", "cpu_ms", "stock", times)
    assert verdicts([run_of([OURS, THEIRS])], [demand])[0].met is met


def test_a_demand_may_name_a_yardstick_of_the_machine() -> None:
    """Our figure is compared with another figure by the same measure."""
    machine = Reading("loopback", "machine", {"mb_per_second": 0.5})
    demand = Demand("GET", "get-4k-16", "mb_per_second", "machine", 0.6, "loopback")
    assert verdicts([run_of([OURS, machine])], [demand])[0].reached == "0.8 ×"


def test_the_newest_run_that_measured_it_judges_a_demand() -> None:
    """A later run without the figure changes nothing; one with it does."""
    demand = Demand("GET", "get-4k-16", "cpu_ms", "stock", 15)
    better = Reading("get-4k-16", "stock", {**LOAD, "cpu_ms": 30.0})
    runs = [run_of([OURS, THEIRS]), run_of([OURS, better]), run_of([OURS])]
    assert verdicts(runs, [demand])[0].reached == "30 ×"


def test_what_was_never_measured_is_neither_met_nor_not() -> None:
    """Its row says so."""
    assert {verdict.met for verdict in verdicts([run_of([THEIRS])])} == {None}
    assert "never measured" in printed([THEIRS])


def test_history_gives_back_what_was_recorded(tmp_path: Path) -> None:
    """A run survives its line of JSON, and the line tells nothing about whose machine it was."""
    file = tmp_path / "history.jsonl"
    for _ in range(2):
        history.append(history.record([OURS, THEIRS], rounds=3, of="abc1234"), file)
    first, second = history.records(file)
    assert first.readings() == [OURS, THEIRS]
    assert second.rounds == 3
    assert set(first.machine) == {"cores", "memory_gb", "architecture", "kernel", "python"}
    assert str(Path.home()) not in file.read_text()


def record(peer: str, ours_ms: float, theirs_ms: float) -> history.Record:
    readings = [
        Reading("get-4k-16", "apus", {"cpu_ms": ours_ms}),
        Reading("get-4k-16", peer, {"cpu_ms": theirs_ms}),
    ]
    return run_of(readings)


def test_the_chart_shows_what_the_table_shows() -> None:
    """Each peer as it was measured, and Apus as it was beside stock Swift, each from the newest run."""
    runs = [record("stock", 9, 9), record("rgw", 2.0, 5.0), record("stock", 1.0, 16.0)]
    found = {bar.peer: bar.value for bar in chart.bars(runs, "get-4k-16", "cpu_ms")}
    assert found == {"apus": 1.0, "rgw": 5.0, "stock": 16.0}


def test_a_run_in_which_one_store_was_unfit_is_passed_over() -> None:
    """A figure of a peer alone compares with nothing."""
    runs = [record("stock", 1.0, 16.0), run_of([Reading("get-4k-16", "stock", LOAD)])]
    assert [bar.value for bar in chart.bars(runs, "get-4k-16", "cpu_ms")] == [1.0, 16.0]
    assert "16.0 ×" in front_page.table([run_of([OURS, THEIRS]), run_of([THEIRS])])


def test_the_chart_is_a_picture_for_light_and_dark_pages() -> None:
    """It is well-formed, has a bar for each store that was measured, and colours for both kinds of page."""
    drawn = chart.svg([record("stock", 1.0, 16.0)])
    root = ET.fromstring(drawn)
    bars = [float(each.attrib["width"]) for each in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert max(bars) == 16 * min(bar for bar in bars if bar != chart.BAR)
    assert "prefers-color-scheme: dark" in drawn


def test_only_what_is_between_the_marks_is_replaced() -> None:
    """The page keeps its words, and writing the same figures again changes nothing."""
    page = f"before\n{front_page.BEGIN}old\n{front_page.END}after\n"
    once = front_page.replaced(page, "new\n")
    assert once == f"before\n{front_page.BEGIN}new\n{front_page.END}after\n"
    assert front_page.replaced(once, "new\n") == once


def test_the_page_shows_each_peer_beside_what_we_did_in_its_run() -> None:
    """The ratio to a peer comes from one run, and rows that nobody measured are left out."""
    theirs = Reading("get-4k-16", "rgw", {**LOAD, "cpu_ms": 4.0})
    shown = front_page.table([run_of([OURS, THEIRS]), run_of([OURS, theirs])])
    assert "| GET 4 KiB | 1.00 ms CPU, 100/s | 16.0 ms CPU, 25.0/s | **16.0 ×** | 4.00 ms" in shown
    assert "listing" not in shown
