"""Laws of all filters together, in the order of the sample configuration, over real HTTP."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from engine import Reply, Served, serving

from apus.common import healthcheck, metrics
from apus.common.http.answer import Answer
from apus.proxy.info import AccountInfo, ContainerInfo
from apus.proxy.middleware import catch_errors, gatekeeper, listing_formats, proxy_logging, tempauth

ROWS = [{"name": "o", "hash": "h", "bytes": 1, "content_type": "t/x", "last_modified": "2026"}]


class Cluster:
    """What stands where the proxy stands: it asks who may, remembers what it saw, and leaks internal headers."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def account_info(self, environ: dict[str, Any], account: str) -> AccountInfo:
        return AccountInfo(status=204)

    def container_info(self, environ: dict[str, Any], account: str, container: str) -> ContainerInfo:
        return ContainerInfo(status=204)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.seen.append(environ)
        environ["apus.acl"] = None
        answer: Answer | None = environ["apus.authorize"](environ)
        if answer is None:
            leaks = {"X-Backend-Timestamp": "1", "X-Container-Sysmeta-Secret": "1", "X-Object-Meta-Mine": "1"}
            if environ["PATH_INFO"].endswith("/bug"):
                raise KeyError("bug")
            if environ["REQUEST_METHOD"] == "PUT":
                environ["wsgi.input"].read()
                answer = Answer(201, leaks)
            else:
                answer = Answer(200, {**leaks, "Content-Type": "application/json"}, json.dumps(ROWS).encode())
        return answer(environ, start_response)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def served(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> Iterator[Served]:
    """The pipeline on a port."""
    caplog.set_level(logging.INFO, logger=proxy_logging.__name__)
    auth = tempauth.filter_factory({}, token_secret="s" * 32, user_test_tester="testing .admin")
    app: Any = cluster
    for make in (
        auth,
        listing_formats.filter_factory({}),
        proxy_logging.filter_factory({}),
        metrics.filter_factory({}),
        healthcheck.filter_factory({}),
        gatekeeper.filter_factory({}),
        catch_errors.filter_factory({}),
    ):
        app = make(app)
    with serving(app) as running:
        yield running


def ask(served: Served, method: str, path: str, *headers: str, body: bytes = b"") -> Reply:
    lines = "".join(f"{line}\r\n" for line in headers)
    head = f"{method} {path} HTTP/1.1\r\nHost: h\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    return served.ask(head.encode("latin-1") + body, method=method)


def token(served: Served) -> str:
    reply = ask(served, "GET", "/auth/v1.0", "X-Auth-User: test:tester", "X-Auth-Key: testing")
    return f"X-Auth-Token: {reply.headers['x-auth-token']}"


FORGED = [
    "X-Backend-Storage-Policy-Index: 9",
    "x_backend_replication: true",
    "X-CONTAINER-HOST: 10.0.0.1:80",
    "X-Container-Device: sda",
    "X-Container-Partition: 1",
    "X-Delete-At-Host: 10.0.0.1:80",
    "X-Account-Sysmeta-Core-Access-Control: {}",
    "X-Object-Transient-Sysmeta-A: b",
    "X-Timestamp: 9999999999.00000",
    "Remote-User: admin",
    "Swift.authorize-override: true",
]


def test_no_forged_header_arrives(served: Served, cluster: Cluster) -> None:
    """Nor does one of them become a key that filters use among themselves."""
    assert ask(served, "PUT", "/v1/AUTH_test/c/o", token(served), *FORGED, body=b"x").status == 201
    environ = cluster.seen[-1]
    arrived = {name.removeprefix("HTTP_") for name in environ if name.startswith("HTTP_")}
    assert arrived == {
        "HOST",
        "X_AUTH_TOKEN",
        "REMOTE_USER",
        "SWIFT.AUTHORIZE_OVERRIDE",
        "X_BACKEND_INBOUND_X_TIMESTAMP",
    }
    assert environ["REMOTE_USER"] == "test,test:tester,AUTH_test"
    assert "swift.authorize_override" not in environ


def test_no_internal_header_leaves(served: Served) -> None:
    """Users' own do."""
    reply = ask(served, "GET", "/v1/AUTH_test/c", token(served))
    assert [name for name in reply.headers if name.startswith(("x-backend", "x-container-sysmeta"))] == []
    assert reply.headers["x-object-meta-mine"] == "1"
    assert reply.body == b"o\n"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/AUTH_test", 401),
        ("GET", "/v1/AUTH_test/bug", 401),
        ("GET", "/healthcheck", 200),
        ("GET", "/metrics", 200),
        ("GET", "/auth/v1.0", 401),
        ("GET", "/v1/AUTH_%FF%00/c", 401),
        ("GET", "/v1/AUTH_test/c?format=%FF", 400),
        ("BREW", "/v1/AUTH_test", 401),
    ],
)
def test_trap_13_every_answer_has_its_id(served: Served, method: str, path: str, status: int) -> None:
    """Whoever gives it."""
    reply = ask(served, method, path)
    assert reply.status == status
    assert reply.headers["x-trans-id"] == reply.headers["x-openstack-request-id"]
    assert reply.headers["x-trans-id"].startswith("tx")


def test_a_bug_is_a_500_and_the_connection_lives(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """The id that the client has is the one in the log."""
    mine = token(served)
    with served.raw() as raw:
        for path, status in (("/v1/AUTH_test/bug", 500), ("/v1/AUTH_test/c", 200)):
            raw.send(f"GET {path} HTTP/1.1\r\n{mine}\r\n\r\n".encode())
            reply = raw.answer()
            assert reply.status == status
    lines = [record for record in caplog.records if record.name == proxy_logging.__name__]
    assert [line.status_int for line in lines] == [200, 500, 200]  # type: ignore[attr-defined]


def test_trap_6_a_client_that_leaves_in_its_body_is_a_499(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """With the bytes that came; and it is nobody's error."""
    mine = token(served)
    with served.raw() as raw:
        raw.send(f"PUT /v1/AUTH_test/c/o HTTP/1.1\r\n{mine}\r\nContent-Length: 10\r\n\r\nabc".encode())
        raw.end()
        raw.rest()
    [line] = [r for r in caplog.records if getattr(r, "method", "") == "PUT"]
    assert (line.status_int, line.bytes_recvd) == (499, 3)  # type: ignore[attr-defined]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_trap_14_a_body_that_comes_too_late_is_a_408(cluster: Cluster) -> None:
    """With an id, and the connection ends."""
    auth = tempauth.filter_factory({}, token_secret="s" * 32, user_test_tester="testing .admin")
    stack = catch_errors.filter_factory({})(auth(cluster))
    with serving(stack, client_timeout_seconds=0.2) as running:
        mine = token(running)
        with running.raw() as raw:
            raw.send(f"PUT /v1/AUTH_test/c/o HTTP/1.1\r\n{mine}\r\nContent-Length: 10\r\n\r\nabc".encode())
            reply = raw.answer()
            assert (reply.status, reply.headers["connection"]) == (408, "close")
            assert reply.headers["x-trans-id"] == cluster.seen[-1]["swift.trans_id"]
