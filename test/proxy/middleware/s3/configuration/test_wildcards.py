"""Patterns of policies."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.configuration.wildcards import matches

PIECES = st.text(alphabet="ab*?/", max_size=12)


@given(PIECES, PIECES)
def test_it_is_what_shells_do(pattern: str, text: str) -> None:
    """Stars stand for any characters, slashes too, and question marks for one."""
    assert matches(pattern, text) == fnmatch.fnmatchcase(text, pattern)


@pytest.mark.parametrize("pattern", ["*a", "*?a", "*a?", "?*a*"])
def test_trap_78_a_policy_costs_a_request_next_to_nothing(pattern: str) -> None:
    """The longest one, with the longest key."""
    begun = time.process_time()
    assert not matches(pattern * (20 * 1024 // len(pattern)) + "b", "a" * 1024)
    assert time.process_time() - begun < 1


@given(st.text(max_size=20))
def test_a_text_matches_itself_and_a_star(text: str) -> None:
    """Brackets and other signs mean nothing else."""
    assert matches(text.replace("*", "?"), text)
    assert matches("*", text)


@pytest.mark.parametrize("text", ["[ab]", "a.b", "a\nb"])
def test_nothing_else_is_special(text: str) -> None:
    """No class of characters, and a line's end is a character."""
    assert matches(text, text)
    assert not matches("a?b", "ab")


def test_many_stars_take_no_exponential_time() -> None:
    """Who writes a policy cannot keep a proxy busy with it."""
    begun = time.perf_counter()
    assert not matches("*a" * 50 + "b", "a" * 2000)
    assert time.perf_counter() - begun < 5
