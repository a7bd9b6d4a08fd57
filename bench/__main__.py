"""Apus beside a peer, measured in one run: `make bench`, `make bench PEER=rgw`, `make bench ARGS=--quick`.

    load      both stores up, one of them at rest, rounds of load by turns ─┐
    ring      rebalancing                                                   ├─▶ medians ──▶ tables, JSON,
    heal      a wiped device            rows   containers of many           │               history
    startup   and what an idle cluster uses                                ─┘

Load is measured unless other figures are named. Whatever is measured, every demand is judged by the newest
run that has its figures. A run fails only when something could not be measured.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
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

PEERS = ("stock", "stock-lean", "rgw")
FIGURES = ("ring", "heal", "rows", "startup")  # Modules of those names; only what is asked for is loaded.
LOAD_SECONDS_MAX = 14 * 60  # A round that would end later is not begun.
PLAIN_WIDTH = 180


def main() -> int:
    """Measure, print, remember."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before it was done"))  # Stores are taken down.
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
    watcher = Console(stderr=True)
    began = time.monotonic()
    unfit: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="apus-bench-")))
        status = stack.enter_context(watcher.status("starting"))

        def tell(what: str) -> None:
            said = f"{time.monotonic() - began:5.0f} s  {what}"
            if watcher.is_terminal:
                status.update(said)
            else:
                watcher.print(said, highlight=False)

        venv = Path(os.environ.get("APUS_STOCK_VENV", ROOT / ".venv-stock"))
        try:
            run = Run(folder, arguments.quick, venv, tell)
            readings = summary.medians(measure(run, arguments, unfit))
        except Unfit as error:
            watcher.print(f"{error}", style="red")
            return 1
    done = history.record(readings, rounds=arguments.rounds)
    runs = [*history.records(), done]
    for table in report.tables(readings, demands.verdicts(runs)):
        console.print(table)
    if arguments.json:
        arguments.json.write_text(done.to_json() + "\n")
    if not arguments.quick:
        history.append(done)
    for problem in unfit:
        watcher.print(f"not measured: {problem}", style="red")
    return 1 if unfit else 0


def measure(run: Run, arguments: argparse.Namespace, unfit: list[str]) -> Iterator[Reading]:
    """Yield every reading of every round of what was asked for; tell `unfit` what could not be measured."""
    for name in arguments.figures:
        if name == "load":
            yield from load(run, _peer(arguments.peer, run), arguments.rounds, unfit)
        else:
            yield from importlib.import_module(f".{name}", __package__).measure(run)


def load(run: Run, peer: Peer, rounds: int, unfit: list[str]) -> Iterator[Reading]:
    """Load both stores by turns."""
    with ExitStack() as stack:
        peers = [ours.Apus(run.folder), peer]
        for each in peers:
            run.tell(f"starting {each.title}")
            stack.callback(each.stop)
            each.start()
        pair = Pair(peers, run.tell)
        stack.callback(pair.close)
        listings = () if run.quick else workloads.LISTINGS
        if listings:
            pair.fill()
        begun = time.monotonic()
        for number in range(1, rounds + 1):
            elapsed = time.monotonic() - begun
            if elapsed * number > LOAD_SECONDS_MAX * max(1, number - 1):
                run.tell(
                    f"{rounds - number + 1} of {rounds} rounds left out: this machine is too slow for them"
                )
                break
            run.tell(f"round {number} of {rounds}: the machine")
            yield machine.loopback()
            yield machine.disk(run.folder)
            chosen = workloads.QUICK if run.quick else workloads.FULL
            yield from pair.round(number, [each for each in chosen if number <= each.rounds_max], listings)
        yield from pair.memory()
        unfit += pair.unfit


def _peer(name: str, run: Run) -> Peer:
    if name == "rgw":
        rgw: Peer = importlib.import_module(".rgw", __package__).Rgw(run.folder)
        return rgw
    if not stock.is_installed(run.stock_venv):
        raise Unfit("stock OpenStack Swift is not installed; run: make install-stock")
    return stock.Stock(run.folder, run.stock_venv, stock.LEAN if name == "stock-lean" else stock.FULL)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"of load, {', '.join(FIGURES)}")
    parser.add_argument("--peer", choices=PEERS, default="stock")
    parser.add_argument("--quick", action="store_true", help="4 KiB and 64 MiB only; not recorded")
    parser.add_argument("--rounds", type=int, default=0, help="how often each store takes its turn")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 3)
    arguments.figures = arguments.figures or ["load"]
    if unknown := set(arguments.figures) - {"load", *FIGURES}:
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
