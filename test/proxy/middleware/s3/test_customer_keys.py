"""Objects encrypted with a key that the client keeps."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keeping_store import KeepingStore
from one_request import ask
from s3_requests import request

from apus.common.http.answer import Answer
from apus.proxy.middleware.inner import Reply
from apus.proxy.middleware.s3 import copying, customer_keys, objects
from apus.proxy.middleware.s3.customer_keys import CustomerKey, EncryptedBody
from apus.proxy.middleware.s3.errors import S3Error

BODY = b"a body of more than one block of the cipher"


def headers(secret: bytes = b"k" * 32, name: str = customer_keys.NAME) -> dict[str, str]:
    """What a client says of its key."""
    return {
        f"{name}algorithm": "AES256",
        f"{name}key": base64.b64encode(secret).decode(),
        f"{name}key-MD5": base64.b64encode(hashlib.md5(secret).digest()).decode(),
    }


def environ(said: Mapping[str, str]) -> dict[str, str]:
    return {"HTTP_" + name.upper().replace("-", "_"): value for name, value in said.items()}


def key() -> CustomerKey:
    found = customer_keys.asked(environ(headers()))
    assert found is not None
    return found


@given(st.binary(max_size=300), st.integers(1, 100), st.data())
def test_what_was_encrypted_is_decrypted(body: bytes, size: int, data: st.DataObject) -> None:
    """In whatever pieces it is read, and from wherever a range begins."""
    source = EncryptedBody(BytesIO(body), key(), len(body), hashlib.md5(body).digest())
    stored = b"".join(iter(lambda: source.read(size), b""))
    assert len(stored) == len(body)
    iv = key().opened(source.sealed)
    assert iv is not None
    assert b"".join(customer_keys.decrypted(Reply(200, {}, [stored]), key(), iv)) == body
    if body:
        first = data.draw(st.integers(0, len(body) - 1))
        said = {"content-range": f"bytes {first}-{len(body) - 1}/{len(body)}"}
        reply = Reply(206, said, [stored[first:]])
        assert b"".join(customer_keys.decrypted(reply, key(), iv)) == body[first:]


def test_a_body_that_is_not_what_its_md5_says_never_ends_well() -> None:
    """Whoever reads it is told with its last byte."""
    source = EncryptedBody(BytesIO(BODY), key(), len(BODY), bytes(16))
    with pytest.raises(S3Error, match="BadDigest"):
        source.read()


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"algorithm": "AES128"}, "InvalidEncryptionAlgorithmError"),
        ({"key": ""}, "InvalidArgument"),
        ({"key": "x"}, "InvalidArgument"),
        ({"key": base64.b64encode(b"k" * 16).decode()}, "InvalidArgument"),
        ({"key-MD5": ""}, "InvalidArgument"),
        ({"key-MD5": base64.b64encode(bytes(16)).decode()}, "InvalidArgument"),
        ({"algorithm": ""}, "InvalidArgument"),
    ],
)
def test_half_a_key_is_none(changed: dict[str, str], code: str) -> None:
    """Nor is one that arrived as another."""
    said = headers() | {customer_keys.NAME + word: value for word, value in changed.items()}
    with pytest.raises(S3Error, match=code):
        customer_keys.asked(environ(said))


def filled() -> KeepingStore:
    store = KeepingStore()
    ask(store, "PUT", "/v1/a/bucket")
    objects.put(request(store, "PUT", "bucket", "k", headers=headers(), body=BODY))
    return store


def got(store: KeepingStore, said: Mapping[str, str], name: str = "k") -> bytes:
    answer: Answer = objects.read(request(store, "GET", "bucket", name, headers=said))
    assert not isinstance(answer.body, bytes)
    return b"".join(answer.body)


def test_only_who_has_the_key_reads_the_object() -> None:
    """The store has neither the body nor the key."""
    store = filled()
    kept = store.objects["bucket", "k"]
    assert kept.body != BODY
    assert not any(
        "kkk" in value or headers()[f"{customer_keys.NAME}key"] in value for value in kept.headers.values()
    )
    assert got(store, headers()) == BODY
    for said, code in (({}, "InvalidRequest"), (headers(b"l" * 32), "AccessDenied")):
        with pytest.raises(S3Error, match=code):
            got(store, said)


def test_a_key_for_what_needs_none() -> None:
    """Is refused: the client believes something that is not so."""
    store = filled()
    objects.put(request(store, "PUT", "bucket", "plain", body=BODY))
    with pytest.raises(S3Error, match="InvalidRequest"):
        got(store, headers(), "plain")


@pytest.mark.parametrize("target", [None, b"t" * 32])
def test_a_copy_has_a_key_of_its_own_or_none(target: bytes | None) -> None:
    """The source's key is needed to read it."""
    store = filled()
    said = {"x-amz-copy-source": "bucket/k", **(headers(target) if target else {})}
    with pytest.raises(S3Error, match="InvalidRequest"):
        copying.copy(request(store, "PUT", "bucket", "copy", headers=said))
    said |= headers(name=customer_keys.SOURCE_NAME)
    copying.copy(request(store, "PUT", "bucket", "copy", headers=said))
    assert got(store, headers(target) if target else {}, "copy") == BODY
    assert (store.objects["bucket", "copy"].body == BODY) == (target is None)
