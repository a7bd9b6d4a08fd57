"""What the store's own API may do where S3's promises hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from keeping_store import KeepingStore
from one_request import Environ, ask

from apus.common.http.answer import Answer
from apus.proxy.authorization import RULING
from apus.proxy.middleware.s3.configuration import acl, documents, locks
from apus.proxy.middleware.s3.configuration.judging import Judge
from apus.proxy.middleware.s3.configuration.other_door import OtherDoor

LOCKS = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
HELD = {name: value for name, value in locks.kept(locks.Lock(is_held=True)).items() if value}
LIST = {acl.OF_OBJECT: acl.kept(acl.canned("public-read", "a"), "a")}


def world(**said: str) -> KeepingStore:
    """A store with a bucket c that has locks, one l with lists, and one d of neither kind; a k in each."""
    store = KeepingStore()
    marks = {
        "c": documents.packed("object-lock", LOCKS, {}),
        "l": {"X-Container-Sysmeta-S3api-Object-Acl": "yes"},
    }
    for name in ("c", "d", "l", "c+segments"):
        assert ask(store, "PUT", f"/v1/a/{name}", headers=marks.get(name, {})).status == 201
        reply = ask(store, "PUT", f"/v1/a/{name}/k", headers=said, environ={"CONTENT_LENGTH": "0"})
        assert reply.status == 201
    return store


def status(store: KeepingStore, method: str, path: str, query: str = "", **headers: str) -> int:
    """Return the status of a request of the store's own API, by its owner."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    environ = {RULING: Judge(store), "QUERY_STRING": query, "CONTENT_LENGTH": "0"}
    return ask(OtherDoor(store), method, path, headers=said, environ=environ).status


@pytest.mark.parametrize("name", ["c", "d"])
def test_the_stores_own_api(name: str) -> None:
    """What would delete or change a locked version is refused, and nothing else; other buckets are as ever."""
    store = world(**HELD)
    is_locked = name == "c"
    path = f"/v1/a/{name}/k"
    assert status(store, "POST", path, X_Object_Meta_A="b") == (403 if is_locked else 202)
    assert status(store, "POST", f"/v1/a/{name}", X_Versions_Enabled="false") == (403 if is_locked else 204)
    assert status(store, "POST", f"/v1/a/{name}", X_Versions_Enabled="true") == 204
    assert status(store, "DELETE", path, "version-id=1") == (403 if is_locked else 204)
    assert status(store, "PUT", path) == 201
    assert status(store, "DELETE", path) == 204


def test_parts_of_large_objects_are_data() -> None:
    """Nobody removes them from under an object."""
    store = world()
    assert status(store, "DELETE", "/v1/a/c+segments/k") == 403
    assert status(store, "PUT", "/v1/a/c+segments/k") == 403


def test_what_is_not_locked_goes() -> None:
    """The bucket alone locks nothing."""
    store = world()
    assert status(store, "POST", "/v1/a/c/k") == 202
    assert status(store, "DELETE", "/v1/a/c/k", "version-id=1") == 204


def test_in_doubt_it_stays() -> None:
    """While nobody can be asked, nothing is deleted."""
    store = world()
    store.failing["HEAD", "/v1/a/c/k"] = 503
    assert status(store, "DELETE", "/v1/a/c/k", "version-id=1") == 503


def test_an_answer_that_is_its_own_work_is_looked_at_before() -> None:
    """As the deletion of a large object with its segments, which asks for leave while it is told."""
    store = world(**HELD)

    class Lazy:
        """A store that deletes while its answer is read."""

        app = store

        def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
            """Answer at once, and work later."""
            if environ["REQUEST_METHOD"] != "DELETE":
                return store(environ, start_response)
            start_response("200 OK", [])
            return (piece for _ in range(1) for piece in store(environ, lambda *_: None))

    environ = {RULING: Judge(store), "QUERY_STRING": "version-id=1", "CONTENT_LENGTH": "0"}
    assert ask(OtherDoor(Lazy()), "DELETE", "/v1/a/c/k", environ=environ).status == 403
    assert ("c", "k") in store.objects


def test_who_may_not_takes_nobodys_turn() -> None:
    """And learns nothing of locks."""
    store = world(**HELD)
    store.seen.clear()
    environ = {
        RULING: Judge(store),
        "apus.authorize": lambda _: Answer(401),
        "QUERY_STRING": "version-id=1",
        "CONTENT_LENGTH": "0",
    }
    assert ask(OtherDoor(store), "DELETE", "/v1/a/c/k", environ=environ).status == 401
    assert {method for method, _ in store.seen} == {"DELETE"}


def test_plain_requests_ask_nobody() -> None:
    """It costs a client without locks and lists no request."""
    store = world()
    for method, path in (("GET", "c/k"), ("PUT", "c/k"), ("DELETE", "c/k"), ("POST", "d/k")):
        store.seen.clear()
        status(store, method, f"/v1/a/{path}")
        assert len(store.seen) == 1, (method, path)


def test_a_post_leaves_lists_as_they_are() -> None:
    """Which a POST of the store's own API does not say."""
    store = world(**LIST)
    assert status(store, "POST", "/v1/a/l/k", X_Object_Meta_A="b") == 202
    headers = store.objects["l", "k"].headers
    assert headers["x-object-meta-a"] == "b"
    assert headers[acl.OF_OBJECT] == LIST[acl.OF_OBJECT]
