"""What a browser's form may say: the policy that somebody has signed for it.

    policy, base64 of JSON ──read()──▶ Policy(expires, conditions, sizes) ──require(fields)──▶ or S3Error

Every field must be allowed by a condition, and every condition must be met. Names of fields and words for
conditions are in any case, values and the document's own two names are not. No clock and no form here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .errors import S3Error
from .numbers import SIZE_MAX, whole

POLICY_BYTES_MAX = 20000
"""AWS's for all that comes before the file."""
NEEDS_NO_CONDITION = frozenset(("policy", "signature", "x-amz-signature", "awsaccesskeyid", "file"))
IGNORED_PREFIX = "x-ignore-"
RANGE = "content-length-range"
_is_moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class Condition:
    """What one field must be, or begin with."""

    name: str
    value: str
    is_exact: bool

    def is_met(self, given: str) -> bool:
        """Whether a field's value is right; of types, which may be several, each."""
        if self.is_exact:
            return given == self.value
        if self.name == "content-type":
            return all(kind.strip().startswith(self.value) for kind in given.split(","))
        return given.startswith(self.value)

    def __str__(self) -> str:
        word = "eq" if self.is_exact else "starts-with"
        return json.dumps([word, f"${self.name}", self.value], ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that has been read."""

    expires: float
    conditions: tuple[Condition, ...]
    size_min: int = 0
    size_max: int | None = None

    def require(self, fields: Mapping[str, str], now: float) -> None:
        """Refuse a form that comes too late, or says what its policy does not.

        Raises:
            S3Error: AccessDenied.
        """
        if now >= self.expires:
            raise S3Error("AccessDenied", "Invalid according to Policy: Policy expired.")
        for condition in self.conditions:
            if not condition.is_met(fields.get(condition.name, "")):
                raise S3Error(
                    "AccessDenied", f"Invalid according to Policy: Policy Condition failed: {condition}"
                )
        allowed = {condition.name for condition in self.conditions} | NEEDS_NO_CONDITION
        for name in fields:
            if name not in allowed and not name.startswith(IGNORED_PREFIX):
                raise S3Error("AccessDenied", f"Invalid according to Policy: Extra input fields: {name}")


def read(text: str) -> Policy:
    """Return the policy that a form's field has.

    Raises:
        S3Error: InvalidPolicyDocument.
    """
    document = _document(text)
    if set(document) != {"expiration", "conditions"}:
        raise _invalid("it must have expiration and conditions, and nothing else")
    expiration, conditions = document["expiration"], document["conditions"]
    if not isinstance(expiration, str) or not _is_moment(expiration):
        raise _invalid("expiration must be of the form 2026-11-21T15:30:00.000Z")
    try:
        expires = datetime.fromisoformat(expiration).astimezone(UTC).timestamp()
    except (ValueError, OverflowError) as problem:
        raise _invalid("expiration is no date") from problem
    if not isinstance(conditions, list):
        raise _invalid("conditions must be a list")
    found: list[Condition] = []
    size_min, size_max = 0, None
    for each in conditions:
        if isinstance(each, list) and each and isinstance(each[0], str) and each[0].lower() == RANGE:
            size_min, size_max = _sizes(each)
        else:
            found.append(_condition(each))
    return Policy(expires, tuple(found), size_min, size_max)


def _document(text: str) -> Mapping[str, Any]:
    if len(text) > POLICY_BYTES_MAX:
        raise _invalid(f"it is longer than {POLICY_BYTES_MAX} bytes")
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
        document = json.loads(raw.decode("utf-8"))
    except (binascii.Error, ValueError, RecursionError) as problem:
        raise _invalid("it must be JSON in base64") from problem
    if not isinstance(document, dict):
        raise _invalid("it must be an object")
    return document


def _condition(each: object) -> Condition:
    if isinstance(each, dict) and len(each) == 1:
        [(name, value)] = each.items()
        return Condition(str(name).lower(), _text(value), is_exact=True)
    if isinstance(each, list) and len(each) == 3 and all(isinstance(word, str) for word in each[:2]):
        word, name, value = each
        if word.lower() in ("eq", "starts-with") and name.startswith("$"):
            return Condition(name[1:].lower(), _text(value), is_exact=word.lower() == "eq")
    raise _invalid(f"{json.dumps(each)[:200]} is no condition")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _invalid("what a field must be is a text")
    return value


def _sizes(each: list[Any]) -> tuple[int, int]:
    said = [str(n) if isinstance(n, str | int) and not isinstance(n, bool) else None for n in each[1:]]
    numbers = [number for text in said if (number := whole(text, most=SIZE_MAX)) is not None]
    if len(said) != 2 or len(numbers) != 2 or numbers[0] > numbers[1]:
        raise _invalid(f"{RANGE} has two numbers, the lower one first, and none below zero")
    return numbers[0], numbers[1]


def _invalid(what: str) -> S3Error:
    return S3Error("InvalidPolicyDocument", f"Invalid Policy: {what}.")
