"""The conditions of a bucket policy: which operators there are, and when they hold.

    {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}} ──conditions_of()──▶ Condition ──holds(facts)──▶ True, False

Operators and keys that are not known are refused when a policy is set, so that no policy is ever judged by
half of what it says. Pure: what is true of a request comes in as `facts`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .wildcards import matches

Facts = Callable[[str], Sequence[str]]
"""Values of a key, which is in lower case but for a tag's own; none where the request has no such thing."""
KEYS = frozenset(
    (
        "aws:currenttime",
        "aws:epochtime",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:referer",
        "aws:securetransport",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:useragent",
        "aws:userid",
        "aws:username",
        "s3:delimiter",
        "s3:max-keys",
        "s3:prefix",
        "s3:versionid",
        "s3:x-amz-acl",
        "s3:x-amz-content-sha256",
        "s3:x-amz-copy-source",
        "s3:x-amz-grant-full-control",
        "s3:x-amz-grant-read",
        "s3:x-amz-grant-read-acp",
        "s3:x-amz-grant-write",
        "s3:x-amz-grant-write-acp",
        "s3:x-amz-metadata-directive",
        "s3:x-amz-server-side-encryption",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "s3:x-amz-storage-class",
    )
)
TAG_KEYS = ("s3:existingobjecttag/", "s3:requestobjecttag/")


class Unknown(ValueError):
    """A condition that is not part of what is understood, or makes no sense."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key."""

    key: str
    wanted: tuple[str, ...]
    compare: Callable[[str, str], bool]
    """Of the request's value and one that is wanted."""
    is_negated: bool = False
    if_exists: bool = False
    quantifier: str = ""
    """`forallvalues`, `foranyvalue`, or nothing."""
    is_null: bool = False

    def holds(self, facts: Facts) -> bool:
        """Tell whether it is so of this request."""
        values = facts(self.key)
        if self.is_null:
            return bool(values) != (self.wanted[0].lower() == "true")
        if not values:
            # What is not there differs from everything: the negated operators hold, as AWS has it.
            return self.if_exists or self.is_negated or self.quantifier == "forallvalues"
        outcomes = (self._holds_of(value) for value in values)
        return all(outcomes) if self.quantifier == "forallvalues" or self._wants_all else any(outcomes)

    @property
    def _wants_all(self) -> bool:
        return self.is_negated and not self.quantifier

    def _holds_of(self, value: str) -> bool:
        return any(self.compare(value, wanted) for wanted in self.wanted) != self.is_negated


def conditions_of(block: object) -> tuple[Condition, ...]:
    """Return the conditions of a statement, all of which must hold.

    Raises:
        Unknown: for what is not understood.
    """
    if not isinstance(block, dict):
        raise Unknown("Condition must be an object")
    found = []
    for operator, keys in block.items():
        if not isinstance(keys, dict) or not keys:
            raise Unknown(f"Condition {operator} must name keys")
        found += [_condition(operator, key, values) for key, values in keys.items()]
    return tuple(found)


def _condition(operator: str, key: str, values: object) -> Condition:
    name = operator.lower()
    quantifier, colon, rest = name.partition(":")
    if colon and quantifier in ("forallvalues", "foranyvalue"):
        name = rest
    else:
        quantifier = ""
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    wanted = _texts(values)
    if not wanted:
        raise Unknown(f"Condition {operator} of {key} has no value")
    known = _known_key(key)
    if name == "null":
        if if_exists or wanted[0].lower() not in ("true", "false"):
            raise Unknown("Condition Null takes true or false")
        return Condition(known, wanted, _equal, is_null=True)
    is_negated = name in _NEGATED
    kind = _OPERATORS.get(_NEGATED.get(name, name))
    if kind is None:
        raise Unknown(f"Condition {operator} is not known")
    compare, check = kind
    for text in wanted:
        try:
            check(text)
        except ValueError as problem:
            raise Unknown(f"Condition {operator} cannot compare with {text!r}") from problem
    return Condition(known, wanted, compare, is_negated, if_exists, quantifier)


def _known_key(key: str) -> str:
    lower = key.lower()
    if lower in KEYS:
        return lower
    for start in TAG_KEYS:
        if lower.startswith(start) and len(lower) > len(start):
            return start + key[len(start) :]
    raise Unknown(f"Condition key {key} is not known")


def _texts(values: object) -> tuple[str, ...]:
    many = values if isinstance(values, list) else [values]
    texts = []
    for value in many:
        if isinstance(value, bool):
            texts.append("true" if value else "false")
        elif isinstance(value, str | int | float):
            texts.append(str(value))
        else:
            raise Unknown("values of conditions must be texts, numbers or booleans")
    return tuple(texts)


# --- operators -------------------------------------------------------------------------------


def _equal(value: str, wanted: str) -> bool:
    return value == wanted


def _like(value: str, wanted: str) -> bool:
    return matches(wanted, value)


def _moment(text: str) -> float:
    """Return the seconds of a moment, in ISO 8601 or as a number."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _in_network(value: str, wanted: str) -> bool:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address) in ipaddress.ip_network(wanted, strict=False)


def _ordered(
    read: Callable[[str], float], decide: Callable[[float, float], bool]
) -> Callable[[str, str], bool]:
    """Return the comparison of two numbers or moments; of what is none, nothing holds."""

    def compare(value: str, wanted: str) -> bool:
        try:
            return decide(read(value), read(wanted))
        except ValueError:
            return False

    return compare


def _orders(
    prefix: str, read: Callable[[str], float]
) -> dict[str, tuple[Callable[[str, str], bool], Callable[[str], Any]]]:
    decisions: dict[str, Callable[[float, float], bool]] = {
        "equals": lambda value, wanted: value == wanted,
        "lessthan": lambda value, wanted: value < wanted,
        "lessthanequals": lambda value, wanted: value <= wanted,
        "greaterthan": lambda value, wanted: value > wanted,
        "greaterthanequals": lambda value, wanted: value >= wanted,
    }
    return {prefix + name: (_ordered(read, decide), read) for name, decide in decisions.items()}


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


_OPERATORS: Mapping[str, tuple[Callable[[str, str], bool], Callable[[str], Any]]] = {
    "stringequals": (_equal, str),
    "stringequalsignorecase": (lambda value, wanted: value.casefold() == wanted.casefold(), str),
    "stringlike": (_like, str),
    "arnequals": (_like, str),
    "arnlike": (_like, str),
    "bool": (lambda value, wanted: value.lower() == wanted.lower(), _boolean),
    "ipaddress": (_in_network, lambda text: ipaddress.ip_network(text, strict=False)),
    **_orders("numeric", float),
    **_orders("date", _moment),
}
"""How a request's value is compared, and what refuses a wanted value that can't be."""
_NEGATED: Mapping[str, str] = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
    "notipaddress": "ipaddress",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
}
