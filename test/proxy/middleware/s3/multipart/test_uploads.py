"""Uploads from beginning to end, over a store that may die at any request of it."""

from __future__ import annotations

import pytest
from one_request import ask
from upload_world import LONG_AGO, STEPS, World, forgiven

from apus.common.timestamp import Timestamp
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.multipart import claims, completing, names, parts, uploads


def code_of(caught: pytest.ExceptionInfo[S3Error]) -> str:
    return caught.value.code


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
    world = World(segments_max=1, manifest_bytes_max=10)
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
    assert world.left() == []
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


def test_a_part_cannot_be_replaced_while_somebody_completes_the_upload() -> None:
    """The completion has looked at the part already: it would name what is no longer there."""
    world = World()
    upload_id, etags = world.ready()
    claim = claims.take(world.request("POST", {}), names.Upload("b", "k", upload_id))
    assert claim is not None
    with pytest.raises(S3Error) as caught:
        world.send(upload_id, 1, b"another")
    assert code_of(caught) == "ServiceUnavailable"
    claim.release()
    world.complete(upload_id, *etags)
    assert world.get() == b"onetwo"


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
    monkeypatch.setattr(completing, "_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(completing, "_POLL_SECONDS", 0.02)
    world = World()
    world.settings["heartbeat_seconds"] = "0.01"
    upload_id, etags = world.ready()
    assert claims.take(world.request("POST", {}), names.Upload("b", "k", upload_id)) is not None
    assert world.complete(upload_id, *etags).value("Code") == "OperationAborted"
    world.let_time_pass()
    assert world.complete(upload_id, *etags).tag == "CompleteMultipartUploadResult"
