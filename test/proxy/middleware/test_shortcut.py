"""The way round the filters: it may save work, and nothing else."""

from __future__ import annotations

import atexit
import gc
import json
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flat_store import ACCOUNT, Body, FlatStore, answer_to, environ_of, request
from hypothesis import given, settings
from hypothesis import strategies as st
from signers import ACCESS_KEY, KnownSecrets, signed

from apus.common.http.wsgi import WSGIApp
from apus.proxy.info import AccountInfo, ContainerInfo
from apus.proxy.middleware import (
    account_quotas,
    bulk,
    container_quotas,
    container_sync,
    copy,
    dlo,
    etag_quoter,
    formpost,
    listing_formats,
    slo,
    staticweb,
    symlink,
    tempurl,
    versioned_writes,
)
from apus.proxy.middleware.access_keys import Secret
from apus.proxy.middleware.s3 import door as s3
from apus.proxy.middleware.s3.configuration.judging import LOCKS
from apus.proxy.middleware.shortcut import Affair, Shortcut, passable

EARLY = (etag_quoter, listing_formats, container_sync, bulk, tempurl, s3, formpost)
LATE = (
    staticweb,
    copy,
    container_quotas,
    account_quotas,
    slo,
    dlo,
    versioned_writes,
    symlink,
)
HELLO = "5d41402abc4b2a76b9719d911017c592"
USER = {"REMOTE_USER": "test:tester", "apus.authorize": lambda _environ: None}
SETTINGS = {versioned_writes: {"allow_versioned_writes": "yes", "allow_object_versioning": "yes"}}
QUOTED = {"rfc-compliant-etags": "true"}
CONTAINERS = {
    "c": ContainerInfo(status=204, meta={"color": "red"}),
    "limited": ContainerInfo(status=204, meta={"quota-bytes": "3"}),
    "kept": ContainerInfo(status=204, sysmeta={"versions-location": "old", "versions-mode": "history"}),
    "quoted": ContainerInfo(status=204, sysmeta=QUOTED),
    "web": ContainerInfo(status=204, meta={"web-index": "plain"}),
    "locked": ContainerInfo(status=204, sysmeta={f"s3api-{LOCKS}": "a document"}),
    "locked+segments": ContainerInfo(status=204),
    "missing": ContainerInfo(status=404),
}
ACCOUNTS = {
    "plain": AccountInfo(status=204),
    "quoted": AccountInfo(status=204, sysmeta=QUOTED),
    "limited": AccountInfo(status=204, sysmeta={"quota-bytes": "3"}),
}


@dataclass(eq=False)
class Store(FlatStore):
    """Objects in memory that know of their containers and account."""

    account: AccountInfo = field(default_factory=lambda: ACCOUNTS["plain"])
    remembered: set[str] = field(default_factory=set)

    def account_info(self, environ: dict[str, Any], account: str) -> AccountInfo:
        return ACCOUNTS["plain"] if account.startswith(".") else self.account  # Nobody's has no quota.

    def container_info(self, environ: dict[str, Any], account: str, container: str) -> ContainerInfo:
        return CONTAINERS.get(container, ContainerInfo(status=204))

    def remembers_plain(self, container: str, account: str) -> bool:
        name = container.partition("/")[2]
        return name in self.remembered and self.account.is_plain and CONTAINERS[name].is_plain


class Between:
    """A filter of somebody else's: who asks is known from here on."""

    def __init__(self, app: WSGIApp, user: dict[str, Any]) -> None:
        self.app = app
        self._user = user

    def s3_secret(self, access_key: str) -> Secret | None:
        """Know one access key."""
        return KnownSecrets().s3_secret(access_key)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ.update(self._user)
        return self.app(environ, start_response)


def store_of(account: str = "plain", remembered: Iterable[str] = ()) -> Store:
    """Return a store with a plain object, a static and a dynamic large one, and a link in each container."""
    store = Store(account=ACCOUNTS[account], remembered=set(remembered))
    rows = [{"name": "/c/plain", "hash": HELLO, "bytes": 5, "content_type": "text/plain"}]
    for container in CONTAINERS:
        place = f"{ACCOUNT}/{container}"
        for name, body, headers in (
            ("plain", b"hello", {}),
            ("static", json.dumps(rows).encode(), {"X-Static-Large-Object": "True"}),
            ("dynamic", b"", {"X-Object-Manifest": "c/plain"}),
            ("link", b"", {"X-Object-Sysmeta-Symlink-Target": "c/plain"}),
        ):
            environ = environ_of("PUT", f"{container}/{name}", body=body, headers=headers)
            assert environ["PATH_INFO"].startswith(place)
            for _ in store(environ, lambda *_said: None):
                pass
    store.seen.clear()
    return store


@lru_cache(maxsize=1)
def global_conf() -> dict[str, str]:
    """Return settings that lead to a cluster's file."""
    folder = tempfile.mkdtemp(prefix="apus-shortcut-")
    atexit.register(shutil.rmtree, folder)
    (Path(folder) / "apus.conf").write_text("[swift-hash]\nswift_hash_path_suffix = test\n")
    return {"swift_dir": folder}


def pipeline(store: Store, user: dict[str, Any], *, with_ways_round: bool) -> WSGIApp:
    """Return all filters before a store."""
    app: WSGIApp = store

    def put_before(app: WSGIApp, modules: Iterable[Any]) -> WSGIApp:
        for module in reversed(tuple(modules)):
            made = module.filter_factory(global_conf(), **SETTINGS.get(module, {}))(app)
            app = made if with_ways_round or not isinstance(made, Shortcut) else made.row
        return app

    return put_before(Between(put_before(app, LATE), user), EARLY)


def timeless(path: str) -> str:
    """Return a path without the moment that the name of a kept version ends with."""
    return re.sub(r"/\d{10}\.\d{5}$", "", path)


@pytest.mark.parametrize("name", ["plain", "static", "dynamic", "link"])
def test_nobody_is_asked_twice(name: str) -> None:
    """What turns out to be no plain object is answered for with the answer that there was."""
    store = store_of()
    heard = request(pipeline(store, USER, with_ways_round=True), "GET", f"c/{name}")
    assert (heard.status, heard.body) == (200, b"hello")
    assert store.seen.count(("GET", f"c/{name}")) == 1
    assert Body.open_bodies == 0


WORDS = st.sampled_from(
    [
        ("Range", "bytes=1-2"),
        ("If-None-Match", HELLO),
        ("If-Match", '"x"'),
        ("X-Copy-From", "c/plain"),
        ("X-Object-Manifest", "c/p"),
        ("X-Object-Manifest", "wrong"),
        ("X-Static-Large-Object", "True"),
        ("X-Symlink-Target", "c/plain"),
        ("X-Symlink-Target", "nothing"),
        ("X-Web-Mode", "true"),
        ("X-Container-Sync-Key", "k"),
        ("X-Object-Meta-Color", "blue"),
        ("Content-Type", "multipart/form-data; boundary=b"),
        ("Authorization", "AWS somebody:c2lnbmF0dXJl"),
    ]
)
QUERIES = st.sampled_from(
    [{}] * 5
    + [
        {"multipart-manifest": "get"},
        {"multipart-manifest": "put"},
        {"symlink": "get"},
        {"temp_url_sig": "x", "temp_url_expires": "1"},
        {"format": "json"},
        {"version-id": "1"},
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "DELETE", "POST", "OPTIONS"]),
    path=st.sampled_from(
        [f"{c}/{n}" for c in CONTAINERS for n in ("plain", "static", "dynamic", "link", "x")]
    )
    | st.sampled_from(["c", "c/", "c//", "c/a/b/", "kept"]),
    query=QUERIES,
    headers=st.dictionaries(WORDS.map(lambda pair: pair[0]), st.none(), max_size=0)
    | st.lists(WORDS, max_size=2).map(dict),
    body=st.sampled_from([b"", b"12", b"12345"]),
    account=st.sampled_from(list(ACCOUNTS)),
    remembered=st.sets(st.sampled_from(list(CONTAINERS))),
    user=st.sampled_from([USER, {"apus.authorize": USER["apus.authorize"]}, {}]),
)
def test_the_way_round_changes_no_answer(
    method: str,
    path: str,
    query: dict[str, str],
    headers: dict[str, str],
    body: bytes,
    account: str,
    remembered: set[str],
    user: dict[str, Any],
) -> None:
    """With it or without it, a request has the same answer, asks for the same things and leaves the same."""
    Body.open_bodies = 0
    with_it, without = (store_of(account, remembered) for _ in range(2))
    what = {"headers": headers, "query": query, "body": body if method in ("PUT", "POST") else b""}
    answers = [
        request(pipeline(store, user, with_ways_round=store is with_it), method, path, **what)
        for store in (with_it, without)
    ]
    assert answers[0] == answers[1]
    assert [(each, timeless(path)) for each, path in with_it.seen] == [
        (each, timeless(path)) for each, path in without.seen
    ]
    assert {timeless(path): kept for path, kept in with_it.objects.items()} == {
        timeless(path): kept for path, kept in without.objects.items()
    }
    assert Body.open_bodies == 0


SIGNED_WORDS = st.sampled_from(
    [
        ("X-Container-Sync-Auth", "realm nonce sum"),
        ("X-Container-Sync-To", "http://there/v1/a/c"),
        ("X-Auth-Token", "a token"),
        ("X-Amz-Copy-Source", "/limited/plain"),
        ("X-Copy-From", "c/plain"),
        ("X-Amz-Meta-Color", "blue"),
        ("Range", "bytes=1-2"),
        ("If-None-Match", HELLO),
    ]
)


@settings(max_examples=120, deadline=None)
@given(
    kind=st.sampled_from(["v4", "v4", "v4", "v4-query", "v2"]),
    method=st.sampled_from(["GET", "HEAD", "PUT", "DELETE", "POST"]),
    target=st.sampled_from(
        [f"/{c}/{n}" for c in CONTAINERS if "+" not in c for n in ("plain", "static", "link", "x", "a/b")]
        + ["/", "/info", "/limited", "/v1x/k", "/v1.0/k", "/v1/AUTH_test/c/plain", "/limited/plain?acl"]
    ),
    headers=st.lists(SIGNED_WORDS, max_size=2).map(dict),
    body=st.sampled_from([b"", b"12", b"12345"]),
    access_key=st.sampled_from([ACCESS_KEY, ACCESS_KEY, "nobody"]),
    account=st.sampled_from(list(ACCOUNTS)),
    remembered=st.sets(st.sampled_from(list(CONTAINERS))),
)
def test_the_way_to_its_own_door_changes_no_answer_to_a_signed_request(
    kind: str,
    method: str,
    target: str,
    headers: dict[str, str],
    body: bytes,
    access_key: str,
    account: str,
    remembered: set[str],
) -> None:
    """What S3's clients ask for, on whatever path and with whatever header of the store's own."""
    Body.open_bodies = 0
    has_body = method in ("PUT", "POST") and kind != "v4-query"  # Of which botocore would make a query.
    what: dict[str, Any] = {"headers": headers, "body": body if has_body else b""}
    answers, traces = [], []
    for with_ways_round in (True, False):
        store = store_of(account, remembered)
        app = pipeline(store, {"apus.authorize": USER["apus.authorize"]}, with_ways_round=with_ways_round)
        environ = signed(kind, method, target, access_key=access_key, **what)
        answers.append(answer_to(app, environ))
        left = {timeless(path): kept for path, kept in store.objects.items()}
        traces.append(([(each, timeless(path)) for each, path in store.seen], left))
    assert answers[0] == answers[1]
    assert traces[0] == traces[1]
    assert Body.open_bodies == 0


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_nothing_of_a_signed_request_waits_for_a_collection(method: str) -> None:
    """Its environ, and a body of megabytes in that, go when the request is over."""
    app = pipeline(store_of(remembered={"web"}), USER, with_ways_round=True)
    environ = signed("v4", method, "/web/plain", body=b"12345" if method == "PUT" else b"")
    source = environ["wsgi.input"] = Input(environ["wsgi.input"].read())
    is_there = weakref.ref(source)
    gc.disable()
    try:
        assert answer_to(app, environ).status == 200
        del environ, source
        assert is_there() is None
    finally:
        gc.enable()


class Input(BytesIO):
    """One that can be seen to go."""


def test_a_container_whose_name_is_not_ascii_is_not_taken_for_another() -> None:
    """What WSGI makes of `é` is the text of another container's name, of which something else is known."""
    store, calls = store_of(remembered={"c", "Ã©"}), list[str]()
    CONTAINERS["Ã©"] = CONTAINERS["c"]
    try:
        app = passable(lambda app: Counted(app, calls), Affair(known_facts=True))(store)
        request(app, "GET", "é/plain")
    finally:
        del CONTAINERS["Ã©"]
    assert len(calls) == 1


class Counted:
    """A filter that counts what comes by."""

    def __init__(self, app: WSGIApp, calls: list[str]) -> None:
        self.app = app
        self._calls = calls

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self._calls.append(environ["PATH_INFO"])
        return self.app(environ, start_response)


def test_a_row_is_passed_as_a_whole() -> None:
    """Neighbours are one row; what concerns one of them takes all of it."""
    calls: list[str] = []
    store = store_of()

    def make(app: WSGIApp) -> WSGIApp:
        return Counted(app, calls)

    app = passable(make, Affair())(passable(make, Affair(headers=frozenset(("HTTP_X_A",))))(store))
    request(app, "GET", "c/plain")
    assert calls == []
    request(app, "GET", "c/plain", headers={"X-A": "1"})
    assert len(calls) == 2


def test_facts_that_nobody_remembers_are_not_asked_for_before_the_user_is_known() -> None:
    """A filter that stands before authorisation troubles no storage server."""
    store, calls = store_of(), list[str]()

    def forbidden(*_names: Any) -> Any:
        raise AssertionError("asked")

    store.account_info = store.container_info = forbidden  # type: ignore[assignment, method-assign]
    app = passable(lambda app: Counted(app, calls), Affair(known_facts=True))(store)
    request(app, "GET", "c/plain")
    assert len(calls) == 1
    store.remembered.add("c")
    request(app, "GET", "c/plain")
    assert len(calls) == 1
