"""S3's conditional writes: of those who race exactly one wins, in buckets with versions, too, and at both doors."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from hashlib import md5
from typing import Any

import pytest
from botocore.exceptions import ClientError
from clusters import AllInOne
from s3 import S3Front, bucket_of, s3_front

RACERS = 16
LOST = {"PreconditionFailed", "ConditionalRequestConflict"}
DONE = "done"
KEY = "k"

Write = Callable[[int, dict[str, str]], None]


@pytest.fixture(scope="module")
def door(shared_cluster: AllInOne, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Front]:
    """A door that takes parts of any size."""
    with s3_front(shared_cluster, tmp_path_factory.mktemp("s3races"), {"min_segment_size": "1"}) as opened:
        yield opened


@pytest.fixture
def client(door: S3Front) -> Any:
    return door.client(max_pool_connections=RACERS)


@pytest.fixture(params=["plain", "versioned"])
def bucket(request: pytest.FixtureRequest, client: Any) -> Iterator[str]:
    """A bucket of the test's own, with versions and without."""
    with bucket_of(client) as name:
        if request.param == "versioned":
            enable_versions(client, name)
        yield name


@pytest.fixture
def versioned(client: Any) -> Iterator[str]:
    """A bucket that has versions."""
    with bucket_of(client) as name:
        enable_versions(client, name)
        yield name


def enable_versions(client: Any, bucket: str) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def body(number: int) -> bytes:
    return f"body {number}".encode()


def code_of(act: Callable[[], object]) -> str:
    """Return the code with which something is refused, DONE where it is not."""
    try:
        act()
    except ClientError as error:
        code: str = error.response["Error"]["Code"]
        return code
    return DONE


def outcomes_of(acts: list[Callable[[], object]]) -> list[str]:
    """Do all at the same time; return what came of each."""
    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(code_of, acts))


@contextmanager
def refused(code: str, status: int) -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    answer: Any = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


def puts(client: Any, bucket: str) -> Write:
    def put(number: int, condition: dict[str, str]) -> None:
        client.put_object(Bucket=bucket, Key=KEY, Body=body(number), **condition)

    return put


def copies(client: Any, bucket: str) -> Write:
    for number in range(2 * RACERS):
        client.put_object(Bucket=bucket, Key=f"from{number}", Body=body(number))

    def copy(number: int, condition: dict[str, str]) -> None:
        source = {"Bucket": bucket, "Key": f"from{number}"}
        client.copy_object(Bucket=bucket, Key=KEY, CopySource=source, **condition)

    return copy


def completions(client: Any, bucket: str) -> Write:
    uploads = [uploaded(client, bucket, body(number)) for number in range(RACERS)]

    def complete(number: int, condition: dict[str, str]) -> None:
        client.complete_multipart_upload(**uploads[number], **condition)

    return complete


def uploaded(client: Any, bucket: str, *parts: bytes) -> dict[str, Any]:
    """Upload all parts of an object; return what completes it."""
    upload_id = client.create_multipart_upload(Bucket=bucket, Key=KEY)["UploadId"]
    upload = {"Bucket": bucket, "Key": KEY, "UploadId": upload_id}
    sent = [
        {"PartNumber": number, "ETag": client.upload_part(**upload, PartNumber=number, Body=part)["ETag"]}
        for number, part in enumerate(parts, 1)
    ]
    return {**upload, "MultipartUpload": {"Parts": sent}}


def content(client: Any, bucket: str) -> bytes:
    data: bytes = client.get_object(Bucket=bucket, Key=KEY)["Body"].read()
    return data


def versions(client: Any, bucket: str) -> Counter[str]:
    """How many versions and delete markers the key has."""
    page = client.list_object_versions(Bucket=bucket, Prefix=KEY)
    return Counter({kind: len(page.get(kind, ())) for kind in ("Versions", "DeleteMarkers")})


@pytest.mark.parametrize("writes", [puts, copies, completions])
def test_trap_67_of_racing_writers_exactly_one_wins(
    client: Any, bucket: str, writes: Callable[[Any, str], Write]
) -> None:
    """If-None-Match: *, then If-Match, by PutObject, CopyObject and CompleteMultipartUpload; nothing stays of losers."""
    write = writes(client, bucket)
    condition = {"IfNoneMatch": "*"}
    for first in (0, RACERS):
        if writes is completions and first:
            return  # An upload that is complete answers again as it did.
        numbers = range(first, first + RACERS)
        told = outcomes_of([partial(write, number, condition) for number in numbers])
        assert told.count(DONE) == 1, told
        assert set(told) <= {DONE, *LOST}
        assert content(client, bucket) == body(first + told.index(DONE))
        is_versioned = "Status" in client.get_bucket_versioning(Bucket=bucket)
        assert versions(client, bucket)["Versions"] == (2 if is_versioned and first else 1)
        condition = {"IfMatch": client.head_object(Bucket=bucket, Key=KEY)["ETag"]}


def test_trap_67_of_racing_deletions_exactly_one_wins(client: Any, bucket: str) -> None:
    """By DeleteObject and by DeleteObjects; one delete marker comes of it."""
    etag = client.put_object(Bucket=bucket, Key=KEY, Body=b"old")["ETag"]

    def delete() -> None:
        client.delete_object(Bucket=bucket, Key=KEY, IfMatch=etag)

    def delete_among_many() -> None:
        done = client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": KEY, "ETag": etag}]})
        for error in done.get("Errors", ()):
            raise ClientError({"Error": {"Code": error["Code"]}}, "DeleteObjects")

    told = outcomes_of([delete, delete_among_many] * (RACERS // 2))
    assert told.count(DONE) == 1, told
    assert set(told) <= {DONE, "NoSuchKey", *LOST}
    is_versioned = "Status" in client.get_bucket_versioning(Bucket=bucket)
    assert versions(client, bucket) == (
        Counter(Versions=1, DeleteMarkers=1) if is_versioned else Counter(Versions=0, DeleteMarkers=0)
    )


def test_trap_67_both_doors_lead_to_one_lock(door: S3Front, client: Any, bucket: str) -> None:
    """S3's clients race Swift's for one object: one of them all has it."""
    swift = [door.swift() for _ in range(RACERS // 2)]
    put = puts(client, bucket)

    def through_swift(number: int, headers: dict[str, str]) -> None:
        reply = swift[number % len(swift)].put(bucket, KEY, body=body(number), headers=headers)
        if reply.status != 201:
            assert reply.status in (409, 412), reply
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PUT")

    asked: tuple[dict[str, str], dict[str, str]] = {"IfNoneMatch": "*"}, {"If-None-Match": "*"}
    for first in range(0, 3 * RACERS, RACERS):
        acts: list[Callable[[], object]] = []
        for number in range(first, first + RACERS, 2):
            acts += [partial(put, number, asked[0]), partial(through_swift, number + 1, asked[1])]
        told = outcomes_of(acts)
        assert told.count(DONE) == 1, told
        assert content(client, bucket) == body(first + told.index(DONE))
        etag = client.head_object(Bucket=bucket, Key=KEY)["ETag"]
        asked = {"IfMatch": etag}, {"If-Match": etag}


def test_trap_67_what_is_not_there_matches_nothing(client: Any, bucket: str) -> None:
    """404 NoSuchKey; and where there is only a delete marker, the key counts as free."""
    with refused("NoSuchKey", 404):
        client.put_object(Bucket=bucket, Key=KEY, Body=b"x", IfMatch='"e"')
    with refused("NoSuchKey", 404):
        client.delete_object(Bucket=bucket, Key=KEY, IfMatch='"e"')
    etag = client.put_object(Bucket=bucket, Key=KEY, Body=b"x")["ETag"]
    client.delete_object(Bucket=bucket, Key=KEY)
    with refused("NoSuchKey", 404):
        client.put_object(Bucket=bucket, Key=KEY, Body=b"x", IfMatch=etag)
    with refused("NoSuchKey", 404):
        client.complete_multipart_upload(**uploaded(client, bucket, b"1"), IfMatch=etag)
    assert versions(client, bucket)["DeleteMarkers"] <= 1
    client.put_object(Bucket=bucket, Key=KEY, Body=b"again", IfNoneMatch="*")
    assert content(client, bucket) == b"again"


def test_trap_67_size_and_moment_guard_deletions(client: Any, bucket: str) -> None:
    """x-amz-if-match-size and -last-modified-time, and their kin in DeleteObjects."""
    client.put_object(Bucket=bucket, Key=KEY, Body=b"four")
    modified = client.head_object(Bucket=bucket, Key=KEY)["LastModified"]
    wrong = modified - timedelta(seconds=60)
    with refused("PreconditionFailed", 412):
        client.delete_object(Bucket=bucket, Key=KEY, IfMatchSize=5)
    with refused("PreconditionFailed", 412):
        client.delete_object(Bucket=bucket, Key=KEY, IfMatchLastModifiedTime=wrong)
    done = client.delete_objects(
        Bucket=bucket,
        Delete={
            "Objects": [
                {"Key": KEY, "Size": 5},
                {"Key": KEY, "LastModifiedTime": wrong},
                {"Key": "none", "Size": 1},
            ]
        },
    )
    assert [error["Code"] for error in done["Errors"]] == ["PreconditionFailed"] * 2 + ["NoSuchKey"]
    assert content(client, bucket) == b"four"
    client.delete_object(Bucket=bucket, Key=KEY, IfMatchSize=4, IfMatchLastModifiedTime=modified)
    with refused("NoSuchKey", 404):
        client.get_object(Bucket=bucket, Key=KEY)


def test_trap_67_the_etag_that_counts_is_the_one_shown(door: S3Front, client: Any, bucket: str) -> None:
    """A multipart upload's, also where its version has come back; and the one of the other API's large object."""
    made = client.complete_multipart_upload(**uploaded(client, bucket, b"1", b"2"))["ETag"]
    assert made.endswith('-2"')
    with refused("PreconditionFailed", 412):
        client.put_object(Bucket=bucket, Key=KEY, Body=b"x", IfMatch=f'"{md5(b"12").hexdigest()}"')
    again = client.complete_multipart_upload(**uploaded(client, bucket, b"3", b"4"), IfMatch=made)["ETag"]
    newest = client.put_object(Bucket=bucket, Key=KEY, Body=b"x", IfMatch=again)
    if "VersionId" in newest:
        client.delete_object(Bucket=bucket, Key=KEY, VersionId=newest["VersionId"])
        assert client.head_object(Bucket=bucket, Key=KEY)["ETag"] == again
        client.put_object(Bucket=bucket, Key=KEY, Body=b"y", IfMatch=again)
    swift = door.swift()
    swift.put(bucket, "segment", body=b"segment")
    manifest = json.dumps([{"path": f"/{bucket}/segment"}]).encode()
    query = {"multipart-manifest": "put"}
    shown = swift.request("PUT", bucket, KEY, body=manifest, query=query).headers["etag"]
    assert swift.put(bucket, KEY, body=b"z", headers={"If-Match": '"other"'}).status == 412
    large = client.head_object(Bucket=bucket, Key=KEY)["ETag"]
    assert large.strip('"') == shown.strip('"') + "-N"
    done = swift.request("PUT", bucket, KEY, body=manifest, query=query, headers={"If-Match": shown})
    assert done.status == 201
    client.put_object(Bucket=bucket, Key=KEY, Body=b"z", IfMatch=large)
    assert content(client, bucket) == b"z"


def test_trap_67_a_version_is_deleted_under_its_own_condition(client: Any, versioned: str) -> None:
    """If-Match beside a versionId is about that version, the current one or another."""
    first = client.put_object(Bucket=versioned, Key=KEY, Body=b"1")
    second = client.put_object(Bucket=versioned, Key=KEY, Body=b"2")
    for made, other in ((first, second), (second, first)):
        with refused("PreconditionFailed", 412):
            client.delete_object(
                Bucket=versioned, Key=KEY, VersionId=made["VersionId"], IfMatch=other["ETag"]
            )
    assert versions(client, versioned)["Versions"] == 2
    client.delete_object(Bucket=versioned, Key=KEY, VersionId=second["VersionId"], IfMatch=second["ETag"])
    assert content(client, versioned) == b"1"
    client.put_object(Bucket=versioned, Key=KEY, Body=b"3", IfMatch=first["ETag"])


def test_trap_67_an_object_from_before_versions_is_kept(client: Any) -> None:
    """A conditional write over it leaves it as a version, whether it was let through at once or not."""
    with bucket_of(client) as older:
        etag = client.put_object(Bucket=older, Key=KEY, Body=b"old")["ETag"]
        enable_versions(client, older)
        with refused("PreconditionFailed", 412):
            client.put_object(Bucket=older, Key=KEY, Body=b"new", IfNoneMatch="*")
        with refused("PreconditionFailed", 412):
            client.put_object(Bucket=older, Key=KEY, Body=b"new", IfMatch='"other"')
        assert content(client, older) == b"old"
        client.put_object(Bucket=older, Key=KEY, Body=b"new", IfMatch=etag)
        assert content(client, older) == b"new"
        kept = client.list_object_versions(Bucket=older)["Versions"]
        assert sorted(row["Size"] for row in kept) == [3, 3]
