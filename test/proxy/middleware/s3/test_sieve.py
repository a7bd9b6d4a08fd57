"""Headers that concern are found, whatever is remembered of those that do not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.sieve import KEY_CHARACTERS_MAX, KEYS_MAX, Sieve

KEYS = st.lists(st.sampled_from(["A", "B", "A1", "C", "AB", "D"]), unique=True)


@given(st.lists(KEYS, max_size=8))
def test_what_was_asked_before_changes_no_answer(environs: list[list[str]]) -> None:
    """The memory makes it quicker, and nothing else."""
    sieve = Sieve(lambda key: key.startswith("A"))
    for keys in environs:
        assert list(sieve.among(dict.fromkeys(keys))) == [key for key in keys if key.startswith("A")]


def test_clients_fancy_neither_fills_the_memory_nor_hides_what_concerns() -> None:
    """A full memory costs time; a key that concerns is found all the same, and long names are not kept."""
    sieve = Sieve(lambda key: key == "X")
    for number in range(2 * KEYS_MAX):
        assert sieve.among({f"HTTP_{number}": "", "X": ""}) == ["X"]
    assert sieve.among({"HTTP_LATE": "", "X": ""}) == ["X"]
    assert list(sieve.among({"HTTP_LATE": ""})) == []
    fresh = Sieve(lambda key: key == "X")
    fresh.among({"A" * (KEY_CHARACTERS_MAX + 1): ""})
    assert not fresh._others
