"""Keeping rows of many objects that came together: those of one database in one append.

    (broker, row) or a status, for each row ──▶ keep() ──▶ a status for each, in order

A row's status is what it would have got alone, or ALONE where that takes more than an append: somebody holds
the database, or there is none and it may have to be made. HTTP is not known here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..common import metrics
from ..common.database.batch import keep_all
from ..common.database.service import translated
from ..common.errors import ApusError, Missing
from ..common.gathered_rows import ALONE
from .broker import ContainerBroker
from .rows import ObjectRow

ROWS = metrics.counter(
    "apus_gathered_rows_total", "Rows of objects that came to a container server many at a time.", "status"
)
KEPT, REMOVED = 201, 204
Judged = tuple[ContainerBroker, ObjectRow] | int


def keep(judged: Sequence[Judged]) -> list[int]:
    """Keep the rows that have a broker; on return those with a good status survive a power loss."""
    statuses = [ALONE] * len(judged)
    arrivals: dict[ContainerBroker, list[tuple[int, ObjectRow]]] = {}
    for number, each in enumerate(judged):
        if isinstance(each, int):
            statuses[number] = each
        else:
            arrivals.setdefault(each[0], []).append((number, each[1]))
    appends = {broker: [row for _, row in theirs] for broker, theirs in arrivals.items()}
    for broker, problem in keep_all(appends).items():
        for number, row in arrivals[broker]:
            statuses[number] = _status(row, problem)
    for status, count in Counter(statuses).items():
        ROWS.labels(str(status)).inc(count)
    return statuses


def _status(row: ObjectRow, problem: ApusError | None) -> int:
    if problem is None:
        return REMOVED if row.deleted else KEPT
    return ALONE if isinstance(problem, Missing) else translated(problem).status
