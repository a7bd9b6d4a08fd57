"""All runs that were ever recorded, one line of JSON each, in the repository.

    readings ──▶ record() ──▶ Record ──▶ history.jsonl ──▶ records()

A line tells when, of which commit, on how large a machine, and every measure; never whose machine or where.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from . import ROOT, machine
from .peer import Reading

FILE = Path(__file__).with_name("history.jsonl")


@dataclass(frozen=True, slots=True)
class Record:
    """One run; `rounds` is how often each store was to take its turn under load."""

    date: str
    commit: str
    rounds: int
    machine: Mapping[str, str | int]
    figures: Mapping[str, Mapping[str, Mapping[str, float]]]  # figure → peer → measure → value

    def readings(self) -> list[Reading]:
        """The figures as they were measured."""
        return [
            Reading(figure, peer, measures)
            for figure, peers in self.figures.items()
            for peer, measures in peers.items()
        ]

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), separators=(",", ":"))


def record(readings: Iterable[Reading], *, rounds: int, of: str) -> Record:
    """Return the run of that commit that has just ended."""
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for reading in readings:
        rounded = {name: float(f"{value:.4g}") for name, value in reading.measures.items()}
        figures.setdefault(reading.figure, {})[reading.peer] = rounded
    date = dt.datetime.now(dt.UTC).isoformat(timespec="minutes")
    return Record(date, of, rounds, machine.facts(), figures)


def append(run: Record, file: Path = FILE) -> None:
    """Add the run."""
    with file.open("a") as history:
        history.write(run.to_json() + "\n")


def records(file: Path = FILE) -> list[Record]:
    """Return all runs, oldest first."""
    if not file.exists():
        return []
    return [Record(**json.loads(line)) for line in file.read_text().splitlines()]


def newest(runs: Sequence[Record], figure: str, *peers: str) -> Record | None:
    """Return the last run that measured the figure for all those peers."""
    return next((run for run in reversed(runs) if run.figures.get(figure, {}).keys() >= {*peers}), None)


def commit() -> str:
    """Name what is measured, with a plus sign where something was changed and not committed."""
    name = _git("rev-parse", "--short", "HEAD")
    return f"{name}+" if _git("status", "--porcelain", "--untracked-files=no") else name


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
