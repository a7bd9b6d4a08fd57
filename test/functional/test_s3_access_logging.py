"""Requests to a bucket are told in another one, in Amazon's format, whichever door they came through."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from clusters import AllInOne
from s3 import S3Front, bucket_of, empty, s3_front

FIELDS = re.compile(
    r"(?P<owner>\S+) (?P<bucket>\S+) \[(?P<time>[^\]]*)\] (?P<remote>\S+) (?P<requester>\S+)"
    r" (?P<request_id>\S+) (?P<operation>\S+) (?P<key>\S+) (?P<uri>\"[^\"]*\"|-) (?P<status>-|\d{3})"
    r" (?P<error>\S+) (?P<sent>-|\d+) (?P<size>-|\d+) (?P<total>-|\d+) (?P<turn_around>-|\d+)"
    r" (?P<referer>\"[^\"]*\"|-) (?P<agent>\"[^\"]*\"|-) (?P<version>\S+) (?P<host_id>\S+)"
    r" (?P<signature>\S+) (?P<cipher>\S+) (?P<authentication>\S+) (?P<host>\S+) (?P<tls>\S+)"
    r" (?P<access_point>\S+) (?P<acl_required>Yes|-)"
)
PATIENCE_SECONDS = 120
Line = re.Match[str]


@pytest.fixture
def logs(s3: S3Front, bucket: str) -> Iterator[str]:
    """A bucket for logs, to which some lines may still be on the way when the test is over."""
    client, name = s3.client(), f"{bucket}-logs"
    client.create_bucket(Bucket=name)
    yield name
    client.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        empty(client, name)
        try:
            client.delete_bucket(Bucket=name)
            return
        except ClientError as problem:
            if problem.response["Error"]["Code"] != "BucketNotEmpty" or time.monotonic() > deadline:
                raise


def switch_on(client: Any, bucket: str, target: str, **more: Any) -> None:
    enabled = {"TargetBucket": target, "TargetPrefix": f"{bucket}/", **more}
    client.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})


def lines_in(client: Any, bucket: str, target: str) -> dict[str, list[Line]]:
    """Return the lines that have arrived, by the name of their object."""
    found = {}
    for row in client.list_objects_v2(Bucket=target, Prefix=f"{bucket}/").get("Contents", ()):
        text = client.get_object(Bucket=target, Key=row["Key"])["Body"].read().decode()
        assert text.endswith("\n")
        matches = [FIELDS.fullmatch(line) for line in text.splitlines()]
        assert None not in matches, text
        found[row["Key"]] = [match for match in matches if match is not None]
    return found


def awaited(client: Any, bucket: str, target: str, enough: Callable[[list[Line]], bool]) -> list[Line]:
    """Return the lines when there are enough."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        lines = [line for some in lines_in(client, bucket, target).values() for line in some]
        if enough(lines):
            return lines
        assert time.monotonic() < deadline, [line[0] for line in lines]
        time.sleep(0.1)


def code(problem: pytest.ExceptionInfo[ClientError]) -> str:
    return str(problem.value.response["Error"]["Code"])


def test_every_request_is_told_by_both_doors(s3: S3Front, bucket: str, logs: str) -> None:
    """Who, what, and with which outcome; nothing of other buckets, nor of what was before."""
    client, key = s3.client(), "a folder/ä key"
    client.put_object(Bucket=bucket, Key="before", Body=b"not told")
    switch_on(client, bucket, logs)
    client.put_object(Bucket=bucket, Key=key, Body=b"content")
    client.get_object(Bucket=bucket, Key=key, Range="bytes=1-3")["Body"].read()
    client.list_objects_v2(Bucket=bucket)
    client.copy_object(Bucket=logs, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    with pytest.raises(ClientError):
        client.get_object(Bucket=bucket, Key="not there")
    assert s3.store.client("test2:tester2").head(bucket, key).status == 403
    assert s3.swift().get(bucket, key).body == b"content"
    client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": "before"}]})
    encoded = "a%20folder/%C3%A4%20key"
    expected = [
        ("BATCH.DELETE.OBJECT", "before", "204", "-", "test:tester"),
        ("BATCH.DELETE.OBJECT", encoded, "204", "-", "test:tester"),
        ("REST.COPY.OBJECT_GET", encoded, "200", "-", "test:tester"),
        ("REST.GET.BUCKET", "-", "200", "-", "test:tester"),
        ("REST.GET.OBJECT", "not%20there", "404", "NoSuchKey", "test:tester"),
        ("REST.GET.OBJECT", encoded, "200", "-", "test:tester"),
        ("REST.GET.OBJECT", encoded, "206", "-", "test:tester"),
        ("REST.HEAD.OBJECT", encoded, "403", "-", "test2:tester2"),
        ("REST.POST.MULTI_OBJECT_DELETE", "-", "200", "-", "test:tester"),
        ("REST.PUT.OBJECT", encoded, "200", "-", "test:tester"),
    ]
    lines = awaited(client, bucket, logs, lambda some: len(some) >= len(expected))
    told = [
        (line["operation"], line["key"], line["status"], line["error"], line["requester"]) for line in lines
    ]
    assert sorted(told) == sorted(expected)
    part = next(line for line in lines if line["status"] == "206")
    assert (part["owner"], part["sent"], part["size"], part["signature"]) == ("AUTH_test", "3", "7", "SigV4")
    assert part["uri"].startswith(f'"GET /{bucket}/a%20folder/')


def test_a_signature_that_does_not_hold_is_told_of_nobody(s3: S3Front, bucket: str, logs: str) -> None:
    """Whoever guesses at secrets is seen by the bucket's owner; signatures of links are cut."""
    client = s3.client()
    switch_on(client, bucket, logs)
    link = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "key"})
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(link.replace("/key?", "/other?"))
    (line,) = awaited(client, bucket, logs, bool)
    assert (line["requester"], line["key"], line["status"]) == ("-", "other", "403")
    assert line["error"] == "SignatureDoesNotMatch"
    assert line["authentication"] == "QueryString"
    signature = re.search(r"Signature=([^&]+)", link)
    assert signature is not None
    assert signature[1] not in line["uri"]


def test_what_waits_is_delivered_when_a_proxy_ends(
    shared_cluster: AllInOne, s3: S3Front, bucket: str, logs: str, tmp_path: Path
) -> None:
    """Its spool is empty then; the names have account, region, bucket and day, where that is asked for."""
    client = s3.client()
    partitioned = {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}
    switch_on(client, bucket, logs, TargetObjectKeyFormat=partitioned)
    with s3_front(shared_cluster, tmp_path, {"access_log_seconds": "3600"}) as another:
        another.client().put_object(Bucket=bucket, Key="key", Body=b"content")
        assert list((tmp_path / "s3-access-log").iterdir())
    assert not list((tmp_path / "s3-access-log").iterdir())
    (name,) = lines_in(client, bucket, logs)
    day = r"\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\d-00-00-00-[0-9A-F]{16}"
    assert re.fullmatch(rf"{bucket}/AUTH_test/us-east-1/{bucket}/{day}", name)


def test_logging_is_shown_and_switched_off(s3: S3Front, bucket: str, logs: str) -> None:
    """What was said comes back; nothing said is no logging."""
    client = s3.client()
    assert "LoggingEnabled" not in client.get_bucket_logging(Bucket=bucket)
    switch_on(client, bucket, logs)
    shown = client.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]
    assert shown == {"TargetBucket": logs, "TargetPrefix": f"{bucket}/"}
    client.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in client.get_bucket_logging(Bucket=bucket)
    assert not [name for name in s3.swift().head(bucket).headers if "logging" in name]


def test_a_log_goes_to_a_bucket_of_its_owners(s3: S3Front, bucket: str) -> None:
    """Not to one that is not there, is another account's, or keeps for ever what it gets."""
    client = s3.client()
    with bucket_of(s3.client("test2:tester2")) as theirs:
        for target in ("no-such-bucket", theirs, f"AUTH_test2:{theirs}"):
            with pytest.raises(ClientError) as refused:
                switch_on(client, bucket, target)
            assert code(refused) == "InvalidTargetBucketForLogging"
