"""Symlinks, in front of objects in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flat_store import FlatStore
from flat_store import request as flat_request
from keeping_store import KeepingStore
from one_request import Reply, ask

from apus.common import info
from apus.common.http.answer import Answer
from apus.proxy.middleware.links import EMPTY_ETAG
from apus.proxy.middleware.symlink import filter_factory

HELLO_ETAG = "5d41402abc4b2a76b9719d911017c592"
ROOT = "/v1/AUTH_test"


class Shelf:
    """A store with the filter before it, with an object `c/o` that says hello."""

    def __init__(self, **options: str) -> None:
        self.store = KeepingStore({"c": {}, "d": {}})
        self.app = filter_factory({}, **options)(self.store)
        assert (
            self.put("c/o", b"hello", headers={"Content-Type": "text/x", "X-Object-Meta-Of": "target"}).status
            == 201
        )

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        said, environ = dict(headers or {}), {}
        if "Content-Type" in said:
            environ["CONTENT_TYPE"] = said.pop("Content-Type")
        if method == "PUT":
            environ["CONTENT_LENGTH"] = str(len(body))
        where = path if path.startswith("/") else f"{ROOT}/{path}"
        return ask(self.app, method, where, query=query, body=body, headers=said, environ=environ)

    def put(self, path: str, body: bytes = b"", *, headers: dict[str, str] | None = None) -> Reply:
        return self.ask("PUT", path, body=body, headers=headers)

    def link(self, path: str, target: str, etag: str = "", *, headers: dict[str, str] | None = None) -> Reply:
        said = {"X-Symlink-Target": target, **(headers or {})}
        if etag:
            said["X-Symlink-Target-Etag"] = etag
        return self.put(path, headers=said)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_a_link_answers_as_its_target(shelf: Shelf) -> None:
    """Body, type and metadata are the target's; Content-Location says whose they are."""
    assert shelf.link("d/l", "c/o", headers={"X-Object-Meta-Of": "link"}).status == 201
    for method, body in (("GET", b"hello"), ("HEAD", b"")):
        reply = shelf.ask(method, "d/l")
        assert (reply.status, reply.body) == (200, body)
        assert reply.headers["content-type"] == "text/x"
        assert reply.headers["x-object-meta-of"] == "target"
        assert reply.headers["content-location"] == f"{ROOT}/c/o"
        assert reply.headers["content-length"] == "5"
    assert "content-location" not in shelf.ask("GET", "c/o").headers


def test_the_link_itself_is_had_with_symlink_get(shelf: Shelf) -> None:
    """Empty, with what the client has said of it."""
    shelf.link("d/l", "c/o", HELLO_ETAG, headers={"X-Symlink-Target-Account": "AUTH_test"})
    reply = shelf.ask("GET", "d/l", query="symlink=get")
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["x-symlink-target"] == "c/o"
    assert reply.headers["x-symlink-target-account"] == "AUTH_test"
    assert reply.headers["x-symlink-target-etag"] == HELLO_ETAG
    assert reply.headers["x-symlink-target-bytes"] == "5"
    assert "content-location" not in reply.headers


def test_the_type_of_a_link_is_its_own(shelf: Shelf) -> None:
    """Given, else the target's where that is looked at, else application/symlink."""
    shelf.link("d/named", "c/o", headers={"Content-Type": "text/mine"})
    shelf.link("d/dynamic", "c/o")
    shelf.link("d/static", "c/o", HELLO_ETAG)
    kinds = {name: shelf.store.objects["d", name].headers["content-type"] for name in shelf.store.names("d")}
    assert kinds == {"named": "text/mine", "dynamic": "application/symlink", "static": "text/x"}


@pytest.mark.parametrize(
    ("headers", "body", "status", "words"),
    [
        ({"X-Symlink-Target": "c/o"}, b"x", 400, "zero byte body"),
        ({"X-Symlink-Target": "co"}, b"", 412, "<container name>/<object name>"),
        ({"X-Symlink-Target": "/c/o"}, b"", 412, "<container name>/<object name>"),
        ({"X-Symlink-Target": "%2Fc/o"}, b"", 412, "<container name>/<object name>"),
        ({"X-Symlink-Target": "d/l"}, b"", 400, "cannot target itself"),
        ({"X-Symlink-Target": "c/o", "X-Symlink-Target-Account": "a/b"}, b"", 412, "slashes"),
        ({"X-Symlink-Target": "c/o", "X-Symlink-Target-Account": ""}, b"", 412, "empty"),
        ({"X-Symlink-Target": "c/o", "X-Symlink-Target-Etag": "a;b"}, b"", 400, "Bad X-Symlink-Target-Etag"),
        ({"X-Symlink-Target": "c/o", "X-Symlink-Target-Etag": "other"}, b"", 409, "does not match"),
        ({"X-Symlink-Target": "c/none", "X-Symlink-Target-Etag": "abc"}, b"", 409, "does not exist"),
    ],
)
def test_trap_33_what_is_no_link_is_refused(
    shelf: Shelf, headers: dict[str, str], body: bytes, status: int, words: str
) -> None:
    """Zero length only, with a target that can be one; nothing is stored."""
    reply = shelf.put("d/l", body, headers=headers)
    assert (reply.status, words in reply.text) == (status, True), reply.text
    assert shelf.store.names("d") == []


def test_trap_33_a_post_is_307_and_applied(shelf: Shelf) -> None:
    """Nobody can know beforehand whether a name stands for a link; the client is told of the target."""
    shelf.link("d/l", "c/%C3%A9 %3F", headers={"X-Object-Meta-Old": "1"})
    reply = shelf.ask("POST", "d/l", headers={"X-Object-Meta-New": "2"})
    assert (reply.status, reply.headers["location"]) == (307, f"{ROOT}/c/%C3%A9%20%3F")
    assert shelf.store.objects["d", "l"].headers["x-object-meta-new"] == "2"
    assert "x-object-meta-old" not in shelf.store.objects["d", "l"].headers
    assert shelf.ask("GET", "d/l", query="symlink=get").headers["x-symlink-target"] == "c/%C3%A9%20%3F"
    assert shelf.ask("POST", "c/o", headers={"X-Object-Meta-New": "2"}).status == 202
    assert shelf.ask("POST", "c/o", headers={"X-Symlink-Target": "c/p"}).status == 400


def test_trap_33_a_loop_is_409(shelf: Shelf) -> None:
    """As is a chain that is longer than the operator allows, however it ends."""
    shelf.link("d/1", "c/o")
    shelf.link("d/2", "d/1")
    shelf.link("d/3", "d/2")
    shelf.link("d/a", "d/b")
    shelf.link("d/b", "d/a")
    assert shelf.ask("GET", "d/2").body == b"hello"
    for name in ("3", "a", "b"):
        reply = shelf.ask("GET", f"d/{name}")
        assert (reply.status, reply.text) == (409, "Too many levels of symbolic links, maximum allowed is 2")
    assert shelf.ask("GET", "d/a", query="symlink=get").status == 200
    longer = Shelf(symloop_max="3")
    for name, target in (("1", "c/o"), ("2", "d/1"), ("3", "d/2")):
        longer.link(f"d/{name}", target)
    assert longer.ask("GET", "d/3").body == b"hello"


def test_trap_33_a_target_in_another_account_is_asked_for_by_the_client(shelf: Shelf) -> None:
    """With the client's own rights, and under the target's path."""
    asked: list[str] = []

    def authorize(environ: dict[str, Any]) -> Answer | None:
        asked.append(environ["PATH_INFO"])
        return Answer(403) if environ["PATH_INFO"].startswith("/v1/AUTH_other/") else None

    shelf.link("d/l", "c/o", headers={"X-Symlink-Target-Account": "AUTH_other"})
    reply = ask(shelf.app, "GET", f"{ROOT}/d/l", environ={"apus.authorize": authorize})
    assert (reply.status, asked) == (403, [f"{ROOT}/d/l", "/v1/AUTH_other/c/o"])
    assert reply.headers["content-location"] == "/v1/AUTH_other/c/o"
    static = ask(
        shelf.app,
        "PUT",
        f"{ROOT}/d/static",
        headers={
            "X-Symlink-Target": "c/o",
            "X-Symlink-Target-Account": "AUTH_other",
            "X-Symlink-Target-Etag": HELLO_ETAG,
        },
        environ={"apus.authorize": authorize, "CONTENT_LENGTH": "0"},
    )
    assert static.status == 403
    assert shelf.store.names("d") == ["l"]


def test_trap_33_a_static_link_leads_to_one_version(shelf: Shelf) -> None:
    """When that is overwritten it is 409; when it is gone, 404. The link stays."""
    assert shelf.link("d/l", "c/o", f'"{HELLO_ETAG}"').status == 201
    assert shelf.ask("GET", "d/l").body == b"hello"
    shelf.put("c/o", b"changed")
    reply = shelf.ask("GET", "d/l")
    assert (reply.status, reply.headers["content-location"]) == (409, f"{ROOT}/c/o")
    assert "does not match" in reply.text
    shelf.ask("DELETE", "c/o")
    assert shelf.ask("GET", "d/l").status == 404
    assert shelf.ask("GET", "d/l", query="symlink=get").status == 200


def test_a_static_link_from_another_cluster_may_come_before_its_target(shelf: Shelf) -> None:
    """Container sync has its word for it, and the size that it had there."""
    said = {"X-Symlink-Target": "c/later", "X-Symlink-Target-Etag": HELLO_ETAG, "X-Symlink-Target-Bytes": "5"}
    environ = {"CONTENT_LENGTH": "0", "CONTENT_TYPE": "text/x"}
    assert ask(shelf.app, "PUT", f"{ROOT}/d/l", headers=said, environ=environ).status == 409
    environ["swift.symlink_override"] = True  # type: ignore[assignment]  # a filter's word, no header
    assert ask(shelf.app, "PUT", f"{ROOT}/d/l", headers=said, environ=environ).status == 201
    assert shelf.ask("GET", "d/l").status == 404
    shown = shelf.ask("HEAD", "d/l", query="symlink=get").headers
    assert (shown["x-symlink-target-etag"], shown["x-symlink-target-bytes"]) == (HELLO_ETAG, "5")
    shelf.put("c/later", b"hello")
    assert shelf.ask("GET", "d/l").body == b"hello"


def test_static_links_in_a_chain_agree(shelf: Shelf) -> None:
    """All mean the last object's etag; of a link without one, a static link means the empty object."""
    shelf.link("d/1", "c/o", HELLO_ETAG)
    shelf.link("d/dynamic", "c/o")
    assert shelf.link("d/2", "d/1", HELLO_ETAG).status == 201
    assert shelf.link("d/bad", "d/1", EMPTY_ETAG).status == 409
    assert shelf.link("d/3", "d/dynamic", EMPTY_ETAG).status == 201
    assert shelf.link("d/bad", "d/dynamic", HELLO_ETAG).status == 409
    for name in ("2", "3"):
        assert shelf.ask("GET", f"d/{name}").body == b"hello"
    shelf.put("d/1", b"no link any more")
    assert shelf.ask("GET", "d/2").status == 409


def test_trap_26_a_listing_in_json_tells_links_from_objects(shelf: Shelf) -> None:
    """symlink_path, and for static links symlink_etag and symlink_bytes."""
    shelf.link("d/static", "c/o", HELLO_ETAG)
    shelf.link("d/there", "c/x", headers={"X-Symlink-Target-Account": "AUTH_other"})
    shelf.put("d/object", b"x")
    reply = shelf.ask("GET", "d", query="format=json")
    rows = {row["name"]: row for row in json.loads(reply.body)}
    assert int(reply.headers.get("content-length", len(reply.body))) == len(reply.body)
    assert rows["static"]["symlink_path"] == f"{ROOT}/c/o"
    assert (rows["static"]["symlink_etag"], rows["static"]["symlink_bytes"]) == (HELLO_ETAG, 5)
    assert rows["static"]["hash"] == rows["there"]["hash"] == EMPTY_ETAG
    assert rows["there"]["symlink_path"] == "/v1/AUTH_other/c/x"
    assert "symlink_etag" not in rows["there"]
    assert not any(key.startswith("symlink") for key in rows["object"])


def test_a_filter_may_make_links_that_clients_cannot_say(shelf: Shelf) -> None:
    """Versions live under reserved names: who made such a link vouches for it, for this one step."""
    reserved = {"X-Backend-Allow-Reserved-Names": "true"}
    shelf.put("/v1/AUTH_test/\0v/x", headers=reserved)
    shelf.store.containers["\0v"] = {}
    shelf.put("/v1/AUTH_test/\0v/\0o", b"old one", headers=reserved)
    made = shelf.put(
        "d/l",
        headers={
            **reserved,
            "X-Symlink-Target": "%00v/%00o",
            "X-Object-Sysmeta-Symlink-Target-Etag": "any",
            "X-Object-Sysmeta-Symlink-Target-Bytes": "7",
            "X-Object-Sysmeta-Symloop-Extend": "true",
            "X-Object-Sysmeta-Allow-Reserved-Names": "true",
        },
    )
    assert made.status == 201
    kept = shelf.store.objects["d", "l"].headers
    assert kept["x-object-sysmeta-container-update-override-etag"].endswith(
        "; symlink_target=%00v/%00o; symlink_target_etag=any; symlink_target_bytes=7"
    )
    kept["x-object-sysmeta-symlink-target-etag"] = shelf.store.objects["\0v", "\0o"].headers["etag"]
    denied: list[str] = []

    def authorize(environ: dict[str, Any]) -> Answer | None:
        denied.append(environ["PATH_INFO"])
        return None

    reply = ask(shelf.app, "GET", f"{ROOT}/d/l", environ={"apus.authorize": authorize})
    assert (reply.status, reply.body) == (200, b"old one")
    assert denied == [f"{ROOT}/d/l"]


def test_a_range_is_of_the_target() -> None:
    """The link is empty, and would say 416."""
    store = FlatStore()
    app = filter_factory({})(store)
    flat_request(app, "PUT", "c/o", body=b"0123456789")
    flat_request(app, "PUT", "c/l", headers={"X-Symlink-Target": "c/o"})
    heard = flat_request(app, "GET", "c/l", headers={"Range": "bytes=2-4"})
    assert (heard.status, heard.body, heard.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    etag = flat_request(app, "HEAD", "c/l").headers["etag"]
    assert flat_request(app, "GET", "c/l", headers={"If-None-Match": etag}).status == 304
    assert flat_request(app, "GET", "c/l", headers={"If-Match": etag}).status == 200
    assert flat_request(app, "GET", "c/l", headers={"If-Match": EMPTY_ETAG}).status == 412


def test_it_is_announced() -> None:
    """As stock Swift announces it."""
    filter_factory({}, symloop_max="4")
    assert info.public()["symlink"] == {"symloop_max": 4, "static_links": True}
