"""Bucket policies: who may do what, as the bucket's owner has written it.

    JSON ──policy_of(text, bucket)──▶ Policy ──judge(question)──▶ DENY | ALLOW | SILENT

A Deny that applies wins over every Allow; where no statement applies the ACLs decide. What AWS knows and
this doesn't is refused when a policy is set: it is never skipped. Pure.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .policy_conditions import KEYS, Condition, Facts, Unknown, conditions_of
from .text_memory import remembered
from .wildcards import matches

BYTES_MAX = 20 * 1024  # AWS's bound.
VERSIONS = ("2012-10-17", "2008-10-17")
ARN = "arn:aws:s3:::"
ANYBODY = "*"
LOG_DELIVERY = ".service/logging.s3.amazonaws.com"
"""What writes access logs, as a name that no caller has."""
_SERVICES = {"logging.s3.amazonaws.com": LOG_DELIVERY}
_STATEMENT_KEYS = frozenset(
    (
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    )
)
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_WILD = re.compile(r"[*?]")
_CHARACTERS_MAX = 8 << 20  # Of policies, per process; each has 20 KiB at most.


class Ruling(enum.Enum):
    """What a policy says of a request."""

    DENY = "may not, whatever else allows it"
    ALLOW = "may"
    SILENT = "nothing: ACLs decide"


class BadPolicy(ValueError):
    """The policy cannot be read, or says something that is not understood."""


@dataclass(frozen=True, slots=True)
class Question:
    """Who wants to do what."""

    action: str
    """As `s3:GetObject`."""
    bucket: str
    key: str | None
    names: frozenset[str]
    """What the caller goes by: account, account and user; nothing for nobody known."""
    facts: Facts

    @property
    def resource(self) -> str:
        """Return the bucket's or the object's ARN."""
        return f"{ARN}{self.bucket}" if self.key is None else f"{ARN}{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement."""

    allows: bool
    principals: tuple[str, ...]
    not_principals: bool
    actions: tuple[str, ...]
    not_actions: bool
    resources: tuple[str, ...]
    not_resources: bool
    conditions: tuple[Condition, ...]
    has_variables: bool

    def applies(self, question: Question) -> bool:
        """Tell whether it is about this."""
        return (
            self._is_about_action(question.action.lower())
            and self._is_about_caller(question.names)
            and self._is_about_resource(question)
            and all(self._filled(each, question).holds(question.facts) for each in self.conditions)
        )

    def _is_about_action(self, action: str) -> bool:
        return any(matches(pattern, action) for pattern in self.actions) != self.not_actions

    def _is_about_caller(self, names: frozenset[str]) -> bool:
        found = any(name == ANYBODY or name in names for name in self.principals)
        return found != self.not_principals

    def _is_about_resource(self, question: Question) -> bool:
        resource = question.resource
        patterns: Iterable[str] = self.resources
        if self.has_variables:
            filled = (_substituted(pattern, question) for pattern in patterns)
            patterns = [pattern for pattern in filled if pattern is not None]
        return any(matches(pattern, resource) for pattern in patterns) != self.not_resources

    def _filled(self, condition: Condition, question: Question) -> Condition:
        if not self.has_variables or not any("${" in text for text in condition.wanted):
            return condition
        filled = (_substituted(text, question) for text in condition.wanted)
        wanted = tuple(text for text in filled if text is not None)
        return Condition(
            condition.key,
            wanted,
            condition.compare,
            condition.is_negated,
            condition.if_exists,
            condition.quantifier,
            condition.is_null,
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """A bucket's policy."""

    statements: tuple[Statement, ...]

    def judge(self, question: Question) -> Ruling:
        """Return what it says of this."""
        ruling = Ruling.SILENT
        for statement in self.statements:
            if (statement.allows and ruling is Ruling.ALLOW) or not statement.applies(question):
                continue
            if not statement.allows:
                return Ruling.DENY
            ruling = Ruling.ALLOW
        return ruling

    @property
    def is_public(self) -> bool:
        """Tell whether it lets anybody in, from anywhere."""
        return any(_is_public(statement) for statement in self.statements)


def _is_public(statement: Statement) -> bool:
    anybody = ANYBODY in statement.principals or statement.not_principals
    return statement.allows and anybody and not any(map(_confines, statement.conditions))


def _confines(condition: Condition) -> bool:
    """Tell whether a condition leaves only callers whom the owner could name."""
    if condition.is_negated or condition.is_null or condition.if_exists:
        return False
    if condition.key == "aws:sourceip":
        return not any(text.endswith("/0") for text in condition.wanted)
    fixed = ("aws:principalaccount", "aws:principalarn", "aws:userid", "aws:username")
    return condition.key in fixed and not any("*" in text for text in condition.wanted)


def _substituted(pattern: str, question: Question) -> str | None:
    """Return a text with its variables filled in, None where the request has no such thing."""
    missing = []

    def value(match: re.Match[str]) -> str:
        values = question.facts(match[1].lower())
        if len(values) == 1 and not _WILD.search(values[0]):  # Or who asks would choose a pattern.
            return values[0]
        missing.append(match[1])
        return ""

    filled = _VARIABLE.sub(value, pattern)
    return None if missing else filled


# --- reading ---------------------------------------------------------------------------------


@remembered(_CHARACTERS_MAX)
def policy_of(text: str, bucket: str) -> Policy:
    """Return the policy that a bucket's owner has written.

    Raises:
        BadPolicy: for what is none, or says what is not understood.
    """
    if len(text.encode("utf-8", "surrogateescape")) > BYTES_MAX:
        raise BadPolicy(f"the policy is longer than {BYTES_MAX} bytes")
    try:
        document = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as problem:
        raise BadPolicy(f"the policy is not valid JSON: {problem}") from problem
    if not isinstance(document, dict):
        raise BadPolicy("the policy is not a JSON object")
    unknown = document.keys() - {"Version", "Id", "Statement"}
    if unknown:
        raise BadPolicy(f"the policy has an unknown element {min(unknown)}")
    version = document.get("Version", VERSIONS[1])
    if version not in VERSIONS:
        raise BadPolicy(f"the policy's Version must be one of {', '.join(VERSIONS)}")
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise BadPolicy("the policy has no Statement")
    return Policy(tuple(_statement(each, bucket, version) for each in statements))


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object's pairs; of two by one name, readers might see different ones."""
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("an element is given twice")
    return names


def _statement(said: object, bucket: str, version: str) -> Statement:
    if not isinstance(said, dict):
        raise BadPolicy("a statement is not an object")
    unknown = said.keys() - _STATEMENT_KEYS
    if unknown:
        raise BadPolicy(f"a statement has an unknown element {min(unknown)}")
    if said.get("Effect") not in ("Allow", "Deny"):
        raise BadPolicy("a statement's Effect must be Allow or Deny")
    principals, not_principals = _either(said, "Principal")
    actions, not_actions = _either(said, "Action")
    resources, not_resources = _either(said, "Resource")
    if not_principals and said["Effect"] == "Allow":
        raise BadPolicy("NotPrincipal cannot be used with Allow")
    try:
        conditions = conditions_of(said["Condition"]) if "Condition" in said else ()
    except Unknown as problem:
        raise BadPolicy(str(problem)) from problem
    patterns = tuple(_texts(resources, "Resource"))
    for pattern in patterns:
        _check_resource(pattern, bucket)
    words = tuple(action.lower() for action in _texts(actions, "Action"))
    for word in words:
        if word != "*" and not word.startswith("s3:"):
            raise BadPolicy(f"the action {word} is none of s3")
    wanted = [text for condition in conditions for text in condition.wanted]
    for variable in _VARIABLE.findall("\n".join((*patterns, *wanted))):
        if variable.lower() not in KEYS:
            raise BadPolicy(f"the variable {variable} is not known")
    return Statement(
        allows=said["Effect"] == "Allow",
        principals=tuple(_principals(principals)),
        not_principals=not_principals,
        actions=words,
        not_actions=not_actions,
        resources=patterns,
        not_resources=not_resources,
        conditions=conditions,
        has_variables=version == VERSIONS[0] and any("${" in text for text in (*patterns, *wanted)),
    )


def _either(said: dict[str, object], name: str) -> tuple[object, bool]:
    """Return the value of an element or of its negation, and whether it was the negation."""
    if (name in said) == (f"Not{name}" in said):
        raise BadPolicy(f"a statement must have either {name} or Not{name}")
    return (said[name], False) if name in said else (said[f"Not{name}"], True)


def _texts(values: object, name: str) -> list[str]:
    many = values if isinstance(values, list) else [values]
    texts = [value for value in many if isinstance(value, str) and value]
    if not texts or len(texts) < len(many):
        raise BadPolicy(f"{name} must be a text or a list of texts")
    return texts


def _check_resource(pattern: str, bucket: str) -> None:
    """Refuse a resource that can be nothing in this bucket."""
    if pattern == "*":
        return
    named = pattern.removeprefix(ARN).split("/", 1)[0]
    if not pattern.startswith(ARN) or not (matches(named, bucket) or "${" in named):
        raise BadPolicy(f"the resource {pattern} is none of this bucket")


def _principals(said: object) -> list[str]:
    """Return the callers that a statement names, each as it is compared with what callers go by."""
    if said == ANYBODY:
        return [ANYBODY]
    if not isinstance(said, dict) or not said:
        raise BadPolicy("Principal must be * or an object")
    found = []
    for kind, values in said.items():
        if kind not in ("AWS", "CanonicalUser", "Service"):
            raise BadPolicy(f"principals of the kind {kind} are not known")
        read = _service if kind == "Service" else _principal
        found += [read(value) for value in _texts(values, "Principal")]
    return found


def _service(value: str) -> str:
    """Return the name of a service that there is."""
    if value not in _SERVICES:
        raise BadPolicy(f"the service {value} is not known")
    return _SERVICES[value]


def _principal(value: str) -> str:
    """Return a name for an ARN: `arn:aws:iam::ACCOUNT:root` is the account, `…:user/NAME` the user.

    Without an account the user's name is the whole one, as Ceph has it.
    """
    if not value.startswith("arn:"):
        return value
    pieces = value.split(":", 5)
    if len(pieces) == 6 and pieces[1:4] == ["aws", "iam", ""]:
        account, name = pieces[4:]
        user = name.removeprefix("user/")
        if name == "root" and account:
            return account
        if user and user != name and "*" not in user:
            return f"{account}:{user}" if account else user
    raise BadPolicy(f"the principal {value} is not known")
