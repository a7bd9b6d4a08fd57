"""Uploads from a page in a browser, as far as they need no store; see test_s3_signing.py for the rest."""

from __future__ import annotations

import base64
import hmac
import io
import json
from typing import Any

import pytest
from s3_requests import request
from signers import ACCESS_KEY, SECRET_KEY, KnownSecrets

from apus.proxy.middleware.multipart import Multipart
from apus.proxy.middleware.s3 import forms
from apus.proxy.middleware.s3.errors import S3Error

BOUNDARY = "b0und"
STORED = {"ETag": '"e"', "Content-Length": "0", "x-amz-version-id": "1"}


def form(*fields: tuple[str, str], file: bytes | None = b"data", end: bytes = b"--\r\n") -> bytes:
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields
    ]
    if file is not None:
        head = b'Content-Disposition: form-data; name="file"; filename="C:\\dir\\foo.txt"\r\n\r\n'
        parts.append(head + file)
    delimiter = f"--{BOUNDARY}".encode()
    return delimiter + b"\r\n" + (b"\r\n" + delimiter + b"\r\n").join(parts) + b"\r\n" + delimiter + end


def posted(body: bytes, **headers: str) -> Any:
    """A form on its way to bucket `bkt` of an account that strangers may name."""

    class App:
        s3_secret = KnownSecrets().s3_secret

    asked = request(App(), "POST", "bkt", headers=headers, body=body)
    asked.environ["CONTENT_TYPE"] = f"multipart/form-data; boundary={BOUNDARY}"
    return asked


def refused_as(asked: Any) -> str:
    """Return the code of a refusal; the store behind it takes nothing."""
    try:
        forms.post(asked)
    except S3Error as refusal:
        return refusal.code
    except TypeError:  # Nobody is there to be called.
        return ""
    raise AssertionError


def refused(body: bytes) -> str:
    code = refused_as(posted(body))
    assert code
    return code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MalformedPOSTRequest"),
        (b"junk", "MalformedPOSTRequest"),
        (form(file=None), "MalformedPOSTRequest"),
        (form(("key", "k"), file=None), "InvalidArgument"),
        (form(), "UserKeyMustBeSpecified"),
        (form(("key", "")), "UserKeyMustBeSpecified"),
        (form(("key", "k"), ("KEY", "l")), "MalformedPOSTRequest"),
        (form(("", "k")), "MalformedPOSTRequest"),
        (form(("key", "k"), ("policy", "e30=")), "InvalidArgument"),
        (form(("key", "k"), ("AWSAccessKeyId", "test:tester")), "InvalidArgument"),
        (form(("key", "k"), ("x-amz-credential", "c"), ("x-amz-signature", "s")), "InvalidArgument"),
        (form(("key", "k"), ("x-amz-meta-a", "1\r\nX-Evil: 2")), "InvalidArgument"),
        (form(("key", "k"), ("x-amz-meta-a: 1", "2")), "InvalidArgument"),
        (form(("key", "k"), ("x-amz-meta-é", "2")), "InvalidArgument"),
        (form(("key", "k"), ("x-ignore-a", "x" * (1 << 17))), "MaxMessageLengthExceeded"),
        (form(("key", "k"), *((f"{n:08000}", "") for n in range(9))), "MaxMessageLengthExceeded"),
        (form(("key", "k" * 1025)), "KeyTooLongError"),
    ],
)
def test_trap_58_a_form_that_is_none_is_refused(body: bytes, code: str) -> None:
    """Before anything is asked of the store."""
    assert refused(body) == code


def test_a_form_that_is_no_form_is_refused() -> None:
    """Whatever its type says."""
    asked = posted(b"")
    asked.environ["CONTENT_TYPE"] = "multipart/form-data"
    with pytest.raises(S3Error):
        forms.post(asked)


def body_of(data: bytes, size_min: int, size_max: int | None, end: bytes = b"--\r\n") -> bytes:
    parts = Multipart(io.BytesIO(form(file=data, end=end)), BOUNDARY.encode())
    next(iter(parts))
    file = forms.FileBody(parts, size_min, size_max)
    return b"".join(iter(lambda: file.read(3), b""))


def test_trap_58_a_file_is_held_to_its_sizes() -> None:
    """Before it could be taken for whole; what breaks off is no file."""
    assert body_of(b"hello", 0, None) == b"hello"
    assert body_of(b"hello", 5, 5) == b"hello"
    for size_min, size_max, code in ((6, 9, "EntityTooSmall"), (0, 4, "EntityTooLarge")):
        with pytest.raises(S3Error) as refusal:
            body_of(b"hello", size_min, size_max)
        assert refusal.value.code == code
    with pytest.raises(S3Error) as refusal:
        body_of(b"hello", 0, None, end=b"")
    assert refusal.value.code == "MalformedPOSTRequest"


def told(fields: dict[str, str]) -> Any:
    asked = posted(b"")
    asked.key = "a é"
    return forms.told(asked, fields, STORED)


@pytest.mark.parametrize(
    ("said", "status"), [(None, 204), ("200", 200), ("204", 204), ("404", 204), ("x", 204)]
)
def test_trap_58_success_has_the_status_that_was_asked_for(said: str | None, status: int) -> None:
    """One of three."""
    answer = told({} if said is None else {"success_action_status": said})
    assert (answer.status, answer.headers["ETag"], answer.headers["x-amz-version-id"]) == (status, '"e"', "1")
    assert answer.headers["Location"] == "http://store.example/bkt/a%20%C3%A9"


def test_a_host_in_any_script_is_told_as_it_came() -> None:
    """A header has bytes, not letters."""
    asked = posted(b"", Host="\xe6\x97\xa5")
    asked.key = "k"
    assert forms.told(asked, {}, STORED).headers["Location"] == "http://\xe6\x97\xa5/bkt/k"


@pytest.mark.parametrize("said", ["bkt", "AUTH_other:bkt"])
def test_trap_58_a_form_is_for_the_bucket_that_was_signed(said: str) -> None:
    """The signer's own, unless another account is named: its buckets may have the same names."""
    document = {"expiration": "2999-01-01T00:00:00.000Z", "conditions": [{"bucket": said}, {"key": "k"}]}
    policy = base64.b64encode(json.dumps(document).encode()).decode()
    signature = base64.b64encode(hmac.digest(SECRET_KEY.encode(), policy.encode(), "sha1")).decode()
    fields = {"key": "k", "AWSAccessKeyId": ACCESS_KEY, "policy": policy, "signature": signature}
    asked = posted(form(*fields.items()))
    asked.account = "AUTH_other"
    code = refused_as(asked)
    assert (code == "AccessDenied") == (said == "bkt")


def test_trap_58_status_201_has_a_document() -> None:
    """With Location, Bucket, Key and ETag."""
    answer = told({"success_action_status": "201"})
    assert answer.status == 201
    for text in (b"<Bucket>bkt</Bucket>", "<Key>a é</Key>".encode(), b"<ETag>&quot;e&quot;</ETag>"):
        assert text in answer.body


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://a/", "//a", "http://", "http://a/\r\nX: 1", "[::"]
)
def test_nobody_is_sent_to_what_is_no_page(url: str) -> None:
    """It is stored nevertheless."""
    assert told({"success_action_redirect": url}).status == 204
