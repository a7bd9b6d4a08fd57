"""What a command tells while it works: bars for people, lines for pipes, JSON for scripts.

Event ──▶ Display.tell() ──▶ a line on stdout, or a JSON object a line; failures also on stderr
bytes ──▶ Display.moving() ──▶ bars on stderr, where stderr is a terminal
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from .names import shown
from .troubles import Kind, Trouble, exit_code, trouble

BAR_BYTES_MIN = 8 << 20  # A file smaller than this has come before its bar could be read.
NAME_CELLS = 34
PASSED = ("same", "skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing done, passed over or failed."""

    action: str
    container: str = ""
    object: str = ""
    path: str = ""
    bytes: int | None = None
    sent: int | None = None
    status: str = "done"
    note: str = ""
    trouble: Trouble | None = None

    def as_json(self) -> dict[str, Any]:
        """The event for scripts; what is not known is left out."""
        facts = {
            "action": self.action, "status": self.status, "container": self.container, "object": self.object,
            "path": self.path, "bytes": self.bytes, "sent_bytes": self.sent, "note": self.note,
        }  # fmt: skip
        told = {name: value for name, value in facts.items() if value not in ("", None)}
        if self.trouble:
            told["error"] = self.trouble.sentence
            told["code"] = int(self.trouble.kind)
        return told


class Display:
    """Everything a command says goes through here, from any thread."""

    def __init__(self, *, as_json: bool, verbose: int, bars: bool) -> None:
        self.as_json, self.verbose = as_json, verbose
        self._lock = threading.Lock()
        self._kinds: list[Kind] = []
        self.done: Counter[str] = Counter()
        self.done_bytes = 0
        self._total: TaskID | None = None
        self._expected = self._moved = 0
        self._files = self._files_done = 0
        self._caption = ""
        self._progress = _progress() if bars else None

    @classmethod
    def of(cls, options: Any) -> Self:
        """Make the display that the options and the terminal ask for."""
        looked_at = sys.stderr.isatty() and not (options.json or options.no_progress or options.debug)
        return cls(as_json=options.json, verbose=options.verbose, bars=looked_at and options.verbose > 0)

    @property
    def exit_code(self) -> int:
        """What the failures told so far mean."""
        return exit_code(self._kinds)

    @property
    def failures(self) -> int:
        """How many things failed."""
        return len(self._kinds)

    @property
    def has_failures(self) -> bool:
        """Whether anything failed."""
        return bool(self._kinds)

    def tell(self, event: Event) -> None:
        """Report one thing."""
        with self._lock:
            if event.trouble:
                self._kinds.append(event.trouble.kind)
            elif event.status not in PASSED:
                self.done[event.action] += 1
                self.done_bytes += event.bytes or 0
            self._files_done += 1
            if self.as_json:
                self._out(json.dumps(event.as_json()))
            elif not event.trouble and self._is_worth_a_line(event):
                self._out(_line(event))
            if event.trouble:
                self._err(_named(event.object or event.path or event.container, event.trouble.sentence))
        self._redraw()

    def failed(self, problem: BaseException, **about: Any) -> None:
        """Report a failure."""
        self.tell(Event(status="failed", trouble=trouble(problem), **about))

    def notice(self, sentence: str) -> None:
        """Say something that is no failure, on stderr."""
        if self.verbose:
            with self._lock:
                self._err(sentence)

    def say(self, text: str) -> None:
        """Print a line of the answer."""
        with self._lock:
            self._out(text)

    def record(self, value: dict[str, Any]) -> None:
        """Print one line of JSON."""
        self.say(json.dumps(value))

    def document(self, value: Any) -> None:
        """Print the answer as one JSON document."""
        self.say(json.dumps(value, indent=2, sort_keys=True))

    @contextmanager
    def working(self, caption: str) -> Iterator[None]:
        """Show bars while something moves."""
        if self._progress is None:
            yield
            return
        self._caption = caption
        with self._progress:
            self._total = self._progress.add_task(caption, total=None)
            try:
                yield
            finally:
                self._progress.remove_task(self._total)
                self._total = None

    def caption(self, caption: str) -> None:
        """Say what the bars are about from now on."""
        self._caption = caption
        self._redraw()

    def expect(self, size: int) -> None:
        """Count in one more file that will move."""
        with self._lock:
            self._expected += size
            self._files += 1
        self._redraw()

    @contextmanager
    def moving(self, name: str, size: int) -> Iterator[Callable[[int], None]]:
        """Show one file's bytes; the function given is told of each piece."""
        progress = self._progress
        if progress is None or self._total is None:
            yield lambda _count: None
            return
        task = progress.add_task(_fitted(shown(name)), total=size) if size >= BAR_BYTES_MIN else None

        def advance(count: int) -> None:
            if task is not None:
                progress.advance(task, count)
            with self._lock:
                self._moved += count
            self._redraw()

        try:
            yield advance
        finally:
            if task is not None:
                progress.remove_task(task)

    def _redraw(self) -> None:
        if self._progress is not None and self._total is not None:
            count = f" {self._files_done}/{self._files}" if self._files > 1 else ""
            self._progress.update(
                self._total, description=self._caption + count, total=self._expected, completed=self._moved
            )

    def _is_worth_a_line(self, event: Event) -> bool:
        return self.verbose > 1 or (self.verbose == 1 and event.status != "same")

    def _out(self, text: str) -> None:
        if self._progress is not None and self._total is not None and sys.stdout.isatty():
            self._progress.console.print(Text(text), soft_wrap=True)
        else:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()

    def _err(self, text: str) -> None:
        if self._progress is not None and self._total is not None:
            self._progress.console.print(Text(f"apus: {text}"), soft_wrap=True)
        else:
            sys.stderr.write(f"apus: {text}\n")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True, highlight=False),
        transient=True,
        expand=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _line(event: Event) -> str:
    name = shown(event.object or event.path or event.container)
    told = event.status if event.status != "done" else ""
    notes = ", ".join(part for part in (told, event.note) if part)
    return f"{name} [{notes}]" if notes else name


def _named(name: str, sentence: str) -> str:
    return f"{shown(name)}: {sentence}" if name and shown(name) not in sentence else sentence


def _fitted(name: str) -> str:
    return name if len(name) <= NAME_CELLS else f"…{name[1 - NAME_CELLS :]}"
