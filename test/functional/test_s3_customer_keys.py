"""Uploads in parts that are encrypted with a key of the client's, over TLS, as clients insist."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError
from s3 import S3Front

PART = bytes(range(256)) * (20 << 10)  # Five mebibytes: the smallest that is not the last.
KEY = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32}
OTHER = {**KEY, "SSECustomerKey": b"o" * 32}
SOURCE = {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": b"k" * 32}


@contextmanager
def refused(code: str, status: int) -> Iterator[None]:
    with pytest.raises(ClientError) as problem:
        yield
    found = problem.value.response
    assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


@pytest.fixture
def client(s3: S3Front) -> Any:
    """A client over TLS that tries again: a front may close a connection whose body was refused unread."""
    return s3.client(tls=True, retries={"total_max_attempts": 3})


def completed(client: Any, bucket: str, upload_id: str, etags: list[str]) -> Any:
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    return client.complete_multipart_upload(
        Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts}
    )


def test_who_has_the_key_reads_an_object_of_parts(s3: S3Front, client: Any, bucket: str) -> None:
    """Whole, in ranges over the parts' borders, by its parts, and as a source; nobody else reads anything."""
    client.put_object(Bucket=bucket, Key="source", Body=b"<" + PART + b">", **KEY)
    upload = client.create_multipart_upload(Bucket=bucket, Key="k", **KEY)
    assert upload["SSECustomerAlgorithm"] == "AES256"
    how = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    first = client.upload_part(**how, PartNumber=1, Body=PART, **KEY)
    assert first["SSECustomerKeyMD5"] == upload["SSECustomerKeyMD5"]
    second = client.upload_part_copy(
        **how,
        PartNumber=2,
        CopySource=f"{bucket}/source",
        CopySourceRange=f"bytes=1-{len(PART)}",
        **KEY,
        **SOURCE,
    )
    third = client.upload_part(**how, PartNumber=3, Body=b"the end", **KEY)
    etags = [first["ETag"], second["CopyPartResult"]["ETag"], third["ETag"]]
    completed(client, bucket, upload["UploadId"], etags)
    whole, size = PART + PART + b"the end", len(PART)

    def read(**more: Any) -> bytes:
        found: bytes = client.get_object(Bucket=bucket, Key="k", **{**KEY, **more})["Body"].read()
        return found

    assert read() == whole
    assert read(Range=f"bytes={size - 5}-{size + 4}") == whole[size - 5 : size + 5]
    assert read(Range="bytes=-10") == whole[-10:]
    assert read(PartNumber=2) == PART
    head = client.head_object(Bucket=bucket, Key="k", PartNumber=3, **KEY)
    assert (head["ContentLength"], head["PartsCount"]) == (7, 3)
    client.copy_object(Bucket=bucket, Key="clear", CopySource=f"{bucket}/k", **SOURCE)
    assert client.get_object(Bucket=bucket, Key="clear")["Body"].read() == whole
    assert s3.swift().get(bucket, "k", headers={"Range": "bytes=-7"}).body != b"the end"
    with refused("400", 400):
        client.head_object(Bucket=bucket, Key="k")
    with refused("AccessDenied", 403):
        client.get_object(Bucket=bucket, Key="k", **OTHER)


def test_parts_need_the_key_of_their_upload(client: Any, bucket: str) -> None:
    """None, another one, and one where there was none are refused, and so are they by Complete."""
    upload_id = client.create_multipart_upload(Bucket=bucket, Key="k", **KEY)["UploadId"]
    how = {"Bucket": bucket, "Key": "k", "UploadId": upload_id, "PartNumber": 1}
    with refused("InvalidRequest", 400):
        client.upload_part(**how, Body=b"part")
    with refused("InvalidRequest", 400):
        client.upload_part(**how, Body=b"part", **OTHER)
    client.put_object(Bucket=bucket, Key="source", Body=b"part")
    with refused("InvalidRequest", 400):
        client.upload_part_copy(**how, CopySource=f"{bucket}/source")
    etag = client.upload_part(**how, Body=b"part", **KEY)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    with refused("InvalidRequest", 400):
        client.complete_multipart_upload(
            Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload=parts, **OTHER
        )
    completed(client, bucket, upload_id, [etag])
    clear_id = client.create_multipart_upload(Bucket=bucket, Key="clear")["UploadId"]
    with refused("InvalidRequest", 400):
        client.upload_part(Bucket=bucket, Key="clear", UploadId=clear_id, PartNumber=1, Body=b"part", **KEY)
    client.abort_multipart_upload(Bucket=bucket, Key="clear", UploadId=clear_id)
