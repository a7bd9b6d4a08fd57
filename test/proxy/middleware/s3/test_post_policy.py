"""What a browser's form may say."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3 import post_policy
from apus.proxy.middleware.s3.errors import S3Error

EXPIRES = 1800000000
CONDITIONS: list[Any] = [
    {"bUcKeT": "bkt"},
    ["StArTs-WiTh", "$KeY", "foo"],
    {"acl": "private"},
    ["starts-with", "$Content-Type", "text/"],
    ["content-length-range", 2, "9"],
]
FIELDS = {"bucket": "bkt", "key": "foo.txt", "acl": "private", "content-type": "text/plain", "policy": "p"}


NO_CONDITIONS: list[Any] = [
    {},
    [{}],
    [[]],
    ["eq"],
    [None],
    [{"key": 1}],
    [{"a": "1", "b": "2"}],
    [["eq", "$key"]],
    [["eq", "key", "a"]],
    [["eq", "$key", None]],
    [["like", "$key", "a"]],
    [["content-length-range", 0]],
    [["content-length-range", -1, 0]],
    [["content-length-range", 2, 1]],
    [["content-length-range", "a", 1]],
]


def encoded(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def policy(conditions: list[Any] | None = None) -> post_policy.Policy:
    return post_policy.read(
        encoded({"expiration": "2027-01-15T08:00:00.000Z", "conditions": CONDITIONS + (conditions or [])})
    )


def refused(fields: dict[str, str], *, now: float = EXPIRES - 1, conditions: list[Any] | None = None) -> str:
    with pytest.raises(S3Error) as refusal:
        policy(conditions).require(fields, now)
    assert (refusal.value.status, refusal.value.code) == (403, "AccessDenied")
    return refusal.value.message


def test_trap_58_words_are_in_any_case() -> None:
    """Of conditions and of fields."""
    found = policy()
    found.require(FIELDS, EXPIRES - 1)
    assert (found.size_min, found.size_max, found.expires) == (2, 9, EXPIRES)


def test_trap_58_a_policy_ends() -> None:
    """To the second."""
    assert "expired" in refused(FIELDS, now=EXPIRES)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "bar"},
        {"key": "Foo"},
        {"bucket": "other"},
        {"acl": "public-read"},
        {"acl": "Private"},
        {"content-type": "image/png"},
        {"content-type": "text/plain, image/png"},
    ],
)
def test_trap_58_every_condition_is_met(change: dict[str, str]) -> None:
    """By values as they are."""
    assert "Condition failed" in refused({**FIELDS, **change})


@pytest.mark.parametrize(
    "name", ["x-amz-meta-a", "success_action_redirect", "tagging", "x-amz-security-token"]
)
def test_trap_58_a_field_that_no_condition_allows_is_refused(name: str) -> None:
    """A form is not to be filled with what its signer did not think of."""
    assert name in refused({**FIELDS, name: "1"})


def test_trap_58_what_a_condition_asks_for_must_be_there() -> None:
    """A field that is missing is empty."""
    assert "x-amz-meta-foo" in refused(FIELDS, conditions=[["starts-with", "$x-amz-meta-foo", "bar"]])
    policy([["starts-with", "$x-amz-meta-foo", ""]]).require(FIELDS, EXPIRES - 1)


def test_trap_58_some_fields_need_no_condition() -> None:
    """The signature's own, and those that ask to be ignored."""
    extra = {"signature": "s", "x-amz-signature": "s", "awsaccesskeyid": "k", "x-ignore-foo": "bar"}
    policy().require({**FIELDS, **extra}, EXPIRES - 1)


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"conditions": []},
        {"expiration": "2027-01-15T08:00:00.000Z"},
        {"EXPIRATION": "2027-01-15T08:00:00.000Z", "conditions": []},
        {"expiration": "2027-01-15T08:00:00.000Z", "CONDITIONS": []},
        {"expiration": "2027-01-15 08:00:00+00:00", "conditions": []},
        {"expiration": "2027-13-15T08:00:00Z", "conditions": []},
        {"expiration": 1, "conditions": []},
        *({"expiration": "2027-01-15T08:00:00.000Z", "conditions": each} for each in NO_CONDITIONS),
    ],
)
def test_trap_58_what_is_no_policy_is_invalid(document: object) -> None:
    """400, whatever it is."""
    with pytest.raises(S3Error) as refusal:
        post_policy.read(encoded(document))
    assert (refusal.value.status, refusal.value.code) == (400, "InvalidPolicyDocument")


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.b64encode(raw).decode()))
def test_no_text_breaks_the_reader(text: str) -> None:
    """It is refused."""
    with pytest.raises(S3Error):
        post_policy.read(text)


def test_a_deep_document_is_refused() -> None:
    """Not by running out of stack."""
    with pytest.raises(S3Error):
        post_policy.read(base64.b64encode(b"[" * 14000).decode())
