"""The checker of histories, on histories whose verdict is plain."""

from __future__ import annotations

import pytest
from linearizability import ABSENT, Operation, Told, explained

DONE, REFUSED, NOTHING = Told.DONE, Told.REFUSED, Told.NOTHING


@pytest.mark.parametrize(
    ("history", "is_right"),
    [
        ([Operation(0, 1, ABSENT, "a", DONE), Operation(2, 3, "a", "b", DONE)], True),
        ([Operation(0, 1, ABSENT, "a", DONE), Operation(2, 3, ABSENT, "b", DONE)], False),
        ([Operation(0, 9, ABSENT, "a", DONE), Operation(1, 8, ABSENT, "b", DONE)], False),
        ([Operation(0, 9, ABSENT, "a", DONE), Operation(1, 8, ABSENT, "b", REFUSED)], True),
        ([Operation(0, 1, ABSENT, "a", REFUSED)], False),
        ([Operation(0, 1, ABSENT, "a", NOTHING), Operation(2, 3, ABSENT, "b", DONE)], True),
        ([Operation(0, 1, ABSENT, "a", NOTHING), Operation(2, 3, ABSENT, "b", REFUSED, "a")], True),
        ([Operation(0, 1, ABSENT, "a", NOTHING), Operation(2, 3, ABSENT, "b", REFUSED, "c")], False),
        (
            [
                Operation(0, 1, ABSENT, "a", DONE),
                Operation(2, 3, "a", "b", NOTHING),
                Operation(4, 5, "a", "c", DONE),
                Operation(6, 7, "b", "d", DONE),
            ],
            False,
        ),
        (
            [
                Operation(0, 1, ABSENT, "a", DONE),
                Operation(2, 3, "a", "b", NOTHING),
                Operation(4, 5, "a", "c", REFUSED),
                Operation(6, 7, "b", None, DONE),
                Operation(8, 9, ABSENT, "e", DONE),
            ],
            True,
        ),
        ([Operation(0, 1, ABSENT, "a", DONE), Operation(2, 3, "a", "b", Told.NOT_DONE)], True),
    ],
)
def test_a_history_is_judged(history: list[Operation], is_right: bool) -> None:
    """Right if some order explains it in which nothing comes before what had ended when it began."""
    assert explained(history) is is_right


def test_what_was_there_before_counts() -> None:
    """A history may begin with an object."""
    assert explained([Operation(0, 1, "old", "a", DONE)], "old")
    assert not explained([Operation(0, 1, ABSENT, "a", DONE)], "old")
