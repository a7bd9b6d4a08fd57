"""Loading two stores by turns, and what each operation cost them.

    peers, workloads ──▶ wake A, load A, rest A, wake B, load B, rest B, and again ──▶ Reading, Reading, …

The client is a process of its own; CPU is what the kernel charged to the processes of the store between
its start and a moment after its end, in which replicas that were not waited for finish. Daemons are told
apart: what they do in the background is not the operation's.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import IO

from . import ROOT, accounting
from .client import Outcome, Plan
from .peer import SERVING, Endpoint, Peer, Reading, Role, Run
from .workloads import RANGES_SECONDS, Listing, Workload, listed_names

SETTLE_SECONDS = 0.2
LISTED_CONTAINER = "listed"


class Unfit(Exception):
    """The store could not carry the load; no figure of it would mean anything."""


class Pair:
    """The stores of one run, all up, of which only the one that is measured runs."""

    def __init__(self, peers: Sequence[Peer], run: Run) -> None:
        self._peers = peers
        self._run = run
        self._endpoints = {peer.name: peer.endpoint() for peer in peers}
        for peer in peers:
            accounting.rest(peer.pids())

    def close(self) -> None:
        """Let all of them run again."""
        for peer in self._peers:
            accounting.wake(peer.pids())

    def fill(self) -> None:
        """Make the container that listings are read from."""
        for peer in self._peers:
            with awake(peer):
                self._run.tell(f"{peer.title}: a container of {len(listed_names()):,} names")
                put_container(self._endpoints[peer.name], LISTED_CONTAINER)
                peer.fill(LISTED_CONTAINER, listed_names())

    def round(
        self, number: int, workloads: Sequence[Workload], listings: Sequence[Listing]
    ) -> Iterator[Reading]:
        """Do all of it once on every store, the stores taking turns."""
        for workload in workloads:
            for peer in self._peers:
                with awake(peer):
                    yield from self._work(peer, workload, f"{workload.label}-{number}-")
        for listing in listings:
            for peer in self._peers:
                with awake(peer):
                    yield from self._list(peer, listing)

    def memory(self) -> Iterator[Reading]:
        """What each store holds in memory after the work."""
        for peer in self._peers:
            used = accounting.memory_mb(peer.pids())
            by_role = {f"memory_mb_{role}": value for role, value in used.items()}
            yield Reading("memory", peer.name, {"memory_mb": sum(used.values()), **by_role})

    def _work(self, peer: Peer, workload: Workload, prefix: str) -> Iterator[Reading]:
        endpoint = self._endpoints[peer.name]
        container = f"{workload.label}x{workload.connections}-"
        try:
            for number in range(workload.containers):
                put_container(endpoint, f"{container}{number}")
        except Unfit as error:
            self._tell_unfit(f"{peer.title}: {error}")
            return
        plan = Plan(
            endpoint,
            "put",
            container,
            workload.connections,
            workload.seconds,
            workload.operations_max,
            containers=workload.containers,
            prefix=prefix,
            folders=workload.folders,
            size_bytes=workload.size_bytes,
            range_bytes=workload.range_bytes,
            warm_up=workload.warm_up,
        )
        for operation in workload.operations:
            self._run.tell(f"{peer.title}: {workload.figure(operation)}")
            # On fewer objects than requests in flight, these would stand in each other's way.
            least = 2 * workload.connections if operation == "put" else 0
            plan = replace(plan, operation=operation, operations_min=min(least, plan.operations_max))
            if operation == "get" and workload.reads_of_each:
                plan = replace(plan, operations_max=workload.reads_of_each * plan.objects)
            elif operation == "delete":
                plan = replace(plan, operations_max=plan.objects)
            elif operation == "range":
                plan = replace(plan, operations_max=1 << 30, seconds=RANGES_SECONDS)
            outcome = yield from self._measure(peer, workload.figure(operation), plan)
            if outcome is None:
                return  # What comes after it in the workload needs what it did.
            if operation == "put":
                plan = replace(plan, objects=outcome.operations)

    def _list(self, peer: Peer, listing: Listing) -> Iterator[Reading]:
        self._run.tell(f"{peer.title}: {listing.figure}")
        plan = Plan(
            self._endpoints[peer.name],
            "list",
            LISTED_CONTAINER,
            listing.connections,
            listing.seconds,
            1 << 30,
            query=listing.query,
            items=listing.items,
            warm_up=4,
        )
        yield from self._measure(peer, listing.figure, plan)

    def _measure(self, peer: Peer, figure: str, plan: Plan) -> Generator[Reading, None, Outcome | None]:
        """Yield the figure, unless the store did not do what was asked: then say so and yield nothing."""
        try:
            outcome, reading = window(peer, figure, plan)
        except Unfit as error:
            self._tell_unfit(f"{peer.title}: {figure}: {error}")
            return None
        yield reading
        return outcome

    def _tell_unfit(self, what: str) -> None:
        self._run.unfit.append(what)
        self._run.tell(what)


def window(peer: Peer, figure: str, plan: Plan) -> tuple[Outcome, Reading]:
    """Carry out a plan, and return what became of it, with the CPU that it took.

    Raises:
        Unfit: when the store does not do what is asked.
    """
    pids = peer.pids()
    with _client() as (told, said):
        told.write(plan.to_json() + "\n")
        told.flush()
        if said.readline() != "ready\n":
            raise Unfit("the client could not warm up")
        before = accounting.cpu_seconds(pids)
        told.write("go\n")
        told.flush()
        reported = said.readline()
    if not reported:
        raise Unfit("the client failed")
    outcome = Outcome(**json.loads(reported))
    time.sleep(SETTLE_SECONDS)
    after = accounting.cpu_seconds(pids)
    if not outcome.operations or sum(outcome.errors.values()) > outcome.operations / 100:
        raise Unfit(f"{dict(outcome.errors)} beside {outcome.operations} good answers")
    return outcome, Reading(figure, peer.name, measures(outcome, before, after))


@contextmanager
def awake(peer: Peer) -> Iterator[None]:
    """Let a store work for as long as it is loaded."""
    accounting.wake(peer.pids())
    try:
        yield
    finally:
        time.sleep(SETTLE_SECONDS)
        accounting.rest(peer.pids())
        os.sync()  # What this store left to the kernel to write must not slow the other one.


@contextmanager
def _client() -> Iterator[tuple[IO[str], IO[str]]]:
    """A load client: what it is told, and what it says; it ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.client"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # A Ctrl-C is ours to answer.
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield process.stdin, process.stdout
        except BaseException:
            process.kill()  # Its load would last for a while.
            raise


def measures(outcome: Outcome, before: Mapping[Role, float], after: Mapping[Role, float]) -> dict[str, float]:
    """Return the measures of one window: rates, latencies, CPU per operation by role and in sum."""
    count = outcome.operations
    cpu = {role: 1000 * (after[role] - before[role]) / count for role in after}
    return {
        "operations": count,
        "operations_per_second": count / outcome.seconds,
        "mb_per_second": outcome.bytes_moved / outcome.seconds / 1e6,
        "p50_ms": outcome.p50_ms,
        "p95_ms": outcome.p95_ms,
        "p99_ms": outcome.p99_ms,
        "max_ms": outcome.max_ms,
        "errors": sum(outcome.errors.values()),
        "cpu_ms": sum(value for role, value in cpu.items() if role in SERVING),
        **{f"cpu_ms_{role}": value for role, value in cpu.items()},
        "client_us": outcome.client_us,
        "calibration_us": outcome.calibration_us,
    }


def put_container(endpoint: Endpoint, name: str) -> None:
    """Make a container, if it is not there.

    Raises:
        Unfit: when the store does not.
    """
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=60)
    headers = {"X-Auth-Token": endpoint.token, "Content-Length": "0"}
    try:
        connection.request("PUT", f"{endpoint.path}/{name}", headers=headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as problem:
        raise Unfit(f"PUT of container {name}: {problem!r}") from problem
    finally:
        connection.close()
    if answer.status not in (201, 202):
        raise Unfit(f"PUT of container {name}: {answer.status} {answer.reason}")
