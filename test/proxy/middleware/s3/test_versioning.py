"""Versions as S3 has them, over a store that keeps them in Swift's way."""

from __future__ import annotations

from typing import Any

import pytest
from keeping_store import KeepingStore
from one_request import ask
from s3_requests import request

from apus.common.config import parse
from apus.common.http.answer import Answer
from apus.proxy.middleware.s3 import versioning
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.request import Request
from apus.proxy.middleware.s3.xml import read
from apus.proxy.middleware.slo import SloConfig, StaticLargeObjects
from apus.proxy.middleware.symlink import Symlink, SymlinkConfig
from apus.proxy.middleware.versioned_writes import VersionedWrites, VersionedWritesConfig

CONFIG = parse(VersionedWritesConfig, {"allow_versioned_writes": "yes", "allow_object_versioning": "yes"})
MFA_DELETE = """<VersioningConfiguration>
  <Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>
</VersioningConfiguration>"""
HIDDEN = "\0versions\0c"


class World:
    """A store with a bucket c, seen through S3 and through the store's own API."""

    def __init__(self, *, state: str = "") -> None:
        self.store = KeepingStore()
        self.app: Any = VersionedWrites(Symlink(self.store, SymlinkConfig()), CONFIG)
        assert ask(self.app, "PUT", "/v1/a/c").status == 201
        if state:
            self.set(state)

    def request(
        self, method: str, key: str | None = None, *, bucket: str = "c", body: bytes = b"", **query: str
    ) -> Request:
        """A request that has come through the door."""
        return request(self.app, method, bucket, key, query, body=body)

    def set(self, state: str) -> None:
        body = f"<VersioningConfiguration><Status>{state}</Status></VersioningConfiguration>".encode()
        assert versioning.put_versioning(self.request("PUT", versioning="", body=body)).status == 200

    def state(self) -> str | None:
        answer = versioning.get_versioning(self.request("GET", versioning=""))
        assert isinstance(answer.body, bytes)
        return read(answer.body).value("Status")

    def put(self, body: bytes, key: str = "o") -> str:
        """Store something, and return the version's id; empty where it has none."""
        headers = {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "text/plain"}
        reply = ask(self.app, "PUT", f"/v1/a/c/{key}", body=body, environ=headers)
        assert reply.status == 201
        return reply.headers.get("x-object-version-id", "")

    def get(self, key: str = "o", version_id: str = "") -> bytes | None:
        reply = ask(self.app, "GET", f"/v1/a/c/{key}", query=f"version-id={version_id}" * bool(version_id))
        return reply.body if reply.status == 200 else None

    def remove(self, version_id: str | None = None, key: str = "o", **headers: str) -> versioning.Removed:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return versioning.remove(self.request("DELETE"), key, version_id, said)

    def missing(self, version_id: str = "", key: str = "o") -> S3Error:
        """What a GET's 404 means."""
        reply = ask(self.app, "GET", f"/v1/a/c/{key}", query=f"version-id={version_id}" * bool(version_id))
        assert reply.status == 404
        query = {"versionId": version_id} if version_id else {}
        return versioning.missing(request(self.app, "GET", "c", key, query), reply.headers)


class TestState:
    """GetBucketVersioning and PutBucketVersioning."""

    def test_a_bucket_that_never_had_versions_has_no_status(self) -> None:
        """The document is there, and empty."""
        assert World().state() is None

    @pytest.mark.parametrize("state", ["Enabled", "Suspended"])
    def test_what_is_set_is_told(self, state: str) -> None:
        """Also where it was never enabled."""
        assert World(state=state).state() == state

    @pytest.mark.parametrize(
        ("document", "code"),
        [
            ("<VersioningConfiguration/>", "MalformedXML"),
            ("<VersioningConfiguration><Status>Off</Status></VersioningConfiguration>", "MalformedXML"),
            ("<Versioning><Status>Enabled</Status></Versioning>", "MalformedXML"),
            (
                MFA_DELETE,
                "NotImplemented",
            ),
            ("", "MissingRequestBodyError"),
        ],
    )
    def test_what_cannot_be_is_refused(self, document: str, code: str) -> None:
        """And changes nothing."""
        world = World()
        with pytest.raises(S3Error) as refusal:
            versioning.put_versioning(world.request("PUT", versioning="", body=document.encode()))
        assert refusal.value.code == code
        assert world.state() is None

    def test_trap_81_versions_of_a_bucket_with_object_lock_stay(self) -> None:
        """Or what is locked could be overwritten."""
        world = World(state="Enabled")
        world.store.containers["c"]["x-container-sysmeta-s3api-object-lock"] = "<ObjectLockConfiguration/>"
        with pytest.raises(S3Error, match="InvalidBucketState"):
            world.set("Suspended")
        world.set("Enabled")

    def test_of_a_bucket_that_is_not_there(self) -> None:
        """NoSuchBucket, before anything else."""
        with pytest.raises(S3Error, match="NoSuchBucket"):
            versioning.get_versioning(World().request("GET", bucket="d"))


class TestIds:
    """versionId of a request."""

    @pytest.mark.parametrize("text", ["", "x", "12", "1700000000.00000_1", "1700000000.0", "NULL"])
    def test_what_is_no_id_is_refused(self, text: str) -> None:
        """InvalidArgument, and never the current version."""
        with pytest.raises(S3Error, match="InvalidArgument"):
            versioning.version_query(World(state="Enabled").request("GET", "o", versionId=text))

    def test_null_and_moments_are_ids(self) -> None:
        """They are passed on in the store's words."""
        world = World(state="Enabled")
        for text in ("null", "1700000000.12345"):
            assert versioning.version_query(world.request("GET", "o", versionId=text)) == {"version-id": text}
        assert versioning.version_query(world.request("GET", "o")) == {}

    def test_a_bucket_that_never_had_versions_has_none(self) -> None:
        """Not even the store is asked."""
        with pytest.raises(S3Error, match="NoSuchVersion"):
            versioning.version_query(World().request("GET", "o", versionId="1700000000.12345"))

    def test_what_the_store_says_of_versions_is_said_in_s3s_words(self) -> None:
        """Versions, copies' sources, markers."""
        said = {
            "x-object-version-id": "1",
            "x-copied-from-version-id": "2",
            "content-type": "application/x-deleted;swift_versions_deleted=1",
        }
        assert versioning.version_headers(said) == {
            "x-amz-version-id": "1",
            "x-amz-copy-source-version-id": "2",
            "x-amz-delete-marker": "true",
        }


class TestMissing:
    """What a 404 means (trap 66)."""

    def test_a_key_that_never_was(self) -> None:
        """NoSuchKey, with and without versions."""
        for state in ("", "Enabled"):
            error = World(state=state).missing()
            assert (error.code, error.status, error.headers) == ("NoSuchKey", 404, {})

    def test_trap_66_a_key_whose_newest_version_is_a_marker(self) -> None:
        """NoSuchKey, and the headers tell of the marker."""
        world = World(state="Enabled")
        world.put(b"1")
        marker = world.remove()
        error = world.missing()
        assert (error.code, error.headers) == ("NoSuchKey", marker.headers())
        assert error.headers["x-amz-delete-marker"] == "true"

    def test_trap_66_a_marker_itself(self) -> None:
        """405, which a DELETE would not get."""
        world = World(state="Enabled")
        world.put(b"1")
        marker = world.remove().version_id
        assert marker
        error = world.missing(marker)
        assert (error.code, error.status) == ("MethodNotAllowed", 405)
        assert error.headers["Allow"] == "DELETE"
        assert error.headers["x-amz-version-id"] == marker
        assert error.headers["x-amz-delete-marker"] == "true"

    def test_a_version_that_is_not_there(self) -> None:
        """NoSuchVersion; a key that begins alike is another one."""
        world = World(state="Enabled")
        world.put(b"1", "oo")
        assert world.missing("1700000000.12345").code == "NoSuchVersion"
        assert world.missing().headers == {}


class TestRemove:
    """DELETE (trap 68)."""

    def test_without_versions_it_is_gone(self) -> None:
        """And what is not there is gone already."""
        world = World()
        world.put(b"1")
        assert world.remove() == world.remove() == versioning.Removed()
        assert world.get() is None

    def test_of_a_bucket_that_is_not_there(self) -> None:
        """NoSuchBucket."""
        with pytest.raises(S3Error, match="NoSuchBucket"):
            versioning.remove(World().request("DELETE", bucket="d"), "o")

    def test_trap_68_with_versions_a_marker_is_made(self) -> None:
        """Even of a key that never was."""
        world = World(state="Enabled")
        first = world.put(b"1")
        marker = world.remove()
        assert marker.is_marker
        assert marker.version_id not in (None, first)
        assert world.get() is None
        assert world.get(version_id=first) == b"1"
        assert world.remove(key="never").is_marker

    def test_without_its_marker_a_key_is_back(self) -> None:
        """The newest version is current again."""
        world = World(state="Enabled")
        world.put(b"1")
        second = world.put(b"2")
        marker = world.remove().version_id
        assert world.remove(marker) == versioning.Removed(marker, is_marker=True)
        assert world.get() == b"2"
        assert world.remove(second) == versioning.Removed(second)
        assert world.get() == b"1"

    def test_a_marker_below_the_current_version_stays_one(self) -> None:
        """Removing what is above it leaves the key deleted."""
        world = World(state="Enabled")
        world.put(b"1")
        world.remove()
        second = world.put(b"2")
        world.remove(second)
        assert world.get() is None
        assert world.missing().headers["x-amz-delete-marker"] == "true"

    def test_an_older_version_goes_alone(self) -> None:
        """The current one stays current."""
        world = World(state="Enabled")
        first = world.put(b"1")
        world.put(b"2")
        world.remove(first)
        assert world.get() == b"2"
        assert world.get(version_id=first) is None

    def test_a_version_that_is_not_there_is_removed_already(self) -> None:
        """204, with and without versions."""
        gone = versioning.Removed("1700000000.12345")
        assert World().remove("1700000000.12345") == gone
        assert World(state="Enabled").remove("1700000000.12345") == gone

    def test_trap_88_version_null_of_a_key_that_has_none(self) -> None:
        """The current version, which has an id, stays: the store would take the link away."""
        world = World(state="Enabled")
        world.put(b"1")
        assert world.remove("null") == versioning.Removed("null")
        assert world.get() == b"1"

    def test_trap_35_whoever_may_delete_nothing_is_refused_for_what_is_not_there(self) -> None:
        """Or they would learn what is there."""
        world = World(state="Enabled")
        world.put(b"1")
        asked = request(world.app, "DELETE", "c", headers={})
        asked.environ["apus.authorize"] = lambda _request: Answer(403)
        for version_id in (None, "null", "1700000000.12345"):
            with pytest.raises(S3Error, match="AccessDenied"):
                versioning.remove(asked, "o", version_id)
        assert world.get() == b"1"

    def test_trap_88_version_null_is_removed_and_the_one_before_it_is_back(self) -> None:
        """In a bucket that was suspended."""
        world = World(state="Enabled")
        first = world.put(b"1")
        world.set("Suspended")
        world.put(b"null")
        assert world.get(version_id="null") == b"null"
        world.remove("null")
        assert world.get() == b"1"
        assert world.get(version_id=first) == b"1"

    def test_trap_88_what_was_deleted_while_versions_were_suspended_stays_deleted(self) -> None:
        """Whichever of its versions is removed, as a lifecycle does."""
        for number in (0, 1):
            world = World(state="Enabled")
            ids = [world.put(body) for body in (b"1", b"2", b"3")]
            world.set("Suspended")
            world.remove()
            assert world.get() is None
            world.remove(ids[number])
            world.remove(ids[2])
            assert world.get() is None
            assert world.get(version_id=ids[1 - number]) is not None

    def test_version_null_from_before_versions(self) -> None:
        """It is an object like any other."""
        world = World()
        world.put(b"1")
        world.set("Enabled")
        assert world.remove("null") == versioning.Removed("null")
        assert world.get() is None

    def test_what_somebody_writes_meanwhile_is_not_hidden_by_the_version_before(self) -> None:
        """The name is led back only while it is empty."""
        world = World(state="Enabled")
        world.put(b"1")
        second = world.put(b"2")
        through = world.app

        def racing(environ: Any, start_response: Any) -> Any:
            if environ["REQUEST_METHOD"] == "PUT":
                world.app = through
                world.put(b"3")
            return through(environ, start_response)

        racing.app = through  # type: ignore[attr-defined]
        world.app = racing
        world.remove(second)
        assert world.app is through
        assert world.get() == b"3"

    def test_a_failure_is_told(self) -> None:
        """ServiceUnavailable, not success."""
        world = World()
        world.put(b"1")
        world.store.failing["DELETE", "/v1/a/c/o"] = 503
        with pytest.raises(S3Error, match="ServiceUnavailable"):
            world.remove()

    def test_a_removal_that_broke_off_can_be_asked_again(self) -> None:
        """At whatever step: nothing but what was asked for is lost, and the key is back in the end."""
        for step in range(40):
            world = World(state="Enabled")
            world.put(b"1")
            second = world.put(b"2")
            count = len(world.store.seen)
            with world.store.dying_at(step):
                world.remove(second)
            if len(world.store.seen) - count < step:
                return
            world.remove(second)
            assert world.get(version_id=second) is None
            if world.get() is None:
                world.remove(second)
            assert len(world.store.names(HIDDEN)) == 1
        raise AssertionError("it never came to an end")


class TestLarge:
    """DELETE of a large object takes its segments with it (trap 68)."""

    @pytest.fixture
    def world(self) -> World:
        """A bucket without versions, with an object of two segments."""
        world = World()
        world.app = StaticLargeObjects(world.app, SloConfig())
        self.put_segments(world)
        self.put_manifest(world)
        return world

    def put_segments(self, world: World) -> None:
        assert ask(world.app, "PUT", "/v1/a/s").status == 201
        for name in ("1", "2"):
            there = {"CONTENT_LENGTH": "1"}
            assert ask(world.app, "PUT", f"/v1/a/s/{name}", body=b"x", environ=there).status == 201

    def put_manifest(self, world: World) -> None:
        body = b'[{"path": "/s/1"}, {"path": "/s/2"}]'
        query = "multipart-manifest=put"
        there = {"CONTENT_LENGTH": str(len(body))}
        assert ask(world.app, "PUT", "/v1/a/c/o", body=body, query=query, environ=there).status == 201

    def test_its_segments_go_too(self, world: World) -> None:
        """Nothing is left."""
        assert world.remove() == versioning.Removed()
        assert world.store.objects == {}

    def test_a_condition_that_does_not_hold_leaves_all_of_it(self, world: World) -> None:
        """The segments above all."""
        world.store.failing["DELETE", "/v1/a/c/o"] = 412
        with pytest.raises(S3Error, match="PreconditionFailed"):
            world.remove(If_Match='"0"')
        assert len(world.store.objects) == 3

    def test_a_condition_that_holds_takes_all_of_it(self, world: World) -> None:
        """The name first, then the segments."""
        world.remove(If_Match='"0"')
        assert world.store.objects == {}
        deleted = [path for method, path in world.store.seen if method == "DELETE"]
        assert deleted[0] == "/v1/a/c/o"

    def test_a_segment_that_cannot_be_deleted_is_told(self, world: World) -> None:
        """The object is still there and can be deleted again."""
        world.store.failing["DELETE", "/v1/a/s/2"] = 503
        with pytest.raises(S3Error):
            world.remove()
        assert ("c", "o") in world.store.objects
        world.store.failing.clear()
        world.remove()
        assert world.store.objects == {}

    def test_trap_68_a_version_takes_its_segments_and_a_marker_does_not(self) -> None:
        """Until it is removed itself, a version is whole."""
        world = World(state="Enabled")
        world.app = StaticLargeObjects(world.app, SloConfig())
        self.put_segments(world)
        self.put_manifest(world)
        (version,) = (row["version_id"] for row in versioning._newest(world.request("GET"), "o"))
        world.remove()
        assert world.store.names("s") == ["1", "2"]
        assert world.get(version_id=version) == b"xx"
        world.remove(version)
        assert world.store.names("s") == []
        assert world.get(version_id=version) is None


class TestConditions:
    """If-Match on DELETE."""

    def test_of_a_key_that_is_not_there(self) -> None:
        """Trap 67: NoSuchKey, where an unconditional DELETE succeeds."""
        for state in ("", "Enabled"):
            world = World(state=state)
            with pytest.raises(S3Error, match="NoSuchKey"):
                world.remove(If_Match='"0"')
            assert world.store.names("c") == []
            assert not state or world.store.names(HIDDEN) == []
