"""One change of an object at a time."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest
from keeping_store import KeepingStore
from one_request import environ_for

from apus.common.errors import Unavailable
from apus.proxy.middleware.s3.configuration import turns
from apus.proxy.middleware.s3.configuration.turns import Turn


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for real."""
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(turns, "sleep", lambda _: None)


def taken(store: KeepingStore, path: str = "/v1/a/c/k") -> AbstractContextManager[Turn]:
    """Return the turn of an object, to be entered."""
    return turns.taken(environ_for("POST", path), store, path)


def test_a_turn_is_one_persons() -> None:
    """Until it is given back; other objects have turns of their own."""
    store = KeepingStore()
    with taken(store):
        with pytest.raises(Unavailable), taken(store):
            raise AssertionError
        with taken(store, "/v1/a/c/other"):
            pass
    with taken(store):
        pass
    assert not store.objects


def test_it_is_given_back_after_a_failure() -> None:
    """What went wrong with one change keeps nobody from the next."""
    store = KeepingStore()
    with pytest.raises(ZeroDivisionError), taken(store):
        raise ZeroDivisionError
    assert not store.objects


def test_the_turn_of_who_died_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else has it then; and who was only slow begins nothing any more, and gives nothing back."""
    store = KeepingStore()
    with taken(store) as slow:
        monkeypatch.setattr(turns, "LEASE_SECONDS", 0.0)
        with taken(store) as next_one:
            assert next_one.moment > slow.moment
        with pytest.raises(Unavailable):
            slow.require()
    assert len(store.objects) == 1


def test_in_doubt_nobody_has_it() -> None:
    """Neither where the store fails, nor where it cannot say who has it."""
    store = KeepingStore()
    with taken(store):
        (container, name) = next(iter(store.objects))
        path = f"/v1/{turns.ACCOUNT}/{container}/{name}"
        for method in ("HEAD", "PUT"):
            store.failing = {(method, path): 503}
            with pytest.raises(Unavailable), taken(store):
                raise AssertionError
        store.failing = {}
