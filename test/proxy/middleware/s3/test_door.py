"""Which requests are S3's, who sends them, and how each of them is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import HmacV1Auth, S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from one_request import Environ, FixedApp, Reply, ask

from apus.common.errors import Refused, Unavailable
from apus.common.http.answer import Answer
from apus.common.http.errors import BadFraming, ClientDisconnect, ClientTimeout
from apus.proxy.info import AccountInfo, ContainerInfo
from apus.proxy.middleware import tempauth
from apus.proxy.middleware.s3 import door, operations
from apus.proxy.middleware.s3.request import Request
from apus.proxy.middleware.s3.xml import read

USERS = {"user_test_tester": "testing .admin", "user_test2_tester2": "testing2 .admin"}


class Store:
    """A proxy application that asks the auth filter as the controllers do."""

    def __init__(self) -> None:
        self.seen: list[Environ] = []

    def account_info(self, environ: Environ, account: str) -> AccountInfo:
        return AccountInfo(status=204)

    def container_info(self, environ: Environ, account: str, container: str) -> ContainerInfo:
        return ContainerInfo(status=204)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Any:
        self.seen.append(environ)
        refusal: Answer | None = environ["apus.authorize"](environ)
        return (refusal or Answer(204))(environ, start_response)


class Auth(FixedApp):
    """An auth filter that knows nobody."""

    def s3_secret(self, access_key: str) -> None:
        return None


def opened(store: Any = None, **options: str) -> Any:
    auth = tempauth.filter_factory({}, **USERS, token_secret="a secret of more than sixteen characters")
    return door.filter_factory({}, **options)(auth(store or Store()))


def signed(
    method: str,
    path: str,
    query: str = "",
    *,
    user: str = "test:tester",
    key: str = "testing",
    version: int = 4,
    headers: dict[str, str] | None = None,
) -> dict[str, str]:
    """Return the headers of a signed request, by boto3's own signers."""
    request = AWSRequest(
        method, f"http://store.example{quote(path)}" + f"?{query}" * bool(query), headers=headers
    )
    request.headers["Host"] = "store.example"
    credentials = Credentials(user, key)
    if version == 4:
        S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
    else:
        HmacV1Auth(credentials).add_auth(request)
    return dict(request.headers.items())


def asked(
    app: Any, method: str = "HEAD", path: str = "/bkt", query: str = "", *, sign: bool = True, **how: Any
) -> Reply:
    headers = {**(signed(method, path, query, **how) if sign else {}), **how.pop("headers", {})}
    return ask(app, method, path, query=query, headers=headers, environ={"swift.trans_id": "tx1"})


def code(reply: Reply) -> str | None:
    return read(reply.body).value("Code")


@pytest.mark.parametrize("version", [2, 4])
def test_who_signs_is_introduced_to_the_store(version: int) -> None:
    """The store sees a request for the caller's own account, by the caller."""
    store = Store()
    reply = asked(opened(store), version=version)
    assert reply.status == 200
    environ = store.seen[0]
    assert environ["PATH_INFO"] == "/v1/AUTH_test/bkt"
    assert environ["REMOTE_USER"] == "test,test:tester,AUTH_test"
    assert environ["apus.owner"] is True
    assert reply.headers["x-amz-request-id"] == reply.headers["x-amz-id-2"] == "tx1"


def test_a_caller_has_no_rights_in_another_account() -> None:
    """ACCOUNT:BUCKET names it, and the store refuses."""
    store = Store()
    reply = asked(opened(store), path="/AUTH_test2:bkt")
    assert reply.status == 403
    assert store.seen[0]["PATH_INFO"] == "/v1/AUTH_test2/bkt"


@pytest.mark.parametrize(
    ("how", "expected"),
    [({"key": "wrong"}, "SignatureDoesNotMatch"), ({"user": "no:body"}, "InvalidAccessKeyId")],
)
def test_who_does_not_sign_rightly_reaches_nothing(how: dict[str, Any], expected: str) -> None:
    """403, and the store is never asked."""
    store = Store()
    reply = asked(opened(store), "GET", "/bkt", "location", **how)
    assert (reply.status, code(reply)) == (403, expected)
    assert store.seen == []
    assert reply.headers["x-amz-request-id"] == "tx1"


@pytest.mark.parametrize("header", ["X-Auth-Token", "X-Storage-Token", "X-Service-Token"])
def test_a_token_adds_nothing_to_a_signature(header: str) -> None:
    """Who signs is who asks."""
    store = Store()
    headers = {**signed("HEAD", "/bkt"), header: "AUTH_tkforged"}
    assert ask(opened(store), "HEAD", "/bkt", headers=headers).status == 200
    assert "HTTP_" + header.upper().replace("-", "_") not in store.seen[0]


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/v1/AUTH_test/bkt/key", ""),
        ("GET", "/v1/AUTH_test/bkt", "format=json&prefix=a"),
        ("GET", "/info", ""),
        ("GET", "/auth/v1.0", ""),
        ("GET", "/", ""),
        ("GET", "/bkt/key", ""),
        ("POST", "/v1/AUTH_test/bkt/key", ""),
    ],
)
def test_other_requests_are_the_stores(method: str, path: str, query: str) -> None:
    """They pass untouched."""
    behind = Auth()
    ask(door.filter_factory({})(behind), method, path, query=query)
    assert behind.seen[-1]["PATH_INFO"] == path
    assert behind.seen[-1]["QUERY_STRING"] == query


def test_a_stranger_reaches_the_buckets_of_the_default_account() -> None:
    """If there is one; or those of the account that they name. The store says whether they may (trap 57: 403)."""
    for options, path in (({"default_account": "AUTH_test"}, "/bkt"), ({}, "/AUTH_test:bkt")):
        store = Store()
        reply = asked(opened(store, **options), "GET", path, "location", sign=False)
        assert (reply.status, code(reply)) == (403, "AccessDenied")
        assert store.seen[0]["PATH_INFO"] == "/v1/AUTH_test/bkt"
        assert not store.seen[0].get("REMOTE_USER")


def test_a_bucket_in_the_host_of_nobodys_account_is_refused() -> None:
    """It is S3's request, but nobody knows whose bucket is meant."""
    app = opened(storage_domain="store.example")
    reply = asked(app, "GET", "/key", sign=False, headers={"Host": "bkt.store.example"})
    assert (reply.status, code(reply)) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("problem", "expected", "closes"),
    [
        (ClientTimeout("slow"), (400, "RequestTimeout"), True),
        (BadFraming("short"), (400, "IncompleteBody"), True),
        (Refused("no"), (400, "InvalidRequest"), False),
        (Refused("no", 413), (400, "EntityTooLarge"), False),
        (Unavailable("gone"), (503, "ServiceUnavailable"), False),
    ],
)
def test_what_goes_wrong_below_is_told_in_s3s_words(
    monkeypatch: pytest.MonkeyPatch, problem: Exception, expected: tuple[int, str], closes: bool
) -> None:
    """And the connection ends where the next request could not be found on it (trap 14)."""

    def failing(_request: Request) -> Answer:
        raise problem

    monkeypatch.setattr(operations, "OPERATIONS", {("bucket", "GET", "location"): failing})
    monkeypatch.setattr(operations.found, "__defaults__", (operations.OPERATIONS,))
    reply = asked(opened(), "GET", "/bkt", "location")
    assert (reply.status, code(reply)) == expected
    assert ("connection" in reply.headers) == closes


def test_trap_83_the_owner_can_be_expected() -> None:
    """Whoever takes the name of a bucket for another one's is stopped."""
    for owner, status in (("AUTH_test", 200), ("AUTH_test2", 403)):
        headers = signed("HEAD", "/bkt", headers={"x-amz-expected-bucket-owner": owner})
        assert ask(opened(), "HEAD", "/bkt", headers=headers).status == status


def test_who_is_gone_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine ends the connection."""

    def failing(_request: Request) -> Answer:
        raise ClientDisconnect("gone")

    monkeypatch.setattr(operations.found, "__defaults__", ({("bucket", "GET", ""): failing},))
    with pytest.raises(ClientDisconnect):
        asked(opened(), "GET")


@pytest.mark.parametrize("query", ["prefix=%ff", "versionId=%C3"])
def test_trap_11_a_query_that_is_no_utf_8_is_refused(query: str) -> None:
    """400, not 500."""
    reply = asked(opened(), "GET", "/bkt", query)
    assert (reply.status, code(reply)) == (400, "InvalidArgument")


def test_of_a_word_that_comes_twice_the_first_counts() -> None:
    """A word without a value has an empty one; plus means blank."""
    assert door.query_of("a=1&b&a=2&c=x+y%2B") == {"a": "1", "b": "", "c": "x y+"}


def test_where_nobody_knows_secrets_no_key_is_known(caplog: pytest.LogCaptureFixture) -> None:
    """Behind Keystone's filters: whoever signs is refused, and the operator is told at the start."""
    app = door.filter_factory({})(FixedApp())
    assert "strangers only" in caplog.text
    reply = asked(app, "GET", "/bkt")
    assert (reply.status, code(reply)) == (403, "InvalidAccessKeyId")


def test_nobody_is_introduced_by_a_header() -> None:
    """No header becomes that key of an environ (HTTP_ is before all of them)."""
    store = Store()
    reply = asked(
        opened(store), "GET", "/AUTH_test:bkt", "location", sign=False, headers={"Apus.Known-Caller": "x"}
    )
    assert reply.status == 403
