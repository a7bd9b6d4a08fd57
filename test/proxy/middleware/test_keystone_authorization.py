"""Laws of keystoneauth's decisions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.acl import ContainerAcl
from apus.proxy.middleware.authorization import Verdict
from apus.proxy.middleware.keystone_authorization import (
    UNKNOWN_DOMAIN,
    Person,
    Question,
    Rules,
    domain_to_note,
    judge,
    judge_anonymous,
    names_may_count,
    person_in,
)
from apus.proxy.middleware.keystoneauth import rules_from_options

RULES = rules_from_options(
    {
        "reseller_prefix": "AUTH, SERVICE",
        "operator_roles": "admin, Member",
        "project_reader_roles": "reader",
        "SERVICE_operator_roles": "admin",
        "SERVICE_service_roles": "service",
        "system_reader_roles": "Auditor",
    }
)
O, A, D = Verdict.OWNER, Verdict.ALLOWED, Verdict.DENIED  # noqa: E741
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS")


def person(*roles: str, project: str = "p1", **more: Any) -> Person:
    facts: dict[str, Any] = {
        "user_id": "u1",
        "user_name": "joe",
        "project_id": project,
        "project_name": "demo",
        "user_domain": "default",
        "project_domain": "default",
        "roles": frozenset(roles),
    }
    return Person(**{**facts, **more})


def question(method: str, path: str, acl: str = "", **more: Any) -> Question:
    account, container, obj = (*path.split("/", 2), None, None)[:3]
    assert account is not None
    return Question(
        method=method, account=account, container=container, obj=obj, acl=ContainerAcl.parse(acl), **more
    )


@pytest.mark.parametrize(
    ("who", "method", "path", "acl", "verdict"),
    [
        (person("member"), "PUT", "AUTH_p1/c/o", "", O),
        (person("member"), "PUT", "AUTH_p1", "", O),
        (person("member"), "DELETE", "AUTH_p1", "", D),
        (person("member"), "GET", "AUTH_p1/c", ".r:*,.rlistings", O),
        (person("member"), "GET", "AUTH_p1/c", "*:*", O),
        (person("member"), "GET", "AUTH_p2/c/o", "", D),
        (person("member"), "GET", "AUTH_p1x", "", D),
        (person("reselleradmin"), "DELETE", "AUTH_p2", "", O),
        (person("other"), "GET", "AUTH_p1/c", "", D),
        (person("reader"), "GET", "AUTH_p1/c", "", A),
        (person("reader"), "HEAD", "AUTH_p1", "", A),
        (person("reader"), "PUT", "AUTH_p1/c/o", "", D),
        (person("reader"), "GET", "AUTH_p2/c", "", D),
        (person("auditor"), "GET", "AUTH_p2/c", "", A),
        (person("auditor"), "PUT", "AUTH_p2/c/o", "", D),
        (person("other"), "GET", "AUTH_p1/c", "other", A),
        (person("other"), "GET", "AUTH_p1/c", "OTHER", A),
        (person("other"), "GET", "AUTH_p2/c", "other", D),
        (person("x"), "GET", "AUTH_p2/c", "p1:u1", A),
        (person("x"), "GET", "AUTH_p2/c", "p1:*", A),
        (person("x"), "GET", "AUTH_p2/c", "*:u1", A),
        (person("x"), "GET", "AUTH_p2/c", "p1:u2,p2:u1", D),
        (person("x"), "GET", "AUTH_p2/c", "demo:joe", D),
        (person("x"), "GET", "AUTH_p2/c/o", ".r:*", A),
        (person("x"), "OPTIONS", "AUTH_p2/c/o", "", A),
        (person("member"), "GET", "SERVICE_p1/c", "", D),
        (person("admin"), "GET", "SERVICE_p1/c", "", D),
        (person("admin", service_roles=frozenset({"service"})), "GET", "SERVICE_p1/c", "", O),
        (person("member", service_roles=frozenset({"service"})), "GET", "SERVICE_p1/c", "", D),
        (person("admin", service_roles=frozenset({"service"})), "GET", "AUTH_p1/c", "", O),
    ],
)
def test_roles_and_lists_decide(who: Person, method: str, path: str, acl: str, verdict: Verdict) -> None:
    """Each row is stock's answer to the same question."""
    assert judge(who, question(method, path, acl), RULES) is verdict


def test_trap_35_star_colon_star_needs_a_token() -> None:
    """`*:*` admits everybody who has a token of any project, and nobody else."""
    asked = question("GET", "AUTH_p2/c", "*:*")
    assert judge(person("x"), asked, RULES) is A
    assert judge_anonymous(asked, RULES) is D


def test_trap_35_names_on_lists_count_only_where_they_are_unambiguous() -> None:
    """An id always counts; a name only after somebody has made sure of its domain."""
    for acl in ("demo:joe", "demo:u1", "p1:joe", "*:joe", "demo:*"):
        assert judge(person("x"), question("GET", "AUTH_p2/c", acl), RULES) is D
        assert judge(person("x"), question("GET", "AUTH_p2/c", acl, names_count=True), RULES) is A


def test_trap_35_referrers_read_objects_and_list_only_with_rlistings() -> None:
    """For strangers and for those with a token of another project alike."""
    for acl, listing in ((".r:*", D), (".r:*,.rlistings", A), (".rlistings", D)):
        asked = question("GET", "AUTH_p1/c", acl)
        assert judge_anonymous(asked, RULES) is listing
        assert judge(person("x", project="p2"), asked, RULES) is listing
    assert judge_anonymous(question("GET", "AUTH_p1/c/o", ".r:*"), RULES) is A
    assert judge_anonymous(question("GET", "AUTH_p1/c/o", ".r:*,.r:-evil.example"), RULES) is A
    evil = question("GET", "AUTH_p1/c/o", ".r:*,.r:-evil.example", referrer="http://evil.example/")
    assert judge_anonymous(evil, RULES) is D


def test_accounts_of_other_prefixes_are_not_ours() -> None:
    """Not even a public list opens them."""
    assert judge_anonymous(question("GET", "OTHER_p1/c/o", ".r:*"), RULES) is D
    assert judge(person("member"), question("GET", "OTHER_p1/c/o"), RULES) is D


def test_a_token_without_a_project_owns_nothing() -> None:
    """Not even the account that an absent id would name."""
    unscoped = person("admin", project_id=None)
    assert judge(unscoped, question("GET", "AUTH_None/c"), RULES) is D
    assert judge(unscoped, question("GET", "AUTH_/c"), RULES) is D
    assert judge(unscoped, question("GET", "AUTH_p1/c", "None:u1"), RULES) is D


def test_the_containers_own_sync_key_opens_it() -> None:
    """Which is how another cluster's container sync comes without a realm."""
    asked = question("PUT", "AUTH_p1/c/o", is_sync=True)
    assert judge_anonymous(asked, RULES) is A
    assert judge(person("x", project="p2"), asked, RULES) is A


@given(
    method=st.sampled_from(METHODS),
    path=st.sampled_from(["AUTH_p1", "AUTH_p1/c", "AUTH_p2/c/o", "SERVICE_p1/c", "X_p1/c"]),
    acl=st.lists(st.sampled_from(["p1:u1", "*:*", ".r:*", ".rlistings", "other", "demo:joe"])).map(",".join),
    roles=st.sets(st.sampled_from(["admin", "member", "reader", "auditor", "other"])),
)
def test_more_roles_never_mean_less(method: str, path: str, acl: str, roles: set[str]) -> None:
    """Whoever gets in with some roles gets in with more of them, and with the reseller's most of all."""
    ladder = [D, A, O]
    asked = question(method, path, acl)
    bare = judge(person(), asked, RULES)
    some = judge(person(*roles), asked, RULES)
    most = judge(person(*roles, "reselleradmin"), asked, RULES)
    assert ladder.index(bare) <= ladder.index(some)
    assert most is (A if method == "OPTIONS" else O)


# --- who it is ----------------------------------------------------------------------------------

GOOD = {
    "HTTP_X_IDENTITY_STATUS": "Confirmed",
    "HTTP_X_USER_ID": "u1",
    "HTTP_X_PROJECT_ID": "p1",
    "HTTP_X_ROLES": "Member, admin,",
    "HTTP_X_USER_DOMAIN_ID": "d1",
    "HTTP_X_PROJECT_DOMAIN_ID": "d2",
}


def test_only_confirmed_tokens_speak_for_somebody() -> None:
    """A bad service token spoils a good token."""
    assert person_in({}) is None
    assert person_in({**GOOD, "HTTP_X_IDENTITY_STATUS": "Invalid"}) is None
    assert person_in({**GOOD, "HTTP_X_SERVICE_IDENTITY_STATUS": "Invalid"}) is None
    found = person_in({**GOOD, "HTTP_X_SERVICE_IDENTITY_STATUS": "Confirmed"})
    assert found is not None
    assert found.roles == {"member", "admin"}


def test_domains_are_known_of_version_3_tokens_only() -> None:
    """Older ones have none, whatever headers say."""
    old, new = person_in(GOOD), person_in({**GOOD, "keystone.token_info": {"token": {}}})
    assert old is not None
    assert new is not None
    assert (old.user_domain, old.project_domain) == (None, None)
    assert (new.user_domain, new.project_domain) == ("d1", "d2")


def test_names_may_be_any_text() -> None:
    """As a WSGI string or as it is."""
    for name in ("équipe".encode().decode("latin-1"), "équipe Ω"):
        found = person_in({**GOOD, "HTTP_X_USER_NAME": name})
        assert found is not None
        assert found.user_name is not None
        assert found.user_name.startswith("équipe")


# --- domains ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "project", "counts"),
    [("default", "default", True), (None, None, True), ("d1", "default", False), ("default", "d1", False)],
)
def test_names_count_within_the_default_domain(user: str | None, project: str | None, counts: bool) -> None:
    """Of user and of project; what has no domain is older than domains."""
    assert names_may_count(person(user_domain=user, project_domain=project), RULES) is counts
    forbidding = rules_from_options({"allow_names_in_acls": "no"})
    assert not names_may_count(person(user_domain=user, project_domain=project), forbidding)


@pytest.mark.parametrize(
    ("is_own", "exists", "noted", "domain", "expected"),
    [
        (True, False, None, "d1", "d1"),
        (True, False, None, None, None),
        (False, False, None, "d1", UNKNOWN_DOMAIN),
        (True, True, None, "default", "default"),
        (True, True, None, "d1", None),
        (False, True, None, "default", None),
        (True, True, UNKNOWN_DOMAIN, "d1", "d1"),
        (True, True, UNKNOWN_DOMAIN, None, ""),
        (False, True, UNKNOWN_DOMAIN, "d1", None),
        (True, True, "d1", "d2", None),
    ],
)
def test_an_accounts_domain_is_learnt_from_its_own_project(
    is_own: bool, exists: bool, noted: str | None, domain: str | None, expected: str | None
) -> None:
    """And never changes once it is known."""
    who = person(project_domain=domain)
    rules: Rules = RULES
    assert domain_to_note(who, is_own=is_own, exists=exists, noted=noted, rules=rules) == expected
