"""Uploads that several clients finish, give up or still send parts of at the same time: each outcome is a legal one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from clusters import AllInOne
from s3 import S3Front, bucket_of, s3_front

ROUNDS = 4
NEW = b"new bytes of part two"


@pytest.fixture(scope="module")
def lax(shared_cluster: AllInOne, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Front]:
    """A door that takes parts of any size, and keeps none of what is replaced."""
    options = {"min_segment_size": "1", "parts_kept_seconds": "0"}
    with s3_front(shared_cluster, tmp_path_factory.mktemp("s3races"), options) as opened:
        yield opened


@pytest.fixture
def here(lax: S3Front) -> Iterator[str]:
    """A bucket there."""
    with bucket_of(lax.client()) as name:
        yield name


def client_of(front: S3Front) -> Any:
    """Return one that asks again where the store says 503, as the SDKs do unless they are told otherwise."""
    return front.client(retries={"total_max_attempts": 6, "mode": "standard"})


class Upload:
    """An upload of two parts, which threads end."""

    def __init__(self, front: S3Front, bucket: str, key: str) -> None:
        self.front = front
        self.names = {"Bucket": bucket, "Key": key}
        client = front.client()
        self.names["UploadId"] = client.create_multipart_upload(**self.names)["UploadId"]
        self.parts = [
            {"PartNumber": n, "ETag": client.upload_part(**self.names, PartNumber=n, Body=body)["ETag"]}
            for n, body in ((1, b"one"), (2, b"two"))
        ]

    def complete(self, parts: slice = slice(None)) -> str:
        """Return "" or the code of the error."""
        listed = {"Parts": self.parts[parts]}
        return code_of(
            lambda: client_of(self.front).complete_multipart_upload(**self.names, MultipartUpload=listed)
        )

    def complete_of_one(self) -> str:
        """The same of the first part alone."""
        return self.complete(slice(1))

    def abort(self) -> str:
        return code_of(lambda: client_of(self.front).abort_multipart_upload(**self.names))

    def send(self, body: bytes = NEW) -> str:
        """Send the second part again."""
        return code_of(lambda: client_of(self.front).upload_part(**self.names, PartNumber=2, Body=body))

    def body(self) -> bytes | None:
        """Return the object's, which must be whole."""
        found: list[bytes] = []
        client, names = client_of(self.front), {name: self.names[name] for name in ("Bucket", "Key")}
        code = code_of(lambda: found.append(client.get_object(**names)["Body"].read()))
        assert code in ("", "NoSuchKey")
        return found[0] if found else None

    def left(self) -> list[str]:
        """Return the numbers of the parts, and the upload, that are beside the bucket."""
        prefix = f"{self.names['Key']}/"
        found = self.front.swift().names_in(f"{self.names['Bucket']}+segments", prefix=prefix)
        return [name.rpartition("/")[2] for name in found]


def code_of(call: Callable[[], Any]) -> str:
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def together(*calls: Callable[[], str]) -> list[str]:
    """Make calls at the same moment."""
    ready = threading.Barrier(len(calls))

    def run(call: Callable[[], str]) -> str:
        ready.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as crew:
        return list(crew.map(run, calls))


def test_trap_64_completed_and_aborted_at_once(lax: S3Front, here: str) -> None:
    """Either there is an object and nothing but its parts, or there is nothing."""
    for number in range(ROUNDS):
        upload = Upload(lax, here, f"k{number}")
        completed, aborted = together(upload.complete, upload.abort)
        if completed == "":
            assert aborted in ("NoSuchUpload", "OperationAborted")
            assert upload.body() == b"onetwo"
            assert upload.left() == ["1", "2"]
        else:
            assert completed == "NoSuchUpload"
            assert aborted in ("", "NoSuchUpload")  # The second where it was asked for again.
            assert upload.body() is None
            assert upload.left() == []


def test_trap_64_completed_at_once_of_different_parts(lax: S3Front, here: str) -> None:
    """One is; the other is told that there is no such upload any more."""
    for number in range(ROUNDS):
        upload = Upload(lax, here, f"k{number}")
        codes = together(upload.complete, upload.complete_of_one)
        assert sorted(codes) == ["", "NoSuchUpload"]
        is_both = codes[0] == ""
        assert upload.body() == (b"onetwo" if is_both else b"one")
        assert upload.left() == (["1", "2"] if is_both else ["1"])


def test_trap_64_a_part_is_sent_again_while_the_upload_is_completed(lax: S3Front, here: str) -> None:
    """The object is made of what the list names, or it is not made."""
    for number in range(ROUNDS):
        upload = Upload(lax, here, f"k{number}")
        completed, sent = together(upload.complete, upload.send)
        assert sent in ("", "NoSuchUpload", "ServiceUnavailable")
        if completed == "":
            assert upload.body() == b"onetwo"
        else:
            assert (completed, sent) == ("InvalidPart", "")
            assert upload.body() is None
            assert upload.abort() == ""
            assert upload.left() == []


def test_the_first_finishes_last(lax: S3Front, here: str) -> None:
    """A part whose last byte comes after the completion is not stored: nobody waits for it any more."""
    upload = Upload(lax, here, "k")
    url = urlsplit(
        lax.client(signature_version="s3v4").generate_presigned_url(
            "upload_part", Params={**upload.names, "PartNumber": 2}
        )
    )
    with socket.create_connection((url.hostname, url.port), timeout=180) as line:
        head = (
            f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: {len(NEW)}\r\n\r\n"
        )
        line.sendall(head.encode() + NEW[:-1])
        assert upload.complete() == ""
        line.sendall(NEW[-1:])
        answer = line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 404"), answer
    assert upload.body() == b"onetwo"
    assert upload.left() == ["1", "2"]


def test_replaced_by_many_at_once(lax: S3Front, shared_cluster: AllInOne, here: str) -> None:
    """Objects of parts that take the place of each other: the one that stays is whole."""
    uploads = [Upload(lax, here, "k") for _ in range(4)]
    assert together(*(upload.complete for upload in uploads)) == [""] * 4
    assert uploads[0].body() == b"onetwo"
