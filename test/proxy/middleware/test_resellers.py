"""Laws of reseller prefixes."""

from __future__ import annotations

import pytest

from apus.proxy.middleware.resellers import Resellers


@pytest.mark.parametrize(
    ("option", "prefixes"),
    [
        ("AUTH", ("AUTH_",)),
        ("AUTH_", ("AUTH_",)),
        ("AUTH, SERVICE", ("AUTH_", "SERVICE_")),
        ("AUTH,AUTH_,, SERVICE", ("AUTH_", "SERVICE_")),
        ("", ("",)),
        ("''", ("",)),
        ("'', AUTH", ("", "AUTH_")),
    ],
)
def test_prefixes_are_read_as_swift_reads_them(option: str, prefixes: tuple[str, ...]) -> None:
    """An underscore is added, repetitions and blanks go, and no prefix at all is the empty one."""
    assert Resellers.from_options({"reseller_prefix": option}).prefixes == prefixes


def test_without_the_option_it_is_auth() -> None:
    """As in every Swift installation."""
    assert Resellers.from_options({}).prefixes == ("AUTH_",)


@pytest.mark.parametrize(
    ("option", "account", "prefix"),
    [
        ("AUTH", "AUTH_test", "AUTH_"),
        ("AUTH", "OTHER_test", None),
        ("AUTH", None, None),
        ("'', AUTH", "AUTH_test", "AUTH_"),
        ("'', AUTH", "anything", ""),
        ("''", "AUTH_test", ""),
    ],
)
def test_the_longest_claim_wins(option: str, account: str | None, prefix: str | None) -> None:
    """The empty prefix takes only what no other takes."""
    assert Resellers.from_options({"reseller_prefix": option}).prefix_of(account) == prefix


def test_groups_may_be_required_of_all_or_of_one() -> None:
    """A prefix's own option goes before the common one."""
    options = {
        "reseller_prefix": "AUTH, SERVICE, ''",
        "require_group": "common",
        "SERVICE_require_group": " service ",
        "''require_group": "",
    }
    assert Resellers.from_options(options).required_groups == {"AUTH_": "common", "SERVICE_": "service"}


@pytest.mark.parametrize(
    ("account", "ordinary"), [("AUTH_a", True), ("AUTH_", False), ("AUTH_.hidden", False), ("OTHER_a", False)]
)
def test_hidden_and_bare_accounts_are_nobodys(account: str, ordinary: bool) -> None:
    """Not even a reseller administrator reaches them."""
    assert Resellers.from_options({}).is_ordinary(account) is ordinary
