"""Requests that a filter makes of its own accord: what they inherit, and what they never do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any

import pytest

from apus.common.http.wsgi import Environ, StartResponse
from apus.proxy.middleware.inner import BodySource, ask, call, inner_environ, path_of


def client_environ(**more: Any) -> Environ:
    """A client's PUT, with everything that is its own."""
    return {
        "REQUEST_METHOD": "PUT",
        "PATH_INFO": "/v1/AUTH_a/c/o",
        "QUERY_STRING": "multipart-manifest=put",
        "CONTENT_LENGTH": "7",
        "CONTENT_TYPE": "text/plain",
        "HTTP_HOST": "store",
        "HTTP_X_OBJECT_META_COLOUR": "blue",
        "HTTP_IF_NONE_MATCH": "*",
        "REMOTE_USER": "me",
        "apus.acl": "somebody",
        "apus.owner": True,
        "swift.callback.fetch_crypto_keys": dict,
        "swift.callback.update_footers": dict,
        "apus.groups": frozenset(("me",)),
        "swift.trans_id": "tx1",
        "wsgi.input": BytesIO(b"content"),
        **more,
    }


def test_it_inherits_who_asks_and_nothing_that_was_said() -> None:
    """Identity and transaction pass on; headers, query, body and verdicts do not."""
    made = inner_environ(client_environ(), "HEAD", "/v1/AUTH_a/c/é")
    assert made["REMOTE_USER"] == "me"
    assert made["apus.groups"] == frozenset(("me",))
    assert made["swift.trans_id"] == "tx1"
    assert made["HTTP_HOST"] == "store"
    assert made["PATH_INFO"] == "/v1/AUTH_a/c/é".encode().decode("latin-1")
    assert made["RAW_PATH_INFO"] == "/v1/AUTH_a/c/%C3%A9"
    assert made["QUERY_STRING"] == ""
    assert made["CONTENT_LENGTH"] == "0"
    assert made["wsgi.input"].read() == b""
    for key in ("HTTP_X_OBJECT_META_COLOUR", "HTTP_IF_NONE_MATCH", "CONTENT_TYPE", "apus.acl", "apus.owner"):
        assert key not in made
    assert not [key for key in made if key.startswith("swift.callback.")]


def test_only_ascii_letters_of_a_headers_name_have_a_case() -> None:
    """The bytes of others, which look like letters of latin-1, stay what they are."""
    name = "X-Object-Meta-\xe8\x89\xb2-\xb5-\xff-\xdf"
    made = inner_environ(client_environ(), "PUT", "/v1/AUTH_a/c/o", headers={name: "1"})
    assert made["HTTP_X_OBJECT_META_\xe8\x89\xb2_\xb5_\xff_\xdf"] == "1"


def test_the_clients_rights_decide_unless_it_is_trusted() -> None:
    """An authorizer of the client's request stays; a trusted request asks nobody."""
    environ = client_environ(**{"apus.authorize": "the filter's"})
    assert inner_environ(environ, "GET", "/v1/a/c/o")["apus.authorize"] == "the filter's"
    trusted = inner_environ(environ, "GET", "/v1/a/c/o", trusted=True)
    assert trusted["apus.authorize"](trusted) is None
    assert trusted["apus.owner"] is True
    assert environ["apus.authorize"] == "the filter's"


def test_headers_query_and_body_are_its_own() -> None:
    """What it carries is what it was given; a body of unknown length is chunked."""
    made = inner_environ(
        client_environ(),
        "PUT",
        "/v1/a/c/o",
        headers={"Content-Type": "x/y", "X-Object-Meta-A": "1"},
        query={"a b": "c&d"},
        body=b"12345",
    )
    assert (made["CONTENT_TYPE"], made["HTTP_X_OBJECT_META_A"]) == ("x/y", "1")
    assert made["QUERY_STRING"] == "a%20b=c%26d"
    assert (made["CONTENT_LENGTH"], made["wsgi.input"].read()) == ("5", b"12345")
    streamed = inner_environ(client_environ(), "PUT", "/v1/a/c/o", body=BodySource([b"a", b"bc"]))
    assert streamed["HTTP_TRANSFER_ENCODING"] == "chunked"
    assert "CONTENT_LENGTH" not in streamed


def test_a_reply_is_heard_even_from_a_generator() -> None:
    """A generator announces its status only with its first piece; its closing is passed on."""
    closed: list[bool] = []

    def app(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("X-Some", "thing")])
        try:
            yield b"one"
            yield b"two"
        finally:
            closed.append(True)

    reply = ask(app, client_environ(), "GET", "/v1/a/c/o")
    assert (reply.status, reply.is_good, reply.headers) == (200, True, {"x-some": "thing"})
    assert reply.read() == b"onetwo"
    assert closed == [True]


def test_a_body_that_is_too_long_is_refused_and_let_go() -> None:
    """A limit holds whatever the length that was announced."""

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"123", b"456"]

    with pytest.raises(ValueError, match="longer than 5"):
        call(app, client_environ()).read(5)


def test_a_reply_can_be_the_body_of_another_request() -> None:
    """Pieces are cut as they are asked for."""
    source = BodySource([b"abc", b"", b"defg"])
    assert [source.read(2) for _ in range(5)] == [b"ab", b"c", b"de", b"fg", b""]
    assert BodySource([b"ab", b"c"]).read() == b"abc"


def test_paths_keep_the_version_of_the_request() -> None:
    """A client that says v1.0 has its inner requests say so."""
    environ = client_environ(PATH_INFO="/v1.0/AUTH_a/c/o")
    assert path_of(environ, "AUTH_a", "other", "x/y") == "/v1.0/AUTH_a/other/x/y"
