"""Uploads from beginning to end, over a store that may die at any request of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from keeping_store import KeepingStore
from one_request import ask
from s3_requests import request

from apus.common.config import parse
from apus.common.http.answer import Answer
from apus.common.timestamp import Timestamp
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.multipart import aborting, claims, completing, names, parts, shown, uploads
from apus.proxy.middleware.s3.request import Request
from apus.proxy.middleware.s3.xml import Node, read
from apus.proxy.middleware.slo import SloConfig, StaticLargeObjects
from apus.proxy.middleware.symlink import Symlink, SymlinkConfig
from apus.proxy.middleware.versioned_writes import VersionedWrites, VersionedWritesConfig

VERSIONS = parse(VersionedWritesConfig, {"allow_versioned_writes": "yes", "allow_object_versioning": "yes"})
STEPS = range(40)
LONG_AGO = 3600 * 100_000
"""In the units of timestamps."""


class World:
    """A store with a bucket b, and the door to it; parts of any size are taken."""

    def __init__(self, *, has_versions: bool = False, segments_max: int = 1000) -> None:
        self.store = KeepingStore()
        behind = VersionedWrites(Symlink(self.store, SymlinkConfig()), VERSIONS)
        self.app: Any = StaticLargeObjects(behind, SloConfig(max_manifest_segments=segments_max))
        headers = {"X-Versions-Enabled": "true"} if has_versions else {}
        assert ask(self.app, "PUT", "/v1/a/b", headers=headers).status == 201

    def request(
        self,
        method: str,
        query: dict[str, str],
        *,
        key: str | None = "k",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Request:
        return request(self.app, method, "b", key, query, body=body, headers=headers, min_segment_size="1")

    def begin(self, key: str = "k", **headers: str) -> str:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = uploads.create(self.request("POST", {"uploads": ""}, key=key, headers=said))
        return told(answer).value("UploadId") or ""

    def send(self, upload_id: str, number: int, body: bytes, key: str = "k", **headers: str) -> Answer:
        query = {"uploadId": upload_id, "partNumber": str(number)}
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return parts.put(self.request("PUT", query, key=key, body=body, headers=said))

    def complete(self, upload_id: str, *etags: tuple[int, str], key: str = "k", **headers: str) -> Node:
        listed = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{e}</ETag></Part>" for n, e in etags)
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        made = completing.serve(
            self.request("POST", {"uploadId": upload_id}, key=key, body=body, headers=said)
        )
        return told(made)

    def abort(self, upload_id: str) -> None:
        assert aborting.serve(self.request("DELETE", {"uploadId": upload_id})).status == 204

    def uploads(self) -> list[str]:
        """The keys of uploads that are listed."""
        document = told(shown.list_uploads(self.request("GET", {"uploads": ""}, key=None)))
        return [node.value("Key") or "" for node in document.all("Upload")]

    def left(self) -> list[str]:
        """What is beside the bucket, without the names of uploads."""
        return [
            "/".join(n for n in name.split("/") if len(n) < 20) for name in self.store.names("b+segments")
        ]

    def get(self, key: str = "k") -> bytes | None:
        reply = ask(self.app, "GET", f"/v1/a/b/{key}")
        return reply.body if reply.status == 200 else None

    def ready(self) -> tuple[str, list[tuple[int, str]]]:
        """An upload of two parts, and one that will not be named."""
        upload_id = self.begin()
        etags = [self.send(upload_id, n, body).headers["ETag"] for n, body in ((1, b"one"), (2, b"two"))]
        self.send(upload_id, 3, b"three")
        return upload_id, list(enumerate(etags, 1))

    def let_time_pass(self) -> None:
        """Make claims void whose owners are dead."""
        for (_, name), kept in self.store.objects.items():
            if name.endswith("/0"):
                kept.moment = Timestamp(kept.moment.ticks - LONG_AGO)


def told(answer: Answer) -> Node:
    body = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
    return read(body)


def code_of(caught: pytest.ExceptionInfo[S3Error]) -> str:
    return caught.value.code


@contextmanager
def forgiven(*codes: str) -> Iterator[None]:
    """Let go of errors that may be."""
    try:
        yield
    except S3Error as error:
        if error.code not in codes:
            raise


def versions(world: World) -> int:
    return len(world.store.names("\0versions\0b"))


def test_an_upload_from_beginning_to_end() -> None:
    """The part that is not named goes, and so does what stood for the upload."""
    world = World()
    upload_id, etags = world.ready()
    assert world.uploads() == ["k"]
    made = world.complete(upload_id, *etags)
    assert (made.tag, made.value("Key")) == ("CompleteMultipartUploadResult", "k")
    assert world.get() == b"onetwo"
    assert world.left() == ["k/1", "k/2"]
    assert world.uploads() == []


def test_every_part_is_looked_at_once_and_there_may_be_many() -> None:
    """More than the filter for large objects lets its own clients have."""
    world = World(segments_max=1)
    upload_id, etags = world.ready()
    world.store.seen.clear()
    world.complete(upload_id, *etags)
    assert world.get() == b"onetwo"
    looked = [path for method, path in world.store.seen if method == "HEAD" and path.endswith(("/1", "/2"))]
    assert len(looked) == 2


def test_what_create_says_is_the_objects() -> None:
    """Its type, metadata and checksum's algorithm are kept until then; and nothing of them is the part's."""
    world = World()
    upload_id = world.begin(X_Amz_Meta_Colour="red", Content_Encoding="gzip", X_Amz_Tagging="a=1")
    etag = world.send(upload_id, 1, b"x").headers["ETag"]
    world.complete(upload_id, (1, etag))
    kept = world.store.objects["b", "k"].headers
    assert kept["x-object-meta-colour"] == "red"
    assert kept["content-encoding"] == "gzip"
    assert kept["x-object-transient-sysmeta-s3api-tagging"] == "a=1"
    assert kept["x-object-sysmeta-s3api-upload-id"] == upload_id
    assert kept["x-object-sysmeta-s3api-etag"].endswith("-1")
    assert kept["content-type"].startswith("binary/octet-stream")
    assert kept["x-object-sysmeta-container-update-override-etag"].count("s3_etag=") == 1


def test_stocks_marker_without_a_word_of_its_type_is_understood() -> None:
    """What an older proxy has begun has the type itself."""
    upload = names.Upload("b", "k", "U")
    headers = uploads.object_headers(upload, {"content-type": "text/x", "x-object-meta-a": "b"})
    assert headers == {
        "content-type": "text/x",
        "x-object-meta-a": "b",
        "x-object-sysmeta-s3api-upload-id": "U",
    }


@pytest.mark.parametrize("has_versions", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_whoever_asks_again_finishes_a_completion(step: int, *, has_versions: bool) -> None:
    """Wherever the first one died; and there is one version of it."""
    world = World(has_versions=has_versions)
    upload_id, etags = world.ready()
    with world.store.dying_at(step), forgiven("InternalError", "ServiceUnavailable"):
        world.complete(upload_id, *etags)
    world.let_time_pass()
    world.complete(upload_id, *etags)
    assert world.get() == b"onetwo"
    assert world.left() == ["k/1", "k/2"]
    assert world.uploads() == []
    assert versions(world) == has_versions


@pytest.mark.parametrize("has_versions", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_an_abort_takes_no_parts_from_an_object(step: int, *, has_versions: bool) -> None:
    """Of a completion that died somewhere, all is there or nothing is left, but for a version without its name."""
    world = World(has_versions=has_versions)
    upload_id, etags = world.ready()
    with world.store.dying_at(step), forgiven("InternalError", "ServiceUnavailable"):
        world.complete(upload_id, *etags)
    world.let_time_pass()
    with forgiven("NoSuchUpload"):
        world.abort(upload_id)
    parts_left = [name for name in world.left() if not name.endswith("/0")]
    assert parts_left == (["k/1", "k/2"] if world.get() or versions(world) else [])
    assert world.get() in (b"onetwo", None)
    assert world.uploads() == []


@pytest.mark.parametrize("step", STEPS)
def test_whoever_asks_again_finishes_an_abort(step: int) -> None:
    """Wherever the first one died, nothing is left."""
    world = World()
    upload_id, _ = world.ready()
    with world.store.dying_at(step), forgiven("ServiceUnavailable"):
        world.abort(upload_id)
    world.let_time_pass()
    with forgiven("NoSuchUpload"):
        world.abort(upload_id)
    assert [name for name in world.left() if not name.endswith("/0")] == []
    assert world.uploads() == []


def test_an_abort_waits_for_a_completion_under_way() -> None:
    """It would take the parts from under the object."""
    world = World()
    upload_id, etags = world.ready()
    upload = names.Upload("b", "k", upload_id)
    claim = claims.take(world.request("POST", {}), upload)
    assert claim is not None
    assert claims.take(world.request("POST", {}), upload) is None
    with pytest.raises(S3Error) as caught:
        world.abort(upload_id)
    assert code_of(caught) == "OperationAborted"
    claim.release()
    world.complete(upload_id, *etags)


def test_a_part_that_comes_too_late_is_removed() -> None:
    """The upload was aborted while it was on its way."""
    world = World()
    upload_id, _ = world.ready()
    slow = world.request("PUT", {"uploadId": upload_id, "partNumber": "4"}, body=b"late")
    body = slow.environ["wsgi.input"]

    class Slow:
        def read(self, size: int = -1) -> bytes:
            if world.uploads():
                world.abort(upload_id)
            return bytes(body.read(size))

    slow.environ["wsgi.input"] = Slow()
    with pytest.raises(S3Error) as caught:
        parts.put(slow)
    assert code_of(caught) == "NoSuchUpload"
    assert world.left() == []


def test_a_completion_in_the_way_of_another_upload_takes_its_place() -> None:
    """The parts of what was there go, and none of its own."""
    world = World()
    for body in (b"old", b"new"):
        upload_id = world.begin()
        etag = world.send(upload_id, 1, body).headers["ETag"]
        world.complete(upload_id, (1, etag))
    assert world.get() == b"new"
    assert world.left() == ["k/1"]


def test_a_completion_asked_for_again_with_other_parts_finds_no_upload() -> None:
    """With the same parts it is told the same."""
    world = World()
    upload_id, etags = world.ready()
    world.complete(upload_id, *etags)
    world.complete(upload_id, *etags)
    with pytest.raises(S3Error) as caught:
        world.complete(upload_id, etags[0])
    assert code_of(caught) == "NoSuchUpload"


def test_a_condition_that_does_not_hold_leaves_upload_and_object() -> None:
    """Without the condition it can still be completed."""
    world = World()
    assert ask(world.app, "PUT", "/v1/a/b/k", body=b"old").status == 201
    upload_id, etags = world.ready()
    with pytest.raises(S3Error) as caught:
        world.complete(upload_id, *etags, If_None_Match="*")
    assert code_of(caught) == "PreconditionFailed"
    assert world.get() == b"old"
    assert world.uploads() == ["k"]
    world.complete(upload_id, *etags)


def test_a_marker_of_the_future_cannot_be_completed_yet() -> None:
    """Stock's lp 2045046: what stands for the upload could not be removed."""
    world = World()
    upload_id, etags = world.ready()
    kept = world.store.objects["b+segments", f"k/{upload_id}"]
    kept.moment = Timestamp(kept.moment.ticks + LONG_AGO)
    with pytest.raises(S3Error) as caught:
        world.complete(upload_id, *etags)
    assert code_of(caught) == "ServiceUnavailable"
    assert world.get() is None


@pytest.mark.parametrize("size", ["7", "x", "-1"])
def test_a_size_that_the_parts_do_not_have(size: str) -> None:
    """Nothing is made then."""
    world = World()
    upload_id, etags = world.ready()
    with pytest.raises(S3Error) as caught:
        world.complete(upload_id, *etags, X_Amz_Mp_Object_Size=size)
    assert code_of(caught) == "InvalidRequest"
    world.complete(upload_id, *etags, X_Amz_Mp_Object_Size="6")


def test_what_takes_long_is_answered_before_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 200 and white space; an error comes in the document then."""
    monkeypatch.setattr(completing, "GRACE_SECONDS", 0.01)
    monkeypatch.setattr(completing, "_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(completing, "_POLL_SECONDS", 0.02)
    world = World()
    upload_id, etags = world.ready()
    assert claims.take(world.request("POST", {}), names.Upload("b", "k", upload_id)) is not None
    assert world.complete(upload_id, *etags).value("Code") == "OperationAborted"
    world.let_time_pass()
    assert world.complete(upload_id, *etags).tag == "CompleteMultipartUploadResult"
