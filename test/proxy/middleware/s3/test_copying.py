"""What a copy request names, and what the copy is stored with."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keeping_store import KeepingStore
from one_request import ask
from s3_requests import request

from apus.common.errors import Unavailable
from apus.proxy.middleware.s3 import copying
from apus.proxy.middleware.s3.copying import Source, SourceBody, named
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.xml import read

KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
CRC32 = "X-Object-Sysmeta-S3api-Checksum-Crc32"


@given(KEYS, st.booleans(), st.sampled_from(["", "null", "1700000000.12345"]))
def test_trap_65_names_are_percent_encoded_once(key: str, slash: bool, version: str) -> None:
    """With or without a slash in front, with or without a version."""
    text = "/" * slash + f"bucket/{quote(key)}" + (f"?versionId={version}" if version else "")
    assert named(text) == Source("bucket", key, version or None)


def test_a_source_may_be_another_accounts() -> None:
    """As a bucket in a path may be."""
    assert named("AUTH_x:bucket/a:b") == Source("bucket", "a:b", account="AUTH_x")
    store = Store()
    store.copied("b:bucket/k")
    assert ("GET", "/v1/b/bucket/k") in store.inside.seen


@pytest.mark.parametrize("text", ["bucket+segments/k/ID/1", "a:bucket+segments/k", "%2e%2e/k"])
def test_trap_84_what_is_no_bucket_is_no_source(text: str) -> None:
    """Least of all where parts are kept."""
    with pytest.raises(S3Error, match="InvalidBucketName"):
        named(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "bucket",
        "bucket/",
        "//key",
        "b/k?versionId=",
        "b/k?x=1",
        "b/k?versionId=null&x=1",
        "b/k?",
        "b/%FF",
        "b/%00",
        "bucket/k?versionId=.",
    ],
)
def test_what_names_nothing(text: str) -> None:
    """Is refused before anything is asked."""
    with pytest.raises(S3Error, match="InvalidArgument"):
        named(text)


def test_a_source_that_breaks_off_is_no_copy() -> None:
    """Its body is an error, not an end."""
    body = SourceBody([b"ab", b"c"], 4)
    assert body.read(10) + body.read(10) == b"abc"
    with pytest.raises(Unavailable):
        body.read(10)


class Store:
    """A store with an object in it."""

    def __init__(self, **headers: str) -> None:
        self.inside = KeepingStore()
        ask(self.inside, "PUT", "/v1/a/bucket")
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        environ = {"CONTENT_TYPE": "text/x", "CONTENT_LENGTH": "5"}
        ask(self.inside, "PUT", "/v1/a/bucket/k", headers=said, body=b"hello", environ=environ)

    def copied(self, source: str = "bucket/k", **headers: str) -> tuple[Any, dict[str, str]]:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        said["x-amz-copy-source"] = source
        answer = copying.copy(request(self.inside, "PUT", "bucket", "copy", headers=said))
        assert isinstance(answer.body, bytes)
        return read(answer.body), self.inside.objects["bucket", "copy"].headers


def test_a_copy_takes_along_what_is_not_replaced() -> None:
    """Metadata, type, tags and checksum."""
    store = Store(
        X_Object_Meta_M="1",
        X_Object_Transient_Sysmeta_S3api_Tagging="a=1",
        **{CRC32.replace("-", "_"): "NhCmhg=="},
    )
    document, kept = store.copied(x_amz_meta_n="ignored")
    assert kept["x-object-meta-m"] == "1"
    assert "x-object-meta-n" not in kept
    assert kept["x-object-transient-sysmeta-s3api-tagging"] == "a=1"
    assert kept[CRC32.lower()] == "NhCmhg=="
    assert kept["content-type"] == "text/x"
    assert document.value("ChecksumCRC32") == "NhCmhg=="
    assert document.value("ETag") == f'"{kept["etag"]}"'


def test_a_copy_has_what_replaces_it() -> None:
    """And nothing of the source's beside it."""
    store = Store(X_Object_Meta_M="1", X_Object_Transient_Sysmeta_S3api_Tagging="a=1")
    _, kept = store.copied(
        x_amz_metadata_directive="REPLACE",
        x_amz_tagging_directive="REPLACE",
        x_amz_meta_n="2",
        x_amz_tagging="b=2",
        x_amz_storage_class="STANDARD_IA",
    )
    assert "x-object-meta-m" not in kept
    assert kept["x-object-meta-n"] == "2"
    assert kept["x-object-transient-sysmeta-s3api-tagging"] == "b=2"
    assert kept["x-object-sysmeta-s3api-storage-class"] == "STANDARD_IA"
    assert kept["content-type"] == "binary/octet-stream"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x_amz_copy_source_range": "bytes=0-1"}, "InvalidArgument"),
        ({"range": "bytes=0-1"}, "InvalidRequest"),
        ({"x_amz_metadata_directive": "copy"}, "InvalidArgument"),
        ({"x_amz_tagging_directive": "X"}, "InvalidArgument"),
        ({"x_amz_server_side_encryption": "aws:kms"}, "NotImplemented"),
        ({"if_none_match": "x"}, "NotImplemented"),
    ],
)
def test_trap_65_what_a_copy_cannot_be_asked(headers: dict[str, str], code: str) -> None:
    """Is refused, and nothing is stored."""
    store = Store()
    with pytest.raises(S3Error, match=code):
        store.copied(**headers)
    assert store.inside.names("bucket") == ["k"]


def test_an_object_is_no_copy_of_itself() -> None:
    """Unless something changes with it."""
    store = Store()
    for source in ("bucket/k", "/bucket/k"):
        headers = {"x-amz-copy-source": source}
        with pytest.raises(S3Error, match="InvalidRequest"):
            copying.copy(request(store.inside, "PUT", "bucket", "k", headers=headers))
    headers = {"x-amz-copy-source": "bucket/k", "x-amz-metadata-directive": "REPLACE", "x-amz-meta-n": "1"}
    copying.copy(request(store.inside, "PUT", "bucket", "k", headers=headers))
    kept = store.inside.objects["bucket", "k"]
    assert (kept.body, kept.headers["x-object-meta-n"]) == (b"hello", "1")


@pytest.mark.parametrize("step", range(4))
def test_a_copy_that_dies_can_be_made_again(step: int) -> None:
    """Wherever the process ends, the source is whole, and the copy is whole or not there."""
    store = Store()
    with store.inside.dying_at(step):
        store.copied()
    copy = store.inside.objects.get(("bucket", "copy"))
    assert copy is None or copy.body == b"hello"
    store.copied()
    assert store.inside.objects["bucket", "copy"].body == b"hello"


@pytest.mark.parametrize(("status", "root"), [(None, "CopyObjectResult"), (503, "Error"), (403, "Error")])
def test_trap_65_a_copy_that_takes_long_tells_in_its_document_how_it_went(
    monkeypatch: pytest.MonkeyPatch, status: int | None, root: str
) -> None:
    """For its status line is gone before anybody knows."""
    monkeypatch.setattr(copying, "SLOW_BYTES", 0)
    store = Store()
    if status is not None:
        store.inside.failing["PUT", "/v1/a/bucket/copy"] = status
    answer = copying.copy(
        request(store.inside, "PUT", "bucket", "copy", headers={"x-amz-copy-source": "bucket/k"})
    )
    assert answer.status == 200
    assert not isinstance(answer.body, bytes)
    document = b"".join(answer.body)
    assert document.startswith(b"<?xml")
    assert read(document).tag == root


def test_trap_65_a_copys_checksum_can_be_chosen() -> None:
    """It is taken on the way, and replaces the source's."""
    store = Store(**{CRC32.replace("-", "_"): "NhCmhg=="})
    document, kept = store.copied(x_amz_checksum_algorithm="SHA256")
    assert document.value("ChecksumSHA256") == "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
    assert document.value("ChecksumCRC32") is None
    assert CRC32.lower() not in kept
