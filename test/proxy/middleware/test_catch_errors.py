"""Laws of the outermost filter."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from one_request import Environ, FixedApp, ask

from apus.common.logs import transaction_id
from apus.proxy.middleware.catch_errors import filter_factory

FORM = re.compile(r"tx[0-9a-f]{21}-[0-9a-f]{10}")


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "404 Not Found", "503 Service Unavailable"])
def test_every_answer_carries_its_transaction_id(status: str) -> None:
    """Errors too; it is the id that the pipeline and the log lines have."""
    app = FixedApp(status)
    reply = ask(filter_factory({})(app))
    name = reply.headers["x-trans-id"]
    assert FORM.fullmatch(name)
    assert reply.headers["x-openstack-request-id"] == name
    assert app.seen[0]["swift.trans_id"] == name == transaction_id.get()


def test_ids_differ() -> None:
    """Two requests never share one."""
    stack = filter_factory({})(FixedApp())
    assert len({ask(stack).headers["x-trans-id"] for _ in range(500)}) == 500


@pytest.mark.parametrize(
    ("suffix", "extra", "ending"),
    [
        ("", None, ""),
        ("-east", None, "-east"),
        ("", "client1", "-client1"),
        ("-east", "x" * 50, "-east-" + "x" * 32),
        ("", "a b\n<", "-a%20b%0A%3C"),
        ("", "é", "-%C3%A9"),
    ],
)
def test_suffixes_are_appended_and_made_harmless(suffix: str, extra: str | None, ending: str) -> None:
    """The operator's first, then at most 32 characters of the client's, percent-encoded."""
    headers = {"X-Trans-Id-Extra": extra} if extra else {}
    reply = ask(filter_factory({}, trans_id_suffix=suffix)(FixedApp()), headers=headers)
    assert FORM.sub("", reply.headers["x-trans-id"], count=1) == ending


def failing(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    raise KeyError("secret detail")


def failing_late(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    raise OSError("disk")


@pytest.mark.parametrize("app", [failing, failing_late])
@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
def test_an_unexpected_error_becomes_a_500(
    app: Callable[..., Iterable[bytes]], method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The client learns the id and nothing else; the log has the traceback."""
    reply = ask(filter_factory({})(app), method)
    assert reply.status == 500
    assert FORM.fullmatch(reply.headers["x-trans-id"])
    assert "secret" not in reply.text
    assert reply.body == (b"" if method == "HEAD" else b"An error occurred")
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None


def test_the_servers_own_signals_pass() -> None:
    """A kill of the green thread is not an error of the request."""

    def killed(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise SystemExit

    with pytest.raises(SystemExit):
        ask(filter_factory({})(killed))
