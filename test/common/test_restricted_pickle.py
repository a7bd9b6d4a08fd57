"""A pickle from outside can at worst be refused."""

from __future__ import annotations

import os
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.common.errors import Corrupt
from apus.common.restricted_pickle import dumps, loads

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
PLAIN = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner)
)


class Bomb:
    """Runs a command when a careless reader loads it."""

    def __reduce__(self) -> Any:
        return os.system, ("echo loaded",)


@given(PLAIN)
def test_plain_values_round_trip(value: Any) -> None:
    """Containers and scalars come back as they were written, in stock's protocol."""
    assert loads(dumps(value)) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_named_callable_is_refused(protocol: int) -> None:
    """No name is resolved that the caller did not list."""
    with pytest.raises(Corrupt, match="not allowed"):
        loads(pickle.dumps(Bomb(), protocol=protocol))


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_plain(data: bytes) -> None:
    """Whatever the bytes, the answer is a plain value or Corrupt."""
    try:
        value = loads(data)
    except Corrupt:
        return
    assert isinstance(
        value, (type(None), bool, int, float, str, bytes, bytearray, list, tuple, dict, set, frozenset)
    )
