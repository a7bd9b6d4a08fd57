"""Laws of access lists."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.acl import ACCOUNT_ACL_KEYS, AccountAcl, ContainerAcl, account_acl_fault, clean_acl

names = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters=",:%."), min_size=1)
hosts = st.from_regex(r"\.?[a-z]{1,8}(\.[a-z]{1,5}){0,2}", fullmatch=True)
elements = st.one_of(
    names,
    st.builds("{}:{}".format, names, names),
    st.just(".rlistings"),
    st.builds(".r:{}{}".format, st.sampled_from(["", "-"]), st.one_of(hosts, st.just("*"))),
)
blanks = st.sampled_from(["", " ", "  ", "\t"])


@pytest.mark.parametrize(
    ("given_list", "cleaned"),
    [
        ("bob, sue", "bob,sue"),
        ("bob , sue", "bob,sue"),
        ("bob,,,sue", "bob,sue"),
        (".referrer : *", ".r:*"),
        (".ref:*.example.com", ".r:.example.com"),
        (".referer:www.x", ".r:www.x"),
        (".r:*, .rlistings", ".r:*,.rlistings"),
        (".r: - *.thief.com ", ".r:-.thief.com"),
        ("acct:joe", "acct:joe"),
        ("acct : joe", "acct : joe"),
        ("*:*", "*:*"),
        ("", ""),
        (" , ,", ""),
        ("acct:voilà , x".encode().decode("latin-1"), "acct:voilà,x".encode().decode("latin-1")),
    ],
)
def test_a_read_list_is_stored_clean(given_list: str, cleaned: str) -> None:
    """Spaces, empty elements and long designators do not reach the disk."""
    assert clean_acl("X-Container-Read", given_list) == cleaned


@pytest.mark.parametrize("bad", [".r:", ".r:-", ".r:.", ".r:*.", ".r: ", ".unknown:x", ".r:-*.", "ok,.x:y"])
def test_a_senseless_element_is_refused(bad: str) -> None:
    """A designator that names nothing, or that nobody knows, is an error and never silently dropped."""
    with pytest.raises(ValueError, match="ACL"):
        clean_acl("X-Container-Read", bad)


@pytest.mark.parametrize("referrer", [".r:*", ".referrer:example.com", ".ref:-x"])
def test_nobody_may_write_because_of_where_they_come_from(referrer: str) -> None:
    """Referrers are refused in write lists: anybody can forge the header."""
    with pytest.raises(ValueError, match="not allowed in write ACL"):
        clean_acl("X-Container-Write", referrer)


@given(st.lists(st.tuples(blanks, elements, blanks), max_size=6))
def test_cleaning_twice_changes_nothing_more(parts: list[tuple[str, str, str]]) -> None:
    """A cleaned list is its own cleaned form."""
    cleaned = clean_acl("X-Container-Read", ",".join(a + element + b for a, element, b in parts))
    assert clean_acl("X-Container-Read", cleaned) == cleaned


@given(st.text(), st.text(), st.booleans())
def test_any_stored_list_can_be_parsed_and_judged(stored: str, referrer: str, listing: bool) -> None:
    """What other software has stored never raises, and an empty group admits nobody."""
    acl = ContainerAcl.parse(stored)
    assert acl.admits_referrer(referrer, listing=listing) in (True, False)
    assert not acl.admits_group([])
    assert not acl.admits_group([""])


@given(st.sets(names, max_size=5), st.sets(names, max_size=5))
def test_a_list_admits_exactly_its_groups(listed: set[str], groups: set[str]) -> None:
    """Somebody is admitted if and only if one of their groups is on the list."""
    acl = ContainerAcl.parse(clean_acl("X-Container-Write", ",".join(sorted(listed))))
    assert acl.admits_group(groups) == bool(listed & groups)


@pytest.mark.parametrize(
    ("stored", "referrer", "may_get", "may_list"),
    [
        (None, None, False, False),
        ("", "http://a.example", False, False),
        (".r:*", None, True, False),
        (".r:*", "garbage", True, False),
        (".r:*,.rlistings", None, True, True),
        (".rlistings", None, False, False),
        (".r:a.example", "http://a.example/page", True, False),
        (".r:a.example", "http://b.a.example/", False, False),
        (".r:.example", "http://b.a.example:8080/", True, False),
        (".r:.example", None, False, False),
        (".r:*,.r:-a.example", "https://a.example/x", False, False),
        (".r:*,.r:-.example", "https://a.example/x", False, False),
        (".r:-a.example,.r:*", "https://a.example/x", True, False),
        (".r:*,.r:-*", "https://a.example/x", True, False),
        (".r:unknown", None, True, False),
        (".r:*", "http://[broken", True, False),
        (".r:a.example,.rlistings", "http://[broken", False, False),
        (".r:a.example,.rlistings", "http://A.EXAMPLE", True, True),
    ],
)
def test_referrer_rules_are_applied_in_order(
    stored: str | None, referrer: str | None, may_get: bool, may_list: bool
) -> None:
    """The last rule that matches the host decides; listing needs .rlistings and a rule besides."""
    acl = ContainerAcl.parse(stored)
    assert acl.admits_referrer(referrer, listing=False) is may_get
    assert acl.admits_referrer(referrer, listing=True) is may_list


def test_a_group_may_be_percent_encoded() -> None:
    """As in Swift, a comma or a non-ASCII name is written percent-encoded."""
    assert ContainerAcl.parse("a%2Cb,%C3%A9").groups == {"a,b", "é"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", None),
        ("{}", None),
        ('{"admin": ["a:b"], "read-write": [], "read-only": ["x"]}', None),
        ("[]", "Syntax error"),
        ("nonsense", "Syntax error"),
        ('"admin"', "Syntax error"),
        ("null", "Syntax error"),
        ("[" * 5000, "Syntax error"),
        ('{"other": []}', 'Key "other" not recognized'),
        ('{"admin": "joe"}', 'Value for key "admin" must be a list'),
        ('{"admin": [1]}', 'Elements of "admin" list must be strings'),
    ],
)
def test_an_account_list_is_checked_before_it_is_stored(text: str, fault: str | None) -> None:
    """Anything but lists of names under the three known keys is refused with what is wrong."""
    found = account_acl_fault(text)
    assert found is None if fault is None else found is not None and fault in found


@given(st.dictionaries(st.sampled_from(ACCOUNT_ACL_KEYS), st.lists(names, max_size=4)))
def test_an_account_list_is_read_as_it_was_written(lists: dict[str, list[str]]) -> None:
    """What passes the check and names somebody is read back; a list of nobody is no list."""
    text = json.dumps(lists)
    assert account_acl_fault(text) is None
    acl = AccountAcl.parse(text)
    expected = [frozenset(lists.get(key, ())) for key in ACCOUNT_ACL_KEYS]
    if any(expected):
        assert acl == AccountAcl(*expected)
    else:
        assert acl is None


@given(st.text())
def test_a_spoilt_account_list_admits_nobody(stored: str) -> None:
    """Reading never raises."""
    AccountAcl.parse(stored)
