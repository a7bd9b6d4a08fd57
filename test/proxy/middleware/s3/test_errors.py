"""What goes wrong is told in S3's words."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree as ET

import pytest
from one_request import ask

from apus.proxy.middleware.s3.errors import CODES, S3Error, from_swift


@dataclass
class Asked:
    """What a request was for."""

    method: str = "GET"
    bucket: str | None = "bkt"
    key: str | None = None
    exists: bool = True

    def bucket_exists(self) -> bool:
        """Whether its bucket does."""
        return self.exists


def test_trap_77_an_error_is_a_document_without_a_namespace() -> None:
    """Code, Message, further facts, Resource, RequestId, HostId."""
    answer = S3Error("NoSuchKey", Key="a<b", Nothing=None).answer("tx1", "/bkt/a<b")
    reply = ask(answer, "GET")
    assert reply.status == 404
    assert reply.headers["content-type"] == "application/xml"
    facts = [(child.tag, child.text) for child in ET.fromstring(reply.body)]
    sentence = CODES["NoSuchKey"][1]
    assert facts == [
        *(("Code", "NoSuchKey"), ("Message", sentence), ("Key", "a<b")),
        *(("Resource", "/bkt/a<b"), ("RequestId", "tx1"), ("HostId", "tx1")),
    ]


def test_trap_66_an_answer_to_a_head_has_no_body() -> None:
    """All that is told is the status."""
    reply = ask(S3Error("NoSuchKey").answer("tx1", "/b/k"), "HEAD")
    assert (reply.status, reply.body) == (404, b"")
    assert ask(S3Error("NotModified", headers={"ETag": '"e"'}).answer("tx1", "/"), "GET").headers == {
        "etag": '"e"'
    }


@pytest.mark.parametrize(
    ("status", "asked", "code"),
    [
        (404, Asked(key="k"), "NoSuchKey"),
        (404, Asked(key="k", exists=False), "NoSuchBucket"),
        (404, Asked(), "NoSuchBucket"),
        (409, Asked("DELETE"), "BucketNotEmpty"),
        (409, Asked("PUT", key="k"), "OperationAborted"),
        (401, Asked(), "AccessDenied"),
        (403, Asked(), "AccessDenied"),
        (408, Asked(), "RequestTimeout"),
        (411, Asked(), "MissingContentLength"),
        (412, Asked(), "PreconditionFailed"),
        (413, Asked(), "EntityTooLarge"),
        (416, Asked(), "InvalidRange"),
        (422, Asked(), "BadDigest"),
        (498, Asked(), "SlowDown"),
        (503, Asked(), "ServiceUnavailable"),
        (507, Asked(), "ServiceUnavailable"),
        (400, Asked(), "InvalidRequest"),
        (500, Asked(), "InternalError"),
        (200, Asked(), "InternalError"),
    ],
)
def test_each_status_of_the_store_means_something(status: int, asked: Asked, code: str) -> None:
    """Trap 77: the bucket that is missing comes before the key that is."""
    assert from_swift(status, asked).code == code


def test_what_a_client_may_know_of_a_condition_is_told() -> None:
    """The ETag, but none of the store's own headers; the store's sentence where S3 has no better one."""
    error = from_swift(304, Asked(key="k"), {"etag": '"e"', "x-timestamp": "1"})
    assert (error.status, error.headers) == (304, {"etag": '"e"'})
    assert from_swift(400, Asked(), body=b"Too many pieces\n").message == "Too many pieces"
