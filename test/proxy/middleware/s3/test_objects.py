"""PUT, GET and HEAD of objects, as the store hears of them and as its answers are told."""

from __future__ import annotations

import base64
import hashlib

import orjson
import pytest
from keeping_store import KeepingStore
from one_request import FixedApp, ask
from s3_requests import request

from apus.common.http.answer import Answer
from apus.proxy.middleware.s3 import objects, replaced
from apus.proxy.middleware.s3.errors import S3Error

BODY = b"hello"
MD5 = base64.b64encode(hashlib.md5(BODY).digest()).decode()


def filled() -> KeepingStore:
    store = KeepingStore()
    ask(store, "PUT", "/v1/a/c")
    return store


def put(store: object, key: str = "k", **headers: str) -> Answer:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return objects.put(request(store, "PUT", "c", key, headers=said, body=BODY))


def test_a_put_keeps_what_s3_says() -> None:
    """In the store's words, and nothing of the signature."""
    store = filled()
    answer = put(
        store,
        x_amz_meta_m="1",
        x_amz_tagging="a=1",
        x_amz_date="20261121T000000Z",
        authorization="AWS4-HMAC-SHA256 x",
        content_md5=MD5,
    )
    assert (answer.status, answer.headers) == (200, {"ETag": f'"{hashlib.md5(BODY).hexdigest()}"'})
    kept = store.objects["c", "k"]
    assert kept.body == BODY
    assert kept.headers["x-object-meta-m"] == "1"
    assert kept.headers["x-object-transient-sysmeta-s3api-tagging"] == "a=1"
    assert kept.headers["content-type"] == "binary/octet-stream"
    assert not any(name.startswith(("x-amz-", "authorization", "content-md5")) for name in kept.headers)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content_md5": "x"}, "InvalidDigest"),
        ({"content_md5": base64.b64encode(bytes(16)).decode()}, "BadDigest"),
        ({"if_none_match": '"e"'}, "NotImplemented"),
        ({"if_none_match": "*", "if_match": '"e"'}, "InvalidRequest"),
        ({"x_amz_server_side_encryption": "ROT13"}, "InvalidEncryptionAlgorithmError"),
        ({"x_amz_server_side_encryption": "aws:kms"}, "NotImplemented"),
        ({"x_amz_server_side_encryption_customer_algorithm": "AES256"}, "InvalidArgument"),
        ({"x_amz_storage_class": "GLACIER"}, "InvalidStorageClass"),
        ({"x_amz_tagging": "a=1&a=2"}, "InvalidTag"),
        ({"x_amz_meta_m": "x" * 2048}, "MetadataTooLarge"),
    ],
)
def test_a_put_that_cannot_be_kept_as_asked(headers: dict[str, str], code: str) -> None:
    """Is refused, and nothing is stored."""
    store = filled()
    with pytest.raises(S3Error, match=code):
        put(store, **headers)
    assert not store.names("c")


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        ("400 Bad Request", b"Metadata value longer than 256: m", "MetadataTooLarge"),
        ("400 Bad Request", b"Something else", "InvalidRequest"),
        ("403 Forbidden", b"", "AccessDenied"),
        ("408 Request Timeout", b"", "RequestTimeout"),
        ("411 Length Required", b"", "MissingContentLength"),
        ("413 Request Entity Too Large", b"Upload exceeds quota.", "EntityTooLarge"),
        ("422 Unprocessable Entity", b"", "BadDigest"),
        ("500 Internal Error", b"", "InternalError"),
        ("503 Service Unavailable", b"", "ServiceUnavailable"),
        ("404 Not Found", b"", "NoSuchBucket"),
    ],
)
def test_what_the_store_refuses_is_told_in_s3s_words(status: str, body: bytes, code: str) -> None:
    """Code by code."""
    store = filled()

    class Refusing(FixedApp):
        app = store

    with pytest.raises(S3Error, match=code):
        put(Refusing(status=status, body=(body,)))


@pytest.mark.parametrize(
    ("status", "code"),
    [("412 Precondition Failed", "PreconditionFailed"), ("409 Conflict", "ConditionalRequestConflict")],
)
def test_trap_67_a_condition_that_does_not_hold(status: str, code: str) -> None:
    """Is told apart from a race that was lost."""
    store = filled()

    class Refusing(FixedApp):
        app = store

    refusing = Refusing(status=status)
    with pytest.raises(S3Error, match=code):
        put(refusing, if_none_match="*")
    assert refusing.seen[0]["HTTP_IF_NONE_MATCH"] == "*"
    assert refusing.seen[0]["HTTP_X_BACKEND_ETAG_IS_AT"] == "X-Object-Sysmeta-S3Api-Etag"


def test_trap_67_a_condition_that_nobody_would_judge_is_refused() -> None:
    """If-Match of an upload, before a store that knows no such thing: ignoring it would lose data."""
    if not objects.judges_conditions():
        store = filled()
        with pytest.raises(S3Error, match="NotImplemented"):
            put(store, if_match='"e"')
        assert not store.names("c")


@pytest.mark.parametrize("header", ["if_modified_since", "if_unmodified_since"])
def test_trap_67_a_moment_is_no_condition_of_a_write(header: str) -> None:
    """As at Amazon: an upload that is made all the same would overwrite what its client meant to keep."""
    store = filled()
    with pytest.raises(S3Error, match="NotImplemented"):
        put(store, **{header: "Wed, 21 Oct 2015 07:28:00 GMT"})
    assert not store.names("c")


@pytest.mark.parametrize("text", ["0", "10001", "-1", "x", "", "1.0", "¹", "9" * 400])
def test_what_is_no_number_of_a_part(text: str) -> None:
    """Is refused."""
    with pytest.raises(S3Error, match="InvalidArgument"):
        objects.part_number(request(filled(), "GET", "c", "k", {"partNumber": text}))


def test_tags_that_the_other_api_made_match_with_their_dash() -> None:
    """`-N` is what S3 shows of its large objects, so it is taken back in conditions."""
    said = objects._conditions({"HTTP_IF_MATCH": '"abc-N", "def"', "HTTP_IF_NONE_MATCH": '"x"'})
    assert said["IF-MATCH"] == '"abc-N", "def", "abc"'
    assert said["IF-NONE-MATCH"] == '"x"'


def multipart(store: KeepingStore, *names: str) -> None:
    """Put an object made of parts at c/k."""
    ask(store, "PUT", "/v1/a/c+segments")
    for name in names:
        ask(store, "PUT", f"/v1/a/c+segments/{name}", environ={"CONTENT_LENGTH": "0"})
    rows = [{"name": f"/c+segments/{name}", "bytes": 0, "hash": "x"} for name in names]
    environ = {"CONTENT_LENGTH": "1"}
    headers = {"X-Static-Large-Object": "True"}
    body = orjson.dumps(rows)
    ask(
        store,
        "PUT",
        "/v1/a/c/k",
        headers=headers,
        body=body,
        environ={**environ, "CONTENT_LENGTH": str(len(body))},
    )


def test_trap_84_an_overwritten_upload_leaves_no_parts() -> None:
    """They are deleted when the new object is there; what is not a part of this key's upload stays."""
    replaced._absent.clear()
    store = filled()
    multipart(store, "k/ID/1", "k/ID/2", "k/mine", "other/ID/1")
    put(store)
    assert store.objects["c", "k"].body == BODY
    assert store.names("c+segments") == ["k/mine", "other/ID/1"]


def test_an_upload_that_fails_leaves_the_parts_of_the_one_before() -> None:
    """For that is what is read still."""
    replaced._absent.clear()
    store = filled()
    multipart(store, "k/ID/1")
    store.failing["PUT", "/v1/a/c/k"] = 503
    with pytest.raises(S3Error, match="ServiceUnavailable"):
        put(store)
    assert store.names("c+segments") == ["k/ID/1"]


def test_parts_of_an_upload_that_may_be_completed_again_stay() -> None:
    """Whoever completes it after us leads its key to them."""
    replaced._absent.clear()
    store = filled()
    multipart(store, "k/ID/1", "k/OTHER/1")
    ask(store, "PUT", "/v1/a/c+segments/k/ID", environ={"CONTENT_LENGTH": "0"})
    put(store)
    assert store.names("c+segments") == ["k/ID", "k/ID/1"]
