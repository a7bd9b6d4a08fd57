"""Who signs nothing, at a proxy that knows whose buckets are meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from clusters import AllInOne
from s3 import DOMAIN, S3Front, bucket_of, s3_front
from store import ask


@pytest.fixture(scope="module")
def public(shared_cluster: AllInOne, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Front]:
    """A proxy whose bare names are the buckets of one account."""
    options = {"default_account": "AUTH_test"}
    with s3_front(shared_cluster, tmp_path_factory.mktemp("public"), options) as front:
        yield front


@pytest.fixture
def opened(public: S3Front) -> Iterator[tuple[Any, str]]:
    """A bucket that everybody may read, and its owner's client."""
    boto = public.client()
    with bucket_of(boto) as name:
        boto.put_bucket_acl(Bucket=name, ACL="public-read")
        boto.put_object(Bucket=name, Key="a b/é", Body=b"hello", ContentType="text/plain")
        yield boto, name


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    answer: Any = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_public_bucket_is_read_by_everybody(public: S3Front, opened: tuple[Any, str], tls: bool) -> None:
    """And written by nobody else."""
    _, name = opened
    stranger = public.client(
        None, tls=tls, retries={"total_max_attempts": 3}
    )  # A refused upload ends a connection.
    assert stranger.get_object(Bucket=name, Key="a b/é")["Body"].read() == b"hello"
    assert stranger.head_object(Bucket=name, Key="a b/é")["ContentType"] == "text/plain"
    assert [row["Key"] for row in stranger.list_objects_v2(Bucket=name)["Contents"]] == ["a b/é"]
    with pytest.raises(ClientError) as caught:
        stranger.put_object(Bucket=name, Key="k", Body=b"x")
    assert code_of(caught) == (403, "AccessDenied")
    with pytest.raises(ClientError) as caught:
        stranger.delete_object(Bucket=name, Key="a b/é")
    assert code_of(caught) == (403, "AccessDenied")


def test_trap_57_a_private_bucket_is_forbidden(public: S3Front, opened: tuple[Any, str]) -> None:
    """403, whether the key is there or not; nobody lists an account's buckets."""
    boto, name = opened
    boto.put_bucket_acl(Bucket=name, ACL="private")
    stranger = public.client(None)
    for key in ("a b/é", "nothing"):
        with pytest.raises(ClientError) as caught:
            stranger.get_object(Bucket=name, Key=key)
        assert code_of(caught) == (403, "AccessDenied")
    assert boto.get_object(Bucket=name, Key="a b/é")["Body"].read() == b"hello"


def test_trap_76_a_bucket_in_the_host(public: S3Front, opened: tuple[Any, str]) -> None:
    """With the port and without it."""
    _, name = opened
    for host in (f"{name}.{DOMAIN}", f"{name}.{DOMAIN}:8080"):
        reply = ask(public.store.address, "GET", "/a%20b/%C3%A9", {"Host": host})
        assert (reply.status, reply.body) == (200, b"hello")


def test_the_swift_api_stays_where_it_is(public: S3Front, opened: tuple[Any, str]) -> None:
    """Its paths begin with a version."""
    _, name = opened
    assert public.swift().get(name, "a b/é").body == b"hello"
    assert ask(public.store.address, "GET", "/info", {}).status == 200
    assert b"<Code>AccessDenied</Code>" in ask(public.store.address, "GET", "/no-such-bucket/key", {}).body


def test_who_signs_means_their_own_buckets(public: S3Front, opened: tuple[Any, str]) -> None:
    """The default is for strangers alone."""
    _, name = opened
    with pytest.raises(ClientError) as caught:
        public.client("test2:tester2").get_object(Bucket=name, Key="a b/é")
    assert code_of(caught) == (404, "NoSuchBucket")
