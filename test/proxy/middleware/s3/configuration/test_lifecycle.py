"""Lifecycle rules."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.middleware.s3.configuration.lifecycle import (
    DAY_SECONDS,
    Current,
    Filter,
    Noncurrent,
    Rule,
    Verdict,
    due_at,
    expiration_header,
    is_noncurrent_due,
    is_upload_due,
    needs_tags,
    rules_of,
    verdict_on_current,
)
from apus.proxy.middleware.s3.errors import S3Error
from apus.proxy.middleware.s3.xml import read

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC).timestamp()


def rules(*inside: str) -> list[Rule]:
    """Return rules by what is inside of them."""
    text = "".join(f"<Rule>{each}</Rule>" for each in inside)
    return list(rules_of(read(f"<LifecycleConfiguration>{text}</LifecycleConfiguration>".encode())))


def rule(action: str, chosen: str = "<Filter/>") -> str:
    """Return the inside of an enabled rule."""
    return f"<Status>Enabled</Status>{chosen}{action}"


def thing(
    modified: float = NOON, *, is_marker: bool = False, is_only: bool = True, name: str = "k"
) -> Current:
    """Return an object of ten bytes."""
    return Current(
        name=name, size=10, modified=modified, tags={"a": "1"}, is_marker=is_marker, is_only=is_only
    )


DAYS_1 = "<Expiration><Days>1</Days></Expiration>"


def test_days_end_at_the_next_midnight() -> None:
    """An object of noon is a day old at the midnight after tomorrow's noon."""
    one = rules(rule(DAYS_1))
    assert due_at(NOON, 1) == MIDNIGHT + DAY_SECONDS
    assert due_at(MIDNIGHT, 1) == MIDNIGHT + DAY_SECONDS
    assert verdict_on_current(one, thing(), MIDNIGHT + DAY_SECONDS - 1) is Verdict.KEEP
    assert verdict_on_current(one, thing(), MIDNIGHT + DAY_SECONDS) is Verdict.EXPIRE


@given(st.floats(min_value=0, max_value=2e9), st.integers(min_value=1, max_value=1000))
def test_nothing_is_due_early_or_a_day_late(modified: float, days: int) -> None:
    """At least the days, at most one more, and at a midnight."""
    moment = due_at(modified, days)
    assert moment % DAY_SECONDS == 0
    assert days * DAY_SECONDS <= moment - modified + 1e-3
    assert moment - modified < (days + 1) * DAY_SECONDS + 1e-3


def test_a_date() -> None:
    """From that moment on everything is due."""
    one = rules(rule("<Expiration><Date>2026-11-22T00:00:00.000Z</Date></Expiration>"))
    assert verdict_on_current(one, thing(), MIDNIGHT - 1) is Verdict.KEEP
    assert verdict_on_current(one, thing(MIDNIGHT - 1), MIDNIGHT) is Verdict.EXPIRE


@pytest.mark.parametrize(
    ("chosen", "takes"),
    [
        ("<Prefix>k</Prefix>", True),
        ("<Prefix>x</Prefix>", False),
        ("<Filter><Prefix>k</Prefix></Filter>", True),
        ("<Filter><Tag><Key>a</Key><Value>1</Value></Tag></Filter>", True),
        ("<Filter><Tag><Key>a</Key><Value>2</Value></Tag></Filter>", False),
        ("<Filter><ObjectSizeGreaterThan>9</ObjectSizeGreaterThan></Filter>", True),
        ("<Filter><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan></Filter>", False),
        ("<Filter><ObjectSizeLessThan>11</ObjectSizeLessThan></Filter>", True),
        ("<Filter><And><Prefix>k</Prefix><Tag><Key>a</Key><Value>1</Value></Tag></And></Filter>", True),
        ("<Filter><And><Prefix>x</Prefix><Tag><Key>a</Key><Value>1</Value></Tag></And></Filter>", False),
    ],
)
def test_filters(chosen: str, takes: bool) -> None:
    """What is chosen expires, what isn't stays."""
    verdict = verdict_on_current(rules(rule(DAYS_1, chosen)), thing(), NOON * 2)
    assert (verdict is Verdict.EXPIRE) == takes


def test_a_disabled_rule_does_nothing() -> None:
    """Neither to objects nor to versions nor to uploads."""
    off = [
        Rule(is_enabled=False, days=1, noncurrent_days=1, abort_days=1),
    ]
    version = Noncurrent(name="k", size=1, superseded=0, newer=9, tags={})
    assert verdict_on_current(off, thing(), NOON * 2) is Verdict.KEEP
    assert not is_noncurrent_due(off, version, NOON)
    assert not is_upload_due(off, "k", 0, NOON)
    assert expiration_header(off, thing()) is None


def test_delete_markers_go_last() -> None:
    """Behind one that is gone a version would come to light again."""
    go = rules(rule("<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"))
    assert verdict_on_current(go, thing(is_marker=True), NOON) is Verdict.REMOVE_MARKER
    assert verdict_on_current(go, thing(is_marker=True, is_only=False), NOON) is Verdict.KEEP
    assert verdict_on_current(go, thing(), NOON) is Verdict.KEEP
    old = rules(rule(DAYS_1))
    assert verdict_on_current(old, thing(is_marker=True), NOON + 1) is Verdict.KEEP
    assert verdict_on_current(old, thing(is_marker=True), NOON * 2) is Verdict.REMOVE_MARKER


def test_newer_noncurrent_versions_are_kept() -> None:
    """As many as the rule says, however old they are."""
    action = """<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>
      <NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>"""
    kept = rules(rule(action))
    due = [
        is_noncurrent_due(kept, Noncurrent(name="k", size=1, superseded=0, newer=at, tags={}), NOON)
        for at in range(4)
    ]
    assert due == [False, False, True, True]


def test_uploads_that_nobody_ends() -> None:
    """They have a name, and neither tags nor a size."""
    abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
    some = rules(rule(abort, "<Filter><Prefix>k</Prefix></Filter>"))
    assert is_upload_due(some, "k", NOON, NOON + 3 * DAY_SECONDS)
    assert not is_upload_due(some, "k", NOON, NOON + DAY_SECONDS)
    assert not is_upload_due(some, "x", NOON, NOON + 3 * DAY_SECONDS)


def test_what_an_object_is_told() -> None:
    """The first rule's moment and id."""
    both = [Rule(id="late", days=5), Rule(id="soon", days=1)]
    said = expiration_header(both, thing())
    assert said == 'expiry-date="Mon, 23 Nov 2026 00:00:00 GMT", rule-id="soon"'
    odd = expiration_header([Rule(id='a"\r\nX: 日', days=1)], thing())
    assert odd is not None
    assert odd.endswith('rule-id="a%22%0D%0AX%3A%20%E6%97%A5"')


def test_tags_are_asked_for_only_where_they_matter() -> None:
    """Each costs a request."""
    tagged = [Rule(days=1, filter=Filter(prefix="k", tags=frozenset({("a", "1")})))]
    assert needs_tags(tagged, "k", 1)
    assert not needs_tags(tagged, "x", 1)
    assert not needs_tags([Rule(days=1)], "k", 1)


REFUSED = {
    rule(""): "InvalidRequest",
    "<Filter/>" + DAYS_1: "MalformedXML",
    "<Status>enabled</Status><Filter/>" + DAYS_1: "MalformedXML",
    "<Status>Enabled</Status>" + DAYS_1: "MalformedXML",
    rule("<Expiration><Days>0</Days></Expiration>"): "InvalidArgument",
    rule("<Expiration><Days>-1</Days></Expiration>"): "InvalidArgument",
    rule("<Expiration><Days>99999999999</Days></Expiration>"): "InvalidArgument",
    rule("<Expiration><Days>x</Days></Expiration>"): "MalformedXML",
    rule("<Expiration><Date>20200101</Date><Days>1</Days></Expiration>"): "MalformedXML",
    rule("<Expiration><Date>2026-11-22T01:00:00Z</Date></Expiration>"): "InvalidArgument",
    rule("<Expiration><Date>tomorrow</Date></Expiration>"): "MalformedXML",
    rule("<Expiration><Date>9999-12-31T23:00:00-01:00</Date></Expiration>"): "MalformedXML",
    rule("<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>"): "NotImplemented",
    rule(DAYS_1, "<Filter/><Prefix/>"): "MalformedXML",
    rule(
        DAYS_1, "<Filter><Prefix>a</Prefix><ObjectSizeLessThan>1</ObjectSizeLessThan></Filter>"
    ): "MalformedXML",
    rule(DAYS_1, "<Filter><And><Prefix>a</Prefix></And></Filter>"): "MalformedXML",
    rule(DAYS_1 + DAYS_1): "MalformedXML",
    rule(DAYS_1) + "<Odd/>": "MalformedXML",
    f"<ID>{'x' * 256}</ID>" + rule(DAYS_1): "InvalidArgument",
}


@pytest.mark.parametrize(("inside", "code"), REFUSED.items())
def test_what_is_no_rule(inside: str, code: str) -> None:
    """The code that AWS has for it."""
    with pytest.raises(S3Error) as caught:
        rules(inside)
    assert caught.value.code == code


def test_ids_are_unique() -> None:
    """Two rules by one name would be shown as one."""
    with pytest.raises(S3Error):
        rules("<ID>a</ID>" + rule(DAYS_1), "<ID>a</ID>" + rule(DAYS_1))
    with pytest.raises(S3Error):
        rules()
    with pytest.raises(S3Error):
        rules(*[rule(DAYS_1)] * 1001)
