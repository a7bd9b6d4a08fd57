"""Laws of object requests, against storage servers that die, stall, lie and break off."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from one_request import Reply, ask
from storage_doubles import (
    DoubledCluster,
    StorageNode,
    StoredObject,
    breaks_off_after,
    doubled_cluster,
    fails_with,
    is_silent,
)

from apus.common.errors import Unavailable
from apus.common.http.answer import Answer
from apus.common.http.request import Request
from apus.proxy.rings import Home

PATH = "AUTH_t/c/o"
URL = f"/v1/{PATH}"
OLD, NEW = "1700000000.00000", "1700000001.00000"
BARE = ("Content-Type", "Content-Length")
BODY = bytes(range(256)) * 1024


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DoubledCluster]:
    """Four nodes, three replicas, one container."""
    with doubled_cluster(tmp_path) as cluster:
        assert ask(cluster.proxy, "PUT", "/v1/AUTH_t/c").status == 201
        yield cluster


def put(cluster: DoubledCluster, body: bytes = b"hello", **headers: str) -> Reply:
    return send(cluster, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def send(cluster: DoubledCluster, headers: dict[str, str], body: bytes) -> Reply:
    """PUT the body; Content-* headers are where an environ has them."""
    bare = {name.upper().replace("-", "_"): value for name, value in headers.items() if name in BARE}
    rest = {name: value for name, value in headers.items() if name not in BARE}
    environ = {"CONTENT_LENGTH": str(len(body)), **bare}
    return ask(cluster.proxy, "PUT", URL, headers=rest, body=body, environ=environ)


def get(cluster: DoubledCluster, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(cluster.proxy, "GET", URL, headers=named)


def place(nodes: list[StorageNode], body: bytes | None, at: str) -> None:
    for node in nodes:
        node.objects[PATH] = StoredObject(at, body)


def asked(node: StorageNode, method: str) -> list[dict[str, str]]:
    return [headers for verb, path, headers in node.requests if verb == method and path.endswith(PATH)]


# --- storing ---------------------------------------------------------------------------------


def test_a_copy_is_refused_and_never_an_empty_object(cluster: DoubledCluster) -> None:
    """Where no filter makes copies, X-Copy-From must not store the empty body it comes with."""
    assert put(cluster, b"", X_Copy_From="/c/other").status == 501
    assert not any(asked(node, "PUT") for node in cluster.nodes)
    assert get(cluster).status == 404


@pytest.mark.parametrize("size", [0, 1, 4096, 65536, 65537, 1_000_000])
def test_what_is_put_comes_back(cluster: DoubledCluster, size: int) -> None:
    """Any size, small in one send or large in a stream: three copies, the right etag, the same bytes."""
    body = BODY[:1] * size
    reply = put(cluster, body)
    assert reply.status == 201
    assert reply.headers["etag"] == hashlib.md5(body).hexdigest()
    primaries, _ = cluster.home(PATH)
    assert [node.objects[PATH].body for node in primaries] == [body] * 3
    assert get(cluster).body == body


def test_all_replicas_get_one_timestamp_and_one_container_replica_each(cluster: DoubledCluster) -> None:
    """The proxy's X-Timestamp goes to all; the container's replicas are dealt one to each."""
    put(cluster)
    primaries, _ = cluster.home(PATH)
    heads = [asked(node, "PUT")[0] for node in primaries]
    assert len({head["X-Timestamp"] for head in heads}) == 1
    assert len({head["X-Container-Device"] for head in heads}) == 3
    assert {head["X-Backend-Storage-Policy-Index"] for head in heads} == {"0"}


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("status", [500, 503, 507])
def test_a_failing_primary_is_replaced_by_a_handoff(cluster: DoubledCluster, size: int, status: int) -> None:
    """One primary refuses: its copy goes to the first handoff, and the client sees 201."""
    primaries, handoffs = cluster.home(PATH)
    primaries[1].misbehaviour = fails_with(status, "PUT")
    assert put(cluster, BODY[:size]).status == 201
    assert handoffs[0].objects[PATH].body == BODY[:size]
    assert PATH not in primaries[1].objects


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_dead_primary_is_replaced_by_a_handoff(cluster: DoubledCluster, size: int) -> None:
    """A closed port costs nothing but a moment."""
    primaries, handoffs = cluster.home(PATH)
    primaries[0].stop()
    assert put(cluster, BODY[:size]).status == 201
    assert handoffs[0].objects[PATH].body == BODY[:size]


@pytest.mark.parametrize("size", [10, 100_000])
def test_without_a_quorum_a_put_is_503(cluster: DoubledCluster, size: int) -> None:
    """Three of four nodes fail: one copy is not enough to say 201."""
    for node in cluster.nodes[:3]:
        node.misbehaviour = fails_with(503, "PUT")
    assert put(cluster, BODY[:size]).status == 503


@pytest.mark.parametrize("size", [10, 100_000])
def test_trap_15_a_replica_that_has_something_newer_makes_a_put_accepted(
    cluster: DoubledCluster, size: int
) -> None:
    """Any 409 among the answers is 202: stored or already superseded."""
    primaries, _ = cluster.home(PATH)
    place(primaries[:1], b"newer", "9999999999.00000")
    assert put(cluster, BODY[:size]).status == 202


def test_trap_15_the_proxys_clock_orders_requests(cluster: DoubledCluster) -> None:
    """The moment that storage servers are told rises from request to request, and is the same for all of them."""
    for _ in range(3):
        assert put(cluster).status == 201
    assert ask(cluster.proxy, "DELETE", URL).status == 204
    moments = [
        [head["X-Timestamp"] for method in ("PUT", "DELETE") for head in asked(node, method)]
        for node in cluster.home(PATH)[0]
    ]
    assert moments[0] == moments[1] == moments[2] == sorted(set(moments[0]))
    assert len(moments[0]) == 4


def test_a_request_does_not_conflict_with_itself(cluster: DoubledCluster) -> None:
    """A PUT or DELETE made again because its answer was lost is done, not superseded."""

    def loses_its_first_answer(request: Request, node: StorageNode) -> Answer | None:
        if request.path.count("/") < 5:
            return None
        node.honest(request)
        return Answer(409, {"X-Backend-Timestamp": request.header("X-Timestamp") or ""})

    primaries, _ = cluster.home(PATH)
    primaries[0].misbehaviour = loses_its_first_answer
    reply = put(cluster)
    assert reply.status == 201
    assert reply.headers["etag"] == hashlib.md5(b"hello").hexdigest()
    primaries[1].misbehaviour = loses_its_first_answer
    assert ask(cluster.proxy, "DELETE", URL).status == 204


def test_a_wrong_etag_is_422_and_nothing_is_stored(cluster: DoubledCluster) -> None:
    """The client's ETag is compared by the storage servers, quoted and upper case or not."""
    right = hashlib.md5(b"hello").hexdigest()
    assert put(cluster, ETag=f'"{right.upper()}"').status == 201
    place(cluster.nodes, None, OLD)
    assert put(cluster, ETag="0" * 32).status == 422
    assert all(node.objects[PATH].body is None for node in cluster.nodes)


@pytest.mark.parametrize("size", [0, 10, 100_000])
def test_if_none_match_leaves_existing_objects_alone(cluster: DoubledCluster, size: int) -> None:
    """Any replica that has it makes it 412, before any other has taken the body."""
    primaries, _ = cluster.home(PATH)
    place(primaries[:1], b"here", OLD)
    reply = put(cluster, BODY[:size], If_None_Match="*")
    assert reply.status == 412
    assert all(node.objects.get(PATH) is None for node in primaries[1:])
    place(primaries[:1], None, OLD)
    assert put(cluster, BODY[:size], If_None_Match="*").status == 201


def test_if_none_match_knows_only_the_star(cluster: DoubledCluster) -> None:
    """An etag in If-None-Match of a PUT is 400."""
    assert put(cluster, If_None_Match='"abc"').status == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Delete-After": "x"}, 400),
        ({"X-Delete-At": "1"}, 400),
        ({"Content-Type": "text/plain; swift_bytes=1"}, 400),
        ({"X-Object-Meta-" + "n" * 129: "v"}, 400),
        ({"X-Object-Meta-A": "v" * 257}, 400),
        ({"Content-Length": "5368709123"}, 413),
        ({"Transfer-Encoding": "gzip"}, 501),
    ],
)
def test_bad_requests_are_refused(cluster: DoubledCluster, headers: dict[str, str], status: int) -> None:
    """Limits and malformed headers are refused before any storage server is asked."""
    assert send(cluster, headers, b"x").status == status
    assert not any(asked(node, "PUT") for node in cluster.nodes)


def test_a_missing_length_is_411(cluster: DoubledCluster) -> None:
    """Neither Content-Length nor chunked: 411."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "PUT",
        "PATH_INFO": URL,
        "QUERY_STRING": "",
        "wsgi.input": None,
    }
    heard: list[str] = []
    cluster.proxy(environ, lambda status, _headers, *_: heard.append(status))
    assert heard[0].startswith("411")


def test_a_container_that_is_not_there_is_404(cluster: DoubledCluster) -> None:
    """PUT, POST, DELETE and GET in a missing container are 404."""
    for method in ("PUT", "POST", "DELETE", "GET", "HEAD"):
        assert ask(cluster.proxy, method, "/v1/AUTH_t/missing/o", body=b"x").status == 404


def test_expiry_is_normalised_and_queued(cluster: DoubledCluster) -> None:
    """X-Delete-After becomes X-Delete-At, and the expirer's queue is named to every replica."""
    assert put(cluster, X_Delete_After="1000").status == 201
    primaries, _ = cluster.home(PATH)
    heads = [asked(node, "PUT")[0] for node in primaries]
    assert len({head["X-Delete-At"] for head in heads}) == 1
    assert all("X-Delete-After" not in head and "X-Delete-At-Container" in head for head in heads)
    assert len({head["X-Delete-At-Device"] for head in heads}) == 3


def test_a_client_cannot_aim_our_servers(cluster: DoubledCluster) -> None:
    """X-Container-Host and its kin from the client never reach a storage server."""
    put(cluster, X_Container_Host="10.9.9.9:1", X_Delete_At_Host="10.9.9.9:1", X_Auth_Token="secret")
    for node in cluster.nodes:
        for _, _, headers in node.requests:
            assert "10.9.9.9:1" not in headers.values()
            assert "secret" not in headers.values()


def test_nothing_of_a_replaced_ring_is_kept(cluster: DoubledCluster) -> None:
    """What is known of containers is known of one ring: the first that another ring places ends it."""
    assert put(cluster).status == 201
    controller = getattr(cluster.proxy._object["PUT"], "__self__")  # noqa: B009 - a handler is its method
    ((key, (home, updates)),) = controller._updates.items()
    moved = Home(home.ring, home.partition, home.primaries)
    controller._updates[key[0] + 1, *key[1:]] = (home, updates)
    assert len(controller._updates_of(moved, *key[1:])) == len(updates)
    assert [kept for kept, _ in controller._updates.values()] == [moved]


def test_a_listing_that_lags_is_announced(cluster: DoubledCluster) -> None:
    """When two of three rows are only queued, the 201 carries X-Listing-Pending."""

    def misbehave(request: Request, node: StorageNode) -> Answer | None:
        if request.method != "PUT":
            return None
        answer = node.honest(request)
        answer.headers["X-Backend-Listing-Updated"] = "false"
        return answer

    primaries, _ = cluster.home(PATH)
    assert "x-listing-pending" not in put(cluster).headers
    primaries[0].misbehaviour = misbehave
    assert "x-listing-pending" not in put(cluster).headers
    primaries[1].misbehaviour = misbehave
    reply = put(cluster)
    assert reply.status == 201
    assert reply.headers["x-listing-pending"] == "true"


def test_who_has_stored_it_already_may_not_have_told_of_it(cluster: DoubledCluster) -> None:
    """A PUT made again where its server was killed does not count as a row that anybody has."""

    def was_killed_before_the_row(request: Request, node: StorageNode) -> Answer | None:
        if request.method != "PUT":
            return None
        node.honest(request)
        return Answer(409, {"X-Backend-Timestamp": request.header("X-Timestamp") or ""})

    primaries, _ = cluster.home(PATH)
    primaries[0].misbehaviour = was_killed_before_the_row
    assert "x-listing-pending" not in put(cluster).headers
    primaries[1].misbehaviour = was_killed_before_the_row
    reply = put(cluster)
    assert reply.status == 201
    assert reply.headers["x-listing-pending"] == "true"


def dies_in_the_middle(request: Request, _node: StorageNode) -> Answer | None:
    """Take some of the body of an upload; what becomes of the connection then tells nobody of a row."""
    if request.method != "PUT" or request.path.count("/") < 5 or request.header("X-Size") is not None:
        return None
    request.body.read(1000)
    return Answer(503)


def queues_its_row(request: Request, node: StorageNode) -> Answer | None:
    """Answer honestly, but that the container replica could not be told."""
    if request.path.count("/") < 5 or request.header("X-Size") is not None:
        return None
    answer = node.honest(request)
    answer.headers["X-Backend-Listing-Updated"] = "false"
    return answer


def rows_told(cluster: DoubledCluster) -> list[tuple[str, dict[str, str]]]:
    """Return device and headers of each row that the proxy told."""
    told = [(path, headers) for node in cluster.nodes for _, path, headers in node.requests]
    return [(path.split("/")[1], headers) for path, headers in told if "X-Size" in headers]


@pytest.mark.parametrize("dead", [0, 1, 2])
def test_the_proxy_tells_of_a_row_where_an_object_server_died(cluster: DoubledCluster, dead: int) -> None:
    """One dies in the middle of a large upload, another's row is queued: the one that nobody told hears of it."""
    primaries, _ = cluster.home(PATH)
    primaries[dead].misbehaviour = dies_in_the_middle
    primaries[(dead + 1) % 3].misbehaviour = queues_its_row
    reply = send(cluster, {"Content-Type": "text/x-poem"}, BODY)
    assert reply.status == 201
    assert "x-listing-pending" not in reply.headers
    ((device, row),) = rows_told(cluster)
    heads = [headers for headers in asked(primaries[dead], "PUT") if "X-Container-Device" in headers]
    assert [head["X-Container-Device"] for head in heads] == [device]
    stored = primaries[(dead + 2) % 3].objects[PATH]
    assert (row["X-Size"], row["X-Etag"]) == (str(len(BODY)), stored.etag)
    assert (row["X-Content-Type"], row["X-Timestamp"]) == ("text/x-poem", stored.timestamp)
    assert row["X-Backend-Storage-Policy-Index"] == "0"


@pytest.mark.parametrize(
    "name", ["X-Backend-Container-Update-Override-Etag", "X-Object-Sysmeta-Container-Update-Override-Size"]
)
def test_rows_that_say_something_else_are_left_to_object_servers(cluster: DoubledCluster, name: str) -> None:
    """What middleware wants a listing to show is not guessed at: it comes by the updater, and that is said."""
    primaries, _ = cluster.home(PATH)
    primaries[0].misbehaviour = dies_in_the_middle
    primaries[1].misbehaviour = queues_its_row
    reply = send(cluster, {name: "1"}, BODY)
    assert reply.status == 201
    assert reply.headers["x-listing-pending"] == "true"
    assert not rows_told(cluster)


def test_a_lagging_listing_is_logged_and_counted(
    cluster: DoubledCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """One info line and one count for each acknowledged change whose row is pending, by method."""
    caplog.set_level("INFO")
    assert put(cluster).status == 201
    assert not lines_of_lag(caplog)
    for node in cluster.home(PATH)[0]:
        node.misbehaviour = queues_its_row
    assert put(cluster).status == 201
    assert ask(cluster.proxy, "POST", URL, headers={"X-Object-Meta-A": "b"}).status == 202
    assert ask(cluster.proxy, "DELETE", URL).status == 204
    lines = lines_of_lag(caplog)
    assert [line["method"] for line in lines] == ["PUT", "POST", "DELETE"]
    assert {line["path"] for line in lines} == {f"/{PATH}"}
    assert all(line["rows"] == [False] * 3 for line in lines)


def lines_of_lag(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    lines = [vars(record) for record in caplog.records]
    return [line for line in lines if line["msg"] == "acknowledged, but listings may lag"]


# --- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 500, 503, 507])
def test_a_read_fails_over(cluster: DoubledCluster, status: int) -> None:
    """Two primaries fail or have nothing: the third serves."""
    primaries, _ = cluster.home(PATH)
    place(primaries[2:], BODY, OLD)
    for node in primaries[:2]:
        node.misbehaviour = fails_with(status, "GET", "HEAD")
    assert get(cluster).body == BODY
    assert ask(cluster.proxy, "HEAD", URL).headers["content-length"] == str(len(BODY))


def test_silent_and_dead_replicas_are_passed_over(cluster: DoubledCluster) -> None:
    """One that never answers and one that is gone cost time, not the request."""
    primaries, _ = cluster.home(PATH)
    place(primaries, BODY, OLD)
    primaries[0].misbehaviour = is_silent(2, "GET")
    primaries[1].stop()
    cluster.proxy = cluster.again(node_timeout=0.3)
    assert get(cluster).body == BODY


def test_an_object_on_a_handoff_only_is_found(cluster: DoubledCluster) -> None:
    """Primaries that have nothing do not make it 404."""
    _, handoffs = cluster.home(PATH)
    place(handoffs, BODY, OLD)
    assert get(cluster).body == BODY


def test_failures_are_not_taken_for_absence(cluster: DoubledCluster) -> None:
    """One empty primary, one empty handoff, two primaries that fail: 503, never a false 404."""
    primaries, _ = cluster.home(PATH)
    for node in primaries[:2]:
        node.misbehaviour = fails_with(503)
    assert get(cluster).status == 503


def test_trap_47_a_tombstone_hides_what_is_older(cluster: DoubledCluster) -> None:
    """A deletion that one replica missed stays a deletion, whoever is asked first."""
    primaries, _ = cluster.home(PATH)
    place(primaries[:1], BODY, OLD)
    place(primaries[1:], None, NEW)
    assert get(cluster, X_Newest="true").status == 404


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_trap_47_x_newest_serves_the_newest(cluster: DoubledCluster, order: tuple[int, ...]) -> None:
    """With X-Newest the newest version is served wherever it is."""
    primaries, _ = cluster.home(PATH)
    place(primaries, b"old", OLD)
    place([primaries[order[0]]], b"new", NEW)
    for _ in range(5):
        assert get(cluster, X_Newest="true").body == b"new"


@pytest.mark.parametrize("status", [500, 503, 507])
def test_trap_47_x_newest_serves_what_those_who_answer_have(cluster: DoubledCluster, status: int) -> None:
    """A failing replica does not keep the newest of the others back, and an older copy never stands in."""
    primaries, _ = cluster.home(PATH)
    place(primaries[:2], b"old", OLD)
    place(primaries[2:], b"new", NEW)
    primaries[0].misbehaviour = fails_with(status, "GET", "HEAD")
    for _ in range(5):
        assert get(cluster, X_Newest="true").body == b"new"


def test_trap_47_x_newest_finds_what_was_put_after_a_deletion(cluster: DoubledCluster) -> None:
    """Tombstones hide what is older than they are, and nothing else."""
    primaries, _ = cluster.home(PATH)
    place(primaries[:2], None, OLD)
    place(primaries[2:], b"again", NEW)
    for _ in range(5):
        assert get(cluster, X_Newest="true").body == b"again"


@pytest.mark.parametrize("cut", [0, 1, 1000, 70_000, len(BODY) - 1])
def test_a_download_that_breaks_off_goes_on_elsewhere(cluster: DoubledCluster, cut: int) -> None:
    """A replica that dies in mid-body is carried on by another from the very next byte."""
    primaries, _ = cluster.home(PATH)
    place(primaries, BODY, OLD)
    for node in primaries[:2]:
        node.misbehaviour = breaks_off_after(cut)
    for _ in range(4):
        assert get(cluster).body == BODY
        assert get(cluster, Range="bytes=1000-99999").body == BODY[1000:100_000]


def test_a_small_body_that_breaks_off_goes_on_elsewhere(cluster: DoubledCluster) -> None:
    """The same for bodies that are read in one go."""
    primaries, _ = cluster.home(PATH)
    place(primaries, b"hello", OLD)
    for node in primaries[:2]:
        node.misbehaviour = breaks_off_after(2)
    for _ in range(4):
        assert get(cluster).body == b"hello"


def test_another_version_never_carries_on(cluster: DoubledCluster) -> None:
    """When only an older version is left, the download ends short instead of mixing two."""
    primaries, _ = cluster.home(PATH)
    place(primaries[:1], BODY, NEW)
    place(primaries[1:], BODY[::-1], OLD)
    primaries[0].misbehaviour = breaks_off_after(70_000)
    for _ in range(6):
        try:
            body = get(cluster).body
        except Unavailable:
            continue  # The engine closes the connection on this: the client sees a short body.
        assert body == BODY[::-1]


def test_concurrent_reads_do_not_wait_for_the_slow(cluster: DoubledCluster) -> None:
    """With concurrent_gets the next replica is asked while the first is still thinking."""
    primaries, _ = cluster.home(PATH)
    place(primaries, BODY, OLD)
    for node in primaries[:2]:
        node.misbehaviour = is_silent(1, "GET")
    proxy = cluster.again(concurrent_gets=True, concurrency_timeout=0.01, node_timeout=5.0)
    for _ in range(4):
        assert ask(proxy, "GET", URL).body == BODY


def test_a_failing_device_is_left_alone(cluster: DoubledCluster) -> None:
    """After too many errors a device is not asked any more."""
    primaries, _ = cluster.home(PATH)
    place(primaries, BODY, OLD)
    primaries[0].misbehaviour = fails_with(500, "GET")
    proxy = cluster.again(error_suppression_limit=2)
    for _ in range(30):
        assert ask(proxy, "GET", URL).status == 200
    assert len(asked(primaries[0], "GET")) == 3


def test_resting_devices_are_asked_when_nobody_else_can_serve(cluster: DoubledCluster) -> None:
    """Devices that failed a minute ago and work again are found when the others are gone."""
    primaries, handoffs = cluster.home(PATH)
    proxy = cluster.again(error_suppression_limit=2)
    for node in primaries:
        node.misbehaviour = fails_with(500)
    for _ in range(10):
        assert ask(proxy, "GET", URL).status == 503
    for node in primaries:
        node.misbehaviour = None
    handoffs[0].misbehaviour = fails_with(500)
    assert ask(proxy, "PUT", URL, body=b"x").status == 201
    assert ask(proxy, "GET", URL).body == b"x"


def test_a_full_device_is_still_read_and_deleted_from(cluster: DoubledCluster) -> None:
    """507 to an upload keeps further uploads away, and nothing else."""
    put(cluster)
    for node in cluster.nodes:
        node.misbehaviour = fails_with(507, "PUT")
    assert put(cluster).status == 503
    assert get(cluster).status == 200
    assert ask(cluster.proxy, "DELETE", URL).status == 204


def test_a_body_too_large_for_a_device_does_not_close_it_to_small_ones(cluster: DoubledCluster) -> None:
    """507 to a large upload says nothing about a small one: the primaries are asked again."""
    primaries, _ = cluster.home(PATH)
    for node in cluster.nodes:
        node.misbehaviour = fails_with(507, "PUT")
    assert put(cluster, bytes(2_000_000)).status == 503
    for node in cluster.nodes:
        node.misbehaviour = None
        node.requests.clear()
    assert put(cluster).status == 201
    assert all(len(asked(node, "PUT")) == 1 for node in primaries)


def test_read_affinity_asks_the_nearest_first(cluster: DoubledCluster) -> None:
    """Zone by zone, as the operator ranked them."""
    primaries, _ = cluster.home(PATH)
    place(primaries, BODY, OLD)
    zone = cluster.nodes.index(primaries[1]) + 1
    proxy = cluster.again(sorting_method="affinity", read_affinity=f"r1z{zone}=100")
    for _ in range(10):
        assert ask(proxy, "GET", URL).status == 200
    assert len(asked(primaries[1], "GET")) == 10


# --- changing --------------------------------------------------------------------------------


def test_a_post_reaches_all_replicas(cluster: DoubledCluster) -> None:
    """Metadata is replaced on every copy."""
    put(cluster)
    reply = ask(cluster.proxy, "POST", URL, headers={"X-Object-Meta-Color": "red"})
    assert reply.status == 202
    primaries, _ = cluster.home(PATH)
    assert [node.objects[PATH].headers for node in primaries] == [{"X-Object-Meta-Color": "red"}] * 3


def test_trap_15_a_post_with_one_copy_left_is_no_404(cluster: DoubledCluster) -> None:
    """Two empty primaries beside one acceptance: 503; a copy on a handoff makes it 202."""
    primaries, handoffs = cluster.home(PATH)
    place(primaries[:1], BODY, OLD)
    assert ask(cluster.proxy, "POST", URL).status == 503
    place(handoffs, BODY, OLD)
    assert ask(cluster.proxy, "POST", URL).status == 202


def test_a_delete_counts_the_missing_as_deleted(cluster: DoubledCluster) -> None:
    """204 while any replica had it and a quorum is sure it is gone; 404 when nobody had it."""
    put(cluster)
    primaries, _ = cluster.home(PATH)
    del primaries[0].objects[PATH]
    assert ask(cluster.proxy, "DELETE", URL).status == 204
    assert ask(cluster.proxy, "DELETE", URL).status == 404
    assert get(cluster).status == 404


def test_a_delete_without_quorum_is_503(cluster: DoubledCluster) -> None:
    """One replica's word is not enough to forget an object."""
    put(cluster)
    for node in cluster.nodes[:3]:
        node.misbehaviour = fails_with(503, "DELETE")
    assert ask(cluster.proxy, "DELETE", URL).status == 503


# --- who may ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize("container", ["c", "missing"])
def test_strangers_learn_nothing(cluster: DoubledCluster, method: str, container: str) -> None:
    """The auth filter's refusal comes before any word on what exists."""
    seen: list[str | None] = []

    def refuse(environ: dict[str, Any]) -> Answer:
        seen.append(environ["apus.acl"])
        return Answer.text(401, "no")

    reply = ask(
        cluster.proxy, method, f"/v1/AUTH_t/{container}/o", body=b"x", environ={"apus.authorize": refuse}
    )
    assert reply.status == 401
    assert len(seen) == 1
