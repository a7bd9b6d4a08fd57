"""Parts of what goes: which are its own, and when they are queued."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from upload_world import World

from apus.common.concurrency import sleep
from apus.proxy.middleware.s3 import spent

KEYS = st.text(st.sampled_from("ab/é"), min_size=1, max_size=6)


@given(KEYS, KEYS, st.integers(1, 10_000))
def test_only_parts_of_the_same_key_are_its_own(key: str, other: str, number: int) -> None:
    """Whatever slashes there are in it."""
    own, foreign = f"b+segments/{key}/UPLOAD/{number}", f"b/{other}"
    document = orjson.dumps([{"name": f"/{own}"}, {"name": f"/{foreign}"}, {"data": "eA=="}])
    assert spent.own_parts("b", key, document) == spent.Parts([own.partition("/")[2]], [foreign])
    if other != key:
        theirs = f"b+segments/{other}/UPLOAD/{number}"
        assert spent.own_parts("b", key, orjson.dumps([{"name": f"/{theirs}"}])).own == []


@pytest.mark.parametrize("awaited_max", [500, 0])
def test_they_are_queued_for_later(monkeypatch: pytest.MonkeyPatch, awaited_max: int) -> None:
    """As long after as the setting says; of very many the client does not wait for it."""
    monkeypatch.setattr(spent, "_AWAITED_MAX", awaited_max)
    world = World()
    world.settings["parts_kept_seconds"] = "100"
    queued: list[Any] = []
    world.app.delete_later = lambda *said: queued.append(said)
    spent.forget(world.request("DELETE", {}), ["k/U/1", "k/U/2"])
    assert len(queued) == (awaited_max > 0)
    sleep(0)
    ((account, container, names, moment),) = queued
    assert (account, container, names) == ("a", "b+segments", ["k/U/1", "k/U/2"])
    assert 90 < float(moment) - time.time() < 110
