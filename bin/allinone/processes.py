"""Starting, finding and ending the processes of the cluster.

    services ──▶ start() ──▶ nursery forks them ──▶ ready when every server says that it serves
             ──▶ stop() (asks, then insists), kill() (SIGKILL at once), run() (daemons to their end)

A process is found by its pid file and start time (identity.py). It knows nothing of rings and confs.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ...common.errors import ApusError
from .identity import Identity, await_end, family
from .layout import BLOCK_SERVER, COMPUTE_AGENT, CONSOLES, SERVERS, Layout, Service
from .order import ROOM_FOR_TITLE, Birth, Order
from .ports import is_free, owner

START_TIMEOUT_SECONDS = 180
STOP_TIMEOUT_SECONDS = 10
NATIVE = (BLOCK_SERVER, COMPUTE_AGENT, CONSOLES)
"""They have real threads: what green ones need of the standard library must not be in their parent."""


class StartFailed(ApusError):
    """A process did not come up; the message says which and what it said last."""


def running(services: Iterable[Service]) -> dict[Service, Identity]:
    """The services that live, with their processes."""
    found = ((service, Identity.from_file(service.pid_file)) for service in services)
    return {service: identity for service, identity in found if identity is not None}


def live_nodes(layout: Layout) -> Iterator[str]:
    """The names of the nodes whose servers all run."""
    for node in layout.nodes:
        servers = [service for service in layout.services_of(node) if service.role in SERVERS]
        if len(running(servers)) == len(servers):
            yield node.name


def start(services: Sequence[Service], *, ip_of: dict[str, str]) -> None:
    """Start what does not run yet and return when every server among it answers.

    Args:
        services: those to start; those that run already are left alone.
        ip_of: the address on which the servers of a place ("proxy", "node1") listen.

    Raises:
        StartFailed: when a port is taken or a process has ended again.
    """
    alive = running(services)
    missing = [service for service in services if service not in alive]
    if not missing:
        return
    for service in missing:
        if service.port and not is_free(ip_of[service.place], service.port):
            raise StartFailed(
                f"port {service.port} for {service.place}'s {service.role} is taken by "
                f"{owner(service.port)}; stop that, or set APUS_PORT and APUS_HOME to start elsewhere"
            )
    patched = [service for service in missing if service.role not in NATIVE]
    native = [service for service in missing if service.role in NATIVE]
    answers = _nursery("start", patched, []) if patched else []
    answers += _nursery("start", native, []) if native else []
    for service, answer in zip([*patched, *native], answers, strict=True):
        if not answer["ready"] or Identity.from_file(service.pid_file) is None:
            raise StartFailed(
                f"{service.place}'s {service.role} ended at once; {service.log} ends:\n{last_words(service)}"
            )


def run(service_groups: Sequence[Sequence[Service]], arguments: Sequence[str]) -> list[tuple[Service, int]]:
    """Run each daemon in the foreground to its end, one after the other; return the exit statuses."""
    flat = [service for group in service_groups for service in group]
    answers = _nursery("run", flat, arguments) if flat else []
    return [(service, int(answer["status"])) for service, answer in zip(flat, answers, strict=True)]


def stop(services: Iterable[Service], patience_seconds: float = STOP_TIMEOUT_SECONDS) -> int:
    """Ask them to end, insist after a while, return how many ran."""
    return _end(services, signal.SIGTERM, patience_seconds)


def kill(services: Iterable[Service]) -> int:
    """End them as a power cut would, return how many ran."""
    return _end(services, signal.SIGKILL)


def last_words(service: Service, lines: int = 6) -> str:
    """The end of the service's log."""
    try:
        text = service.log.read_text(errors="replace").rstrip()
    except OSError:
        return "(it wrote no log)"
    return "\n".join(text.splitlines()[-lines:]) or "(its log is empty)"


def _end(
    services: Iterable[Service], number: signal.Signals, patience_seconds: float = STOP_TIMEOUT_SECONDS
) -> int:
    leaders = running(services)
    everyone = family(leaders.values())
    for identity in everyone if number is signal.SIGKILL else leaders.values():
        identity.signal(number)
    for stubborn in await_end(everyone, patience_seconds):
        stubborn.signal(signal.SIGKILL)
    await_end(everyone, STOP_TIMEOUT_SECONDS)
    for service in leaders:
        service.pid_file.unlink(missing_ok=True)
    return len(leaders)


def _nursery(mode: str, services: Sequence[Service], arguments: Sequence[str]) -> list[dict[str, Any]]:
    births = [
        Birth(
            module=service.module,
            argv=[f"apus-{service.role}", str(service.conf), *arguments],
            log=str(service.log),
            pid_file=str(service.pid_file),
            announces=mode == "start" and service.port is not None,
        )
        for service in services
    ]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "apus.bin.allinone.nursery", ROOM_FOR_TITLE],
            input=json.dumps(Order(mode=mode, services=births)),
            capture_output=True,
            text=True,
            check=False,
            timeout=START_TIMEOUT_SECONDS if mode == "start" else None,
        )
    except subprocess.TimeoutExpired as problem:
        raise StartFailed(f"not every server was ready after {START_TIMEOUT_SECONDS} s") from problem
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(services):
        raise StartFailed(f"processes could not be started: {done.stderr.strip()[-2000:]}")
    return answers
