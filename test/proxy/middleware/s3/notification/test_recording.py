"""What stands in the log, whoever dies when."""

from __future__ import annotations

from typing import Any

import pytest
from keeping_store import Died
from kept_log import LoggingStore
from one_request import Reply, ask, environ_for

from apus.common.errors import Refused
from apus.common.http.answer import Answer
from apus.common.http.errors import ClientTimeout
from apus.common.timestamp import Timestamp
from apus.proxy.info import ContainerInfo
from apus.proxy.middleware.inner import inner_environ
from apus.proxy.middleware.s3.configuration import documents
from apus.proxy.middleware.s3.notification import recording
from apus.proxy.middleware.s3.notification.meaning import means
from apus.proxy.middleware.s3.notification.recording import Notifications, event_of, outcome
from apus.proxy.middleware.s3.notification.rules import arn_of
from apus.proxy.middleware.s3.notification.targets import Targets
from apus.proxy.middleware.versioned_writes.copies import DELETE_MARKER_TYPE

CREATED = "s3:ObjectCreated:*"
REMOVED = "s3:ObjectRemoved:*"
TAGGED = "s3:ObjectTagging:*"


class World:
    """A bucket c that tells of something, and a bucket d that does not."""

    def __init__(self, *events: str, prefix: str = "") -> None:
        self.store = LoggingStore()
        chosen = f"<FilterRule><Name>prefix</Name><Value>{prefix}</Value></FilterRule>"
        wanted = "".join(f"<Event>{event}</Event>" for event in events or (CREATED, REMOVED, TAGGED))
        text = (
            f"<NotificationConfiguration><TopicConfiguration><Id>r</Id><Topic>{arn_of('hook')}</Topic>{wanted}"
            f"<Filter><S3Key>{chosen}</S3Key></Filter></TopicConfiguration></NotificationConfiguration>"
        )
        kept = {name.lower(): value for name, value in documents.packed("notification", text, {}).items()}
        self.store.containers.update({"c": kept, "d": {}})
        self.app = Notifications(self.store, Targets("/nowhere"))

    def ask(self, method: str, name: str = "k", **what: Any) -> Reply:
        """Ask something of an object of c."""
        return ask(self.app, method, f"/v1/a/c/{name}", **what)

    @property
    def history(self) -> list[str]:
        """What became of the log."""
        return self.store.log.history


def test_intent_change_settled() -> None:
    """In this order; the entry has the very moment of the object."""
    world = World()
    world.store.dies_at = 0
    with pytest.raises(Died):
        world.ask("PUT", body=b"12345", environ={"REMOTE_USER": "test:tester,test"})
    (intent,) = world.store.log.entries
    assert (intent.is_settled, intent.event, intent.size) == (False, "ObjectCreated:Put", None)
    world.store.dies_at = None
    world.store.log.kept.clear()
    assert world.ask("PUT", body=b"12345", environ={"REMOTE_USER": "test:tester,test"}).status == 201
    (entry,) = world.store.log.entries
    assert (entry.is_settled, entry.size, entry.etag) == (True, 5, "827ccb0eea8a706c4c34a16891f84e7b")
    assert (entry.user, entry.address, entry.rule) == ("test:tester", "192.0.2.7", "r")
    assert entry.moment == world.store.objects["c", "k"].moment
    assert world.history == ["intended", "intended", "settled"]


def test_without_a_log_nothing_is_written() -> None:
    """503, before the store hears of it."""
    world = World()
    world.store.log.is_down = True
    reply = world.ask("PUT", body=b"x")
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert not world.store.objects


def test_an_answer_that_cannot_be_settled_is_given() -> None:
    """The intent tells the notifier enough."""
    world = World()

    class Dying:
        """The log goes down while the change is made."""

        def __call__(self, environ: Any, start: Any) -> Any:
            world.store.log.is_down = True
            return world.store(environ, start)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.store, name)

    app = Notifications(Dying(), Targets("/nowhere"))
    assert ask(app, "PUT", "/v1/a/c/k", body=b"x").status == 201
    (entry,) = world.store.log.entries
    assert not entry.is_settled


@pytest.mark.parametrize(("status", "left"), [(401, 0), (404, 0), (412, 0), (422, 0), (500, 1), (503, 1)])
def test_what_is_refused_is_taken_out(status: int, left: int) -> None:
    """And what fails is not: some replica may have it, and the others get it from there."""
    world = World()
    world.store.failing["PUT", "/v1/a/c/k"] = status
    assert world.ask("PUT", body=b"x").status == status
    assert len(world.store.log.entries) == left
    assert not any(entry.is_settled for entry in world.store.log.entries)


@pytest.mark.parametrize("problem", [ClientTimeout("slow"), Refused("too large")])
def test_a_body_that_breaks_off_leaves_nothing(problem: Exception) -> None:
    """Whoever reads it raises, before anything is committed."""
    world = World()

    class Body:
        def read(self, _size: int = -1) -> bytes:
            raise problem

    class Store(LoggingStore):
        def __call__(self, environ: Any, start_response: Any) -> Any:
            environ["wsgi.input"].read()

    store = Store(containers=world.store.containers)
    with pytest.raises(type(problem)):
        ask(Notifications(store, Targets("/nowhere")), "PUT", "/v1/a/c/k", environ={"wsgi.input": Body()})
    assert store.log.history == ["intended", "removed"]


def test_nobody_writes_to_the_log_who_may_not_write() -> None:
    """A stranger's PUT costs no entry."""
    world = World()

    def refuse(_environ: Any) -> Answer:
        return Answer(403)

    assert world.ask("PUT", body=b"x", environ={"apus.authorize": refuse}).status == 403
    assert not world.history


def test_what_nobody_wants_costs_nothing() -> None:
    """Other keys, other events, other buckets, reads."""
    world = World(CREATED, prefix="in/")
    assert world.ask("PUT", "out/k", body=b"x").status == 201
    assert world.ask("PUT", "in/k", body=b"x").status == 201
    assert world.history == ["intended", "settled"]
    assert world.ask("GET", "in/k").status == 200
    assert world.ask("POST", "in/k").status == 202
    assert world.ask("DELETE", "in/k").status == 204
    assert ask(world.app, "PUT", "/v1/a/d/in/k", body=b"x").status == 201
    assert ask(world.app, "PUT", "/v1/a/e").status == 201
    assert world.history == ["intended", "settled"]


def test_a_deletion_of_nothing_is_none() -> None:
    """404: nothing was there."""
    world = World()
    assert world.ask("DELETE").status == 404
    assert world.history == ["intended", "removed"]


def test_a_body_of_unknown_length_is_counted() -> None:
    """Its size is told all the same."""
    world = World()
    environ = environ_for("PUT", "/v1/a/c/k", body=b"1234567")
    del environ["CONTENT_LENGTH"]
    body = environ["wsgi.input"]
    assert world.ask("PUT", environ={"wsgi.input": body, "HTTP_TRANSFER_ENCODING": "chunked"}).status == 201
    assert [entry.size for entry in world.store.log.entries] == [7]


def test_tags_of_a_version_are_the_keys() -> None:
    """They are changed where the version is kept; only the POST counts."""
    world = World()
    environ = environ_for("POST", "/v1/a/c/k")
    means(environ, "ObjectTagging:Put", place=("a", "c", "k"), version_id="1700000000.00000")
    world.store.containers["hidden"] = {}
    for method in ("PUT", "HEAD", "POST", "DELETE"):
        inner = inner_environ(environ, method, "/v1/a/hidden/k-version", trusted=True)
        ask(world.app, method, "/v1/a/hidden/k-version", environ=inner)
    (entry,) = world.store.log.entries
    assert (entry.event, entry.place) == ("ObjectTagging:Put", ("a", "c", "k"))
    assert entry.version_id == "1700000000.00000"
    assert world.history == ["intended", "settled"]


def test_a_configuration_in_pieces_lets_nothing_pass() -> None:
    """Nobody knows whether somebody wants to hear of it."""
    world = World()
    kept = world.store.containers["c"]
    kept["x-container-sysmeta-s3api-notification"] += "AAAA"
    assert world.ask("PUT", body=b"x").status == 503


def test_what_a_change_is_called() -> None:
    """By what is known before it, and after it."""
    plain = ContainerInfo(status=204)
    versioned = ContainerInfo(status=204, sysmeta={"versions-enabled": "true"})
    put, delete = {"REQUEST_METHOD": "PUT"}, {"REQUEST_METHOD": "DELETE"}
    assert event_of(put, plain, None, "") == "ObjectCreated:Put"
    assert event_of(put, plain, "", "") is None
    assert event_of(put, plain, None, "1.0") == "ObjectCreated:Copy"
    assert event_of({**put, "swift.source": "SSC"}, plain, None, "") == "ObjectCreated:Copy"
    assert event_of({**put, "swift.source": "FP"}, plain, None, "") == "ObjectCreated:Post"
    assert event_of(delete, plain, None, "") == "ObjectRemoved:Delete"
    assert event_of(delete, versioned, None, "") == "ObjectRemoved:DeleteMarkerCreated"
    assert event_of(delete, versioned, None, "1.0") == "ObjectRemoved:Delete"
    assert event_of(delete, versioned, "LifecycleExpiration", "") == "LifecycleExpiration:DeleteMarkerCreated"
    marker = {"x-backend-content-type": DELETE_MARKER_TYPE}
    assert outcome("ObjectRemoved:Delete", 404, marker) == "ObjectRemoved:DeleteMarkerCreated"
    assert outcome("ObjectRemoved:Delete", 204, marker, "1.0") == "ObjectRemoved:Delete"
    assert outcome("ObjectRemoved:DeleteMarkerCreated", 204, {}) == "ObjectRemoved:Delete"
    assert outcome("ObjectRemoved:Delete", 404, {}) is None
    assert outcome("ObjectTagging:Delete", 202, {}) == "ObjectTagging:Delete"


def test_another_cluster_s_moment_stays() -> None:
    """Container sync says when a change was made; the entry of the log is of now."""
    world = World()
    told = "1500000000.00000"
    assert world.ask("PUT", body=b"x", headers={"X-Timestamp": told}).status == 201
    (entry,) = world.store.log.entries
    assert entry.moment == Timestamp.parse(told)


def test_it_is_found_in_a_pipeline(tmp_path: Any) -> None:
    """Behind filters that are passed by, too; a proxy without a log is refused."""
    make = recording.filter_factory({"swift_dir": str(tmp_path)})
    world = World()
    assert recording.targets_behind(make(world.store)) is not None
    assert recording.targets_behind(world.store) is None
    with pytest.raises(Refused, match="log"):
        make(lambda _environ, _start: [])
