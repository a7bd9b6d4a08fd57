"""How an S3 request becomes requests of the store."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from one_request import FixedApp, environ_for

from apus.common.config import parse
from apus.proxy.middleware.access_keys import KNOWN_CALLER, Secret
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.request import Request
from apus.proxy.middleware.s3.settings import S3Config


def request(environ: dict[str, Any], app: Any = None, **names: Any) -> Request:
    given = {"account": "AUTH_a", "bucket": "bkt", "key": "é k", "query": {}, **names}
    return Request(environ, app or FixedApp(), parse(S3Config, {}), **given)


class Recorder:
    """Keeps what it is asked."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.seen.append(environ)
        start_response("201 Created", [("Etag", "e")])
        return [b"done"]


def test_the_environ_becomes_the_stores() -> None:
    """The path is the store's; what the log shows is what was asked for."""
    environ = {**environ_for("GET", "/bkt/\xc3\xa9 k"), "RAW_PATH_INFO": "/bkt/%C3%A9%20k"}
    made = request(environ)
    assert environ["PATH_INFO"] == "/v1/AUTH_a/bkt/\xc3\xa9 k"
    assert environ["RAW_PATH_INFO"] == "/bkt/%C3%A9%20k"
    assert made.resource == "/bkt/é k"
    assert made.path() == "/v1/AUTH_a"
    assert made.path("b") == "/v1/AUTH_a/b"


@pytest.mark.parametrize(
    "name",
    [
        *("X-Copy-From", "X-Symlink-Target", "X-Object-Manifest", "X-Static-Large-Object", "X-Auth-Token"),
        *("X-Delete-At", "X-Object-Meta-A", "X-Container-Read", "ETag", "Destination", "X-Newest"),
    ],
)
def test_trap_51_what_only_the_store_understands_is_dropped(name: str) -> None:
    """CVE-2026-71192; each time, also when the same names came before."""
    for _ in range(2):
        environ = environ_for("PUT", "/", headers={name: "x", "X-Amz-Meta-A": "1", "If-Match": "e"})
        request(environ)
        kept = {key for key in environ if key.startswith("HTTP_")}
        assert kept == {"HTTP_X_AMZ_META_A", "HTTP_IF_MATCH", "HTTP_HOST"}


def test_a_request_is_passed_in_place() -> None:
    """The same environ and the same body; the client's query is not passed on."""
    app = Recorder()
    environ = environ_for("PUT", "/bkt/k", query="uploadId=1", body=b"12")
    source = environ["wsgi.input"]
    passed = request(environ, app, key="k").passed(
        headers={"X-Object-Meta-A": "1", "Host": None, "Content-Type": "text/plain"}, query={"a b": "é"}
    )
    assert passed == ("201 Created", [("Etag", "e")], [b"done"])
    assert app.seen == [environ]
    assert app.seen[0] is environ
    assert environ["wsgi.input"] is source
    assert environ["HTTP_X_OBJECT_META_A"] == "1"
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert "HTTP_HOST" not in environ
    assert environ["QUERY_STRING"] == "a%20b=%C3%A9"
    request(environ, app, key="k").passed()
    assert environ["QUERY_STRING"] == ""


def test_a_request_may_be_passed_as_another_one() -> None:
    """Another method, another object."""
    app = Recorder()
    made = request(environ_for("PUT", "/"), app, key="k")
    made.passed(method="POST", key="other")
    assert (app.seen[0]["REQUEST_METHOD"], app.seen[0]["PATH_INFO"]) == ("POST", "/v1/AUTH_a/bkt/other")
    assert made.method == "PUT"


def test_another_request_is_the_callers_too() -> None:
    """The store hears who asks, but none of the client's headers; with all rights only where told."""
    app = Recorder()
    environ = {**environ_for("PUT", "/", headers={"X-Amz-Acl": "private"}), KNOWN_CALLER: "somebody"}
    made = request(environ, app)
    assert made.ask("HEAD", "bkt", "k").status == 201
    asked = app.seen[0]
    assert (asked["PATH_INFO"], asked[KNOWN_CALLER]) == ("/v1/AUTH_a/bkt/k", "somebody")
    assert "HTTP_X_AMZ_ACL" not in asked
    assert "swift.authorize_override" not in asked
    made.ask("HEAD", "bkt", "k", trusted=True)
    assert app.seen[1]["swift.authorize_override"]


def test_what_a_policy_grants_holds_for_all_that_is_asked() -> None:
    """And makes nobody an owner."""
    app = Recorder()
    made = request(environ_for("GET", "/"), app)
    made.grant()
    made.ask("HEAD", "bkt")
    made.passed()
    for asked in app.seen:
        assert asked["swift.authorize_override"]
        assert asked["apus.authorize"](asked) is None
        assert "swift_owner" not in asked


def test_a_form_is_found_to_be_somebodys() -> None:
    """Their account is meant, unless another one was named."""
    secret = Secret("key", "AUTH_b", "caller")
    environ = environ_for("POST", "/bkt") | {"CONTENT_TYPE": "multipart/form-data; boundary=x"}
    made = request(environ, account="", key=None)
    assert made.is_form
    made.adopt(secret, "b:u")
    assert (made.account, made.user, made.caller) == ("AUTH_b", "b:u", "caller")
    assert environ["PATH_INFO"] == "/v1/AUTH_b/bkt"
    assert environ[KNOWN_CALLER] == "caller"
    other = request(environ_for("POST", "/bkt"), account="AUTH_c", key=None)
    other.adopt(secret, "b:u")
    assert other.account == "AUTH_c"


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


@pytest.mark.parametrize(
    ("body", "said", "code"),
    [
        (b"<a/>", md5(b"<a/>"), None),
        (b"<a/>", md5(b"<b/>"), "BadDigest"),
        (b"<a/>", "not base64!", "InvalidDigest"),
        (b"<a/>", "YWJj", "InvalidDigest"),
        (b"<a/>", "", "InvalidDigest"),
        (b"<a", None, "MalformedXML"),
        (b"<b/>", None, "MalformedXML"),
        (b"", None, "MissingRequestBodyError"),
        (b"<a>" + b" " * 100 + b"</a>", None, "MaxMessageLengthExceeded"),
    ],
)
def test_trap_62_a_document_is_what_its_digest_says(body: bytes, said: str | None, code: str | None) -> None:
    """Or the error says which of the two cannot be."""
    headers = {} if said is None else {"Content-MD5": said}
    made = request(environ_for("PUT", "/", headers=headers, body=body))
    if code is None:
        assert made.xml("a").tag == "a"
        return
    with pytest.raises(S3Error) as caught:
        made.xml("a", 100)
    assert caught.value.code == code


def test_trap_59_a_chunked_body_is_bounded_too() -> None:
    """No length is announced; what is read stays within the bound (lp 2153513)."""
    environ = environ_for("PUT", "/", body=b"x" * 1000)
    del environ["CONTENT_LENGTH"]
    with pytest.raises(S3Error) as caught:
        request(environ).body(100)
    assert caught.value.code == "MaxMessageLengthExceeded"
    assert environ["wsgi.input"].tell() == 101


def test_headers_are_found_in_any_case() -> None:
    """Also the two that have no HTTP_ before them."""
    environ = environ_for("GET", "/", headers={"X-Amz-Acl": "private"}) | {"CONTENT_TYPE": "a/b"}
    made = request(environ)
    assert made.header("x-amz-ACL") == "private"
    assert made.header("Content-Type") == "a/b"
    assert made.header("Range") is None
