"""Lines become objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from apus.common.errors import Unavailable
from apus.common.http.answer import Answer
from apus.proxy.info import AccountInfo, ContainerInfo
from apus.proxy.middleware.s3.access_logging.delivery import Courier, Patience
from apus.proxy.middleware.s3.access_logging.destination import Form, Place
from apus.proxy.middleware.s3.access_logging.spool import Bounds, Spool
from apus.proxy.middleware.s3.configuration import documents

HERE = Place("AUTH_a", "bkt", "logs", "p/", Form.SIMPLE)
THERE = Place("AUTH_a", "bkt", "other", "p/", Form.SIMPLE)


class Store:
    """Keeps objects; of buckets that are named as broken it answers with a status, or fails."""

    def __init__(self, **policies: str) -> None:
        self.policies = policies
        self.objects: dict[str, bytes] = {}
        self.broken: dict[str, int | Exception] = {}
        self.tries = 0

    def account_info(self, environ: dict[str, Any], account: str) -> AccountInfo:
        return AccountInfo(status=204)

    def container_info(self, environ: dict[str, Any], account: str, container: str) -> ContainerInfo:
        text = self.policies.get(container)
        kept = {} if text is None else documents.packed("policy", text, {})
        sysmeta = {name.lower().removeprefix("x-container-sysmeta-"): kept[name] for name in kept}
        return ContainerInfo(status=204, sysmeta=sysmeta)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.tries += 1
        path = environ["PATH_INFO"]
        assert (environ["REQUEST_METHOD"], environ["swift.authorize_override"]) == ("PUT", True)
        status = self.broken.get(path.split("/")[3], 201)
        if isinstance(status, Exception):
            raise status
        if status == 201:
            self.objects[path] = environ["wsgi.input"].read()
        return Answer(status)(environ, start_response)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    found = Spool(tmp_path, Bounds(file_bytes=1 << 20, folder_bytes=1 << 20))
    for where, line in ((HERE, "1"), (THERE, "2"), (HERE, "3")):
        found.append(where, line)
    return found


def courier(store: Store, spool: Spool, *, keep_seconds: float = 60.0) -> Courier:
    return Courier(store, spool, Patience(every_seconds=1.0, keep_seconds=keep_seconds))


def test_each_place_gets_an_object(spool: Spool) -> None:
    """All its lines, in their order, and the spool is empty then."""
    store = Store()
    courier(store, spool).deliver()
    found = {path.rsplit("/", 1)[0]: body for path, body in store.objects.items()}
    assert found == {"/v1/AUTH_a/logs/p": b"1\n3\n", "/v1/AUTH_a/other/p": b"2\n"}
    assert not spool.has_batches()


@pytest.mark.parametrize("problem", [503, 403, 413, Unavailable("no quorum")])
def test_a_bucket_that_fails_holds_up_no_other(spool: Spool, problem: int | Exception) -> None:
    """Its lines wait for the next time, the others' are not written again."""
    store = Store()
    store.broken["logs"] = problem
    courier(store, spool).deliver()
    assert list(store.objects.values()) == [b"2\n"]
    store.broken.clear()
    courier(store, spool).deliver()
    assert sorted(store.objects.values()) == [b"1\n3\n", b"2\n"]
    assert store.tries == 3


def test_what_was_written_by_one_who_died_is_not_told_twice(spool: Spool, tmp_path: Path) -> None:
    """The same lines make an object of the same name."""
    store = Store()
    spool.close_current()
    (path,) = tmp_path.iterdir()
    lines = path.read_bytes()
    courier(store, spool).deliver()
    once = dict(store.objects)
    path.write_bytes(lines)  # As if nobody had removed it.
    courier(store, spool).deliver()
    assert store.objects == once
    assert store.tries == 4


def test_the_lines_of_a_bucket_that_is_gone_go_with_it(spool: Spool) -> None:
    """They have no place any more."""
    store = Store()
    store.broken["logs"] = 404
    courier(store, spool).deliver()
    assert not spool.has_batches()


def test_lines_that_are_too_old_are_given_up(spool: Spool) -> None:
    """A bucket that nobody can write to fills no disk."""
    store = Store()
    store.broken = {"logs": 503, "other": 503}
    courier(store, spool, keep_seconds=-1.0).deliver()
    assert not spool.has_batches()


@pytest.mark.parametrize(
    ("statement", "delivered"),
    [
        ({"Effect": "Allow"}, True),
        ({"Effect": "Deny"}, False),
        ({"Effect": "Deny", "Principal": "*"}, False),
        ({"Effect": "Deny", "Principal": {"AWS": "AUTH_b"}}, True),
        ({"Effect": "Deny", "Condition": {"StringNotEquals": {"aws:SourceAccount": "AUTH_a"}}}, True),
        ({"Effect": "Deny", "Condition": {"ArnNotLike": {"aws:SourceArn": "arn:aws:s3:::another"}}}, False),
        ({"Effect": "Deny", "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}, True),
    ],
)
def test_a_policy_can_deny_it(spool: Spool, statement: dict[str, Any], *, delivered: bool) -> None:
    """To the service that Amazon's policies name, or to everybody; nothing has to allow it."""
    service = {"Service": "logging.s3.amazonaws.com"}
    full = {"Principal": service, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::logs/*", **statement}
    store = Store(logs=json.dumps({"Version": "2012-10-17", "Statement": [full]}))
    courier(store, spool).deliver()
    assert sorted(store.objects.values()) == ([b"1\n3\n"] if delivered else []) + [b"2\n"]
