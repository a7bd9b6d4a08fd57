"""Limits are held exactly, and the refusal says which one."""

from __future__ import annotations

import pytest

from apus.common.constraints import Constraints, check_metadata, check_object_name, is_valid_name
from apus.common.errors import Refused

LIMITS = Constraints()


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ([("", "x")], "cannot be empty"),
        ([("n" * 129, "x")], "name too long"),
        ([("n", "v" * 257)], "value longer than 256"),
        ([(f"n{i}", "v") for i in range(91)], "Too many metadata items; max 90"),
        ([(f"n{i:02d}", "v" * 256) for i in range(16)], "Total metadata too large; max 4096"),
    ],
)
def test_one_beyond_a_limit_is_refused(items: list[tuple[str, str]], says: str) -> None:
    """The first value past each limit is refused with 400."""
    with pytest.raises(Refused, match=says) as refusal:
        check_metadata(items, LIMITS)
    assert refusal.value.status == 400


def test_trap_19_the_limits_themselves_are_allowed() -> None:
    """128, 256, 90 and 4096 are inside."""
    check_metadata([("n" * 128, "v" * 256)], LIMITS)
    check_metadata([(f"n{i:02d}", "v") for i in range(90)], LIMITS)
    check_metadata([(f"n{i:02d}", "v" * 253) for i in range(16)], LIMITS)


def test_names_count_bytes() -> None:
    """1024 bytes of UTF-8, not characters; NUL and surrogates are never names."""
    check_object_name("é" * 512, LIMITS)
    with pytest.raises(Refused, match="1026"):
        check_object_name("é" * 513, LIMITS)
    assert is_valid_name("ü/ \n%")
    assert not is_valid_name("a\0b")
    assert not is_valid_name("\udc80")
