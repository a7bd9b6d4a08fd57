"""Lifecycle rules: what is to become of an object, a version or an upload when it gets older.

    <LifecycleConfiguration> ──rules_of()──▶ Rule, Rule, …
    rules, object, now ──verdict_on_current(), is_noncurrent_due(), is_upload_due()──▶ what is due

Days are counted from the midnight (UTC) that follows the moment, as AWS does. Transitions to other storage
classes are refused, as there are none. Pure: the daemon that obeys is bin/lifecycle.py.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from ..errors import S3Error
from ..xml import Node
from . import reading
from .reading import malformed

RULES_MAX = 1000
ID_MAX = 255
DAY_SECONDS = 86400
_RULE_TAGS = frozenset(
    (
        "ID",
        "Status",
        "Prefix",
        "Filter",
        "Expiration",
        "NoncurrentVersionExpiration",
        "AbortIncompleteMultipartUpload",
        "Transition",
        "NoncurrentVersionTransition",
    )
)
_FILTER_TAGS = frozenset(("Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which objects a rule is about."""

    prefix: str = ""
    tags: frozenset[tuple[str, str]] = frozenset()
    larger_than: int | None = None
    smaller_than: int | None = None

    def takes(self, name: str, size: int, tags: Mapping[str, str]) -> bool:
        """Tell whether an object is one of them."""
        return (
            name.startswith(self.prefix)
            and (self.larger_than is None or size > self.larger_than)
            and (self.smaller_than is None or size < self.smaller_than)
            and all(tags.get(key) == value for key, value in self.tags)
        )

    def may_take(self, name: str, size: int) -> bool:
        """Tell the same before the object's tags are known."""
        return self.takes(name, size, dict(self.tags))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule."""

    id: str = ""
    is_enabled: bool = True
    filter: Filter = Filter()
    days: int | None = None
    date: float | None = None
    """Seconds since 1970 of a midnight."""
    markers_go: bool = False
    """Whether delete markers go behind which no version is left."""
    noncurrent_days: int | None = None
    newer_noncurrent_kept: int = 0
    abort_days: int | None = None


class Verdict(enum.Enum):
    """What is due for the newest version of an object."""

    KEEP = "nothing"
    EXPIRE = "it is deleted; where versions are kept, a delete marker is put before it"
    REMOVE_MARKER = "it is a delete marker with nothing behind it, and goes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """The newest version of an object, or its delete marker."""

    name: str
    size: int
    modified: float
    tags: Mapping[str, str]
    is_marker: bool = False
    is_only: bool = True
    """Whether no older version is kept."""


def due_at(modified: float, days: int) -> float:
    """Return the midnight at which something is `days` old."""
    moment = datetime.fromtimestamp(modified, UTC) + timedelta(days=days)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight if midnight == moment else midnight + timedelta(days=1)).timestamp()


def verdict_on_current(rules: Iterable[Rule], current: Current, now: float) -> Verdict:
    """Return what is due for it."""
    for rule in rules:
        if not rule.is_enabled or not rule.filter.takes(current.name, current.size, current.tags):
            continue
        expires = _expires_at(rule, current.modified)
        if current.is_marker:
            if current.is_only and (rule.markers_go or (expires is not None and expires <= now)):
                return Verdict.REMOVE_MARKER
        elif expires is not None and expires <= now:
            return Verdict.EXPIRE
    return Verdict.KEEP


def _expires_at(rule: Rule, modified: float) -> float | None:
    return rule.date if rule.date is not None else None if rule.days is None else due_at(modified, rule.days)


def expiration_header(rules: Iterable[Rule], current: Current) -> str | None:
    """Return the x-amz-expiration of an object: the first moment at which a rule has it deleted."""
    found = [
        (moment, rule.id)
        for rule in rules
        if rule.is_enabled
        and rule.filter.takes(current.name, current.size, current.tags)
        and (moment := _expires_at(rule, current.modified)) is not None
    ]
    if not found:
        return None
    moment, rule_id = min(found)
    date = datetime.fromtimestamp(moment, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    return f'expiry-date="{date}", rule-id="{quote(rule_id)}"'  # As AWS encodes what no header could carry.


@dataclass(frozen=True, slots=True, kw_only=True)
class Noncurrent:
    """A version that is not the newest."""

    name: str
    size: int
    superseded: float
    """When the next newer version, or marker, was made."""
    newer: int
    """How many noncurrent versions are newer than it."""
    tags: Mapping[str, str]


def is_noncurrent_due(rules: Iterable[Rule], version: Noncurrent, now: float) -> bool:
    """Tell whether a version is to be deleted for good."""
    return any(
        rule.is_enabled
        and rule.noncurrent_days is not None
        and rule.filter.takes(version.name, version.size, version.tags)
        and version.newer >= rule.newer_noncurrent_kept
        and due_at(version.superseded, rule.noncurrent_days) <= now
        for rule in rules
    )


def is_upload_due(rules: Iterable[Rule], name: str, begun: float, now: float) -> bool:
    """Tell whether a multipart upload that was never completed is to be aborted."""
    return any(
        rule.is_enabled
        and rule.abort_days is not None
        and name.startswith(rule.filter.prefix)
        and due_at(begun, rule.abort_days) <= now
        for rule in rules
    )


def needs_tags(rules: Iterable[Rule], name: str, size: int) -> bool:
    """Tell whether it takes an object's tags to know what is due for it."""
    return any(rule.is_enabled and rule.filter.tags and rule.filter.may_take(name, size) for rule in rules)


# --- reading ---------------------------------------------------------------------------------


def rules_of(root: Node) -> Sequence[Rule]:
    """Return the rules of a document.

    Raises:
        S3Error: MalformedXML, InvalidArgument, InvalidRequest or NotImplemented.
    """
    reading.only(root, ("Rule",))
    nodes = root.all("Rule")
    if not nodes:
        raise malformed("there is no Rule")
    if len(nodes) > RULES_MAX:
        raise malformed(f"there are more than {RULES_MAX} rules")
    rules = [_rule(node) for node in nodes]
    ids = [rule.id for rule in rules if rule.id]
    if len(set(ids)) < len(ids):
        raise S3Error("InvalidArgument", "Two rules have the same ID.")
    return rules


def _rule(node: Node) -> Rule:
    reading.only(node, _RULE_TAGS, once=_RULE_TAGS - {"Transition", "NoncurrentVersionTransition"})
    if node.find("Transition") is not None or node.find("NoncurrentVersionTransition") is not None:
        raise S3Error("NotImplemented", "There is one storage class, and no transition to another one.")
    status = reading.one_of(node.value("Status"), ("Enabled", "Disabled"), "Status")
    rule_id = node.value("ID") or ""
    if len(rule_id) > ID_MAX:
        raise S3Error("InvalidArgument", f"The ID of a rule may have {ID_MAX} characters.")
    days, date, markers_go = _expiration(node.find("Expiration"))
    noncurrent_days, kept = _noncurrent(node.find("NoncurrentVersionExpiration"))
    abort_days = _abort(node.find("AbortIncompleteMultipartUpload"))
    if days is None and date is None and not markers_go and noncurrent_days is None and abort_days is None:
        raise S3Error("InvalidRequest", "At least one action needs to be specified in a rule.")
    chosen = _filter(node)
    if chosen.tags and (abort_days is not None or markers_go):
        raise S3Error("InvalidRequest", "Uploads and delete markers have no tags to be chosen by.")
    return Rule(
        id=rule_id,
        is_enabled=status == "Enabled",
        filter=chosen,
        days=days,
        date=date,
        markers_go=markers_go,
        noncurrent_days=noncurrent_days,
        newer_noncurrent_kept=kept,
        abort_days=abort_days,
    )


def _expiration(node: Node | None) -> tuple[int | None, float | None, bool]:
    if node is None:
        return None, None, False
    tags = ("Days", "Date", "ExpiredObjectDeleteMarker")
    reading.only(node, tags, once=tags)
    if len(node.children) != 1:
        raise malformed("Expiration has one of Days, Date and ExpiredObjectDeleteMarker")
    child = node.children[0]
    if child.tag == "Days":
        return _days(child), None, False
    if child.tag == "Date":
        return None, _midnight(child.text), False
    return None, None, reading.boolean(child.text, child.tag)


def _noncurrent(node: Node | None) -> tuple[int | None, int]:
    if node is None:
        return None, 0
    tags = ("NoncurrentDays", "NewerNoncurrentVersions")
    reading.only(node, tags, once=tags)
    kept = node.find("NewerNoncurrentVersions")
    return _days(reading.needed(node, "NoncurrentDays")), 0 if kept is None else _days(kept)


def _abort(node: Node | None) -> int | None:
    if node is None:
        return None
    reading.only(node, ("DaysAfterInitiation",), once=("DaysAfterInitiation",))
    return _days(reading.needed(node, "DaysAfterInitiation"))


def _days(node: Node) -> int:
    days = reading.number(node.text, node.tag)
    if not 1 <= days <= 1_000_000:  # Beyond it a moment has no date.
        raise S3Error("InvalidArgument", f"{node.tag} must be a positive whole number.")
    return days


def _midnight(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as problem:
        raise malformed("Date must be in ISO 8601") from problem
    if moment.timestamp() % DAY_SECONDS:
        raise S3Error("InvalidArgument", "Date must be at midnight GMT.")
    return moment.timestamp()


def _filter(rule: Node) -> Filter:
    prefix, node = rule.find("Prefix"), rule.find("Filter")
    if prefix is not None and node is not None:
        raise malformed("a rule has either Prefix or Filter")
    if prefix is not None:
        return Filter(prefix=prefix.text)
    if node is None:
        raise malformed("a rule must have a Filter")
    reading.only(node, {*_FILTER_TAGS, "And"})
    if len(node.children) > 1:
        raise malformed("several conditions of a Filter stand inside And")
    both = node.find("And")
    if both is None:
        return _conditions(node)
    reading.only(both, _FILTER_TAGS, once=_FILTER_TAGS - {"Tag"})
    if len(both.children) < 2:
        raise malformed("And has at least two conditions")
    return _conditions(both)


def _conditions(node: Node) -> Filter:
    tags = [(reading.text(tag, "Key"), tag.value("Value") or "") for tag in node.all("Tag")]
    if len({key for key, _ in tags}) < len(tags):
        raise S3Error("InvalidRequest", "Two tags of a Filter have the same key.")
    larger, smaller = _size(node, "ObjectSizeGreaterThan"), _size(node, "ObjectSizeLessThan")
    if larger is not None and smaller is not None and larger >= smaller:
        raise S3Error("InvalidRequest", "ObjectSizeLessThan must be more than ObjectSizeGreaterThan.")
    return Filter(
        prefix=node.value("Prefix") or "", tags=frozenset(tags), larger_than=larger, smaller_than=smaller
    )


def _size(node: Node, tag: str) -> int | None:
    child = node.find(tag)
    if child is None:
        return None
    size = reading.number(child.text, tag)
    if size < 0:
        raise S3Error("InvalidArgument", f"{tag} must not be negative.")
    return size
