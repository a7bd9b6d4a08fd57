"""Laws of the paths that are answered in front of an application."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import pytest
from one_request import FixedApp, ask

from apus.common import healthcheck, metrics, recon
from apus.common.doors import Doors, before
from apus.common.http.answer import Answer
from apus.common.http.wsgi import WSGIApp

FILTERS: dict[str, Callable[[WSGIApp], WSGIApp]] = {
    "healthcheck": healthcheck.filter_factory({}),
    "metrics": metrics.filter_factory({}),
    "recon": recon.filter_factory({}),
}


def counted() -> float:
    """How many requests have been counted so far."""
    text = ask(FILTERS["metrics"](FixedApp()), path="/metrics").text
    return sum(map(float, re.findall(r"(?m)^apus_server_requests_total\{.*\} (\S+)$", text)))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ours", 201),
        ("/under/", 202),
        ("/under/a/b", 202),
        ("/ours/", 418),
        ("/our", 418),
        ("/under", 418),
        ("/outer", 418),
        ("", 418),
        ("/", 418),
        ("ours", 418),
    ],
)
def test_a_path_is_ours_or_the_application_s(path: str, status: int) -> None:
    """Exactly, or, with a slash at its end, all that lies under it."""
    app = before(FixedApp("418 Teapot"), "/ours", lambda _: Answer(201))
    app = before(app, "/under/", lambda _: Answer(202))
    assert isinstance(app, Doors)
    assert isinstance(app.app, FixedApp)
    assert ask(app, path=path).status == status


@pytest.mark.parametrize("names", list(itertools.permutations(FILTERS)))
def test_filters_that_follow_each_other_do_what_they_do_alone(names: tuple[str, ...]) -> None:
    """In any order each answers its path; what the one that counts lets through is counted."""
    app = FixedApp("204 No Content")
    stack: WSGIApp = app
    for name in reversed(names):
        stack = FILTERS[name](stack)
    depth = {name: place for place, name in enumerate(names)}
    for path, status, owner in [
        ("/healthcheck", 200, "healthcheck"),
        ("/metrics", 200, "metrics"),
        ("/recon/version", 200, "recon"),
        ("/recon/nothing", 404, "recon"),
        ("/device/1/a", 204, None),
        ("/hello", 204, None),
        ("/metrics/1/a", 204, None),
        ("/recon", 204, None),
    ]:
        earlier = counted()
        assert ask(stack, path=path).status == status
        is_counted = owner is None or depth[owner] > depth["metrics"]
        assert counted() == earlier + is_counted, path
    assert len(app.seen) == 4
