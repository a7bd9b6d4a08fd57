"""The figures of the README's first screen, drawn and written from the history.

history ──▶ chart.svg() ──▶ doc/figures/bench.svg
        └─▶ table() ──▶ between the two marks in README.md

python -m bench.front_page     (make chart)
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from . import ROOT, chart, history
from .demands import OURS
from .history import Record
from .report import number
from .summary import times_better

README = ROOT / "README.md"
CHART = ROOT / "doc" / "figures" / "bench.svg"
BEGIN, END = "<!-- figures: make chart -->\n", "<!-- end of figures -->\n"
SMALL = {
    "get-4k-16": "GET 4 KiB",
    "head-4k-16": "HEAD",
    "put-4k-16": "PUT 4 KiB × 3",
    "delete-4k-16": "DELETE",
}
LARGE = {"get-64m-2": "GET 64 MiB", "put-64m-2": "PUT 64 MiB × 3"}
LISTING = {"listing-10000": "listing of 10,000"}


def main() -> int:
    """Draw the chart and write the table."""
    runs = history.records()
    if history.newest(runs, "get-4k-16", OURS, "stock") is None:
        print("no run beside stock Swift was recorded yet; run: make bench", file=sys.stderr)
        return 1
    CHART.parent.mkdir(parents=True, exist_ok=True)
    CHART.write_text(chart.svg(runs))
    README.write_text(replaced(README.read_text(), table(runs)))
    return 0


def replaced(page: str, figures: str) -> str:
    """Return the page with other figures between its marks."""
    before, mark, rest = page.partition(BEGIN)
    assert mark, f"the page has no {BEGIN.strip()}"
    _, mark, after = rest.partition(END)
    assert mark, f"the page has no {END.strip()}"
    return f"{before}{BEGIN}{figures}{END}{after}"


def table(runs: Sequence[Record]) -> str:
    """Return the figures beside each peer that was measured, each pair from one and the same run."""
    peers = [peer for peer in ("stock", "rgw") if history.newest(runs, "get-4k-16", OURS, peer)]
    lines = [
        "| 16 connections; 64 MiB: 2 | Apus |"
        + "".join(f" {chart.NAMES[peer]} | better |" for peer in peers),
        "|---" * (2 + 2 * len(peers)) + "|",
    ]
    for figures, measure in ((SMALL, "cpu_ms"), (LARGE, "mb_per_second"), (LISTING, "cpu_ms")):
        for figure, title in figures.items():
            cells = _cells(runs, peers, figure, measure)
            if cells:
                lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cells(runs: Sequence[Record], peers: Sequence[str], figure: str, measure: str) -> list[str]:
    found = [history.newest(runs, figure, OURS, peer) for peer in peers]
    beside = [run.figures[figure] if run else {} for run in found]
    measured = [stores[OURS] for stores in beside if stores]
    if not measured:
        return []
    cells = [_cell(measured[0], measure)]
    for peer, stores in zip(peers, beside, strict=True):
        better = times_better(stores.get(OURS, {}), stores.get(peer, {}), measure)
        cells += [_cell(stores[peer], measure), f"**{number(better)} ×**"] if stores else ["", ""]
    return cells


def _cell(measures: Mapping[str, float], measure: str) -> str:
    if measure == "cpu_ms":
        return f"{number(measures['cpu_ms'])} ms CPU, {number(measures['operations_per_second'])}/s"
    return f"{number(measures[measure])} MB/s"


if __name__ == "__main__":
    sys.exit(main())
