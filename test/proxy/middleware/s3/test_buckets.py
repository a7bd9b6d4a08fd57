"""Buckets themselves, over a store that counts, refuses and dies where it is told to."""

from __future__ import annotations

from typing import Any

import pytest
from keeping_store import Died, KeepingStore
from one_request import FixedApp
from s3_requests import request

from apus.common.http.answer import Answer
from apus.proxy.middleware.s3 import buckets
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.xml import Node, read


def document(answer: Answer) -> Node:
    assert isinstance(answer.body, bytes)
    return read(answer.body)


def store_with(*objects: tuple[str, str]) -> KeepingStore:
    """A store with a bucket bkt, a container of its parts, and these objects."""
    store = KeepingStore()
    store.containers = {"bkt": {}, "bkt+segments": {}}
    for container, name in objects:
        request(store, "PUT", container, name, body=b"x").ask("PUT", container, name, body=b"x")
    store.seen.clear()
    return store


def test_a_deletion_removes_the_parts_of_uploads() -> None:
    """The bucket first: what is deleted cannot be found in use any more."""
    store = store_with(("bkt+segments", "k/u/1"), ("bkt+segments", "k/u/2"))
    assert buckets.delete_bucket(request(store, "DELETE", "bkt")).status == 204
    assert store.containers == {}
    assert store.objects == {}
    assert store.seen[0] == ("DELETE", "/v1/a/bkt")


def test_a_bucket_that_is_not_empty_keeps_the_parts() -> None:
    """Its objects may be made of them."""
    store = store_with(("bkt", "o"), ("bkt+segments", "k/u/1"))
    with pytest.raises(S3Error) as caught:
        buckets.delete_bucket(request(store, "DELETE", "bkt"))
    assert caught.value.code == "BucketNotEmpty"
    assert store.names("bkt+segments") == ["k/u/1"]


@pytest.mark.parametrize("step", range(1, 6))
def test_a_deletion_that_is_interrupted_can_be_repeated(step: int) -> None:
    """Wherever it stops: asking again leaves nothing."""
    store = store_with(("bkt+segments", "k/u/1"), ("bkt+segments", "k/u/2"))
    store.dies_at = step
    with pytest.raises(Died):
        buckets.delete_bucket(request(store, "DELETE", "bkt"))
    store.dies_at = None
    with pytest.raises(S3Error) as caught:
        buckets.delete_bucket(request(store, "DELETE", "bkt"))
    assert caught.value.code == "NoSuchBucket"
    assert store.containers == {}
    assert store.objects == {}


def test_a_deletion_ends_where_parts_cannot_be_deleted() -> None:
    """It does not ask for ever."""
    store = store_with(("bkt+segments", "k/u/1"))
    store.failing["DELETE", "/v1/a/bkt+segments/k/u/1"] = 503
    assert buckets.delete_bucket(request(store, "DELETE", "bkt")).status == 204
    assert store.names("bkt+segments") == ["k/u/1"]


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (503, "ServiceUnavailable"), (507, "ServiceUnavailable")]
)
def test_what_the_store_refuses_is_told(status: int, code: str) -> None:
    """By each operation."""
    app = FixedApp(f"{status} No")
    for operation, method, bucket in (
        (buckets.list_buckets, "GET", None),
        (buckets.create_bucket, "PUT", "bkt"),
        (buckets.head_bucket, "HEAD", "bkt"),
        (buckets.delete_bucket, "DELETE", "bkt"),
        (buckets.get_location, "GET", "bkt"),
    ):
        with pytest.raises(S3Error) as caught:
            operation(request(app, method, bucket))
        assert caught.value.code == code


def test_trap_75_the_region_is_told_to_who_may_not_look() -> None:
    """A client that asked the wrong place learns the right one."""
    with pytest.raises(S3Error) as caught:
        buckets.head_bucket(request(FixedApp("403 Forbidden"), "HEAD", "bkt", location="r1"))
    assert caught.value.headers == {"x-amz-bucket-region": "r1"}


@pytest.mark.parametrize(("region", "told"), [("us-east-1", ""), ("r1", "r1")])
def test_trap_75_the_first_region_has_no_name(region: str, told: str) -> None:
    """GetBucketLocation's element is empty for us-east-1."""
    found = document(buckets.get_location(request(store_with(), "GET", "bkt", location=region)))
    assert (found.tag, found.text) == ("LocationConstraint", told)


def test_trap_75_outside_the_first_region_a_bucket_is_created_once() -> None:
    """409 for the second time; only the region's own name is a place."""
    body = (
        b"<CreateBucketConfiguration><LocationConstraint>r1</LocationConstraint></CreateBucketConfiguration>"
    )
    store = KeepingStore()
    made = buckets.create_bucket(request(store, "PUT", "bkt", body=body, location="r1"))
    assert made.headers == {"Location": "/bkt"}
    with pytest.raises(S3Error) as caught:
        buckets.create_bucket(request(store, "PUT", "bkt", body=body, location="r1"))
    assert caught.value.code == "BucketAlreadyOwnedByYou"
    with pytest.raises(S3Error) as caught:
        buckets.create_bucket(request(store, "PUT", "other", body=body, location="r2"))
    assert caught.value.code == "InvalidLocationConstraint"
    assert list(store.containers) == ["bkt"]


@pytest.mark.parametrize("number", ["0", "-1", "x", "10001", "", "²"])
def test_a_page_of_buckets_has_a_sensible_size(number: str) -> None:
    """1 to 10,000."""
    with pytest.raises(S3Error) as caught:
        buckets.list_buckets(request(KeepingStore(), "GET", None, query={"max-buckets": number}))
    assert caught.value.code == "InvalidArgument"


@pytest.mark.parametrize("token", ["x", "\x00", "é", "_w=="])
def test_a_token_that_nobody_gave_is_refused(token: str) -> None:
    """400, not 500."""
    with pytest.raises(S3Error) as caught:
        buckets.list_buckets(request(KeepingStore(), "GET", None, query={"continuation-token": token}))
    assert caught.value.code == "InvalidArgument"


def test_an_account_that_was_never_used_has_no_buckets() -> None:
    """404 of the store means an empty list."""
    app: Any = FixedApp("404 Not Found")
    found = document(buckets.list_buckets(request(app, "GET", None))).find("Buckets")
    assert found is not None
    assert found.children == []
