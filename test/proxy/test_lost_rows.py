"""Laws of rows that the proxy tells in the place of object servers that died."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.container_updates import dealing
from apus.proxy.lost_rows import is_plain, untold


@given(st.data(), st.integers(1, 5), st.integers(1, 5))
def test_everybody_is_told_once(data: st.DataObject, container_replicas: int, object_replicas: int) -> None:
    """Whom those that answered were to tell is left alone, whoever they were; all others are named."""
    answered = data.draw(st.sets(st.integers(0, object_replicas - 1)))
    home: Any = SimpleNamespace(primaries=[f"d{index}" for index in range(container_replicas)])
    home.replicas = container_replicas
    hands = dealing(container_replicas=container_replicas, object_replicas=object_replicas)
    told = {f"d{index}" for turn in answered for index in hands[turn]}
    lost = untold(home, answered=answered, asked=object_replicas)
    assert told.isdisjoint(lost)
    assert told.union(lost) == set(home.primaries)


@pytest.mark.parametrize(
    ("header", "plain"),
    [
        ("HTTP_X_OBJECT_META_COLOR", True),
        ("HTTP_X_OBJECT_SYSMETA_CONTAINER_UPDATE_OVERRIDE_ETAG", False),
        ("HTTP_X_BACKEND_CONTAINER_UPDATE_OVERRIDE_SIZE", False),
        ("HTTP_X_BACKEND_QUOTED_CONTAINER_PATH", False),
        ("HTTP_X_BACKEND_CONTAINER_PATH", False),
    ],
)
def test_rows_of_another_kind_are_known(header: str, plain: bool) -> None:
    """A header by which a row is not the object's own, or goes elsewhere, makes it none of the proxy's."""
    assert is_plain({"HTTP_HOST": "here", header: "1"}) is plain
