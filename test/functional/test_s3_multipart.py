"""Objects in several parts, as boto3, awscli and the Swift client make, read, list and give them up."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from clusters import AllInOne
from s3 import S3Front, bucket_of, s3_front

from apus.proxy.middleware.s3 import checksums

PART = 5 << 20
FIRST, SECOND = os.urandom(PART), os.urandom(100_000)
PATIENT = {"min_segment_size": "1", "heartbeat_seconds": "60"}
"""However slow the machine is, an answer is not one with white space before it."""


@pytest.fixture(scope="module")
def lax(shared_cluster: AllInOne, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Front]:
    """A door that takes parts of any size."""
    with s3_front(shared_cluster, tmp_path_factory.mktemp("s3lax"), PATIENT) as opened:
        yield opened


@pytest.fixture
def small(lax: S3Front) -> Any:
    """A client there."""
    return lax.client()


@pytest.fixture
def here(lax: S3Front) -> Iterator[str]:
    """A bucket there."""
    with bucket_of(lax.client()) as name:
        yield name


def begin(client: Any, bucket: str, key: str = "k", **more: Any) -> dict[str, str]:
    """Begin an upload; return the names that further calls want."""
    upload_id = client.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]
    return {"Bucket": bucket, "Key": key, "UploadId": upload_id}


def send(client: Any, upload: dict[str, str], *bodies: bytes) -> list[dict[str, Any]]:
    """Send parts; return them as the list of parts names them."""
    return [
        {
            "PartNumber": number,
            "ETag": client.upload_part(**upload, PartNumber=number, Body=body)["ETag"],
        }
        for number, body in enumerate(bodies, 1)
    ]


def complete(client: Any, upload: dict[str, str], parts: list[dict[str, Any]], **more: Any) -> Any:
    return client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **more)


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    answer: Any = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def left(front: S3Front, bucket: str) -> list[str]:
    """Return what is beside the bucket."""
    return front.swift().names_in(f"{bucket}+segments")


def etag_of(*bodies: bytes) -> str:
    together = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies)).hexdigest()
    return f'"{together}-{len(bodies)}"'


def summed(algorithm: str, body: bytes) -> str:
    """Return a checksum as we take it, and not boto3."""
    taken = checksums.of(algorithm)
    taken.update(body)
    return taken.base64()


def test_an_upload_in_two_parts(boto: Any, bucket: str, s3: S3Front) -> None:
    """With what Create says of it; over plain HTTP and over TLS."""
    upload = begin(
        boto, bucket, "a/k é", ContentType="text/x", Metadata={"who": "me"}, CacheControl="no-cache"
    )
    parts = send(boto, upload, FIRST, SECOND)
    assert parts[1]["ETag"] == f'"{hashlib.md5(SECOND).hexdigest()}"'
    made = complete(boto, upload, parts)
    assert made["ETag"] == etag_of(FIRST, SECOND)
    assert (made["Bucket"], made["Key"]) == (bucket, "a/k é")
    got = boto.get_object(Bucket=bucket, Key="a/k é")
    assert got["Body"].read() == FIRST + SECOND
    assert got["ETag"] == made["ETag"]
    assert (got["ContentType"], got["Metadata"], got["CacheControl"]) == ("text/x", {"who": "me"}, "no-cache")
    listed = boto.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert (listed["ETag"], listed["Size"]) == (made["ETag"], PART + len(SECOND))
    assert sorted(left(s3, bucket)) == [f"a/k é/{upload['UploadId']}/{n}" for n in (1, 2)]


def test_both_doors_read_it(boto: Any, bucket: str, s3: S3Front) -> None:
    """The Swift API has a static large object of it."""
    upload = begin(boto, bucket)
    complete(boto, upload, send(boto, upload, FIRST, SECOND))
    reply = s3.swift().get(bucket, "k")
    assert reply.body == FIRST + SECOND
    assert reply.headers["x-static-large-object"].lower() == "true"


def test_trap_64_a_completion_repeated_says_the_same(small: Any, here: str, lax: S3Front) -> None:
    """A client whose answer was lost asks again."""
    upload = begin(small, here)
    parts = send(small, upload, b"one", b"two")
    first = complete(small, upload, parts)
    again = complete(small, upload, parts)
    assert (again["ETag"], again["Key"]) == (first["ETag"], first["Key"])
    with pytest.raises(ClientError) as caught:
        complete(small, upload, parts[:1])
    assert code_of(caught) == (404, "NoSuchUpload")
    assert len(left(lax, here)) == 2


def test_trap_64_many_complete_at_once(small: Any, here: str, lax: S3Front) -> None:
    """In a bucket with versions there is one version of it, and all of them are told of that one."""
    small.put_bucket_versioning(Bucket=here, VersioningConfiguration={"Status": "Enabled"})
    upload = begin(small, here)
    parts = send(small, upload, b"one", b"two")
    with ThreadPoolExecutor(4) as crew:
        made = list(crew.map(lambda _: complete(lax.client(), upload, parts), range(4)))
    assert {each["ETag"] for each in made} == {etag_of(b"one", b"two")}
    assert len({each["VersionId"] for each in made}) == 1
    assert len(small.list_object_versions(Bucket=here)["Versions"]) == 1
    assert len(left(lax, here)) == 2


def test_what_is_not_named_goes(small: Any, here: str, lax: S3Front) -> None:
    """No orphans: neither parts that the list does not name, nor those of an upload that is given up."""
    upload = begin(small, here)
    parts = send(small, upload, b"one", b"two", b"three")
    complete(small, upload, [parts[0], parts[2]])
    assert small.get_object(Bucket=here, Key="k")["Body"].read() == b"onethree"
    assert [name.rpartition("/")[2] for name in left(lax, here)] == ["1", "3"]
    other = begin(small, here, "given up")
    send(small, other, b"one", b"two")
    small.abort_multipart_upload(**other)
    assert len(left(lax, here)) == 2
    with pytest.raises(ClientError) as caught:
        small.abort_multipart_upload(**other)
    assert code_of(caught) == (404, "NoSuchUpload")


def test_trap_64_what_is_no_list_of_parts(s3: S3Front, bucket: str) -> None:
    """Each flaw has its code, and the upload stays."""
    boto = s3.client()
    upload = begin(boto, bucket)
    parts = send(boto, upload, SECOND, SECOND)
    wrong = [{**parts[0], "ETag": '"' + "0" * 32 + '"'}]
    for listed, code in (
        (parts[::-1], "InvalidPartOrder"),
        ([parts[0], parts[0]], "InvalidPartOrder"),
        (wrong, "InvalidPart"),
        ([{"PartNumber": 9, "ETag": parts[0]["ETag"]}], "InvalidPart"),
        (parts, "EntityTooSmall"),
        ([], "MalformedXML"),
    ):
        with pytest.raises(ClientError) as caught:
            complete(boto, upload, listed)
        assert code_of(caught) == (400, code)
    with pytest.raises(ClientError) as caught:
        boto.head_object(Bucket=bucket, Key="k")
    assert code_of(caught) == (404, "404")
    complete(boto, upload, parts[:1])


def test_trap_64_an_upload_that_is_not_there(small: Any, here: str) -> None:
    """Nor is one of another key, nor what names of others would be made of."""
    upload = begin(small, here, "k")
    begin(small, here, "k/k")
    calls: list[Callable[[dict[str, str]], Any]] = [
        lambda names: small.upload_part(**names, PartNumber=1, Body=b"x"),
        lambda names: small.list_parts(**names),
        lambda names: small.abort_multipart_upload(**names),
        lambda names: complete(small, names, [{"PartNumber": 1, "ETag": "0" * 32}]),
    ]
    for wrong in (
        {**upload, "Key": "other"},
        {**upload, "UploadId": "nothing"},
        {**upload, "UploadId": "1"},
        {**upload, "UploadId": f"{upload['UploadId']}/1"},
    ):
        for call in calls:
            with pytest.raises(ClientError) as caught:
                call(wrong)
            assert code_of(caught) == (404, "NoSuchUpload")
    for number in (0, 10_001):
        with pytest.raises(ClientError) as caught:
            small.upload_part(**upload, PartNumber=number, Body=b"x")
        assert code_of(caught) == (400, "InvalidArgument")


def test_a_part_sent_again_counts(small: Any, here: str) -> None:
    """It takes the place of the first."""
    upload = begin(small, here)
    send(small, upload, b"one", b"two")
    parts = send(small, upload, b"eins")
    listed = small.list_parts(**upload)
    assert [(part["PartNumber"], part["Size"]) for part in listed["Parts"]] == [(1, 4), (2, 3)]
    complete(small, upload, [*parts, {"PartNumber": 2, "ETag": listed["Parts"][1]["ETag"]}])
    assert small.get_object(Bucket=here, Key="k")["Body"].read() == b"einstwo"


def test_parts_are_listed_by_their_numbers(small: Any, here: str) -> None:
    """Page by page."""
    upload = begin(small, here)
    for number in (10, 2, 9, 10_000):
        small.upload_part(**upload, PartNumber=number, Body=b"x" * number)
    first = small.list_parts(**upload, MaxParts=3)
    assert [part["PartNumber"] for part in first["Parts"]] == [2, 9, 10]
    assert (first["IsTruncated"], first["NextPartNumberMarker"]) == (True, 10)
    rest = small.list_parts(**upload, PartNumberMarker=10)
    assert [(part["PartNumber"], part["Size"]) for part in rest["Parts"]] == [(10_000, 10_000)]
    assert not rest["IsTruncated"]


def test_uploads_are_listed(small: Any, here: str) -> None:
    """With prefixes, page by page."""
    uploads = {key: begin(small, here, key)["UploadId"] for key in ("a/1", "a/2", "b", "c d/3")}
    send(small, {"Bucket": here, "Key": "a/1", "UploadId": uploads["a/1"]}, b"x", b"y")
    listed = small.list_multipart_uploads(Bucket=here)
    assert {each["Key"]: each["UploadId"] for each in listed["Uploads"]} == uploads
    grouped = small.list_multipart_uploads(Bucket=here, Delimiter="/")
    assert [each["Key"] for each in grouped["Uploads"]] == ["b"]
    assert [each["Prefix"] for each in grouped["CommonPrefixes"]] == ["a/", "c d/"]
    within = small.list_multipart_uploads(Bucket=here, Prefix="a/")
    assert [each["Key"] for each in within["Uploads"]] == ["a/1", "a/2"]
    pages = small.get_paginator("list_multipart_uploads").paginate(Bucket=here, MaxUploads=1)
    assert [each["Key"] for page in pages for each in page["Uploads"]] == list(uploads)


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("CRC32", "COMPOSITE"),
        ("CRC32", "FULL_OBJECT"),
        ("CRC32C", "COMPOSITE"),
        ("CRC32C", "FULL_OBJECT"),
        ("CRC64NVME", "FULL_OBJECT"),
        ("SHA1", "COMPOSITE"),
        ("SHA256", "COMPOSITE"),
        ("SHA512", "COMPOSITE"),
    ],
)
def test_trap_61_checksums_of_the_parts_become_the_objects(
    boto: Any, s3: S3Front, lax: S3Front, here: str, algorithm: str, kind: str
) -> None:
    """Of every algorithm and kind; told by each step, and on reading."""
    client = lax.client(tls=boto.meta.endpoint_url.startswith("https"))
    upload = begin(client, here, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    name = f"Checksum{algorithm}"
    parts = []
    for number, body in ((1, b"hello "), (2, b"world")):
        sent = client.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
        assert sent[name] == summed(algorithm, body)
        parts.append({"PartNumber": number, "ETag": sent["ETag"], name: sent[name]})
    listed = client.list_parts(**upload)
    assert [part[name] for part in listed["Parts"]] == [part[name] for part in parts]
    made = complete(client, upload, parts)
    assert made["ChecksumType"] == kind
    got = client.get_object(Bucket=here, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"hello world"
    assert got[name] == made[name]
    if kind == "FULL_OBJECT":
        assert made[name] == summed(algorithm, b"hello world")
    else:
        assert made[name].endswith("-2")


def test_trap_66_one_part_is_read(small: Any, here: str) -> None:
    """With the number of parts beside it."""
    upload = begin(small, here)
    complete(small, upload, send(small, upload, b"one", b"two", b"three"))
    second = small.get_object(Bucket=here, Key="k", PartNumber=2)
    assert second["Body"].read() == b"two"
    assert (second["PartsCount"], second["ContentRange"]) == (3, "bytes 3-5/11")
    assert small.head_object(Bucket=here, Key="k", PartNumber=3)["ContentLength"] == 5
    with pytest.raises(ClientError) as caught:
        small.get_object(Bucket=here, Key="k", PartNumber=4)
    assert code_of(caught) == (416, "InvalidPartNumber")


def test_a_part_has_a_checksum_of_its_own(small: Any, here: str) -> None:
    """The client holds the part's bytes against it."""
    upload = begin(small, here, ChecksumAlgorithm="CRC32")
    sent = [small.upload_part(**upload, PartNumber=n, Body=body) for n, body in ((1, b"one"), (2, b"two"))]
    names = ("ETag", "ChecksumCRC32")
    parts = [{"PartNumber": n, **{name: each[name] for name in names}} for n, each in enumerate(sent, 1)]
    complete(small, upload, parts)
    got = small.get_object(Bucket=here, Key="k", PartNumber=2, ChecksumMode="ENABLED")
    assert got["Body"].read() == b"two"
    assert got["ChecksumCRC32"] == sent[1]["ChecksumCRC32"]


class TestHeartbeat:
    """Whoever waits for a completion is kept awake with white space: the result, or an error, comes behind it."""

    @pytest.fixture(scope="class")
    @classmethod
    def lax(cls, shared_cluster: AllInOne, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Front]:
        """One that beats at once."""
        options = {**PATIENT, "heartbeat_seconds": "0.05"}
        with s3_front(shared_cluster, tmp_path_factory.mktemp("s3hasty"), options) as opened:
            yield opened

    @pytest.fixture
    def upload(self, small: Any, here: str, lax: S3Front) -> Iterator[dict[str, str]]:
        """An upload that somebody else is finishing, for a while: until the first beats were sent."""
        upload = begin(small, here)
        send(small, upload, b"one", b"two")
        swift = lax.swift()
        claim = f"{here}+segments", f"k/{upload['UploadId']}/0"
        assert swift.put(*claim, body=b"").status == 201
        freed = threading.Timer(1.0, swift.delete, claim)
        freed.start()
        yield upload
        freed.join()

    def test_trap_64_a_result(self, small: Any, upload: dict[str, str]) -> None:
        """Boto3 reads it."""
        parts = small.list_parts(**upload)["Parts"]
        named = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
        made = complete(small, upload, named)
        assert made["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert made["ETag"] == etag_of(b"one", b"two")

    def test_trap_64_an_error(self, small: Any, upload: dict[str, str]) -> None:
        """Boto3 raises it, though the status was 200."""
        with pytest.raises(ClientError) as caught:
            complete(small, upload, [{"PartNumber": 1, "ETag": "0" * 32}])
        assert code_of(caught)[1] == "InvalidPart"

    def test_trap_64_awscli_hears_both(self, lax: S3Front, upload: dict[str, str]) -> None:
        """It exits with the error, and then with the result."""
        names = ("--bucket", upload["Bucket"], "--key", "k", "--upload-id", upload["UploadId"])
        command = ["aws", "s3api", "complete-multipart-upload", *names, "--multipart-upload"]
        for etag, is_good in (("0" * 32, False), (hashlib.md5(b"one").hexdigest(), True)):
            listed = f"Parts=[{{PartNumber=1,ETag={etag}}}]"
            ran = subprocess.run(
                [*command, listed],
                env=lax.environment(),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert (ran.returncode == 0) == is_good, ran.stderr
            assert ("InvalidPart" in ran.stderr) != is_good


def test_parts_are_copied(small: Any, here: str) -> None:
    """Of an object, of a range of it, of one that is made of parts."""
    small.put_object(Bucket=here, Key="from é", Body=b"0123456789")
    upload = begin(small, here)
    source = {"Bucket": here, "Key": "from é"}
    first = small.upload_part_copy(**upload, PartNumber=1, CopySource=source)
    second = small.upload_part_copy(**upload, PartNumber=2, CopySource=source, CopySourceRange="bytes=2-4")
    parts = [
        {"PartNumber": number, "ETag": each["CopyPartResult"]["ETag"]}
        for number, each in enumerate((first, second), 1)
    ]
    complete(small, upload, parts)
    assert small.get_object(Bucket=here, Key="k")["Body"].read() == b"0123456789234"
    other = begin(small, here, "other")
    third = small.upload_part_copy(
        **other, PartNumber=1, CopySource={"Bucket": here, "Key": "k"}, CopySourceRange="bytes=8-11"
    )
    complete(small, other, [{"PartNumber": 1, "ETag": third["CopyPartResult"]["ETag"]}])
    assert small.get_object(Bucket=here, Key="other")["Body"].read() == b"8923"


@pytest.mark.parametrize("text", ["bytes=5-99", "bytes=0-", "bytes=-3", "bytes=0-1,3-4", "0-2", "bytes=4-2"])
def test_trap_64_a_range_that_no_part_is_copied_of(small: Any, here: str, text: str) -> None:
    """Only first and last byte, both inside the source."""
    small.put_object(Bucket=here, Key="from", Body=b"0123456789")
    upload = begin(small, here)
    with pytest.raises(ClientError) as caught:
        small.upload_part_copy(
            **upload, PartNumber=1, CopySource={"Bucket": here, "Key": "from"}, CopySourceRange=text
        )
    assert code_of(caught) == (400, "InvalidArgument")
    assert "Parts" not in small.list_parts(**upload)


def test_trap_67_a_completion_under_a_condition(small: Any, here: str) -> None:
    """What stands in its way is not overwritten, and the upload stays."""
    small.put_object(Bucket=here, Key="k", Body=b"old")
    upload = begin(small, here)
    parts = send(small, upload, b"new")
    with pytest.raises(ClientError) as caught:
        complete(small, upload, parts, IfNoneMatch="*")
    assert code_of(caught) == (412, "PreconditionFailed")
    assert small.get_object(Bucket=here, Key="k")["Body"].read() == b"old"
    small.delete_object(Bucket=here, Key="k")
    made = complete(small, upload, parts, IfNoneMatch="*")
    assert complete(small, upload, parts, IfNoneMatch="*")["ETag"] == made["ETag"]


def test_versions_of_several_parts(small: Any, here: str, lax: S3Front) -> None:
    """Each has its own parts, which go with it."""
    small.put_bucket_versioning(Bucket=here, VersioningConfiguration={"Status": "Enabled"})
    made = []
    for body in (b"one", b"two"):
        upload = begin(small, here)
        made.append(complete(small, upload, send(small, upload, body, b"!"))["VersionId"])
    assert len(left(lax, here)) == 4
    for version, body in zip(made, (b"one!", b"two!"), strict=True):
        assert small.get_object(Bucket=here, Key="k", VersionId=version)["Body"].read() == body
    small.delete_object(Bucket=here, Key="k", VersionId=made[1])
    assert small.get_object(Bucket=here, Key="k")["Body"].read() == b"one!"


def lay_parts(front: S3Front, upload: dict[str, str], numbers: range) -> list[dict[str, Any]]:
    """Put parts where they are kept, over one connection of the other API: a client of S3 takes ten times as long."""
    swift = front.swift()
    parts: list[dict[str, Any]] = []
    connection = http.client.HTTPConnection(*front.store.address, timeout=60)
    for number in numbers:
        name = f"{upload['Key']}/{upload['UploadId']}/{number}"
        path = swift.path(f"{upload['Bucket']}+segments", name)
        connection.request("PUT", path, body=b"%d," % number, headers=dict(swift.headers))
        reply = connection.getresponse()
        reply.read()
        assert reply.status == 201
        parts.append({"PartNumber": number, "ETag": reply.headers["Etag"]})
    connection.close()
    return parts


def test_more_parts_than_a_manifest_of_the_other_api_may_have(small: Any, here: str, lax: S3Front) -> None:
    """S3 allows ten thousand; the other API's default is one thousand."""
    upload = begin(small, here)
    made = complete(small, upload, lay_parts(lax, upload, range(1, 1002)))
    assert made["ETag"].endswith('-1001"')
    whole = b"".join(b"%d," % n for n in range(1, 1002))
    assert small.get_object(Bucket=here, Key="k")["Body"].read() == whole


def test_boto3s_own_transfers(boto: Any, bucket: str) -> None:
    """Parts in parallel and out of order, with the checksums that it chooses."""
    body = os.urandom(2 * PART + 12345)
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    boto.upload_fileobj(io.BytesIO(body), bucket, "big", Config=config)
    got = io.BytesIO()
    boto.download_fileobj(bucket, "big", got, Config=config)
    assert got.getvalue() == body


@pytest.mark.parametrize("tls", [False, True])
def test_awscli_copies_a_large_file(s3: S3Front, bucket: str, tmp_path: Path, *, tls: bool) -> None:
    """Up, inside the store, and down again."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(FIRST + FIRST)
    for names in (
        (source, f"s3://{bucket}/f"),
        (f"s3://{bucket}/f", f"s3://{bucket}/g"),
        (f"s3://{bucket}/g", target),
    ):
        subprocess.run(
            ["aws", "s3", "cp", "--quiet", *map(str, names)],
            env=s3.environment(tls=tls),
            check=True,
            timeout=600,
        )
    assert target.read_bytes() == FIRST + FIRST
