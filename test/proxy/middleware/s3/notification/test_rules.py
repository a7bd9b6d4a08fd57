"""What a bucket's notification configuration may say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.notification.rules import FAMILIES, arn_of, matching, rules_of
from apus.proxy.middleware.s3.xml import Node, read

KEYS = st.text(alphabet="ab/", max_size=4)


def topic(
    *events: str, arn: str = arn_of("one"), rule_id: str = "", tag: str = "Topic", **filters: str
) -> str:
    """Return one configuration."""
    said = "".join(
        f"<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>"
        for name, value in filters.items()
    )
    chosen = f"<Filter><S3Key>{said}</S3Key></Filter>" if filters else ""
    wanted = "".join(f"<Event>{event}</Event>" for event in events)
    named = f"<Id>{rule_id}</Id>" if rule_id else ""
    return f"<{tag}Configuration>{named}<{tag}>{arn}</{tag}>{wanted}{chosen}</{tag}Configuration>"


def document(*configurations: str) -> Node:
    """Return a whole document."""
    return read(f"<NotificationConfiguration>{''.join(configurations)}</NotificationConfiguration>".encode())


def refusal(*configurations: str) -> str:
    """Return the code of a refusal."""
    with pytest.raises(S3Error) as caught:
        rules_of(document(*configurations), {"one", "two"})
    return caught.value.code


@pytest.mark.parametrize("tag", ["Topic", "Queue", "CloudFunction"])
def test_the_three_kinds_are_one(tag: str) -> None:
    """A webhook may be called a topic, a queue or a function."""
    (rule,) = rules_of(document(topic("s3:ObjectCreated:Put", tag=tag, Prefix="a/", suffix=".b")), {"one"})
    assert (rule.target, rule.prefix, rule.suffix) == ("one", "a/", ".b")
    assert rule.events == {"ObjectCreated:Put"}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_star_is_all_of_a_family(family: str) -> None:
    """And of no other one."""
    (rule,) = rules_of(document(topic(f"s3:{family}:*")))
    assert rule.events == {f"{family}:{kind}" for kind in FAMILIES[family]}


@pytest.mark.parametrize(
    ("configurations", "code"),
    [
        ((topic("s3:ObjectCreated:Putt"),), "InvalidArgument"),
        ((topic("s3:*"),), "InvalidArgument"),
        ((topic("s3:ObjectCreated:*", arn="arn:aws:sns:us-east-1:1:one"),), "InvalidArgument"),
        ((topic("s3:ObjectCreated:*", arn="http://169.254.169.254/"),), "InvalidArgument"),
        ((topic("s3:ObjectCreated:*", arn=arn_of("three")),), "InvalidArgument"),
        ((topic(),), "MalformedXML"),
        ((topic("s3:ObjectCreated:*", infix="a"),), "InvalidArgument"),
        ((topic("s3:ObjectCreated:*", prefix="a", Prefix="b"),), "InvalidArgument"),
        ((topic("s3:ObjectCreated:*", prefix="a" * 1025),), "InvalidArgument"),
        ((topic("s3:ObjectCreated:*", rule_id="x" * 256),), "InvalidArgument"),
        (
            (topic("s3:ObjectCreated:*", rule_id="x"), topic("s3:ObjectRemoved:*", rule_id="x")),
            "InvalidArgument",
        ),
        (
            (topic("s3:ObjectCreated:*"), topic("s3:ObjectCreated:Put", arn=arn_of("two"))),
            "InvalidArgument",
        ),
        (("<TopicConfiguration/>",), "MalformedXML"),
        (("<Odd/>",), "MalformedXML"),
        (("<EventBridgeConfiguration/>",), "NotImplemented"),
    ],
)
def test_what_is_refused(configurations: tuple[str, ...], code: str) -> None:
    """By AWS's codes; what no target could be told of is never kept."""
    assert refusal(*configurations) == code


@given(st.lists(st.tuples(KEYS, KEYS), min_size=2, max_size=3), KEYS)
def test_one_event_goes_to_one_target(filters: list[tuple[str, str]], key: str) -> None:
    """Configurations of which two would want the same event of a key are refused."""
    configurations = [topic("s3:ObjectCreated:*", prefix=prefix, suffix=suffix) for prefix, suffix in filters]
    try:
        rules = rules_of(document(*configurations))
    except S3Error:
        return
    assert sum(rule.wants("ObjectCreated:Put", key) for rule in rules) <= 1


@given(KEYS, KEYS, KEYS)
def test_a_filter_is_about_both_ends(prefix: str, suffix: str, key: str) -> None:
    """Of the key as it is."""
    rules = rules_of(document(topic("s3:ObjectRemoved:Delete", prefix=prefix, suffix=suffix)))
    wanted = matching(rules, "ObjectRemoved:Delete", key) is not None
    assert wanted == (key.startswith(prefix) and key.endswith(suffix))
    assert matching(rules, "ObjectCreated:Put", key) is None


TAGS = st.sampled_from(
    ("TopicConfiguration", "Topic", "Id", "Event", "Filter", "S3Key", "FilterRule", "Name", "Value", "Queue")
)
TEXTS = st.sampled_from(("", "a", "prefix", "s3:ObjectCreated:*", arn_of("one")))
NODES = st.recursive(
    st.builds(Node, TAGS, TEXTS),
    lambda inner: st.builds(Node, TAGS, TEXTS, st.lists(inner, max_size=4)),
    max_leaves=12,
)


@given(st.lists(NODES, max_size=3))
def test_any_document_is_read_or_refused(nodes: list[Node]) -> None:
    """Nothing else comes of whatever clients send."""
    status = 200
    try:
        rules_of(Node("NotificationConfiguration", children=nodes), {"one"})
    except S3Error as error:
        status = error.status
    assert status in (200, 400, 501)
