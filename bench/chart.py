"""The chart of the README, drawn from the history.

    records of runs ──▶ the newest beside each peer ──▶ bars() ──▶ svg()

Plain SVG with two sets of colours, so that it can be read on a light page and on a dark one. Bars are what
was measured, as in the table beside it: Apus's in the run beside stock Swift, RGW's in a run of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from . import history
from .demands import OURS
from .history import Record
from .report import number

NAMES = {"apus": "Apus", "rgw": "Ceph RGW", "stock": "stock Swift"}
PEERS = ("rgw", "stock")
WIDTH, LEFT, RIGHT = 820, 190, 110
BAR, GAP, TITLE = 15, 14, 34


@dataclass(frozen=True, slots=True)
class Panel:
    """Some figures in one unit, on one scale."""

    title: str
    measure: str
    rows: Mapping[str, str]  # figure → what people call it

    @property
    def reference(self) -> str:
        """Its first figure."""
        return next(iter(self.rows))


@dataclass(frozen=True, slots=True)
class Bar:
    """One store's figure."""

    peer: str
    value: float


PANELS = (
    Panel(
        "CPU of all server processes for one operation on 4 KiB, milliseconds: less is better",
        "cpu_ms",
        {"get-4k-16": "GET", "head-4k-16": "HEAD", "put-4k-16": "PUT × 3 replicas", "delete-4k-16": "DELETE"},
    ),
    Panel(
        "Throughput of 64 MiB objects, 2 connections, MB/s: more is better",
        "mb_per_second",
        {"get-64m-2": "GET", "put-64m-2": "PUT × 3 replicas"},
    ),
    Panel(
        "CPU of a listing of 10,000 names in JSON, milliseconds: less is better",
        "cpu_ms",
        {"listing-10000": "listing"},
    ),
)
STYLE = """
    text { font: 13px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #1f2328 }
    .title { font-weight: 600 }
    .note { fill: #59636e; font-size: 12px }
    .apus { fill: #0969da } .rgw { fill: #bf8700 } .stock { fill: #8c959f }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .note { fill: #9198a1 }
      .apus { fill: #4493f8 } .rgw { fill: #d29922 } .stock { fill: #656c76 }
    }
"""


def bars(runs: Sequence[Record], figure: str, measure: str) -> list[Bar]:
    """Return the stores' values, each peer's from the newest run that has it."""
    reference = history.newest(runs, figure, OURS, "stock")
    if reference is None:
        return []
    drawn = [Bar(OURS, reference.figures[figure][OURS][measure])]
    for peer in PEERS:
        run = history.newest(runs, figure, OURS, peer)
        if run is not None:
            drawn.append(Bar(peer, run.figures[figure][peer][measure]))
    return drawn


def svg(runs: Sequence[Record]) -> str:
    """Return the whole picture; at least one run has a figure of stock Swift's."""
    parts: list[str] = []
    shown = {
        bar.peer for panel in PANELS for figure in panel.rows for bar in bars(runs, figure, panel.measure)
    }
    top = _legend(parts, [peer for peer in NAMES if peer in shown])
    for panel in PANELS:
        rows = {title: bars(runs, figure, panel.measure) for figure, title in panel.rows.items()}
        if any(rows.values()):
            top = _panel(parts, panel.title, {title: row for title, row in rows.items() if row}, top)
    run = history.newest(runs, PANELS[0].reference, OURS, "stock")
    assert run
    machine = f"{run.machine['cores']} cores, everything on one machine, durable writes"
    parts.append(_text(0, top + 14, f"{machine}; {run.date[:10]}, commit {run.commit}; make bench", "note"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 24}" width="{WIDTH}">\n'
        f"  <style>{STYLE}  </style>\n  " + "\n  ".join(parts) + "\n</svg>\n"
    )


def _legend(parts: list[str], peers: Sequence[str]) -> int:
    for place, peer in enumerate(peers):
        left = LEFT + place * 130
        parts.append(_bar(peer, left, 4, BAR))
        parts.append(_text(left + BAR + 7, 16, NAMES[peer]))
    return 24


def _panel(parts: list[str], title: str, rows: Mapping[str, Sequence[Bar]], top: int) -> int:
    """Draw it; return where it ends."""
    longest = max(bar.value for row in rows.values() for bar in row)
    parts.append(_text(0, top + 20, title, "title"))
    top += TITLE
    for name, row in rows.items():
        parts.append(_text(LEFT - 10, top + len(row) * BAR / 2 + 4, name, anchor="end"))
        for place, bar in enumerate(row):
            length = max(2.0, (WIDTH - LEFT - RIGHT) * bar.value / longest)
            y = top + place * BAR
            parts.append(_bar(bar.peer, LEFT, y, length))
            parts.append(_text(LEFT + length + 6, y + BAR - 4, number(bar.value)))
        top += len(row) * BAR + GAP
    return top


def _bar(peer: str, x: float, y: float, length: float) -> str:
    return f'<rect class="{peer}" x="{x:g}" y="{y:g}" width="{length:.1f}" height="{BAR - 2}" rx="2"/>'


def _text(x: float, y: float, what: str, kind: str = "", *, anchor: str = "start") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{style}>{escape(what)}</text>'
