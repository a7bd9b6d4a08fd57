"""The tables that a run ends with.

    joined readings, verdicts ──▶ tables() ──▶ rich tables, which a Console prints for people or plainly

A load figure has one line for each store, with CPU by role; any other figure one line for each measure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.table import Table

from .demands import OURS, Verdict
from .peer import Reading, Role
from .summary import times_better

LOAD_MEASURE = "operations_per_second"
_PLAIN = (
    ("p50", "p50_ms"),
    ("p95", "p95_ms"),
    ("p99", "p99_ms"),
    ("max", "max_ms"),
    ("CPU ms", "cpu_ms"),
    *((role.value, f"cpu_ms_{role}") for role in Role),
    ("errors", "errors"),
)
_WORDS = {True: ("met", ""), False: ("not met", "red"), None: ("never measured", "dim")}


def tables(readings: Sequence[Reading], judged: Sequence[Verdict]) -> Iterator[Table]:
    """Return what was measured under load, what else was measured, and what was reached."""
    loads = [reading for reading in readings if LOAD_MEASURE in reading.measures]
    if loads:
        yield _load_table(loads)
    others = [reading for reading in readings if LOAD_MEASURE not in reading.measures]
    if others:
        yield _other_table(others)
    if judged:
        yield _verdict_table(judged)


def number(value: float | None) -> str:
    """Return three digits of it, more only before the point."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _load_table(readings: Sequence[Reading]) -> Table:
    table = _table("Under load: latencies and CPU an operation in milliseconds, CPU by role")
    for column in ("figure", "store"):
        table.add_column(column)
    for column in ("per s", "MB/s", *(title for title, _ in _PLAIN), "CPU ×", "rate ×"):
        table.add_column(column, justify="right")
    ours = {reading.figure: reading.measures for reading in readings if reading.peer == OURS}
    for figure, stores in _by_figure(readings).items():
        for place, reading in enumerate(stores):
            measures = reading.measures
            compared = reading.peer != OURS and figure in ours
            better = [
                number(times_better(ours[figure], measures, measure)) if compared else ""
                for measure in ("cpu_ms", LOAD_MEASURE)
            ]
            table.add_row(
                "" if place else figure,
                reading.peer,
                number(measures[LOAD_MEASURE]),
                number(measures["mb_per_second"]) if measures["mb_per_second"] else "",
                *(number(measures.get(measure) or None) for _, measure in _PLAIN),
                *better,
                end_section=place == len(stores) - 1,
            )
    return table


def _other_table(readings: Sequence[Reading]) -> Table:
    table = _table("Besides")
    for column in ("figure", "measure"):
        table.add_column(column)
    peers = list(dict.fromkeys(reading.peer for reading in readings))
    for column in (*peers, "×"):
        table.add_column(column, justify="right")
    for figure, stores in _by_figure(readings).items():
        found = {reading.peer: reading.measures for reading in stores}
        for measure in dict.fromkeys(name for reading in stores for name in reading.measures):
            table.add_row(
                figure,
                measure,
                *(number(found.get(peer, {}).get(measure)) for peer in peers),
                number(_against_the_other(found, measure)),
            )
    return table


def _against_the_other(found: Mapping[str, Mapping[str, float]], measure: str) -> float | None:
    others = [measures for peer, measures in found.items() if peer != OURS]
    return times_better(found.get(OURS, {}), others[0], measure) if others else None


def _verdict_table(judged: Sequence[Verdict]) -> Table:
    table = _table("Demanded")
    table.add_column("row")
    for column in ("at least", "reached", "", "measured", "commit"):
        table.add_column(column, justify="right")
    for verdict in judged:
        said, style = _WORDS[verdict.met]
        table.add_row(
            verdict.title,
            verdict.demanded,
            verdict.reached,
            said,
            verdict.date.replace("+00:00", ""),
            verdict.commit,
            style=style,
        )
    return table


def _by_figure(readings: Sequence[Reading]) -> dict[str, list[Reading]]:
    figures: dict[str, list[Reading]] = {}
    for reading in readings:
        figures.setdefault(reading.figure, []).append(reading)
    return figures


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
