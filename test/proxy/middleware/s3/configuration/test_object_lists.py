"""Lists of single objects, as uploads and ?acl say them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from keeping_store import KeepingStore
from one_request import Environ, ask
from s3_requests import request

from apus.proxy.middleware.s3.configuration import acl, judging, object_lists
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.request import Request


def world() -> KeepingStore:
    """A store with a bucket c."""
    store = KeepingStore()
    assert ask(store, "PUT", "/v1/a/c").status == 201
    return store


def as_owner(environ: Environ) -> None:
    """Let the owner in, as an auth filter does."""
    environ["apus.owner"] = True


PUBLIC = {"acl": "public-read"}


def taken(store: KeepingStore, said: Mapping[str, str], word: str = "", *, is_owner: bool = True) -> Request:
    """Return an upload that has been looked at."""
    headers = {f"x-amz-{name.replace('_', '-')}": value for name, value in said.items()}
    method, query = ("POST" if word == "uploads" else "PUT"), ({word: ""} if word else {})
    asked = request(store, method, "c", "k", query, headers=headers)
    asked.environ["apus.authorize"] = as_owner if is_owner else lambda _: None
    judging.introduce(asked, word)
    object_lists.take_upload(asked, word)
    return asked


@pytest.mark.parametrize(
    "said",
    [{}, {"acl": "private"}, {"acl": "bucket-owner-full-control"}, {"grant_full_control": "id=a"}],
)
def test_what_lets_nobody_in_costs_nothing(said: dict[str, str]) -> None:
    """No request, and nothing is kept."""
    store = world()
    store.seen.clear()
    assert object_lists.KEY not in taken(store, said).environ
    assert not store.seen


@pytest.mark.parametrize("word", ["", "copy", "uploads"])
def test_the_bucket_is_marked_once(word: str) -> None:
    """Before the first object has a list."""
    store = world()
    for expected in (1, 0):
        store.seen.clear()
        kept = taken(store, PUBLIC, word).environ[object_lists.KEY]
        assert acl.Grant(acl.ALL_USERS, "READ") in acl.kept_grants(kept)
        assert store.seen.count(("POST", "/v1/a/c")) == expected


def test_a_part_has_no_list() -> None:
    """Its upload has."""
    assert object_lists.KEY not in taken(world(), PUBLIC, "uploadId").environ


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"acl": "odd"}, "InvalidArgument"),
        ({"acl": "public-read", "grant_read": "id=b"}, "InvalidRequest"),
        ({"grant_read": "emailAddress=a@b"}, "UnresolvableGrantByEmailAddress"),
        ({"grant_read": ",".join(f"id={'x' * 90}{at}" for at in range(90))}, "MalformedACLError"),
    ],
)
def test_what_is_no_list_is_refused(said: dict[str, str], code: str) -> None:
    """Before anything is stored."""
    store = world()
    with pytest.raises(S3Error) as caught:
        taken(store, said)
    assert caught.value.code == code
    assert not store.objects


def test_access_is_the_owners_to_give() -> None:
    """Who may only write cannot let others read."""
    with pytest.raises(S3Error) as caught:
        taken(world(), PUBLIC, is_owner=False)
    assert caught.value.code == "AccessDenied"


def test_a_probe_does_nothing() -> None:
    """Leave is asked for as for the request itself, which stops there."""
    store = world()
    taken(store, PUBLIC)
    assert not store.objects
