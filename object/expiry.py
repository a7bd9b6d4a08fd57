"""Where an object that is to expire is queued for the expirer.

    X-Delete-At, names ──▶ container and name of a row in the account .expiring_objects
    "1700000000-AUTH_a/c/o" ──parse_task()──▶ moment and names

The names are stock Swift's: a container per day, spread over a hundred by the object's hash, so that no
single one becomes hot. Seconds are ten digits, so that names sort as moments do.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..common.errors import Refused
from ..common.hashing import HashSalt
from ..common.timestamp import Timestamp

ACCOUNT = ".expiring_objects"
CONTAINERS_PER_DIVISOR = 100
DIVISOR_SECONDS = 86400
TASK_CONTENT_TYPE = "text/plain"
ASYNC_DELETE_CONTENT_TYPE = "application/async-deleted"
SECONDS_MAX = 9_999_999_999
EMPTY_ETAG = "d41d8cd98f00b204e9800998ecf8427e"


@dataclass(frozen=True, slots=True)
class Task:
    """An object that is to be deleted at a moment."""

    delete_at: int
    account: str
    container: str
    obj: str


def normalized(seconds: int) -> str:
    """Return a second as the ten digits that queue names carry."""
    return f"{min(max(0, seconds), SECONDS_MAX):010d}"


def queue_container(task: Task, salt: HashSalt, divisor_seconds: int = DIVISOR_SECONDS) -> str:
    """Return the container of the queue in which the task belongs."""
    shard = int(salt.path_hash(task.account, task.container, task.obj), 16) % CONTAINERS_PER_DIVISOR
    return normalized(task.delete_at // divisor_seconds * divisor_seconds - shard)


def queue_name(task: Task) -> str:
    """Return the name of the task's row."""
    return f"{normalized(task.delete_at)}-{task.account}/{task.container}/{task.obj}"


def parse_task(name: str) -> Task:
    """Return the task that a row's name tells; raise ValueError when it tells none."""
    digits, dash, path = name.partition("-")
    pieces = path.split("/", 2)
    if not dash or len(pieces) != 3 or not all(pieces):
        raise ValueError(f"no task: {name!r}")
    return Task(int(float(digits)), pieces[0], pieces[1], pieces[2])


def exact_moment(name: str) -> Timestamp:
    """Return the moment that a row's name tells, with its fraction where it has one."""
    return Timestamp.parse(name.partition("-")[0])


def delete_at_of(text: str | None, now_seconds: float, *, past_is_fine: bool = False) -> int:
    """Return the second an X-Delete-At header names, 0 without one.

    Raises:
        Refused: when it is no number or over already.
    """
    if not text:
        return 0
    try:
        seconds = min(max(0, int(text)), SECONDS_MAX)
    except ValueError as problem:
        raise Refused("Non-integer X-Delete-At") from problem
    if seconds <= now_seconds and not past_is_fine:
        raise Refused("X-Delete-At in past")
    return seconds
