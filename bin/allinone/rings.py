"""The three rings of an all-in-one cluster, made with apus-ring-builder as an operator would.

    Layout ──▶ create() ──▶ etc/{account,container,object}.{builder,ring.gz}
    Node   ──▶ add(), drain(), remove() ──▶ rebalanced rings, distributed by an atomic rename

All processes of the cluster read the rings from one folder, and notice by themselves that one changed.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

from ...common.errors import ApusError
from .layout import KINDS, Layout, Node

PART_POWER = 8  # 256 partitions: plenty for a few dozen devices, and a pass over them is quick.
_MIN_PART_HOURS = 1
_WEIGHT = 100
_SEED = 1
_DONE, _NOTHING_CHANGED = 0, 1


class RingTrouble(ApusError):
    """apus-ring-builder refused; the message is its own."""


def create(layout: Layout) -> None:
    """Make the rings of a new cluster."""
    layout.etc.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        (layout.etc / f"{kind}.builder").unlink(missing_ok=True)  # Of an `up` that did not get far.
        _build(layout, kind, "create", PART_POWER, layout.replicas, _MIN_PART_HOURS)
        for node in layout.nodes:
            _build(layout, kind, "add", _address(node, kind), _WEIGHT)
        _rebalance(layout, kind)


def add(layout: Layout, node: Node) -> None:
    """Give the node's device its share of the partitions, and keep as many copies as there are nodes for."""
    for kind in KINDS:
        _build(layout, kind, "set_replicas", layout.replicas)
    _change(layout, lambda kind: ("add", _address(node, kind), _WEIGHT))


def drain(layout: Layout, node: Node) -> None:
    """Take the partitions from the node's device while it still serves what it holds."""
    _change(layout, lambda kind: ("set_weight", _search(node, kind), 0))


def remove(layout: Layout, node: Node) -> None:
    """Forget the node's device."""
    _change(layout, lambda kind: ("remove", _search(node, kind)))


def _change(layout: Layout, words: Callable[[str], tuple[object, ...]]) -> None:
    for kind in KINDS:
        _build(layout, kind, *words(kind))
        _build(layout, kind, "pretend_min_part_hours_passed")
        _rebalance(layout, kind)


def _rebalance(layout: Layout, kind: str) -> None:
    _build(layout, kind, "rebalance", "--seed", _SEED)


def _address(node: Node, kind: str) -> str:
    return f"r1z{node.number}-127.0.0.1:{node.port(kind)}/{node.device}"


def _search(node: Node, kind: str) -> str:
    return f"127.0.0.1:{node.port(kind)}/{node.device}"


def _build(layout: Layout, kind: str, *words: object) -> None:
    from ...ring.console.program import run  # numpy comes with it, which no other command of ours needs

    builder: Path = layout.etc / f"{kind}.builder"
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run([str(builder), *map(str, words)])
    if code not in (_DONE, _NOTHING_CHANGED):
        raise RingTrouble(
            f"apus-ring-builder {builder} {' '.join(map(str, words))}: {said.getvalue().strip()}"
        )
