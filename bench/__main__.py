"""Apus beside a peer, measured in one run: `make bench`, `make bench PEER=rgw`, `make bench ARGS=--quick`.

    load      both stores up, one of them at rest, rounds of load by turns ─┐
    ring      rebalancing                                                   ├─▶ medians ──▶ tables, JSON,
    heal      a wiped device            rows   containers of many           │               history
    startup   and what an idle cluster uses                                ─┤
    cloud     disks of the cloud's services                                 ─┘

Load is measured unless other figures are named. Whatever is measured, every demand is judged by the newest
run that has its figures. What cannot be measured does not stop the rest; the run then fails at its end.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from rich.console import Console

from . import ROOT, demands, history, machine, ours, report, rgw, stock, summary, workloads
from .load import Pair, Unfit
from .peer import Peer, Reading, Run

PEERS = ("stock", "stock-lean", "rgw")
FIGURES = (
    "ring",
    "heal",
    "rows",
    "startup",
    "s3",
    "cloud",
)  # Modules of those names; only what is asked for is loaded.
LOAD_SECONDS_MAX = 14 * 60  # From the first start; a round like the last that would end later is not begun.
PLAIN_WIDTH = 180
DISK = "/var/tmp"  # What is in memory only elsewhere, as /tmp may be, is no place to measure durable writes.


def main() -> int:
    """Measure, print, remember."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before it was done"))  # Stores are taken down.
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
    watcher = Console(stderr=True)
    unfit: list[str] = []
    commit = history.commit()
    try:
        readings = _measured(arguments, watcher, unfit)
    except Unfit as error:
        watcher.print(f"{error}", style="red")
        return 1
    except KeyboardInterrupt:
        watcher.print("stopped; nothing is recorded")
        return 130
    done = history.record(readings, rounds=arguments.rounds, of=commit)
    runs = [*history.records(), done]
    is_cloud = arguments.figures == ["cloud"]
    judged = demands.judged(runs, demands.CLOUD) if is_cloud else demands.verdicts(runs)
    for table in report.tables(readings, judged):
        console.print(table)
    if arguments.json:
        arguments.json.write_text(done.to_json() + "\n")
    if readings and not arguments.quick:
        history.append(done)
    for problem in unfit:
        watcher.print(f"not measured: {problem}", style="red")
    return 1 if unfit else 0


def _measured(arguments: argparse.Namespace, watcher: Console, unfit: list[str]) -> list[Reading]:
    """Return the figures asked for; however that ends, no process and no file of it is left."""
    began = time.monotonic()
    with ExitStack() as stack:
        place = os.environ.get("TMPDIR", DISK)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="apus-bench-", dir=place))
        status = stack.enter_context(watcher.status("starting"))

        def tell(what: str) -> None:
            said = f"{time.monotonic() - began:5.0f} s  {what}"
            if watcher.is_terminal:
                status.update(said)
            else:
                watcher.print(said, highlight=False)

        venv = Path(os.environ.get("APUS_STOCK_VENV", ROOT / ".venv-stock"))
        run = Run(Path(folder), arguments.quick, venv, tell, unfit)
        return summary.medians(stack.enter_context(closing(measure(run, arguments))))


def measure(run: Run, arguments: argparse.Namespace) -> Generator[Reading]:
    """Yield every reading of every round of what was asked for; what fails is told in `run.unfit`."""
    peer = _peer(arguments.peer, run) if "load" in arguments.figures else None
    if {"ring", "heal"} & {*arguments.figures}:
        _require_stock(run)
    for name in arguments.figures:
        try:
            if peer is not None and name == "load":
                yield from load(run, peer, arguments.rounds)
            else:
                yield from importlib.import_module(f".{name}", __package__).measure(run)
        except (Unfit, AssertionError, OSError, subprocess.SubprocessError) as problem:
            # The tests' own clusters assert. Whatever a figure met with, the others are not lost by it.
            run.unfit.append(f"{name}: {problem or repr(problem)}")
            run.tell(run.unfit[-1])


def load(run: Run, peer: Peer, rounds: int) -> Iterator[Reading]:
    """Load both stores by turns."""
    begun = time.monotonic()
    with ExitStack() as stack:
        peers = [ours.Apus(run.folder), peer]
        for each in peers:
            run.tell(f"starting {each.title}")
            stack.callback(each.stop)
            each.start()
        pair = Pair(peers, run)
        stack.callback(pair.close)
        listings = () if run.quick else workloads.LISTINGS
        if listings:
            pair.fill()
        ended, lasted = time.monotonic(), 0.0
        for number in range(1, rounds + 1):
            if ended + lasted > begun + LOAD_SECONDS_MAX:
                left = rounds - number + 1
                run.tell(f"{left} of {rounds} rounds left out: this machine is too slow for them")
                break
            run.tell(f"round {number} of {rounds}: the machine")
            yield machine.loopback()
            yield machine.disk(run.folder)
            chosen = workloads.QUICK if run.quick else workloads.FULL
            yield from pair.round(number, [each for each in chosen if number <= each.rounds_max], listings)
            lasted, ended = time.monotonic() - ended, time.monotonic()
        yield from pair.memory()


def _peer(name: str, run: Run) -> Peer:
    if name == "rgw":
        return rgw.Rgw(run.folder)
    _require_stock(run)
    return stock.Stock(run.folder, run.stock_venv, stock.LEAN if name == "stock-lean" else stock.FULL)


def _require_stock(run: Run) -> None:
    if not stock.is_installed(run.stock_venv):
        raise Unfit("stock OpenStack Swift is not installed; run: make install-stock")


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
