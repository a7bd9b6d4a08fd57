"""Workers see each other's numbers, and what died has nothing under way."""

from __future__ import annotations

import os
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from apus.common.shared_board import DONE, OPEN, Board


def in_child(board: Board, work: Callable[[], None]) -> None:
    """Do something in a forked worker, which then dies."""
    board.before_fork()
    pid = os.fork()
    if pid == 0:
        try:
            board.after_fork()
            work()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def test_workers_see_each_others_numbers() -> None:
    """Those of the one before them and of the one that forked them."""
    board = Board()
    board.add("a", DONE, 1, 1)
    in_child(board, lambda: board.add("a", DONE, 10, 2))
    assert board.sums("a", DONE) == (11, 3)
    assert board.sums("b", DONE) == (0, 0)


def test_what_a_dead_worker_had_open_is_forgotten_by_its_successor() -> None:
    """What it had done stays done."""
    board = Board()

    def die_in_the_middle() -> None:
        board.add("a", OPEN, 5, 1)
        board.add("a", DONE, 7, 1)

    in_child(board, die_in_the_middle)
    assert board.sums("a", OPEN) == (5, 1)
    in_child(board, lambda: board.add("a", OPEN, 2, 1))
    assert board.sums("a", OPEN) == (2, 1)
    assert board.sums("a", DONE) == (7, 1)


@given(st.lists(st.tuples(st.sampled_from("abc\udc80é"), st.integers(-(2**40), 2**40), st.integers(-9, 9))))
def test_numbers_are_added_by_topic(steps: list[tuple[str, int, int]]) -> None:
    """Each topic has its own sum, whatever its name."""
    board = Board()
    for topic, first, second in steps:
        board.add(topic, OPEN, first, second)
    for topic in "abc\udc80é":
        mine = [(first, second) for name, first, second in steps if name == topic]
        assert board.sums(topic, OPEN) == (sum(f for f, _ in mine), sum(s for _, s in mine))
