"""The object server's verbs, as a proxy sees them: order, conditions, metadata, limits, expiry."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from engine import serving
from object_server import PATH, ObjectNode, moment

from apus.common import concurrency, restricted_pickle


class Pieces:
    """A body that comes in these pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def read(self, size: int) -> bytes:
        """Return the next one."""
        piece = self._pieces.pop(0)
        assert len(piece) <= size
        return piece


@pytest.fixture
def node(tmp_path: Path) -> ObjectNode:
    return ObjectNode(tmp_path)


def test_what_was_put_is_got(node: ObjectNode) -> None:
    """Body, type, metadata and validators come back; a HEAD tells the same without the body."""
    reply = node.put(b"hello", at=0, X_Object_Meta_Colour="bl\xc3\xbc", Content_Encoding="gzip", X_Other="no")
    etag = hashlib.md5(b"hello").hexdigest()
    assert reply.headers["etag"] == f'"{etag}"'
    got = node.ask("GET")
    assert (got.status, got.body) == (200, b"hello")
    assert got.headers["x-object-meta-colour"] == "bl\xc3\xbc"
    assert got.headers["content-encoding"] == "gzip"
    assert got.headers["etag"] == f'"{etag}"'
    assert got.headers["last-modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert got.headers["x-backend-timestamp"] == got.headers["x-backend-data-timestamp"] == moment(0)
    assert "x-other" not in got.headers
    head = node.ask("HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers == got.headers


def test_a_small_body_in_pieces_is_one(node: ObjectNode) -> None:
    """However its bytes come, a small body is stored and summed as if it had come at once."""
    body = os.urandom(5000)
    for number, cuts in enumerate(([], [1], [4096], [1, 2, 4999])):
        pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        reply = node.ask("PUT", at=number, body=body, source=Pieces(pieces))
        assert reply.headers["etag"] == f'"{hashlib.md5(body).hexdigest()}"'
        assert node.ask("GET").body == body
    assert node.ask("PUT", at=9, body=body, source=Pieces([body[:10], b""])).status == 499
    assert node.ask("GET").body == body


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 3_000_000])
def test_sizes(node: ObjectNode, size: int) -> None:
    """Bodies around the block size, whole, in part and in parts."""
    body = os.urandom(size)
    node.put(body, at=0)
    assert node.ask("GET").body == body
    if size > 2:
        middle = node.ask("GET", Range=f"bytes={size // 3}-{size - 2}")
        assert (middle.status, middle.body) == (206, body[size // 3 : size - 1])
        assert middle.headers["content-range"] == f"bytes {size // 3}-{size - 2}/{size}"
        parts = node.ask("GET", Range=f"bytes=0-0,{size - 1}-")
        assert parts.status == 206
        assert len(parts.body) == int(parts.headers["content-length"])
        boundary = parts.headers["content-type"].partition("boundary=")[2].encode()
        pieces = parts.body.split(b"--" + boundary)
        assert [piece.partition(b"\r\n\r\n")[2] for piece in pieces[1:3]] == [
            body[:1] + b"\r\n",
            body[-1:] + b"\r\n",
        ]
    beyond = node.ask("GET", Range=f"bytes={size}-")
    assert beyond.status == 416
    assert beyond.headers["content-range"] == f"bytes */{size}"


def test_trap_15_the_newest_put_wins(node: ObjectNode) -> None:
    """An older or equal PUT is refused with the moment of what is there; older files go."""
    node.put(b"new", at=5)
    for second in (4, 5):
        reply = node.ask("PUT", at=second, body=b"old")
        assert reply.status == 409
        assert reply.headers["x-backend-timestamp"] == moment(5)
    assert node.ask("GET").body == b"new"
    node.put(b"newer", at=6)
    assert node.files() == [f"{moment(6)}.data"]


def test_trap_15_a_tombstone_beats_what_is_older(node: ObjectNode) -> None:
    """Deleted stays deleted for late PUTs; a newer PUT brings the name back."""
    node.put(at=0)
    reply = node.ask("DELETE", at=3)
    assert reply.status == 204
    assert reply.headers["x-backend-timestamp"] == moment(3)
    assert node.files() == [f"{moment(3)}.ts"]
    got = node.ask("GET")
    assert got.status == 404
    assert got.headers["x-backend-timestamp"] == moment(3)
    late = node.ask("PUT", at=2, body=b"late")
    assert (late.status, late.headers["x-backend-timestamp"]) == (409, moment(3))
    assert node.ask("POST", at=4).status == 404
    node.put(b"again", at=4)
    assert node.ask("GET").body == b"again"


def test_deleting_nothing_leaves_a_tombstone(node: ObjectNode) -> None:
    """The replica that missed a PUT must not get it back from a slow one."""
    assert node.ask("DELETE", at=3).status == 404
    assert node.files() == [f"{moment(3)}.ts"]
    assert node.ask("DELETE", at=2).status == 404
    assert node.ask("DELETE", at=4).status == 404
    assert node.files() == [f"{moment(4)}.ts"]


def test_trap_15_an_older_delete_is_refused(node: ObjectNode) -> None:
    """A DELETE from before the PUT changes nothing."""
    node.put(at=5)
    reply = node.ask("DELETE", at=4)
    assert reply.status == 409
    assert reply.headers["x-backend-timestamp"] == moment(5)
    assert node.ask("GET").status == 200


def test_post_replaces_users_metadata_only(node: ObjectNode) -> None:
    """Metadata, disposition and expiry go unless sent again; type, sysmeta and manifest mark stay."""
    node.put(
        at=0,
        X_Object_Meta_A="1",
        X_Object_Sysmeta_S="s",
        X_Object_Transient_Sysmeta_T="t",
        Content_Disposition="inline",
        X_Static_Large_Object="True",
    )
    reply = node.ask("POST", at=1, X_Object_Meta_B="2", X_Object_Sysmeta_X="no")
    assert reply.status == 202
    assert reply.headers["x-object-sysmeta-s"] == "s"
    got = node.ask("GET").headers
    assert got["x-object-meta-b"] == "2"
    assert got["x-object-sysmeta-s"] == "s"
    assert got["x-static-large-object"] == "True"
    assert got["content-type"] == "text/plain"
    assert (got["x-timestamp"], got["x-backend-data-timestamp"]) == (moment(1), moment(0))
    assert not {
        "x-object-meta-a",
        "content-disposition",
        "x-object-transient-sysmeta-t",
        "x-object-sysmeta-x",
    } & set(got)
    assert node.ask("POST", at=1).status == 409


def test_the_content_type_has_a_moment_of_its_own(node: ObjectNode) -> None:
    """POSTs that arrive in the wrong order: the newest metadata and the newest type, each by its moment."""
    node.put(at=0)
    assert node.ask("POST", at=5, X_Object_Meta_A="new").status == 202
    late = node.ask("POST", at=3, X_Object_Meta_A="old", Content_Type="image/png")
    assert late.status == 202
    assert late.headers["x-backend-content-type"] == "image/png"
    got = node.ask("GET").headers
    assert (got["x-object-meta-a"], got["content-type"]) == ("new", "image/png")
    assert node.ask("POST", at=6).status == 202
    assert node.ask("GET").headers["content-type"] == "image/png"
    node.put(at=7)
    assert node.ask("GET").headers["content-type"] == "text/plain"
    assert node.files() == [f"{moment(7)}.data"]


def test_a_body_that_is_not_whole_is_nothing(node: ObjectNode) -> None:
    """A sender that goes away, or sends another body than it announced, leaves no trace."""
    assert node.ask("PUT", at=0, body=b"x" * 100, broken=True).status == 499
    assert node.ask("PUT", at=0, body=b"x" * 100, broken=True, chunked=True).status == 499
    assert node.ask("PUT", at=0, body=b"x", ETag="0" * 32).status == 422
    assert node.files() == []
    assert node.ask("GET").status == 404
    etag = hashlib.md5(b"x").hexdigest()
    assert node.ask("PUT", at=0, body=b"x", ETag=f'"{etag.upper()}"').status == 201
    assert node.ask("PUT", at=1, body=b"y" * 9, chunked=True).status == 201
    assert node.ask("GET").body == b"y" * 9


def test_if_none_match_on_put(node: ObjectNode) -> None:
    """`*` stores only where there is nothing; a tombstone is nothing."""
    assert node.ask("PUT", at=0, body=b"1", If_None_Match="*").status == 201
    assert node.ask("PUT", at=1, body=b"2", If_None_Match="*").status == 412
    assert node.ask("GET").body == b"1"
    node.ask("DELETE", at=2)
    assert node.ask("PUT", at=3, body=b"3", If_None_Match="*").status == 201


def test_one_of_many_racing_conditional_puts_wins(node: ObjectNode) -> None:
    """They all find nothing when they come; still only one of them stores (stock Swift lets all of them)."""
    racers = [
        concurrency.spawn(node.ask, "PUT", at=second, body=b"%d" % second, If_None_Match="*")
        for second in range(8)
    ]
    statuses = [racer.wait().status for racer in racers]
    assert sorted(statuses) == [201] + [412] * 7
    assert node.ask("GET").body == b"%d" % statuses.index(201)


def test_conditional_reads(node: ObjectNode) -> None:
    """304 and 412 carry the validators and no body; another ETag may stand in for the own one."""
    etag = node.put(at=0, X_Object_Sysmeta_Real_Etag="real").headers["etag"]
    reply = node.ask("GET", If_None_Match=etag)
    assert (reply.status, reply.body) == (304, b"")
    assert reply.headers["etag"] == etag
    assert node.ask("HEAD", If_Match="other").status == 412
    assert (
        node.ask("GET", If_Match="real", X_Backend_Etag_Is_At="X-Missing, X-Object-Sysmeta-Real-Etag").status
        == 200
    )
    assert node.ask("GET", If_Range='"other"', Range="bytes=0-0").status == 200
    assert node.ask("GET", PATH + "2", If_Match="*").status == 412
    ignored = node.ask(
        "GET", Range="bytes=0-0", X_Backend_Ignore_Range_If_Metadata_Present="X-Object-Sysmeta-Real-Etag"
    )
    assert ignored.status == 200


def test_expired_objects_are_gone_but_for_those_who_may(node: ObjectNode) -> None:
    """404 with the object's moment; replicators and the expirer still see it."""
    node.put(at=0, X_Delete_At=str(1_700_000_010))
    assert node.ask("GET", at=9).headers["x-delete-at"] == "1700000010"
    gone = node.ask("GET", at=10)
    assert (gone.status, gone.headers["x-backend-timestamp"]) == (404, moment(0))
    for header in ("X_Backend_Replication", "X_Backend_Open_Expired"):
        assert node.ask("GET", at=10, **dict[str, Any]({header: "true"})).status == 200
    assert node.ask("POST", at=11).status == 404
    assert node.ask("DELETE", at=11, X_If_Delete_At="1700000011").status == 412
    assert node.ask("DELETE", at=11, X_If_Delete_At="x").status == 400
    assert node.ask("DELETE", at=11, X_If_Delete_At="1700000010").status == 204
    assert node.ask("DELETE", at=12, PATH_=PATH).status == 404
    assert node.ask("DELETE", PATH + "9", at=1, X_If_Delete_At="1").status == 404
    for wrong in ("x", "1", str(1_700_000_000)):
        assert node.ask("PUT", at=20, body=b"", X_Delete_At=wrong).status == 400
    assert node.ask("PUT", at=20, body=b"", X_Delete_At="1", X_Backend_Replication="true").status == 201


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("PUT", PATH, {}, 400),
        ("PUT", PATH, {"X_Timestamp": "soon"}, 400),
        ("PUT", PATH, {"X_Timestamp": "1", "Content_Type": ""}, 400),
        ("PUT", PATH, {"X_Timestamp": "1", "X_Object_Meta_": "x"}, 400),
        ("PUT", PATH, {"X_Timestamp": "1", "X_Object_Meta_" + "A" * 129: "x"}, 400),
        ("PUT", PATH, {"X_Timestamp": "1", "X_Object_Meta_A": "x" * 257}, 400),
        ("PUT", PATH, {"X_Timestamp": "1", **{f"X_Object_Meta_{n}": "x" for n in range(91)}}, 400),
        ("PUT", PATH, {"X_Timestamp": "1", **{f"X_Object_Meta_{n}": "x" * 250 for n in range(20)}}, 400),
        ("PUT", "/sda/7/a/c/" + "o" * 1025, {"X_Timestamp": "1"}, 400),
        ("PUT", "/sda/7/a/c", {"X_Timestamp": "1"}, 400),
        ("PUT", "/sda/x/a/c/o", {"X_Timestamp": "1"}, 400),
        ("PUT", "/sda/../a/c/o", {"X_Timestamp": "1"}, 400),
        ("PUT", "/../7/a/c/o", {"X_Timestamp": "1"}, 507),
        ("GET", "/gone/7/a/c/o", {}, 507),
        ("GET", "/sda/7/a/c/\xff", {}, 412),
        ("GET", "/sda/7/a/c/x\0", {}, 412),
        ("GET", PATH, {"X_Backend_Storage_Policy_Index": "9"}, 503),
        ("BREW", PATH, {}, 405),
        ("POST", PATH, {"X_Timestamp": "1"}, 404),
        ("PUT", PATH, {"X_Timestamp": "1", "X_Backend_Obj_Multiphase_Commit": "yes"}, 501),
    ],
)
def test_bad_requests(node: ObjectNode, method: str, path: str, headers: dict[str, Any], status: int) -> None:
    """Each is refused as stock Swift refuses it, and nothing is stored."""
    assert node.ask(method, path, body=b"x" if method == "PUT" else b"", **headers).status == status
    assert node.files() == []


def test_a_put_needs_a_length(node: ObjectNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a length nor chunks: 411; beyond the largest object: 413, also when only the end tells."""
    from one_request import ask

    headers = {"X-Timestamp": moment(0)}
    kind = {"CONTENT_TYPE": "text/plain"}
    assert ask(node.server, "PUT", PATH, headers=headers, environ=kind).status == 411
    assert (
        ask(
            node.server, "PUT", PATH, headers=headers, environ={**kind, "CONTENT_LENGTH": "5368709123"}
        ).status
        == 413
    )


def test_policies_have_their_own_folders(node: ObjectNode) -> None:
    """An object of policy 1 lies in objects-1 and is not found in policy 0."""
    node.put(at=0, X_Backend_Storage_Policy_Index="1")
    assert (node.root / "sda" / "objects-1" / "7").is_dir()
    assert node.ask("GET").status == 404
    assert node.ask("GET", X_Backend_Storage_Policy_Index="1").status == 200


def test_another_name_with_the_same_hash_is_refused(node: ObjectNode) -> None:
    """Should two names ever meet in one folder, neither sees the other's data."""
    node.put(at=0)
    data = node.data_file()
    salt = node.server.context.cluster.salt
    other = salt.path_hash("a", "c", "other")
    goal = data.parents[2] / other[-3:] / other
    goal.mkdir(parents=True)
    data.rename(goal / data.name)
    assert node.ask("GET", "/sda/7/a/c/other").status == 403
    assert node.quarantined() == []


def test_replicate_answers_as_stock_swift_does(node: ObjectNode) -> None:
    """Hashes as a pickle; suffixes only marked; an inventory where we are asked for one."""
    node.put(at=0)
    suffix = node.data_file().parents[1].name
    hashes = restricted_pickle.loads(node.ask("REPLICATE", "/sda/7").body)
    assert hashes == {suffix: hashlib.md5(f"{moment(0)}.data".encode()).hexdigest()}
    assert restricted_pickle.loads(node.ask("REPLICATE", "/sda/8").body) == {}
    assert restricted_pickle.loads(node.ask("REPLICATE", f"/sda/7/{suffix}-zzz").body) is None
    assert (node.root / "sda" / "objects" / "7" / "hashes.invalid").read_text() == f"{suffix}\n"
    found = json.loads(node.ask("REPLICATE", f"/sda/7/{suffix}", X_Apus_Inventory="true").body)
    assert list(found[suffix].values()) == [{"data": moment(0)}]
    assert node.ask("REPLICATE", "/sda/x").status == 400


def test_a_pushed_replica_is_the_original(node: ObjectNode) -> None:
    """Replication brings headers that users may not set, moments with offsets, and objects that expired."""
    internal = f"{moment(0)}_00000000000000ab"
    reply = node.ask(
        "PUT",
        body=b"x",
        X_Timestamp=internal,
        X_Backend_Replication="true",
        X_Backend_Replication_Headers="x-custom X-Object-Meta-A",
        X_Custom="kept",
        X_Object_Meta_A="1",
        X_Delete_At="5",
    )
    assert reply.status == 201
    assert node.files() == [f"{internal}.data"]
    got = node.ask("GET", X_Backend_Replication="true").headers
    assert (got["x-backend-timestamp"], got["x-timestamp"]) == (internal, moment(0))
    assert got["x-delete-at"] == "0000000005"


def test_footers_are_promised_to_who_asks(node: ObjectNode) -> None:
    """Stock Swift's proxy sends footers only to servers whose `100 Continue` says that they take them."""
    head = b"".join(
        (
            f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nX-Timestamp: {moment(0)}\r\nContent-Type: text/plain\r\n".encode(),
            b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\nX-Backend-Obj-Metadata-Footer: yes\r\n",
            b"X-Backend-Obj-Multipart-Mime-Boundary: b\r\n\r\n",
        )
    )
    footer = b"{}"
    body = (
        b"--b\r\n\r\ndata\r\n--b\r\nContent-MD5: %s\r\n\r\n{}\r\n--b--"
        % hashlib.md5(footer).hexdigest().encode()
    )
    with serving(node.server) as served, served.raw() as raw:
        raw.send(head)
        status, headers = raw._head()
        assert (status, headers["x-obj-metadata-footer"]) == (100, "yes")
        raw.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        assert raw.answer().status == 201
    assert node.ask("GET").body == b"data"


def test_footers_behind_the_body(node: ObjectNode) -> None:
    """Metadata that comes behind the data, as encrypting middleware sends it, is stored with it."""
    footer = json.dumps({"X-Object-Sysmeta-F": "f", "Etag": hashlib.md5(b"da\r\nta").hexdigest()}).encode()
    body = b"".join(
        (
            b"--b\r\nX-Document: object body\r\n\r\nda\r\nta\r\n--b\r\nX-Document: object metadata\r\nContent-MD5: ",
            hashlib.md5(footer).hexdigest().encode(),
            b"\r\n\r\n" + footer + b"\r\n--b--\r\n",
        )
    )
    headers: dict[str, Any] = {
        "X_Backend_Obj_Metadata_Footer": "yes",
        "X_Backend_Obj_Multipart_Mime_Boundary": "b",
    }
    assert node.ask("PUT", at=0, body=body, chunked=True, **headers).status == 201
    got = node.ask("GET")
    assert (got.body, got.headers["x-object-sysmeta-f"]) == (b"da\r\nta", "f")
    assert node.ask("PUT", at=1, body=body.replace(b'"f"', b'"g"'), chunked=True, **headers).status == 422
    assert node.ask("PUT", at=1, body=body[:60], chunked=True, **headers).status == 499
    assert node.ask("GET").body == b"da\r\nta"
