"""Keeping rows of many objects that came together: those of one database in one append.

    (broker, row) or a status, for each row ──▶ keep() ──▶ a status for each, in order

A row's status is what it would have got alone, or ALONE where that takes more than an append: somebody holds
the database, or there is none and it may have to be made. HTTP is not known here.
"""

from __future__ import annotations

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
    arrivals: dict[ContainerBroker, list[ObjectRow]] = {}
    for each in judged:
        if not isinstance(each, int):
            arrivals.setdefault(each[0], []).append(each[1])
    outcomes = keep_all(arrivals)
    kept = {broker for broker, problem in outcomes.items() if problem is None}
    statuses = []
    for each in judged:
        if isinstance(each, int):
            statuses.append(each)
        elif each[0] in kept:
            statuses.append(REMOVED if each[1].deleted else KEPT)
        else:
            statuses.append(_refusal(outcomes.get(each[0])))
    for status in set(statuses):
        ROWS.labels(str(status)).inc(statuses.count(status))
    return statuses


def _refusal(problem: ApusError | None) -> int:
    """Return the status of a row that was not kept: None where somebody would have had to wait."""
    return ALONE if problem is None or isinstance(problem, Missing) else translated(problem).status
