"""Laws of the access log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_request import Environ, FixedApp, ask, environ_for

from apus.common import logs, metrics
from apus.common.http.errors import ClientDisconnect
from apus.proxy.middleware import proxy_logging
from apus.proxy.middleware.proxy_logging import Exchange, exact_time, filter_factory, short_time


@pytest.fixture(autouse=True)
def level(caplog: pytest.LogCaptureFixture) -> None:
    """Access lines are INFO."""
    caplog.set_level(logging.INFO, logger=proxy_logging.__name__)


def only(caplog: pytest.LogCaptureFixture) -> Any:
    [record] = [record for record in caplog.records if record.name == proxy_logging.__name__]
    return record


def count(resource: str, method: str, status: str, policy: str = "") -> float:
    cell = proxy_logging.REQUESTS.labels(resource, method, status, policy)
    return float(metrics._store.cells[cell._index])


def test_a_line_has_the_fields_of_swifts_access_log(caplog: pytest.LogCaptureFixture) -> None:
    """Each under its name in Swift's template."""
    headers = {
        "X-Auth-Token": "AUTH_tk0123456789abcdef",
        "Referer": "http://page.example",
        "User-Agent": "client/1",
        "ETag": "e" * 32,
        "X-Forwarded-For": "203.0.113.9, 10.0.0.1",
    }
    app = FixedApp("201 Created", [("X-Backend-Storage-Policy-Index", "1")], [b"ab", b"c"])
    environ = {
        "swift.access_logging": {"user_id": "test:tester"},
        "swift.log_info": ["x-delete-at:1", "more"],
        "swift.source": "SLO",
    }
    ask(
        filter_factory({})(app),
        "PUT",
        "/v1/a/c/o x",
        headers=headers,
        query="a=b",
        environ=environ,
        body=b"12345",
    )
    line = only(caplog)
    assert (line.client_ip, line.remote_addr) == ("203.0.113.9", "192.0.2.7")
    assert (line.method, line.path, line.protocol, line.status_int) == (
        "PUT",
        "/v1/a/c/o%20x?a=b",
        "HTTP/1.1",
        201,
    )
    assert (line.referer, line.user_agent, line.client_etag) == ("http://page.example", "client/1", "e" * 32)
    assert line.auth_token == "AUTH_tk012345678..."
    assert (line.bytes_sent, line.policy_index, line.source) == (3, "1", "SLO")
    assert (line.access_user_id, line.log_info) == ("test:tester", "x-delete-at:1,more")
    assert 0 <= line.request_time < 5
    assert line.start_time <= line.end_time


def test_what_is_absent_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """No hyphens to be parsed away."""
    ask(filter_factory({})(FixedApp()), "GET", "/v1/a")
    line = only(caplog)
    for field in ("referer", "user_agent", "auth_token", "client_etag", "source", "log_info", "headers"):
        assert not hasattr(line, field)


@pytest.mark.parametrize(
    ("reveal", "shown"), [("16", "AUTH_tk012345678..."), ("0", "..."), ("100", "AUTH_tk0123456789abcdef")]
)
def test_a_token_is_never_whole_in_the_log(reveal: str, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    """Unless the operator wants it; neither in its field nor among the headers."""
    headers = {"X-Auth-Token": "AUTH_tk0123456789abcdef"}
    stack = filter_factory({}, reveal_sensitive_prefix=reveal, access_log_headers="yes")(FixedApp())
    ask(stack, headers=headers)
    line = only(caplog)
    assert line.auth_token == shown
    assert f"X-Auth-Token: {shown}" in line.headers
    if reveal != "100":
        assert headers["X-Auth-Token"] not in str(vars(line))


@pytest.mark.parametrize("key", ["temp_url_sig", "X-Amz-Signature", "temp%5furl_sig", "signature"])
def test_signatures_in_queries_are_cut(key: str, caplog: pytest.LogCaptureFixture) -> None:
    """They are as good as tokens (CVE-2017-8761)."""
    ask(filter_factory({})(FixedApp()), path="/v1/a/c/o", query=f"x=1&{key}={'s' * 40}&temp_url_expires=2")
    assert only(caplog).path == f"/v1/a/c/o?x=1&{key}={'s' * 16}...&temp_url_expires=2"


def test_the_path_is_logged_as_sent(caplog: pytest.LogCaptureFixture) -> None:
    """Filters further on rewrite the query; the client does not know that."""

    def rewriting(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["QUERY_STRING"] = "format=json"
        return FixedApp()(environ, start_response)

    raw = {"RAW_PATH_INFO": "/v1/a/%63"}
    ask(filter_factory({})(rewriting), path="/v1/a/c", query="prefix=x", environ=raw)
    assert only(caplog).path == "/v1/a/%63?prefix=x"


def test_headers_can_be_chosen(caplog: pytest.LogCaptureFixture) -> None:
    """access_log_headers_only, in any case."""
    stack = filter_factory({}, access_log_headers="yes", access_log_headers_only="x-one, Host")(FixedApp())
    ask(stack, headers={"X-One": "1", "X-Two": "2"})
    assert set(only(caplog).headers.splitlines()) == {"Host: store.example", "X-One: 1"}


def test_a_request_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """However often the filter stands in the pipeline."""
    make = filter_factory({})
    ask(make(make(FixedApp())))
    assert only(caplog).status_int == 200


class Streaming:
    """An application whose body comes piece by piece and may fail."""

    def __init__(self, pieces: list[bytes | BaseException], length: int | None = None) -> None:
        self.pieces = pieces
        self.length = length
        self.closed = False

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [] if self.length is None else [("Content-Length", str(self.length))])
        return self

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, BaseException):
                raise piece
            yield piece

    def close(self) -> None:
        self.closed = True


def test_a_streamed_body_is_counted_when_it_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    """Not before; and it is closed."""
    app = Streaming([b"1234", b"56"], 6)
    result = filter_factory({})(app)(environ_for("GET", "/v1/a/c/o"), lambda *_: None)
    assert not caplog.records
    assert b"".join(result) == b"123456"
    assert (only(caplog).bytes_sent, only(caplog).status_int) == (6, 200)
    result.close()  # type: ignore[attr-defined]
    assert app.closed


@pytest.mark.parametrize(
    ("problem", "status"), [(ClientDisconnect("gone"), 499), (OSError("reset"), 499), (KeyError("bug"), 500)]
)
def test_a_body_that_breaks_tells_why(
    problem: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """499 where the client is to blame, 500 where we are."""
    result = filter_factory({})(Streaming([b"12", problem], 6))(
        environ_for("GET", "/v1/a/c/o"), lambda *_: None
    )
    with pytest.raises(type(problem)):
        b"".join(result)
    assert (only(caplog).bytes_sent, only(caplog).status_int) == (2, status)


def test_a_body_that_nobody_takes_is_a_disconnect(caplog: pytest.LogCaptureFixture) -> None:
    """Closed before its announced end."""
    result = filter_factory({})(Streaming([b"12", b"3456"], 6))(
        environ_for("GET", "/v1/a/c/o"), lambda *_: None
    )
    next(iter(result))
    result.close()  # type: ignore[attr-defined]
    assert only(caplog).status_int == 499


def test_a_head_that_is_not_followed_by_a_body_is_whole(caplog: pytest.LogCaptureFixture) -> None:
    """HEAD announces a length it never sends."""
    app = FixedApp("200 OK", [("Content-Length", "100")], [])
    ask(filter_factory({})(app), "HEAD", "/v1/a/c/o")
    assert only(caplog).status_int == 200


@pytest.mark.parametrize(("problem", "status"), [(KeyError("bug"), 500), (ClientDisconnect("gone"), 499)])
def test_a_pipeline_that_fails_is_logged_and_fails_on(
    problem: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The exception is for the filter before this one."""

    def failing(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise problem

    with pytest.raises(type(problem)):
        ask(filter_factory({})(failing))
    assert only(caplog).status_int == status


def test_another_filter_may_name_the_status(caplog: pytest.LogCaptureFixture) -> None:
    """Bulk operations answer 200 long before they know."""
    ask(filter_factory({})(FixedApp()), environ={"swift.proxy_logging_status": 418})
    assert only(caplog).status_int == 418


@pytest.mark.parametrize(
    ("method", "path", "resource", "counted_method"),
    [
        ("GET", "/v1/a", "account", "GET"),
        ("PUT", "/v1/a/c", "container", "PUT"),
        ("PUT", "/v1/a/c/", "container", "PUT"),
        ("DELETE", "/v1.0/a/c/o/p", "object", "DELETE"),
        ("GET", "/info", "other", "GET"),
        ("BREW", "/v1/a/c/o", "object", "BAD_METHOD"),
        ("GET", "/v9/a/c", "other", "GET"),
    ],
)
def test_requests_are_counted_by_what_they_are_about(
    method: str, path: str, resource: str, counted_method: str
) -> None:
    """Clients cannot make up labels; the policy counts for objects only."""
    policy = "1" if resource == "object" else ""
    before = count(resource, counted_method, "202", policy)
    app = FixedApp("202 Accepted", [("X-Backend-Storage-Policy-Index", "1")])
    ask(filter_factory({})(app), method, path)
    assert count(resource, counted_method, "202", policy) == before + 1


def test_the_policy_is_the_one_that_the_proxy_found() -> None:
    """Before what the answer says."""
    before = count("object", "GET", "203", "7")

    def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["apus.policy_index"] = "7"
        return FixedApp("203 X", [("X-Backend-Storage-Policy-Index", "1")])(environ, start_response)

    ask(filter_factory({})(app), "GET", "/v1/a/c/o")
    assert count("object", "GET", "203", "7") == before + 1


def test_a_body_that_moves_itself_still_does() -> None:
    """Its transfer is offered to the engine, and its bytes are counted."""

    class Moving(Streaming):
        def transfer(self, wire: object) -> int:
            return 6

    result: Any = filter_factory({})(Moving([b"123456"], 6))(environ_for("GET", "/v1/a/c/o"), lambda *_: None)
    assert result.transfer(object()) == 6


TEXTS = st.sampled_from(
    ["", "a", "/v1/a/c/o", "a b", 'a"', "a=b", "a\n", "\xe4", "AUTH_tk0123456789abcdef", "-"]
)
MOMENTS = st.floats(min_value=1e9, max_value=4e9)
KEYS = [
    "RAW_PATH_INFO",
    "REMOTE_ADDR",
    "SERVER_PROTOCOL",
    "HTTP_X_AUTH_TOKEN",
    "HTTP_USER_AGENT",
    "HTTP_REFERER",
]


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, TEXTS)),
    st.one_of(st.none(), TEXTS),
    st.tuples(TEXTS.filter(bool), TEXTS, TEXTS, st.integers(0, 600)),
    st.tuples(MOMENTS, st.floats(min_value=-1, max_value=100), st.integers(0, 1 << 40)),
)
def test_the_short_way_to_a_line_says_the_same(
    given_environ: Environ,
    user: str | None,
    outcome: tuple[str, str, str, int],
    sizes: tuple[float, float, int],
) -> None:
    """Where there is one, its text is that of the fields."""
    environ = {"PATH_INFO": "/v1/a/c/o", **given_environ}
    if user is not None:
        environ["swift.access_logging"] = {"user_id": user}
    exchange = Exchange(filter_factory({})(FixedApp()), environ, lambda *_: None)
    exchange.method, exchange.query, exchange.policy, exchange.outcome = outcome
    exchange.begun, took, exchange.bytes_sent = sizes
    exchange.ended, exchange.bytes_received = exchange.begun + took, 7
    fields, text = exchange.fields(), exchange.text()
    assert text is None or text == "".join(f" {name}={logs._value(value)}" for name, value in fields.items())


def test_an_ordinary_line_takes_the_short_way() -> None:
    """Or it would be of no use."""
    environ = {"RAW_PATH_INFO": "/v1/a/c/o", "REMOTE_ADDR": "192.0.2.7", "HTTP_USER_AGENT": "client 1"}
    exchange = Exchange(filter_factory({})(FixedApp()), environ, lambda *_: None)
    exchange.method, exchange.policy, exchange.outcome = "GET", "0", 200
    exchange.bytes_sent = exchange.bytes_received = 0
    exchange.ended = exchange.begun
    assert exchange.text() is not None


@given(MOMENTS)
def test_moments_are_written_as_their_float_would_be(moment: float) -> None:
    """To the last digit."""
    assert exact_time(moment) == repr(int(moment * 1e6) / 1e6)


@given(st.floats(min_value=-10, max_value=1e5))
def test_durations_are_written_as_their_float_would_be(seconds: float) -> None:
    """Negative ones of a clock that was set back too."""
    assert short_time(seconds) == repr(int(seconds * 1e4) / 1e4)
