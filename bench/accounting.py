"""What processes have used: CPU seconds and memory by role, descendants included.

    {role: pids}, /proc ──▶ cpu_seconds(), memory_mb()     rest(), wake(): nothing of them runs meanwhile

The kernel is asked once before and once after a load; the difference is the load's. A process that ended in
between is charged to its parent, as the kernel does with children that were waited for.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .peer import Role

TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """One line of the process table."""

    parent: int
    cpu_seconds: float  # User and system time, its own and that of its children who are gone.


def table() -> dict[int, Process]:
    """Return all processes of this machine."""
    processes = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                processes[int(entry)] = parse(Path(f"/proc/{entry}/stat").read_text())
            except OSError:
                continue  # It ended while we read.
    return processes


def parse(stat: str) -> Process:
    """Read /proc/PID/stat; the command's name in it may hold blanks and parentheses."""
    fields = stat[stat.rindex(")") + 2 :].split()
    return Process(int(fields[1]), sum(map(int, fields[11:15])) * TICK_SECONDS)


def families(processes: Mapping[int, Process], roots: Mapping[Role, Sequence[int]]) -> dict[Role, list[int]]:
    """Return for each role its living processes and their descendants; a root belongs to its own role."""
    named = {pid for pids in roots.values() for pid in pids}
    children: dict[int, list[int]] = {}
    for pid, process in processes.items():
        children.setdefault(process.parent, []).append(pid)
    found: dict[Role, list[int]] = {}
    for role, pids in roots.items():
        waiting, members = [pid for pid in pids if pid in processes], []
        while waiting:
            pid = waiting.pop()
            members.append(pid)
            waiting += [child for child in children.get(pid, ()) if child not in named]
        found[role] = members
    return found


def cpu_seconds(roots: Mapping[Role, Sequence[int]]) -> dict[Role, float]:
    """Return the CPU time that each role has used so far."""
    processes = table()
    return {
        role: sum(processes[pid].cpu_seconds for pid in pids)
        for role, pids in families(processes, roots).items()
    }


def memory_mb(roots: Mapping[Role, Sequence[int]]) -> dict[Role, float]:
    """Return the memory of each role; what processes share is divided among them (PSS)."""
    return {role: sum(map(_pss_mb, pids)) for role, pids in families(table(), roots).items()}


def _pss_mb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def rest(roots: Mapping[Role, Sequence[int]]) -> None:
    """Stop every process where it is, so that a store that is not measured takes nothing from one that is."""
    _signal(roots, signal.SIGSTOP)


def wake(roots: Mapping[Role, Sequence[int]]) -> None:
    """Let them go on."""
    _signal(roots, signal.SIGCONT)


def _signal(roots: Mapping[Role, Sequence[int]], number: signal.Signals) -> None:
    for role, pids in families(table(), roots).items():
        if role is Role.COMMITS:
            continue  # It does nothing unasked, and a store that is not in this run may need it.
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
