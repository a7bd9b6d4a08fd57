"""Laws of worker processes that need no server; the others are in http/test_service.py."""

from __future__ import annotations

import os

import pytest

from apus.common.errors import Refused
from apus.common.workers import worker_count


@pytest.mark.parametrize(("text", "count"), [("0", 0), ("1", 1), (" 12 ", 12)])
def test_a_number_of_workers_is_that_number(text: str, count: int) -> None:
    """Blanks around it do not matter."""
    assert worker_count(text) == count


def test_auto_is_one_for_each_core_that_we_may_use() -> None:
    """In any case of letters."""
    assert worker_count("auto") == worker_count("Auto") == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("text", ["", "-1", "many", "1.5"])
def test_other_numbers_of_workers_are_refused(text: str) -> None:
    """With the option's name in the sentence."""
    with pytest.raises(Refused, match="workers"):
        worker_count(text)
