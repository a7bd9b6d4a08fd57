"""A store with an S3 bucket in this process, for unit tests of multipart uploads; it may die at any request.

World().begin() ──▶ upload id ──send(), complete(), abort()──▶ .get(), .left(), .uploads()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keeping_store import KeepingStore
from one_request import ask
from s3_requests import request

from apus.common.config import parse
from apus.common.http.answer import Answer
from apus.common.timestamp import Timestamp
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.multipart import aborting, completing, parts, shown, uploads
from apus.proxy.middleware.s3.request import Request
from apus.proxy.middleware.s3.xml import Node, read
from apus.proxy.middleware.slo import SloConfig, StaticLargeObjects
from apus.proxy.middleware.symlink import Symlink, SymlinkConfig
from apus.proxy.middleware.versioned_writes import VersionedWrites, VersionedWritesConfig

VERSIONS = parse(VersionedWritesConfig, {"allow_versioned_writes": "yes", "allow_object_versioning": "yes"})
STEPS = range(40)
LONG_AGO = 3600 * 100_000
"""In the units of timestamps."""


class World:
    """A store with a bucket b, and the door to it; parts of any size are taken."""

    def __init__(
        self, *, has_versions: bool = False, segments_max: int = 1000, manifest_bytes_max: int = 8 << 20
    ) -> None:
        self.store = KeepingStore()
        self.settings = {"min_segment_size": "1"}
        behind = VersionedWrites(Symlink(self.store, SymlinkConfig()), VERSIONS)
        self.app: Any = StaticLargeObjects(
            behind, SloConfig(max_manifest_segments=segments_max, max_manifest_size=manifest_bytes_max)
        )
        headers = {"X-Versions-Enabled": "true"} if has_versions else {}
        assert ask(self.app, "PUT", "/v1/a/b", headers=headers).status == 201

    def request(
        self,
        method: str,
        query: dict[str, str],
        *,
        key: str | None = "k",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Request:
        return request(self.app, method, "b", key, query, body=body, headers=headers, **self.settings)

    def begin(self, key: str = "k", **headers: str) -> str:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = uploads.create(self.request("POST", {"uploads": ""}, key=key, headers=said))
        return told(answer).value("UploadId") or ""

    def send(self, upload_id: str, number: int, body: bytes, key: str = "k", **headers: str) -> Answer:
        query = {"uploadId": upload_id, "partNumber": str(number)}
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        return parts.put(self.request("PUT", query, key=key, body=body, headers=said))

    def complete(self, upload_id: str, *etags: tuple[int, str], key: str = "k", **headers: str) -> Node:
        listed = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{e}</ETag></Part>" for n, e in etags)
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        made = completing.serve(
            self.request("POST", {"uploadId": upload_id}, key=key, body=body, headers=said)
        )
        return told(made)

    def abort(self, upload_id: str) -> None:
        assert aborting.serve(self.request("DELETE", {"uploadId": upload_id})).status == 204

    def uploads(self) -> list[str]:
        """The keys of uploads that are listed."""
        document = told(shown.list_uploads(self.request("GET", {"uploads": ""}, key=None)))
        return [node.value("Key") or "" for node in document.all("Upload")]

    def left(self) -> list[str]:
        """What is beside the bucket, without the names of uploads."""
        return [
            "/".join(n for n in name.split("/") if len(n) < 20) for name in self.store.names("b+segments")
        ]

    def get(self, key: str = "k") -> bytes | None:
        reply = ask(self.app, "GET", f"/v1/a/b/{key}")
        return reply.body if reply.status == 200 else None

    def ready(self) -> tuple[str, list[tuple[int, str]]]:
        """An upload of two parts, and one that will not be named."""
        upload_id = self.begin()
        etags = [self.send(upload_id, n, body).headers["ETag"] for n, body in ((1, b"one"), (2, b"two"))]
        self.send(upload_id, 3, b"three")
        return upload_id, list(enumerate(etags, 1))

    def let_time_pass(self) -> None:
        """Make claims void whose owners are dead."""
        for (_, name), kept in self.store.objects.items():
            if name.endswith("/0"):
                kept.moment = Timestamp(kept.moment.ticks - LONG_AGO)


def told(answer: Answer) -> Node:
    body = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body)
    return read(body)


@contextmanager
def forgiven(*codes: str) -> Iterator[None]:
    """Let go of errors that may be."""
    try:
        yield
    except S3Error as error:
        if error.code not in codes:
            raise
