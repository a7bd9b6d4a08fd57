"""Makes a host what it shall be, and remembers what it has made.

    Layout ──▶ Host.become() ──▶ journal (what may exist from now on) ──▶ commands ──▶ journal (what exists)

A kill at any moment leaves things that the journal names, so the next pass finishes or removes them. A
command that fails does not keep the others from being run: one project's wrong route is not another's outage.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import orjson

from ....common.errors import Unavailable
from .dhcp import DhcpSettings
from .layout import HostSettings, Layout, layout
from .observation import observe, run
from .programs import Programs
from .steps import Known, known_after, known_meanwhile, steps
from .wanted import Wanted

log = logging.getLogger(__name__)

Run = Callable[[tuple[str, ...], str], str]


class Host:
    """This host's bridges, namespaces, rules and programs."""

    def __init__(self, folder: Path, run: Run = run) -> None:
        self._run = run
        self._journal = folder / "made.json"
        self._programs = Programs(folder / "dhcp")
        folder.mkdir(parents=True, exist_ok=True)

    def become(self, wanted: Layout) -> bool:
        """Do what is left to do; return whether all of it could be done.

        Raises:
            Unavailable: the host can't even be looked at.
        """
        known = self._known()
        self._programs.stop_others(wanted.services)
        observed = observe([*wanted.spaces, *known.spaces], wanted.table)
        todo = steps(wanted, observed, known)
        meanwhile = known_meanwhile(wanted, known)
        if meanwhile != known:
            self._remember(meanwhile)
        failed = 0
        for command in todo:
            try:
                self._run(command.words, command.text)
            except Unavailable as problem:
                failed += 1
                log.warning("a step failed", extra={"problem": str(problem)[:2000]})
        failed += self._programs.keep(wanted.services)
        if not failed:
            after = known_after(wanted)
            if after != meanwhile:
                self._remember(after)
        if todo:
            log.info("host changed", extra={"steps": len(todo), "failed": failed})
        return not failed

    def clear(self, table: str) -> None:
        """Remove all that was ever made here; the agent must not run.

        Raises:
            Unavailable: some of it could not be removed; what is left is still in the journal.
        """
        if not self._journal.exists():
            return
        if not self.become(layout(Wanted(), HostSettings("", DhcpSettings(""), table=table))):
            raise Unavailable("not all of the host's networks could be removed; the log says which")
        # What the rules of no port left: the table's frame.
        self._run(("nft", "-f", "-"), f"add table bridge {table}\ndelete table bridge {table}\n")
        self._journal.unlink()

    def _known(self) -> Known:
        try:
            document = orjson.loads(self._journal.read_bytes())
        except FileNotFoundError:
            return Known()
        return Known(
            spaces=frozenset(document["spaces"]),
            devices=frozenset(document["devices"]),
            tables=document["tables"],
            firewall=document["firewall"],
        )

    def _remember(self, known: Known) -> None:
        """Write it beside the old one and put it in its place: a kill leaves one of the two."""
        document = {
            "spaces": sorted(known.spaces),
            "devices": sorted(known.devices),
            "tables": dict(known.tables),
            "firewall": dict(known.firewall),
        }
        beside = self._journal.with_suffix(".new")
        with open(beside, "wb") as file:
            file.write(orjson.dumps(document))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self._journal)
