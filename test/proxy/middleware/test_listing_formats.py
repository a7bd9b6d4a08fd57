"""Laws of the listing filter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from one_request import Environ, FixedApp, Reply, ask

from apus.proxy.middleware.listing_formats import filter_factory

ROWS = [
    {"name": "é", "hash": "h", "bytes": 1, "content_type": "t/x", "last_modified": "2026"},
    {"subdir": "d/"},
]
ACCOUNT_ROWS = [{"name": "c", "count": 1, "bytes": 2, "last_modified": "2026"}]


def listing_app(
    rows: object, status: str = "200 OK", content_type: str = "application/json; charset=utf-8"
) -> FixedApp:
    body = json.dumps(rows).encode()
    return FixedApp(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))], [body])


def listed(
    app: FixedApp, path: str = "/v1/a/c", query: str = "", accept: str | None = None, method: str = "GET"
) -> Reply:
    return ask(
        filter_factory({})(app), method, path, query=query, headers={"Accept": accept} if accept else {}
    )


@pytest.mark.parametrize(
    ("query", "accept", "content_type"),
    [
        ("", None, "text/plain"),
        ("", "application/json", "application/json"),
        ("", "application/xml", "application/xml"),
        ("", "text/xml", "text/xml"),
        ("", "*/*", "text/plain"),
        ("format=json", None, "application/json"),
        ("format=XML", "text/plain", "application/xml"),
        ("format=plain", "application/json", "text/plain"),
        ("format=unknown", "application/json", "text/plain"),
        ("format=", "application/json", "application/json"),
        ("form%61t=json", None, "application/json"),
        ("format=xml&format=json", None, "application/json"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_form_is_the_one_asked_for(
    query: str, accept: str | None, content_type: str, method: str
) -> None:
    """The format parameter counts, then Accept; the pipeline is always asked for JSON; the type names its charset."""
    app = listing_app(ROWS)
    if method == "HEAD":
        app.body = []
    reply = listed(
        app, query=f"prefix=a%2F&{query}" if query else "prefix=a%2F", accept=accept, method=method
    )
    assert reply.status == 200
    assert reply.headers["content-type"] == f"{content_type}; charset=utf-8"
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert app.seen[0]["QUERY_STRING"] == "prefix=a%2F&format=json"
    assert ("vary" in reply.headers) is ("format" not in query and "form%61t" not in query)


def test_plain_json_and_xml_say_the_same() -> None:
    """Each in its own way."""
    assert listed(listing_app(ROWS)).body == "é\nd/\n".encode()
    assert json.loads(listed(listing_app(ROWS), query="format=json").body) == ROWS
    xml = listed(listing_app(ROWS), query="format=xml").text
    assert xml.startswith(
        '<?xml version="1.0" encoding="UTF-8"?>\n<container name="c"><object><name>é</name>'
    )
    assert "<container><name>c</name>" in listed(listing_app(ACCOUNT_ROWS), "/v1/a", query="format=xml").text


def test_json_is_passed_on_unparsed() -> None:
    """Byte for byte, whoever wrote it."""
    app = listing_app([])
    app.body = [b'[ {"name":"a"} ]']
    app.headers[1] = ("Content-Length", "16")
    assert listed(app, query="format=json").body == b'[ {"name":"a"} ]'


def test_an_empty_listing_is_204_in_plain_text_only() -> None:
    """JSON and XML have an empty document to send."""
    reply = listed(listing_app([]))
    assert (reply.status, reply.body, reply.headers["content-length"]) == (204, b"", "0")
    assert listed(listing_app([]), query="format=json").body == b"[]"
    assert listed(listing_app([]), query="format=xml").status == 200


@pytest.mark.parametrize(
    ("accept", "status"), [("image/png", 406), ("text/html", 406), ("junk", 400), ("a/b;q=x", 400)]
)
def test_what_we_do_not_speak_is_refused(accept: str, status: int) -> None:
    """Before anything is asked of the cluster."""
    app = listing_app(ROWS)
    assert listed(app, accept=accept).status == status
    assert not app.seen


def test_a_format_that_is_not_utf8_is_refused() -> None:
    """It cannot be meant."""
    assert listed(listing_app(ROWS), query="format=%FF").status == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/a/c/o"),
        ("GET", "/v1/a/c/o/"),
        ("GET", "/v2/a/c"),
        ("GET", "/v1"),
        ("GET", "/v1/"),
        ("GET", "/info"),
        ("GET", "/auth/v1.0"),
        ("GET", "/v1/a//o"),
        ("PUT", "/v1/a/c"),
        ("POST", "/v1/a"),
        ("DELETE", "/v1/a/c"),
    ],
)
def test_other_requests_pass_untouched(method: str, path: str) -> None:
    """Even with an Accept that no listing could meet."""
    app = listing_app(ROWS)
    reply = listed(app, path, query="format=xml", accept="image/png", method=method)
    assert reply.body == json.dumps(ROWS).encode()
    assert app.seen[0]["QUERY_STRING"] == "format=xml"


@pytest.mark.parametrize("path", ["/v1/a", "/v1/a/", "/v1.0/a", "/v1/a/c", "/v1/a/c/"])
def test_a_trailing_slash_is_still_a_listing(path: str) -> None:
    """As in Swift."""
    rows = ACCOUNT_ROWS if path.count("/") == 2 or path == "/v1/a/" else ROWS
    assert (
        listed(listing_app(rows), path, query="format=xml")
        .headers["content-type"]
        .startswith("application/xml")
    )


@pytest.mark.parametrize("status", ["404 Not Found", "503 Service Unavailable", "401 Unauthorized"])
def test_errors_pass(status: str) -> None:
    """They are not listings."""
    reply = listed(FixedApp(status, [("Content-Type", "text/plain")], [b"sorry"]), query="format=xml")
    assert reply.body == b"sorry"
    assert "vary" not in reply.headers


@pytest.mark.parametrize(
    "app",
    [
        FixedApp("200 OK", [("Content-Type", "text/html"), ("Content-Length", "3")], [b"<p>"]),
        FixedApp("200 OK", [("Content-Type", "application/json")], [b'[{"name":"a"}]']),
        FixedApp("200 OK", [("Content-Type", "application/json"), ("Content-Length", "99999999")], [b"[]"]),
        FixedApp("200 OK", [("Content-Type", "application/json"), ("Content-Length", "4")], [b"junk"]),
        FixedApp("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")], [b"{}"]),
        FixedApp("200 OK", [("Content-Type", "application/json"), ("Content-Length", "3")], [b"[1]"]),
        FixedApp(
            "200 OK", [("Content-Type", "application/json"), ("Content-Length", "11")], [b'[{"foo":1}]']
        ),
    ],
)
@pytest.mark.parametrize("query", ["format=xml", ""])
def test_what_is_no_listing_passes(app: FixedApp, query: str) -> None:
    """Pages and odd JSON of other middleware come through as they are."""
    assert listed(app, query=query).body == b"".join(app.body)


def test_another_filter_may_take_charge() -> None:
    """By unsetting swift.format_listing."""

    class Other(FixedApp):
        def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
            environ["swift.format_listing"] = False
            return super().__call__(environ, start_response)

    plain = listing_app(ROWS)
    reply = listed(Other(plain.status, plain.headers, plain.body), query="format=xml")
    assert json.loads(reply.body) == ROWS


RESERVED = [{"name": "\0hidden"}, *ACCOUNT_ROWS, {"subdir": "\0versions\0"}]


@pytest.mark.parametrize("query", ["format=json", "format=xml", ""])
def test_reserved_names_are_not_shown(query: str, caplog: pytest.LogCaptureFixture) -> None:
    """In no form; that they are there at all is logged."""
    reply = listed(listing_app(RESERVED), "/v1/a", query=query)
    assert reply.status == 200
    assert "hidden" not in reply.text
    assert "versions" not in reply.text
    assert "c" in reply.text
    assert "reserved" in caplog.text


def test_the_inside_of_the_cluster_sees_reserved_names() -> None:
    """Whoever carries the backend header, which no client can."""
    headers = {"X-Backend-Allow-Reserved-Names": "true"}
    reply = ask(filter_factory({})(listing_app(RESERVED)), path="/v1/a", query="format=json", headers=headers)
    assert json.loads(reply.body) == RESERVED


def test_a_literal_backslash_is_not_a_nul() -> None:
    """A name that only looks escaped is shown."""
    rows = [{"name": "\\u0000", "subdir": "x"}]
    assert json.loads(listed(listing_app(rows), query="format=json").body) == rows


@pytest.mark.parametrize(
    ("earlier", "vary"), [("Origin", "Origin, Accept"), ("accept", "accept"), ("X, Accept", "X, Accept")]
)
def test_vary_names_accept_once(earlier: str, vary: str) -> None:
    """And keeps what others vary by."""
    app = listing_app(ROWS)
    app.headers.append(("Vary", earlier))
    assert listed(app).headers["vary"] == vary
