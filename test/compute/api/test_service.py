"""Laws of the frame that all cloud services stand in."""

from __future__ import annotations

from typing import Any

import pytest
from cloud import FakeVerifier, call, identity_of
from webob import Response

from apus.compute.api.call import Call
from apus.compute.api.faults import (
    Conflict,
    RenderFault,
    glance_style,
    keystone_style,
    neutron_style,
    nova_style,
)
from apus.compute.api.paging import Page, next_link
from apus.compute.api.reply import answer, empty
from apus.compute.api.routing import Routes, methods_of, served
from apus.compute.api.service import Service
from apus.compute.api.versions import Version, Versions

COMPUTE = Versions("compute", Version(2, 1), Version(2, 96), "X-OpenStack-Nova-API-Version")


class Things:
    """A controller with a few handlers."""

    @served("GET", "/", open_to_all=True)
    def versions(self, call: Call) -> Response:
        return answer(200, {"known": call.caller is not None})

    @served("GET HEAD", "/v2.1/things/{thing_id}")
    def show(self, call: Call, thing_id: str) -> Response:
        return answer(200, {"id": thing_id, "project": call.project_id, "version": str(call.version)})

    @served("GET", "/v2.1/things/detail")
    def detail(self, call: Call) -> Response:
        page, more = Page.of(call, maximum=2).cut(["a", "b", "c"], str)
        links = [{"rel": "next", "href": next_link(call, page[-1])}] if more else []
        return answer(200, {"things": page, "things_links": links})

    @served("POST", "/v2.1/things")
    def create(self, call: Call) -> Response:
        if call.member("thing").get("taken"):
            raise Conflict("It is taken.")
        return empty(202)

    @served("DELETE", "/v2.1/things/{thing_id}")
    def delete(self, call: Call, thing_id: str) -> Response:
        call.require("admin")
        raise ZeroDivisionError(thing_id)


def service(render: RenderFault = nova_style) -> tuple[Service, FakeVerifier]:
    routes, verifier = Routes(), FakeVerifier()
    methods_of(Things(), routes)
    return Service("things", routes, render, verifier, COMPUTE, authenticate_at="http://id/v3"), verifier


def test_a_caller_is_known_by_the_token() -> None:
    """Handlers see who asks; a stranger is told where tokens are had; open routes serve both."""
    app, verifier = service()
    member = verifier.token_of(identity_of("p7"))
    reply = call(app, "GET", "/v2.1/things/%C3%BC", token=member)
    assert reply.json() == {"id": "ü", "project": "p7", "version": "2.1"}
    assert reply.headers["x-openstack-request-id"] == reply.headers["x-compute-request-id"]
    for token in ("", "forged"):
        refused = call(app, "GET", "/v2.1/things/1", token=token)
        assert refused.status == 401
        assert refused.headers["www-authenticate"] == 'Keystone uri="http://id/v3"'
    assert call(app, "GET", "/", token="forged").json() == {"known": False}
    assert call(app, "GET", "/", token=member).json() == {"known": True}
    unscoped = verifier.token_of(identity_of(None))
    assert call(app, "GET", "/v2.1/things/1", token=unscoped).status == 403


def test_paths_find_their_handlers() -> None:
    """Fixed segments before open ones; 404 and 405 tell apart; a slash at the end means nothing."""
    app, verifier = service()
    token = verifier.token_of(identity_of())
    assert call(app, "GET", "/v2.1/things/detail/", token=token).json()["things"] == ["a", "b"]
    assert call(app, "GET", "/v2.1/thing", token=token).status == 404
    refused = call(app, "PATCH", "/v2.1/things/1", token=token)
    assert (refused.status, refused.headers["allow"]) == (405, "DELETE, GET, HEAD")


def test_lists_come_in_pages() -> None:
    """The link leads to the rest, and the rest has none."""
    app, verifier = service()
    token = verifier.token_of(identity_of())
    first = call(app, "GET", "/v2.1/things/detail?limit=2&x=1", token=token).json()
    path = first["things_links"][0]["href"].removeprefix("http://localhost")
    assert call(app, "GET", path, token=token).json() == {"things": ["c"], "things_links": []}
    for wrong in ("limit=-1", "limit=x", "marker=none", "limit=99999999999"):
        assert call(app, "GET", f"/v2.1/things/detail?{wrong}", token=token).status == 400


@pytest.mark.parametrize(
    ("asked", "served_version"),
    [
        ({}, "2.1"),
        ({"OpenStack-API-Version": "compute 2.53"}, "2.53"),
        ({"OpenStack-API-Version": "volume 3.1, compute latest"}, "2.96"),
        ({"X-OpenStack-Nova-API-Version": "2.4"}, "2.4"),
        ({"OpenStack-API-Version": "compute 2.97"}, None),
        ({"OpenStack-API-Version": "compute two"}, None),
    ],
)
def test_versions_are_as_asked(asked: dict[str, str], served_version: str | None) -> None:
    """The oldest where nothing is said; what is not served is refused, never another one answered."""
    app, verifier = service()
    reply = call(app, "GET", "/v2.1/things/1", token=verifier.token_of(identity_of()), headers=asked)
    if served_version is None:
        assert reply.status in (400, 406)
        return
    assert reply.json()["version"] == served_version
    assert reply.headers["openstack-api-version"] == f"compute {served_version}"
    assert "OpenStack-API-Version" in reply.headers["vary"]


@pytest.mark.parametrize(
    ("render", "body"),
    [
        (nova_style, {"conflictingRequest": {"code": 409, "message": "It is taken."}}),
        (keystone_style, {"error": {"code": 409, "message": "It is taken.", "title": "Conflict"}}),
        (
            neutron_style,
            {"NeutronError": {"type": "HTTPConflict", "message": "It is taken.", "detail": ""}},
        ),
        (glance_style, None),
    ],
)
def test_faults_are_said_as_clients_expect(render: RenderFault, body: Any) -> None:
    """Each service's clients parse its own form."""
    app, verifier = service(render)
    token = verifier.token_of(identity_of())
    reply = call(app, "POST", "/v2.1/things", {"thing": {"taken": True}}, token=token)
    assert reply.status == 409
    if body is None:
        assert "<h1>409 Conflict</h1>\n  It is taken.<br" in reply.text
    else:
        assert reply.json() == body


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"other": 1}', b'{"thing": 1}', b"\xff"])
def test_a_body_that_is_none_is_refused(body: bytes) -> None:
    """400, with a sentence."""
    app, verifier = service()
    assert call(app, "POST", "/v2.1/things", token=verifier.token_of(identity_of()), body=body).status == 400


def test_a_defect_is_an_answer() -> None:
    """500 with the request's id, nothing of the inside; and only admins come that far."""
    app, verifier = service()
    assert call(app, "DELETE", "/v2.1/things/1", token=verifier.token_of(identity_of())).status == 403
    admin = verifier.token_of(identity_of(roles=("admin",)))
    reply = call(app, "DELETE", "/v2.1/things/1", token=admin)
    assert reply.status == 500
    assert "ZeroDivision" not in reply.text


def test_a_token_in_a_path_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Consoles' tokens are asked for by their path, and whoever reads a log must not sit down at a console."""
    made, _ = service()
    with caplog.at_level("INFO", "apus.compute.api.service"):
        call(made, "GET", "/v2.1/os-console-auth-tokens/secret")
    (line,) = [record for record in caplog.records if record.message == "answered"]
    assert line.__dict__["path"] == "/v2.1/os-console-auth-tokens/…"
