"""Laws of tempauth's decisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apus.proxy.acl import AccountAcl
from apus.proxy.middleware.authorization import Question, Verdict, judge, judge_by_account_acl
from apus.proxy.middleware.resellers import Resellers

RESELLERS = Resellers.from_options({"reseller_prefix": "AUTH, SERVICE", "SERVICE_require_group": "service"})
ADMIN = frozenset({"test", "test:tester", "AUTH_test", "SERVICE_test"})
PLAIN = frozenset({"test", "test:tester3"})
OTHER = frozenset({"test2", "test2:tester2", "AUTH_test2", "SERVICE_test2"})
NOBODY: frozenset[str] = frozenset()
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


def question(
    method: str, path: str, groups: frozenset[str], acl: str | None = None, referrer: str | None = None
) -> Question:
    account, container, obj = (*path.split("/", 2), None, None)[:3]
    assert account is not None
    return Question(method, account, container, obj, groups, acl, referrer)


O, A, U, D = Verdict.OWNER, Verdict.ALLOWED, Verdict.UNDECIDED, Verdict.DENIED  # noqa: E741


@pytest.mark.parametrize(
    ("method", "path", "groups", "acl", "verdict"),
    [
        ("GET", "AUTH_test", ADMIN, None, O),
        ("POST", "AUTH_test", ADMIN, None, O),
        ("PUT", "AUTH_test", ADMIN, None, U),
        ("DELETE", "AUTH_test", ADMIN, None, U),
        ("PUT", "AUTH_test/c", ADMIN, None, O),
        ("DELETE", "AUTH_test/c/o", ADMIN, None, O),
        ("GET", "AUTH_test", PLAIN, None, U),
        ("GET", "AUTH_test/c/o", OTHER, None, U),
        ("GET", "AUTH_test/c/o", NOBODY, None, D),
        ("GET", "SERVICE_test/c", ADMIN, None, U),
        ("GET", "SERVICE_test/c", ADMIN | {"service"}, None, O),
        ("GET", "AUTH_test/c", ADMIN | {"service"}, None, O),
        ("PUT", "AUTH_x", frozenset({".reseller_admin"}), None, O),
        ("GET", "AUTH_.hidden", frozenset({".reseller_admin"}), None, U),
        ("GET", "AUTH_", frozenset({".reseller_admin"}), None, U),
        ("GET", "AUTH_x/c/o", frozenset({".reseller_reader"}), None, A),
        ("PUT", "AUTH_x/c/o", frozenset({".reseller_reader"}), None, U),
        ("OPTIONS", "AUTH_test/c/o", NOBODY, None, A),
        ("GET", "AUTH_test/c/o", NOBODY, ".r:*", A),
        ("GET", "AUTH_test/c", NOBODY, ".r:*", D),
        ("GET", "AUTH_test/c", NOBODY, ".r:*,.rlistings", A),
        ("GET", "AUTH_test/c", OTHER, "test2", A),
        ("GET", "AUTH_test/c", OTHER, "test2:tester2", A),
        ("GET", "AUTH_test/c", OTHER, "test2:other", U),
        ("GET", "AUTH_test/c", OTHER, "*:*", U),
    ],
)
def test_groups_and_lists_decide(
    method: str, path: str, groups: frozenset[str], acl: str | None, verdict: Verdict
) -> None:
    """Administrators own their accounts but neither make nor delete them; lists allow and never make owners."""
    assert judge(question(method, path, groups, acl), RESELLERS) is verdict


@pytest.mark.parametrize(
    ("listed", "allowed"),
    [
        ("admin", {(m, p): O for m in METHODS for p in ("AUTH_t", "AUTH_t/c", "AUTH_t/c/o")}),
        (
            "read_write",
            {(m, p): A for m in METHODS for p in ("AUTH_t/c", "AUTH_t/c/o")}
            | {("GET", "AUTH_t"): A, ("HEAD", "AUTH_t"): A},
        ),
        ("read_only", {(m, p): A for m in ("GET", "HEAD") for p in ("AUTH_t", "AUTH_t/c", "AUTH_t/c/o")}),
    ],
)
def test_account_lists_give_three_levels(listed: str, allowed: dict[tuple[str, str], Verdict]) -> None:
    """Readers read; writers also write below the account; admins own."""
    acl = AccountAcl(**{listed: frozenset({"test2:tester2"})})
    for method in METHODS:
        for path in ("AUTH_t", "AUTH_t/c", "AUTH_t/c/o"):
            asked = question(method, path, OTHER)
            assert judge_by_account_acl(asked, acl) is allowed.get((method, path), D)
            assert judge_by_account_acl(question(method, path, PLAIN), acl) is D
            assert judge_by_account_acl(asked, None) is D


paths = st.sampled_from(["AUTH_test", "AUTH_test/c", "AUTH_test/c/o", "SERVICE_test/c", "AUTH_.x/c"])
acls = st.one_of(
    st.none(), st.sampled_from(["", ".r:*", ".r:*,.rlistings", "test2", "a,b:c", ",,", "test2:tester2"])
)


@given(st.sampled_from(METHODS), paths, st.sampled_from([ADMIN, PLAIN, OTHER, NOBODY]), acls)
def test_a_list_only_ever_gives_more(method: str, path: str, groups: frozenset[str], acl: str | None) -> None:
    """Nobody loses a right because a list exists, and nobody becomes owner by one."""
    bare = judge(question(method, path, groups), RESELLERS)
    listed = judge(question(method, path, groups, acl), RESELLERS)
    assert listed is bare or (bare in (U, D) and listed is A)


@given(st.sampled_from(METHODS), paths, acls)
def test_strangers_are_never_asked_about(method: str, path: str, acl: str | None) -> None:
    """Without a token the account's own list is not looked up: it names no strangers."""
    assert judge(question(method, path, NOBODY, acl), RESELLERS) in (A, D)
