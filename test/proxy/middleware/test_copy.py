"""Server-side copies, in front of objects in memory, large objects and links."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import md5
from typing import Any

import pytest
from flat_store import ACCOUNT, Body, FlatStore, Heard, request
from one_request import FixedApp, ask

from apus.common.errors import Unavailable
from apus.common.http.answer import Answer
from apus.common.http.wsgi import Environ, StartResponse
from apus.proxy.middleware import copy, slo, symlink
from apus.proxy.middleware.dlo import DynamicLargeObjects

HELLO = b"hello, this is more than one piece"


class Store(FlatStore):
    """A store with `c/o` in it, behind the filters that stand behind copies."""

    def __init__(self, **options: str) -> None:
        super().__init__()
        behind = slo.filter_factory({})(DynamicLargeObjects(symlink.filter_factory({})(self), page=10000))
        self.app = copy.filter_factory({}, **options)(behind)
        self.ask("PUT", "c/o", body=HELLO, headers={"Content-Type": "text/x", "X-Object-Meta-A": "1"})
        self.seen.clear()

    def ask(self, method: str, path: str, **what: Any) -> Heard:
        return request(self.app, method, path, **what)

    def copied(
        self,
        source: str,
        goal: str,
        headers: dict[str, str] | None = None,
        *,
        query: dict[str, str] | None = None,
    ) -> Heard:
        return self.ask("COPY", source, headers={"Destination": goal, **(headers or {})}, query=query)


@pytest.fixture
def store() -> Store:
    Body.open_bodies = 0
    return Store()


def test_copy_and_put_with_copy_from_are_the_same(store: Store) -> None:
    """Content, type and metadata go along; the answer says where it comes from."""
    one = store.copied("c/o", "d/one")
    two = store.ask("PUT", "d/two", headers={"X-Copy-From": "/c/o"})
    for heard, name in ((one, "one"), (two, "two")):
        assert heard.status == 201
        assert heard.headers["x-copied-from"] == "c/o"
        assert heard.headers["x-copied-from-account"] == "AUTH_test"
        assert heard.headers["x-copied-from-last-modified"].endswith("GMT")
        assert heard.headers["x-object-meta-a"] == "1"
        kept = store.objects[f"d/{name}"]
        assert kept.body == HELLO
        assert kept.headers == {"Content-Type": "text/x", "X-Object-Meta-A": "1"}
    assert Body.open_bodies == 0


def test_what_the_client_says_counts(store: Store) -> None:
    """Metadata beside the source's or over it; a type of its own."""
    store.copied("c/o", "d/p", {"X-Object-Meta-A": "2", "X-Object-Meta-B": "3", "Content-Type": "text/y"})
    assert store.objects["d/p"].headers == {
        "Content-Type": "text/y",
        "X-Object-Meta-A": "2",
        "X-Object-Meta-B": "3",
    }


def test_trap_29_fresh_metadata_leave_the_sources_behind(store: Store) -> None:
    """Except what the cluster keeps of an object, and its type."""
    store.objects["c/o"].headers["X-Object-Sysmeta-Kept"] = "k"
    store.copied("c/o", "d/p", {"X-Fresh-Metadata": "true", "X-Object-Meta-B": "3"})
    assert store.objects["d/p"].headers == {
        "Content-Type": "text/x",
        "X-Object-Sysmeta-Kept": "k",
        "X-Object-Meta-B": "3",
    }


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "words"),
    [
        ("COPY", "c/o", {}, b"", 412, "Destination header required"),
        ("COPY", "c/o", {"Destination": "d"}, b"", 412, "<container name>/<object name>"),
        ("COPY", "c/o", {"Destination": "/d/"}, b"", 412, "<container name>/<object name>"),
        ("COPY", "c/o", {"Destination": "d/p", "Destination-Account": "a/b"}, b"", 412, "slashes"),
        ("COPY", "c/o", {"Destination": "d/p", "Destination-Account": ""}, b"", 412, "empty"),
        ("COPY", "c/o", {"Destination": "d/p"}, b"x", 400, "zero byte body"),
        ("PUT", "d/p", {"X-Copy-From": "c"}, b"", 412, "<container name>/<object name>"),
        ("PUT", "d/p", {"X-Copy-From": "c/o", "X-Copy-From-Account": "a%2Fb"}, b"", 412, "slashes"),
        ("PUT", "d/p", {"X-Copy-From": "c/o"}, b"x", 400, "zero byte body"),
        ("PUT", "d/p", {"X-Copy-From": "c/none"}, b"", 404, ""),
    ],
)
def test_trap_29_what_cannot_be_copied_is_refused(
    store: Store, method: str, path: str, headers: dict[str, str], body: bytes, status: int, words: str
) -> None:
    """With stock Swift's status, and before anything is stored."""
    heard = store.ask(method, path, headers=headers, body=body)
    assert (heard.status, words in heard.body.decode()) == (status, True), heard
    assert list(store.objects) == ["c/o"]
    assert Body.open_bodies == 0


def test_trap_29_names_are_percent_encoded_once(store: Store) -> None:
    """Of objects, containers and accounts; a slash in front is optional."""
    heard = store.copied("c/o", "/d%C3%A9/p%2Fq%25", {"Destination-Account": "AUTH_%C3%A9"})
    assert heard.status == 201
    assert store.objects["/v1/AUTH_é/dé/p/q%"].body == HELLO
    store.objects["/v1/AUTH_é/c/ö"] = store.objects["c/o"]
    heard = store.ask("PUT", "d/p", headers={"X-Copy-From": "c/%C3%B6", "X-Copy-From-Account": "AUTH_%C3%A9"})
    assert heard.status == 201
    assert heard.headers["x-copied-from"] == "c/%C3%B6"
    assert heard.headers["x-copied-from-account"] == "AUTH_%C3%A9"


@pytest.mark.parametrize("denied", ["GET", "PUT"])
def test_trap_29_a_copy_needs_rights_at_both_ends(store: Store, denied: str) -> None:
    """The client's own are asked for, for reading there and writing here, under each one's path."""
    asked: list[tuple[str, str]] = []

    def guarded(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        refusal = environ["apus.authorize"](environ)
        return (refusal or store)(environ, start_response)

    def authorize(environ: Environ) -> Answer | None:
        asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        return Answer(403) if environ["REQUEST_METHOD"] == denied else None

    reply = ask(
        copy.filter_factory({})(guarded),
        "COPY",
        f"{ACCOUNT}/c/o",
        headers={"Destination": "d/p", "Destination-Account": "AUTH_b"},
        environ={"apus.authorize": authorize, "swift_owner": True},
    )
    assert reply.status == 403
    expected = [("GET", f"{ACCOUNT}/c/o"), ("PUT", "/v1/AUTH_b/d/p")]
    assert asked == (expected[:1] if denied == "GET" else expected)
    assert list(store.objects) == ["c/o"]
    assert "x-copied-from" not in reply.headers


def test_trap_29_range_and_conditions_are_the_sources(store: Store) -> None:
    """A part is copied, unverified; where a condition does not hold nothing is."""
    assert store.copied("c/o", "d/part", {"Range": "bytes=7-10"}).status == 201
    assert store.objects["d/part"].body == HELLO[7:11]
    etag = store.objects["c/o"].etag
    assert store.copied("c/o", "d/p", {"If-None-Match": etag}).status == 304
    assert store.copied("c/o", "d/p", {"If-Match": "other"}).status == 412
    assert store.copied("c/o", "d/p", {"Range": "bytes=100-"}).status == 416
    assert "d/p" not in store.objects
    assert store.copied("c/o", "d/p", {"If-Match": etag}).status == 201
    assert store.copied("c/o", "d/q", {"If-None-Match": "other"}).status == 201


def test_trap_67_that_there_be_nothing_yet_is_about_the_copy(store: Store) -> None:
    """If-None-Match: * of a source that is there could never hold."""
    seen: list[Environ] = []
    store.asked = seen.append
    store.copied("c/o", "d/p", {"If-None-Match": "*"})
    store.ask("PUT", "d/p", headers={"X-Copy-From": "/c/o", "If-None-Match": "*"})
    said = [(environ["REQUEST_METHOD"], environ.get("HTTP_IF_NONE_MATCH")) for environ in seen]
    assert said == [("GET", None), ("PUT", "*")] * 2


def test_trap_21_what_is_copied_is_verified(store: Store) -> None:
    """The source's etag goes along; a part's bytes have another, and its row must not say what the source's does."""
    seen: list[Environ] = []
    store.asked = seen.append
    store.objects["c/o"].headers["X-Object-Sysmeta-Container-Update-Override-Etag"] = "e; s3_etag=s"
    store.copied("c/o", "d/p")
    assert seen[-1]["HTTP_ETAG"] == store.objects["c/o"].etag
    assert seen[-1]["HTTP_X_OBJECT_SYSMETA_CONTAINER_UPDATE_OVERRIDE_ETAG"] == "e; s3_etag=s"
    store.copied("c/o", "d/p", {"Range": "bytes=0-3"})
    assert "HTTP_ETAG" not in seen[-1]
    assert "HTTP_X_OBJECT_SYSMETA_CONTAINER_UPDATE_OVERRIDE_ETAG" not in seen[-1]
    assert store.copied("c/o", "d/p", {"Range": "bytes=0-3", "ETag": "wrong"}).status == 422
    store.objects["c/o"].body = b"something else that was not stored"
    assert store.copied("c/o", "d/q").status == 422
    assert "d/q" not in store.objects


def test_the_newest_source_is_read_and_nothing_of_the_request_is_taken_for_it(store: Store) -> None:
    """X-Newest; and the copy knows nothing of where it comes from."""
    seen: list[Environ] = []
    store.asked = seen.append
    store.copied("c/o", "d/p", {"X-Object-Meta-B": "2"})
    reading, writing = seen
    assert reading["HTTP_X_NEWEST"] == "true"
    for environ in seen:
        assert not any(key.startswith(("HTTP_DESTINATION", "HTTP_X_COPY")) for key in environ)
    assert not {"HTTP_LAST_MODIFIED", "HTTP_X_TIMESTAMP", "HTTP_CONTENT_LENGTH"} & writing.keys()


def test_an_object_is_copied_onto_itself(store: Store) -> None:
    """To change its metadata."""
    assert store.copied("c/o", "c/o", {"X-Fresh-Metadata": "yes", "X-Object-Meta-B": "2"}).status == 201
    assert store.objects["c/o"].body == HELLO
    assert store.objects["c/o"].headers == {"Content-Type": "text/x", "X-Object-Meta-B": "2"}


def segmented(store: Store) -> list[dict[str, Any]]:
    """Store a large object `c/large` of two segments."""
    for name, body in (("p1", b"aaaa"), ("p2", b"bbb")):
        store.ask("PUT", f"s/{name}", body=body)
    manifest = [{"path": "/s/p1"}, {"path": "/s/p2"}]
    query = {"multipart-manifest": "put"}
    heard = store.ask("PUT", "c/large", body=json.dumps(manifest).encode(), query=query)
    assert heard.status == 201, heard
    return manifest


def test_trap_29_a_large_object_is_copied_as_data(store: Store) -> None:
    """Joined, as an ordinary object, with an etag of its own."""
    segmented(store)
    assert store.copied("c/large", "d/data").status == 201
    kept = store.objects["d/data"]
    assert (kept.body, kept.etag) == (b"aaaabbb", md5(b"aaaabbb").hexdigest())
    assert not any("Slo" in name or "Static" in name for name in kept.headers), kept.headers


def test_trap_29_a_manifest_is_copied_when_it_is_asked_for(store: Store) -> None:
    """The copy has the same segments."""
    segmented(store)
    heard = store.copied("c/large", "d/large", query={"multipart-manifest": "get"})
    assert heard.status == 201, heard
    copied = store.ask("GET", "d/large")
    assert (copied.status, copied.body) == (200, b"aaaabbb")
    assert copied.headers["etag"] == store.ask("HEAD", "c/large").headers["etag"]
    assert (
        store.objects["d/large"].headers["Content-Type"] == store.objects["c/large"].headers["Content-Type"]
    )


def test_trap_31_a_dynamic_large_object_is_copied_either_way(store: Store) -> None:
    """As data without its manifest header; as a manifest with it."""
    segmented(store)
    store.ask("PUT", "c/dynamic", headers={"X-Object-Manifest": "s/p"})
    assert store.copied("c/dynamic", "d/data").status == 201
    assert store.objects["d/data"].body == b"aaaabbb"
    assert "X-Object-Manifest" not in store.objects["d/data"].headers
    assert store.copied("c/dynamic", "d/dynamic", query={"multipart-manifest": "get"}).status == 201
    assert store.objects["d/dynamic"].body == b""
    assert store.objects["d/dynamic"].headers["X-Object-Manifest"] == "s/p"


def test_trap_29_a_source_whose_length_nobody_knows_is_413() -> None:
    """A large object of more segments than were looked at."""
    app = FixedApp("200 OK", [("Content-Type", "x/y")], [b"abc"])
    reply = ask(copy.filter_factory({})(app), "COPY", f"{ACCOUNT}/c/o", headers={"Destination": "d/p"})
    assert reply.status == 413
    assert len(app.seen) == 1


def test_a_link_is_copied_as_what_it_leads_to_or_as_itself(store: Store) -> None:
    """With ?symlink=get the copy is a link to the same target."""
    store.ask("PUT", "c/l", headers={"X-Symlink-Target": "c/o"})
    store.copied("c/l", "d/data")
    assert (store.objects["d/data"].body, store.objects["d/data"].headers["Content-Type"]) == (
        HELLO,
        "text/x",
    )
    assert not any("Symlink" in name for name in store.objects["d/data"].headers)
    assert store.copied("c/l", "d/l", query={"symlink": "get"}).status == 201
    assert store.objects["d/l"].headers == store.objects["c/l"].headers
    assert store.ask("GET", "d/l").body == HELLO


class Breaking:
    """A body that ends before its time."""

    def __iter__(self) -> Any:
        yield b"abc"


def test_a_source_that_breaks_off_leaves_no_copy() -> None:
    """Whoever stores the copy is told, before it believes to have all; asking again makes it."""
    heard: list[bytes] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "GET":
            start_response("200 OK", [("Content-Length", "10"), ("Etag", "e"), ("Content-Type", "x/y")])
            return Breaking()
        while piece := environ["wsgi.input"].read(2):
            heard.append(piece)
        raise AssertionError("the body seemed whole")

    with pytest.raises(Unavailable, match="broke off"):
        ask(copy.filter_factory({})(app), "COPY", f"{ACCOUNT}/c/o", headers={"Destination": "d/p"})
    assert heard == [b"ab", b"c"]


@pytest.mark.parametrize("lives", [0])
def test_a_copy_that_died_is_made_by_asking_again(store: Store, lives: int) -> None:
    """The destination is as it was before, and the source is untouched."""
    store.ask("PUT", "d/p", body=b"before")
    store.lives = lives
    with pytest.raises(Exception):  # noqa: B017 - whatever kills a process
        store.copied("c/o", "d/p")
    assert store.objects["d/p"].body == b"before"
    assert Body.open_bodies == 0
    store.lives = None
    assert store.copied("c/o", "d/p").status == 201
    assert store.objects["d/p"].body == store.objects["c/o"].body == HELLO


@pytest.mark.parametrize("accept", ["", "application/json", "text/plain", "image/png", "junk"])
def test_trap_29_with_heartbeats_the_answer_is_202(store: Store, accept: str) -> None:
    """Its body tells how it went, in the form that the client likes."""
    headers = {"Accept": accept} if accept else {}
    heard = store.copied("c/o", "d/p", headers, query={"heartbeat": "on"})
    assert heard.status == 202
    assert store.objects["d/p"].body == HELLO
    if accept == "application/json":
        said = heard.json()
        assert said["Response Status"] == "201 Created"
        assert (said["X-Copied-From"], said["Errors"]) == ("c/o", [])
    else:
        assert b"Response Status: 201 Created\n" in heard.body
        assert heard.headers["content-type"] == "text/plain"
    assert Body.open_bodies == 0


def test_with_heartbeats_a_failure_is_in_the_body(store: Store) -> None:
    """What is known before the copy begins still is a status."""
    store.failing["d/p"] = 507
    heard = store.copied("c/o", "d/p", {"Accept": "application/json"}, query={"heartbeat": "on"})
    said = heard.json()
    assert (heard.status, said["Response Status"][:3]) == (202, "507")
    assert said["Errors"] == [["c/o", said["Response Status"]]]
    assert store.copied("c/none", "d/p", query={"heartbeat": "on"}).status == 404
    assert Body.open_bodies == 0


def test_options_name_copy() -> None:
    """To everybody, and to pages of other origins; for objects only."""
    allow = [("Allow", "GET, PUT"), ("Access-Control-Allow-Methods", "GET, PUT")]
    app = copy.filter_factory({})(FixedApp("200 OK", allow))
    headers = ask(app, "OPTIONS", f"{ACCOUNT}/c/o").headers
    assert headers["allow"] == headers["access-control-allow-methods"] == "GET, PUT, COPY"
    assert ask(app, "OPTIONS", f"{ACCOUNT}/c").headers["allow"] == "GET, PUT"


def test_trap_41_a_page_that_wants_to_copy_is_judged_as_one_that_wants_to_write() -> None:
    """Behind the filter nobody has heard of COPY, and would refuse the preflight."""
    app = FixedApp("200 OK", [("Access-Control-Allow-Methods", "GET, PUT")])
    wanted = {"Access-Control-Request-Method": "COPY"}
    said = ask(copy.filter_factory({})(app), "OPTIONS", f"{ACCOUNT}/c/o", headers=wanted)
    assert app.seen[0]["HTTP_ACCESS_CONTROL_REQUEST_METHOD"] == "PUT"
    assert said.headers["access-control-allow-methods"] == "GET, PUT, COPY"


@pytest.mark.parametrize(("method", "path"), [("COPY", "c"), ("COPY", ""), ("GET", "c/o"), ("PUT", "c/o")])
def test_what_is_no_copy_of_an_object_passes(method: str, path: str) -> None:
    """Untouched."""
    app = FixedApp("200 OK", [])
    ask(copy.filter_factory({})(app), method, f"{ACCOUNT}/{path}", headers={"Destination": "d/p"})
    assert app.seen[0]["REQUEST_METHOD"] == method
    assert app.seen[0]["HTTP_DESTINATION"] == "d/p"
