"""Laws of the health check."""

from __future__ import annotations

from pathlib import Path

import pytest
from one_request import FixedApp, ask

from apus.common.healthcheck import filter_factory


def test_a_running_server_is_healthy() -> None:
    """GET /healthcheck is 200 OK and does not reach the application."""
    app = FixedApp("404 Not Found")
    reply = ask(filter_factory({})(app), "GET", "/healthcheck")
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"OK", "text/plain")
    assert not app.seen


def test_a_file_takes_it_out_of_traffic(tmp_path: Path) -> None:
    """While the operator's file exists the answer is 503, and only then."""
    marker = tmp_path / "disabled"
    stack = filter_factory({}, disable_path=str(marker))(FixedApp())
    assert ask(stack, "GET", "/healthcheck").status == 200
    marker.touch()
    reply = ask(stack, "GET", "/healthcheck")
    assert (reply.status, reply.body) == (503, b"DISABLED BY FILE")
    marker.unlink()
    assert ask(stack, "GET", "/healthcheck").status == 200


@pytest.mark.parametrize("path", ["/", "/healthcheck/", "/healthchecks", "/v1/a/healthcheck", ""])
def test_other_paths_pass(path: str) -> None:
    """Only the exact path is answered."""
    app = FixedApp("404 Not Found")
    assert ask(filter_factory({})(app), "GET", path).status == 404
