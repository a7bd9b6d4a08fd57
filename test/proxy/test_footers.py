"""What a filter tells of a body behind it, through the real proxy to real object servers and others."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_request import Reply, ask, environ_for
from storage_doubles import DoubledCluster, StorageNode, doubled_cluster, make_real

from apus.common.errors import Refused
from apus.common.http.request import Request
from apus.object import mime
from apus.proxy.footers import FOOTERS, Mime, told

PATH = "AUTH_t/c/o"
URL = f"/v1/{PATH}"
SMALL, LARGE = b"small", os.urandom((1 << 20) + 7)
sizes = pytest.mark.parametrize("body", [SMALL, LARGE, b""], ids=["small", "large", "empty"])
METHODS = ("PUT", "GET", "HEAD")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DoubledCluster]:
    with doubled_cluster(tmp_path, nodes=6) as cluster:
        assert ask(cluster.proxy, "PUT", "/v1/AUTH_t/c").status == 201
        yield cluster


def put(cluster: DoubledCluster, body: bytes, footers: dict[str, str], **headers: str) -> Reply:
    """Upload with footers."""
    return ask(
        cluster.proxy,
        "PUT",
        URL,
        headers=headers,
        body=body,
        environ={FOOTERS: lambda told: told.update(footers), "CONTENT_LENGTH": str(len(body))},
    )


def stored(cluster: DoubledCluster) -> int:
    """Return how many of the real servers hold the object."""
    return len(list(cluster.directory.glob("real*/d*/objects/*/*/*/*.data")))


def heads(node: StorageNode) -> list[dict[str, str]]:
    """Return the headers of the uploads that a node was asked to take."""
    return [headers for method, _, headers in node.requests if method == "PUT" and "X-Timestamp" in headers]


@sizes
@pytest.mark.parametrize("condition", [{}, {"If-None-Match": "*"}], ids=["plain", "conditional"])
def test_what_is_told_is_stored_with_the_body(
    cluster: DoubledCluster, body: bytes, condition: dict[str, str]
) -> None:
    """And wins over a header of the same name."""
    for node in cluster.nodes:
        make_real(cluster, node, methods=METHODS)
    footers = {
        "Etag": hashlib.md5(body).hexdigest(),
        "X-Object-Sysmeta-Some": "told",
        "x-object-meta-colour": "blue",
    }
    reply = put(cluster, body, footers, **{"X-Object-Sysmeta-Some": "sent"}, **condition)
    assert (reply.status, reply.headers["etag"]) == (201, footers["Etag"])
    assert stored(cluster) == 3
    reply = ask(cluster.proxy, "GET", URL)
    assert reply.body == body
    assert reply.headers["x-object-sysmeta-some"] == "told"
    assert reply.headers["x-object-meta-colour"] == "blue"


@sizes
def test_a_wrong_etag_told_is_422(cluster: DoubledCluster, body: bytes) -> None:
    """And nothing is stored."""
    for node in cluster.nodes:
        make_real(cluster, node)
    assert put(cluster, body, {"Etag": "0" * 32}).status == 422
    assert stored(cluster) == 0


@sizes
def test_a_filter_that_refuses_the_body_leaves_nothing(cluster: DoubledCluster, body: bytes) -> None:
    """It has seen all of the body by then, and the object servers nothing that ends it."""
    for node in cluster.nodes:
        make_real(cluster, node)

    def refuse(_footers: dict[str, str]) -> None:
        raise Refused("not this one", 422)

    reply = ask(
        cluster.proxy, "PUT", URL, body=body, environ={FOOTERS: refuse, "CONTENT_LENGTH": str(len(body))}
    )
    assert (reply.status, reply.body) == (422, b"not this one")
    assert stored(cluster) == 0


@sizes
def test_what_no_row_could_carry_is_refused(cluster: DoubledCluster, body: bytes) -> None:
    """A listing would never show the object."""
    for node in cluster.nodes:
        make_real(cluster, node)
    name = "X-Object-Sysmeta-Container-Update-Override-Etag"
    assert put(cluster, body, {name: "x" * 8193}).status == 400
    assert stored(cluster) == 0


def test_who_takes_no_footers_is_passed_over(cluster: DoubledCluster) -> None:
    """Stand-ins take the body; without enough of them the client is told to try again."""
    primaries, handoffs = cluster.home(PATH)
    for node in (*primaries[:2], *handoffs[:1]):
        make_real(cluster, node)
    assert put(cluster, LARGE, {}).status == 201
    assert stored(cluster) == 3
    assert PATH not in primaries[2].objects
    for node in (*primaries[:2], *handoffs[:1]):
        node.misbehaviour = None
    assert put(cluster, LARGE, {}).status == 503
    assert not [node for node in cluster.nodes if PATH in node.objects]


def test_a_plain_upload_knows_nothing_of_it(cluster: DoubledCluster) -> None:
    """No header more, and no other form of body."""
    for body in (SMALL, LARGE):
        assert ask(cluster.proxy, "PUT", URL, body=body).status == 201
    primaries, _ = cluster.home(PATH)
    assert primaries[0].objects[PATH].body == LARGE
    assert not [name for head in heads(primaries[0]) for name in head if "Backend-Obj" in name]


@given(st.binary(max_size=400), st.dictionaries(st.text(max_size=9), st.text(max_size=9)), st.integers(1, 99))
def test_the_object_server_understands_the_form(body: bytes, said: dict[str, str], limit: int) -> None:
    """Whatever the body holds, even what looks like a boundary's beginning."""
    form = Mime("b" * 64)
    footers = told(lambda collected: collected.update(said))
    sent = form.opening() + body + form.closing(footers)
    environ = environ_for("PUT", "/d/0/a/c/o", headers=form.headers(len(body)), body=sent)
    pieces: list[bytes] = []
    heard: dict[str, str] = {}
    assert mime.is_wanted(Request(environ))
    mime.receive(Request(environ), pieces.append, heard, limit)
    assert b"".join(pieces) == body
    assert heard == {mime._titled(name): value for name, value in footers.items()}
