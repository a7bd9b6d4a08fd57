"""Bucket policies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.configuration.policy import BadPolicy, Policy, Question, Ruling, policy_of

ALLOW, DENY, SILENT = Ruling.ALLOW, Ruling.DENY, Ruling.SILENT
JOE = frozenset(("test", "test:joe"))


def statement(**said: Any) -> dict[str, Any]:
    """Return a statement: everybody may get everything, but for what is said."""
    usual = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
    merged = {**usual, **said}
    for name in ("Principal", "Action", "Resource"):
        if f"Not{name}" in said:
            del merged[name]
    return merged


def policy(*statements: dict[str, Any], version: str = "2012-10-17") -> Policy:
    """Return a policy of the bucket b."""
    return policy_of(json.dumps({"Version": version, "Statement": statements}), "b")


def ask(
    judged: Policy,
    action: str = "s3:GetObject",
    key: str | None = "k",
    names: frozenset[str] = frozenset(),
    facts: Mapping[str, str] | None = None,
    **more: str,
) -> Ruling:
    """Return what a policy says; `aws_SourceIp` is the key aws:sourceip."""
    known = {name.replace("_", ":", 1).lower(): value for name, value in {**(facts or {}), **more}.items()}
    return judged.judge(Question(action, "b", key, names, lambda name: values_of(known, name)))


def values_of(known: Mapping[str, str], name: str) -> Sequence[str]:
    return (known[name],) if name in known else ()


def test_deny_wins_over_every_allow() -> None:
    """In whichever order they stand."""
    both = [statement(), statement(Effect="Deny", Resource="arn:aws:s3:::b/secret*")]
    for order in (both, both[::-1]):
        judged = policy(*order)
        assert ask(judged, key="secret1") is DENY
        assert ask(judged, key="k") is ALLOW
        assert ask(judged, "s3:PutObject") is SILENT


def test_a_bucket_is_not_its_objects() -> None:
    """ListBucket is about the bucket's ARN, GetObject about the objects'."""
    judged = policy(statement(Action="s3:*"))
    assert ask(judged, "s3:ListBucket", None) is SILENT
    judged = policy(statement(Action="s3:ListBucket", Resource="arn:aws:s3:::b"))
    assert ask(judged, "s3:ListBucket", None) is ALLOW


@pytest.mark.parametrize("action", ["s3:get*", "S3:GetObject", "*", ["s3:PutObject", "s3:G?tObject"]])
def test_actions_have_wildcards_and_no_case(action: Any) -> None:
    """As IAM has it."""
    assert ask(policy(statement(Action=action))) is ALLOW


def test_what_is_named_by_its_negation() -> None:
    """NotAction, NotResource and NotPrincipal are everything else."""
    assert ask(policy(statement(NotAction="s3:Put*"))) is ALLOW
    assert ask(policy(statement(NotAction="s3:Get*"))) is SILENT
    assert ask(policy(statement(NotResource="arn:aws:s3:::b/x*")), key="k") is ALLOW
    others = policy(statement(Effect="Deny", NotPrincipal={"AWS": "test:joe"}))
    assert ask(others, names=JOE) is SILENT
    assert ask(others) is DENY


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": "test:joe"},
        {"AWS": ["other", "test"]},
        {"AWS": "arn:aws:iam::test:root"},
        {"AWS": "arn:aws:iam::test:user/joe"},
        {"AWS": "arn:aws:iam:::user/test:joe"},
        {"CanonicalUser": "test:joe"},
        {"AWS": "*"},
    ],
)
def test_who_is_meant(principal: Any) -> None:
    """Accounts and users, by name or by ARN."""
    judged = policy(statement(Principal=principal))
    assert ask(judged, names=JOE) is ALLOW
    if principal != {"AWS": "*"}:
        assert ask(judged, names=frozenset(("elsewhere",))) is SILENT
        assert ask(judged) is SILENT


CONDITIONS: list[tuple[Any, dict[str, str], bool]] = [
    ({"StringEquals": {"s3:prefix": ["a", "b"]}}, {"s3_prefix": "b"}, True),
    ({"StringEquals": {"s3:prefix": "a"}}, {}, False),
    ({"StringNotEquals": {"s3:prefix": "a"}}, {}, True),
    ({"StringNotEquals": {"s3:prefix": ["a", "b"]}}, {"s3_prefix": "b"}, False),
    ({"StringEqualsIfExists": {"s3:prefix": "a"}}, {}, True),
    ({"StringEqualsIfExists": {"s3:prefix": "a"}}, {"s3_prefix": "b"}, False),
    ({"StringLike": {"aws:Referer": "http://*.example/*"}}, {"aws_referer": "http://a.example/x"}, True),
    ({"StringNotLike": {"aws:Referer": "http://a*"}}, {"aws_referer": "http://a"}, False),
    ({"StringEqualsIgnoreCase": {"aws:UserAgent": "CURL"}}, {"aws_useragent": "curl"}, True),
    ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws_sourceip": "10.1.2.3"}, True),
    ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws_sourceip": "::ffff:10.1.2.3"}, True),
    ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws_sourceip": "11.1.2.3"}, False),
    ({"NotIpAddress": {"aws:SourceIp": "2001:db8::/32"}}, {"aws_sourceip": "2001:db9::1"}, True),
    ({"Bool": {"aws:SecureTransport": False}}, {"aws_securetransport": "false"}, True),
    ({"Bool": {"aws:SecureTransport": "true"}}, {"aws_securetransport": "false"}, False),
    ({"NumericLessThanEquals": {"s3:max-keys": 10}}, {"s3_max-keys": "10"}, True),
    ({"NumericGreaterThan": {"s3:max-keys": 10}}, {"s3_max-keys": "10"}, False),
    ({"NumericLessThan": {"s3:max-keys": 10}}, {"s3_max-keys": "x"}, False),
    ({"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}, {"aws_currenttime": "2026-01-01"}, True),
    ({"Null": {"s3:x-amz-acl": "true"}}, {}, True),
    ({"Null": {"s3:x-amz-acl": "false"}}, {}, False),
    ({"StringEquals": {"s3:ExistingObjectTag/Ab": "1"}}, {"s3_existingobjecttag/Ab": "1"}, False),
    ({"ForAllValues:StringEquals": {"s3:prefix": "a"}}, {}, True),
    ({"ForAnyValue:StringEquals": {"s3:prefix": "a"}}, {}, False),
    ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::t:*"}}, {"aws_principalarn": "arn:aws:iam::t:x"}, True),
]


@pytest.mark.parametrize(("condition", "facts", "holds"), CONDITIONS)
def test_conditions(condition: Any, facts: dict[str, str], holds: bool) -> None:
    """Each operator, with and without the thing that it asks for; a tag's key keeps its case."""
    assert (ask(policy(statement(Condition=condition)), facts=facts) is ALLOW) == holds


def test_all_conditions_must_hold() -> None:
    """Of all operators and keys."""
    condition = {
        "StringEquals": {"s3:prefix": "a", "s3:delimiter": "/"},
        "Bool": {"aws:SecureTransport": "true"},
    }
    judged = policy(statement(Condition=condition))
    assert ask(judged, s3_prefix="a", s3_delimiter="/", aws_securetransport="true") is ALLOW
    assert ask(judged, s3_prefix="a", s3_delimiter="/") is SILENT
    assert ask(judged, s3_prefix="a", aws_securetransport="true") is SILENT


def test_variables_are_of_the_newer_version_only() -> None:
    """And what a caller says of themselves is no pattern."""
    home = statement(Resource="arn:aws:s3:::b/${aws:username}/*")
    assert ask(policy(home), key="joe/k", aws_username="joe") is ALLOW
    assert ask(policy(home), key="ann/k", aws_username="joe") is SILENT
    assert ask(policy(home), key="ann/k", aws_username="*") is SILENT
    assert ask(policy(home), key="ann/k") is SILENT
    assert ask(policy(home, version="2008-10-17"), key="joe/k", aws_username="joe") is SILENT


@pytest.mark.parametrize(
    ("said", "is_public"),
    [
        ({}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": "test"}}, False),
        ({"Effect": "Deny"}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/32"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, True),
        ({"Condition": {"StringEquals": {"aws:username": "joe"}}}, False),
        ({"Condition": {"StringLike": {"aws:username": "*"}}}, True),
        ({"Condition": {"StringNotEquals": {"aws:username": "joe"}}}, True),
    ],
)
def test_what_is_public(said: dict[str, Any], is_public: bool) -> None:
    """What lets in people whom the owner cannot have meant."""
    assert policy(statement(**said)).is_public == is_public


BAD: list[Any] = [
    "",
    "[]",
    "{}",
    '{"Version": "2012-10-17", "Version": "2008-10-17", "Statement": []}',
    {"Version": "2030-01-01", "Statement": statement()},
    {"Statement": []},
    {"Statement": "x"},
    {"Statement": ["x"]},
    {"Statement": statement(), "Odd": 1},
    {"Statement": statement(Odd=1)},
    {"Statement": statement(Effect="allow")},
    {"Statement": statement(Principal="joe")},
    {"Statement": statement(Principal={})},
    {"Statement": statement(Principal={"Service": "x"})},
    {"Statement": statement(Principal={"AWS": "arn:aws:iam::t:role/r"})},
    {"Statement": statement(Principal={"AWS": [1]})},
    {"Statement": {**statement(), "NotAction": "s3:*"}},
    {"Statement": statement(NotPrincipal={"AWS": "t"})},
    {"Statement": statement(Action="ec2:Run")},
    {"Statement": statement(Action=[])},
    {"Statement": statement(Resource="arn:aws:s3:::other/*")},
    {"Statement": statement(Resource="b/*")},
    {"Statement": statement(Condition=[])},
    {"Statement": statement(Condition={"StringEquals": {"aws:MultiFactorAuthAge": "1"}})},
    {"Statement": statement(Condition={"StringOdd": {"s3:prefix": "1"}})},
    {"Statement": statement(Condition={"NumericEquals": {"s3:max-keys": "x"}})},
    {"Statement": statement(Condition={"IpAddress": {"aws:SourceIp": "x"}})},
    {"Statement": statement(Condition={"Bool": {"aws:SecureTransport": "maybe"}})},
    {"Statement": statement(Condition={"DateEquals": {"aws:CurrentTime": "soon"}})},
    {"Statement": statement(Condition={"StringEquals": {"s3:prefix": []}})},
    {"Statement": statement(Condition={"StringEquals": {"s3:prefix": {"a": 1}}})},
    {"Statement": statement(Resource="arn:aws:s3:::b/${aws:odd}/*")},
]


@pytest.mark.parametrize("document", BAD)
def test_what_is_not_understood_is_refused(document: Any) -> None:
    """No policy is ever judged by half of what it says."""
    text = document if isinstance(document, str) else json.dumps({"Version": "2012-10-17", **document})
    with pytest.raises(BadPolicy):
        policy_of(text, "b")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Version",
                    "Statement",
                    "Effect",
                    "Principal",
                    "Action",
                    "Resource",
                    "Condition",
                    "AWS",
                    "Bool",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_nothing_else_is_raised(document: Any) -> None:
    """Whatever is sent."""
    try:
        policy_of(json.dumps(document), "b")
    except BadPolicy:
        pass


ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:ListBucket")
PATTERNS = {
    "arn:aws:s3:::b": re.compile(r"arn:aws:s3:::b\Z"),
    "arn:aws:s3:::b/*": re.compile(r"arn:aws:s3:::b/.*\Z", re.DOTALL),
    "arn:aws:s3:::b/a?": re.compile(r"arn:aws:s3:::b/a.\Z", re.DOTALL),
    "arn:aws:s3:::b/*b*/c": re.compile(r"arn:aws:s3:::b/.*b.*/c\Z", re.DOTALL),
    "*": re.compile(r".*", re.DOTALL),
}
NAMES = ("test", "test:joe", "other")
Sets = tuple[bool, str, bool, list[str], bool, list[str], str | None]
"""Effect, whom, which actions and resources, or which not; and the prefix that is wanted."""
SETS = st.tuples(
    st.booleans(),
    st.sampled_from((*NAMES, "*")),
    st.booleans(),
    st.lists(st.sampled_from((*ACTIONS, "s3:Get*", "*")), min_size=1, max_size=2),
    st.booleans(),
    st.lists(st.sampled_from(sorted(PATTERNS)), min_size=1, max_size=2),
    st.sampled_from((None, "x", "y")),
)


def written(sets: Sets) -> dict[str, Any]:
    """Return the statement that says it."""
    allows, who, not_actions, actions, not_resources, resources, prefix = sets
    said = {
        "Effect": "Allow" if allows else "Deny",
        "Principal": "*" if who == "*" else {"AWS": who},
        "NotAction" if not_actions else "Action": actions,
        "NotResource" if not_resources else "Resource": resources,
    }
    return said if prefix is None else {**said, "Condition": {"StringEquals": {"s3:prefix": prefix}}}


def includes(sets: Sets, action: str, resource: str, names: frozenset[str], said: str | None) -> bool:
    """Tell whether a statement is about a request, by looking at each set alone."""
    _, who, not_actions, actions, not_resources, resources, prefix = sets
    is_action = any(word in (action, "*") or (word == "s3:Get*" and "Get" in action) for word in actions)
    is_resource = any(PATTERNS[pattern].match(resource) for pattern in resources)
    return (
        (who == "*" or who in names)
        and is_action != not_actions
        and is_resource != not_resources
        and prefix in (None, said)
    )


@given(
    st.lists(SETS, min_size=1, max_size=4),
    st.sampled_from(ACTIONS),
    st.sampled_from((None, "a", "ab", "xb/c", "a\n", "b/b/c", "")),
    st.frozensets(st.sampled_from(NAMES)),
    st.sampled_from((None, "x", "y")),
)
def test_trap_78_the_evaluator_agrees_with_a_model(
    many: list[Sets], action: str, key: str | None, names: frozenset[str], said: str | None
) -> None:
    """Of sets: any Deny that is about it, else any Allow, else nothing."""
    judged = policy(*map(written, many))
    resource = "arn:aws:s3:::b" if key is None else f"arn:aws:s3:::b/{key}"
    about = [sets[0] for sets in many if includes(sets, action, resource, names, said)]
    expected = SILENT if not about else ALLOW if all(about) else DENY
    facts = {} if said is None else {"s3_prefix": said}
    assert ask(judged, action, key, names, facts) is expected


def test_deep_and_long_documents_are_refused() -> None:
    """Before they take time or memory."""
    for text in ("[" * 100_000, " " * 30_000 + "{}"):
        with pytest.raises(BadPolicy):
            policy_of(text, "b")
