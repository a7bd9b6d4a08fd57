"""What S3 costs: signed requests beside the same ones through the Swift API, of one store of ours.

PUT and GET of 4 KiB ──▶ windows by turns: Swift, S3, S3, Swift, … ──▶ CPU per operation of either door

A store fills, and who comes later in a round finds more in it: each door is first as often as the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from . import ours, workloads
from .client import Plan
from .load import awake, put_container, window
from .peer import Reading, Run

ROUNDS = 4  # An even number: each door is first as often as the other.
SIZE_BYTES = 4 * workloads.KIB
CONNECTIONS = 16
SECONDS = 4.0
CONTAINERS = 4
USER, SECRET = "test:tester", "testing"


def measure(run: Run) -> Iterator[Reading]:
    """Load one store through its two doors by turns."""
    store = ours.Apus(run.folder)
    with ExitStack() as stack:
        stack.callback(store.stop)
        run.tell("starting a store with two doors")
        store.start()
        for number in range(1 if run.quick else ROUNDS):
            for door in ("swift", "s3") if number % 2 == 0 else ("s3", "swift"):
                yield from _round(run, store, door, number)


def _round(run: Run, store: ours.Apus, door: str, number: int) -> Iterator[Reading]:
    with awake(store):
        endpoint = store.endpoint()
        for place in range(CONTAINERS):
            put_container(endpoint, f"{door}-{place}")
        plan = Plan(
            endpoint,
            "put",
            f"{door}-",
            CONNECTIONS,
            SECONDS,
            1 << 30,
            operations_min=2 * CONNECTIONS,
            containers=CONTAINERS,
            prefix=f"r{number}-",
            size_bytes=SIZE_BYTES,
            warm_up=10 + CONNECTIONS,
            access_key=USER if door == "s3" else "",
            secret=SECRET,
        )
        for operation in ("put", "get"):
            run.tell(f"{door}: {operation} of 4 KiB")
            outcome, reading = window(
                store, f"{door}-{operation}-4k-{CONNECTIONS}", replace(plan, operation=operation)
            )
            yield reading
            plan = replace(plan, objects=outcome.operations, operations_min=0)
