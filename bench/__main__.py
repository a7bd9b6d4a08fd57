"""Apus beside a peer, measured in one run: `make bench`, `make bench ARGS=--quick`.

    both stores up, one of them at rest ──▶ rounds of load by turns ──▶ medians ──▶ tables, JSON, history

A run says which demands were met; it fails only when a store could not be measured.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from . import ROOT, demands, history, machine, ours, report, stock, summary, workloads
from .load import Pair, Unfit
from .peer import Peer, Reading, Run

PEERS = ("stock", "stock-lean")
PLAIN_WIDTH = 180


def main() -> int:
    """Measure, print, remember."""
    arguments = _arguments()
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
    watcher = Console(stderr=True)
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="apus-bench-")))
        status = stack.enter_context(watcher.status("starting"))

        def tell(what: str) -> None:
            said = f"{time.monotonic() - began:5.0f} s  {what}"
            status.update(said) if watcher.is_terminal else watcher.print(said, highlight=False)

        venv = Path(os.environ.get("APUS_STOCK_VENV", ROOT / ".venv-stock"))
        run = Run(folder, arguments.quick, venv, tell)
        try:
            readings = summary.medians(measure(run, arguments.peer, arguments.rounds))
        except Unfit as error:
            watcher.print(f"{error}", style="red")
            return 1
    for table in report.tables(readings, demands.verdicts(readings)):
        console.print(table)
    done = history.record(readings, peer=arguments.peer, rounds=arguments.rounds)
    if arguments.json:
        arguments.json.write_text(done.to_json() + "\n")
    if not arguments.quick:
        history.append(done)
    return 0


def measure(run: Run, peer: str, rounds: int) -> Iterator[Reading]:
    """Yield every reading of every round."""
    with ExitStack() as stack:
        peers = []
        for each in (ours.Apus(run.folder), _peer(peer, run)):
            run.tell(f"starting {each.title}")
            stack.callback(each.stop)
            each.start()
            peers.append(each)
        pair = Pair(peers, run.tell)
        stack.callback(pair.close)
        listings = () if run.quick else workloads.LISTINGS
        if listings:
            pair.fill()
        for number in range(1, rounds + 1):
            run.tell(f"round {number} of {rounds}: the machine")
            yield machine.loopback()
            yield machine.disk(run.folder)
            chosen = workloads.QUICK if run.quick else workloads.FULL
            yield from pair.round(number, chosen, listings)
        yield from pair.memory()


def _peer(name: str, run: Run) -> Peer:
    if not stock.is_installed(run.stock_venv):
        raise Unfit("stock OpenStack Swift is not installed; run: make install-stock")
    return stock.Stock(run.folder, run.stock_venv, stock.LEAN if name == "stock-lean" else stock.FULL)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", choices=PEERS, default="stock")
    parser.add_argument("--quick", action="store_true", help="4 KiB and 64 MiB only; not recorded")
    parser.add_argument("--rounds", type=int, default=0, help="how often each store takes its turn")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 3)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
