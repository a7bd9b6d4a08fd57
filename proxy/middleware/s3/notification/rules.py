"""What a bucket's notification configuration says.

    <NotificationConfiguration> ──rules_of()──▶ [Rule] ──matching(rules, event, key)──▶ Rule, or None

As at AWS, two rules never want the same event of the same key, so one event goes to one target. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ..configuration import reading
from ..errors import S3Error
from ..xml import Node

ROOT = "NotificationConfiguration"
FAMILIES: Mapping[str, Sequence[str]] = {
    "ObjectCreated": ("Put", "Post", "Copy", "CompleteMultipartUpload"),
    "ObjectRemoved": ("Delete", "DeleteMarkerCreated"),
    "ObjectTagging": ("Put", "Delete"),
    "ObjectAcl": ("Put",),
    "LifecycleExpiration": ("Delete", "DeleteMarkerCreated"),
}
"""The events that there are, by what stands before their colon."""
_WORDS: Mapping[str, frozenset[str]] = {
    **{
        f"s3:{family}:*": frozenset(f"{family}:{kind}" for kind in kinds)
        for family, kinds in FAMILIES.items()
    },
    **{
        f"s3:{family}:{kind}": frozenset((f"{family}:{kind}",))
        for family, kinds in FAMILIES.items()
        for kind in kinds
    },
}
_KINDS: Mapping[str, str] = {
    "TopicConfiguration": "Topic",
    "QueueConfiguration": "Queue",
    "CloudFunctionConfiguration": "CloudFunction",
}
"""Forms of a rule, which differ in nothing but the name of the element that names the target."""
ID_MAX = 255
VALUE_BYTES_MAX = 1024
RULES_MAX = 100
_arn = re.compile(r"arn:apus:webhook:[^:]*:[^:]*:([A-Za-z0-9_.-]{1,64})").fullmatch


@dataclass(frozen=True, slots=True)
class Rule:
    """Which events of which keys go to which target."""

    id: str
    target: str
    events: frozenset[str]
    """As `ObjectCreated:Put`."""
    prefix: str = ""
    suffix: str = ""

    def wants(self, event: str, key: str) -> bool:
        """Tell whether it wants to hear of this."""
        return event in self.events and key.startswith(self.prefix) and key.endswith(self.suffix)


def matching(rules: Sequence[Rule], event: str, key: str) -> Rule | None:
    """Return the rule that wants an event of a key."""
    return next((rule for rule in rules if rule.wants(event, key)), None)


def arn_of(target: str) -> str:
    """Return the name by which configurations call a target."""
    return f"arn:apus:webhook:::{target}"


def rules_of(root: Node, targets: Collection[str] | None = None) -> Sequence[Rule]:
    """Return the rules of a document; where `targets` are given, only those may be named.

    Raises:
        S3Error: MalformedXML, InvalidArgument or NotImplemented.
    """
    if root.find("EventBridgeConfiguration") is not None:
        raise S3Error("NotImplemented", "Events go to webhooks; there is no event bus.")
    reading.only(root, _KINDS)
    if len(root.children) > RULES_MAX:
        raise S3Error("InvalidArgument", f"A bucket may have {RULES_MAX} notification configurations.")
    rules = [_rule(node) for node in root.children]
    ids = [rule.id for rule in rules if rule.id]
    if len(set(ids)) < len(ids):
        raise S3Error("InvalidArgument", "Two notification configurations have the same Id.")
    for one, other in combinations(rules, 2):
        if _overlap(one, other):
            raise S3Error(
                "InvalidArgument",
                "Configurations overlap: no two may want the same event of the same key.",
                ArgumentName="Event",
                ArgumentValue=min(one.events & other.events),
            )
    for rule in rules:
        if targets is not None and rule.target not in targets:
            raise S3Error(
                "InvalidArgument",
                "There is no such target here: its operator names them.",
                ArgumentName="Target",
                ArgumentValue=arn_of(rule.target),
            )
    return rules


def _overlap(one: Rule, other: Rule) -> bool:
    """Tell whether some event of some key would be wanted by both; as AWS judges it, whatever its length."""
    return bool(
        one.events & other.events
        and (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix))
        and (one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix))
    )


def _rule(node: Node) -> Rule:
    named = _KINDS[node.tag]
    reading.only(node, ("Id", named, "Event", "Filter"), once=("Id", named, "Filter"))
    rule_id = node.value("Id") or ""
    if len(rule_id) > ID_MAX:
        raise S3Error("InvalidArgument", f"The Id of a configuration may have {ID_MAX} characters.")
    words = [child.text for child in node.all("Event")]
    if not words:
        raise reading.malformed(f"{node.tag} has no Event")
    prefix, suffix = _filter(node.find("Filter"))
    return Rule(rule_id, _target(reading.text(node, named), named), _events(words), prefix, suffix)


def _target(arn: str, named: str) -> str:
    match = _arn(arn)
    if match is None:
        raise S3Error(
            "InvalidArgument",
            f"A target is named like {arn_of('NAME')}.",
            ArgumentName=named,
            ArgumentValue=arn,
        )
    return match[1]


def _events(words: Sequence[str]) -> frozenset[str]:
    for word in words:
        if word not in _WORDS:
            raise S3Error(
                "InvalidArgument",
                "This event is not known here.",
                ArgumentName="Event",
                ArgumentValue=word,
            )
    return frozenset().union(*(_WORDS[word] for word in words))


def _filter(node: Node | None) -> tuple[str, str]:
    """Return the beginning and the end of the keys that are meant."""
    if node is None:
        return "", ""
    reading.only(node, ("S3Key",), once=("S3Key",))
    chosen = node.find("S3Key")
    if chosen is None:
        return "", ""
    reading.only(chosen, ("FilterRule",))
    said: dict[str, str] = {}
    for each in chosen.children:
        reading.only(each, ("Name", "Value"), once=("Name", "Value"))
        name, value = (each.value("Name") or "").lower(), each.value("Value") or ""
        if name not in ("prefix", "suffix") or name in said:
            raise S3Error(
                "InvalidArgument",
                "A filter has at most one rule named prefix and one named suffix.",
                ArgumentName="FilterRule.Name",
                ArgumentValue=each.value("Name"),
            )
        if len(value.encode("utf-8", "surrogateescape")) > VALUE_BYTES_MAX:
            raise S3Error("InvalidArgument", f"A filter may have {VALUE_BYTES_MAX} bytes.")
        said[name] = value
    return said.get("prefix", ""), said.get("suffix", "")
