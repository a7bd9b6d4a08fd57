"""The expirer's queue: the names stock Swift would use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Refused
from apus.common.hashing import HashSalt
from apus.object import expiry
from apus.object.expirer import delays
from apus.object.expiry import Task
from apus.object.replicas import Verdict, verdict

SALT = HashSalt(b"changeme", b"changeme")


@given(st.integers(0, 2**34), st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_task_comes_back(delete_at: int, obj: str) -> None:
    """A row's name tells the whole task, whatever the object is called; its moment sorts as text."""
    task = Task(min(delete_at, expiry.SECONDS_MAX), "AUTH_a", "c", obj)
    name = expiry.queue_name(task)
    assert expiry.parse_task(name) == task
    assert name[10] == "-"


def test_a_deletion_that_was_put_off_knows_its_exact_moment() -> None:
    """The name of its row has a fraction, and nothing that was written later in that second may go."""
    assert expiry.exact_moment("1700000000.12345-AUTH_a/c/o-1/x").normal == "1700000000.12345"
    assert expiry.exact_moment("1700000000-AUTH_a/c/o").normal == "1700000000.00000"


def test_the_container_is_stock_swifts() -> None:
    """A day's container, shifted back by the object's hash; the figure is stock Swift 2.38.3's."""
    task = Task(1_700_000_000, "a", "c", "o")
    shard = int(SALT.path_hash("a", "c", "o"), 16) % 100
    assert expiry.queue_container(task, SALT) == f"{1_700_000_000 // 86400 * 86400 - shard:010d}"


@pytest.mark.parametrize("name", ["", "x", "1-", "1-a/c", "1-a//o", "x-a/c/o", "-a/c/o"])
def test_other_rows_are_no_tasks(name: str) -> None:
    """What is not a moment and three names is refused."""
    with pytest.raises(ValueError):
        expiry.parse_task(name)


def test_x_delete_at_is_judged() -> None:
    """Seconds in the future, or zero for none; a replica of an expired object may be in the past."""
    assert expiry.delete_at_of(None, 5) == 0
    assert expiry.delete_at_of("6", 5) == 6
    assert expiry.delete_at_of("4", 5, past_is_fine=True) == 4
    assert expiry.delete_at_of("9" * 30, 5) == expiry.SECONDS_MAX
    for text in ("5", "-1", "x", "1.5"):
        with pytest.raises(Refused):
            expiry.delete_at_of(text, 5)


@given(st.lists(st.sampled_from([0, 204, 404, 409, 412, 500, 507]), min_size=1, max_size=5))
def test_a_majority_decides_a_deletion(statuses: list[int]) -> None:
    """Nothing is done, nor given up, on the word of a minority."""
    judged = verdict(statuses)
    done = sum(status in (204, 409) for status in statuses)
    nothing = sum(status in (404, 412) for status in statuses)
    assert (judged is Verdict.DONE) == (done * 2 > len(statuses))
    assert (judged is Verdict.NOT_THERE) == (nothing * 2 > len(statuses))


def test_delays() -> None:
    """Extra time for an account, or one of its containers, by option; malformed ones are refused."""
    found = delays({"delay_reaping_AUTH_a": "5", "delay_reaping_AUTH_a/c%20d": "7", "interval": "3"})
    assert found == {("AUTH_a", ""): 5.0, ("AUTH_a", "c d"): 7.0}
    for option, value in (
        ("delay_reaping_", "1"),
        ("delay_reaping_a/", "1"),
        ("delay_reaping_a/b/c", "1"),
        ("delay_reaping_a", "x"),
        ("delay_reaping_a", "-1"),
    ):
        with pytest.raises(Refused):
            delays({option: value})
