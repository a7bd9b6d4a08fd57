"""Buckets, as boto3, awscli, minio-py and s3cmd make, list, look at and delete them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from minio import Minio
from s3 import DOMAIN, REGION, S3Front, bucket_of
from s3_programs import aws
from store import KEYS, ask


def unique() -> str:
    return f"bucket-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def name(s3: S3Front) -> Iterator[str]:
    """A name, whose bucket is gone when the test is."""
    chosen = unique()
    yield chosen
    s3.swift().delete(chosen)


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    answer: Any = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def test_a_bucket_comes_and_goes(boto: Any, name: str) -> None:
    """Over plain HTTP and over TLS."""
    made = boto.create_bucket(Bucket=name)
    assert made["Location"] == f"/{name}"
    assert made["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"].startswith("tx")
    assert name in [bucket["Name"] for bucket in boto.list_buckets()["Buckets"]]
    assert boto.head_bucket(Bucket=name)["BucketRegion"] == REGION
    assert boto.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    boto.delete_bucket(Bucket=name)
    assert name not in [bucket["Name"] for bucket in boto.list_buckets()["Buckets"]]
    with pytest.raises(ClientError) as caught:
        boto.head_bucket(Bucket=name)
    assert code_of(caught) == (404, "404")
    for call in (boto.delete_bucket, boto.get_bucket_location):
        with pytest.raises(ClientError) as caught:
            call(Bucket=name)
        assert code_of(caught) == (404, "NoSuchBucket")


def test_trap_75_a_bucket_may_be_created_again(boto: Any, bucket: str) -> None:
    """In us-east-1 it is no error to create what one has."""
    boto.create_bucket(Bucket=bucket)


@pytest.mark.parametrize("place", ["eu-west-1", "nowhere"])
def test_trap_75_a_bucket_is_created_here_or_nowhere(boto: Any, name: str, place: str) -> None:
    """There is one region."""
    with pytest.raises(ClientError) as caught:
        boto.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": place})
    assert code_of(caught) == (400, "InvalidLocationConstraint")


@pytest.mark.parametrize("bad", ["Upper-case", "under_score", "192.168.5.4", "dots..dots"])
def test_trap_75_bad_names_are_refused(s3: S3Front, bad: str) -> None:
    """Amazon's rules hold for new buckets."""
    with pytest.raises(ClientError) as caught:
        s3.client().create_bucket(Bucket=bad)
    assert code_of(caught) == (400, "InvalidBucketName")


def test_both_doors_show_the_same_buckets(s3: S3Front, name: str) -> None:
    """A container is a bucket, whoever made it; a container of parts is none."""
    swift, boto = s3.swift(), s3.client()
    swift.put(name)
    swift.put(f"{name}+segments")
    names = [bucket["Name"] for bucket in boto.list_buckets(Prefix=name)["Buckets"]]
    assert names == [name]
    boto.delete_bucket(Bucket=name)
    assert swift.head(name).status == 404
    boto.create_bucket(Bucket=name)
    assert swift.head(name).status == 204
    swift.delete(f"{name}+segments")


def test_a_bucket_with_something_in_it_stays(s3: S3Front, bucket: str) -> None:
    """409, and it is still there."""
    swift = s3.swift()
    swift.put(bucket, "o", body=b"x")
    with pytest.raises(ClientError) as caught:
        s3.client().delete_bucket(Bucket=bucket)
    assert code_of(caught) == (409, "BucketNotEmpty")
    assert swift.get(bucket, "o").body == b"x"
    swift.delete(bucket, "o")


def test_parts_of_no_object_go_with_their_bucket(s3: S3Front, name: str) -> None:
    """Nothing of an upload that was never completed stays behind."""
    swift, boto = s3.swift(), s3.client()
    boto.create_bucket(Bucket=name)
    swift.put(f"{name}+segments")
    for number in range(3):
        swift.put(f"{name}+segments", f"key/upload/{number}", body=b"x")
    boto.delete_bucket(Bucket=name)
    assert swift.get(f"{name}+segments").status == 404


def test_what_an_interrupted_deletion_left_the_next_one_removes(s3: S3Front, name: str) -> None:
    """The bucket is gone already: NoSuchBucket, and then nothing is left."""
    swift = s3.swift()
    swift.put(f"{name}+segments")
    swift.put(f"{name}+segments", "key/upload/1", body=b"x")
    with pytest.raises(ClientError) as caught:
        s3.client().delete_bucket(Bucket=name)
    assert code_of(caught) == (404, "NoSuchBucket")
    assert swift.get(f"{name}+segments").status == 404


def test_buckets_are_listed_page_by_page(s3: S3Front) -> None:
    """MaxBuckets, Prefix and the token for what comes next."""
    boto, swift, start = s3.client(), s3.swift(), unique()
    names = [f"{start}-{number}" for number in range(5)]
    for each in names:
        swift.put(each)
    try:
        found, token = [], None
        for _ in range(3):
            more: dict[str, str] = {"ContinuationToken": token} if token else {}
            page = boto.list_buckets(Prefix=start, MaxBuckets=2, **more)
            found.append([bucket["Name"] for bucket in page["Buckets"]])
            token = page.get("ContinuationToken")
            assert page["Prefix"] == start
            assert page["Owner"]["ID"] == swift.account
        assert found == [names[:2], names[2:4], names[4:]]
        assert token is None
    finally:
        for each in names:
            swift.delete(each)


def test_somebody_elses_buckets_are_out_of_reach(s3: S3Front, bucket: str) -> None:
    """The same name means another bucket; by its full name it is refused (trap 57: 403)."""
    other = s3.client("test2:tester2")
    with pytest.raises(ClientError) as caught:
        other.head_bucket(Bucket=bucket)
    assert code_of(caught) == (404, "404")
    with bucket_of(other):
        pass
    host, port = s3.store.address
    reply = ask((host, port), "GET", f"/{s3.swift().account}:{bucket}?location", {})
    assert (reply.status, b"AccessDenied" in reply.body) == (403, True)


def test_trap_49_a_wrong_secret_and_an_unknown_key(s3: S3Front) -> None:
    """Two different errors."""
    for key, secret, code in (
        ("test:tester", "x", "SignatureDoesNotMatch"),
        ("no:one", "x", "InvalidAccessKeyId"),
    ):
        client = boto3.client(
            "s3",
            endpoint_url=s3.endpoint,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name=REGION,
        )
        with pytest.raises(ClientError) as caught:
            client.list_buckets()
        assert code_of(caught) == (403, code)


def test_the_stores_own_paths_stay_the_stores(s3: S3Front) -> None:
    """Whoever signs nothing and names no bucket of anybody's speaks the Swift API."""
    assert ask(s3.store.address, "GET", "/info", {}).json()["s3api"]["max_upload_part_num"] == 10_000
    assert ask(s3.store.address, "GET", "/v1/AUTH_test", {}).status == 401
    assert ask(s3.store.address, "GET", "/healthcheck", {}).body == b"OK"
    assert b"<Error>" not in ask(s3.store.address, "GET", "/nobodys/path", {}).body


def test_trap_76_a_bucket_may_be_in_the_host(s3: S3Front, bucket: str) -> None:
    """Signed for that host, by boto3's own signer."""
    host = f"{bucket}.{DOMAIN}"
    request = AWSRequest("GET", f"http://{host}/?location")
    S3SigV4Auth(Credentials("test:tester", KEYS["test:tester"]), "s3", REGION).add_auth(request)
    reply = ask(s3.store.address, "GET", "/?location", {**dict(request.headers.items()), "Host": host})
    assert (reply.status, b"LocationConstraint" in reply.body) == (200, True)
    assert ask(s3.store.address, "GET", "/?location", {"Host": host}).status == 403


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_awscli(s3: S3Front, name: str, tls: bool) -> None:
    """`aws s3 mb`, `ls`, `rb`, and the plain operations."""
    assert aws(s3, "s3", "mb", f"s3://{name}", tls=tls) == f"make_bucket: {name}\n"
    assert name in aws(s3, "s3", "ls", tls=tls)
    told = aws(s3, "s3api", "get-bucket-location", "--bucket", name, tls=tls)
    assert json.loads(told) == {"LocationConstraint": None}
    aws(s3, "s3", "rb", f"s3://{name}", tls=tls)
    assert name not in aws(s3, "s3", "ls", tls=tls)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_minio_py(s3: S3Front, name: str, tls: bool) -> None:
    """It asks for the location first, with an empty value in the query."""
    pool = urllib3.PoolManager(ca_certs=str(s3.certificate))
    client = Minio(
        urlsplit(s3.address(tls=tls)).netloc,
        access_key="test:tester",
        secret_key=KEYS["test:tester"],
        secure=tls,
        http_client=pool,
    )
    client.make_bucket(bucket_name=name)
    assert client.bucket_exists(bucket_name=name)
    assert name in [bucket.name for bucket in client.list_buckets()]
    client.remove_bucket(bucket_name=name)
    assert not client.bucket_exists(bucket_name=name)
